"""From the files of one VIC driver to those of the other: surface, forcing and the global parameter file itself.

The land surface keeps its numbers; what the two drivers do differently with them stays different (docs/vic_run.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.files import atomic_path, write_text
from paraformer.core.log import Progress
from paraformer.core.proof import Proof
from paraformer.process.vic.driver import classic_text
from paraformer.process.vic.driver.classic_text import Layout
from paraformer.process.vic.driver.global_param import (
    CALENDARS,
    FORCE_TYPES,
    REPEATED_KEYS,
    UNUSED_FORCE_TYPES,
    GlobalParameters,
    is_classic,
    read_global_parameters,
)
from paraformer.process.vic.driver.keys import Keys, Line, read_lines
from paraformer.process.vic.driver.streams import STREAM_KEYS
from paraformer.process.vic.driver.surface import read_surface, regular_grid, write_domain, write_surface
from paraformer.process.vic.files import (
    CanopySource,
    Domain,
    GridNames,
    grid_dims,
    open_dataset,
    read_domain,
    read_parameters,
    read_run_cells,
    read_series,
    write_grid,
)
from paraformer.process.vic.settings import require_supported_options

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
)


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
        SettingsError: an option this converter does not know, naming it.
    """
    lines = read_lines(path, environment)
    shown = progress or Progress()
    if is_classic(lines):
        return _to_image(path, lines, folder, shown)
    return _to_classic(read_global_parameters(path, environment=environment), lines, folder, shown)


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


def _to_image(path: Path, lines: list[Line], folder: Path, progress: Progress) -> Converted:
    keys = Keys(path, lines, REPEATED_KEYS)
    for line in lines:
        if line.key not in ("NLAYER", "SNOW_BAND", "LAKES"):
            require_supported_options({line.key: line.values[0] if line.values else ""})
    if keys.text("NLAYER", "3") != "3":
        raise keys.error(keys.line("NLAYER"), f"NLAYER {keys.text('NLAYER')} is not supported: set NLAYER 3")
    layout, bands = _layout(keys)
    surface = classic_text.read_surface(
        keys.path_of("SOIL"), keys.path_of("VEGLIB"), keys.path_of("VEGPARAM"), bands, layout
    )
    forcing = _classic_forcing(keys)
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


def _layout(keys: Keys) -> tuple[Layout, Path | None]:
    line = keys.line("SNOW_BAND") if "SNOW_BAND" in keys else Line(0, "SNOW_BAND", ("1",))
    bands = keys.integer("SNOW_BAND") if "SNOW_BAND" in keys else 1
    if bands > 1 and len(line.values) < 2:
        raise keys.error(line, f"SNOW_BAND {bands} needs the snow band file")
    sources = {"LAI": "LAI_SRC", "fcanopy": "FCAN_SRC", "albedo": "ALB_SRC"}
    valid = ("FROM_VEGLIB", "FROM_VEGPARAM", "FROM_DEFAULT")
    chosen = {
        name: keys.choice(key, valid, "FROM_DEFAULT" if name == "fcanopy" else "FROM_VEGLIB")
        for name, key in sources.items()
    }
    layout = Layout(
        root_zones=keys.integer("ROOT_ZONES"),
        bands=bands,
        fcanopy_in_library=keys.flag("VEGLIB_FCAN", "FALSE"),
        lai=keys.flag("VEGPARAM_LAI", "FALSE"),
        fcanopy=keys.flag("VEGPARAM_FCAN", "FALSE"),
        albedo=keys.flag("VEGPARAM_ALB", "FALSE"),
        from_library=tuple(name for name, source in chosen.items() if source == "FROM_VEGLIB"),
    )
    if layout.root_zones != 3:
        raise keys.error(keys.line("ROOT_ZONES"), f"ROOT_ZONES {layout.root_zones} is not supported: give 3")
    for name, there in (("LAI", layout.lai), ("fcanopy", layout.fcanopy), ("albedo", layout.albedo)):
        if chosen[name] == "FROM_VEGPARAM" and not there:
            key = {"LAI": "VEGPARAM_LAI", "fcanopy": "VEGPARAM_FCAN", "albedo": "VEGPARAM_ALB"}[name]
            raise keys.error(keys.line(sources[name]), f"{sources[name]} FROM_VEGPARAM needs {key} TRUE")
    return layout, Path(line.values[1]) if bands > 1 else None


def _classic_forcing(keys: Keys) -> _ClassicForcing:
    keys.choice("FORCE_FORMAT", ("ASCII",), "ASCII")
    columns = []
    for line in keys.lines:
        if line.key == "FORCE_TYPE":
            kind = line.values[0].upper() if line.values else ""
            valid = {*FORCE_TYPES, *UNUSED_FORCE_TYPES}
            if kind not in valid:
                raise keys.error(line, f"unknown FORCE_TYPE {kind}{nearest(kind, valid)}")
            columns.append(kind)
    for kind in FORCE_TYPES:
        if columns.count(kind) != 1:
            raise SettingsError(f"{keys.path}: FORCE_TYPE {kind} is {'repeated' if kind in columns else 'missing'}")
    return _ClassicForcing(
        keys.text("FORCING1"),
        tuple(columns),
        keys.integer("FORCE_STEPS_PER_DAY"),
        keys.day("FORCEYEAR", "FORCEMONTH", "FORCEDAY"),
        keys.integer("GRID_DECIMAL"),
    )


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
    domain = read_run_cells(run.parameters, read_domain(run.domain, run.grid_names), run.grid_names)
    options: Any = {"snow_bands": run.snow_bands, "names": run.grid_names}
    read_parameters(run.parameters, domain, canopy_source=run.canopy_source, **options)  # for its proof
    surface = read_surface(run.parameters, domain, **options, canopy=run.canopy_source == "FROM_VEGPARAM")
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
        *_streams(lines, "ASCII"),
    ]
    write_text(folder / "global.txt", "\n".join(new) + "\n")
    return Converted(folder / "global.txt", len(surface.lat), run.n_day)


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
    """Output blocks in the other driver's format."""
    result = []
    for line in lines:
        if line.key in STREAM_KEYS and line.key != "OUT_FORMAT":
            result.append(" ".join((line.key, *line.values)))
            if line.key == "OUTFILE":
                result.append(f"OUT_FORMAT {format}")
    return result
