"""Throughput of one training step of the surrogate, and of each learner through it, as JSON.

``python benchmarks/learner_speed.py [--run runs/conus] [--cells 243] [--steps 3] [--threads 1] [--out FILE]``

A step is: draw a batch, θ from the network, the surrogate's run of the whole training period, the loss, its gradient,
the optimiser. Throughput counts cell-days of the loss per second of wall time, warm-up days of the surrogate not
included. ``network_s`` is the part of the network alone (forward and backward); the rest is nearly all surrogate. A
step of the surrogate's fit counts the days of its windows, of every run in the batch. The profile lists the operations
with the largest own time. Only reads the run.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from paraformer.core.contracts import CalibrationData
from paraformer.core.schema import Cube, Ensemble
from paraformer.data.views import calibration_view
from paraformer.learners.config import LearnerConfig
from paraformer.learners.inputs import Scaling
from paraformer.learners.networks import ParameterMap
from paraformer.learners.task import LearnTask
from paraformer.surrogate.fit import FitTask, SurrogateData
from paraformer.surrogate.model import Surrogate
from paraformer.training.config import TrainingBase
from paraformer.training.schedule import OPTIMISERS
from paraformer.training.threads import no_denormals

CASES: dict[str, dict[str, Any]] = {
    "FFN_A": {"name": "ffn_a"},
    "LSTM_Z": {"name": "lstm_z"},
    "ParaFormer_A": {"name": "paraformer_a"},
    "ParaFormer_Z, patch 8": {"name": "paraformer_z", "patch": 8},
    "ParaFormer_Z, patch 1": {"name": "paraformer_z", "patch": 1},
}


def best_of(work: Callable[[int], object], repeats: int) -> float:
    """Smallest wall seconds, after one call that warms up."""
    work(0)
    walls = []
    for step in range(1, repeats + 1):
        start = time.perf_counter()
        work(step)
        walls.append(time.perf_counter() - start)
    return min(walls)


def measure(config: LearnerConfig, model: Surrogate, data: CalibrationData, repeats: int) -> dict[str, Any]:
    torch.manual_seed(0)
    network = ParameterMap(config, len(data.attribute_names), len(model.parameters)).train()
    task = LearnTask(network, config, model, data, Scaling.fit(data, config), 0)

    def network_alone(number: int) -> None:
        task._theta(network, task.draw(number)).sum().backward()

    samples = task.draw(0).cells.size
    found = measure_step(network, lambda number: task.loss(network, number, 0), config.training, repeats)
    return {
        "samples": samples,
        **throughput(found, samples * len(data.time)),
        "network_s": round(best_of(network_alone, repeats), 4),
    }


def measure_fit(model: Surrogate, cube: Cube, ensemble: Ensemble, repeats: int) -> dict[str, Any]:
    """A step of the surrogate's fit, on the inputs that it was fitted with."""
    config, count = model.config, len(model.cells)
    data = SurrogateData(
        space=model.parameters,
        cells=model.cells,
        time=model.time,
        forcing=np.zeros((count, len(model.time), 0)),
        statics=np.zeros((count, 0)),
        static_names=(),
        theta=ensemble.theta,
        kind=ensemble.kind,
        held_out=ensemble.held_out,
        runs={name: ensemble.output(name) for name in config.outputs},
        trained=cube.trained,
        training=np.ones(len(model.time), bool),
        spin_up=model.spin_up,
    )
    network = copy.deepcopy(model.network).train().requires_grad_(True)
    task = FitTask(network, config, data, model.inputs, 0)
    rows = config.cells_per_batch * config.sets(6)
    found = measure_step(network, lambda number: task.loss(network, number, 0), config.training, repeats)
    return {"samples": rows, **throughput(found, rows * config.window)}


def measure_step(
    network: nn.Module, loss: Callable[[int], torch.Tensor], training: TrainingBase, repeats: int
) -> dict[str, Any]:
    """Seconds of a step, and its profile."""
    optimiser = OPTIMISERS[training.optimiser.name](network.parameters(), training.optimiser)

    def step(number: int) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss(number).backward()
        optimiser.step()

    seconds = best_of(step, repeats)
    with profile(activities=[ProfilerActivity.CPU]) as record:
        step(repeats + 1)
    ops = sorted(record.key_averages(), key=lambda entry: -entry.self_cpu_time_total)
    total = sum(entry.self_cpu_time_total for entry in ops)
    return {
        "weights": sum(p.numel() for p in network.parameters()),
        "step_s": seconds,
        "profile": {entry.key: round(entry.self_cpu_time_total / total, 3) for entry in ops[:8]},
    }


def throughput(found: dict[str, Any], days: int) -> dict[str, Any]:
    return found | {"step_s": round(found["step_s"], 4), "cell_days_per_second": round(days / found["step_s"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/conus"))
    parser.add_argument("--cells", type=int, default=243, help="cells of a batch")
    parser.add_argument("--steps", type=int, default=3, help="steps of which the fastest counts")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=[*CASES], help="learners to time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = Surrogate.load(options.run / "surrogate")
    cube = Cube.open(options.run / "cube" / "cube.zarr")
    prior = model.parameters.clip(model.parameters.from_unit(model.inputs.prior.double().numpy()))
    data = calibration_view(cube, model.parameters, prior)
    result: dict[str, Any] = {
        "trained_cells": int(data.trained.sum()),
        "days": len(data.time),
        "threads": options.threads,
        "torch": torch.__version__,
        "load_average_before": os.getloadavg()[0],
        "observed_share": round(float(np.mean(data.mask[data.trained])), 3),
    }
    ensemble = Ensemble.open(options.run / "ensemble" / "ensemble.zarr")
    with no_denormals():
        result["surrogate"] = measure_fit(model, cube, ensemble, options.steps)
    for name in options.cases:
        network = CASES[name]
        config = LearnerConfig.model_validate({"network": network, "cells_per_batch": options.cells})
        with no_denormals():  # as in training
            result[name] = measure(config, model, data, options.steps)
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
