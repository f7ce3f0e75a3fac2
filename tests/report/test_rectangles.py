"""A sampled grid is drawn as a field: trained cells as their blocks, unseen ones apart where they would cover them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from paraformer.core.parameters import VIC_PARAMETERS
from paraformer.report.maps import parameter_maps, raised_maps
from paraformer.report.rectangles import Cells, layout, true_rectangles
from report.results import LAT, LON, TRAINED

STEP = 0.125


def sampled(side: int, neighbours: tuple[tuple[int, int], ...] = (), *, coast: bool = True) -> Cells:
    """One cell of each ``side`` x ``side`` block of a 1/8 degree grid, and neighbours of these (rows, columns).

    Along the eastern coast the sea takes the eastern neighbour's place, and the southern one stands for it.
    """
    row, column = (g.ravel() * side for g in np.meshgrid(np.arange(12), np.arange(20), indexing="ij"))
    at = [np.stack([row, column], axis=1)]
    for step in neighbours:
        moved = at[0] + step
        if coast:
            sea = column == column.max()
            moved[sea] = at[0][sea] + (-1, 0)
        at.append(moved)
    places = np.unique(np.concatenate(at), axis=0) if len(at) > 2 else np.concatenate(at)
    trained = (places % side == 0).all(axis=1)
    return Cells(30 + STEP * places[:, 0], -110 + STEP * places[:, 1], trained)


@pytest.mark.parametrize("side", [4, 8])
def test_a_sampled_grid_fills_its_blocks(side):
    how = layout(sampled(side))
    assert not how.apart
    np.testing.assert_allclose(how.height, side * STEP)
    np.testing.assert_allclose(how.width, side * STEP)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_neighbours_stand_apart_in_blocks_even_where_the_coast_moved_some(side):
    """On one map every trained cell would be a stripe, 1/8 degree wide."""
    cells = sampled(side, ((0, 1),))
    how = layout(cells)
    assert how.apart
    np.testing.assert_allclose(how.width, side * STEP)
    np.testing.assert_allclose(how.height, side * STEP)


def test_several_neighbours_have_the_size_of_a_cell_and_the_field_stays_a_field():
    around = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0))
    for neighbours in (((0, 1), (-1, 0)), around):
        cells = sampled(8, neighbours, coast=False)
        how = layout(cells)
        assert how.apart
        np.testing.assert_allclose(how.width[cells.trained], 1.0)
        np.testing.assert_allclose(how.height[~cells.trained], STEP)
        np.testing.assert_allclose(how.width[~cells.trained], STEP)


def test_unseen_cells_of_the_same_grid_stay_on_one_map():
    how = layout(Cells(LAT, LON, TRAINED))
    assert not how.apart
    np.testing.assert_allclose(how.height, 1.25)
    np.testing.assert_allclose(how.width, 1.5)


def test_one_cell_and_only_unseen_cells_have_a_size():
    for cells in (
        Cells(np.array([40.0]), np.array([-100.0]), np.array([True])),
        Cells(LAT, LON, np.zeros(LAT.size, dtype=bool)),
        Cells(np.array([40.0, 40.125]), np.array([-100.0, -100.0]), np.array([True, False])),
    ):
        how = layout(cells)
        assert (how.height > 0).all()
        assert (how.width > 0).all()


def test_apart_each_method_has_a_panel_of_trained_and_one_of_unseen_cells():
    cells = sampled(8, ((0, 1),))
    values = np.linspace(0.01, 0.5, cells.lat.size)
    figure = parameter_maps({"a": values, "b": values}, cells, VIC_PARAMETERS["infilt"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    titles = [a.get_title() for a in figure.axes if a.get_title()]
    assert titles == ["a", "b", "a\nunseen cells", "b\nunseen cells"]
    field: PolyCollection = next(c for c in figure.axes[0].collections if c.get_array() is not None)
    np.testing.assert_array_equal(field.get_array(), values[cells.trained])
    beside = next(c for c in figure.axes[2].collections if c.get_array() is not None)
    np.testing.assert_array_equal(beside.get_array(), values[~cells.trained])
    west, east = np.array([path.get_extents().intervalx for path in field.get_paths()]).T
    np.testing.assert_allclose(east - west, 1.0)
    assert not figure.legends, "nothing is outlined"


def test_figure_7_shows_what_is_not_below_the_a_priori_value():
    cells = Cells(LAT, LON, TRAINED)
    prior = np.full(LAT.size, 0.2)
    found = prior + np.where(np.arange(LAT.size) % 3 == 0, -0.1, 0.05)
    found[3] = prior[3]
    figure = raised_maps({"net": found}, prior, cells, VIC_PARAMETERS["infilt"])
    shown = next(c for c in figure.axes[0].collections if c.get_array() is not None)
    residual = found - prior
    np.testing.assert_allclose(shown.get_array(), residual[residual >= 0])
    assert shown.get_clim()[0] == 0
    assert "infilt less a priori [–]" in [a.get_ylabel() for a in figure.axes]
    assert "less than a priori" in [t.get_text() for t in figure.legends[0].get_texts()]


@pytest.mark.parametrize("side", [1, 4, 8])
@pytest.mark.parametrize("neighbours", [(), ((0, 1),), ((0, 1), (-1, 0))])
def test_a_cell_of_a_design_has_its_own_size_not_that_of_its_block(side: int, neighbours: tuple[tuple[int, int], ...]):
    cells = sampled(side, neighbours if side > 1 else ())
    for sides in true_rectangles(cells, side):
        np.testing.assert_allclose(sides, STEP)


def test_neighbours_show_the_size_of_a_cell_where_no_design_is_known():
    for sides in true_rectangles(sampled(8, ((0, 1),), coast=False)):
        np.testing.assert_allclose(sides, STEP)


def test_rows_of_an_equal_area_grid_keep_their_own_height():
    """Rows of EASE-Grid 2.0 are farther apart towards the poles."""
    lines = np.rad2deg(np.arcsin(0.3 + 0.0047 * np.arange(60)))
    lat, lon = (grid.ravel() for grid in np.meshgrid(lines, -100 + 0.37 * np.arange(12), indexing="ij"))
    height, width = true_rectangles(Cells(lat, lon, np.ones(lat.size, dtype=bool)))
    assert height[lat == lines[-1]].mean() > 1.1 * height[lat == lines[0]].mean()
    np.testing.assert_allclose(width, 0.37)
