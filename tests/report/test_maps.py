"""Maps: every cell where it is, as large as its grid, on the right colour scale."""

import warnings

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from paraformer.core.errors import DataError
from paraformer.core.parameters import PAPER_SET, VIC_PARAMETERS, ParameterSpace
from paraformer.report.maps import (
    difference_maps,
    gain_maps,
    parameter_maps,
    residual_maps,
    score_maps,
    spread_maps,
)
from paraformer.report.rectangles import Cells, cell_rectangles
from report.results import CELLS, LAT, LON, TRAINED

WHERE = Cells(LAT, LON, TRAINED)
VALUES = np.linspace(0.2, 40, CELLS)
ROUNDING = 2e-3
"""Coordinates are compared to a thousandth of a degree when rows and columns are found."""


def draw(figure: Figure) -> Figure:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()
    return figure


def filled(figure: Figure, panel: int = 0) -> PolyCollection:
    """The collection that carries the values."""
    return next(c for c in figure.axes[panel].collections if c.get_array() is not None)


def test_parameter_maps_share_a_logarithmic_scale():
    figure = draw(parameter_maps({"a": VALUES, "b": VALUES / 2}, WHERE, VIC_PARAMETERS["dsmax"]))
    assert isinstance(filled(figure).norm, LogNorm)
    assert filled(figure, 0).get_clim() == filled(figure, 1).get_clim() == (0.1, 40)
    np.testing.assert_array_equal(filled(figure, 1).get_array(), VALUES / 2)
    assert "dsmax [mm day⁻¹]" in [a.get_ylabel() for a in figure.axes]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["unseen cell (outlined)"]


def test_a_constant_parameter_is_drawn_within_its_bounds():
    figure = draw(parameter_maps({"default": np.full(CELLS, 10.0)}, WHERE, VIC_PARAMETERS["expt"]))
    assert filled(figure).get_clim() == (4, 30)


def test_a_scale_each_spans_each_method_s_own_values():
    figure = draw(parameter_maps({"a": VALUES, "b": VALUES / 2}, WHERE, VIC_PARAMETERS["dsmax"], shared=False))
    assert filled(figure, 0).get_clim() == (0.2, 40)
    assert filled(figure, 1).get_clim() == (0.1, 20)
    bars = [bar.get_ylabel() for panel in figure.axes for bar in panel.child_axes]
    assert bars == ["dsmax [mm day⁻¹]"] * 2, "a bar each, as high as its map"


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0.041, 0.057, ["0.045", "0.05", "0.055"]),
        (0.03, 0.6, ["0.05", "0.1", "0.2", "0.5"]),
        (0.001, 0.9, ["0.001", "0.01", "0.1"]),
    ],
)
def test_logarithmic_bars_have_plain_numbers_however_narrow(low: float, high: float, labels: list[str]) -> None:
    values = np.geomspace(low, high, CELLS)
    figure = draw(parameter_maps({"a": values, "b": values}, WHERE, VIC_PARAMETERS["infilt"]))
    bar = next(a for a in figure.axes if a.get_ylabel() == "infilt [–]")
    shown = zip(bar.get_yticks(), bar.get_yticklabels(), strict=True)
    assert [label.get_text() for at, label in shown if low <= at <= high] == labels
    assert not [t for t in bar.yaxis.get_minorticklabels() if t.get_text()]


@pytest.mark.parametrize("count", [3, 14])
def test_a_colour_bar_is_narrow_however_many_maps_there_are(count: int) -> None:
    figure = draw(parameter_maps({str(k): VALUES for k in range(count)}, WHERE, VIC_PARAMETERS["dsmax"]))
    bar = next(a for a in figure.axes if a.get_ylabel())
    assert bar.get_window_extent().width / figure.dpi < 0.25  # inch


def test_residuals_of_logarithmic_parameters_are_ratios():
    prior = np.full(CELLS, 2.0)
    figure = draw(residual_maps({"net": 20 * prior}, prior, WHERE, VIC_PARAMETERS["dsmax"]))
    np.testing.assert_allclose(filled(figure).get_array(), np.log10(20))
    low, high = filled(figure).get_clim()
    assert low == -high
    figure = draw(residual_maps({"net": prior + VALUES / 10, "same": prior}, prior, WHERE, VIC_PARAMETERS["expt"]))
    np.testing.assert_allclose(filled(figure).get_array(), VALUES / 10)
    assert "expt less a priori [–]" in [a.get_ylabel() for a in figure.axes]
    draw(residual_maps({"same": prior}, prior, WHERE, VIC_PARAMETERS["expt"]))


