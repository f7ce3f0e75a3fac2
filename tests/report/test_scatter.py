"""Scatter figures show every pair once, share their axes, and say what they were told."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from paraformer.core.errors import DataError
from paraformer.report.colours import look
from paraformer.report.scatter import (
    Fields,
    Pairs,
    daily_means,
    density_scatter,
    evapotranspiration_scatter,
    mean_scatter,
    trade_off,
)
from report.results import CELLS
from report.test_figures import draw


def pairs(count: int, seed: int = 0) -> Pairs:
    random = np.random.default_rng(seed)
    observed = random.random(count) * 0.4
    return Pairs(observed + 0.05 * random.standard_normal(count), observed, "RMSE 0.050")


def annual(values: np.ndarray) -> Fields:
    return Fields(values, values - 20, values + 20, "RMSE 12")


@pytest.mark.parametrize("methods", [1, 3, 5, 9])
def test_every_pair_is_counted_once(methods):
    panels = {f"m{k}": pairs(500 + k, seed=k) for k in range(methods)}
    figure = density_scatter(panels, title="t")
    draw(figure)
    shown = [a for a in figure.axes if a.get_visible() and a.collections and a.get_title()]
    assert [a.get_title() for a in shown] == list(panels)
    for k, axes in enumerate(shown):
        assert np.nansum(axes.collections[0].get_array()) == 500 + k
        assert axes.texts[0].get_text() == "RMSE 0.050"
    assert len({a.get_xlim() + a.get_ylim() for a in shown}) == 1
    assert shown[0].get_xlim() == shown[0].get_ylim()
    assert shown[-1].get_xlabel() == "simulated [m³ m⁻³]"
    assert shown[0].get_ylabel() == "observed [m³ m⁻³]"


def test_simulated_runs_along_x():
    """Planted asymmetry: all simulations are high and all observations low, so counts lie below the diagonal."""
    high, low = np.full(50, 0.35), np.full(50, 0.05)
    axes = density_scatter({"m": Pairs(high, low, "")}, title="t", limit=0.4).axes[0]
    rows, columns = np.nonzero(np.nan_to_num(axes.collections[0].get_array().reshape(60, 60)))
    assert rows < columns


def test_values_beyond_the_axes_are_kept_at_their_edge():
    figure = density_scatter({"m": Pairs(np.array([0.9, 0.1]), np.array([0.1, 0.1]), "")}, title="t", limit=0.4)
    assert np.nansum(figure.axes[0].collections[0].get_array()) == 2


def test_nothing_to_draw_is_refused():
    with pytest.raises(DataError, match="no pair to draw: t"):
        density_scatter({"m": pairs(0)}, title="t")
    with pytest.raises(DataError, match="no cell to draw: t against GLEAM"):
        evapotranspiration_scatter({"m": annual(np.full(CELLS, np.nan))}, np.ones(CELLS), name="GLEAM", title="t")
    with pytest.raises(DataError, match="no cell to draw: t"):
        mean_scatter({}, np.ones(CELLS), title="t")


def test_means_are_over_the_chosen_days_alone():
    values = np.array([[[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]]])
    mask = np.array([[True, True, False], [False, False, False]])
    np.testing.assert_array_equal(daily_means(values, mask), [[1.5, np.nan]])
    np.testing.assert_array_equal(daily_means(values[0], ~mask), [9.0, 5.0])


def test_a_cell_is_one_point_in_the_colour_of_its_method():
    observed = np.linspace(0.05, 0.4, CELLS)
    observed[3] = np.nan
    seeds = np.stack([observed - 0.06, observed - 0.02])
    figure = mean_scatter(
        {"SCE-UA": Fields.of(seeds, "NSE 0.1"), "mine": Fields.of(seeds[:1], "")}, observed, title="t"
    )
    draw(figure)
    bars, points = figure.axes[0].collections
    known = np.isfinite(observed)
    np.testing.assert_allclose(points.get_offsets(), np.stack([observed - 0.04, observed], axis=1)[known])
    np.testing.assert_allclose([b[:, 0] for b in bars.get_segments()], seeds.T[known])
    np.testing.assert_allclose(points.get_facecolor()[0, :3], to_rgb(look("SCE-UA").colour))
    assert [len(a.collections) for a in figure.axes[:2]] == [2, 1], "one seed has no bar"
    assert figure.axes[1].texts[0].get_text() == "\n1 below 0", "an operator may make a mean negative"
    assert figure.axes[0].get_xlabel() == "simulated [m³ m⁻³]"
    assert figure.axes[0].get_ylabel() == "observed [m³ m⁻³]"
    assert figure.axes[0].get_xlim()[0] < -0.01


def test_evapotranspiration_shows_each_cell_its_seeds_and_how_dense_they_lie():
    reference = np.linspace(200, 900, CELLS)
    reference[:10] = 500 + np.arange(10)
    reference[12] = np.nan
    values = reference * 1.1
    values[14] = np.nan
    figure = evapotranspiration_scatter(
        {"net": annual(values), "FLUXCOM": annual(reference + 5)}, reference, name="GLEAM", title="Trained"
    )
    draw(figure)
    axes = figure.axes[0]
    bars, points = axes.collections
    chosen = np.isfinite(reference) & np.isfinite(values)
    assert len(points.get_offsets()) == chosen.sum()
    np.testing.assert_allclose(np.sort(points.get_offsets()[:, 1]), np.sort(reference[chosen]))
    assert all(bar[1, 0] - bar[0, 0] == pytest.approx(40) for bar in bars.get_segments())
    at = dict(zip(points.get_offsets()[:, 1].tolist(), points.get_array().tolist(), strict=True))
    assert at[505.0] >= 10 > at[900.0]
    assert (np.diff(points.get_array()) >= 0).all(), "the densest lie on top"
    colours = points.get_cmap()(np.linspace(0, 1, 9))
    assert colours[-1, 1] > max(colours[-1, 0], colours[-1, 2]), "dense is green"
    assert axes.get_xlabel() == "simulated [mm year⁻¹]"
    assert axes.get_ylabel() == "GLEAM [mm year⁻¹]"
    assert figure.get_suptitle() == "Trained against GLEAM"


def test_a_method_has_its_colour_and_marker_in_the_trade_off():
    """Bars of seeds where there are several, a line through the front, a ring around what was inferred."""

    def panel(*rows: tuple[str, float, float, float, bool, bool]) -> pd.DataFrame:
        columns = ["method", "soil_moisture", "soil_moisture_std", "error", "error_std", "front", "inference"]
        return pd.DataFrame([(m, x, d, y, d, front, ring) for m, x, y, d, front, ring in rows], columns=columns)

    two = panel(("LSTM_Z", 0.05, 90.0, np.nan, True, False), ("mine", 0.06, 80.0, 0.01, True, True))
    figure = trade_off({"GLEAM": two, "FLUXCOM": panel(("LSTM_Z", 0.05, 70.0, np.nan, True, False))})
    draw(figure)
    axes = next(axes for axes in figure.axes if axes.get_title() == "GLEAM")
    front, *marks = axes.lines
    assert front.get_xydata().tolist() == [[0.05, 90.0], [0.06, 80.0]]
    drawn = [(line.get_color(), line.get_marker()) for line in marks if line.get_marker() != "|"]
    assert (look("LSTM_Z").colour, look("LSTM_Z").marker) in drawn
    rings = [line for line in marks if line.get_markerfacecolor() == "none"]
    assert [line.get_xydata().tolist() for line in rings] == [[[0.06, 80.0]]]
    told = ["LSTM_Z", "mine", "Pareto front", "by inference"]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == told
