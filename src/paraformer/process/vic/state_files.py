"""VIC-5 image-driver state files in and out: a restart from what is written here is exact."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.proof import Place, Proof
from paraformer.core.time import decode_times
from paraformer.core.vic_variables import VIC_STATE
from paraformer.process.vic.axes import CellReader
from paraformer.process.vic.constants import BARE_SOIL_ALBEDO, MM_PER_M, NEW_SNOW_ALBEDO
from paraformer.process.vic.datasets import FILLS, Dataset, open_dataset
from paraformer.process.vic.domain import Domain, GridNames, grid_dims, locate, write_grid
from paraformer.process.vic.inputs import moisture_limits, prove_moisture
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.state import State, cold_start

_STATE = {
    "canopy_water": ("STATE_CANOPY_WATER", "mm"),
    "canopy_snow": ("STATE_SNOW_CANOPY", "m"),
    "swe": ("STATE_SNOW_WATER_EQUIVALENT", "m"),
    "surface_water": ("STATE_SNOW_SURF_WATER", "m"),
    "pack_water": ("STATE_SNOW_PACK_WATER", "m"),
    "surface_temperature": ("STATE_SNOW_SURF_TEMP", "C"),
    "pack_temperature": ("STATE_SNOW_PACK_TEMP", "C"),
    "cold_content": ("STATE_SNOW_COLD_CONTENT", "J m-2"),
    "density": ("STATE_SNOW_DENSITY", "kg m-3"),
    "foliage_temperature": ("STATE_FOLIAGE_TEMPERATURE", "C"),
    "longwave_up": ("STATE_ENERGY_LONGUNDEROUT", "W m-2"),
    "snow_age": ("STATE_SNOW_AGE", "model_time_step"),
    "melting": ("STATE_SNOW_MELT_STATE", "1 melting, 0 not melting"),
}
_EXTRA = {"canopy_melt": ("PARAFORMER_CANOPY_MELT", "m"), "albedo": ("PARAFORMER_SNOW_ALBEDO", "1")}
"""State that VIC-5 files lack: without it a restart is not exact."""


def _columns(parameters: CellParameters) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Cell, column, vegetation class and band of every column in use."""
    tile_class = np.repeat(parameters.tile_class, parameters.n_band, axis=1)
    band = np.tile(np.arange(parameters.n_band), (parameters.n_cell, parameters.n_tile))
    used = parameters.column_weight() > 0
    cell, column = np.nonzero(used)
    return cell, column, tile_class[used], band[used]


def date_of_state(path: Path | str) -> np.datetime64 | None:
    """When a state was, by its file (datetime64[s]); ``None`` where the file does not say it in a way that is known."""
    with open_dataset(path) as dataset:
        time = dataset.variables.get("time")
        if time is None or time.shape != (1,):
            return None
        attributes = {name: time.getncattr(name) for name in time.ncattrs()}
        try:
            return np.datetime64(decode_times(time[:], attributes, source=str(path))[0])
        except DataError:
            return None


