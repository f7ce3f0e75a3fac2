"""The uncertainty stage: a posterior of θ in every cell around what a method found, by the process model itself.

Each block of cells is linearised (2p + 1 runs a cell), drawn from and run again (``draws`` runs a cell), and stored
before the next begins; a kill loses one block. Only observations of the training period are used, an unseen cell's own
included, as searches and history learners use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.conventions import axes, days_since, labels
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import write_csv
from paraformer.core.log import Progress
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import ParameterField
from paraformer.core.seeding import generator
from paraformer.core.variables import VOCABULARY
from paraformer.evaluation.adaptive import draw_in_rounds
from paraformer.evaluation.config import UncertaintyConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.evaluation.information import OUTPUTS, SOIL_MOISTURE, information, target_precisions
from paraformer.evaluation.posterior import (
    coverage,
    crps,
    draw,
    quadratic,
    summarise_draws,
    tails,
    weighted_quantiles,
)
from paraformer.numerics.inference import error_model
from paraformer.process.jacobian import STEP, Linearisation, inside, linearise, steps_of

_OUTPUT = "soil_moisture"
_CELLS = 32
"""Cells of a block: bounds the memory of the draws' series."""

COVERAGE = ("method", "of", "cells", "laplace", "importance", "n", "crps", "error")
"""Of the coverage table: ``laplace`` is of the truncated linear posterior (θ only), ``importance`` of weighted runs.
``crps`` is the mean score of their distribution of an observation [m3 m-3], ``error`` that of the method's θ alone,
its mean absolute error."""


