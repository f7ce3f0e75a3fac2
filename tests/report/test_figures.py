"""Figures hold the data they were given, survive odd input, and leave no trace in matplotlib's global state."""

import logging
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from paraformer.core.errors import DataError
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.report.config import ReportConfig
from paraformer.report.figures import parameter_recovery, save_figure, score_cdfs, surrogate_response
from report.results import CELLS, TRAINED, cell_scores

SPACE = ParameterSpace.of(*PAPER_SET)
FAST = ReportConfig(formats=("png",), dpi=50)


def draw(figure: Figure) -> None:
    """Render completely; warnings (a layout that does not fit, a missing glyph) are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def curves(figure: Figure, panel: int) -> dict[str, list[np.ndarray]]:
    """Colour -> x values of the curves in a panel."""
    found: dict[str, list[np.ndarray]] = {}
    for line in figure.axes[panel].lines:
        found.setdefault(line.get_color(), []).append(line.get_xdata()[1:])
    return found


def test_cdfs_show_every_scored_cell_of_every_seed():
    scores = cell_scores()
    figure = score_cdfs(scores)
    draw(figure)
    assert len(figure.axes) == 6
    chosen = scores.query("operator == 'raw' and metric == 'rmse' and cells == 'trained' and scored")
    found = list(curves(figure, 0).values())
    assert [len(lines) for lines in found] == [1, 2, 1]
    for method, lines in zip(("default VIC", "net_A", "training mean"), found, strict=True):
        expected = [np.sort(v) for _, v in chosen[chosen["method"] == method].groupby("seed")["value"]]
        for line, values in zip(lines, expected, strict=True):
            np.testing.assert_array_equal(line, values)
    assert len(curves(figure, 1)) == 2, "the training mean has no PCC, so no curve"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["default VIC (n = 17 + 6)", "net_A (n = 17 + 6, 2 seeds)", "training mean (n = 17 + 6)"]


def test_cdf_panels_of_a_metric_share_their_axes():
    axes = score_cdfs(cell_scores()).axes
    for column in range(3):
        assert axes[column].get_xlim() == axes[column + 3].get_xlim()
    assert len({a.get_ylim() for a in axes}) == 1


def test_cdfs_without_any_scored_cell_say_so():
    scores = cell_scores()
    figure = score_cdfs(scores.assign(scored=False, value=np.nan))
    draw(figure)
    assert all("no scored cell" in [t.get_text() for t in a.texts] for a in figure.axes)


def test_cdfs_of_nothing_are_refused():
    with pytest.raises(DataError, match="no score to draw for operator 'cell_moments'"):
        score_cdfs(cell_scores(), operator="cell_moments")


@pytest.mark.parametrize("pairs", [0, 1, 50, 5000])
def test_response_of_any_size(pairs):
    change = 0.05 * np.random.default_rng(0).standard_normal(pairs)
    figure = surrogate_response(change, 0.9 * change)
    draw(figure)
    text = figure.axes[0].texts[0].get_text()
    assert f"n = {pairs:,}" in text
    assert ("slope 0.900" in text) == (pairs > 2)
    assert ("r = 1.000" in text) == (pairs > 2)


def test_response_of_a_constant_has_no_correlation():
    change = np.linspace(-0.1, 0.1, 50)
    draw(surrogate_response(np.zeros(50), change))
    figure = surrogate_response(change, np.zeros(50))
    assert "r =" not in figure.axes[0].texts[0].get_text()


def test_recovery_has_a_panel_per_parameter_within_its_bounds():
    random = np.random.default_rng(0)
    unit = random.random((CELLS, 5))
    found = SPACE.from_unit(np.clip(unit + 0.1 * random.standard_normal(unit.shape), 0, 1))
    found[:, 4] = 10.0
    figure = parameter_recovery(found, SPACE.from_unit(unit), SPACE, TRAINED, method="net_A")
    draw(figure)
    shown = [a for a in figure.axes if a.get_visible()]
    names = ["infilt", "ds", "dsmax [mm day-1]", "ws", "expt"]
    assert [a.get_xlabel() for a in shown] == [f"true {name}" for name in names]
    assert [a.get_xscale() for a in shown] == ["log", "log", "log", "linear", "linear"]
    assert shown[4].texts[0].get_text() == "r = – trained\nr = – unseen"
    r = np.corrcoef(SPACE.to_unit(found)[TRAINED, 0], unit[TRAINED, 0])[0, 1]
    assert shown[0].texts[0].get_text().startswith(f"r = {r:.2f} trained")


def test_files_are_complete_reproducible_and_atomic(tmp_path):
    config = ReportConfig(dpi=50)
    for name in ("a", "b"):
        written = save_figure(score_cdfs(cell_scores()), tmp_path / name, config)
        assert [p.name for p in written] == [f"{name}.png", f"{name}.pdf"]
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.pdf", "a.png", "b.pdf", "b.png"]


def test_no_global_state_is_touched(tmp_path, caplog):
    before = dict(matplotlib.rcParams)
    with caplog.at_level(logging.WARNING):
        save_figure(score_cdfs(cell_scores()), tmp_path / "cdf", FAST)
    assert dict(matplotlib.rcParams) == before
    assert not caplog.records
