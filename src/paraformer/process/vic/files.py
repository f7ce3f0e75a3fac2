"""VIC-5 image-driver files in and out: parameters here; grids, forcing and states in modules of their own.

All of them are found under this name.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError, nearest
from paraformer.core.proof import Proof, place_of
from paraformer.core.units import is_rescaled
from paraformer.core.vic_variables import VIC_PARAMETERS
from paraformer.process.vic.axes import CellReader
from paraformer.process.vic.datasets import Dataset, open_dataset, read_variable, require_variable
from paraformer.process.vic.domain import (
    Domain,
    GridNames,
    grid_dims,
    locate,
    read_domain,
    read_grid,
    read_run_cells,
    write_grid,
)
from paraformer.process.vic.forcing_files import (
    FORCING_NAMES,
    as_forcing,
    read_forcing,
    read_series,
    require_series,
)
from paraformer.process.vic.inputs import BANDS, PLANTS, SOIL, prove_parameters
from paraformer.process.vic.parameters import (
    MOST_ROOT_ZONES,
    THETA,
    CellParameters,
    canopy_with_gaps,
    critical_point,
)
from paraformer.process.vic.state_files import read_state, write_state

__all__ = [
    "FORCING_NAMES",
    "CanopySource",
    "Dataset",
    "Domain",
    "GridNames",
    "as_forcing",
    "grid_dims",
    "open_dataset",
    "read_domain",
    "read_forcing",
    "read_parameters",
    "read_run_cells",
    "read_series",
    "read_state",
    "read_variable",
    "require_series",
    "require_writable",
    "write_grid",
    "write_parameters",
    "write_state",
]

CanopySource = Literal["FROM_VEGPARAM", "FROM_DEFAULT"]


def read_parameters(
    path: Path | str,
    domain: Domain | None = None,
    *,
    canopy_source: CanopySource = "FROM_VEGPARAM",
    snow_bands: bool = True,
    names: GridNames = GridNames(),  # noqa: B008
    source: str = "",
    quiet: bool = False,
) -> CellParameters:
    """Parameters of the active cells of a domain, from a VIC-5 image-driver parameter file, proved (``inputs``).

    Args:
        path: the file.
        domain: which cells, in its order, wherever they are in the file; ``None`` takes the file's own ``run_cell``.
        canopy_source: ``FCAN_SRC``: monthly ``fcanopy`` of the file, or 1 for every class but the last.
        snow_bands: ``SNOW_BAND``; ``False``, or a file of one band, runs one band at the cell's elevation (VIC-5 does
            not read the values of a single band).
        names: names of the coordinates.
        source: what messages call the file; its path by default.
        quiet: whether what is odd is not said, as where a file is read part by part.

    Raises:
        DataError: missing variable, a cell that is not in the file or not to be run, axes that are not those of VIC, or
            values no soil or plant has: one line that names the file, variables and cells.
    """
    with open_dataset(path) as dataset:
        grid = read_grid(dataset, names._replace(mask="run_cell"))
        domain = domain or grid
        located = locate(dataset, domain, names)
        proof = Proof(source or str(path), quiet=quiet)
        proof.require(
            grid.mask[located.row, located.column],
            lambda i: f"run_cell at {domain.words(i[0])}: found 0, expected 1",
        )
        proof.finish()
        _say_units(dataset, proof)
        read = CellReader(dataset, located)
        soil = {field: read(VIC_PARAMETERS[name]) for field, name in SOIL.items()}
        bands = {field: read(VIC_PARAMETERS[name]) for field, name in BANDS.items()} if snow_bands else {}
        if bands and bands["elevation"].shape[1] == 1:  # VIC-5 reads no band where there is one
            bands = {}
        fields = [field for field in PLANTS if field != "fcanopy" or canopy_source == "FROM_VEGPARAM"]
        plants = {field: read(VIC_PARAMETERS[PLANTS[field]]) for field in fields}
        last, classes = read(VIC_PARAMETERS["Nveg"]), read.classes()
    if plants["root_depth"].shape[2] > MOST_ROOT_ZONES:
        raise DataError(f"{path}: found {plants['root_depth'].shape[2]} root zones, expected at most {MOST_ROOT_ZONES}")
    if canopy_source == "FROM_DEFAULT":
        plants["fcanopy"] = np.ones((*plants["cv"].shape, 12))
        plants["fcanopy"][:, -1] = 1e-4
    tile_class, bare = _tiles(plants, last, classes, proof, domain)
    per_tile = {field: _per_tile(values, tile_class) for field, values in plants.items()}
    per_tile["overstory"] = per_tile["overstory"] > 0
    parameters = CellParameters(
        cell=np.arange(len(last)) if domain.cells is None else np.asarray(domain.cells),
        lat=domain.cell_lat,
        **soil,
        **(bands or _one_band(soil["elev"])),
        tile_class=tile_class,
        bare=bare,
        **per_tile,
    )
    parameters = prove_parameters(parameters, proof, words=domain.words, classes=classes)
    proof.finish()
    return parameters


def _say_units(dataset: Dataset, proof: Proof) -> None:
    """Warn of a unit that the values, which are taken as VIC takes them, would have to be converted from."""
    for name, known in VIC_PARAMETERS.items():
        unit = str(getattr(dataset.variables.get(name), "units", ""))
        if is_rescaled(unit, known.unit):
            proof.warned.append(f"'{name}' has units '{unit}'; VIC takes its values in '{known.unit}'")


def _one_band(elevation: np.ndarray) -> dict[str, np.ndarray]:
    one = np.ones((len(elevation), 1))
    return {"area_fract": one, "elevation": elevation[:, None].astype(np.float64), "pfactor": one}


def _tiles(
    plants: dict[str, np.ndarray], n_plants: np.ndarray, classes: np.ndarray, proof: Proof, domain: Domain
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the classes with area of each cell, by class number, padded with -1, and which of them is bare soil:
    the one beyond the first Nveg [cell, tile].

    The proof gets what is wrong with Cv, overstory and Nveg, for unused classes too.
    """
    place = place_of(domain.words, lambda position: f"class {classes[position]}")
    cover = proof.values(VIC_PARAMETERS["Cv"], plants["cv"], place)
    plants["cv"] = np.where(np.isfinite(cover), cover, 0.0)
    trees, used = plants["overstory"], plants["cv"] > 0
    proof.values(VIC_PARAMETERS["overstory"], trees, place, used=used)
    order = np.argsort(classes)
    count = used.sum(axis=1)
    tile_class = np.full((len(cover), max(1, int(count.max(initial=1)))), -1, dtype=np.int64)
    for cell, row in enumerate(used):
        tile_class[cell, : count[cell]] = order[row[order]]
    good = np.isfinite(n_plants) & ((count == n_plants) | (count == n_plants + 1))
    proof.require(
        good | (count == 0),
        lambda i: (
            f"Nveg at {domain.words(i[0])}: found {n_plants[i]:g}, expected the {count[i]} classes with Cv above "
            "0, or one less where the last of them is bare soil"
        ),
    )
    bare = (np.arange(tile_class.shape[1]) == n_plants[:, None]) & (tile_class >= 0)
    _prove_bare(plants, tile_class, bare, classes, proof, domain)
    return tile_class, bare


