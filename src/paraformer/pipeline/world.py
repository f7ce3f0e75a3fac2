"""The built-in world: its truth is made by the process model itself, so only the pipeline can put it together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from paraformer.config import Study
from paraformer.data.cube import forcing_cube
from paraformer.data.sources.synthetic import write_world
from paraformer.process.build import build_process, process_files


def make_world(study: Study, directory: Path) -> int:
    """Write ``inputs.nc, params.nc, domain.nc, truth.nc``; returns the number of process-model runs."""
    config, space = study.data.synthetic, study.space
    assert config is not None
    runs = 0

    def simulate(
        params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        nonlocal runs
        cube = forcing_cube(inputs)
        files = process_files(study.process, {"parameters": params, "domain": domain})
        model = build_process(study.process, space, cube, files)
        runs += len(theta)
        return {name: values[:, 0] for name, values in model.simulate(theta[:, None, :], outputs).items()}

    write_world(directory, config, study.seed, space, simulate)
    return runs
