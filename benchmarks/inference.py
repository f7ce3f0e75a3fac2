"""Inference of θ in real cells by VIC itself, as JSON lines: ``python benchmarks/inference.py CUBE PART --out FILE``.

- ``curve``: soil moisture and evapotranspiration of the test year for default VIC, least squares and posteriors with
  priors of several widths, by Levenberg-Marquardt; and the rule: the width under which what was observed in the
  training year is most probable, chosen on four folds of the trained cells for the fifth.
- ``learned``: the same with the width of each parameter's prior that expectation maximisation finds.
- ``searches``: posterior cost, and RMSE of the training and the test year, against runs a cell: ensemble Kalman
  inversion, Levenberg-Marquardt, SCE-UA and a Latin hypercube at equal budgets. ``--every`` takes every so many cells.

Needs the cube of ``studies/conus.yaml`` (made by ``paraformer run``) and the shared reference data beside the project.
Tables of decisions 0042 and 0043.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.config import load_study
from paraformer.core.log import Progress
from paraformer.core.schema import Cube
from paraformer.data.config import BlockFolds
from paraformer.data.views import calibration_view
from paraformer.evaluation.evapotranspiration import Series, annual_total, reference_total, whole_years
from paraformer.evaluation.holdout import holdout_of
from paraformer.numerics.inference import UNIFORM_VARIANCE
from paraformer.numerics.scores import accumulate, finish
from paraformer.pipeline.folds import deal
from paraformer.process.build import build_process
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.files import parameter_files
from paraformer.search.config import (
    KalmanConfig,
    LevenbergConfig,
    MisfitConfig,
    RandomConfig,
    SCEUAConfig,
    SearchConfig,
)
from paraformer.search.levenberg import Residuals
from paraformer.search.search import Search, SearchResult

ROOT = Path(__file__).resolve().parents[1]
UNIFORM = UNIFORM_VARIANCE**0.5
WIDTHS = (1.0, 0.5, 0.25, 0.1)
"""Widths of the prior, over that of a uniform distribution."""
BUDGETS = (50, 100, 200, 500)
"""Most runs a cell of the searches that are compared."""
BOUND = 0.005
"""Distance from a bound below which a parameter counts as on it [unit coordinates]."""


class World:
    """VIC on the training year and on both years of the cells of a cube, and who is judged on what."""

    def __init__(self, cube: Path, every: int) -> None:
        study = load_study(ROOT / "studies" / "conus_extended.yaml")
        whole = Cube.open(cube).dataset
        self.cube = Cube(whole.isel(cell=slice(None, None, every)).load())
        files = parameter_files(study.process)
        self.vic = build_process(study.process, study.space, self.cube, files)
        end = int(np.flatnonzero(self.cube.period("train").mask(self.cube.time))[-1]) + 1
        first = Cube(self.cube.dataset.isel(time=slice(0, end)))
        self.model = DifferentiableProcess(build_process(study.process, study.space, first, files), first.time)
        self.space = study.space
        self.prior = study.space.clip(self.vic.prior())
        self.data = calibration_view(self.cube, study.space, self.prior, every_cell=True)
        self.holdout = holdout_of(self.cube)
        years = whole_years(self.cube.time, self.cube.period("test"))
        assert years is not None
        self.years = years
        self.references = [
            reference_total(self.cube.dataset[n], years, self.cube.time) for n in ("et_fluxcom", "et_gleam")
        ]

    def search(self, config: SearchConfig, seed: int = 0) -> SearchResult:
        with tempfile.TemporaryDirectory() as folder:
            return Search(config).search(self.model, self.data, seed=seed, directory=Path(folder), progress=Progress())

    def levenberg(self, inference: dict[str, Any] | None, budget: int, seed: int = 0) -> SearchResult:
        settings = {"budget": budget, "loss": {"inference": inference}, "checkpoint_seconds": 1e6}
        return self.search(LevenbergConfig.model_validate(settings), seed)

    def judged(self, theta: Float[np.ndarray, "cell parameter"]) -> dict[str, Any]:
        """Raw RMSE of soil moisture [m3 m-3], evapotranspiration [mm year-1], runoff ratio, and where θ lies."""
        found = self.vic.simulate(theta[:, None], ("soil_moisture", "evapotranspiration", "runoff", "baseflow"))
        series = {name: values[:, 0] for name, values in found.items()}
        row: dict[str, Any] = {}
        for subset in self.holdout.subsets():
            mask = self.holdout.mask & subset.day_mask & subset.cell_mask[:, None]
            scores = finish(accumulate(series["soil_moisture"], self.holdout.observed, mask)).values
            row[f"{subset.period}_{subset.cells}"] = round(float(np.nanmean(scores["rmse"])), 4)
        total = annual_total(Series("θ", 0, series["evapotranspiration"]), self.years, self.holdout).total
        row["et"] = round(float(total.mean()), 1)
        for reference in self.references:
            away = (total - reference.total)[reference.known]
            row[reference.method] = round(float(np.sqrt(np.mean(away**2))), 1)
        rain = self.cube.dataset["prcp"].values[:, self.years.days].sum(axis=1)
        flow = (series["runoff"] + series["baseflow"])[:, self.years.days].sum(axis=1)
        row["runoff_ratio"] = round(float((flow / rain).mean()), 3)
        u, prior = self.space.to_unit(theta), self.space.to_unit(self.prior)
        row["on_a_bound"] = self.named((np.minimum(u, 1 - u) < BOUND).mean(axis=0))
        row["moved"] = self.named(np.sqrt(((u - prior) ** 2).mean(axis=0)))
        return row

    def named(self, values: Float[np.ndarray, " parameter"], places: int = 3) -> dict[str, float]:
        return dict(zip(self.space.names, np.round(values, places).tolist(), strict=True))


def curve(world: World, seeds: int, budget: int) -> Iterator[dict[str, Any]]:
    yield {"method": "default VIC", **world.judged(world.prior)}
    trained = world.cube.trained
    fold_of = deal(BlockFolds(degrees=8, folds=5), world.cube.lat, world.cube.lon, trained).of
    folds = [trained & (fold_of == number) for number in range(5)]
    for seed in range(seeds):
        by_width = []
        for width in (None, *WIDTHS):
            row, evidence, _ = point(world, None if width is None else width * UNIFORM, budget, seed)
            by_width.append([float(evidence[fold].mean()) for fold in folds])
            yield {"width": width, **row, "log_evidence": np.round(by_width[-1], 2).tolist()}
        table, sizes = np.array(by_width[1:]), np.array([fold.sum() for fold in folds])
        others = table @ np.diag(sizes) @ (1 - np.eye(5)) / (sizes.sum() - sizes)
        chosen = others.argmax(axis=0)
        held_back = table[chosen, np.arange(5)].round(2).tolist()
        yield {
            "rule": "width of most evidence in the other folds",
            "seed": seed,
            "widths": np.take(WIDTHS, chosen).tolist(),
            "held_back": held_back,
        }


def learned(world: World, budget: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Expectation maximisation: each parameter's width is its mean squared distance from the a-priori value."""
    std: float | dict[str, float] = UNIFORM
    for number in range(rounds):
        row, evidence, width = point(world, std, budget, 0)
        found = round(float(evidence[world.cube.trained].mean()), 2)
        yield {"round": number, "std": std, **row, "log_evidence": found}
        std = world.named(width, 4)


