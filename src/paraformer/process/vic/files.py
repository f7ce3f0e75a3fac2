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
from paraformer.process.vic.constants import MM_PER_M, NEW_SNOW_ALBEDO
from paraformer.process.vic.forcing import SERIES, Forcing
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
def _open(path: Path | str, mode: Literal["r", "r+", "w"] = "r") -> Iterator[netCDF4.Dataset]:
    try:
        dataset = netCDF4.Dataset(path, mode)
    except OSError as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    try:
        yield dataset
    finally:
        dataset.close()


def _read(dataset: netCDF4.Dataset, name: str) -> np.ndarray:
    if name not in dataset.variables:
        raise DataError(f"{dataset.filepath()}: variable '{name}' is missing{nearest(name, dataset.variables)}")
    values = np.ma.asarray(dataset[name][...])
    if values.dtype.kind == "f":
        return np.ma.filled(values.astype(np.float64), np.nan)
    return np.ma.filled(values, -1)


def _domain(dataset: netCDF4.Dataset, mask_name: str) -> Domain:
    lat, lon = _read(dataset, "lat"), _read(dataset, "lon")
    if lat.ndim == 1:
        lon, lat = np.meshgrid(lon, lat)
    return Domain(lat, lon, _read(dataset, mask_name) == 1)


def read_domain(path: Path | str) -> Domain:
    """Active cells of a VIC-5 domain file (``mask`` 1)."""
    with _open(path) as dataset:
        return _domain(dataset, "mask")


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
) -> CellParameters:
    """Parameters of the active cells of a VIC-5 image-driver parameter file.

    Args:
        path: the file.
        domain: which cells are active; ``None`` takes the file's own ``run_cell``.
        canopy_source: ``FCAN_SRC``: monthly ``fcanopy`` of the file, or 1 for every class but the last.
        snow_bands: ``SNOW_BAND``; ``False`` runs one band at the cell's elevation.

    Raises:
        DataError: missing variable, or a grid that does not fit the domain.
    """
    with _open(path) as dataset:
        grid = _domain(dataset, "run_cell")
        if domain is not None:
            if domain.mask.shape != grid.mask.shape:
                raise DataError(f"{path}: grid {grid.mask.shape} is not that of the domain {domain.mask.shape}")
            grid = grid._replace(mask=domain.mask)

        def read(name: str) -> np.ndarray:
            return _cells_first(_read(dataset, name), grid.mask)

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
    with _open(target, "r+") as dataset:
        grid = _domain(dataset, "run_cell")
        row, column = (index[grid.find(lat, lon)] for index in np.nonzero(grid.mask))
        for position, name in enumerate(names):
            if name not in THETA:
                raise DataError(f"unknown VIC parameter '{name}'{nearest(name, THETA)}")
            _put(dataset, name, theta[:, position], row, column)


def _put(dataset: netCDF4.Dataset, name: str, value: np.ndarray, row: np.ndarray, column: np.ndarray) -> None:
    """Replace (or, for multipliers, multiply) one parameter at the given grid cells."""
    simple = {"infilt": "infilt", "ds": "Ds", "dsmax": "Dsmax", "ws": "Ws", "c": "c"}
    base, _, layer = name.partition("_")
    if name in simple:
        field, values = simple[name], _read(dataset, simple[name])
        values[row, column] = value
    elif base in ("expt", "depth"):
        field, values = base, _read(dataset, base)
        values[int(layer) - 1 if layer else slice(None), row, column] = value
    elif name == "ksat":
        field, values = "Ksat", _read(dataset, "Ksat")
        values[:, row, column] *= value
    elif name == "wcr":
        field, values = "Wcr_FRACT", _read(dataset, "Wcr_FRACT")
        wilting = _read(dataset, "Wpwp_FRACT")[:, row, column]
        values[:, row, column] = critical_point(values[:, row, column], wilting, value)
    else:
        field, values = "fcanopy", _read(dataset, "fcanopy")
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
    days = days.astype("datetime64[D]")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in SERIES}
    stamps = []
    for path in paths:
        with _open(path) as dataset:
            stamps.append(_stamps(dataset))
            inside = (stamps[-1] >= days[0]) & (stamps[-1] < days[-1] + 1)
            stamps[-1] = stamps[-1][inside]
            if inside.any():
                part = slice(int(inside.argmax()), int(inside.argmax() + inside.sum()))
                for name in SERIES:
                    if names[name] not in dataset.variables:
                        raise DataError(f"{path}: variable '{names[name]}' is missing")
                    values = np.ma.filled(np.ma.asarray(dataset[names[name]][part]).astype(np.float64), np.nan)
                    parts[name].append(values[:, domain.mask])
    expected = len(days) * steps_per_day
    found = sum(len(stamp) for stamp in stamps)
    if found != expected:
        raise DataError(f"{paths[0]} ...: {found} values from {days[0]} to {days[-1]}, expected {expected}")
    series = {name: np.ascontiguousarray(np.concatenate(parts[name]).T) for name in SERIES}
    year = days.astype("datetime64[Y]")
    return Forcing(
        **series,
        month=days.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        day_of_year=(days - year.astype("datetime64[D]")).astype(np.int64) + 1,
    )


