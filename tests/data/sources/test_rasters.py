"""Rasters of any projection on cells: analytic means, shares and slopes, whatever the strips; files that cannot be
used."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from data.sources.land_rasters import centres, write_land_tile, write_raster
from paraformer.core.errors import DataError
from paraformer.core.grid import Raster, ease2_global
from paraformer.data.sources import strips
from paraformer.data.sources.land_config import RasterConfig
from paraformer.data.sources.modis import tile_window
from paraformer.data.sources.rasters import METRES_PER_DEGREE, cell_means, class_shares, terrain

CELLS = Raster("two by three", "EPSG:4326", x0=-106.0, y0=40.0, dx=0.5, dy=-0.5, rows=2, columns=3)
WEST, NORTH, SIZE, SHAPE = -106.3, 40.2, 0.01, (150, 220)


def cell_of(row: int, column: int) -> int:
    return row * CELLS.columns + column


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """A raster that rises by 1 a degree east and 10 a degree north."""
    x, y = centres(WEST, NORTH, SIZE, SHAPE)
    path = tmp_path_factory.mktemp("rasters") / "plane.tif"
    return RasterConfig(path=write_raster(path, (x + 106 + 10 * (y - 39)).astype(np.float32), WEST, NORTH, SIZE))


def test_the_mean_of_a_plane_is_its_value_in_the_middle(plane):
    found = cell_means([plane], CELLS)
    lat, lon = CELLS.centres(*np.divmod(np.arange(6), 3))
    # cos(latitude) weights pull the mean south by (h^2 / 12) tan(latitude), h the height of the cell
    pull = np.deg2rad(0.5) ** 2 / 12 * np.tan(np.deg2rad(lat)) / np.deg2rad(1)
    np.testing.assert_allclose(found.values[0], lon + 106 + 10 * (lat - pull - 39), atol=2e-4)
    np.testing.assert_allclose(found.share, 1.0)


def test_strips_do_not_matter(plane, monkeypatch):
    whole = cell_means([plane], CELLS), terrain(plane, CELLS)
    monkeypatch.setattr(strips, "STRIP_PIXELS", 7 * SHAPE[1])
    parts = cell_means([plane], CELLS), terrain(plane, CELLS)
    np.testing.assert_allclose(parts[0].values, whole[0].values, rtol=1e-12)
    for a, b in zip(vars(parts[1]).values(), vars(whole[1]).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_missing_pixels_lower_the_share_not_the_mean(tmp_path):
    values = np.full(SHAPE, 7, np.int16)
    x, _ = centres(WEST, NORTH, SIZE, SHAPE)
    values[(x > -105.5) & (x < -105.25)] = -32768
    path = write_raster(tmp_path / "gaps.tif", values, WEST, NORTH, SIZE, nodata=-32768)
    found = cell_means([RasterConfig(path=path, scale=0.1, offset=1)], CELLS)
    np.testing.assert_allclose(found.values[0], 1.7)
    np.testing.assert_allclose(found.share[0], [1, 0.5, 1, 1, 0.5, 1], atol=1e-12)
    stated = cell_means([RasterConfig(path=path, nodata=7)], CELLS)
    assert np.isnan(stated.values).all()


@pytest.mark.parametrize("crs", ["EPSG:5070", "ESRI:54052", "EPSG:32613"])
def test_a_projected_raster_gives_what_a_geographic_one_gives(tmp_path, crs):
    """Albers, Goode's homolosine and UTM, which is not equal-area: the same field, the same means."""
    from pyproj import Transformer

    there = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    x, y = there.transform([-106.1, -104.4, -106.1, -104.4], [40.1, 40.1, 38.9, 38.9])
    west, north = min(x) - 2000, max(y) + 2000
    shape = (int((north - min(y)) / 500) + 8, int((max(x) - west) / 500) + 8)
    lon, lat = there.transform(*centres(west, north, 500.0, shape), direction="INVERSE")
    path = write_raster(tmp_path / "field.tif", lon + 106 + 10 * (lat - 39), west, north, 500.0, crs)
    found = cell_means([RasterConfig(path=path)], CELLS)
    at_lat, at_lon = CELLS.centres(*np.divmod(np.arange(6), 3))
    half_a_pixel = 250 / METRES_PER_DEGREE * np.hypot(10, 1 / np.cos(np.deg2rad(39.5)))  # a rim crosses pixels
    np.testing.assert_allclose(found.values[0], at_lon + 106 + 10 * (at_lat - 39), atol=half_a_pixel)
    np.testing.assert_allclose(found.share, 1.0)


