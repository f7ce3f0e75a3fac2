"""Text files of the Lohmann program: control, station, box, flux and unit hydrograph files."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.routing.grids import Grid, read_text_grid
from paraformer.routing.lohmann import BOX_DAYS


class Control(NamedTuple):
    """A control file. Numbers and paths of maps are text, as ``RiverOptions`` takes them.

    Attributes:
        directions: file of flow directions.
        velocity, diffusivity, length, fraction: a number or a file.
        stations: station file.
        flux_prefix: path and beginning of the names of the flux files.
        decimals: of latitude and longitude in those names.
        output: folder of the outputs.
        first, last: first and last month of the run (datetime64[M]).
        box: file of the unit hydrograph inside the cells.
    """

    directions: Path
    velocity: str
    diffusivity: str
    length: str
    fraction: str
    stations: Path
    flux_prefix: Path
    decimals: int
    output: Path
    first: np.datetime64
    last: np.datetime64
    box: Path


class Station(NamedTuple):
    """A station: column from the west and row from the south, both from 1; ``given`` is a ``.uh_s`` file."""

    name: str
    column: int
    row: int
    routed: bool
    given: str | None


class Flux(NamedTuple):
    """A flux file: days (datetime64[D]), runoff and baseflow [mm day-1]."""

    days: np.ndarray
    runoff: Float[np.ndarray, " day"]
    baseflow: Float[np.ndarray, " day"]


def is_control(path: Path) -> bool:
    """Whether a text file is a control file: it begins with a comment, and no header of a grid."""
    with path.open("rb") as file:
        return file.read(1) == b"#"


def read_control(path: Path) -> Control:
    """Read a control file: items in fixed order, a comment line before each; paths are those of the file's folder.

    Raises:
        DataError: naming the line.
    """
    lines = [(i, line.strip()) for i, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    items = [(i, line.split("!")[0].split()) for i, line in lines if not line.startswith("#")]

    def fail(number: int, expected: str) -> DataError:
        return DataError(f"{path}: line {number}: expected {expected}")

    place = iter(items)

    def item(expected: str, least: int = 1) -> tuple[int, list[str]]:
        number, words = next(place, (len(lines), []))
        if len(words) < least:
            raise fail(number, expected)
        return number, words

    def file_of(word: str) -> Path:
        given = Path(word)
        return given if given.is_absolute() else path.parent / given

    def choice(what: str) -> str:
        number, words = item(f".true. or .false. for {what}")
        flag = words[0].lower().strip(".")
        if flag not in ("true", "false"):
            raise fail(number, f".true. or .false. for {what}, found '{words[0]}'")
        value = words[1] if len(words) > 1 else item(f"a file or number for {what}")[1][0]
        return str(file_of(value)) if flag == "true" else value

    directions = file_of(item("the file of flow directions")[1][0])
    maps = [choice(what) for what in ("velocity", "diffusion", "xmask", "fraction")]
    stations = file_of(item("the station file")[1][0])
    prefix = file_of(item("path and prefix of the flux files")[1][0])
    number, words = item("the decimals in the names of the flux files")
    if not words[0].isdecimal():
        raise fail(number, f"the decimals in the names of the flux files, found '{words[0]}'")
    decimals = int(words[0])
    output = file_of(item("the output path")[1][0])
    spans = []
    for what in ("run", "output"):
        number, words = item(f"first and last year and month of the {what}", 4)
        try:
            numbers = [int(word) for word in words[:4]]
            spans.append([np.datetime64(f"{numbers[i]:04d}-{numbers[i + 1]:02d}", "M") for i in (0, 2)])
        except ValueError as error:
            raise fail(number, f"first and last year and month of the {what}, found '{' '.join(words)}'") from error
    box = file_of(item("the box file")[1][0])
    return Control(
        directions,
        maps[0],
        maps[1],
        maps[2],
        maps[3],
        stations,
        prefix,
        decimals,
        output,
        spans[0][0],
        spans[0][1],
        box,
    )


def read_stations(path: Path) -> list[Station]:
    """Read a station file: ``flag name column row area``, then ``NONE`` or a ``.uh_s`` file.

    Raises:
        DataError: naming the line.
    """
    lines = [(i, line.split()) for i, line in enumerate(_text(path).splitlines(), 1) if line.strip()]
    found = []
    for (number, words), (_, given) in zip(lines[::2], lines[1::2], strict=False):
        try:
            flag, name, column, row = words[0], words[1], int(words[2]), int(words[3])
        except (IndexError, ValueError) as error:
            raise DataError(
                f"{path}: line {number}: found '{' '.join(words)}', expected flag, name, column and row"
            ) from error
        found.append(Station(name, column, row, flag == "1", None if given[0].upper() == "NONE" else given[0]))
    return found


def read_box(path: Path) -> Float[np.ndarray, " day"]:
    """The unit hydrograph inside the cells by day: up to 12 lines of an index, which is not read, and a share.

    Raises:
        DataError: naming the line.
    """
    shares = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            shares.append(float(line.split()[1]))
        except (IndexError, ValueError) as error:
            raise DataError(f"{path}: line {number}: found '{line}', expected an index and a share") from error
    box = np.array(shares)
    if not 0 < len(box) <= BOX_DAYS or (box < 0).any() or not box.sum() > 0:
        raise DataError(
            f"{path}: found {len(box)} shares that sum to {box.sum():g}, expected 1 to 12, one a day, above 0"
        )
    return box


def read_flux(path: Path) -> Flux:
    """A flux file: year month day, two columns that are not read, runoff, baseflow; header lines are passed over.

    Raises:
        DataError: naming the line.
    """
    rows = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = line.split()
        if not words or not words[0].lstrip("+-").isdigit():
            continue
        try:
            rows.append([float(word) for word in words[:7]])
        except ValueError as error:
            raise DataError(f"{path}: line {number}: found '{line[:60]}', expected numbers") from error
        if len(rows[-1]) < 7:
            raise DataError(f"{path}: line {number}: {len(rows[-1])} columns, expected 7 or more")
    if not rows:
        raise DataError(f"{path}: no line of numbers")
    table = np.array(rows)
    days = np.array([f"{int(y):04d}-{int(m):02d}-{int(d):02d}" for y, m, d in table[:, :3]], dtype="datetime64[D]")
    gaps = np.flatnonzero(np.diff(days).astype(int) != 1)
    if len(gaps):
        raise DataError(f"{path}: {days[gaps[0]]} is followed by {days[gaps[0] + 1]}, expected the next day")
    return Flux(days, table[:, 5], table[:, 6])


def find_flux(prefix: Path, lat: float, lon: float, tolerance: float = 1e-4) -> Path:
    """The flux file of a cell, by the numbers in its name: the program cuts digits where VIC rounds.

    Raises:
        DataError: none within the tolerance [degree].
    """
    best: tuple[float, Path] | None = None
    for path in prefix.parent.glob(f"{prefix.name}*"):
        parts = path.name[len(prefix.name) :].split("_")
        try:
            gap = max(abs(float(parts[0]) - lat), abs(float(parts[1]) - lon))
        except (ValueError, IndexError):
            continue
        if best is None or gap < best[0]:
            best = gap, path
    if best is None or best[0] > tolerance:
        near = "" if best is None else f"; the nearest, {best[1].name}, is {best[0]:.2g} degree away"
        raise DataError(f"{prefix}: no flux file of the cell at lat {lat:.6g}, lon {lon:.7g}{near}")
    return best[1]


def directions_of(control: Control) -> Grid:
    """The flow directions of a control file, codes other than 1 to 8 being no direction and the river's end.

    As the program does, cells whose number is none of 1 to 8 end a path; below 0 is no cell here.
    """
    grid = read_text_grid(control.directions)
    return grid._replace(values=np.where(grid.values > 8, 0.0, grid.values))


def _text(path: Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable text file ({error})") from error
