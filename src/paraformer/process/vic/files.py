"""VIC-5 image-driver files in and out: domain, parameters, forcing, state. The only module here that opens files.

Grids may be regular (1-D ``lat``, ``lon``) or any y, x grid with 2-D coordinates; cells are the masked-in ones, row by
row.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import netCDF4
import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError, nearest
from paraformer.process.vic.constants import BARE_SOIL_ALBEDO, MM_PER_M, NEW_SNOW_ALBEDO
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import THETA, CellParameters, canopy_with_gaps, critical_point
from paraformer.process.vic.state import State, cold_start

CanopySource = Literal["FROM_VEGPARAM", "FROM_DEFAULT"]

_SOIL = {
    "infilt": "infilt", "ds": "Ds", "dsmax": "Dsmax", "ws": "Ws", "c": "c", "elev": "elev", "avg_t": "avg_T",
    "dp": "dp", "rough": "rough", "snow_rough": "snow_rough", "expt": "expt", "ksat": "Ksat", "depth": "depth",
    "bulk_density": "bulk_density", "soil_density": "soil_density", "quartz": "quartz", "wcr_fract": "Wcr_FRACT",
    "wpwp_fract": "Wpwp_FRACT", "resid_moist": "resid_moist", "init_moist": "init_moist",
}  # fmt: skip
_BANDS = {"area_fract": "AreaFract", "elevation": "elevation", "pfactor": "Pfactor"}
_PLANTS = {
    "cv": "Cv", "overstory": "overstory", "rarc": "rarc", "rmin": "rmin", "rgl": "RGL", "rad_atten": "rad_atten",
    "wind_atten": "wind_atten", "trunk_ratio": "trunk_ratio", "wind_h": "wind_h", "root_depth": "root_depth",
    "root_fract": "root_fract", "lai": "LAI", "albedo": "albedo", "veg_rough": "veg_rough",
    "displacement": "displacement",
}  # fmt: skip
FORCING_NAMES: dict[str, str] = {
    "prcp": "prcp", "tair": "tas", "swdown": "dswrf", "lwdown": "dlwrf", "wind": "wind", "vp": "vp", "pres": "pres",
}  # fmt: skip
"""Variable names in forcing files, as in the VIC sample data; a study may give others."""


Dataset = netCDF4.Dataset
FILL = netCDF4.default_fillvals["f8"]


class GridNames(NamedTuple):
    """Names in a domain file, and of the coordinates in the files that go with it (VIC-5: ``DOMAIN_TYPE``)."""

    lat: str = "lat"
    lon: str = "lon"
    mask: str = "mask"
    ydim: str = ""  # of the grid's dimensions in files that are written; empty: ``lat``, ``lon``, or ``y``, ``x``
    xdim: str = ""


class Domain(NamedTuple):
    """The grid of a domain or parameter file and its active cells."""

    lat: Float[np.ndarray, "y x"]
    lon: Float[np.ndarray, "y x"]
    mask: Bool[np.ndarray, "y x"]

    @property
    def cell_lat(self) -> Float[np.ndarray, " cell"]:
        return self.lat[self.mask]

    @property
    def cell_lon(self) -> Float[np.ndarray, " cell"]:
        return self.lon[self.mask]

    def find(self, lat: np.ndarray, lon: np.ndarray, tolerance: float = 1e-3) -> np.ndarray:
        """Positions of the active cells at the given coordinates.

        Raises:
            DataError: naming the first place without an active cell within ``tolerance`` degrees.
        """
        found = np.empty(len(lat), dtype=np.int64)
        for i, (y, x) in enumerate(zip(lat, lon, strict=True)):
            distance = np.maximum(abs(self.cell_lat - y), abs((self.cell_lon - x + 180.0) % 360.0 - 180.0))
            found[i] = int(distance.argmin())
            if not distance[found[i]] <= tolerance:
                raise DataError(f"no active cell at lat {y:g}, lon {x:g} (nearest is {distance.min():g} degrees away)")
        return found


@contextmanager
def open_dataset(path: Path | str, mode: Literal["r", "r+", "w"] = "r", format: Any = "NETCDF4") -> Iterator[Dataset]:
    """Context of an open netCDF file.

    Raises:
        DataError: if it cannot be opened, naming it.
    """
    try:
        dataset = netCDF4.Dataset(path, mode, format=format)
    except OSError as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    try:
        yield dataset
    finally:
        dataset.close()


def read_variable(dataset: Dataset, name: str) -> np.ndarray:
    """A whole variable: float64 with NaN where missing, or integers with -1.

    Raises:
        DataError: if the file lacks it, naming file, variable and the nearest one.
    """
    if name not in dataset.variables:
        raise DataError(f"{dataset.filepath()}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    values = np.ma.asarray(dataset[name][...])
    if values.dtype.kind == "f":
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.ma.filled(values, -1)


def _domain(dataset: Dataset, names: GridNames) -> Domain:
    lat, lon = read_variable(dataset, names.lat), read_variable(dataset, names.lon)
    if lat.ndim == 1:
        lon, lat = np.meshgrid(lon, lat)
    return Domain(lat, lon, read_variable(dataset, names.mask) == 1)


def read_domain(path: Path | str, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """Active cells of a VIC-5 domain file (``mask`` 1)."""
    with open_dataset(path) as dataset:
        return _domain(dataset, names)


def read_run_cells(path: Path | str, domain: Domain, names: GridNames = GridNames()) -> Domain:  # noqa: B008
    """Cells a parameter file says to run (``run_cell`` 1), as VIC-5's image driver takes them.

    Raises:
        DataError: another grid than the domain's, or a cell outside the domain's mask.
    """
    with open_dataset(path) as dataset:
        grid = _domain(dataset, names._replace(mask="run_cell"))
    if grid.mask.shape != domain.mask.shape:
        raise DataError(f"{path}: grid {grid.mask.shape} is not that of the domain {domain.mask.shape}")
    if not (np.allclose(grid.lat, domain.lat) and np.allclose(grid.lon, domain.lon)):
        raise DataError(f"{path}: '{names.lat}' and '{names.lon}' are not those of the domain")
    outside = grid.mask & ~domain.mask
    if outside.any():
        y, x = (int(i) for i in np.argwhere(outside)[0])
        raise DataError(f"{path}: run_cell is 1 at row {y}, column {x}, which the domain's mask leaves out")
    if not grid.mask.any():
        raise DataError(f"{path}: run_cell is 1 in no cell")
    return grid


def _cells_first(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[..., y, x] to [cell, ...]."""
    flat = values.reshape(*values.shape[:-2], -1)[..., mask.ravel()]
    return np.ascontiguousarray(np.moveaxis(flat, -1, 0))


