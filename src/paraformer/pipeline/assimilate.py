"""``assimilate``: soil moisture one step ahead, with and without a filter, by default VIC and by θ of a method.

Everything that is fitted sees the training period alone: the line from simulated to observed moisture, the errors that
the filter assumes. The errors of each cell are those of a few candidates under which its innovations are most likely.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from paraformer.config import load_study
from paraformer.core.conventions import axes, labels
from paraformer.core.errors import SettingsError, nearest
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.names import DEFAULT
from paraformer.core.netcdf import write_dataset
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.evaluation.compare import MIN_BLOCKS, block_bootstrap, tiles
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.score import fit_operator
from paraformer.numerics.ensemble_kalman import innovations
from paraformer.numerics.observe import Line, observe
from paraformer.numerics.scores import accumulate, finish
from paraformer.pipeline.land import files_of
from paraformer.pipeline.result import Result
from paraformer.process.assimilation import Errors, Filter, Filtered
from paraformer.process.build import build_process
from paraformer.process.vic.model import VIC

UPDATES = ("both", "moisture", "offset")
"""What an observation moves: VIC's moisture and the offset that lasts, or one of them."""

LAST = "last observation"
"""Row that knows no model: the cell's last observation before the day."""

OPERATOR = "cell_lstsq"
"""From simulated to observed moisture: a straight line of each cell, by least squares over its training period."""

PRECIPITATION, RADIATION, MEMORY = 0.5, 0.1, 10.0
"""Errors that are not tuned: of the logarithm of daily precipitation and radiation; days of the offset's memory."""

_MOISTURE = {"both": (0.003, 0.01), "moisture": (0.005, 0.015, 0.03), "offset": (0.0,)}
"""Errors of moisture a day that are tried [m3 m-3]."""

_SHARES = {
    "both": ((0.2, 0.6), (0.4, 0.4), (0.6, 0.3)),
    "moisture": ((0.25, 0.0), (0.5, 0.0)),
    "offset": ((0.2, 0.8), (0.35, 0.65), (0.5, 0.5), (0.65, 0.35)),
}
"""Shares of the open loop's residual variance that are tried: error of the observation, and offset."""

_TUNING_MEMBERS, _WARMING = 16, 30
"""Members while errors are chosen; first days, in which the members have not yet spread, that do not count there."""

_LEAST = 1e-4
"""Least standard deviation of the open loop's residuals, lest an error be 0 [m3 m-3]."""

_METRICS = ("ubrmse", "rmse", "pcc", "bias")
_LEAD = ("lead", "low", "high")
_INNOVATION = ("innovation", "normalised", "correlation")
_WATER = ("increment", "moved", "noise")
_ERRORS = ("moisture", "offset", "observation")
_TILE = 8.0
"""Side of the tiles that the interval of a difference draws [degree], as in ``compare``."""


class Row(NamedTuple):
    """A line of the table: forecasts of observed moisture, and what the filter did, if there was one.

    Attributes:
        forecast: [m3 m-3] [cell, time].
        mask: observations that are scored.
        filtered: all days of the filter; ``None`` of an open loop.
        errors: those chosen.
    """

    name: str
    forecast: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    filtered: Filtered | None = None
    errors: Errors | None = None