def point(
    world: World, std: float | dict[str, float] | None, budget: int, seed: int
) -> tuple[dict[str, Any], Float[np.ndarray, " cell"], Float[np.ndarray, " parameter"]]:
    """A search by Levenberg-Marquardt: its scores, the log evidence of each cell by Laplace's approximation, and the
    width of each parameter's prior that its trained cells make most probable."""
    inference = None if std is None else {"prior_std": std}
    found = world.levenberg(inference, budget, seed)
    row = {"method": "levenberg", "seed": seed, "runs": round(float(found.evaluations.mean()), 1)}
    row |= world.judged(found.theta)
    u, cells = np.clip(world.space.to_unit(found.theta), 0, 1), np.arange(len(found.cost))
    residuals = Residuals(
        world.model, world.data, cells, MisfitConfig.model_validate({"inference": inference or {}}), 512
    )
    prior = residuals.inference
    assert prior is not None
    row["days"] = np.percentile(prior.days, [25, 50, 75]).round(1).tolist()
    if inference is None:
        nothing = np.full(len(cells), np.nan)
        return row, nothing, nothing
    _, series = residuals.run(cells, u[:, None])
    cost = residuals.cost_of(cells, u[:, None], series)[:, 0]
    _, curvature = residuals.normal_equations(cells, u, series[:, 0])
    precision = curvature / cost[:, None, None] ** 2 * prior.days[:, None, None]
    determinant = np.linalg.slogdet(precision * prior.std**2)[1]
    variance = np.diagonal(np.linalg.inv(precision), axis1=1, axis2=2)
    width = np.sqrt(((u - prior.prior) ** 2 + variance)[world.cube.trained].mean(axis=0))
    gain = 1 - np.median(variance / prior.std**2, axis=0)
    row |= {"learned_std": world.named(width, 4), "gain": world.named(gain)}
    return row, -prior.days * np.log(cost) - 0.5 * determinant, width


def searches(world: World, budgets: tuple[int, ...], seeds: int) -> Iterator[dict[str, Any]]:
    names: dict[str, type[Any]] = {
        "kalman": KalmanConfig,
        "levenberg": LevenbergConfig,
        "sceua": SCEUAConfig,
        "random": RandomConfig,
    }
    for seed, budget in itertools.product(range(seeds), budgets):
        for name, config in names.items():
            if budget > 200 and name != "sceua":
                continue  # the others have long stopped, or lost
            found = world.search(config.model_validate({"loss": {"inference": {}}, "budget": budget}), seed)
            runs = round(float(found.evaluations.mean()), 1)
            row = {
                "search": name,
                "seed": seed,
                "budget": budget,
                "runs": runs,
                "cost": round(float(found.cost.mean()), 5),
            }
            yield {**row, **world.judged(found.theta)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cube", type=Path, help="cube.zarr of a run of studies/conus.yaml")
    parser.add_argument("part", choices=["curve", "learned", "searches"])
    parser.add_argument("--out", type=Path, required=True, help="file that the JSON lines are added to")
    parser.add_argument("--every", type=int, default=1, help="take every so many cells")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--budget", type=int, default=60, help="runs a cell of Levenberg-Marquardt")
    given = parser.parse_args()
    world = World(given.cube, given.every)
    rows = {
        "curve": lambda: curve(world, given.seeds, given.budget),
        "learned": lambda: learned(world, given.budget, rounds=3),
        "searches": lambda: searches(world, BUDGETS, given.seeds),
    }[given.part]()
    for row in rows:
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"part": given.part, **row}) + "\n")


if __name__ == "__main__":
    main()
