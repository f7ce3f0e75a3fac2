"""Regridding: areas against the sphere and the ellipsoid, conservation to 1e-12, masks, the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster, ease2_global
from paraformer.data.regrid import Weights, remap, weights
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import RegridConfig
from paraformer.data.sources.nldas import GRID as NLDAS

RADIUS = 6371007.181
PIXEL = 2 * np.pi * RADIUS / 36 / 2400
SINUSOIDAL = Raster(
    "sinusoidal",
    f"+proj=sinu +R={RADIUS} +lon_0=0 +units=m +no_defs",
    -np.pi * RADIUS,
    np.pi / 2 * RADIUS,
    PIXEL * 40,
    -PIXEL * 40,
    18 * 60,
    36 * 60,
)
"""The MODIS grid in pixels of 40 x 40."""


def eighth(south: float, west: float, rows: int, columns: int, size: float = 0.125) -> Raster:
    return Raster("lat-lon", "EPSG:4326", west, south, size, size, rows, columns)


def around(raster: Raster, south: float, north: float, west: float, east: float) -> Raster:
    """Window of a cylindrical raster that covers a box."""
    rows, columns = raster.box(south, north, west, east)
    return raster.window(slice(rows.start - 2, rows.stop + 2), slice(columns.start - 2, columns.stop + 2))


def sinusoidal_window(south: float, north: float, west: float, east: float) -> Raster:
    lat, lon = np.meshgrid(np.linspace(south, north, 50), np.linspace(west, east, 50))
    row, column = SINUSOIDAL.index(lat.ravel(), lon.ravel())
    return SINUSOIDAL.window(slice(row.min() - 2, row.max() + 3), slice(column.min() - 2, column.max() + 3))


def pairs() -> dict[str, tuple[Raster, Raster]]:
    """Source inside the target, so that nothing is lost."""
    box = (35.0, 38.0, -100.0, -96.0)
    inner = (35.5, 37.5, -99.5, -96.5)
    nine, thirty_six = ease2_global(9), ease2_global(36)
    return {
        "9 km to 1/8 degree": (around(nine, *inner), eighth(34.0, -101.0, 40, 48)),
        "1/8 degree to 9 km": (eighth(35.5, -99.5, 16, 24), around(nine, *box)),
        "1/8 degree to 36 km": (eighth(35.5, -99.5, 16, 24), around(thirty_six, 34.5, 38.5, -101.0, -95.0)),
        "9 km to 36 km": (around(nine, *inner), around(thirty_six, 34.5, 38.5, -101.0, -95.0)),
        "sinusoidal to 1/8 degree": (sinusoidal_window(36.0, 37.0, -99.0, -97.0), eighth(34.0, -103.0, 40, 80)),
        "sinusoidal to 36 km": (
            sinusoidal_window(-37.0, -36.0, 120.0, 121.0),
            around(thirty_six, -39.0, -34.0, 116.0, 125.0),
        ),
        "sinusoidal over the equator": (sinusoidal_window(-1.0, 1.0, -1.0, 1.0), eighth(-3.0, -3.0, 48, 48)),
        "1/8 degree to sinusoidal": (eighth(36.0, -99.0, 8, 16), sinusoidal_window(35.5, 37.5, -100.0, -96.0)),
    }


@pytest.mark.parametrize("name", list(pairs()))
def test_nothing_is_lost_or_made(name):
    """Conservation: the sum of area x value is the same on both rasters, to 1e-12."""
    source, target = pairs()[name]
    table = weights(source, target)
    reverse = weights(target, source)
    values = np.random.default_rng(5).random(source.rows * source.columns)
    found = table.apply(values, np.ones(len(values), bool))
    covered = found.share > 0
    on_target = (table.target_area * found.share * np.where(covered, found.values, 0.0)).sum()
    on_source = (reverse.target_area * values).sum()
    assert on_target == pytest.approx(on_source, rel=1e-12)
    np.testing.assert_allclose(np.asarray(table.overlap.sum(axis=0)).ravel(), reverse.target_area, rtol=1e-11)


@pytest.mark.parametrize("name", list(pairs()))
def test_cells_inside_the_source_are_covered_once(name):
    """Every cell that lies within the other raster has a share of 1: the areas come from independent formulas."""
    source, target = pairs()[name]
    share = (
        weights(target, source)
        .apply(np.ones(target.rows * target.columns), np.ones(target.rows * target.columns, bool))
        .share
    )
    np.testing.assert_allclose(share, 1.0, rtol=0, atol=1e-9)


def test_means_of_500_m_pixels():
    """The mean of longitude over a cell is that of its middle, whatever its pixels, up to their size."""
    fine = Raster("modis", SINUSOIDAL.crs, SINUSOIDAL.x0, SINUSOIDAL.y0, PIXEL, -PIXEL, 18 * 2400, 36 * 2400)
    lat, lon = np.meshgrid([39.5, 39.75], [-105.5, -105.0])
    row, column = fine.index(lat.ravel(), lon.ravel())
    source = fine.window(slice(row.min(), row.max() + 1), slice(column.min(), column.max() + 1))
    target = eighth(39.5, -105.5, 2, 4)
    row, column = np.divmod(np.arange(source.rows * source.columns), source.columns)
    _, lon = source.centres(row, column)
    found = weights(source, target).apply(lon, np.ones(len(lon), bool))
    _, expected = target.centres(np.zeros(4, np.int64), np.arange(4))
    np.testing.assert_allclose(found.share, 1.0, atol=1e-9)
    np.testing.assert_allclose(found.values.reshape(2, 4), np.broadcast_to(expected, (2, 4)), rtol=0, atol=1e-4)


@given(st.floats(-170, 160), st.floats(-75, 70), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_sinusoidal_areas_anywhere(west, south, rows, columns):
    """Pixels tile the sphere: the areas they share with a cell add up to the cell's area by the formula."""
    target = eighth(south, west, rows, columns, size=0.7)
    source = SINUSOIDAL.window(*_cover(target))
    table = weights(source, target)
    np.testing.assert_allclose(np.asarray(table.overlap.sum(axis=1)).ravel(), table.target_area, rtol=1e-9)
    assert table.overlap.data.min() > -1e-3  # m2 of 3e8


