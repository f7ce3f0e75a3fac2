"""A miniature world in VIC's files, and what tests do to them: cells and axes in another order, spoilt values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from paraformer.process.files import Places, ProcessFiles, land_at
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.inputs import read_days, read_run_land
from paraformer.process.vic.files import read_domain, read_parameters, write_state
from paraformer.process.vic.forcing import SERIES
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.state import cold_start
from process.drop_in import FIRST_DAY, global_file, make_world

FILES = ("domain.nc", "params.nc", "state.nc", "forcing.2000.nc")
Change = Callable[[netCDF4.Dataset], Any]


def make_files(folder: Path) -> None:
    """The world of ``drop_in`` and a state of its own for each of the three cells."""
    make_world(folder)
    domain = read_domain(folder / "domain.nc")
    parameters = read_parameters(folder / "params.nc", domain)
    state = cold_start(parameters)[:, 0]
    state["moisture"] *= np.array([0.7, 0.8, 0.9])[:, None, None]
    state["swe"], state["density"] = np.array([[0.1], [0.2], [0.3]]), 200.0
    write_state(folder / "state.nc", state, parameters, domain, FIRST_DAY, 4)


def read_run(folder: Path) -> list[np.ndarray]:
    """Everything `vic run` takes from the files, by place."""
    run = read_global_parameters(global_file(folder, extra=f"INIT_STATE {folder}/state.nc", last="2000-12-31"))
    domain, parameters, _ = land = read_run_land(run)
    forcing = read_days(run, domain, run.days)
    order = np.lexsort((domain.cell_lon % 360, domain.cell_lat))
    series = [getattr(forcing, name)[order] for name in SERIES]
    state = land.start()
    kept = [field for name, field in zip(parameters._fields, parameters, strict=True) if name != "cell"]
    return [*(field[order] for field in kept), state[order], *series]


def read(folder: Path, **options: Any) -> CellParameters:
    domain = read_domain(folder / "domain.nc")._replace(cells=np.array([70, 80, 90]))
    return read_parameters(folder / "params.nc", domain, **options)


def state_of(folder: Path) -> np.ndarray:
    places = Places(np.array([70, 80, 90]), np.array([40.0, 40.0, 41.0]), np.array([-100.0, -99.0, -99.0]))
    found = land_at(ProcessFiles(*(folder / n for n in ("params.nc", "domain.nc", "state.nc"))), places).state
    assert found is not None
    return found


def change(path: Path, how: Change) -> None:
    with netCDF4.Dataset(path, "r+") as dataset:
        how(dataset)


def put(name: str, value: float, *where: Any) -> Change:
    """Set a variable at some position of its first axes, in the cell at row 0, column 1."""

    def how(dataset: netCDF4.Dataset) -> None:
        dataset.set_auto_mask(False)
        dataset[name][(*where, *([slice(None)] * (dataset[name].ndim - 2 - len(where))), 0, 1)] = value

    return how


def rewrite(path: Path, sizes: dict[str, int], order: dict[str, np.ndarray], names: dict[str, np.ndarray]) -> None:
    """Write a file anew with axes of other sizes or order, and coordinates."""
    old_path = path.with_suffix(".old")
    path.rename(old_path)
    with netCDF4.Dataset(old_path) as old, netCDF4.Dataset(path, "w") as new:
        for name, dimension in old.dimensions.items():
            new.createDimension(name, sizes.get(name, len(dimension)))
        for name, values in names.items():
            new.createVariable(name, values.dtype, ("nlayer" if name == "layer" else name,))[:] = values
        for name, variable in old.variables.items():
            values = variable[:]
            for axis, dim in enumerate(variable.dimensions):
                values = np.ma.take(values, order.get(dim, np.arange(values.shape[axis])), axis=axis)
                values = np.ma.take(values, np.arange(len(new.dimensions[dim])) % values.shape[axis], axis=axis)
            made = new.createVariable(
                name, variable.dtype, variable.dimensions, fill_value=getattr(variable, "_FillValue", None)
            )
            made[:] = values


def rearrange(
    source: Path, target: Path, order: np.ndarray, *, eastward: bool = False, flat: bool = True, shift: float = 0.0
) -> None:
    """Copy a file on a regular grid.

    Args:
        order: of the cells, counted row by row.
        eastward: whether longitudes run from 0 to 360.
        flat: whether the copy is one row of cells with 2-D coordinates; else the grid is kept, its rows and columns
            mirrored where ``order`` begins with another cell than the first.
        shift: added to all longitudes [degree].
    """
    with netCDF4.Dataset(source) as old, netCDF4.Dataset(target, "w") as new:
        lon, lat = np.meshgrid(old["lon"][:] + shift, old["lat"][:])
        mirrored = slice(None, None, -1 if order[0] else 1)
        lon = lon % 360 if eastward else lon
        dims = ("y", "x") if flat else ("lat", "lon")
        sizes = (1, lon.size) if flat else lon.shape

        def moved(values: Any) -> Any:
            if flat:
                return values.reshape(*values.shape[:-2], 1, -1)[..., order]
            return values[..., mirrored, mirrored]

        for name, dimension in old.dimensions.items():
            if name not in ("lat", "lon"):
                new.createDimension(name, None if dimension.isunlimited() else len(dimension))
        for name, size in zip(dims, sizes, strict=True):
            new.createDimension(name, size)
        for name, values in (("lat", lat), ("lon", lon)):
            kept = values if flat else values[:, 0] if name == "lat" else values[0]
            here = moved(kept) if flat else kept[mirrored]
            new.createVariable(name, "f8", dims if flat else (name,))[:] = here
        for name, variable in old.variables.items():
            if name in ("lat", "lon"):
                continue
            gridded = variable.dimensions[-2:] == ("lat", "lon")
            kept_dims = (*variable.dimensions[:-2], *dims) if gridded else variable.dimensions
            fill = getattr(variable, "_FillValue", None)
            copy = new.createVariable(name, variable.dtype, kept_dims, fill_value=fill)
            copy.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
            copy[:] = moved(variable[:]) if gridded else variable[:]
