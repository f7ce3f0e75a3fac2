"""The built-in world: its truth is made by the process model itself, so only the pipeline can put it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paraformer.config import Study
from paraformer.core.schema import Cube
from paraformer.data.cube import forcing_cube
from paraformer.data.sources.synthetic import write_world
from paraformer.process.build import build_process, process_files

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
        cube = forcing_cube(inputs)
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


MOST_ROWS = 20
"""Rows and columns of a world that is made to be checked, in seconds."""


@contextmanager
def small_world(study: Study) -> Iterator[Path]:
    """Folder with the files of the study's world, its corner if it is large, for checks before any run.

    Observations are those of the study's model, if it is not VIC: so one learns whether it runs. VIC's are made
    up; they take long, and no check looks at them.
    """
    config = study.data.synthetic
    assert config is not None
    rows, columns = min(config.rows, MOST_ROWS), min(config.columns, MOST_ROWS)
    unseen = max(config.unseen, 1 / (rows * columns)) if config.unseen_cells else 0.0
    small = config.model_copy(update={"rows": rows, "columns": columns, "unseen": unseen})
    with TemporaryDirectory() as folder:
        if study.process.model in ("vic", "compiled"):
            write_world(Path(folder), small, study.seed, study.space, _made_up)
        else:
            data = study.data.model_copy(update={"synthetic": small})
            make_world(study.model_copy(update={"data": data}), Path(folder))
        yield Path(folder)


def _made_up(
    params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str]
) -> dict[str, np.ndarray]:
    """Moisture with a season, and fluxes of the same numbers."""
    days = np.arange(len(forcing_cube(inputs).time))
    moisture = np.broadcast_to(0.25 + 0.1 * np.sin(2 * np.pi * days / 365.25), (len(theta), len(days)))
    return dict.fromkeys(outputs, moisture)
