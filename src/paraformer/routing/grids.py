"""Maps on a grid of latitude and longitude: ESRI text grids, GeoTIFF, netCDF. Rows run from the north, NaN is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
from jaxtyping import Float

from paraformer.core.cf import decode
from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import RIVER_RADIUS

LAT_NAMES, LON_NAMES = ("lat", "latitude", "y"), ("lon", "longitude", "x")
DIRECTION_NAMES = ("flow_direction", "Flow_Direction", "flwdir", "fdr", "flowdir", "wflow_ldd", "ldd", "lddmap", "dir")
NEXT_NAMES = ("nextx", "nexty")
_SAME = 1e-6  # largest difference of coordinates of one grid [degree]


class Grid(NamedTuple):
    """A map.

    Attributes:
        values: [y, x], or [2, y, x] for the two parts of NEXTXY.
        lat, lon: of rows (from the north) and columns (from the west) [degree]; y and x of a projection [m].
        source: file, for messages.
        crs: the projection; empty for latitude and longitude.
    """

    values: Float[np.ndarray, "*part y x"]
    lat: Float[np.ndarray, " y"]
    lon: Float[np.ndarray, " x"]
    source: str
    crs: str = ""

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.lat), len(self.lon)

    def words(self, position: int) -> str:
        """What messages call the cell at a position of the flattened grid."""
        row, column = divmod(position, len(self.lon))
        y, x = ("y", "x") if self.crs else ("lat", "lon")
        return f"row {row + 1}, column {column + 1} ({y} {self.lat[row]:.7g}, {x} {self.lon[column]:.7g})"

    def places(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Latitude and longitude [degree] of the centres at positions of the flattened grid."""
        row, column = np.divmod(cells, len(self.lon))
        if not self.crs:
            return self.lat[row], self.lon[column]
        from pyproj import CRS, Transformer  # here, because it takes long to load

        projection = CRS.from_user_input(self.crs)
        to_geographic = Transformer.from_crs(projection, projection.geodetic_crs, always_xy=True)
        lon, lat = to_geographic.transform(self.lon[column], self.lat[row])
        return np.asarray(lat), np.asarray(lon)

    def areas(self) -> Float[np.ndarray, "y x"]:
        """Areas of the cells [m2]: on the sphere, or in the plane of the projection."""
        if not self.crs:
            return cell_areas(self.lat, self.lon)
        sides = [abs(values[1] - values[0]) for values in (self.lat, self.lon) if len(values) > 1]
        return np.full(self.shape, sides[0] * sides[-1])


def read_grid(path: Path | str, variable: str | None = None, crs: str = "") -> Grid:
    """A map from a file, whichever of the three forms it has.

    Args:
        path: ``.nc`` is netCDF, ``.tif`` GeoTIFF, anything else an ESRI text grid.
        variable: of a netCDF file; the usual names of flow directions by default.
        crs: projection of a file with x and y in metres that does not name it; a GeoTIFF does.

    Raises:
        DataError: unreadable, or not on a grid of latitude and longitude or of a known projection.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".nc", ".nc4", ".cdf"):
        return _read_netcdf(Path(path), variable, crs)
    if suffix in (".tif", ".tiff"):
        return _read_tiff(Path(path), crs)
    return read_text_grid(path)._replace(crs=crs)


def value_on(path_or_number: str, like: Grid, variable: str | None = None) -> Float[np.ndarray, "y x"]:
    """A number everywhere, or a map on the same grid as another one.

    Raises:
        DataError: as ``read_grid``; another grid.
    """
    try:
        return np.full((len(like.lat), len(like.lon)), float(path_or_number))
    except ValueError:
        path, _, name = path_or_number.partition("::")
        found = read_grid(path, name or variable, like.crs)
    require_same_grid(found, like)
    return found.values


def require_same_grid(found: Grid, like: Grid) -> None:
    """Raise unless two maps have the same rows and columns.

    Raises:
        DataError: naming both files.
    """
    if found.values.shape[-2:] != like.values.shape[-2:]:
        raise DataError(
            f"{found.source}: {found.values.shape[-2:]} rows and columns, expected those of {like.source}, "
            f"{like.values.shape[-2:]}"
        )
    for name in ("lat", "lon"):
        gap = np.abs(getattr(found, name) - getattr(like, name))
        if (gap > _SAME).any():
            raise DataError(f"{found.source}: {name} differs by {gap.max():.3g} degree from that of {like.source}")


def read_text_grid(path: Path | str) -> Grid:
    """An ESRI text grid: six header lines in fixed order (the first word of each is not read), rows from the north.

    Raises:
        DataError: naming the line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable text grid ({error})") from error
    lines = text.splitlines()
    header = []
    for number, line in enumerate(lines[:6], 1):
        words = line.split()
        try:
            header.append(float(words[1]))
        except (IndexError, ValueError) as error:
            raise DataError(
                f"{path}: line {number}: found '{line[:40]}', expected a header word and a number"
            ) from error
    if len(header) < 6:
        raise DataError(f"{path}: {len(lines)} lines, expected 6 header lines and rows")
    n_column, n_row, west, south, size, missing = header
    rows = [line.split() for line in lines[6:] if line.strip()]
    if len(rows) != n_row or any(len(row) != n_column for row in rows):
        bad = next((i for i, row in enumerate(rows) if len(row) != n_column), len(rows))
        found = f"{len(rows[bad])} values in line {bad + 7}" if bad < len(rows) else f"{len(rows)} rows"
        raise DataError(f"{path}: found {found}, expected {n_row:g} rows of {n_column:g} values")
    try:
        values = np.array(rows, dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path}: a value is no number ({error})") from error
    if "corner" not in lines[2].lower() and "center" in lines[2].lower():
        west, south = west - size / 2, south - size / 2
    lat = south + size * (n_row - np.arange(n_row) - 0.5)
    lon = west + size * (np.arange(n_column) + 0.5)
    return Grid(np.where(values == missing, np.nan, values), lat, lon, str(path))


