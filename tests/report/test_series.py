"""Sites are chosen by rule, the heaviest rain is found where there are observations, and all of it is drawn."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from paraformer.core.errors import DataError
from paraformer.report.figures import method_styles
from paraformer.report.series import DAYS_AFTER, DAYS_BEFORE, Site, choose_sites, heaviest_rain, site_series
from report.test_figures import draw

DAYS = np.arange("2016-04-01", "2017-04-01", dtype="datetime64[D]")
STYLES = method_styles(["default VIC", "net"])


def site(seeds: int = 2) -> Site:
    random = np.random.default_rng(0)
    rain = np.where(random.random(DAYS.size) < 0.3, random.gamma(1, 8, DAYS.size), 0.0)
    observed = 0.2 + 0.05 * random.standard_normal(DAYS.size)
    return Site(
        "cell 7",
        observed,
        random.random(DAYS.size) < 0.4,
        rain,
        {"default VIC": observed[None] + 0.1, "net": observed + 0.01 * np.arange(seeds)[:, None]},
    )


def dots(figure: Figure, panel: int) -> np.ndarray:
    return next(line.get_ydata() for line in figure.axes[panel].lines if line.get_marker() == "o")


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
    figure = site_series(DAYS, [shown, shown, shown], STYLES)
    draw(figure)
    np.testing.assert_array_equal(dots(figure, 0), shown.observed[shown.mask])
    at = heaviest_rain(shown.precipitation, shown.mask)
    window = slice(at - DAYS_BEFORE, at + DAYS_AFTER + 1)
    np.testing.assert_array_equal(dots(figure, 1), shown.observed[window][shown.mask[window]])
    whole = figure.axes[0]
    np.testing.assert_allclose(whole.lines[1].get_ydata(), shown.simulated["net"].mean(axis=0))
    assert len(whole.collections) == 1, "a band for the method with seeds, none for the other"
    bars = next(a for a in figure.axes if a.get_ylabel() == "precipitation [mm day⁻¹]")
    assert bars.yaxis_inverted()
    assert str(DAYS[at]) in figure.axes[1].get_title(loc="left")
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == ["default VIC", "net (2 seeds)", "observed", "precipitation"]


def test_no_site_is_refused():
    with pytest.raises(DataError, match="no site to draw"):
        site_series(DAYS, [], STYLES)