def _cover(target: Raster) -> tuple[slice, slice]:
    lat, lon = np.meshgrid(np.linspace(*target.y_edges[[0, -1]], 40), np.linspace(*target.x_edges[[0, -1]], 40))
    row, column = SINUSOIDAL.index(lat.ravel(), np.clip(lon.ravel(), -179.9999, 179.9999))
    return slice(row.min() - 1, row.max() + 2), slice(max(column.min() - 1, 0), column.max() + 2)


def test_ellipsoidal_area_of_the_whole_nldas_grid():
    """Zone area of WGS84 (Snyder 1987, eq. 3-12) times the share of the circle."""
    table = weights(NLDAS.window(slice(0, 8), slice(0, 8)), NLDAS.window(slice(0, 224), slice(0, 464)))
    e2, a = 0.0066943799901413165, 6378137.0
    e = np.sqrt(e2)

    def q(lat):
        s = np.sin(np.deg2rad(lat))
        return (1 - e2) * (s / (1 - e2 * s**2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))

    expected = 0.5 * a**2 * (q(53.0) - q(25.0)) * np.deg2rad(58.0)
    assert table.target_area.sum() == pytest.approx(expected, rel=1e-9)


def test_four_by_four_cells_of_9_km_are_one_of_36_km():
    coarse = ease2_global(36).window(slice(60, 63), slice(200, 205))
    fine = ease2_global(9).window(slice(240, 252), slice(800, 820))
    values = np.random.default_rng(1).random((12, 20))
    found = weights(fine, coarse).apply(values.ravel(), np.ones(240, bool)).values.reshape(3, 5)
    np.testing.assert_allclose(found, values.reshape(3, 4, 5, 4).mean(axis=(1, 3)), rtol=1e-9)


def test_masked_values_count_for_nothing():
    coarse = ease2_global(36).window(slice(60, 61), slice(200, 202))
    fine = ease2_global(9).window(slice(240, 244), slice(800, 808))
    values, valid = np.full((32, 2), np.nan), np.zeros((32, 2), bool)
    values[0, 0], valid[0, 0] = 7.0, True
    found = weights(fine, coarse).apply(values, valid)
    assert found.values[0, 0] == pytest.approx(7.0)
    assert found.share[0, 0] == pytest.approx(1 / 16)
    assert np.isnan(found.values[1, 0])
    assert np.isnan(found.values[:, 1]).all()
    assert (found.share[:, 1] == 0).all()


def test_nearest_takes_the_cell_that_holds_the_centre():
    source, target = eighth(35.0, -100.0, 16, 16), ease2_global(9)
    target = around(target, 35.2, 36.8, -99.8, -98.2)
    row, column = np.divmod(np.arange(target.rows * target.columns), target.columns)
    lat, lon = target.centres(row, column)
    at_row, at_column = source.index(lat, lon)
    found = weights(source, target, "nearest").apply(np.arange(256.0), np.ones(256, bool)).values
    expected = np.where(at_row >= 0, at_row * 16 + at_column, np.nan)
    np.testing.assert_array_equal(found, expected)


