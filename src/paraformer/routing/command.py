"""What the command line does with rivers: make and check networks, route runoff."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import netCDF4
import numpy as np

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.grid import match_cells
from paraformer.core.log import Progress
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import RIVER_RADIUS, SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.routing.describe import network_text
from paraformer.routing.directions import Codes
from paraformer.routing.files import read_network, write_network
from paraformer.routing.gauges import SEARCH, Snapped, place_gauges, read_gauges
from paraformer.routing.grids import Grid, read_grid, value_on
from paraformer.routing.lohmann_files import (
    directions_of,
    find_flux,
    is_control,
    read_box,
    read_control,
    read_flux,
    read_stations,
)
from paraformer.routing.make import RiverOptions, lumped_network, lumped_of_table, network_of_grid, network_of_segments
from paraformer.routing.network import Gauges, Hillslope, Network
from paraformer.routing.router import TIMING, LinearRouter, Method, network_router, parameter_router
from paraformer.routing.runoff import Clock, RunoffFile, local_days, route_file, write_discharge
from paraformer.routing.rvic import (
    SAME_PLACE,
    ParameterFile,
    RvicOptions,
    make_parameter_file,
    read_parameter_file,
    read_uh_box,
    write_parameter_file,
)
from paraformer.routing.upscale import upscaled_network

logger = logging.getLogger(__name__)


class Recipe(NamedTuple):
    """What ``network make`` is told beside the river; the options of the command line."""

    codes: Codes | None = None
    variable: str | None = None
    velocity: str = "1.5"
    diffusivity: str = "800"
    length: str = ""
    sinuosity: float = 1.0
    area: str = ""
    fraction: str = "1"
    gauges: Path | None = None
    search: int = SEARCH
    delays: tuple[float, float, float, float] = (0.0, 2.5, 0.0, 2.5)  # runoff [h], its shape, baseflow [h], its shape
    box: Path | None = None
    upscale: int = 1
    ends_outside: bool = False
    crs: str = ""


def make_network(river: Path, out: Path, recipe: Recipe) -> str:
    """Make a network, write it, and say what it holds and where its gauges are.

    Raises:
        DataError: as the readers; loops, water that leaves the grid, gauges whose area no cell has.
    """
    network, fraction = _river(river, recipe)
    delay = (
        recipe.delays[0] * SECONDS_PER_HOUR,
        recipe.delays[1],
        recipe.delays[2] * SECONDS_PER_HOUR,
        recipe.delays[3],
    )
    network = replace(network, hillslope=Hillslope(*(np.full(network.n_cell, value) for value in delay)))
    if recipe.box is not None:
        network = replace(network, box=read_box(recipe.box))
    table: list[Snapped] = []
    if recipe.gauges is not None:
        rows = read_gauges(recipe.gauges)
        network, table = place_gauges(network, rows, fraction, search=recipe.search, source=str(recipe.gauges))
    elif len(network.gauges) and fraction is not None:
        network = network.with_gauges(network.gauges, fraction)
    write_network(network, out)
    moved = [f"gauge {row.name}: moved {row.cells_moved} cells, to cell {row.cell}" for row in table if row.cells_moved]
    kept = [f"gauge {row.name}: kept at cell {row.cell}, as the table says" for row in table if row.kept]
    return "\n".join([network_text(network), *moved, *kept, str(out)])


def _river(river: Path, recipe: Recipe) -> tuple[Network, np.ndarray | None]:
    """The network without hillslopes, and the fraction of its cells where it lies on a grid."""
    options = RiverOptions(recipe.velocity, recipe.diffusivity, recipe.length, recipe.sinuosity, recipe.area)
    suffix = river.suffix.lower()
    if suffix == ".csv":
        _refuse(river, recipe, "a table of basins", (*_OF_A_GRID, "velocity", "diffusivity", "gauges"))
        return lumped_of_table(river), None
    if suffix in (".nc", ".nc4") and _has(river, "unit_hydrograph"):
        raise SettingsError(
            f"{river}: an RVIC parameter file holds no river; it is routed as it is: 'paraformer route'"
        )
    if suffix in (".nc", ".nc4") and (_has(river, "segId") or _has(river, "seg_id")):
        _refuse(river, recipe, "segments", _OF_A_GRID)
        return network_of_segments(river, options), None
    if suffix not in (".nc", ".nc4", ".tif", ".tiff") and is_control(river):
        _refuse(
            river, recipe, "a control file, which has its own", ("velocity", "diffusivity", "box", *_OF_A_GRID[:-1])
        )
        return _of_control(river, recipe)
    grid = read_grid(river, recipe.variable, recipe.crs)
    if recipe.upscale > 1:
        _refuse(river, recipe, "--upscale", ("length", "sinuosity", "area", "fraction"))
        flood = {"velocity": recipe.velocity, "diffusivity": recipe.diffusivity}
        return upscaled_network(grid, recipe.codes, recipe.upscale, **flood, ends_outside=recipe.ends_outside), None
    network = network_of_grid(grid, recipe.codes, options, ends_outside=recipe.ends_outside)
    return network, _on_cells(recipe.fraction, grid, network)


_OF_A_GRID = ("codes", "variable", "crs", "upscale", "ends_outside", "length", "sinuosity", "fraction", "area")


def _refuse(river: Path, recipe: Recipe, what: str, names: tuple[str, ...]) -> None:
    """Raise for an option that would have no effect."""
    for name in names:
        if getattr(recipe, name) != Recipe._field_defaults[name]:
            raise SettingsError(f"{river}: --{name.replace('_', '-')} does not apply to {what}")


def _on_cells(given: str, grid: Grid, network: Network) -> np.ndarray:
    row, column = np.divmod(network.cells - 1, len(grid.lon))
    return np.nan_to_num(value_on(given, grid)[row, column])


def _of_control(river: Path, recipe: Recipe) -> tuple[Network, np.ndarray]:
    """Network, stations and box of a control file of the Lohmann program."""
    control = read_control(river)
    grid = directions_of(control)
    options = RiverOptions(control.velocity, control.diffusivity, control.length, 1.0, recipe.area)
    network = network_of_grid(grid, "vic", options, ends_outside=True)
    fraction = _on_cells(control.fraction, grid, network)
    position = {int(cell): i for i, cell in enumerate(network.cells)}
    names, cells = [], []
    for station in read_stations(control.stations):
        number = (len(grid.lat) - station.row) * len(grid.lon) + station.column
        if not (1 <= station.row <= len(grid.lat) and 1 <= station.column <= len(grid.lon)) or number not in position:
            raise DataError(
                f"{control.stations}: station {station.name}: column {station.column}, row {station.row} (from the "
                "south) is no cell of the flow directions"
            )
        if station.given is not None:
            logger.warning("%s: station %s: %s is not used", control.stations, station.name, station.given)
        if station.routed:
            names.append(station.name)
            cells.append(position[number])
    at = np.array(cells, np.int64)
    gauges = Gauges(tuple(names), network.lat[at], network.lon[at], at, np.full(len(at), np.nan))
    return replace(network.with_gauges(gauges, fraction), box=read_box(control.box)), fraction


def _has(path: Path, variable: str) -> bool:
    require_whole(path)
    try:
        with netCDF4.Dataset(path) as dataset:
            return variable in dataset.variables
    except OSError as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error


def check_network(path: Path) -> str:
    """What a network holds, or an RVIC parameter file.

    Raises:
        DataError: its first fault.
    """
    if not _has(path, "unit_hydrograph"):
        return network_text(read_network(path))
    file = read_parameter_file(path)
    lines = [
        f"{path}: RVIC parameter file, {len(file.outlet_names)} outlets, {len(file.outlet)} sources, "
        f"{file.ordinates.shape[1]} steps of {file.step:g} s in a ring of {file.full_length}"
    ]
    sums = np.bincount(file.outlet, file.ordinates.sum(axis=1), minlength=len(file.outlet_names))
    count = np.bincount(file.outlet, minlength=len(file.outlet_names))
    lines += [
        f"{name[:40]:<40} lat {lat:9.5f} lon {lon:10.5f} {n:6d} sources, area {total:.5g} times its cell's"
        for name, lat, lon, n, total in zip(
            file.outlet_names, file.outlet_lat, file.outlet_lon, count, sums, strict=True
        )
    ]
    if file.lost_by_vic > 0:
        lines.append(f"VIC-5's own routing would lose up to {100 * file.lost_by_vic:.0f} % of an outlet's water")
    return "\n".join(lines)


def make_rvic(river: Path, domain: Path, box: Path, out: Path, options: RvicOptions) -> str:
    """Write the parameter file that RVIC 1.1.1 makes of a network, and say what it holds.

    Args:
        river: network with gauges.
        domain: VIC's domain file, whose areas and fractions count.
        box: unit hydrograph of a cell: a header line, then seconds and shares.
        out: where it goes.
        options: RVIC's settings.

    Raises:
        DataError: cells that are not in the domain, a box of uneven steps.
    """
    network = read_network(river)
    lat, lon, area = read_areas(domain)
    found = match_cells(network.lat, network.lon, lat, lon, source=str(domain), words=network.words)
    fraction = read_grid(domain, "frac").values.ravel()[found] if options.constrain_fractions else None
    shares, box_step = read_uh_box(box)
    logger.warning("%s", TIMING["rvic"])
    network = replace(network, area=area[found], lat=lat[found], lon=lon[found])
    file = make_parameter_file(network, shares, box_step, fraction, options)
    grid = read_grid(domain, "area")
    write_parameter_file(file, out, grid.lat, grid.lon, area.reshape(grid.shape))
    return check_network(out)


class RouteOptions(NamedTuple):
    """Options of ``paraformer route``."""

    method: Method = "exact"
    runoff: str | None = None
    baseflow: str | None = None
    domain: Path | None = None
    local_days: float | None = None


class FluxFiles:
    """Flux files of the Lohmann program, one a cell, with the interface of ``RunoffFile``."""

    def __init__(self, control: Path, network: Network) -> None:
        self.path = control
        prefix = read_control(control).flux_prefix
        self.lat, self.lon, self.cells = network.lat, network.lon, network.cells
        found = [read_flux(find_flux(prefix, *place)) for place in zip(network.lat, network.lon, strict=True)]
        for flux, cell in zip(found, range(network.n_cell), strict=True):
            if not np.array_equal(flux.days, found[0].days):
                raise DataError(f"{prefix}: {network.words(cell)} has other days than {network.words(0)}")
        self.clock = Clock(found[0].days.astype("datetime64[s]"), SECONDS_PER_DAY)
        self.waters = np.stack([flux.runoff for flux in found]), np.stack([flux.baseflow for flux in found])

    def blocks(self, cells: np.ndarray, network: Network, least: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """All steps at once."""
        yield slice(0, len(self.clock.begin)), self.waters[0][cells], self.waters[1][cells]


class _Routing(NamedTuple):
    """What is routed over: cells with gauges, their router, the gauges' drainage areas [m2], and how it was made."""

    network: Network
    router: LinearRouter
    model_area: np.ndarray
    method: str