def assimilate(
    run: str | Path,
    method: str | None = None,
    *,
    update: str = "both",
    members: int = 24,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Assimilate the observations of a finished run into VIC, by default and by a method's θ.

    Writes ``rows.csv`` (what is returned), ``cells.csv`` (the same in every cell) and ``series.nc`` (forecasts,
    expected standard deviation, water added) into the folder ``out``.

    Args:
        run: directory of a run that was judged by VIC.
        method: whose θ, the mean over its seeds; ``None`` takes the recommended one.
        update: what an observation moves: ``moisture`` of VIC, the ``offset`` that lasts, or ``both``.
        members: of each cell.
        out: folder; ``RUN/assimilation`` without it.

    Returns:
        A line for the last observation, the open loops and the filters: mean over cells of ubRMSE, RMSE and bias
        [m3 m-3] and PCC over observed days of the test period, each forecast made before its observation was used;
        ``lead``, the last row's ubRMSE less that of the row, its interval over tiles ``low``, ``high``; of filters ``innovation``
        (mean [m3 m-3]), ``normalised`` (variance over what was expected), ``correlation`` (of an innovation with the
        next), ``increment`` (water added by updates) and ``moved`` (the sum of its absolute values, as ``noise`` of
        the error of moisture) [mm year-1], mean over cells.

    Raises:
        SettingsError: if the process model of the run is not VIC, or it learns from streamflow alone.
        DataError: if there is no such method.
    """
    if update not in UPDATES:
        raise SettingsError(f"update: unknown '{update}'{nearest(update, UPDATES)}")
    result, folder = Result(run), Path(run) / "assimilation" if out is None else Path(out)
    study = load_study(result.study_file)
    if not study.moisture:
        raise SettingsError(f"{run}: the study has no soil moisture to assimilate")
    best = result.best(method)
    theta = np.stack([best.theta[name].values for name in result.space.names], axis=-1)
    cube = result.cube
    model = build_process(study.process, study.space, cube, files_of(study, result.folder("cube")))
    if not isinstance(model, VIC):
        raise SettingsError(f"process.model: a filter needs VIC's state, found '{study.process.model}'")
    case = Case(model, cube, holdout_of(cube), update, members, study.seed, progress or Progress())
    loops, filters = zip(*(case.rows(name, t) for name, t in ((DEFAULT, None), (best.method, theta))), strict=True)
    rows = [case.last_observation(), *loops, *filters]
    cells = pd.concat([case.scored(row) for row in rows], ignore_index=True)
    table = summed(cells)
    write_csv(folder / "rows.csv", table)
    write_csv(folder / "cells.csv", cells)
    write_dataset(case.series(rows), folder / "series.nc")
    return table


@dataclass(frozen=True)
class Case:
    """Cells, days and observations that rows are made of."""

    model: VIC
    cube: Cube
    holdout: Holdout
    update: str
    members: int
    seed: int
    progress: Progress

    @property
    def stop(self) -> int:
        """The day after the test period."""
        return int(np.flatnonzero(self.holdout.test_days)[-1]) + 1

    def last_observation(self) -> Row:
        """Each cell's last observation before the day, scored where there is one."""
        seen = np.where(self.holdout.mask, np.arange(self.holdout.mask.shape[1]), -1)
        last = np.concatenate([np.full((len(seen), 1), -1), np.maximum.accumulate(seen, axis=1)[:, :-1]], axis=1)
        forecast = np.take_along_axis(self.holdout.observed, np.maximum(last, 0), axis=1)
        return Row(LAST, np.where(last < 0, 0.0, forecast), self.holdout.mask & (last >= 0))

    def rows(self, name: str, theta: Float[np.ndarray, "cell parameter"] | None) -> tuple[Row, Row]:
        """The open loop with a θ, and the filter."""
        sets = None if theta is None else theta[:, None]
        simulated = self.model.simulate(sets, ("soil_moisture",))["soil_moisture"][:, 0]
        line = fit_operator(OPERATOR, simulated, self.holdout)
        loop = observe(simulated, line)
        errors = self.chosen(theta, line, loop, name)
        run = Filter(self.model, theta, line, errors, members=self.members, seed=self.seed)
        observed, mask = self.holdout.observed, self.holdout.mask
        filtered, _ = run.run(run.start(), observed, mask, self.stop, self.progress, f"filter, {name}")
        forecast = loop.copy()
        forecast[:, : self.stop] = filtered.forecast
        return Row(f"open loop, {name}", loop, mask), Row(f"filter, {name}", forecast, mask, filtered, errors)

    def chosen(
        self,
        theta: Float[np.ndarray, "cell parameter"] | None,
        line: Line,
        loop: Float[np.ndarray, "cell time"],
        name: str,
    ) -> Errors:
        """Of each cell the candidate under which the innovations of its training period are most likely."""
        train = self.holdout.mask & self.holdout.train_days
        square = np.where(train, loop - self.holdout.observed, 0.0) ** 2
        std = np.sqrt(np.maximum(square.sum(axis=1) / np.maximum(train.sum(axis=1), 1), _LEAST**2))
        last = int(np.flatnonzero(self.holdout.train_days)[-1]) + 1
        counted = train[:, :last] & (np.arange(last) >= _WARMING)
        candidates, surprise = self._candidates(std), []
        for number, errors in enumerate(candidates, start=1):
            run = Filter(self.model, theta, line, errors, members=min(self.members, _TUNING_MEMBERS), seed=self.seed)
            shown = f"{name}: errors {number} of {len(candidates)}"
            found, _ = run.run(run.start(), self.holdout.observed, self.holdout.mask, last, self.progress, shown)
            at = innovations(found.forecast, found.variance, self.holdout.observed[:, :last], counted)
            surprise.append(np.nan_to_num(at.surprise, nan=0.0))
        best = np.argmin(surprise, axis=0)

        def of_best(name: str) -> Float[np.ndarray, " cell"]:
            return np.stack([getattr(errors, name) for errors in candidates])[best, np.arange(len(std))]

        return candidates[0]._replace(
            moisture=of_best("moisture"), offset=of_best("offset"), observation=of_best("observation")
        )

    def _candidates(self, std: Float[np.ndarray, " cell"]) -> list[Errors]:
        """Errors that are tried, from the open loop's residuals [m3 m-3]."""
        forced = self.update != "offset"
        return [
            Errors(
                precipitation=PRECIPITATION if forced else 0.0,
                radiation=RADIATION if forced else 0.0,
                moisture=np.full(len(std), moisture),
                offset=np.sqrt(offset) * std,
                memory=MEMORY,
                observation=np.sqrt(observation) * std,
            )
            for moisture in _MOISTURE[self.update]
            for observation, offset in _SHARES[self.update]
        ]

    def scored(self, row: Row) -> pd.DataFrame:
        """Scores of a row in every cell, and what the filter did there."""
        holdout, days, n_cell = self.holdout, self.holdout.test_days, len(self.holdout.cells)
        mask = row.mask[:, days]
        found = finish(accumulate(row.forecast[:, days], holdout.observed[:, days], mask))
        place = {"cell": holdout.cells, "lat": holdout.lat, "lon": holdout.lon, "row": row.name}
        table = pd.DataFrame({**place, "days": mask.sum(axis=1), **{m: found.values[m] for m in _METRICS}})
        if row.filtered is None or row.errors is None:
            return table.assign(**dict.fromkeys((*_INNOVATION, *_WATER, *_ERRORS), np.nan))
        part, filtered = days[: self.stop], row.filtered
        said = innovations(filtered.forecast[:, part], filtered.variance[:, part], holdout.observed[:, days], mask)
        increment, noise = (DAYS_PER_YEAR * values[:, part] for values in (filtered.increment, filtered.noise))
        water = (increment.sum(axis=2), np.abs(increment).sum(axis=2), np.abs(noise).sum(axis=2))
        errors = (getattr(row.errors, name) * np.ones(n_cell) for name in _ERRORS)
        return table.assign(
            **dict(zip(_INNOVATION, (said.mean, said.normalised, said.correlation), strict=True)),
            **dict(zip(_WATER, (values.mean(axis=1) for values in water), strict=True)),
            **dict(zip(_ERRORS, errors, strict=True)),
        )

    def series(self, rows: Sequence[Row]) -> xr.Dataset:
        """Forecasts of every row up to the end of the test period, and what the filters expected and added."""
        nothing = np.full((len(self.holdout.cells), self.stop), np.nan)

        def of(row: Row, name: str) -> Float[np.ndarray, "cell time"]:
            if row.filtered is None:
                return nothing
            values = getattr(row.filtered, name)
            return np.sqrt(values) if name == "variance" else values if values.ndim == 2 else values.sum(axis=2)

        dims, holdout = ("row", "cell", "time"), self.holdout
        observed = np.where(holdout.mask, holdout.observed, np.nan)[:, : self.stop]
        meaning = {
            "variance": ("std", "m3 m-3", "expected standard deviation of observation less forecast"),
            "moisture": ("moisture", "m3 m-3", "soil moisture of layer 1 after the update, mean over members"),
            "increment": ("increment", "mm", "water that the update added, mean over members"),
        }
        about = {"units": "m3 m-3", "long_name": "forecast of the observation, before it was used"}
        variables: dict[str, tuple] = {
            "observed": (("cell", "time"), observed, {"units": "m3 m-3", "long_name": "observed soil moisture"}),
            "forecast": (dims, np.stack([row.forecast[:, : self.stop] for row in rows]), about),
        }
        for name, (called, unit, words) in meaning.items():
            told = {"units": unit, "long_name": words}
            variables[called] = (dims, np.stack([of(row, name) for row in rows]), told)
        where = axes(holdout.cells, holdout.lat, holdout.lon, self.cube.time[: self.stop])
        coords = {**where, **labels("row", [row.name for row in rows], "what made the forecast")}
        return xr.Dataset(variables, coords, {"title": "Soil moisture before each observation, open loop and filtered"})


def summed(cells: pd.DataFrame) -> pd.DataFrame:
    """Means over the cells scored in every row, a line a row, with the last row's lead over each."""
    names = list(dict.fromkeys(cells["row"]))
    wide = cells.pivot(index="cell", columns="row", values="ubrmse")[names]
    both = wide.dropna().index
    place = cells[cells["row"] == names[0]].set_index("cell").loc[both]
    block = tiles(place["lat"].to_numpy(), place["lon"].to_numpy(), _TILE)
    rows = []
    for name in names:
        part = cells[(cells["row"] == name) & cells["cell"].isin(both)]
        against = (wide.loc[both, names[-1]] - wide.loc[both, name]).to_numpy()
        told = (against.mean() if len(both) else np.nan, np.nan, np.nan)
        if name != names[-1] and len(both) and block.max() + 1 >= MIN_BLOCKS:
            told = block_bootstrap(against, block)[:3]
        means = {column: part[column].mean() for column in (*_METRICS, *_INNOVATION, *_WATER)}
        rows.append({"row": name, **means, **dict(zip(_LEAD, told, strict=True)), "n_cells": len(both)})
    return pd.DataFrame(rows)[["row", *_METRICS, *_LEAD, *_INNOVATION, *_WATER, "n_cells"]]


def describe_assimilation(table: pd.DataFrame, folder: Path) -> str:
    """The table for a terminal, and where the files are."""
    shown = table.astype({"n_cells": str})
    for column in table.columns[1:-1]:
        digits = 0 if column in _WATER else 2 if column in ("normalised", "correlation", "pcc") else 4
        shown[column] = [f"{value:.{digits}f}" if np.isfinite(value) else "–" for value in table[column]]
    head = (
        "Soil moisture before each observation of the test period, through a line of the training period; mean over "
        "cells. lead: ubRMSE of the last row less that of the row, with its 95 % interval from a bootstrap of tiles. "
        "Of filters: mean, normalised variance (1 is expected) and lag-1 correlation of innovations; water added by "
        "updates, moved by them and by the error of moisture [mm year-1]"
    )
    return f"{head}\n\n{to_text(shown)}\n\nfiles: {folder}"
