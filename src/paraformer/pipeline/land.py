"""Files of a study's process model; attributes of VIC's parameter file, where a study or a map asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paraformer.config import Study
from paraformer.core.files import hash_json
from paraformer.core.schema import Cube
from paraformer.data.cube import MoreAttributes
from paraformer.data.sources.synthetic import DOMAIN, PARAMS
from paraformer.process.files import Places, ProcessFiles, land_at, process_files
from paraformer.process.own import ModelFiles
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
    files = files_of(study, folder)
    assert isinstance(files, ProcessFiles)  # ``require_consistent``

    def of(cells: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> Mapping[str, Any]:
        return land_variables(land_at(files, Places(np.asarray(cells), lat, lon), quiet=True).parameters)

    return MoreAttributes(of, hash_json(files.hashes()))


def files_of(study: Study, cube: Path) -> ProcessFiles | ModelFiles:
    """Files of a study's process model; those of the built-in world stand in the folder of its cube."""
    given = {"parameters": cube / PARAMS, "domain": cube / DOMAIN}
    return process_files(study.process, given if study.data.source == "synthetic" else {})


def with_land(cube: Cube, files: ProcessFiles) -> Cube:
    """The cube with the attributes of VIC's parameter file that it does not hold yet."""
    found = land_variables(land_at(files, Places.of(cube), quiet=True).parameters)
    return Cube(cube.dataset.assign({name: entry for name, entry in found.items() if name not in cube.dataset}))