def route_runoff(runoff: Path, river: Path, out: Path, options: RouteOptions, progress: Progress | None = None) -> str:
    """Route a file of runoff, write discharge, and say what came of the water.

    Args:
        runoff: netCDF, or a control file of the Lohmann program, whose flux files are read.
        river: network, or RVIC parameter file.
        out: where discharge goes.
        options: the rest.
        progress: shows the steps done.

    Raises:
        DataError: cells that are not in the file, values that are missing, steps that differ.
        SettingsError: a method or local days that the steps do not allow.
    """
    if runoff.suffix.lower() not in (".nc", ".nc4") and is_control(runoff):
        network = read_network(river)
        flux = FluxFiles(runoff, network)
        routing = _over(network, flux.clock.step, options)
        series = route_file(flux, network, routing.router, progress)
    else:
        with RunoffFile(runoff, options.runoff, options.baseflow) as file:
            if _has(river, "unit_hydrograph"):
                routing = _over_parameters(read_parameter_file(river), options)
            else:
                routing = _over(read_network(river), file.clock.step, options)
            series = route_file(file, routing.network, routing.router, progress)
    if options.local_days is not None:
        series = local_days(series, options.local_days)
    write_discharge(series, routing.network, routing.model_area, out, routing.method, options.local_days)
    balance, begin, step = series.balance, series.clock.begin, series.clock.step
    number = len(routing.router.gauges)
    return "\n".join(
        [
            f"{number} gauge{'' if number == 1 else 's'}, {len(begin)} steps of {step:g} s, {begin[0]} to {begin[-1]}",
            f"water into the rivers {balance.given:.6g} m3, past the gauges {balance.passed:.6g}, under way at the end "
            f"{balance.under_way:.6g}, lost {balance.error:.0e}",
            str(out),
        ]
    )