@dataclass(frozen=True)
class Uncertain:
    """What the stage works on.

    Attributes:
        precipitation: [mm day-1].
        truth, true_moisture: known in the built-in world only.
    """

    config: UncertaintyConfig
    space: ParameterSpace
    model: ForwardModel
    holdout: Holdout
    fields: Sequence[ParameterField]
    seed: int
    time: np.ndarray
    precipitation: Float[np.ndarray, "cell time"]
    truth: Float[np.ndarray, "cell parameter"] | None
    true_moisture: Float[np.ndarray, "cell time"] | None

    def run(self, path: Path, progress: Progress) -> int:
        """Write ``<method>.nc`` of every method, ``coverage.csv``, ``identifiability.csv`` and, where asked for,
        ``targets.csv``; returns the runs.

        Raises:
            SettingsError: if ``targets`` need outputs that the process model has not.
            DataError: if the training period lacks a calendar month that they need.
        """
        self._require_outputs()
        tables, per_cell = [], 2 * len(self.space) + 1 + self.config.rounds * self.config.draws
        n_cells = len(self.holdout.cells)
        starts = range(0, n_cells, _CELLS)
        with progress.task("posterior of θ", len(self.fields) * n_cells, unit="cells") as advance:
            for field in self.fields:
                for start in starts:
                    cells = np.arange(start, min(start + _CELLS, n_cells))
                    block = path / "blocks" / field.method / f"{start}.nc"
                    if not block.exists():
                        self._write(self._block(field, cells), block)
                    advance(len(cells))
                blocks = [read_dataset(path / "blocks" / field.method / f"{s}.nc") for s in starts]
                posterior = xr.concat(blocks, "cell")
                self._write(posterior, path / f"{field.method}.nc")
                tables.append(self._coverage(field.method, posterior))
        write_csv(path / "coverage.csv", pd.concat(tables, ignore_index=True))
        posteriors = {f.method: read_dataset(path / f"{f.method}.nc") for f in self.fields}
        write_csv(path / "identifiability.csv", identifiability(posteriors, self.holdout, self.space))
        if self.config.targets is not None:
            write_csv(path / "targets.csv", by_target(posteriors, self.holdout, self.space))
        return len(self.fields) * n_cells * per_cell

    def _write(self, posterior: xr.Dataset, path: Path) -> None:
        encoding = {"time": days_since(self.time[0])}
        write_dataset(posterior.drop_encoding(), path, engine="h5netcdf", encoding=encoding)

    def _block(self, field: ParameterField, cells: np.ndarray) -> xr.Dataset:
        """Posterior of some cells."""
        config, space, days = self.config, self.space, self.holdout.train_days
        assert field.theta is not None
        model, u = self.model.select(cells), np.clip(space.to_unit(field.theta[cells]), 0, 1)
        outputs = (_OUTPUT, *(OUTPUTS if config.targets is not None else ()))
        around = linearise(model, u[:, None], steps_of(space, STEP), outputs)
        mask = self.holdout.mask[np.ix_(cells, np.flatnonzero(days))]
        observed = np.where(mask, self.holdout.observed[np.ix_(cells, np.flatnonzero(days))], 0.0)
        residual = np.where(mask, observed - around.value[_OUTPUT][:, 0, days], 0.0)
        errors = error_model(residual, mask)
        likelihood = quadratic(u, residual, around.slope[_OUTPUT][:, 0, days], mask, errors)
        random = generator(self.seed, "uncertainty", field.method, int(cells[0]))
        plain = draw(likelihood, 4 * config.draws, random)
        simulated = []

        def log_likelihood(points: Float[np.ndarray, "cell draw parameter"]) -> Float[np.ndarray, "cell draw"]:
            simulated.append(found := model.simulate(inside(space, points), (_OUTPUT,))[_OUTPUT])
            misfit = np.where(mask[:, None], observed[:, None] - found[:, :, days], 0.0)
            return -0.5 * (misfit**2).sum(axis=-1) / errors.inflated[:, None]

        drawn, weight, k = draw_in_rounds(
            likelihood, log_likelihood, config.draws, config.rounds, config.temperature, random
        )
        series = np.concatenate(simulated, axis=1)
        equal = np.full(plain.shape[:2], 1 / plain.shape[1])
        found = {
            "": summarise_draws(drawn, weight, k, config.level),
            "laplace_": summarise_draws(plain, equal, np.zeros(len(cells)), config.level),
        }
        noise = random.standard_normal(series.shape) * np.sqrt(errors.variance)[:, None, None]
        variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
            "theta": (("cell", "parameter"), field.theta[cells]),
            "error_std": (("cell",), np.sqrt(errors.variance)),
            "error_correlation": (("cell",), errors.correlation),
            "pareto_k": (("cell",), k),
            "effective_draws": (("cell",), found[""].effective),
        }
        for prefix, part in found.items():
            for name in ("mean", "lower", "upper"):
                physical = space.clip(space.from_unit(np.clip(getattr(part, name), 0, 1)))
                variables[f"{prefix}theta_{name}"] = (("cell", "parameter"), physical)
            variables[f"{prefix}unit_std"] = (("cell", "parameter"), part.std)
            variables[f"{prefix}gain"] = (("cell", "parameter"), part.gain)
        for name, values in (("simulated", series), ("observed", series + noise)):
            lower, upper = weighted_quantiles(values, weight, tails(weight, config.level))
            variables[f"{name}_lower"] = (("cell", "time"), lower.astype(np.float32))
            variables[f"{name}_upper"] = (("cell", "time"), upper.astype(np.float32))
        at = self.holdout
        truth = np.where(at.mask[cells], at.observed[cells], np.nan)
        alone = np.abs(around.value[_OUTPUT][:, 0] - truth)
        for name, score in (("observed_crps", crps(series + noise, weight, truth)), ("observed_error", alone)):
            variables[name] = (("cell", "time"), score.astype(np.float32))
        coords = axes(at.cells[cells], at.lat[cells], at.lon[cells], self.time) | labels(
            "parameter", space.names, "name of the parameter"
        )
        if config.targets is not None:
            seen = self._information(likelihood.precision, around, cells)
            coords |= labels("observation", list(seen), "what is observed")
            variables["gain_by_observation"] = (("cell", "observation", "parameter"), np.stack(list(seen.values()), 1))
        about = {"title": f"Posterior of the parameters around {field.method}", "method": field.method}
        named = {name: (dims, values, _meaning(name)) for name, (dims, values) in variables.items()}
        return xr.Dataset(named, coords, about | {"level": config.level})

    def _information(
        self, moisture: Float[np.ndarray, "cell parameter parameter"], around: Linearisation, cells: np.ndarray
    ) -> dict[str, Float[np.ndarray, "cell parameter"]]:
        """What each kind of observation of the training period would say of some cells' θ."""
        assert self.config.targets is not None
        days = self.holdout.train_days
        value, slope = ({name: of[name][:, 0, days] for name in OUTPUTS} for of in (around.value, around.slope))
        rain = self.precipitation[np.ix_(cells, np.flatnonzero(days))]
        try:
            others = target_precisions(value, slope, rain, self.time[days], self.config.targets)
        except ValueError as error:
            raise DataError(f"uncertainty.targets: evapotranspiration, training period: {error}") from error
        return information({SOIL_MOISTURE: moisture, **others})

    def _require_outputs(self) -> None:
        missing = [name for name in OUTPUTS if name not in self.model.outputs]
        if self.config.targets is not None and missing:
            raise SettingsError(f"uncertainty.targets: the process model has no output '{missing[0]}'; leave it out")

    def _coverage(self, method: str, posterior: xr.Dataset) -> pd.DataFrame:
        """Share of true θ, true soil moisture and real observations of the test period inside their intervals."""
        rows, test = [], self.holdout.test_days
        for name, cells in _groups(self.holdout):
            part = posterior.isel(cell=np.flatnonzero(cells))
            for i, parameter in enumerate(self.space.names if self.truth is not None else ()):
                true = self.truth[cells, i]  # type: ignore[index]
                both = [
                    coverage(true, part[f"{p}theta_lower"].values[:, i], part[f"{p}theta_upper"].values[:, i])
                    for p in ("laplace_", "")
                ]
                rows.append((method, parameter, name, *both, true.size, np.nan, np.nan))
            observed = np.where(self.holdout.mask, self.holdout.observed, np.nan)
            compared = {"observed soil moisture": ("observed", observed)}
            if self.true_moisture is not None:
                compared["true soil moisture"] = ("simulated", self.true_moisture)
            for label, (kind, values) in compared.items():
                truth = values[np.ix_(cells, test)]
                bounds = (part[f"{kind}_{end}"].values[:, test] for end in ("lower", "upper"))
                known = np.isfinite(truth)
                scores: list[float] = [np.nan, np.nan]
                if kind == "observed" and known.any():
                    scores = [float(part[f"observed_{n}"].values[:, test][known].mean()) for n in ("crps", "error")]
                rows.append((method, label, name, np.nan, coverage(truth, *bounds), int(known.sum()), *scores))
        return pd.DataFrame(rows, columns=list(COVERAGE))


