"""SCE-UA against spotpy's, as JSON: ``python benchmarks/search_speed.py [PART ...] [--out FILE]``. The parts:

- ``speed``: time of a forward run of VIC when all cells are searched at once, and when spotpy drives the same VIC one
  run at a time; also what a run costs over one in a bare call of VIC. Machines are shared: CPU time of the process
  stands beside the wall's.
- ``problems``: medians of the final value less the known minimum, the same complexes and number of evaluations; seeds
  of spotpy against cells of ours.

- ``complexes``: misfit that each number of complexes reaches on real cells with equal budgets [m3 m-3]. Needs the cube
  of ``studies/conus.yaml`` (made by ``paraformer run``).

``speed`` takes real cells, three years, from the shared reference data, or the committed slice where it is absent, with
observations made by VIC itself. Needs spotpy (``pip install paraformer[test]``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from gradient import Case
from vic_speed import committed_cells, real_cells

from paraformer.core.contracts import CalibrationData
from paraformer.core.log import Progress
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from paraformer.search.config import MisfitConfig, RandomConfig, SCEUAConfig
from paraformer.search.objective import OUTPUT, Misfit
from paraformer.search.problems import PROBLEMS
from paraformer.search.sceua import SCEUA
from paraformer.search.search import Search

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from search.spotpy_search import best_of_spotpy  # noqa: E402

COMPLEXES = 4
PARTS = ("speed", "problems", "complexes")
SPACE = ParameterSpace.of(*PAPER_SET)


def timed(work: Callable[[], object], runs: Callable[[], int]) -> dict[str, float]:
    """Milliseconds of a run, of ``runs()`` that ``work`` has made."""
    before, wall, cpu = runs(), time.perf_counter(), time.process_time()
    work()
    wall, cpu, made = time.perf_counter() - wall, time.process_time() - cpu, runs() - before
    return {"runs": made, "wall_ms": 1000 * wall / made, "cpu_ms": 1000 * cpu / made}


def twin(model: VIC) -> CalibrationData:
    """What VIC itself shows with a hidden θ on half the days."""
    random = np.random.default_rng(0)
    hidden = SPACE.from_unit(random.uniform(0.2, 0.8, (model.n_cells, len(SPACE))))
    shown = model.simulate(hidden[:, None], (OUTPUT,))[OUTPUT][:, 0]
    mask = random.random(shown.shape) < 0.5
    observed = np.where(mask, shown, 0.0)
    n, days = shown.shape
    return CalibrationData(
        cells=model.cell_parameters.cell,
        time=np.datetime64("2015-04-01") + np.arange(days),
        attributes=np.zeros((n, 1)),
        attribute_names=("none",),
        forcing=np.zeros((n, days, 7)),
        observed=observed,
        mask=mask,
        trained=np.ones(n, dtype=bool),
        prior=SPACE.clip(model.prior()),
        first_day=0,
        history=observed,
        history_mask=mask,
    )


def speed(shared: Path, cells: int, budget: int, alone: int) -> dict[str, object]:
    """Three ways to run the same VIC; ``alone`` cells are enough for the one that runs them one by one."""
    parameters, forcing, case = real_cells(shared) if (shared / "data").exists() else committed_cells()
    some = np.linspace(0, parameters.n_cell - 1, cells).astype(int)
    result: dict[str, object] = {
        "case": f"{cells} of {case}",
        "budget": budget,
        "complexes": COMPLEXES,
        "load_average_before": os.getloadavg()[0],
    }
    model = VIC(SPACE, parameters.select(some), forcing.select(some), VICSettings(), threads=1)
    data = twin(model)  # compiles, too
    theirs = [one_by_one(model, data, cell, budget) for cell in range(0, cells, cells // alone)]
    spotpy = {key: float(np.mean([t[key] for t in theirs])) for key in ("wall_ms", "cpu_ms")}
    result["spotpy_one_run_at_a_time"] = spotpy  # one thread: a second one only waits for work
    for threads in (1, 2):
        model.threads = threads
        bare, ours = all_at_once(model, data, budget)
        result[f"all_cells_at_once_{threads}_threads"] = {
            **ours,
            "spotpy_over_ours": {key: spotpy[key] / ours[key] for key in spotpy},
            "ours_over_bare_vic": {key: ours[key] / bare[key] for key in spotpy},
        }
    return result


def all_at_once(model: VIC, data: CalibrationData, budget: int) -> tuple[dict[str, float], dict[str, float]]:
    """Time of a run in one bare call of VIC for all cells, and in our search."""
    points = np.random.default_rng(1).random((model.n_cells, COMPLEXES, len(SPACE)))
    theta = SPACE.clip(SPACE.from_unit(points))
    search = Search(SCEUAConfig(complexes=COMPLEXES, budget=budget))

    def bare() -> None:
        for _ in range(5):
            model.simulate(theta, (OUTPUT,))

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            search.search(model, data, seed=0, directory=Path(folder), progress=Progress())

    return timed(bare, lambda: model.runs), timed(ours, lambda: model.runs)


def one_by_one(model: VIC, data: CalibrationData, cell: int, budget: int) -> dict[str, float]:
    """spotpy drives VIC in one cell; the cell's part of the model is cut out once, before the clock starts."""
    here = model.select(np.array([cell]))
    fields = {name: getattr(data, name)[[cell]] for name in ("cells", "observed", "mask", "prior", "trained")}
    misfit = Misfit(here, replace(data, **fields), np.array([0]), MisfitConfig(), 1)
    wanted = np.ones((1, 1), dtype=bool)

    def cost(x: np.ndarray) -> float:
        return float(misfit(np.array([0]), x[None, None], wanted)[0, 0])

    return timed(
        lambda: best_of_spotpy(cost, len(SPACE), complexes=COMPLEXES, budget=budget, seed=0), lambda: here.runs
    )