def _over(network: Network, step: float, options: RouteOptions) -> _Routing:
    return _Routing(network, network_router(network, step, method=options.method), network.model_area, options.method)


def _over_parameters(file: ParameterFile, options: RouteOptions) -> _Routing:
    """Cells of a parameter file, with the areas of the domain file."""
    if options.domain is None:
        raise SettingsError(f"{file.source}: an RVIC parameter file needs the areas of its --domain file")
    if options.method != "exact":
        raise SettingsError(f"{file.source}: holds unit hydrographs, to which --method {options.method} does not apply")
    lat, lon, area = read_areas(options.domain)
    both = np.stack([np.append(file.source_lat, file.outlet_lat), np.append(file.source_lon, file.outlet_lon)])
    places, index = np.unique(both, axis=1, return_inverse=True)
    n = places.shape[1]
    found = match_cells(places[0], places[1], lat, lon, source=str(options.domain), tolerance=SAME_PLACE)
    outlets = index.reshape(-1)[len(file.source_lat) :]
    none = np.full(len(outlets), np.nan)
    names = unique_names(file.outlet_names)
    network = lumped_network(np.arange(1, n + 1), places[0], places[1], area[found])
    network = replace(network, source=file.source).with_gauges(
        Gauges(names, file.outlet_lat, file.outlet_lon, outlets, none)
    )
    logger.warning("%s: %s", file.source, TIMING["rvic"])
    router = parameter_router(file, places[0], places[1], network.area, source=str(options.domain))
    drained = np.bincount(file.outlet, file.ordinates.sum(axis=1), minlength=len(names)) * network.area[outlets]
    return _Routing(network, router, drained, "rvic parameter file")


def read_areas(domain: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latitude, longitude [degree] and area [m2] of all places of a domain file, flattened.

    Raises:
        DataError: no areas, or in a unit that is none of areas.
    """
    grid = read_grid(domain, "area")
    with netCDF4.Dataset(domain) as dataset:
        unit = str(getattr(dataset["area"], "units", "m2")).replace("^", "").replace(" ", "").lower()
    factors = {"m2": 1.0, "km2": 1e6, "rad2": RIVER_RADIUS**2, "radian2": RIVER_RADIUS**2, "radians2": RIVER_RADIUS**2}
    if unit not in factors:
        raise DataError(f"{domain}: 'area' has units '{unit}', expected m2, km2 or rad2")
    lon, lat = np.meshgrid(grid.lon, grid.lat)
    return lat.ravel(), lon.ravel(), factors[unit] * grid.values.ravel()


def unique_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names, numbered where one stands twice."""
    return tuple(name if names.count(name) == 1 else f"{name} {i + 1}" for i, name in enumerate(names))
