"""θ of every cell as files: CF netCDF for people and maps, and a VIC-5 parameter file that runs as it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float

from paraformer.core.conventions import axes
from paraformer.core.errors import DataError
from paraformer.core.files import atomic_path
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.run_files import PARAMS, THETA
from paraformer.core.schema import Cube, ParameterField
from paraformer.process.files import ProcessFiles
from paraformer.process.own import ModelFiles
from paraformer.process.vic.files import GridNames, write_parameters


def write_parameter_field(
    directory: Path, field: ParameterField, space: ParameterSpace, cube: Cube, files: ProcessFiles | ModelFiles
) -> None:
    """Write ``theta.nc`` (CF-1.8) and, for VIC, ``params.nc``: the a-priori file with the learned fields replaced."""
    assert field.theta is not None
    space.require_inside(field.theta, cube.cells.tolist())
    coords = axes(cube.cells, cube.lat, cube.lon)
    variables = {p.name: ("cell", field.theta[:, i], p.attributes) for i, p in enumerate(space)}
    attributes = {"title": f"Parameters found by {field.method}", "seed": field.seed}
    if files.parameters is not None:
        write_vic_parameters(directory / PARAMS, field, space, cube, files.parameters)
    write_dataset(xr.Dataset(variables, coords, attributes), directory / THETA)


def write_vic_parameters(
    path: Path,
    field: ParameterField,
    space: ParameterSpace,
    cube: Cube,
    source: Path,
    names: GridNames = GridNames(),  # noqa: B008
) -> None:
    """Write a VIC-5 parameter file: ``source`` with the learned fields of the cube's cells replaced.

    Args:
        names: of the coordinates in ``source``.
    """
    assert field.theta is not None
    with atomic_path(path) as temporary:
        write_parameters(
            source, temporary, cube.lat, cube.lon, space.names, field.theta, cells=cube.cells, grid_names=names
        )


def read_theta(directory: Path, space: ParameterSpace) -> Float[np.ndarray, "cell parameter"]:
    """θ in physical units from ``theta.nc``.

    Raises:
        DataError: if the file is missing, unreadable or holds another set of parameters.
    """
    path = directory / THETA
    try:
        dataset = read_dataset(path)
        return np.stack([dataset[name].values.astype(np.float64) for name in space.names], axis=-1)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a parameter field of {space!r} ({error})") from error