def problems(seeds: int, budgets: tuple[int, ...]) -> dict[str, object]:
    """Both on every problem."""
    result: dict[str, object] = {"seeds": seeds}
    for name, problem in PROBLEMS.items():
        complexes = 2 if problem.size == 2 else COMPLEXES
        rows: dict[str, object] = {"complexes": complexes}
        for budget in budgets:
            config = SCEUAConfig(complexes=complexes, budget=budget, gain_shuffles=1000, least_gain=0, least_range=0)
            search = SCEUA(config, seed=0)
            state = search.start(np.arange(seeds), problem.size, None)
            while state.running.size:
                state = search.step(state, problem)
            theirs = [
                best_of_spotpy(
                    lambda x, problem=problem: float(problem.value(x[None])[0]),
                    problem.size,
                    complexes=complexes,
                    budget=budget,
                    seed=seed,
                )
                for seed in range(seeds)
            ]
            ours = state.best()[1] - problem.minimum
            rows[str(budget)] = {"ours": quartiles(ours), "spotpy": quartiles(np.array(theirs) - problem.minimum)}
        result[name] = rows
    return result


def complexes(cube: Path, every: int, budgets: tuple[int, ...]) -> dict[str, object]:
    """Real observations of the training year, every so many trained cells, default criteria of convergence."""
    case = Case(ROOT / "studies" / "conus.yaml", cube)
    some = case.some(every)
    model, data = case.vic.select(some), case.data
    data = replace(
        data,
        **{
            name: getattr(data, name)[some]
            for name in (
                "cells",
                "observed",
                "mask",
                "prior",
                "trained",
                "attributes",
                "forcing",
                "history",
                "history_mask",
            )
        },
    )
    result: dict[str, object] = {"cells": len(some)}
    for budget in budgets:
        configs = {f"{n} complexes": SCEUAConfig(complexes=n, budget=budget) for n in (1, 2, 4, 8)}
        rows: dict[str, object] = {}
        for name, config in {**configs, "latin hypercube": RandomConfig(budget=budget)}.items():
            with tempfile.TemporaryDirectory() as folder:
                found = Search(config).search(model, data, seed=0, directory=Path(folder), progress=Progress())
            rows[name] = {
                "mean": float(f"{found.cost.mean():.5g}"),
                "quartiles": quartiles(found.cost),
                "runs_of_a_cell": float(found.evaluations.mean()),
            }
        result[str(budget)] = rows
    return result


def quartiles(values: np.ndarray) -> list[float]:
    """First quartile, median, third quartile."""
    return [float(f"{v:.3g}") for v in np.quantile(values, (0.25, 0.5, 0.75))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[*PARTS, []])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--budget", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--cube", type=Path, default=ROOT / "runs" / "conus" / "cube" / "cube.zarr")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, object] = {}
    if "speed" in options.parts:
        result["speed"] = speed(options.shared, options.cells, options.budget, alone=4)
    if "problems" in options.parts:
        result["problems"] = problems(options.seeds, (400, 800))
    if "complexes" in options.parts:
        result["complexes"] = complexes(options.cube, 10, (200, 600))
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
