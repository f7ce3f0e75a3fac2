"""Rasters: EASE-Grid 2.0 against its published corners, real coordinates and the formula of the projection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster, ease2_global

A, E2 = 6378137.0, 0.0066943799901413165
"""WGS84: semi-major axis [m] and squared eccentricity."""

# First latitude and longitude [degree] of the coordinate arrays of the SMAP level-3 products: single precision, whose
# step at these values is 7.6e-6 and 1.5e-5 degree, printed with the digits given here.
PUBLISHED = {9: (84.656417, -179.953323), 36: (83.63197, -179.8133)}


def authalic(lat: float) -> float:
    """q of Snyder (1987), USGS Professional Paper 1395, eq. 3-12."""
    e, s = np.sqrt(E2), np.sin(np.deg2rad(lat))
    return (1 - E2) * (s / (1 - E2 * s**2) - np.log((1 - e * s) / (1 + e * s)) / (2 * e))


def by_formula(x: float, y: float) -> tuple[float, float]:
    """Ellipsoidal cylindrical equal-area projection, 30 degree, inverse (Snyder 1987, p. 81)."""
    k0 = np.cos(np.deg2rad(30)) / np.sqrt(1 - E2 * np.sin(np.deg2rad(30)) ** 2)
    lat = brentq(lambda phi: authalic(phi) - 2 * y * k0 / A, -90, 90, xtol=1e-13)
    return lat, float(np.rad2deg(x / (A * k0)))


@pytest.mark.parametrize("kilometres", [9, 36])
def test_ease2_against_published_corners(kilometres):
    grid = ease2_global(kilometres)
    assert (grid.columns, grid.rows) == {9: (3856, 1624), 36: (964, 406)}[kilometres]
    lat, lon = grid.centres(np.array([0, grid.rows - 1]), np.array([0, grid.columns - 1]))
    corner = PUBLISHED[kilometres]
    np.testing.assert_allclose(lat, [corner[0], -corner[0]], rtol=0, atol=7.6e-6)
    np.testing.assert_allclose(lon, [corner[1], -corner[1]], rtol=0, atol=2.5e-5)
    assert grid.dx == pytest.approx({9: 9008.055210146, 36: 36032.220840584}[kilometres], abs=1e-9)


@pytest.mark.parametrize("kilometres", [9, 36])
def test_ease2_against_the_projections_formula(kilometres):
    grid = ease2_global(kilometres)
    row = np.linspace(0, grid.rows - 1, 25).astype(int)
    column = np.linspace(0, grid.columns - 1, 25).astype(int)
    lat, lon = grid.centres(row, column)
    x, y = grid.x0 + grid.dx * (column + 0.5), grid.y0 + grid.dy * (row + 0.5)
    expected = [by_formula(*point) for point in zip(x, y, strict=True)]
    np.testing.assert_allclose(np.stack([lat, lon], axis=1), expected, rtol=0, atol=1e-6)
    back = grid.project(lat, lon)
    np.testing.assert_allclose(np.stack(back), np.stack([x, y]), rtol=0, atol=0.01)


def test_ease2_cells_nest_and_have_one_area():
    coarse, fine = ease2_global(36), ease2_global(9)
    np.testing.assert_allclose(fine.x_edges[::4], coarse.x_edges, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fine.y_edges[::4], coarse.y_edges, rtol=0, atol=1e-6)
    lat, _ = coarse.geographic_of(np.zeros(coarse.rows + 1), coarse.y_edges)
    area = -np.diff([authalic(phi) for phi in lat]) * A**2 / 2 * np.deg2rad(360 / coarse.columns)
    # 964 cells do not quite close the circle of the published scale, so the area agrees to 1e-7 only.
    np.testing.assert_allclose(area, coarse.dx**2, rtol=2e-7)


@given(st.sampled_from([9, 36]), st.floats(-83, 83), st.floats(-179.9, 179.9))
@settings(max_examples=60, deadline=None)
def test_a_point_lies_in_its_cell(kilometres, lat, lon):
    grid = ease2_global(kilometres)
    row, column = grid.index(np.array([lat]), np.array([lon]))
    x, y = grid.project(np.array([lat]), np.array([lon]))
    micrometre = 1e-6
    assert grid.x_edges[column[0]] - micrometre <= x[0] <= grid.x_edges[column[0] + 1] + micrometre
    assert grid.y_edges[row[0]] + micrometre >= y[0] >= grid.y_edges[row[0] + 1] - micrometre
    back = grid.index(*grid.centres(row, column))
    assert (back[0][0], back[1][0]) == (row[0], column[0])


def test_longitude_wraps_and_points_outside_are_marked():
    grid = ease2_global(36)
    one, other = (grid.index(np.array([10.0]), np.array([lon])) for lon in (-100.0, 260.0))
    assert (one[0][0], one[1][0]) == (other[0][0], other[1][0])
    row, column = grid.index(np.array([86.0, 10.0]), np.array([0.0, 0.0]))
    assert (row[0], column[0]) == (-1, -1)
    assert row[1] >= 0


def test_window_keeps_coordinates_bit_for_bit():
    grid = Raster("eighth degree", "EPSG:4326", -125.0, 25.0, 0.125, 0.125, 224, 464)
    rows, columns = grid.box(30.0, 31.0, -100.0, -99.0)
    part = grid.window(rows, columns)
    assert (part.rows, part.columns) == (8, 8)
    np.testing.assert_array_equal(part.y_edges, grid.y_edges[rows.start : rows.stop + 1])
    lat, lon = part.centres(np.array([0]), np.array([0]))
    assert (lat[0], lon[0]) == (30.0625, -99.9375)
    inner = part.window(slice(2, 4), slice(1, 3))
    assert inner.index(*inner.centres(np.array([1]), np.array([0])))[0][0] == 1
    with pytest.raises(DataError, match="eighth degree: no cell centre between latitude 60 and 61"):
        grid.box(60.0, 61.0, -100.0, -99.0)


@pytest.mark.shared
def test_ease2_against_the_coordinates_of_real_smap_cells(shared: Path):
    """The reference cells carry the coordinates of SPL3SMP in single precision."""
    with xr.open_dataset(shared / "data" / "conus" / "conus_smap_nldas.nc") as file:
        lat, lon = file["lat"].values.astype(float), file["lon"].values.astype(float)
    grid = ease2_global(36)
    centre_lat, centre_lon = grid.centres(*grid.index(lat, lon))
    np.testing.assert_allclose(centre_lat, lat, rtol=0, atol=4e-6)
    np.testing.assert_allclose(centre_lon, lon, rtol=0, atol=8e-6)


@pytest.mark.parametrize(("row", "column"), [(2, 5), (5, 5), (3, 3), (3, 7)])
def test_a_cell_just_outside_a_window_is_not_in_it(row: int, column: int) -> None:
    """The window has rows 3 and 4, columns 4 to 6."""
    window = ease2_global(36).window(slice(3, 5), slice(4, 7))
    corners = np.array([3 * 964 + 4, 3 * 964 + 6, 4 * 964 + 4, 4 * 964 + 6])
    assert window.positions(corners).tolist() == [0, 2, 3, 5]
    with pytest.raises(DataError, match=f"cell {row * 964 + column} is not in the raster"):
        window.positions(np.array([*corners, row * 964 + column]))


def test_a_box_holds_the_centres_on_its_edges() -> None:
    raster = Raster("quarter degree", "EPSG:4326", x0=-100.0, y0=40.0, dx=0.25, dy=-0.25, rows=8, columns=8)
    assert raster.box(38.875, 39.625, -99.875, -99.125) == (slice(1, 5), slice(0, 4))
    assert raster.box(38.9, 39.6, -99.8, -99.2) == (slice(2, 4), slice(1, 3))
