"""Climate indices against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraformer.data.climate import CLIMATE, climate_indices, priestley_taylor, saturation_vapour_pressure

DAYS = np.arange(np.datetime64("2015-01-01"), np.datetime64("2019-01-01"))
ANGLE = 2 * np.pi * ((DAYS - DAYS.astype("datetime64[Y]")).astype(int) + 1) / 365.25


def forcing(**changes: np.ndarray) -> dict[str, np.ndarray]:
    base = {"prcp": 2.0, "tair": 10.0, "swdown": 200.0, "lwdown": 300.0, "wind": 3.0, "vp": 0.8, "pres": 100.0}
    return {
        name: np.broadcast_to(np.atleast_2d(changes.get(name, value)), (1, len(DAYS))) for name, value in base.items()
    }


def test_constant_weather():
    found = climate_indices(forcing(), DAYS)
    assert list(found) == list(CLIMATE)
    assert found["climate_p_mean"][0] == pytest.approx(2.0)
    assert found["climate_t_amplitude"][0] == pytest.approx(0.0, abs=1e-9)
    assert found["climate_p_seasonality"][0] == pytest.approx(0.0, abs=1e-9)
    assert found["climate_frac_snow"][0] == 0
    assert found["climate_low_prec_freq"][0] == 0
    assert found["climate_vpd_mean"][0] == pytest.approx(saturation_vapour_pressure(np.array([[10.0]]))[0, 0] - 0.8)
    pet = priestley_taylor(*(np.full((1, 1), v) for v in (10.0, 200.0, 300.0, 100.0)))[0, 0]
    assert found["climate_aridity"][0] == pytest.approx(pet / 2.0)


def test_saturation_pressure_and_evapotranspiration_are_the_textbook_values():
    assert saturation_vapour_pressure(np.array([[20.0]]))[0, 0] == pytest.approx(2.338, abs=0.003)  # FAO-56, Table 2.3
    net = 0.77 * 250 + 0.97 * (330 - 5.67e-8 * 293.15**4)
    slope, gamma, latent = 0.1447, 0.0666, 2.4538  # FAO-56, Tables 2.2 and 2.4; 1.013e-3 x 100 / (0.622 x 2.4538)
    expected = 1.26 * slope / (slope + gamma) * net * 0.0864 / latent
    found = priestley_taylor(*(np.full((1, 1), v) for v in (20.0, 250.0, 330.0, 100.0)))[0, 0]
    assert found == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.6), (np.pi, -0.6), (np.pi / 2, 0.0)])
def test_seasonality_of_precipitation_is_positive_for_summer_rain(shift, expected):
    found = climate_indices(
        forcing(prcp=3 * (1 + 0.6 * np.sin(ANGLE + 1 + shift)), tair=10 + 8 * np.sin(ANGLE + 1)), DAYS
    )
    assert found["climate_t_amplitude"][0] == pytest.approx(8.0, abs=0.01)
    assert found["climate_p_seasonality"][0] == pytest.approx(expected, abs=0.01)


def test_spells_snow_and_heavy_days():
    prcp = np.zeros(len(DAYS))
    prcp[3::4] = 4.0  # three dry days, one wet
    tair = np.where(np.arange(len(DAYS)) % 8 == 3, -1.0, 5.0)  # every second wet day is cold
    found = climate_indices(forcing(prcp=prcp, tair=tair), DAYS)
    assert found["climate_low_prec_dur"][0] == pytest.approx(3.0, abs=0.01)
    assert found["climate_low_prec_freq"][0] == pytest.approx(0.75 * 365.25, rel=0.01)
    assert found["climate_frac_snow"][0] == pytest.approx(0.5, abs=0.01)
    assert found["climate_high_prec_freq"][0] == 0  # 4 mm is 4 times the mean
    prcp[7::8] = 0.0
    found = climate_indices(forcing(prcp=prcp, tair=tair), DAYS)
    assert found["climate_high_prec_freq"][0] == pytest.approx(365.25 / 8, rel=0.01)


def test_a_cell_without_rain_stays_finite():
    found = climate_indices(forcing(prcp=np.zeros(len(DAYS))), DAYS)
    assert all(np.isfinite(values).all() for values in found.values())
    assert found["climate_low_prec_dur"][0] == len(DAYS)


@given(st.floats(-60, 55), st.floats(0, 500), st.floats(50, 600), st.floats(50, 105))
def test_evapotranspiration_is_never_negative(tair, swdown, lwdown, pres):
    found = priestley_taylor(*(np.full((1, 1), v) for v in (tair, swdown, lwdown, pres)))
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("n", [1, 20, 400])
def test_short_periods_do_not_break(n):
    series = {name: values[:, :n] for name, values in forcing(prcp=2 + np.sin(ANGLE), tair=np.cos(ANGLE)).items()}
    found = climate_indices(series, DAYS[:n])
    assert all(np.isfinite(values).all() for values in found.values())
