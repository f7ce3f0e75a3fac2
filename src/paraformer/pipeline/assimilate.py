"""``assimilate``: soil moisture one step ahead, with and without a filter, by default VIC and by θ of a method.

Everything that is fitted sees the training period alone: the line from simulated to observed moisture, the errors that
the filter assumes. Errors of a cell are those, of some that are tried, under which its innovations are most likely: of
observation and offset by residuals of the open loop alone, of moisture by runs of the filter.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Bool, Float

from paraformer.config import load_study
from paraformer.core.conventions import axes, days_since, labels
from paraformer.core.errors import SettingsError
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.names import DEFAULT
from paraformer.core.netcdf import write_dataset
from paraformer.core.text_table import to_text
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.evaluation.compare import MIN_BLOCKS, TILE, block_bootstrap, tiles
from paraformer.evaluation.holdout import Holdout, holdout_of
from paraformer.evaluation.score import fit_operator
from paraformer.numerics.kalman_filter import innovations, offset_filter
from paraformer.numerics.observe import Line, observe
from paraformer.numerics.scores import accumulate, finish
from paraformer.pipeline.land import files_of
from paraformer.pipeline.result import Result
from paraformer.process.assimilation import Errors, Filter, Filtered
from paraformer.process.build import build_process
from paraformer.process.vic.model import VIC

LAST = "last observation"
"""Row that knows no model: the cell's last observation before the day."""

OPERATOR = "cell_lstsq"
"""From simulated to observed moisture: a straight line of each cell, by least squares over its training period."""

PRECIPITATION, RADIATION = 0.5, 0.1
"""Errors of the members that are not tuned: of the logarithm of a day's precipitation and radiation."""

_SHARES, _MEMORIES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8), (3.0, 6.0, 12.0, 25.0, 50.0)
"""Shares of the open loop's residual variance that are tried for the observation's error and for the offset, and days
of the offset's memory: all combinations."""

_MOISTURE = {True: ((0.002, 1.0), (0.006, 0.8), (0.015, 0.6)), False: ((0.005, 0.0), (0.015, 0.0), (0.03, 0.0))}
"""Errors of moisture a day that are tried [m3 m-3], and what they leave of the offset: with it, and without."""

_TUNING_MEMBERS, _WARMING = 16, 30
"""Members while errors are chosen; first days, in which the members have not yet spread, that do not count there."""

_LEAST = 1e-4
"""Least standard deviation of the open loop's residuals, lest an error be 0 [m3 m-3]."""

_METRICS = ("ubrmse", "rmse", "pcc", "bias")
_LEAD = ("lead", "low", "high")
_INNOVATION = ("innovation", "normalised", "correlation")
_WATER = ("increment", "moved", "noise")
_ERRORS = ("moisture", "offset", "memory", "observation")


class Row(NamedTuple):
    """A line of the table: forecasts of observed moisture, and what the filter did, if there was one.

    Attributes:
        forecast: [m3 m-3] [cell, time].
        mask: observations that are scored.
        variance: expected of observation less forecast [m6 m-6]; ``None`` where nothing was filtered.
        filtered: days of VIC's filter.
        errors: those chosen.
    """

    name: str
    forecast: Float[np.ndarray, "cell time"]
    mask: Bool[np.ndarray, "cell time"]
    variance: Float[np.ndarray, "cell time"] | None = None
    filtered: Filtered | None = None
    errors: Errors | None = None


