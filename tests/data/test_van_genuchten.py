"""Van Genuchten's curves, the Brooks-Corey ones that stand for them, and Rosetta's soils as VIC gets them."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraformer.core.errors import DataError, SettingsError
from paraformer.data import van_genuchten
from paraformer.data.pedotransfer import RESIDUAL, rosetta, saxton_rawls
from paraformer.data.sources.vic_files import vic_soil
from paraformer.data.van_genuchten import BrooksCorey, VanGenuchten, brooks_corey, rosetta_curves

needs_rosetta = pytest.mark.skipif(
    importlib.util.find_spec("rosetta") is None, reason="rosetta-soil (extra 'rosetta') is not installed"
)

curves = st.builds(
    lambda alpha, n: VanGenuchten(*(np.array([v]) for v in (0.05, 0.45, alpha, n, 100.0))),
    st.floats(1e-3, 0.2),
    st.floats(1.05, 4.0),
)


def suction_at(curve: VanGenuchten, share: float) -> np.ndarray:
    """Suction [cm] of an effective saturation, from the curve's own formula."""
    m = 1 - 1 / curve.n
    return (share ** (-1 / m) - 1) ** (1 / curve.n) / curve.alpha


def saturation(curve: VanGenuchten, suction: np.ndarray) -> np.ndarray:
    return (curve.water_content(float(suction[0])) - curve.residual) / (curve.saturated - curve.residual)


@given(curves)
def test_both_curves_fall_alike_at_half_saturation(curve):
    """lambda is the slope -d ln Se / d ln h of van Genuchten's curve at Se = 0.5, found here by differences."""
    middle = suction_at(curve, 0.5)
    np.testing.assert_allclose(saturation(curve, middle), 0.5, rtol=1e-9)
    up, down = (np.log(saturation(curve, middle * np.exp(step))) for step in (1e-5, -1e-5))
    np.testing.assert_allclose(brooks_corey(curve).slope, -(up - down) / 2e-5, rtol=1e-6)


@given(curves)
def test_both_curves_meet_where_lenhard_says(curve):
    meet = float(0.72 - 0.35 * np.exp(-(curve.n[0] ** 4)))
    found = brooks_corey(curve)
    np.testing.assert_allclose((found.entry / suction_at(curve, meet)) ** found.slope, meet, rtol=1e-9)
    assert found.entry[0] > 0


@given(curves, st.floats(1.1, 10.0))
def test_scaling_of_the_suctions(curve, factor):
    """Only alpha has a length: ten times alpha is a tenth of the air entry, and the same shape."""
    other = brooks_corey(curve._replace(alpha=curve.alpha * factor))
    np.testing.assert_allclose(other.entry * factor, brooks_corey(curve).entry, rtol=1e-9)
    np.testing.assert_allclose(other.slope, brooks_corey(curve).slope)


def test_a_curve_by_hand():
    """n = 2: m = 1/2, lambda = 1 - 0.5^2 = 0.75, Sx = 0.72, h_b alpha = 0.72^(4/3) sqrt(0.72^-2 - 1) = 0.6220."""
    found = brooks_corey(VanGenuchten(*(np.array([v]) for v in (0.0, 0.4, 0.02, 2.0, 1.0))))
    assert isinstance(found, BrooksCorey)
    np.testing.assert_allclose(found.slope, 0.75)
    np.testing.assert_allclose(found.entry, 0.6220 / 0.02, rtol=1e-4)


def test_water_content_runs_from_saturation_to_the_residual():
    curve = VanGenuchten(*(np.array([v]) for v in (0.05, 0.45, 0.02, 1.6, 1.0)))
    assert curve.water_content(0.0) == 0.45
    assert curve.water_content(1e12) == pytest.approx(0.05, abs=1e-5)
    assert curve.water_content(50.0) == pytest.approx(0.05 + 0.4 * 2 ** -(1 - 1 / 1.6))  # alpha h = 1


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "rosetta", None)
    with pytest.raises(SettingsError, match=r"pip install 'paraformer\[rosetta\]'"):
        rosetta(np.array([40.0]), np.array([20.0]), np.array([1.4]))


@pytest.fixture
def fake(monkeypatch):
    """Rosetta's interface with a curve for every soil, and the soils that it was asked for."""
    asked: list[list[float]] = []

    class Module:
        @staticmethod
        def rosetta(version, soils, estimate_type):
            assert (version, estimate_type) == (3, "geo")
            asked.extend(soils)
            rows = np.tile([0.06, 0.42, 0.01, 1.5, 20.0, 1.0, 0.5], (len(soils), 1))
            rows[[soil[0] > 98 for soil in soils]] = np.nan
            return rows, rows, None

    monkeypatch.setitem(sys.modules, "rosetta", Module)
    monkeypatch.setattr(van_genuchten, "SOILS_TOGETHER", 4)
    return asked


def test_soils_go_to_rosetta_in_its_order_and_come_back_in_ours(fake):
    sand, clay = np.linspace(10, 70, 6).reshape(3, 2), np.full((3, 2), 25.0)
    water = rosetta(sand, clay, np.full((3, 2), 1.4))
    assert fake[1] == [22.0, 53.0, 25.0, 1.4]
    assert len(fake) == 6
    assert water.porosity.shape == (3, 2)
    np.testing.assert_allclose(water.conductivity, 200.0)  # cm to mm
    layers = vic_soil(water, sand, np.full((3, 2), 1.4))
    np.testing.assert_allclose(layers["resid_moist"], 0.06)
    assert (layers["resid_moist"] < layers["Wpwp_FRACT"] * 0.42).all()
    assert (layers["Wpwp_FRACT"] < layers["Wcr_FRACT"]).all()
    assert (layers["expt"] > 3).all()


def test_a_soil_without_an_answer_is_named(fake):
    with pytest.raises(DataError, match=r"no answer for sand 99, silt 1, clay 0 %"):
        rosetta_curves(np.array([40.0, 99.0]), np.array([20.0, 0.0]), np.array([1.4, 1.4]))


def test_functions_without_a_residual_keep_two_percent():
    one = np.ones(1)
    soil = (40 * one, 20 * one, 2 * one)
    assert vic_soil(saxton_rawls(*soil), soil[0], 1.4 * one)["resid_moist"] == RESIDUAL


@needs_rosetta
def test_rosetta_itself():
    """The package's printed example, and the order of the textures."""
    from rosetta import rosetta as package

    mean, _, codes = package(3, [[20, 60, 20], [55, 25, 20, 1.1]])
    np.testing.assert_allclose(
        mean[:, :5], [[0.0899, 0.4301, 0.0038, 1.4993, 15.8995], [0.0913, 0.4850, 0.0097, 1.4172, 84.7834]], rtol=0.02
    )
    assert codes.tolist() == [2, 3]
    sand, clay = np.array([90.0, 40.0, 20.0]), np.array([4.0, 20.0, 50.0])
    water = rosetta(sand, clay, np.array([1.5, 1.4, 1.3]))
    assert water.conductivity[0] > 10 * water.conductivity[1:].max()
    assert (np.diff(water.field_capacity) > 0).all()
    assert (np.diff(water.exponent) > 0).all()
    assert (water.wilting_point < water.field_capacity).all()