def read_parameters(
    path: Path | str,
    domain: Domain | None = None,
    *,
    canopy_source: CanopySource = "FROM_VEGPARAM",
    snow_bands: bool = True,
    names: GridNames = GridNames(),  # noqa: B008
) -> CellParameters:
    """Parameters of the active cells of a VIC-5 image-driver parameter file.

    Args:
        path: the file.
        domain: which cells are active; ``None`` takes the file's own ``run_cell``.
        canopy_source: ``FCAN_SRC``: monthly ``fcanopy`` of the file, or 1 for every class but the last.
        snow_bands: ``SNOW_BAND``; ``False`` runs one band at the cell's elevation.
        names: names of the coordinates.

    Raises:
        DataError: missing variable, or a grid that does not fit the domain.
    """
    with open_dataset(path) as dataset:
        grid = _domain(dataset, names._replace(mask="run_cell"))
        if domain is not None:
            if domain.mask.shape != grid.mask.shape:
                raise DataError(f"{path}: grid {grid.mask.shape} is not that of the domain {domain.mask.shape}")
            grid = grid._replace(mask=domain.mask)

        def read(name: str) -> np.ndarray:
            return _cells_first(read_variable(dataset, name), grid.mask)

        soil = {field: read(name).astype(np.float64) for field, name in _SOIL.items()}
        n_cell = len(soil["infilt"])
        bands = {field: read(name) for field, name in _BANDS.items()} if snow_bands else _one_band(soil["elev"])
        cover = read("Cv")
        tile_class = _tile_classes(cover)
        bare = np.zeros(tile_class.shape, dtype=bool)
        last = read("Nveg").astype(np.int64)  # tiles beyond Nveg are bare soil
        bare[:] = (np.arange(tile_class.shape[1]) == last[:, None]) & (tile_class >= 0)
        plants = {field: _per_tile(read(name), tile_class) for field, name in _PLANTS.items()}
        plants["overstory"] = plants["overstory"] > 0
        plants["fcanopy"] = _per_tile(_canopy_fraction(read, cover.shape, canopy_source), tile_class)
    return CellParameters(
        cell=np.arange(n_cell), lat=grid.cell_lat, **soil, **bands, tile_class=tile_class, bare=bare, **plants
    )