def test_areas_are_those_on_the_ground(tmp_path):
    """Mercator shows the north too large: the mean latitude of a cell of 10 degrees would be 0.2 degree off."""
    cell = Raster("one", "EPSG:4326", x0=-110.0, y0=60.0, dx=10.0, dy=-10.0, rows=1, columns=1)
    shape, size = (420, 240), 5000.0
    from pyproj import Transformer

    back = Transformer.from_crs("EPSG:3857", "EPSG:4326", always_xy=True)
    west, north = -12.3e6, 8.45e6
    _, lat = back.transform(*centres(west, north, size, shape))
    path = write_raster(tmp_path / "mercator.tif", lat, west, north, size, "EPSG:3857")
    low, high = np.deg2rad([50.0, 60.0])
    mean = (high * np.sin(high) + np.cos(high) - low * np.sin(low) - np.cos(low)) / (np.sin(high) - np.sin(low))
    half_a_pixel = size / 2 * np.cos(high) / METRES_PER_DEGREE
    assert cell_means([RasterConfig(path=path)], cell).values.item() == pytest.approx(
        np.rad2deg(mean), abs=half_a_pixel
    )


def test_coarse_pixels_are_cut(tmp_path):
    """Pixels of 0.4 degree on cells of 0.5: the cell's value is the area-weighted mean of the pixels on it."""
    values = np.arange(25, dtype=np.float32).reshape(5, 5)
    path = write_raster(tmp_path / "coarse.tif", values, -106.0, 40.0, 0.4)
    found = cell_means([RasterConfig(path=path)], CELLS).values[0]
    across = np.array([[0.4, 0.1, 0, 0, 0], [0, 0.3, 0.2, 0, 0], [0, 0, 0.2, 0.3, 0]]) / 0.5
    expected = across[:2] @ values @ across.T
    np.testing.assert_allclose(found.reshape(2, 3), expected, rtol=0.02)


def test_shares_of_classes(tmp_path):
    x, y = centres(WEST, NORTH, SIZE, SHAPE)
    classes = np.where(x < -105.4, 10, 17).astype(np.uint8)
    classes[y < 39.25] = 255
    path = write_raster(tmp_path / "classes.tif", classes, WEST, NORTH, SIZE, nodata=255)
    shares, valid = class_shares(RasterConfig(path=path), CELLS, 17, {17: 0})
    np.testing.assert_allclose(shares[[0, 10], cell_of(0, 1)], [0.8, 0.2], atol=1e-3)
    np.testing.assert_allclose(shares[10, cell_of(0, 0)], 1.0)
    np.testing.assert_allclose(shares.sum(axis=0), 1.0)
    np.testing.assert_allclose(valid, [1, 1, 1, 0.5, 0.5, 0.5], atol=2e-3)
    with pytest.raises(DataError, match="class 17 is none of 0 to 16"):
        class_shares(RasterConfig(path=path), CELLS, 17, {})


def test_slope_of_a_plane_is_on_the_ground(tmp_path):
    x, y = centres(WEST, NORTH, SIZE, SHAPE)
    east, north = 30.0, 40.0  # rise a degree [m]
    path = write_raster(tmp_path / "dem.tif", east * (x + 105) + north * (y - 39), WEST, NORTH, SIZE)
    found = terrain(RasterConfig(path=path), CELLS)
    lat, _ = CELLS.centres(*np.divmod(np.arange(6), 3))
    expected = np.hypot(east / np.cos(np.deg2rad(lat)), north) / METRES_PER_DEGREE
    np.testing.assert_allclose(found.slope, expected, rtol=1e-4)
    np.testing.assert_allclose(found.elevation_sd, np.hypot(east, north) * 0.5 / np.sqrt(12), rtol=1e-3)
    np.testing.assert_array_equal(found.share, 1.0)


