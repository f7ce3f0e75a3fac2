"""Text files of VIC's classic driver: soil, vegetation library, vegetation, snow bands and forcing.

Numbers are written with as many digits as they need to be read back as they were.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.files import write_text
from paraformer.process.vic.driver.surface import BANDS, LIBRARY, MONTHLY, SOIL, Surface

_SOIL_COLUMNS = 4 + sum(SOIL.values())
_LIBRARY_ORDER = (
    "overstory",
    "rarc",
    "rmin",
    "LAI",
    "fcanopy",
    "albedo",
    "veg_rough",
    "displacement",
    "wind_h",
    "RGL",
    "rad_atten",
    "wind_atten",
    "trunk_ratio",
)
_WHOLE_COVER = 0.99  # from here on the classic driver stretches the vegetation over the whole cell [1]


class Layout(NamedTuple):
    """What a set of files holds: options of the classic driver's global parameter file."""

    root_zones: int = 3
    bands: int = 1
    fcanopy_in_library: bool = False  # VEGLIB_FCAN
    lai: bool = False  # VEGPARAM_LAI
    fcanopy: bool = False  # VEGPARAM_FCAN
    albedo: bool = False  # VEGPARAM_ALB
    from_library: tuple[str, ...] = ()  # monthly variables whose source is the library