def _one_band(elevation: np.ndarray) -> dict[str, np.ndarray]:
    one = np.ones((len(elevation), 1))
    return {"area_fract": one, "elevation": elevation[:, None].astype(np.float64), "pfactor": one}


def _tile_classes(cover: np.ndarray) -> np.ndarray:
    """Classes with Cv > 0 of each cell, in class order, padded with -1 [cell, tile]."""
    classes = np.full((len(cover), max(1, int((cover > 0).sum(axis=1).max(initial=1)))), -1, dtype=np.int64)
    for cell, row in enumerate(cover):
        active = np.flatnonzero(row > 0)
        classes[cell, : len(active)] = active
    return classes


def _per_tile(values: np.ndarray, tile_class: np.ndarray) -> np.ndarray:
    """[cell, class, ...] to [cell, tile, ...]; 0 where there is no tile."""
    index = np.maximum(tile_class, 0)
    taken = values[np.arange(len(values))[:, None], index].astype(np.float64)
    taken[tile_class < 0] = 0.0
    return taken


def _canopy_fraction(read: Any, shape: tuple[int, ...], source: CanopySource) -> np.ndarray:
    if source == "FROM_VEGPARAM":
        return read("fcanopy")
    fraction = np.ones((*shape, 12))
    fraction[:, -1] = 1e-4
    return fraction


def write_parameters(
    source: Path | str,
    target: Path | str,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    names: Sequence[str],
    theta: Float[np.ndarray, "cell parameter"],
) -> None:
    """Copy a VIC-5 parameter file, with θ put into the fields VIC reads, at full precision.

    Args:
        source: a-priori parameter file.
        target: file to write.
        lat: latitudes of the cells to change, cells of ``source``.
        lon: their longitudes.
        names: names of θ's last axis.
        theta: physical values.

    Raises:
        DataError: no such cell, wrong shape, or a float32 field that cannot hold the value.
    """
    if theta.shape != (len(lat), len(names)):
        raise DataError(f"theta has shape {theta.shape}; expected [cell={len(lat)}, parameter={len(names)}]")
    shutil.copyfile(source, target)
    with open_dataset(target, "r+") as dataset:
        grid = _domain(dataset, GridNames(mask="run_cell"))
        row, column = (index[grid.find(lat, lon)] for index in np.nonzero(grid.mask))
        for position, name in enumerate(names):
            if name not in THETA:
                raise DataError(f"unknown VIC parameter '{name}'{nearest(name, THETA)}")
            _put(dataset, name, theta[:, position], row, column)


