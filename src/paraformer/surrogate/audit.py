"""Audit: how far a surrogate can be trusted. RMSE is not enough, the response to θ must be right (method.md 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.seeding import generator
from paraformer.core.settings import Settings
from paraformer.surrogate.fit import SurrogateData

Pairs = Sequence[tuple[int, int]]


class AuditConfig(Settings):
    """Size of the audit near given θ."""

    perturbation: float = Field(
        default=0.1, gt=0, le=1, description="half-width of the perturbations, unit coordinates"
    )
    perturbations: int = Field(default=2, ge=1, description="perturbed θ per cell")


@dataclass(frozen=True)
class AuditRow:
    """One line of the audit.

    Attributes:
        where: which θ were compared, e.g. ``held_out`` or ``near paraformer_a``.
        output: name of the output.
        nse_median, nse_p05: over cells, of the Nash-Sutcliffe efficiency of all of the cell's runs together, each
            run's variance about its own mean.
        rmse: of all runs and days [unit of the output].
        slope, correlation: of the surrogate's on the process model's difference between two θ of a cell, all days,
            pairs and cells together.
        slope_median, correlation_median: the same per cell, median over cells.
        cells, unscored, runs: cells with a score, cells without (their runs do not vary), runs compared.
    """

    where: str
    output: str
    nse_median: float
    nse_p05: float
    rmse: float
    slope: float
    correlation: float
    slope_median: float
    correlation_median: float
    cells: int
    unscored: int
    runs: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def audit(
    surrogate: ForwardModel,
    process: ForwardModel,
    theta: Float[np.ndarray, "cell set parameter"],
    *,
    where: str,
    outputs: Sequence[str] = ("soil_moisture",),
    pairs: Pairs | None = None,
) -> list[AuditRow]:
    """Run both models at θ and compare them, one row per output.

    Args:
        theta: physical values, at least two sets per cell.
        pairs: sets whose difference is the response; by default every two sets.
    """
    truth, guess = process.simulate(theta, outputs), surrogate.simulate(theta, outputs)
    valid = np.ones(theta.shape[:2], bool)
    return [compare(truth[name], guess[name], valid, where=where, output=name, pairs=pairs) for name in outputs]


def audit_held_out(
    surrogate: ForwardModel, data: SurrogateData, outputs: Sequence[str] = ("soil_moisture",)
) -> list[AuditRow]:
    """Compare with the archive's own held-out runs; no process-model run is needed.

    Raises:
        DataError: if the archive holds no run out.
    """
    counts = data.held_out.sum(axis=1)
    if not counts.any():
        raise DataError("audit: the ensemble holds no run out")
    sets = np.argsort(~data.held_out, axis=1, kind="stable")[:, : counts.max()]
    valid = np.take_along_axis(data.held_out, sets, axis=1)
    theta = np.take_along_axis(data.theta, sets[..., None], axis=1)
    guess = surrogate.simulate(theta, outputs)
    return [
        compare(
            np.take_along_axis(data.runs[name], sets[..., None], axis=1),
            guess[name],
            valid,
            where="held_out",
            output=name,
        )
        for name in outputs
    ]


def perturbed(
    space: ParameterSpace, theta: Float[np.ndarray, "cell parameter"], config: AuditConfig, seed: int
) -> tuple[Float[np.ndarray, "cell set parameter"], Pairs]:
    """θ and uniform perturbations of it in unit coordinates, cut at the bounds; and the pairs (θ, perturbed)."""
    count = config.perturbations
    move = generator(seed, "audit", "perturbed").uniform(-1, 1, (theta.shape[0], count, theta.shape[1]))
    u = np.clip(space.to_unit(theta), 0, 1)[:, None]
    around = np.clip(u + config.perturbation * move, 0, 1)
    return space.clip(space.from_unit(np.concatenate([u, around], axis=1))), [(0, k + 1) for k in range(count)]


def compare(
    truth: Float[np.ndarray, "cell set time"],
    guess: Float[np.ndarray, "cell set time"],
    valid: Bool[np.ndarray, "cell set"],
    *,
    where: str,
    output: str,
    pairs: Pairs | None = None,
) -> AuditRow:
    """Scores of a surrogate's runs against the process model's own, and of its response to θ."""
    truth, guess = truth.astype(np.float64), guess.astype(np.float64)
    square = np.where(valid, ((guess - truth) ** 2).sum(-1), 0.0)
    spread = np.where(valid, ((truth - truth.mean(-1, keepdims=True)) ** 2).sum(-1), 0.0).sum(1)
    varies = spread > 1e-12 * np.maximum(1e-12, np.where(valid[..., None], truth**2, 0).sum((1, 2)))
    nse = 1 - square.sum(1)[varies] / spread[varies]
    chosen = list(combinations(range(truth.shape[1]), 2)) if pairs is None else list(pairs)
    moments = np.zeros((len(truth), 6))
    for first, second in chosen:
        moments += _moments(truth, guess, valid, first, second)
    slope, correlation = _line(moments.sum(axis=0, keepdims=True))
    slopes, correlations = _line(moments)
    rmse = float(np.sqrt(square.sum() / max(1, valid.sum() * truth.shape[-1])))
    return AuditRow(
        where,
        output,
        _median(nse),
        float(np.percentile(nse, 5)) if nse.size else float("nan"),
        rmse,
        float(slope[0]),
        float(correlation[0]),
        _median(slopes),
        _median(correlations),
        int(varies.sum()),
        int((~varies).sum()),
        int(valid.sum()),
    )


def _moments(
    truth: np.ndarray, guess: np.ndarray, valid: np.ndarray, first: int, second: int
) -> Float[np.ndarray, "cell 6"]:
    """Count, sums, squares and product of the two models' responses of each cell: additive over pairs and cells."""
    x, y = truth[:, second] - truth[:, first], guess[:, second] - guess[:, first]
    both = (valid[:, first] & valid[:, second])[:, None]
    x, y = np.where(both, x, 0.0), np.where(both, y, 0.0)
    days = both[:, 0] * x.shape[1]
    return np.stack([days, x.sum(1), y.sum(1), (x * x).sum(1), (y * y).sum(1), (x * y).sum(1)], axis=-1)


def _line(moments: Float[np.ndarray, "row 6"]) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Slope of the regression of y on x, and correlation; NaN where x (or y) does not vary."""
    n, x, y, xx, yy, xy = moments.T
    n = np.maximum(n, 1)
    vx, vy, cov = xx / n - (x / n) ** 2, yy / n - (y / n) ** 2, xy / n - x * y / n**2
    known = (vx > 1e-14) & (vy > 1e-14)
    safe_x, safe_y = np.where(known, vx, 1.0), np.where(known, vy, 1.0)
    return np.where(known, cov / safe_x, np.nan), np.where(known, cov / np.sqrt(safe_x * safe_y), np.nan)


def _median(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else float("nan")
