"""Gradient of VIC on the real cells, as JSON: ``python benchmarks/gradient.py [PART ...] [--out FILE]``. The parts:

- ``batch``: seconds of one full-batch gradient over the trained cells, training year with its spin-up.
- ``steps``: error of central differences by step h, against extrapolated ones, and the noise of VIC's output.
- ``kinks``: share of cell-days on which two steps disagree, by what the cell does on that day.
- ``levenberg``: least cost that Levenberg-Marquardt, SCE-UA and a Latin hypercube reach with equal budgets.

Needs the cube of ``studies/conus.yaml`` (made by ``paraformer run``) and the shared reference data beside the project.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.special import factorial

from paraformer.config import load_study
from paraformer.core.contracts import CalibrationData
from paraformer.core.log import Progress
from paraformer.core.schema import Cube
from paraformer.data.views import calibration_view
from paraformer.process.build import build_process
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.process.files import parameter_files
from paraformer.process.vic.model import VIC
from paraformer.search.config import LevenbergConfig, RandomConfig, SCEUAConfig
from paraformer.search.search import Search

ROOT = Path(__file__).resolve().parents[1]
STEPS = [10.0**-k for k in (1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7)]
SOIL = "soil_moisture"


class Case:
    """VIC on the training year of the trained cells, and what a calibrator may see of them."""

    def __init__(self, study_file: Path, cube_path: Path) -> None:
        study = load_study(study_file)
        whole = Cube.open(cube_path)
        days = np.flatnonzero(whole.period("train").mask(whole.time))
        trained = np.flatnonzero(whole.trained)
        cube = Cube(whole.dataset.isel(cell=trained, time=slice(int(days[0]), int(days[-1]) + 1)).load())
        self.space, self.time = study.space, cube.time
        self.vic: VIC = build_process(study.process, study.space, cube, parameter_files(study.process))
        self.prior = study.space.clip(self.vic.prior())
        self.data: CalibrationData = calibration_view(cube, study.space, self.prior)

    def some(self, every: int, first: int = 0) -> np.ndarray:
        return np.arange(first, self.vic.n_cells, every)

    def points(self, cells: np.ndarray, random_sets: int) -> np.ndarray:
        """A-priori θ and random ones, unit coordinates, away from the bounds [cell, set, parameter]."""
        random = np.random.default_rng(0).random((len(cells), random_sets, len(self.space)))
        prior = self.space.to_unit(self.prior[cells])[:, None]
        return np.clip(np.concatenate([prior, random], axis=1), 0.12, 0.88)


def batch(case: Case) -> dict[str, object]:
    """One forward and backward pass, and the plain forward pass it grows from."""
    model = DifferentiableProcess(case.vic, case.time)
    cells = torch.arange(model.n_cells)
    u = torch.as_tensor(case.space.to_unit(case.prior), dtype=torch.float32)
    model.select(np.arange(2)).respond(u[:2], cells[:2], 0, len(case.time))  # compile
    result: dict[str, object] = {"cells": model.n_cells, "days": len(case.time), "parameters": len(case.space)}
    for keep in (True, False):
        model.keep = keep
        walls, cpus = [], []
        for _ in range(3):
            v, before, start, cpu = u.clone().requires_grad_(True), model.runs, time.perf_counter(), time.process_time()
            model.respond(v, cells, 0, len(case.time))[SOIL].square().mean().backward()
            walls.append(round(time.perf_counter() - start, 2))
            cpus.append(round(time.process_time() - cpu, 2))
        result |= {f"{'kept' if keep else 'recomputed'}_s": walls, f"{'kept' if keep else 'recomputed'}_cpu_s": cpus}
        result["runs"] = model.runs - before
    cpu, start = time.process_time(), time.perf_counter()
    case.vic.simulate(case.prior[:, None], (SOIL,))
    result |= {"forward_s": round(time.perf_counter() - start, 2), "forward_cpu_s": round(time.process_time() - cpu, 2)}
    return result


def slopes(case: Case, cells: np.ndarray, u: np.ndarray, h: float) -> np.ndarray:
    """[cell, set, day, parameter]"""
    model = DifferentiableProcess(case.vic.select(cells), case.time, step=h)
    return model.linearise(u, (SOIL,)).slope[SOIL]


def noise(case: Case, cells: np.ndarray, u: np.ndarray, parameter: int) -> np.ndarray:
    """Noise level from a table of fourth differences (Moré & Wild 2011, doi 10.1137/100786125) [cell, set, day]."""
    shift = 1e-10 * np.arange(7)[:, None] * np.eye(u.shape[2])[parameter]
    points = (u[:, :, None] + shift).reshape(len(cells), -1, u.shape[2])
    series = case.vic.select(cells).simulate(case.space.from_unit(points), (SOIL,))[SOIL]
    fourth = np.diff(series.reshape(len(cells), u.shape[1], 7, -1), n=4, axis=2)
    return np.sqrt((fourth**2).mean(axis=2) * factorial(4) ** 2 / factorial(8))


def steps(case: Case) -> dict[str, object]:
    cells = case.some(10)
    u = case.points(cells, 3)
    by_step = {h: slopes(case, cells, u, h) for h in STEPS}
    wide, narrow = by_step[STEPS[4]], by_step[STEPS[5]]
    reference = (10 * narrow - wide) / 9  # the steps differ by sqrt(10): h² cancels
    result: dict[str, object] = {}
    for i, name in enumerate(case.space.names):
        size = np.sqrt((reference[..., i] ** 2).mean(axis=2))
        answers = size > 1e-6  # elsewhere layer 1 does not depend on the parameter
        level = noise(case, cells, u, i)
        errors = {f"{h:.0e}": np.abs(d[..., i] - reference[..., i]) for h, d in by_step.items()}
        result[name] = {
            "share_of_runs_that_answer": round(float(answers.mean()), 3),
            "noise_median_99.9%": [float(f"{q:.1e}") for q in np.quantile(level, (0.5, 0.999))],
            "relative_rms_error_median_90%": {
                h: [
                    float(f"{q:.1e}")
                    for q in np.quantile(np.sqrt((e**2).mean(axis=2))[answers] / size[answers], (0.5, 0.9))
                ]
                for h, e in errors.items()
            },
        }
    return result


def kinks(case: Case) -> dict[str, object]:
    """Where slopes with h and h / 2 differ by more than a hundredth of the run's root mean square slope."""
    cells = case.some(10, 5)
    u = case.points(cells, 3)
    result: dict[str, object] = {}
    model = case.vic.select(cells)
    daily = model.simulate(case.space.from_unit(u), ("swe", "runoff", "soil_moisture_1", "soil_moisture_3"))
    snow, runoff = daily["swe"] > 0.0, daily["runoff"] > 0.1
    wet = daily["soil_moisture_3"] >= daily["soil_moisture_3"].max(axis=2, keepdims=True) * (1 - 1e-9)
    where = {"snow": snow, "runoff, no snow": runoff & ~snow, "layer 3 at its highest": wet, "neither": ~snow & ~runoff}
    for h in (1e-2, 1e-3, 1e-4, 1e-5):
        wide, narrow = slopes(case, cells, u, h), slopes(case, cells, u, h / 2)
        size = np.sqrt((narrow**2).mean(axis=2, keepdims=True))
        differs = (np.abs(wide - narrow) > 0.01 * size) & (size > 1e-6)
        starts = differs & ~np.concatenate([np.zeros_like(differs[:, :, :1]), differs[:, :, :-1]], axis=2)
        result[f"{h:.0e}"] = {
            "cell_days": {n: round(float(differs[..., i].mean()), 5) for i, n in enumerate(case.space.names)},
            "runs_touched": {
                n: round(float(differs[..., i].any(axis=2).mean()), 3) for i, n in enumerate(case.space.names)
            },
            "first_days": {
                n: round(float(starts[day].any(axis=-1).sum() / max(starts.any(axis=-1).sum(), 1)), 3)
                for n, day in where.items()
            },
        }
    result["share_of_days"] = {n: round(float(day.mean()), 3) for n, day in where.items()}
    return result