def _put(dataset: Dataset, name: str, value: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    """Replace (or, for multipliers, multiply) one parameter at the given grid cells."""
    simple = {"infilt": "infilt", "ds": "Ds", "dsmax": "Dsmax", "ws": "Ws", "c": "c"}
    base, _, layer = name.partition("_")
    if name in simple:
        field, values = simple[name], read_variable(dataset, simple[name])
        values[row, column] = value
    elif base in ("expt", "depth"):
        field, values = base, read_variable(dataset, base)
        values[int(layer) - 1 if layer else slice(None), row, column] = value
    elif name == "ksat":
        field, values = "Ksat", read_variable(dataset, "Ksat")
        values[:, row, column] *= value
    elif name == "wcr":
        field, values = "Wcr_FRACT", read_variable(dataset, "Wcr_FRACT")
        wilting = read_variable(dataset, "Wpwp_FRACT")[:, row, column]
        values[:, row, column] = critical_point(values[:, row, column], wilting, value)
    else:
        field, values = "fcanopy", read_variable(dataset, "fcanopy")
        values[..., row, column] = canopy_with_gaps(values[..., row, column], value)
    if dataset[field].dtype != np.float64:
        raise DataError(f"{dataset.filepath()}: '{field}' is {dataset[field].dtype}; θ needs float64")
    dataset[field][...] = np.ma.masked_invalid(values)


def read_forcing(
    paths: Sequence[Path | str],
    domain: Domain,
    days: np.ndarray,
    steps_per_day: int,
    names: Mapping[str, str] = FORCING_NAMES,
) -> Forcing:
    """Forcing of the active cells on the given UTC days.

    Args:
        paths: files in time order, dims time, y, x; units as in VIC-5 (mm per step, degC, W m-2, kPa, m s-1).
        domain: active cells.
        days: consecutive days (datetime64[D]).
        steps_per_day: values a day.
        names: variable names in the files, for each field of ``Forcing``.

    Raises:
        DataError: missing variable or days the files do not hold.
    """
    return as_forcing(read_series(paths, domain, days, steps_per_day, names), days)


def as_forcing(series: Mapping[str, Float[np.ndarray, "cell time"]], days: np.ndarray) -> Forcing:
    """``Forcing`` of the given days."""
    days = days.astype("datetime64[D]")
    year = days.astype("datetime64[Y]")
    return Forcing(
        **series,
        month=days.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=(days - year.astype("datetime64[D]")).astype(np.int64) + 1,
    )


def read_series(
    paths: Sequence[Path | str], domain: Domain, days: np.ndarray, steps_per_day: int, names: Mapping[str, str]
) -> dict[str, Float[np.ndarray, "cell time"]]:
    """As ``read_forcing``, for the variables in ``names`` only. Rows without an active cell are not read."""
    days = days.astype("datetime64[D]")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    rows = np.flatnonzero(domain.mask.any(axis=1))
    rows_read = slice(int(rows[0]), int(rows[-1]) + 1)
    found = 0
    for path in paths:
        with open_dataset(path) as dataset:
            stamps = _stamps(dataset)
            inside = (stamps >= days[0]) & (stamps < days[-1] + 1)
            found += int(inside.sum())
            if inside.any():
                part = slice(int(inside.argmax()), int(inside.argmax() + inside.sum()))
                for name, variable in names.items():
                    if variable not in dataset.variables:
                        raise DataError(f"{path}: variable '{variable}' is missing")
                    if dataset[variable].shape[1:] != domain.mask.shape:
                        raise DataError(
                            f"{path}: '{variable}' has grid {dataset[variable].shape[1:]}, not that of the domain "
                            f"{domain.mask.shape}"
                        )
                    values = np.ma.asarray(dataset[variable][part, rows_read]).astype(np.float64)
                    parts[name].append(np.ma.filled(values, np.nan)[:, domain.mask[rows_read]])
    expected = len(days) * steps_per_day
    if found != expected:
        raise DataError(f"{paths[0]} ...: {found} values from {days[0]} to {days[-1]}, expected {expected}")
    return {name: np.ascontiguousarray(np.concatenate(parts[name]).T) for name in names}


def _stamps(dataset: Dataset) -> np.ndarray:
    """Time axis as datetime64[s]."""
    time = dataset["time"]
    dates: Any = netCDF4.num2date(time[:], time.units, getattr(time, "calendar", "proleptic_gregorian"))
    return np.array([np.datetime64(date.isoformat(), "s") for date in dates])


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


def read_state(path: Path | str, parameters: CellParameters, domain: Domain) -> State:
    """State from a VIC-5 image-driver state file [cell, set=1, column].

    What VIC-5 does not store is set to no waiting canopy melt and the albedo of new snow; both are exact in files
    written by ``write_state``.

    Raises:
        DataError: missing variable, or a state that lacks a tile or band of the parameters.
    """
    cell, column, tile_class, band = _columns(parameters)
    state = cold_start(parameters)
    state["albedo"] = NEW_SNOW_ALBEDO
    member = np.zeros_like(cell)
    with open_dataset(path) as dataset:

        def read(name: str) -> np.ndarray:
            values = read_variable(dataset, name)
            values = values.reshape(*values.shape[:-2], *domain.mask.shape)
            if tile_class.max(initial=0) >= values.shape[0] or band.max(initial=0) >= values.shape[1]:
                raise DataError(f"{path}: '{name}' has {values.shape[:2]} classes and bands; the parameters need more")
            return _cells_first(values, domain.mask)[cell, tile_class, band]

        for field, (name, _) in _STATE.items():
            state[field][cell, member, column] = read(name)
        for field, (name, _) in _EXTRA.items():
            if name in dataset.variables:
                state[field][cell, member, column] = read(name)
        state["moisture"][cell, member, column] = read("STATE_SOIL_MOISTURE")
        nodes = read("STATE_SOIL_NODE_TEMP")
    state["surface_soil_temperature"][cell, member, column] = nodes[:, 0]
    state["soil_temperature"][cell, member, column] = nodes[:, 1]
    for field in state.dtype.names or ():
        if not np.isfinite(state[field]).all():
            raise DataError(f"{path}: state '{field}' has missing values in active cells")
    snow = state["swe"] > 0
    state["depth"][snow] = MM_PER_M * state["swe"][snow] / state["density"][snow]
    return state


def write_state(
    path: Path | str, state: State, parameters: CellParameters, domain: Domain, date: np.datetime64, n_class: int,
    format: str = "NETCDF4", names: GridNames = GridNames(),  # noqa: B008
) -> None:  # fmt: skip
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
    """
    cell, column, tile_class, band = _columns(parameters)
    grid = domain.mask.shape
    y, x = (index[cell] for index in np.nonzero(domain.mask))
    used = state[cell, column]

    def put(dataset: Dataset, name: str, unit: str, values: np.ndarray, middle: tuple[str, ...] = ()) -> None:
        dims = ("veg_class", "snow_band", *middle, *grid_dims(domain, names))
        kind = "i4" if values.dtype.kind == "i" else "f8"
        variable = dataset.createVariable(name, kind, dims, fill_value=netCDF4.default_fillvals[kind])
        variable.units = unit
        filled = np.ma.masked_all((n_class, parameters.n_band, *values.shape[1:], *grid), dtype=values.dtype)
        filled[tile_class, ..., y, x] = 0  # bands without area; classes without a tile stay missing, as in VIC-5
        filled[(tile_class, band, ..., y, x)] = values
        variable[...] = filled

    with open_dataset(path, "w", format) as dataset:
        write_grid(dataset, domain, names)
        for name, size in (("veg_class", n_class), ("snow_band", parameters.n_band), ("nlayer", 3),
                           ("frost_area", 1), ("soil_node", 3), ("time", 1)):  # fmt: skip
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
        dataset.title = "VIC-5 state, written by ParaFormer"


def _node_temperatures(used: State, parameters: CellParameters, cell: np.ndarray) -> np.ndarray:
    """Surface, bottom of layer 1 and damping depth; the last is diagnostic, on an exponential profile [degC]."""
    deep, depth, middle = parameters.avg_t[cell], parameters.dp[cell], used["soil_temperature"]
    profile = deep + (middle - deep) * np.exp(-(depth - parameters.depth[cell, 0]) / depth)
    return np.stack([used["surface_soil_temperature"], middle, profile], axis=1)


def _write_albedo(
    dataset: Dataset, state: State, parameters: CellParameters, domain: Domain, dims: tuple[str, str],
    date: np.datetime64,
) -> None:  # fmt: skip
    """Cell mean of the albedo, of snow where there is some: VIC-5 wants it in the file, no flux depends on it.

    In a daily step with snow VIC-5 writes a mean over the snow steps, up to 0.06 away.
    """
    month = int((date.astype("datetime64[D]") - 1).astype("datetime64[M]").astype(int)) % 12  # of the step that ended
    ground = np.where(parameters.bare, BARE_SOIL_ALBEDO, parameters.albedo[..., month])
    albedo = np.where(state["swe"] > 0, state["albedo"], np.repeat(ground, parameters.n_band, axis=1))
    variable = dataset.createVariable("STATE_AVG_ALBEDO", "f8", dims, fill_value=FILL)
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
        variable = dataset.createVariable(name, "f8", ("soil_node", *dims), fill_value=FILL)
        variable.units = "m"
        values = np.ma.masked_all((3, *domain.mask.shape))
        values[:, domain.mask] = np.stack(nodes)
        variable[...] = values


def _is_regular(domain: Domain) -> bool:
    return bool((domain.lat == domain.lat[:, :1]).all() and (domain.lon == domain.lon[:1]).all())


def grid_dims(domain: Domain, names: GridNames = GridNames()) -> tuple[str, str]:  # noqa: B008
    """Names of the grid's dimensions."""
    if names.ydim and names.xdim:
        return names.ydim, names.xdim
    return ("lat", "lon") if _is_regular(domain) else ("y", "x")


def write_grid(dataset: Dataset, domain: Domain, names: GridNames = GridNames()) -> None:  # noqa: B008
    """Dimensions and coordinates, 1-D where the grid is regular."""
    dims = grid_dims(domain, names)
    for name, size in zip(dims, domain.mask.shape, strict=True):
        dataset.createDimension(name, size)
    regular = _is_regular(domain)
    lat, lon = (domain.lat[:, 0], domain.lon[0]) if regular else (domain.lat, domain.lon)
    for name, values, dim, unit, long_name in ((names.lat, lat, dims[0], "degrees_north", "latitude"),
                                               (names.lon, lon, dims[1], "degrees_east", "longitude")):  # fmt: skip
        variable = dataset.createVariable(name, "f8", (dim,) if regular else dims)
        variable.units, variable.long_name, variable.standard_name = unit, long_name, long_name
        variable[...] = values
