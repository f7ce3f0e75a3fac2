"""Scatter figures show every pair once, share their axes, and say what they were told."""

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.report.scatter import Fields, Pairs, density_scatter, evapotranspiration_scatter
from report.results import CELLS, TRAINED
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
    assert shown[-1].get_xlabel() == "observed [m³ m⁻³]"
    assert shown[0].get_ylabel() == "simulated [m³ m⁻³]"


def test_observed_runs_along_x():
    """Planted asymmetry: all simulations are high and all observations low, so counts lie above the diagonal."""
    high, low = np.full(50, 0.35), np.full(50, 0.05)
    axes = density_scatter({"m": Pairs(high, low, "")}, title="t", limit=0.4).axes[0]
    rows, columns = np.nonzero(np.nan_to_num(axes.collections[0].get_array().reshape(60, 60)))
    assert rows > columns


def test_values_beyond_the_axes_are_kept_at_their_edge():
    figure = density_scatter({"m": Pairs(np.array([0.9, 0.1]), np.array([0.1, 0.1]), "")}, title="t", limit=0.4)
    assert np.nansum(figure.axes[0].collections[0].get_array()) == 2


def test_nothing_to_draw_is_refused():
    with pytest.raises(DataError, match="no pair to draw: t"):
        density_scatter({"m": pairs(0)}, title="t")
    with pytest.raises(DataError, match="no cell to draw against GLEAM"):
        evapotranspiration_scatter({"m": annual(np.full(CELLS, np.nan))}, np.ones(CELLS), TRAINED, name="GLEAM")


def test_evapotranspiration_shows_each_cell_and_its_seeds():
    reference = np.linspace(200, 900, CELLS)
    reference[2] = np.nan
    values = reference * 1.1
    values[4] = np.nan
    figure = evapotranspiration_scatter(
        {"net": annual(values), "FLUXCOM": annual(reference + 5)}, reference, TRAINED, name="GLEAM"
    )
    draw(figure)
    axes = figure.axes[0]
    dots = np.concatenate([c.get_offsets() for c in axes.collections[1::2]])
    chosen = np.isfinite(reference) & np.isfinite(values)
    assert len(dots) == chosen.sum()
    np.testing.assert_allclose(np.sort(dots[:, 0]), np.sort(reference[chosen]))
    bars = [line for c in axes.collections[::2] for line in c.get_segments()]
    assert all(line[1, 1] - line[0, 1] == pytest.approx(40) for line in bars)
    assert axes.get_xlabel() == "GLEAM [mm year⁻¹]"
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == [f"trained cells (n = {TRAINED.sum()})", f"unseen cells (n = {(~TRAINED).sum()})"]