def assimilate(
    run: str | Path,
    method: str | None = None,
    *,
    offset: bool = True,
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
        offset: whether an observation moves the offset that lasts, too, or VIC's moisture alone.
        members: of each cell.
        out: folder; ``RUN/assimilation`` without it.

    Returns:
        A line for the last observation, the open loops, these with an offset alone (no observation enters VIC), and
        the filters: mean over cells of ubRMSE, RMSE and bias [m3 m-3] and PCC over observed days of the test period,
        each forecast made before its observation was used; ``lead``, the last row's ubRMSE less that of the row, and
        its interval over tiles (``low``, ``high``). Where something was filtered, ``innovation`` (mean [m3 m-3]),
        ``normalised`` (variance over what was expected) and ``correlation`` (of an innovation with the next). Water
        [mm year-1] that the updates of the filter add (``increment``) and move (``moved``, sum of absolute values), and
        that the error of moisture adds (``noise``).

    Raises:
        SettingsError: if the process model of the run is not VIC, or it learns from streamflow alone.
        DataError: if there is no such method.
    """
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
    case = Case(model, cube.time, holdout_of(cube), offset, members, study.seed, progress or Progress())
    each = (case.rows(name, given) for name, given in ((DEFAULT, None), (best.method, theta)))
    rows = [case.last_observation(), *(row for pair in zip(*each, strict=True) for row in pair)]
    cells = pd.concat([case.scored(row) for row in rows], ignore_index=True)
    table = summed(cells)
    write_csv(folder / "rows.csv", table)
    write_csv(folder / "cells.csv", cells)
    write_series(case.series(rows), folder / "series.nc")
    return table


def write_series(series: xr.Dataset, path: Path) -> None:
    """Write ``Case.series``, packed."""
    packed = {"zlib": True, "complevel": 4, "shuffle": True, "dtype": "float32", "_FillValue": np.float32(np.nan)}
    encoding = {str(name): packed for name in series.data_vars}
    write_dataset(series, path, encoding={**encoding, "time": days_since(series["time"].values[0])})


@dataclass(frozen=True)
class Case:
    """Cells, days and observations that rows are made of."""

    model: VIC
    time: np.ndarray
    holdout: Holdout
    offset: bool
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

    def rows(self, name: str, theta: Float[np.ndarray, "cell parameter"] | None) -> tuple[Row, Row, Row]:
        """The open loop with a θ, the same with the offset alone, and the filter."""
        sets, observed, mask = None if theta is None else theta[:, None], self.holdout.observed, self.holdout.mask
        simulated = self.model.simulate(sets, ("soil_moisture",))["soil_moisture"][:, 0]
        line = fit_operator(OPERATOR, simulated, self.holdout)
        loop = observe(simulated, line)
        errors = self.of_residuals(loop)
        moved, variance = offset_filter(observed - loop, mask, errors.offset, errors.memory, errors.observation)
        chosen = self.chosen(theta, line, errors, name)
        run = Filter(self.model, theta, line, chosen, members=self.members, seed=self.seed)
        filtered, _ = run.run(run.start(), observed, mask, self.stop, self.progress, f"filter, {name}")
        forecast, expected = loop.copy(), np.ones_like(loop)
        forecast[:, : self.stop], expected[:, : self.stop] = filtered.forecast, filtered.variance
        return (
            Row(f"open loop, {name}", loop, mask),
            Row(f"offset alone, {name}", loop + moved, mask, variance, errors=errors),
            Row(f"filter, {name}", forecast, mask, expected, filtered, chosen),
        )

    def of_residuals(self, loop: Float[np.ndarray, "cell time"]) -> Errors:
        """Error of the observation, and offset, under which a cell's residuals of the training period are most likely,
        were its moisture without error."""
        holdout, n_cell = self.holdout, len(self.holdout.cells)
        train, last = holdout.mask & holdout.train_days, self._trained
        residual = np.where(train, holdout.observed - loop, 0.0)
        std = np.sqrt(np.maximum((residual**2).sum(axis=1) / np.maximum(train.sum(axis=1), 1), _LEAST**2))
        counted = train[:, :last] & (np.arange(last) >= _WARMING)
        tried, surprise = list(itertools.product(_SHARES, _SHARES, _MEMORIES)), []
        for error, offset, memory in tried:
            stds = np.sqrt(offset) * std, np.full(n_cell, memory), np.sqrt(error) * std
            found = offset_filter(residual[:, :last], train[:, :last], *stds)
            surprise.append(innovations(*found, residual[:, :last], counted).surprise)
        error, offset, memory = np.array(tried)[np.argmin(np.nan_to_num(surprise), axis=0)].T
        nothing = np.zeros(n_cell)
        return Errors(0.0, 0.0, nothing, np.sqrt(offset) * std, memory, np.sqrt(error) * std)

    def chosen(
        self, theta: Float[np.ndarray, "cell parameter"] | None, line: Line, errors: Errors, name: str
    ) -> Errors:
        """With the error of moisture that is tried under which innovations of the training period are most likely."""
        holdout, last = self.holdout, self._trained
        counted = (holdout.mask & holdout.train_days)[:, :last] & (np.arange(last) >= _WARMING)
        tried, surprise, members = np.array(_MOISTURE[self.offset]), [], min(self.members, _TUNING_MEMBERS)
        for number, each in enumerate(tried, start=1):
            with_them = _with_moisture(errors, *np.broadcast_to(each[:, None], (2, len(holdout.cells))))
            run = Filter(self.model, theta, line, with_them, members=members, seed=self.seed)
            shown = f"{name}: errors {number} of {len(tried)}"
            found, _ = run.run(run.start(), holdout.observed, holdout.mask, last, self.progress, shown)
            at = innovations(found.forecast, found.variance, holdout.observed[:, :last], counted)
            surprise.append(at.surprise)
        return _with_moisture(errors, *tried[np.argmin(np.nan_to_num(surprise), axis=0)].T)

    @property
    def _trained(self) -> int:
        """The day after the training period."""
        return int(np.flatnonzero(self.holdout.train_days)[-1]) + 1

    def scored(self, row: Row) -> pd.DataFrame:
        """Scores of a row in every cell, and what the filter did there."""
        holdout, days, n_cell = self.holdout, self.holdout.test_days, len(self.holdout.cells)
        mask = row.mask[:, days]
        found = finish(accumulate(row.forecast[:, days], holdout.observed[:, days], mask))
        place = {"cell": holdout.cells, "lat": holdout.lat, "lon": holdout.lon, "row": row.name}
        table = pd.DataFrame({**place, "days": mask.sum(axis=1), **{m: found.values[m] for m in _METRICS}})
        more = dict.fromkeys((*_INNOVATION, *_WATER, *_ERRORS), np.full(n_cell, np.nan))
        if row.variance is not None and row.errors is not None:
            said = innovations(row.forecast[:, days], row.variance[:, days], holdout.observed[:, days], mask)
            more |= dict(zip(_INNOVATION, (said.mean, said.normalised, said.correlation), strict=True))
            more |= {name: getattr(row.errors, name) for name in _ERRORS}
        if row.filtered is not None:
            part = days[: self.stop]
            added, noise = (values[:, part].sum(axis=2) for values in (row.filtered.increment, row.filtered.noise))
            moved = np.abs(row.filtered.increment[:, part]).sum(axis=2)
            more |= {
                name: DAYS_PER_YEAR * values.mean(axis=1)
                for name, values in zip(_WATER, (added, moved, noise), strict=True)
            }
        return table.assign(**more)

    def series(self, rows: Sequence[Row]) -> xr.Dataset:
        """Forecasts of every row up to the end of the test period, and what the filters expected and added."""
        nothing = np.full((len(self.holdout.cells), self.stop), np.nan)

        def of(row: Row, name: str) -> Float[np.ndarray, "cell time"]:
            if name == "variance":
                return nothing if row.variance is None else np.sqrt(row.variance[:, : self.stop])
            if row.filtered is None:
                return nothing
            values = getattr(row.filtered, name)
            return values if values.ndim == 2 else values.sum(axis=2)

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
        where = axes(holdout.cells, holdout.lat, holdout.lon, self.time[: self.stop])
        coords = {**where, **labels("row", [row.name for row in rows], "what made the forecast")}
        return xr.Dataset(variables, coords, {"title": "Soil moisture before each observation, open loop and filtered"})


def _with_moisture(errors: Errors, moisture: Float[np.ndarray, " cell"], left: Float[np.ndarray, " cell"]) -> Errors:
    """With an error of moisture, which leaves a part of the offset."""
    return errors._replace(
        precipitation=PRECIPITATION, radiation=RADIATION, moisture=moisture.copy(), offset=left * errors.offset
    )


def summed(cells: pd.DataFrame) -> pd.DataFrame:
    """Means over the cells scored in every row, a line a row, with the last row's lead over each."""
    names = list(dict.fromkeys(cells["row"]))
    wide = cells.pivot(index="cell", columns="row", values="ubrmse")[names]
    both = wide.dropna().index
    place = cells[cells["row"] == names[0]].set_index("cell").loc[both]
    block = tiles(place["lat"].to_numpy(), place["lon"].to_numpy(), TILE)
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
        "Mean, normalised variance (1 is expected) and lag-1 correlation of innovations; water that updates add and "
        "move, and that the error of moisture adds [mm year-1]"
    )
    return f"{head}\n\n{to_text(shown)}\n\nfiles: {folder}"