def test_cache_gives_the_same_bits_and_survives_damage(tmp_path, caplog):
    source, target = pairs()["9 km to 1/8 degree"]
    first = weights(source, target, cache=tmp_path)
    (path,) = tmp_path.glob("weights-*.npz")
    stamp = path.stat().st_mtime_ns
    again = weights(source, target, cache=tmp_path)
    assert path.stat().st_mtime_ns == stamp
    np.testing.assert_array_equal(again.overlap.data, first.overlap.data)
    np.testing.assert_array_equal(again.overlap.indices, first.overlap.indices)
    weights(source, target, "nearest", cache=tmp_path)
    weights(source, around(target, 35.0, 36.0, -100.0, -98.0), cache=tmp_path)
    assert len(list(tmp_path.glob("weights-*.npz"))) == 3
    path.write_bytes(path.read_bytes()[:100])
    repaired = weights(source, target, cache=tmp_path)
    np.testing.assert_array_equal(repaired.overlap.data, first.overlap.data)
    assert "making the weights anew" in caplog.text


def fine_dataset(fine: Raster, sea: np.ndarray) -> xr.Dataset:
    row, column = np.divmod(np.flatnonzero(~sea), fine.columns)
    lat, lon = fine.centres(row, column)
    time = np.array(["2016-01-01", "2016-01-02"], dtype="datetime64[D]")
    tair = np.stack([lat, lat + 1], axis=1).astype(np.float32)
    moisture = np.full(tair.shape, np.nan, np.float32)
    moisture[:, 0] = 0.25
    water = np.where(column < 4, 0.9, 0.0)
    return simple_dataset(
        fine.identifiers(row, column),
        lat,
        lon,
        time,
        {
            "tair": (("cell", "time"), tair, {}),
            "sm_smap": (("cell", "time"), moisture, {}),
            "water_share": (("cell",), water, {"units": "1"}),
        },
        {"title": "t"},
    )


def test_remap_of_a_dataset_keeps_land_and_rules(tmp_path: Path):
    coarse = ease2_global(36).window(slice(60, 62), slice(200, 203))
    fine = ease2_global(9).window(slice(240, 248), slice(800, 812))
    sea = np.zeros((8, 12), bool)
    sea[4:, 4:8], sea[:4, 8:10] = True, True  # all of one cell, half of another
    dataset = fine_dataset(fine, sea.ravel())
    found = remap(dataset, fine, coarse, RegridConfig())
    cells = [60 * 964 + 200, 60 * 964 + 201, 60 * 964 + 202, 61 * 964 + 200, 61 * 964 + 202]
    np.testing.assert_array_equal(found["cell"], cells)
    np.testing.assert_allclose(found["land_share"], [1, 1, 0.5, 1, 1], atol=1e-9)
    np.testing.assert_allclose(found["tair"].values[:, 0], found["lat"], atol=0.01)
    np.testing.assert_allclose(found["sm_smap"].values[:, 0], 0.25, rtol=1e-6)
    assert np.isnan(found["sm_smap"].values[:, 1]).all()
    assert found["tair"].dtype == np.float32
    assert found["tair"].attrs["units"] == "degC"
    strict = remap(dataset, fine, coarse, RegridConfig(minimum_share=0.6, maximum_water=0.5, cache=tmp_path))
    np.testing.assert_array_equal(strict["cell"], [cells[1], cells[4]])
    whole = remap(dataset, ease2_global(9), coarse, RegridConfig())
    xr.testing.assert_allclose(whole, found)
    with pytest.raises(DataError, match=r"no cell has a land share of 0\.5"):
        remap(dataset, fine, ease2_global(36).window(slice(10, 12), slice(10, 12)), RegridConfig())
    with pytest.raises(DataError, match=r"cell 0 is not in the raster"):
        remap(dataset.assign_coords(cell=np.arange(dataset.sizes["cell"])), fine, coarse, RegridConfig())


def test_unknown_projections_are_refused():
    polar = Raster("polar", "EPSG:6931", -9e6, 9e6, 36e3, -36e3, 500, 500)
    with pytest.raises(DataError, match="polar: no conservative weights for the projection EPSG:6931"):
        weights(polar, NLDAS)
    with pytest.raises(DataError, match="between two sinusoidal rasters"):
        weights(SINUSOIDAL, SINUSOIDAL)


def test_a_planted_error_in_the_weights_breaks_conservation():
    """The conservation test can fail: moving a thousandth of one area shows."""
    source, target = pairs()["9 km to 1/8 degree"]
    table = weights(source, target)
    spoilt = table.overlap.copy()
    spoilt.data[len(spoilt.data) // 2] *= 1.001
    total = [
        np.asarray(matrix.sum(axis=0)).ravel() for matrix in (table.overlap, Weights(spoilt, table.target_area).overlap)
    ]
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(*total, rtol=1e-11)