_MEANINGS = {
    "theta": "parameters that the method found, physical units",
    "error_std": "standard deviation of the error of an observation",
    "error_correlation": "correlation of errors from one day to the next",
    "pareto_k": "shape of the tail of the weights",
    "effective_draws": "number of draws of equal weight that say as much",
    "theta_mean": "mean of the parameters, physical units",
    "theta_lower": "lower end of the interval of the parameters, physical units",
    "theta_upper": "upper end of the interval of the parameters, physical units",
    "unit_std": "standard deviation of the parameters, where their bounds are 0 and 1",
    "gain": "share of the prior variance that observations take away",
    "gain_by_observation": "share of the prior variance that observations of one kind would take away",
    "simulated_lower": "lower end of the interval of soil moisture",
    "simulated_upper": "upper end of the interval of soil moisture",
    "observed_lower": "lower end of the interval of an observation of soil moisture",
    "observed_upper": "upper end of the interval of an observation of soil moisture",
    "observed_crps": "continuous ranked probability score of an observation of soil moisture",
    "observed_error": "absolute error of soil moisture with the parameters that the method found",
}


def _meaning(name: str) -> dict[str, str]:
    """Attributes of a variable of a posterior. Those of θ have no unit: each parameter has its own."""
    plain = name.removeprefix("laplace_")
    meaning = _MEANINGS[plain] + ("" if plain == name else ", by the linear posterior alone")
    if plain == "error_std" or plain.startswith(("simulated", "observed")):
        return {"units": VOCABULARY[_OUTPUT].unit, "long_name": meaning}
    return {"long_name": meaning} | ({} if "theta" in plain else {"units": "1"})


_QUARTILES = ("gain_p25", "gain_median", "gain_p75", "share_above_half")


def identifiability(posteriors: dict[str, xr.Dataset], holdout: Holdout, space: ParameterSpace) -> pd.DataFrame:
    """How much of each parameter's prior variance the observations take away: quartiles over cells."""
    rows = [
        (method, parameter, name, *_quartiles(posterior["gain"].values[cells, i]))
        for method, posterior in posteriors.items()
        for name, cells in _groups(holdout)
        for i, parameter in enumerate(space.names)
    ]
    return pd.DataFrame(rows, columns=["method", "parameter", "cells", *_QUARTILES])


def by_target(posteriors: dict[str, xr.Dataset], holdout: Holdout, space: ParameterSpace) -> pd.DataFrame:
    """The same for every kind of observation that θ might be learned from, given its error."""
    rows = [
        (method, str(observation), parameter, name, *_quartiles(gain[cells, k, i]))
        for method, posterior in posteriors.items()
        for gain in (posterior["gain_by_observation"].values,)
        for k, observation in enumerate(posterior["observation_name"].values)
        for name, cells in _groups(holdout)
        for i, parameter in enumerate(space.names)
    ]
    return pd.DataFrame(rows, columns=["method", "observation", "parameter", "cells", *_QUARTILES])


def _groups(holdout: Holdout) -> list[tuple[str, np.ndarray]]:
    """Trained and unseen cells, those of them that there are."""
    both = (("trained", holdout.trained), ("unseen", ~holdout.trained))
    return [(name, cells) for name, cells in both if cells.any()]


def _quartiles(gain: Float[np.ndarray, " cell"]) -> tuple[float, ...]:
    return (*np.percentile(gain, (25, 50, 75)).tolist(), float((gain > 0.5).mean()))
