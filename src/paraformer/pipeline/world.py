"""The built-in world: its truth is made by the process model itself, so only the pipeline can put it together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paraformer.config import Study
from paraformer.core.schema import Cube
from paraformer.data.cube import whole_cube
from paraformer.data.sources.synthetic import write_world
from paraformer.process.build import build_process
from paraformer.process.files import process_files

TOGETHER = 512
"""Cells that are simulated together: VIC's forcing of them, three years long, takes a third of a gigabyte."""


def make_world(study: Study, directory: Path) -> int:
    """Write ``inputs.nc, params.nc, domain.nc, truth.nc``; returns the number of process-model runs."""
    config, space = study.data.synthetic, study.space
    assert config is not None
    runs = 0

    def simulate(
        params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        nonlocal runs
        cube = whole_cube(inputs)
        files = process_files(study.process, {"parameters": params, "domain": domain})
        runs += len(theta)
        parts = []
        for first in range(0, len(theta), TOGETHER):
            some = slice(first, first + TOGETHER)
            model = build_process(study.process, space, Cube(cube.dataset.isel(cell=some)), files)
            parts.append(model.simulate(theta[some, None, :], outputs))
        return {name: np.concatenate([part[name][:, 0] for part in parts]) for name in outputs}

    write_world(directory, config, study.seed, space, simulate)
    return runs
