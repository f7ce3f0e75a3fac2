"""The built-in world, or the corner of a large one, as it is checked before any run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from paraformer.config import Study
from paraformer.core.time import DAYS_PER_YEAR
from paraformer.data.sources.cells import CellsFile
from paraformer.data.sources.synthetic import (
    DOMAIN,
    INPUTS,
    OUTPUTS,
    PARAMS,
    draw_world,
    observe,
    world_cells,
    write_land,
)

MOST_ROWS = 20
"""Rows and columns of a world that is made to be checked, in seconds."""


class SmallWorld(NamedTuple):
    """Inputs in memory or as a file, and VIC's files of the same cells."""

    inputs: CellsFile | Path
    files: Mapping[str, Path]


@contextmanager
def small_world(study: Study) -> Iterator[SmallWorld]:
    """The study's world, its corner if it is large, for checks before any run.

    Observations are those of the study's model, if it is not VIC: so one learns whether it runs. VIC's are made
    up; they take long, and no check looks at them.
    """
    config = study.data.synthetic
    assert config is not None
    rows, columns = min(config.rows, MOST_ROWS), min(config.columns, MOST_ROWS)
    unseen = max(config.unseen, 1 / (rows * columns)) if config.unseen_cells else 0.0
    small = config.model_copy(update={"rows": rows, "columns": columns, "unseen": unseen})
    with TemporaryDirectory() as name:
        folder = Path(name)
        files = {"parameters": folder / PARAMS, "domain": folder / DOMAIN}
        if study.process.model in ("vic", "compiled"):
            world = draw_world(small, study.seed)
            write_land(world, folder)
            observed = observe(world, dict.fromkeys(OUTPUTS, _made_up(*world.forcing["prcp"].shape)), small, study.seed)
            yield SmallWorld(world_cells(world, observed, folder / INPUTS), files)
        else:
            from paraformer.pipeline.world import make_world  # here, for it loads all process models

            data = study.data.model_copy(update={"synthetic": small})
            make_world(study.model_copy(update={"data": data}), folder)
            yield SmallWorld(folder / INPUTS, files)


def _made_up(cells: int, days: int) -> np.ndarray:
    """Moisture with a season, and fluxes of the same numbers."""
    return np.broadcast_to(0.25 + 0.1 * np.sin(2 * np.pi * np.arange(days) / DAYS_PER_YEAR), (cells, days))
