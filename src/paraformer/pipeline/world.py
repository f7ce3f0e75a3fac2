"""The built-in world: its truth is made by the process model itself, so only the pipeline can put it together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from paraformer.config import Study
from paraformer.data import forcing_cube, write_world
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


MOST_ROWS = 20
"""Rows and columns of a made-up world: it is there to be checked, in seconds."""


@contextmanager
def made_up_world(study: Study) -> Iterator[Path]:
    """Folder with the files of the study's world, its corner if it is large; observations are those of no model.

    What a study asks of its data, and the process model of its files, can be checked with it before any run.
    """
    config, space = study.data.synthetic, study.space
    assert config is not None
    rows, columns = min(config.rows, MOST_ROWS), min(config.columns, MOST_ROWS)
    unseen = max(config.unseen, 1 / (rows * columns)) if config.unseen_cells else 0.0

    def made_up(
        params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str]
    ) -> dict[str, np.ndarray]:
        days = np.arange(config.train.days + config.test.days)
        moisture = np.broadcast_to(0.25 + 0.1 * np.sin(2 * np.pi * days / 365.25), (len(theta), len(days)))
        return dict.fromkeys(outputs, moisture)

    with TemporaryDirectory() as folder:
        write_world(
            Path(folder),
            config.model_copy(update={"rows": rows, "columns": columns, "unseen": unseen}),
            study.seed,
            space,
            made_up,
        )
        yield Path(folder)