def test_spread_is_in_shares_of_the_range():
    space = ParameterSpace.of(*PAPER_SET)
    unit = np.full((2, CELLS, 5), 0.5)
    unit[1, :, 2] = 0.7
    figure = draw(spread_maps(space.from_unit(unit), WHERE, space, method="net"))
    np.testing.assert_allclose(filled(figure, 2).get_array(), 0.2 / np.sqrt(2))
    np.testing.assert_allclose(filled(figure, 1).get_array(), 0, atol=1e-9)
    assert filled(figure).get_clim()[1] == pytest.approx(0.2887, abs=1e-4)
    with pytest.raises(DataError, match="no spread to draw: net has one seed"):
        spread_maps(space.from_unit(unit[:1]), WHERE, space, method="net")


def test_gain_runs_from_nothing_to_all_and_leaves_out_what_is_not_known():
    gain = np.tile(np.linspace(-0.1, 1, CELLS)[:, None], (1, 5))
    gain[3] = np.nan
    figure = draw(gain_maps(gain, WHERE, ParameterSpace.of(*PAPER_SET), method="net"))
    assert filled(figure, 2).get_clim() == (0, 1)
    np.testing.assert_array_equal(filled(figure, 2).get_array(), np.delete(gain[:, 2], 3))
    assert "no value" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_any_number_of_methods(count):
    figure = draw(parameter_maps({str(k): VALUES for k in range(count)}, WHERE, VIC_PARAMETERS["infilt"]))
    panels = [a for a in figure.axes if a.get_visible() and a.get_title()]
    assert [a.get_title() for a in panels] == [str(k) for k in range(count)]
    assert panels[-1].xaxis.get_tick_params()["labelbottom"]
    labels = [t.get_text() for t in panels[-1].get_xticklabels()]
    assert any(label.endswith("°W") for label in labels)


def test_unscored_cells_are_drawn_as_such():
    values = VALUES / 400
    values[3] = np.nan
    figure = draw(score_maps({"a": values}, WHERE, "rmse"))
    assert filled(figure).get_array().size == CELLS - 1
    assert "no value" in [t.get_text() for t in figure.legends[0].get_texts()]
    draw(score_maps({"a": np.full(CELLS, np.nan)}, WHERE, "pcc"))
    draw(score_maps({"perfect": np.zeros(CELLS)}, WHERE, "rmse"))


@pytest.mark.parametrize(("metric", "colours"), [("rmse", "RdBu_r"), ("ubrmse", "RdBu_r"), ("nse", "RdBu")])
def test_differences_are_centred_and_blue_is_better(metric, colours):
    figure = draw(difference_maps({"a": VALUES}, VALUES[::-1].copy(), WHERE, metric, reference_name="default VIC"))
    low, high = filled(figure).get_clim()
    assert low == -high
    assert filled(figure).get_cmap().name == colours
    np.testing.assert_allclose(filled(figure).get_array(), VALUES - VALUES[::-1])
    assert "less that of default VIC" in figure.get_suptitle()


def test_rectangles_fill_a_regular_grid_without_overlap():
    height, width = cell_rectangles(LAT, LON)
    np.testing.assert_allclose(height, 1.25)
    np.testing.assert_allclose(width, 1.5)


def test_rectangles_of_a_grid_with_unequal_rows_and_holes_never_overlap():
    random = np.random.default_rng(0)
    lat, lon = np.meshgrid(np.degrees(np.arcsin(np.linspace(0.4, 0.8, 12))), np.arange(-120, -70, 1.5), indexing="ij")
    keep = random.random(lat.shape) < 0.6
    lat, lon = lat[keep], lon[keep]
    height, width = cell_rectangles(lat, lon)
    near_lat = np.abs(lat[:, None] - lat) + ROUNDING >= (height[:, None] + height) / 2
    near_lon = np.abs(lon[:, None] - lon) + ROUNDING >= (width[:, None] + width) / 2
    assert (near_lat | near_lon | np.eye(lat.size, dtype=bool)).all()
    assert width.max() == 1.5


def test_scattered_sites_and_a_single_cell_have_a_size():
    random = np.random.default_rng(0)
    height, width = cell_rectangles(random.uniform(30, 50, 30), random.uniform(-120, -70, 30))
    assert (height > 0).all()
    assert (width > height).all()
    one = Cells(np.array([40.0]), np.array([-100.0]), np.array([True]))
    draw(parameter_maps({"a": np.array([10.0])}, one, VIC_PARAMETERS["expt"]))


def test_nothing_to_draw_is_refused():
    with pytest.raises(DataError, match="no field to draw"):
        parameter_maps({}, WHERE, VIC_PARAMETERS["expt"])