def _rows(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that is not a comment."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise DataError(f"{path}: cannot read ({reason})") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield number, words


def _numbers(path: Path | str, line: int, words: Sequence[str], expected: int, what: str) -> np.ndarray:
    if len(words) < expected:
        raise DataError(f"{path}, line {line}: {len(words)} values, {what} needs {expected}")
    try:
        return np.array([float(word) for word in words[:expected]])
    except ValueError as error:
        raise DataError(f"{path}, line {line}: not a number ({error})") from error


def _text(values: np.ndarray | Sequence[float]) -> str:
    return " ".join(
        np.format_float_positional(v, trim="-") if abs(v) < 1e16 else repr(float(v))
        for v in np.ravel(np.asarray(values, dtype=np.float64))
    )


def read_surface(soil: Path, library: Path, vegetation: Path, bands: Path | None, layout: Layout) -> Surface:
    """Read the land surface of the cells to run.

    Raises:
        DataError: naming file and line: a missing file, too few values, an unknown class or cell.
    """
    identity, soil_values = _read_soil(soil)
    classes, names, shared = _read_library(library, layout)
    cells = {int(cell): i for i, cell in enumerate(identity[:, 0])}
    cover, plants = _read_vegetation(vegetation, cells, classes, shared, layout)
    elevation = soil_values["elev"][:, None]
    one = np.ones_like(elevation)
    found = dict(zip(BANDS, (one, elevation, one), strict=True))
    if bands is not None:
        found = _read_bands(bands, cells, layout.bands)
    return Surface(
        gridcell=identity[:, 0].astype(np.int64),
        lat=identity[:, 1],
        lon=identity[:, 2],
        soil=soil_values,
        bands=found,
        classes=np.array(list(classes), dtype=np.int64),
        names=tuple(names),
        plant_classes={name: shared[name] for name in LIBRARY},
        cover=cover,
        plants=plants,
    )


def _read_soil(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Cell number, latitude and longitude [cell, 3], and the soil of the cells whose run_cell is 1."""
    rows = [_numbers(path, line, words, _SOIL_COLUMNS, "a cell with three layers") for line, words in _rows(path)]
    kept = np.array([row for row in rows if row[0] == 1])
    if not len(kept):
        raise DataError(f"{path}: no cell has run_cell 1")
    values, column = {}, 4
    for name, size in SOIL.items():
        values[name] = kept[:, column] if size == 1 else kept[:, column : column + size]
        column += size
    return kept[:, 1:4], values


def _read_library(path: Path, layout: Layout) -> tuple[dict[int, int], list[str], dict[str, np.ndarray]]:
    """Position of each class number, names, and values [class, ...]."""
    order = [name for name in _LIBRARY_ORDER if name != "fcanopy" or layout.fcanopy_in_library]
    sizes = [LIBRARY.get(name, 12) for name in order]
    classes: dict[int, int] = {}
    names, rows = [], []
    for line, words in _rows(path):
        rows.append(_numbers(path, line, words, 1 + sum(sizes), "a class"))
        if int(rows[-1][0]) in classes:
            raise DataError(f"{path}, line {line}: class {int(rows[-1][0])} is there twice")
        classes[int(rows[-1][0])] = len(classes)
        names.append(" ".join(words[1 + sum(sizes) :]) or f"class {words[0]}")
    if not rows:
        raise DataError(f"{path}: no vegetation class")
    table = np.array(rows)
    starts = np.cumsum([1, *sizes])
    values = {
        name: table[:, start] if size == 1 else table[:, start : start + size]
        for name, start, size in zip(order, starts, sizes, strict=False)
    }
    return classes, names, values


def _read_vegetation(
    path: Path, cells: dict[int, int], classes: dict[int, int], library: dict[str, np.ndarray], layout: Layout
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Cv [cell, class] and values of the tiles [cell, class, month or zone]."""
    zones, n = layout.root_zones, (len(cells), len(classes))
    cover = np.zeros(n)
    plants = {"root_depth": np.zeros((*n, zones)), "root_fract": np.zeros((*n, zones))}
    given = [name for name, there in zip(MONTHLY, (layout.lai, layout.fcanopy, layout.albedo), strict=True) if there]
    monthly = [name for name in MONTHLY if name in given or name in library]
    plants |= {name: np.zeros((*n, 12)) for name in monthly}
    rows = _rows(path)
    for line, words in rows:
        head = _numbers(path, line, words, 2, "the head of a cell").astype(int)
        cell = cells.get(int(head[0]))
        for _ in range(head[1]):
            at, words = next(rows, (line, []))
            tile = _numbers(path, at, words, 2 + 2 * zones, f"a tile of cell {head[0]}")
            extra = {name: _numbers(path, *next(rows, (at, [])), 12, f"{name} of cell {head[0]}") for name in given}
            if cell is None:
                continue
            if int(tile[0]) not in classes:
                raise DataError(f"{path}, line {at}: class {int(tile[0])} is not in the vegetation library")
            where = cell, classes[int(tile[0])]
            if cover[where] > 0:
                raise DataError(
                    f"{path}, line {at}: cell {head[0]} has class {int(tile[0])} twice; the image driver "
                    "keeps one tile a class"
                )
            cover[where] = tile[1]
            plants["root_depth"][where], plants["root_fract"][where] = tile[2::2], tile[3::2]
            for name in monthly:
                own = name in extra and name not in layout.from_library
                plants[name][where] = extra[name] if own else library[name][where[1]]
    total = cover.sum(axis=1, keepdims=True)
    stretch = (total > 1.0) | ((total > _WHOLE_COVER) & (total < 1.0))
    return np.where(stretch, cover / np.where(total > 0, total, 1.0), cover), plants


def _read_bands(path: Path, cells: dict[int, int], n_band: int) -> dict[str, np.ndarray]:
    values = np.full((len(cells), 3 * n_band), np.nan)
    for line, words in _rows(path):
        row = _numbers(path, line, words, 1 + 3 * n_band, f"{n_band} bands")
        if int(row[0]) in cells:
            values[cells[int(row[0])]] = row[1:]
    for number, position in cells.items():
        if np.isnan(values[position]).any():
            raise DataError(f"{path}: cell {number} is missing")
    return dict(zip(BANDS, np.split(values, 3, axis=1), strict=True))


def write_surface(folder: Path, surface: Surface) -> Layout:
    """Write ``soil.txt``, ``veglib.txt``, ``vegparam.txt`` and ``snowbands.txt``; returns what they hold."""
    write_text(
        folder / "soil.txt",
        "".join(
            f"1 {surface.gridcell[i]} {_text([surface.lat[i], surface.lon[i]])} "
            + " ".join(_text(surface.soil[name][i]) for name in SOIL)
            + "\n"
            for i in range(len(surface.gridcell))
        ),
    )
    lines = ["#" + " ".join(("class", *(n for n in _LIBRARY_ORDER if n != "fcanopy"), "comment")) + "\n"]
    for k, number in enumerate(surface.classes.tolist()):
        example = int(surface.cover[:, k].argmax())  # every tile has its own months in the vegetation file
        row = {
            **{name: surface.plant_classes[name][k] for name in LIBRARY},
            **{name: surface.plants[name][example, k] for name in ("LAI", "albedo")},
        }
        words = " ".join(_text(row[name]) for name in _LIBRARY_ORDER if name in row)
        lines.append(f"{number} {words} {surface.names[k]}\n")
    write_text(folder / "veglib.txt", "".join(lines))
    given = [name for name in MONTHLY if name in surface.plants]
    lines = []
    for i, cell in enumerate(surface.gridcell.tolist()):
        tiles = np.flatnonzero(surface.cover[i] > 0)
        lines.append(f"{cell} {len(tiles)}\n")
        for k in tiles.tolist():
            roots = np.stack([surface.plants["root_depth"][i, k], surface.plants["root_fract"][i, k]], axis=1)
            lines.append(f"  {surface.classes[k]} {_text(surface.cover[i, k])} {_text(roots)}\n")
            lines.extend(f"    {_text(surface.plants[name][i, k])}\n" for name in given)
    write_text(folder / "vegparam.txt", "".join(lines))
    write_text(
        folder / "snowbands.txt",
        "".join(
            f"{number} " + " ".join(_text(surface.bands[name][i]) for name in BANDS) + "\n"
            for i, number in enumerate(surface.gridcell)
        ),
    )
    return Layout(
        surface.plants["root_depth"].shape[2],
        surface.bands["AreaFract"].shape[1],
        lai=True,
        fcanopy="fcanopy" in surface.plants,
        albedo=True,
    )


def forcing_name(prefix: str, lat: float, lon: float, decimals: int) -> Path:
    """Name of a cell's forcing file: ``<prefix><lat>_<lon>``."""
    return Path(f"{prefix}{lat:.{decimals}f}_{lon:.{decimals}f}")


def read_forcing(path: Path, n_column: int) -> np.ndarray:
    """One cell's forcing [time, column].

    Raises:
        DataError: no such file, or a line with too few columns or no number.
    """
    try:
        values = np.loadtxt(path, comments="#", ndmin=2, usecols=range(n_column))
    except OSError as error:
        raise DataError(f"{path}: no such forcing file") from error
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: not {n_column} columns of numbers ({error})") from error
    return values


def write_forcing(path: Path, values: np.ndarray) -> None:
    """Write one cell's forcing [time, column]."""
    write_text(path, "".join(_text(row) + "\n" for row in values))