def read_state(
    path: Path | str,
    parameters: CellParameters,
    domain: Domain,
    names: GridNames = GridNames(),  # noqa: B008
    *,
    quiet: bool = False,
) -> State:
    """State from a VIC-5 image-driver state file [cell, set=1, column], proved.

    What VIC-5 does not store is set to no waiting canopy melt and the albedo of new snow; both are exact in files
    written by ``write_state``.

    Args:
        path: the file.
        parameters: of the cells, in the order of the domain.
        domain: the cells, wherever they are in the file.
        names: names of the coordinates.
        quiet: whether what is odd is not said.

    Raises:
        DataError: missing variable or cell, a state that lacks a tile or band of the parameters, axes that are not
            those of VIC, or values no state has.
    """
    cell, column, tile_class, band = _columns(parameters)
    state, proof = cold_start(parameters), Proof(str(path), quiet=quiet)
    shape = state.shape[0], state.shape[2]
    used = np.zeros(shape, dtype=bool)
    used[cell, column] = True

    def place(index: tuple[int, ...]) -> str:
        here = (cell == index[0]) & (column == index[1])
        where = f"{domain.words(index[0])}, class {tile_class[here][0] + 1}, band {band[here][0] + 1}"
        return where + (f", layer or node {index[2] + 1}" if len(index) > 2 else "")

    with open_dataset(path) as dataset:
        located = locate(dataset, domain, names)
        reader = CellReader(dataset, located, counted=("layer", "band", "class"))

        def read(name: str) -> np.ndarray:
            values = reader(VIC_STATE[name])
            if tile_class.max(initial=0) >= values.shape[1] or band.max(initial=0) >= values.shape[2]:
                raise DataError(f"{path}: '{name}' has {values.shape[1:3]} classes and bands; the parameters need more")
            full = np.zeros((*shape, *values.shape[3:]))
            full[cell, column] = values[cell, tile_class, band]
            needed = used if full.ndim == 2 else np.broadcast_to(used[:, :, None], full.shape)
            return proof.values(VIC_STATE[name], full, place, used=needed)

        found = {field: read(name) for field, (name, _) in _STATE.items()}
        found |= {field: read(name) for field, (name, _) in _EXTRA.items() if name in dataset.variables}
        found["moisture"] = read("STATE_SOIL_MOISTURE")
        nodes = read("STATE_SOIL_NODE_TEMP")
    _prove_state(found, nodes, parameters, proof, place, used)
    proof.finish()
    found["surface_soil_temperature"], found["soil_temperature"] = nodes[..., 0], nodes[..., 1]
    state["albedo"] = NEW_SNOW_ALBEDO
    for field, values in found.items():
        state[field][cell, 0, column] = values[cell, column]
    snow = state["swe"] > 0
    state["depth"][snow] = MM_PER_M * state["swe"][snow] / state["density"][snow]
    return state


def _prove_state(
    found: dict[str, np.ndarray],
    nodes: np.ndarray,
    parameters: CellParameters,
    proof: Proof,
    place: Place,
    used: np.ndarray,
) -> None:
    """Rules between the variables of a state."""
    if nodes.shape[-1] < 2:
        proof.refused.append(f"STATE_SOIL_NODE_TEMP: found {nodes.shape[-1]} soil node, expected 2 or more")
    density, snow = found["density"], found["swe"]
    proof.require(
        ~used | ~(snow > 0) | (density > 0),
        lambda i: (
            f"STATE_SNOW_DENSITY at {place(i)}: found {density[i]:g} kg m-3 under {snow[i]:g} m of snow water, "
            "expected above 0"
        ),
    )
    if not proof.refused:
        moisture = found["moisture"]
        least, most = (np.broadcast_to(v[:, None, :], moisture.shape) for v in moisture_limits(parameters))
        needed = np.broadcast_to(used[:, :, None], moisture.shape)
        prove_moisture(proof, "STATE_SOIL_MOISTURE", moisture, (least, most), place, needed)