def test_modis_tiles_stand_for_a_raster(tmp_path):
    """Land cover of the latest year; leaf area by month over the years; fill values are no values."""
    h, v = 9, 5
    window = tile_window(h, v)
    lat, lon = window.geographic_of(
        np.array([0.5 * (window.x_edges[0] + window.x_edges[-1])]),
        np.array([0.5 * (window.y_edges[0] + window.y_edges[-1])]),
    )
    grid = ease2_global(36)
    target = grid.window(*grid.box(lat[0] - 0.3, lat[0] + 0.3, lon[0] - 0.3, lon[0] + 0.3))
    write_land_tile(tmp_path / "cover", "MCD12Q1", "2015001", h, v, 5)
    write_land_tile(tmp_path / "cover", "MCD12Q1", "2016001", h, v, 12)
    shares, valid = class_shares(RasterConfig(path=tmp_path / "cover"), target, 17, {17: 0})
    np.testing.assert_allclose(shares[12], 1.0)
    np.testing.assert_allclose(valid, 1.0)
    for day, counts in (("2015001", 10), ("2016009", 20), ("2015025", 250), ("2015041", 30)):
        write_land_tile(tmp_path / "lai", "MCD15A2H", day, h, v, counts)
    leaves = RasterConfig(path=tmp_path / "lai")
    found = cell_means([leaves.at(month=1), leaves.at(month=2)], target)
    np.testing.assert_allclose(
        found.values, [[1.5] * target.rows * target.columns, [3.0] * target.rows * target.columns]
    )
    with pytest.raises(DataError, match="no composite begins in month 3"):
        cell_means([leaves.at(month=3)], target)
    write_land_tile(tmp_path / "lai", "MCD15A2H", "2015049", h, v, 30, scale=0.01)
    with pytest.raises(DataError, match=r"MCD15A2H.*scale_factor 0.01, expected 0.1"):
        cell_means([leaves.at(month=2)], target)
    write_land_tile(tmp_path / "lai", "MCD12Q1", "2015001", h, v, 5)
    with pytest.raises(DataError, match="a folder holds one product"):
        cell_means([leaves.at(month=2)], target)


def test_files_that_cannot_be_used(tmp_path, plane):
    with pytest.raises(DataError, match=r"gone\.tif: file does not exist"):
        cell_means([RasterConfig(path=tmp_path / "gone.tif")], CELLS)
    (tmp_path / "page.tif").write_text("<html>")
    with pytest.raises(DataError, match=r"page\.tif: cannot be read"):
        cell_means([RasterConfig(path=tmp_path / "page.tif")], CELLS)
    lat, lon = 40.0 - 0.01 * np.arange(100), -106.0 + 0.01 * np.arange(150)
    path = tmp_path / "cut.nc"
    xr.Dataset({"sand": (("lat", "lon"), np.full((100, 150), 40.0, "f4"))}, {"lat": lat, "lon": lon}).to_netcdf(
        path, format="NETCDF3_CLASSIC"
    )
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError, match=r"cut\.nc: incomplete: found \d+ bytes, expected \d+"):
        cell_means([RasterConfig(path=path)], CELLS)
    with pytest.raises(DataError, match="band 2 is missing; the file has 1"):
        cell_means([plane.model_copy(update={"band": 2})], CELLS)
    far = Raster("far away", "EPSG:4326", x0=10.0, y0=50.0, dx=0.5, dy=-0.5, rows=2, columns=2)
    with pytest.raises(DataError, match="no pixel lies in the region of far away"):
        cell_means([plane], far)