def _prove_bare(
    plants: dict[str, np.ndarray],
    tile_class: np.ndarray,
    bare: np.ndarray,
    classes: np.ndarray,
    proof: Proof,
    domain: Domain,
) -> None:
    """Bare soil is the last class of a cell; where numbers are not in order, or it has leaves, another was meant."""
    cells, tiles = np.nonzero(bare)
    position = tile_class[cells, tiles]
    grows = (np.nan_to_num(plants["lai"][cells, position]).max(axis=1, initial=0.0) > 0) | (
        plants["overstory"][cells, position] > 0
    )
    last = len(classes) - 1
    proof.require(
        ~grows | (position == last),
        lambda i: (
            f"Nveg at {domain.words(int(cells[i[0]]))}: makes class {classes[position[i[0]]]} bare soil, which has "
            "leaves and is not the last class; expected the number of classes with Cv above 0"
        ),
    )
    if cells.size and classes.max() != classes[last]:
        proof.refused.append(
            f"veg_class ends with {classes[last]}, expected the largest number, {classes.max()}, last: the class "
            "beyond Nveg is bare soil"
        )


def _per_tile(values: np.ndarray, tile_class: np.ndarray) -> np.ndarray:
    """[cell, class, ...] to [cell, tile, ...]; 0 where there is no tile."""
    index = np.maximum(tile_class, 0)
    taken = values[np.arange(len(values))[:, None], index].astype(np.float64)
    taken[tile_class < 0] = 0.0
    return taken