def write_state(
    path: Path | str,
    state: State,
    parameters: CellParameters,
    domain: Domain,
    date: np.datetime64,
    n_class: int,
    format: str = "NETCDF4",
    names: GridNames = GridNames(),  # noqa: B008
    ring: Float[np.ndarray, "lag gauge"] | None = None,
) -> None:
    """Write one set's state as a VIC-5 image-driver state file, with what VIC-5 lacks as extra variables.

    Args:
        path: the file.
        state: [cell, column].
        parameters: of the same cells.
        domain: grid of the cells.
        date: day at whose 00:00 UTC the state holds.
        n_class: vegetation classes of the parameter file.
        format: netCDF format.
        names: names of coordinates and dimensions.
        ring: of the rivers, as VIC-5's routing keeps it.
    """
    cell, column, tile_class, band = _columns(parameters)
    grid = domain.mask.shape
    y, x = (index[cell] for index in np.nonzero(domain.mask))
    used = state[cell, column]

    def put(dataset: Dataset, name: str, unit: str, values: np.ndarray, middle: tuple[str, ...] = ()) -> None:
        dims = ("veg_class", "snow_band", *middle, *grid_dims(domain, names))
        kind = "i4" if values.dtype.kind == "i" else "f8"
        variable = dataset.createVariable(name, kind, dims, fill_value=FILLS[kind])
        variable.units = unit
        filled = np.ma.masked_all((n_class, parameters.n_band, *values.shape[1:], *grid), dtype=values.dtype)
        filled[tile_class, ..., y, x] = 0  # bands without area; classes without a tile stay missing, as in VIC-5
        filled[(tile_class, band, ..., y, x)] = values
        variable[...] = filled

    with open_dataset(path, "w", format) as dataset:
        write_grid(dataset, domain, names)
        for name, size in (
            ("veg_class", n_class),
            ("snow_band", parameters.n_band),
            ("nlayer", 3),
            ("frost_area", 1),
            ("soil_node", 3),
            ("time", 1),
        ):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",))
        time.units, time.calendar = "days since 0001-01-01 00:00:00", "proleptic_gregorian"
        time[:] = (date.astype("datetime64[D]") - np.datetime64("0001-01-01")).astype(np.int64)
        for field, (name, unit) in {**_STATE, **_EXTRA}.items():
            put(dataset, name, unit, used[field])
        put(dataset, "STATE_SNOW_COVERAGE", "1", (used["swe"] > 0).astype(np.float64))
        put(dataset, "STATE_ENERGY_SNOW_FLUX", "W m-2", np.zeros(len(used)))
        put(dataset, "STATE_SOIL_MOISTURE", "mm", used["moisture"], ("nlayer",))
        put(dataset, "STATE_SOIL_ICE", "mm", np.zeros((len(used), 3, 1)), ("nlayer", "frost_area"))
        nodes = _node_temperatures(used, parameters, cell)
        put(dataset, "STATE_SOIL_NODE_TEMP", "C", nodes, ("soil_node",))
        _write_nodes(dataset, parameters, domain, grid_dims(domain, names))
        _write_albedo(dataset, state, parameters, domain, grid_dims(domain, names), date)
        if ring is not None:
            dataset.createDimension("outlet", ring.shape[1])
            dataset.createDimension("routing_timestep", ring.shape[0])
            rivers = dataset.createVariable("STATE_ROUT_RING", "f8", ("routing_timestep", "outlet"))
            rivers.units, rivers.description = "-", "unit hydrographs in the routing ring"
            rivers[...] = ring
        dataset.title = "VIC-5 state, written by ParaFormer"


def _node_temperatures(used: State, parameters: CellParameters, cell: np.ndarray) -> np.ndarray:
    """Surface, bottom of layer 1 and damping depth; the last is diagnostic, on an exponential profile [degC]."""
    deep, depth, middle = parameters.avg_t[cell], parameters.dp[cell], used["soil_temperature"]
    profile = deep + (middle - deep) * np.exp(-(depth - parameters.depth[cell, 0]) / depth)
    return np.stack([used["surface_soil_temperature"], middle, profile], axis=1)


def _write_albedo(
    dataset: Dataset,
    state: State,
    parameters: CellParameters,
    domain: Domain,
    dims: tuple[str, str],
    date: np.datetime64,
) -> None:
    """Cell mean of the albedo, of snow where there is some: VIC-5 wants it in the file, no flux depends on it.

    In a daily step with snow VIC-5 writes a mean over the snow steps, up to 0.06 away.
    """
    month = int((date.astype("datetime64[D]") - 1).astype("datetime64[M]").astype(int)) % 12  # of the step that ended
    ground = np.where(parameters.bare, BARE_SOIL_ALBEDO, parameters.albedo[..., month])
    albedo = np.where(state["swe"] > 0, state["albedo"], np.repeat(ground, parameters.n_band, axis=1))
    variable = dataset.createVariable("STATE_AVG_ALBEDO", "f8", dims, fill_value=FILLS["f8"])
    variable.units = "fraction"
    values = np.ma.masked_all(domain.mask.shape)
    values[domain.mask] = (albedo * parameters.column_weight()).sum(axis=1)
    variable[...] = values


def _write_nodes(dataset: Dataset, parameters: CellParameters, domain: Domain, dims: tuple[str, str]) -> None:
    """Thermal nodes at 0, the bottom of layer 1 and the damping depth, which VIC-5 compares with its own [m]."""
    top, deep = parameters.depth[:, 0], parameters.dp
    for name, nodes in (
        ("node_depth", (np.zeros_like(top), top, deep)),
        ("dz_node", (top, top, 2.0 * (deep - 1.5 * top))),
    ):
        variable = dataset.createVariable(name, "f8", ("soil_node", *dims), fill_value=FILLS["f8"])
        variable.units = "m"
        values = np.ma.masked_all((3, *domain.mask.shape))
        values[:, domain.mask] = np.stack(nodes)
        variable[...] = values