def _stamps(dataset: netCDF4.Dataset) -> np.ndarray:
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
    with _open(path) as dataset:

        def read(name: str) -> np.ndarray:
            values = _read(dataset, name)
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
    path: Path | str, state: State, parameters: CellParameters, domain: Domain, date: np.datetime64, n_class: int
) -> None:
    """Write one set's state as a VIC-5 image-driver state file, with what VIC-5 lacks as extra variables.

    Args:
        path: the file.
        state: [cell, column].
        parameters: of the same cells.
        domain: grid of the cells.
        date: day at whose 00:00 UTC the state holds.
        n_class: vegetation classes of the parameter file.
    """
    cell, column, tile_class, band = _columns(parameters)
    grid = domain.mask.shape
    y, x = (index[cell] for index in np.nonzero(domain.mask))
    used = state[cell, column]

    def put(dataset: netCDF4.Dataset, name: str, unit: str, values: np.ndarray, middle: tuple[str, ...] = ()) -> None:
        dims = ("veg_class", "snow_band", *middle, *_grid_dims(domain))
        kind = "i4" if values.dtype.kind == "i" else "f8"
        variable = dataset.createVariable(name, kind, dims, fill_value=netCDF4.default_fillvals[kind])
        variable.units = unit
        filled = np.ma.masked_all((n_class, parameters.n_band, *values.shape[1:], *grid), dtype=values.dtype)
        filled[..., domain.mask] = 0  # classes without a tile, as in VIC-5's own files
        filled[(tile_class, band, ..., y, x)] = values
        variable[...] = filled

    with _open(path, "w") as dataset:
        _write_grid(dataset, domain)
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
        deep = parameters.avg_t[cell]  # the third node is diagnostic
        nodes = np.stack([used["surface_soil_temperature"], used["soil_temperature"], deep], axis=1)
        put(dataset, "STATE_SOIL_NODE_TEMP", "C", nodes, ("soil_node",))
        _write_nodes(dataset, parameters, domain)
        dataset.title = "VIC-5 state, written by ParaFormer"


def _write_nodes(dataset: netCDF4.Dataset, parameters: CellParameters, domain: Domain) -> None:
    """Thermal nodes at 0, the bottom of layer 1 and the damping depth, which VIC-5 compares with its own [m]."""
    top, deep = parameters.depth[:, 0], parameters.dp
    for name, nodes in (
        ("node_depth", (np.zeros_like(top), top, deep)),
        ("dz_node", (top, top, 2.0 * (deep - 1.5 * top))),
    ):
        variable = dataset.createVariable(name, "f8", ("soil_node", *_grid_dims(domain)), fill_value=9.96921e36)
        variable.units = "m"
        values = np.ma.masked_all((3, *domain.mask.shape))
        values[:, domain.mask] = np.stack(nodes)
        variable[...] = values


def _is_regular(domain: Domain) -> bool:
    return bool((domain.lat == domain.lat[:, :1]).all() and (domain.lon == domain.lon[:1]).all())


def _grid_dims(domain: Domain) -> tuple[str, str]:
    return ("lat", "lon") if _is_regular(domain) else ("y", "x")


def _write_grid(dataset: netCDF4.Dataset, domain: Domain) -> None:
    """Dimensions and coordinates, 1-D where the grid is regular."""
    dims = _grid_dims(domain)
    for name, size in zip(dims, domain.mask.shape, strict=True):
        dataset.createDimension(name, size)
    regular = _is_regular(domain)
    lat, lon = (domain.lat[:, 0], domain.lon[0]) if regular else (domain.lat, domain.lon)
    for name, values, unit in (("lat", lat, "degrees_north"), ("lon", lon, "degrees_east")):
        variable = dataset.createVariable(name, "f8", (name,) if regular else dims)
        variable.units = unit
        variable[...] = values