def write_parameters(
    source: Path | str,
    target: Path | str,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    names: Sequence[str],
    theta: Float[np.ndarray, "cell parameter"],
    *,
    cells: np.ndarray | None = None,
    grid_names: GridNames = GridNames(),  # noqa: B008
) -> None:
    """Copy a VIC-5 parameter file, with θ put into the fields VIC reads, at full precision.

    Args:
        source: a-priori parameter file.
        target: file to write.
        lat: latitudes of the cells to change, cells of ``source``.
        lon: their longitudes.
        names: names of θ's last axis.
        theta: physical values.
        cells: identifiers, for messages.
        grid_names: names of the coordinates.

    Raises:
        DataError: no such cell, wrong shape, or a float32 field that cannot hold the value.
    """
    if theta.shape != (len(lat), len(names)):
        raise DataError(f"theta has shape {theta.shape}; expected [cell={len(lat)}, parameter={len(names)}]")
    shutil.copyfile(source, target)
    with open_dataset(target, "r+") as dataset:
        grid = read_grid(dataset, grid_names._replace(mask="run_cell"))._replace(source=str(source))
        position = grid.find(lat, lon, cells)
        order = np.argsort(position)
        reader = CellReader(dataset, locate(dataset, grid.only(position[order]), grid_names))
        for column, name in enumerate(names):
            _put(reader, name, theta[order, column])


def require_writable(path: Path | str, names: Sequence[str]) -> None:
    """Raise unless a parameter file can take θ, as ``write_parameters`` will do at the end of a study.

    Raises:
        DataError: naming the first field that is missing, or not in double precision.
    """
    with open_dataset(path) as dataset:
        for name in names:
            stored = require_variable(dataset, theta_field(name))
            if stored.dtype != np.float64:
                raise DataError(
                    f"{path}: '{theta_field(name)}' is stored as {stored.dtype}, expected float64, to hold '{name}'"
                )


def theta_field(name: str) -> str:
    """The variable of a parameter file that a parameter of ``THETA`` sets.

    Raises:
        DataError: unknown name.
    """
    if name not in THETA:
        raise DataError(f"unknown VIC parameter '{name}'{nearest(name, THETA)}")
    several = {"ksat": "Ksat", "wcr": "Wcr_FRACT", "canopy_gap": "fcanopy"}
    return several.get(name) or SOIL[name.partition("_")[0]]


def _put(reader: CellReader, name: str, value: Float[np.ndarray, " cell"]) -> None:
    """Replace (or, for multipliers, multiply) one parameter of the reader's cells."""
    variable = VIC_PARAMETERS[theta_field(name)]
    values, layer = reader(variable), name.partition("_")[2]
    if name == "ksat":
        values *= value[:, None]
    elif name == "wcr":
        values = critical_point(values, reader(VIC_PARAMETERS["Wpwp_FRACT"]), value[:, None])
    elif name == "canopy_gap":
        values = canopy_with_gaps(values, value[:, None, None])
    elif layer:
        values[:, int(layer) - 1] = value
    else:
        values[:] = value if values.ndim == 1 else value[:, None]
    reader.write(variable, values)
