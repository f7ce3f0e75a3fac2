"""Sites are chosen by rule, the heaviest rain is found where there are observations, and all of it is drawn."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from paraformer.core.errors import DataError, SettingsError
from paraformer.report.colours import SITE, look
from paraformer.report.rectangles import Cells
from paraformer.report.series import (
    DAYS_AFTER,
    DAYS_BEFORE,
    Climate,
    Site,
    choose_sites,
    heaviest_rain,
    shown_methods,
    site_positions,
    site_series,
)
from report.results import CELLS, LAT, LON, TRAINED
from report.test_figures import draw

DAYS = np.arange("2016-04-01", "2017-04-01", dtype="datetime64[D]")
CLIMATE = Climate(Cells(LAT, LON, TRAINED), np.linspace(200, 1200, CELLS), np.linspace(3, 20, CELLS))


def site(cell: int = 7, seeds: int = 2) -> Site:
    random = np.random.default_rng(0)
    rain = np.where(random.random(DAYS.size) < 0.3, random.gamma(1, 8, DAYS.size), 0.0)
    observed = 0.2 + 0.05 * random.standard_normal(DAYS.size)
    return Site(
        f"cell {cell}",
        cell,
        observed,
        random.random(DAYS.size) < 0.4,
        rain,
        {"default VIC": observed[None] + 0.1, "net": observed + 0.01 * np.arange(seeds)[:, None]},
    )


def panel(figure: Figure, title: str) -> Axes:
    return next(a for a in figure.axes if a.get_title(loc="left").startswith(title))


def dots(axes: Axes) -> np.ndarray:
    return next(line.get_ydata() for line in axes.lines if line.get_marker() == "o")


def test_sites_are_the_quartiles_of_the_well_observed_cells():
    score = np.linspace(-1, 1, 41)[::-1].copy()
    score[20] = np.nan
    days = np.full(41, 100)
    days[:4] = 10
    chosen = choose_sites(score, days)
    usable = np.sort(score[4:][np.isfinite(score[4:])])
    np.testing.assert_array_equal(score[chosen], usable[[9, 18, 26]])
    assert choose_sites(np.array([0.3]), np.array([5])).tolist() == [0], "few days are better than no figure"
    assert choose_sites(np.full(3, np.nan), np.full(3, 90)).size == 0


def test_the_heaviest_rain_is_one_with_observations_around_it():
    rain, mask = np.zeros(200), np.zeros(200, bool)
    rain[50], rain[150] = 80, 60
    mask[[10, 50, 51]] = True
    mask[145:160] = True
    assert heaviest_rain(rain, mask) == 150
    assert heaviest_rain(rain, np.zeros(200, bool)) == 50
    mask[:] = False
    mask[50 - DAYS_BEFORE - 5 : 50 - DAYS_BEFORE] = True
    mask[150 + DAYS_AFTER - 4 : 150 + DAYS_AFTER + 1] = True
    assert heaviest_rain(rain, mask) == 150, "the window runs from days before to days after, not the other way round"


def test_every_observation_and_method_is_drawn():
    shown = site()
    figure = site_series(DAYS, [shown, site(3), site(5)], CLIMATE)
    draw(figure)
    whole, event = panel(figure, "(c) cell 7"), panel(figure, "heaviest rain")
    np.testing.assert_array_equal(dots(whole), shown.observed[shown.mask])
    at = heaviest_rain(shown.precipitation, shown.mask)
    window = slice(at - DAYS_BEFORE, at + DAYS_AFTER + 1)
    np.testing.assert_array_equal(dots(event), shown.observed[window][shown.mask[window]])
    np.testing.assert_allclose(whole.lines[1].get_ydata(), shown.simulated["net"].mean(axis=0))
    assert whole.lines[0].get_color() == look("default VIC").colour
    assert len(whole.collections) == 1, "a band for the method with seeds, none for the other"
    bars = next(a for a in figure.axes if a.get_ylabel() == "precipitation [mm day⁻¹]")
    assert bars.yaxis_inverted()
    assert str(DAYS[at]) in event.get_title(loc="left")
    legend = next(part.legends[0] for part in figure.subfigs if part.legends)
    assert [t.get_text() for t in legend.get_texts()] == ["default VIC", "net (2 seeds)", "observed", "precipitation"]


@pytest.mark.parametrize("map_title", ["(a) mean precipitation", "(b) mean air temperature"])
def test_sites_are_marked_where_they_are_by_the_letters_of_their_rows(map_title):
    cells = [7, 3, 20]
    figure = site_series(DAYS, [site(cell) for cell in cells], CLIMATE)
    draw(figure)
    axes = panel(figure, map_title)
    field = next(c.get_array() for c in axes.collections if c.get_array() is not None)
    np.testing.assert_array_equal(field, CLIMATE.precipitation if "precip" in map_title else CLIMATE.temperature)
    triangles = [line for line in axes.lines if line.get_marker() == "^"]
    assert {line.get_color() for line in triangles} == {SITE}
    assert [(*line.get_xdata(), *line.get_ydata()) for line in triangles] == [(LON[c], LAT[c]) for c in cells]
    letters = [text.get_text() for text in axes.texts]
    assert letters == ["c", "d", "e"]
    for letter, cell in zip(letters, cells, strict=True):
        assert panel(figure, f"({letter})").get_title(loc="left") == f"({letter}) cell {cell}"


def test_the_methods_of_the_paper_are_always_shown_where_they_are():
    present = ["default VIC", "best single θ", "SCE-UA", "FFN_A", "mine", "LSTM_Z", "ParaFormer_Z"]
    assert shown_methods(present, ["mine"]) == ["default VIC", "SCE-UA", "mine", "LSTM_Z", "ParaFormer_Z"]
    assert shown_methods(["default VIC", "mine"], []) == ["default VIC"]


def test_sites_are_cells_of_the_cube():
    assert site_positions([30, "20"], np.array([10, 20, 30])) == [2, 1]
    assert site_positions(["b"], np.array(["a", "b"])) == [1]
    with pytest.raises(SettingsError, match=r"report\.sites: no cell 301; the 3 cells are 10 .. 30"):
        site_positions([20, 301], np.array([10, 20, 30]))


def test_no_site_is_refused():
    with pytest.raises(DataError, match="no site to draw"):
        site_series(DAYS, [], CLIMATE)