def levenberg(case: Case, first: int = 7, **changes: object) -> dict[str, object]:
    """Mean final cost [m3 m-3] over 24 cells, by method and budget."""
    cells = case.some(10, first)[:24]
    data = calibration_part(case.data, cells)
    result: dict[str, object] = {}
    methods: dict[str, Callable[[int], object]] = {
        "levenberg": lambda b: LevenbergConfig.model_validate({"budget": b, **changes}),
        "sceua": lambda b: SCEUAConfig(budget=b),
        "random": lambda b: RandomConfig(budget=b),
    }
    for budget in (60, 200, 1000):
        for name, config in methods.items():
            model = DifferentiableProcess(case.vic.select(cells), case.time)
            start = time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                found = Search(config(budget)).search(model, data, seed=0, directory=Path(folder), progress=Progress())  # type: ignore[arg-type]
            result[f"{name} {budget}"] = {
                "mean_cost": round(float(found.cost.mean()), 5),
                "median_cost": round(float(np.median(found.cost)), 5),
                "mean_runs": round(float(found.evaluations.mean()), 1),
                "wall_s": round(time.perf_counter() - start, 1),
            }
    return result


def calibration_part(data: CalibrationData, cells: np.ndarray) -> CalibrationData:
    per_cell = ("cells", "attributes", "forcing", "observed", "mask", "trained", "prior", "history", "history_mask")
    return CalibrationData(**{**vars(data), **{name: getattr(data, name)[cells] for name in per_cell}})


PARTS: dict[str, Callable[[Case], dict[str, object]]] = {
    "batch": batch,
    "steps": steps,
    "kinks": kinks,
    "levenberg": levenberg,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--study", type=Path, default=ROOT / "studies" / "conus.yaml")
    parser.add_argument("--cube", type=Path, default=ROOT / "runs" / "conus" / "cube" / "cube.zarr")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for name in options.parts:
        if name not in PARTS:
            parser.error(f"unknown part '{name}'; parts: {', '.join(PARTS)}")
    return options


def main() -> None:
    options = arguments()
    case = Case(options.study, options.cube)
    result: dict[str, object] = {"load_average_before": os.getloadavg()[0]}
    for name in options.parts or PARTS:
        result[name] = PARTS[name](case)
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
