"""From the files of one VIC driver to those of the other: surface, forcing and the global parameter file itself.

The land surface keeps its numbers; what the two drivers do differently with them stays different (docs/vic_run.md).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.files import atomic_path, write_text
from paraformer.core.log import Progress
from paraformer.core.proof import Proof
from paraformer.process.vic.driver import classic_text
from paraformer.process.vic.driver.classic_text import Layout
from paraformer.process.vic.driver.global_param import (
    CALENDARS,
    FORCE_TYPES,
    TIME_UNITS,
    GlobalParameters,
    force_type,
    is_classic,
    period,
    read_global_parameters,
    read_settings,
    read_state_file,
    require_force_types,
)
from paraformer.process.vic.driver.inputs import read_run_land
from paraformer.process.vic.driver.keys import REPEATED_KEYS, STREAM_KEYS, require_obeyed, told
from paraformer.process.vic.driver.lines import Keys, Line, Problem, Refusals, read_lines, told_together
from paraformer.process.vic.driver.streams import read_streams
from paraformer.process.vic.driver.surface import read_surface, regular_grid, write_domain, write_surface
from paraformer.process.vic.files import (
    CanopySource,
    Domain,
    GridNames,
    grid_dims,
    open_dataset,
    read_parameters,
    read_series,
    write_grid,
)
from paraformer.process.vic.parameters import MOST_ROOT_ZONES

logger = logging.getLogger(__name__)
_DECIMALS = 5
_COLUMNS = tuple(FORCE_TYPES)
_KEPT = (
    "MODEL_STEPS_PER_DAY",
    "SNOW_STEPS_PER_DAY",
    "RUNOFF_STEPS_PER_DAY",
    "STARTYEAR",
    "STARTMONTH",
    "STARTDAY",
    "ENDYEAR",
    "ENDMONTH",
    "ENDDAY",
    "NRECS",
    "CALENDAR",
    "OUT_TIME_UNITS",
    "STATENAME",
    "STATEYEAR",
    "STATEMONTH",
    "STATEDAY",
)
"""Keys that mean the same to both drivers."""
_CLASSIC_FORMATS = ("ASCII", "BINARY")


class Converted(NamedTuple):
    """What was written."""

    global_param: Path
    n_cell: int
    n_day: int


def convert(
    path: Path, folder: Path, *, environment: Mapping[str, str] | None = None, progress: Progress | None = None
) -> Converted:
    """Convert the inputs of a global parameter file to the other driver's layout.

    Args:
        path: global parameter file of either driver.
        folder: where the new files go: inputs and ``global.txt``, which names them.
        environment: variables for ``${NAME}``; the process's own by default.
        progress: shows the cells done.

    Raises:
        DataError: missing or broken input, naming file and line.
        SettingsError: options that cannot be obeyed: one line that names the file and every such line.
    """
    refusals, shown = Refusals(path), progress or Progress()
    lines = read_lines(path, environment, refusals)
    if is_classic(lines):
        return _to_image(path, lines, refusals, folder, shown)
    return _to_classic(read_global_parameters(path, environment=environment, ignore_routing=True), lines, folder, shown)


# Classic driver -> image driver


class _ClassicForcing(NamedTuple):
    """Forcing files of the classic driver."""

    prefix: str
    columns: tuple[str, ...]  # FORCE_TYPE of each column
    steps_per_day: int
    first_day: np.datetime64
    decimals: int

    def path(self, lat: float, lon: float) -> Path:
        return classic_text.forcing_name(self.prefix, lat, lon, self.decimals)


def _to_image(path: Path, lines: list[Line], refusals: Refusals, folder: Path, progress: Progress) -> Converted:
    keys = Keys(path, lines, REPEATED_KEYS, refusals)
    found, forcing = _read_classic(keys, refusals)
    layout, bands = found
    for note in told_together(Problem(line.number, text) for line in lines if (text := told(line, "classic"))):
        logger.warning("%s: %s", path, note)
    surface = classic_text.read_surface(
        keys.path_of("SOIL"), keys.path_of("VEGLIB"), keys.path_of("VEGPARAM"), bands, layout
    )
    grid, names = regular_grid(surface.lat, surface.lon, surface.gridcell), GridNames()
    canopy: CanopySource = (
        "FROM_DEFAULT" if keys.text("FCAN_SRC", "FROM_DEFAULT").upper() == "FROM_DEFAULT" else "FROM_VEGPARAM"
    )
    with atomic_path(folder / "params.nc") as temporary:
        write_surface(temporary, surface, grid, names)
        texts = ", ".join(keys.text(key) for key in ("SOIL", "VEGLIB", "VEGPARAM"))
        read_parameters(temporary, grid, canopy_source=canopy, source=texts)  # for its proof
    with atomic_path(folder / "domain.nc") as temporary:
        write_domain(temporary, grid, names)
    n_day = _write_yearly_forcing(forcing, grid, keys.choice("CALENDAR", CALENDARS, "STANDARD"), folder, progress)
    new = [
        *_copied(lines),
        "FULL_ENERGY FALSE",
        "FROZEN_SOIL FALSE",
        f"DOMAIN {folder}/domain.nc",
        f"PARAMETERS {folder}/params.nc",
        f"FORCING1 {folder}/forcing.",
        *(f"FORCE_TYPE {kind} {FORCE_TYPES[kind]}" for kind in _COLUMNS),
        "LAI_SRC FROM_VEGPARAM",
        "ALB_SRC FROM_VEGPARAM",
        f"FCAN_SRC {canopy}",
        f"SNOW_BAND {'TRUE' if bands else 'FALSE'}",
        f"RESULT_DIR {keys.text('RESULT_DIR', str(folder))}",
        *_streams(lines, "NETCDF4"),
    ]
    write_text(folder / "global.txt", "\n".join(new) + "\n")
    return Converted(folder / "global.txt", len(surface.lat), n_day)


def _read_classic(keys: Keys, refusals: Refusals) -> tuple[tuple[Layout, Path | None], _ClassicForcing]:
    """Layout of the text files and forcing of a file of the classic driver; all its lines are held to ``keys.TABLE``.

    Raises:
        Refused: naming every line that cannot be obeyed.
    """
    attempt = refusals.attempt
    for line in keys.lines:
        attempt(require_obeyed, keys.path, line, "classic")
    days, settings = attempt(period, keys), attempt(read_settings, keys)
    attempt(keys.choice, "CALENDAR", CALENDARS, "STANDARD")
    attempt(keys.choice, "OUT_TIME_UNITS", TIME_UNITS, "DAYS")
    attempt(read_state_file, keys, days, _CLASSIC_FORMATS, "ASCII")
    for line in keys.lines:
        if line.key == "OUT_FORMAT" and line.value.upper() not in _CLASSIC_FORMATS:
            refusals.add(Problem(line.number, f"OUT_FORMAT {line.value} is not one of {', '.join(_CLASSIC_FORMATS)}"))
    attempt(read_streams, keys.path, [line for line in keys.lines if line.key != "OUT_FORMAT"])
    for key in ("SOIL", "VEGLIB", "VEGPARAM"):
        attempt(keys.path_of, key)
    layout, forcing = attempt(_layout, keys), attempt(_classic_forcing, keys)
    if settings is not None and forcing is not None and forcing.steps_per_day != settings.forcing_steps_per_day:
        number, text = keys.line("FORCE_STEPS_PER_DAY").number, f"SNOW_STEPS_PER_DAY {settings.forcing_steps_per_day}"
        refusals.add(Problem(number, f"FORCE_STEPS_PER_DAY {forcing.steps_per_day} must be that of {text}"))
    refusals.finish()
    assert layout is not None
    assert forcing is not None
    return layout, forcing


def _layout(keys: Keys) -> tuple[Layout, Path | None]:
    refusals = Refusals(keys.path)
    bands = refusals.attempt(_bands, keys)
    valid = ("FROM_VEGLIB", "FROM_VEGPARAM", "FROM_DEFAULT")
    chosen: dict[str, str | None] = {}
    held = {key: refusals.attempt(keys.flag, key, "FALSE") for key in ("VEGLIB_FCAN", *_HELD_BY.values())}
    for source, held_by in _HELD_BY.items():
        default = "FROM_DEFAULT" if source == "FCAN_SRC" else "FROM_VEGLIB"
        allowed = valid if source == "FCAN_SRC" else valid[:2]
        chosen[source] = refusals.attempt(keys.choice, source, allowed, default)
        if chosen[source] == "FROM_VEGPARAM" and not held[held_by]:
            refusals.add(Problem(keys.line(source).number, f"{source} FROM_VEGPARAM needs {held_by} TRUE"))
    if chosen["FCAN_SRC"] == "FROM_VEGLIB" and not held["VEGLIB_FCAN"]:
        refusals.add(Problem(keys.line("FCAN_SRC").number, "FCAN_SRC FROM_VEGLIB needs VEGLIB_FCAN TRUE"))
    zones = refusals.attempt(keys.integer, "ROOT_ZONES")
    if zones is not None and not 1 <= zones <= MOST_ROOT_ZONES:
        number, expected = keys.line("ROOT_ZONES").number, f"expected 1 to {MOST_ROOT_ZONES}"
        refusals.add(Problem(number, f"ROOT_ZONES {zones}: {expected}"))
    refusals.finish()
    assert bands is not None
    assert zones is not None
    names = {"LAI_SRC": "LAI", "FCAN_SRC": "fcanopy", "ALB_SRC": "albedo"}
    layout = Layout(
        root_zones=zones,
        bands=bands[0],
        fcanopy_in_library=bool(held["VEGLIB_FCAN"]),
        lai=bool(held["VEGPARAM_LAI"]),
        fcanopy=bool(held["VEGPARAM_FCAN"]),
        albedo=bool(held["VEGPARAM_ALB"]),
        from_library=tuple(names[source] for source, value in chosen.items() if value == "FROM_VEGLIB"),
    )
    return layout, bands[1]


_HELD_BY = {"LAI_SRC": "VEGPARAM_LAI", "FCAN_SRC": "VEGPARAM_FCAN", "ALB_SRC": "VEGPARAM_ALB"}
"""Source of a monthly variable -> the key that says whether the vegetation file holds it."""


def _bands(keys: Keys) -> tuple[int, Path | None]:
    """Number of snow bands and their file, which one band does not need."""
    if "SNOW_BAND" not in keys:
        return 1, None
    line, bands = keys.line("SNOW_BAND"), keys.integer("SNOW_BAND")
    if bands == 0 or (bands > 1 and len(line.values) < 2):
        raise keys.error(line, f"SNOW_BAND {bands} needs {'the snow band file' if bands else 'a band at least'}")
    return bands, Path(line.values[1]) if bands > 1 else None


def _classic_forcing(keys: Keys) -> _ClassicForcing:
    refusals = Refusals(keys.path)
    kinds = [refusals.attempt(force_type, keys, line) for line in keys.lines if line.key == "FORCE_TYPE"]
    columns = [kind for kind in kinds if kind is not None]
    require_force_types(columns, refusals)
    prefix = refusals.attempt(keys.text, "FORCING1")
    steps = refusals.attempt(keys.integer, "FORCE_STEPS_PER_DAY")
    first_day = refusals.attempt(keys.day, "FORCEYEAR", "FORCEMONTH", "FORCEDAY")
    decimals = refusals.attempt(keys.integer, "GRID_DECIMAL")
    if steps == 0:
        refusals.add(Problem(keys.line("FORCE_STEPS_PER_DAY").number, "FORCE_STEPS_PER_DAY must be above 0"))
    refusals.finish()
    assert prefix is not None
    assert steps is not None
    assert decimals is not None
    return _ClassicForcing(prefix, tuple(columns), steps, first_day, decimals)  # type: ignore[arg-type]


def _write_yearly_forcing(
    forcing: _ClassicForcing, grid: Domain, calendar: str, folder: Path, progress: Progress
) -> int:
    """Write ``forcing.YYYY.nc``; returns the number of days. All cells of all years are held in memory."""
    series: list[np.ndarray] = []
    with progress.task("read forcing", len(grid.cell_lat), unit="cells") as advance:
        for lat, lon in zip(grid.cell_lat, grid.cell_lon, strict=True):
            path = forcing.path(lat, lon)
            series.append(classic_text.read_forcing(path, len(forcing.columns)))
            if len(series[-1]) != len(series[0]) or len(series[-1]) % forcing.steps_per_day:
                raise DataError(
                    f"{path}: {len(series[-1])} records; expected {len(series[0])}, whole days of "
                    f"{forcing.steps_per_day}"
                )
            advance()
    values = np.stack(series)  # [cell, time, column]
    n_day = values.shape[1] // forcing.steps_per_day
    years = np.repeat((forcing.first_day + np.arange(n_day)).astype("datetime64[Y]"), forcing.steps_per_day)
    for year in np.unique(years):
        inside = np.flatnonzero(years == year)
        with atomic_path(folder / f"forcing.{year}.nc") as temporary, open_dataset(temporary, "w") as dataset:
            write_grid(dataset, grid)
            dataset.createDimension("time", None)
            time = dataset.createVariable("time", "f8", ("time",))
            time.units, time.calendar = f"hours since {forcing.first_day} 00:00:00", calendar.lower()
            time[:] = inside * 24.0 / forcing.steps_per_day
            for kind, field in FORCE_TYPES.items():
                full = np.ma.masked_all((len(inside), *grid.mask.shape))
                full[:, grid.mask] = values[:, inside, forcing.columns.index(kind)].T
                dataset.createVariable(field, "f8", ("time", *grid_dims(grid)))[:] = full
    return n_day


# Image driver -> classic driver


def _to_classic(run: GlobalParameters, lines: list[Line], folder: Path, progress: Progress) -> Converted:
    _require_classic(run, lines)
    for note in told_together(run.notes):
        logger.warning("%s: %s", run.path, note)
    domain = read_run_land(run, with_state=False).domain  # and parameters, for their proof
    canopy = run.canopy_source == "FROM_VEGPARAM"
    surface = read_surface(run.parameters, domain, snow_bands=run.snow_bands, names=run.grid_names, canopy=canopy)
    layout = classic_text.write_surface(folder, surface)
    _write_cell_forcing(run, domain, folder, progress)
    year, month, day = str(run.first_day).split("-")
    new = [
        *_copied(lines),
        "NLAYER 3",
        "NODES 3",
        "FULL_ENERGY FALSE",
        "FROZEN_SOIL FALSE",
        f"FORCING1 {folder}/forcing_",
        "FORCE_FORMAT ASCII",
        *(f"FORCE_TYPE {kind}" for kind in _COLUMNS),
        f"FORCE_STEPS_PER_DAY {run.settings.forcing_steps_per_day}",
        f"FORCEYEAR {year}",
        f"FORCEMONTH {month}",
        f"FORCEDAY {day}",
        f"GRID_DECIMAL {_DECIMALS}",
        "WIND_H 10.0",
        f"SOIL {folder}/soil.txt",
        f"VEGLIB {folder}/veglib.txt",
        f"VEGPARAM {folder}/vegparam.txt",
        f"ROOT_ZONES {layout.root_zones}",
        "VEGPARAM_LAI TRUE",
        "LAI_SRC FROM_VEGPARAM",
        f"VEGPARAM_FCAN {'TRUE' if layout.fcanopy else 'FALSE'}",
        f"FCAN_SRC {'FROM_VEGPARAM' if layout.fcanopy else 'FROM_DEFAULT'}",
        "VEGPARAM_ALB TRUE",
        "ALB_SRC FROM_VEGPARAM",
        f"SNOW_BAND {layout.bands}" + (f" {folder}/snowbands.txt" if layout.bands > 1 else ""),
        f"RESULT_DIR {run.result_directory}",
        *(["STATE_FORMAT ASCII"] if run.state is not None else []),
        *_streams(lines, "ASCII"),
    ]
    write_text(folder / "global.txt", "\n".join(new) + "\n")
    return Converted(folder / "global.txt", len(surface.lat), run.n_day)


def _require_classic(run: GlobalParameters, lines: list[Line]) -> None:
    """Refuse what ``vic run`` obeys and the classic driver has not, or not from netCDF files."""
    refusals = Refusals(run.path)
    for line in lines:
        if line.key == "INIT_STATE" and run.initial_state is not None:
            refusals.add(
                Problem(line.number, f"INIT_STATE {line.value}: a state is not converted; set INIT_STATE FALSE")
            )
        elif line.key == "HISTFREQ" and line.value.upper() not in ("END", "NEVER"):
            text = f"HISTFREQ {' '.join(line.values)}: the classic driver writes one file; remove it"
            refusals.add(Problem(line.number, text))
    refusals.finish()


def _write_cell_forcing(run: GlobalParameters, domain: Domain, folder: Path, progress: Progress) -> None:
    """One text file a cell with the days of the run, columns in the order of ``FORCE_TYPES``; row of cells by row."""
    years, weather = np.unique(run.days.astype("datetime64[Y]")), Proof("forcing")
    with progress.task("write forcing", len(domain.cell_lat), unit="cells") as advance:
        for row in np.flatnonzero(domain.mask.any(axis=1)):
            mask = np.zeros_like(domain.mask)
            mask[row] = domain.mask[row]
            cells = domain._replace(mask=mask)
            series: dict[str, np.ndarray] = {}
            for files in run.forcing:
                paths = [files.path(int(str(year))) for year in years]
                series |= read_series(
                    paths,
                    cells,
                    run.days,
                    run.settings.forcing_steps_per_day,
                    files.names,
                    grid_names=run.grid_names,
                    proof=weather,
                )
            values = np.stack([series[field] for field in FORCE_TYPES.values()], axis=-1)
            for lat, lon, cell in zip(cells.cell_lat, cells.cell_lon, values, strict=True):
                path = classic_text.forcing_name(f"{folder}/forcing_", lat, lon, _DECIMALS)
                classic_text.write_forcing(path, cell)
                advance()
    weather.finish()


def _copied(lines: list[Line]) -> list[str]:
    return [" ".join((line.key, *line.values)) for line in lines if line.key in _KEPT]


def _streams(lines: list[Line], format: str) -> list[str]:
    """Output blocks in the other driver's format; the classic driver has no HISTFREQ."""
    result = []
    for line in lines:
        if line.key in STREAM_KEYS and line.key not in ("OUT_FORMAT", "HISTFREQ"):
            result.append(" ".join((line.key, *line.values)))
            if line.key == "OUTFILE":
                result.append(f"OUT_FORMAT {format}")
    return result
