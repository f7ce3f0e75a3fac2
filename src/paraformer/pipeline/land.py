"""Attributes of VIC's parameter file as attributes of a cube, where a study or a map asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paraformer.config import Study
from paraformer.core.files import hash_json
from paraformer.core.schema import Cube
from paraformer.data.cube import MoreAttributes
from paraformer.process.files import Places, ProcessFiles, land_at, process_files
from paraformer.process.vic.attributes import land_variables


def more_attributes(study: Study, folder: Path) -> MoreAttributes | None:
    """What ``data.land_attributes`` adds to the cube of a study; ``None`` where it adds nothing.

    Args:
        folder: of the cube, where the files of a built-in world stand.

    Raises:
        DataError: if a file is missing, or lacks one of the cells.
    """
    if not study.data.land_attributes:
        return None
    synthetic = study.data.source == "synthetic"
    files = process_files(study.process, beside(folder) if synthetic else {})
    assert isinstance(files, ProcessFiles)  # ``require_consistent``

    def of(cells: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> Mapping[str, Any]:
        return land_variables(land_at(files, Places(np.asarray(cells), lat, lon), quiet=True).parameters)

    return MoreAttributes(of, hash_json(files.hashes()))


def beside(folder: Path) -> dict[str, Path]:
    """VIC's files of a built-in world, which stand beside its cube."""
    return {"parameters": folder / "params.nc", "domain": folder / "domain.nc"}


def with_land(cube: Cube, files: ProcessFiles) -> Cube:
    """The cube with the attributes of VIC's parameter file that it does not hold yet."""
    found = land_variables(land_at(files, Places.of(cube), quiet=True).parameters)
    return Cube(cube.dataset.assign({name: entry for name, entry in found.items() if name not in cube.dataset}))