def cell_areas(lat: Float[np.ndarray, " y"], lon: Float[np.ndarray, " x"]) -> Float[np.ndarray, "y x"]:
    """Areas of the cells of a regular grid on the sphere [m2]: R2 dlon |sin north - sin south|.

    Raises:
        DataError: a grid of one row or column, whose size is unknown.
    """
    if len(lat) < 2 and len(lon) < 2:
        raise DataError("a grid of one cell has no size; give the cell areas")
    height = abs(lat[1] - lat[0]) if len(lat) > 1 else abs(lon[1] - lon[0])
    width = abs(lon[1] - lon[0]) if len(lon) > 1 else height
    north, south = np.sin(np.deg2rad(lat + height / 2)), np.sin(np.deg2rad(lat - height / 2))
    return np.repeat((RIVER_RADIUS**2 * np.deg2rad(width) * np.abs(north - south))[:, None], len(lon), axis=1)


def numbers_of(variable: Any) -> np.ndarray:
    """A netCDF variable as float64, unpacked, NaN where missing."""
    variable.set_auto_maskandscale(False)
    stored = np.atleast_1d(variable[...])
    attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
    if stored.dtype == np.int8 and not attributes.get("_Unsigned"):
        stored = stored.view(np.uint8) if "flow_dir" in variable.name.lower() else stored
    return decode(stored, attributes).astype(np.float64)


def _read_netcdf(path: Path, variable: str | None, crs: str) -> Grid:
    require_whole(path)
    with netCDF4.Dataset(path) as dataset:
        names = (variable,) if variable else DIRECTION_NAMES
        found = [name for name in names if name in dataset.variables][:1]
        if variable is None and all(name in dataset.variables for name in NEXT_NAMES):
            found = list(NEXT_NAMES)
        if not found:
            raise DataError(f"{path}: no variable {' or '.join(names)}{nearest(names[0], dataset.variables)}")
        parts = [np.squeeze(numbers_of(dataset[name])) for name in found]
        dims = dataset[found[0]].dimensions
        lat, lon = (_coordinate(dataset, dims, names, crs) for names in (LAT_NAMES, LON_NAMES))
    values = parts[0] if len(parts) == 1 else np.stack(parts)
    if values.ndim not in (2, 3) or values.shape[-2:] != (len(lat), len(lon)):
        raise DataError(f"{path}: '{found[0]}' has dimensions {dims}, expected latitude and longitude")
    return _north_first(values, lat, lon, str(path), crs)


def _coordinate(dataset: Any, dims: tuple[str, ...], names: tuple[str, ...], crs: str) -> np.ndarray:
    for name in (*dims, *dataset.variables):
        if name in dataset.variables and name.lower() in names and dataset[name].ndim == 1:
            unit = str(getattr(dataset[name], "units", "m" if crs else "degrees")).lower()
            if unit.startswith("degree") == bool(crs):
                continue
            return numbers_of(dataset[name])
    raise DataError(
        f"{dataset.filepath()}: no coordinate {' or '.join(names)} of one dimension in "
        f"{'metres' if crs else 'degrees'}; of x and y in metres, name the projection (--crs)"
    )


def _north_first(values: np.ndarray, lat: np.ndarray, lon: np.ndarray, source: str, crs: str = "") -> Grid:
    """Rows turned to run from the north, columns from the west; directions are those of the compass, and stay."""
    for name, places in (("latitude", lat), ("longitude", lon)):
        steps = np.diff(places)
        if len(steps) and (np.abs(steps - steps[0]) > 1e-3 * abs(steps[0])).any():
            raise DataError(f"{source}: {name} is not evenly spaced")
    if len(lat) > 1 and lat[1] > lat[0]:
        values, lat = values[..., ::-1, :], lat[::-1]
    if len(lon) > 1 and lon[1] < lon[0]:
        values, lon = values[..., ::-1], lon[::-1]
    return Grid(np.ascontiguousarray(values), lat.copy(), lon.copy(), source, crs)


def _read_tiff(path: Path, given: str) -> Grid:
    try:
        import rasterio
    except ImportError as error:
        raise SettingsError(f"{path}: GeoTIFF needs rasterio: pip install 'paraformer[rasters]'") from error
    try:
        with rasterio.open(path) as file:
            band = file.read(1)
            values, transform, missing, crs = band.astype(np.float64), file.transform, file.nodata, file.crs
    except rasterio.errors.RasterioError as error:
        raise DataError(f"{path}: not a readable GeoTIFF ({error})") from error
    projection = given if crs is None else "" if crs.is_geographic else crs.to_wkt()
    if band.dtype == np.int8:
        values = band.view(np.uint8).astype(np.float64)
    if missing is not None:
        values[band == missing] = np.nan
    lon = transform.c + transform.a * (np.arange(values.shape[1]) + 0.5)
    lat = transform.f + transform.e * (np.arange(values.shape[0]) + 0.5)
    return _north_first(values, lat, lon, str(path), projection)
