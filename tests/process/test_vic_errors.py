"""Bad input stops with one line that names what is wrong and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.process.vic.settings import VICSettings, require_supported_options
from paraformer.process.vic.simulate import simulate
from process.miniature import make_forcing, make_parameters


def _spoil(field: np.ndarray, where: Any, value: float) -> np.ndarray:
    spoiled = field.copy()
    spoiled[where] = value
    return spoiled


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tair", np.nan, r"'tair', cell 101, day 2, step 1: missing value"),
        ("tair", 288.0, r"'tair', cell 101, day 2, step 1: found 288.*Kelvin"),
        ("prcp", -0.1, r"'prcp', cell 101.*found -0.1, expected \[0"),
        ("vp", 1200.0, r"'vp'.*kPa: Pa\?"),
        ("pres", 95000.0, r"'pres'.*kPa: Pa\?"),
        ("swdown", -5.0, r"'swdown'"),
        ("wind", np.inf, r"'wind'"),
    ],
)
def test_forcing(name: str, value: float, message: str) -> None:
    forcing = make_forcing()
    forcing = forcing._replace(**{name: _spoil(getattr(forcing, name), (1, 17), value)})
    with pytest.raises(DataError, match=message) as caught:
        simulate(make_parameters(), forcing, VICSettings())
    assert "\n" not in str(caught.value)


def test_forcing_of_the_wrong_shape() -> None:
    with pytest.raises(DataError, match=r"'prcp' has shape \(2, 320\); expected \(2, 960\) \(24 steps a day"):
        simulate(make_parameters(), make_forcing(), VICSettings(snow_steps_per_day=24))


@pytest.mark.parametrize(
    ("name", "where", "value", "message"),
    [
        ("wpwp_fract", (1, 0), 0.9, r"cell 101: Wpwp_FRACT .* exceeds Wcr_FRACT"),
        ("depth", (0, 0), 0.5, r"cell 100, set 0: depth_1 = 0.5 must not exceed depth_2"),
        ("expt", (0, 1), 2.5, r"expt_2 = 2.5 expected 3.01 to 200"),
        ("bulk_density", (1, 2), 3000.0, r"bulk_density"),
        ("wind_h", (0, 1), 0.0, r"wind_h .*must be above 0"),
        ("resid_moist", (0, 0), 0.3, r"Wpwp_FRACT .* below residual moisture"),
        ("lai", (0, 0, 3), np.nan, r"lai .* is not finite"),
        ("fcanopy", (0, 0, 3), 1.2, r"fcanopy"),
        ("root_fract", (0, 0, 0), 0.9, r"root_fract .* does not sum to 1"),
    ],
)
def test_parameters(name: str, where: Any, value: float, message: str) -> None:
    parameters = make_parameters()
    parameters = parameters._replace(**{name: _spoil(getattr(parameters, name), where, value)})
    with pytest.raises(DataError, match=message) as caught:
        simulate(parameters, make_forcing(), VICSettings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("names", "theta", "kind", "message"),
    [
        (("infilt", "expd"), [0.2, 9.0], SettingsError, r"unknown VIC parameter 'expd'; did you mean 'expt'"),
        (("expt", "expt_1"), [9.0, 9.0], SettingsError, r"'expt' and 'expt_1' both set expt_1"),
        (("ds",), [1.5], DataError, r"cell 100, set 0: ds = 1.5 expected 0 to 1"),
        (("dsmax",), [-1.0], DataError, r"dsmax = -1 expected 0 to 100000 mm day-1"),
        (("ws",), [np.nan], DataError, r"ws = nan"),
        (("wcr",), [3.0], DataError, r"wcr = 3 puts the critical point of layer 1 above saturation"),
        (("infilt",), [0.2, 0.3], DataError, r"theta has shape"),
    ],
)
def test_theta(names: tuple[str, ...], theta: list[float], kind: type[Exception], message: str) -> None:
    values = np.broadcast_to(np.array(theta), (2, 1, len(theta)))
    with pytest.raises(kind, match=message):
        simulate(make_parameters(), make_forcing(), VICSettings(), theta=values, theta_names=names)


def test_outputs_and_state() -> None:
    with pytest.raises(ModelError, match="no output 'soil_moisture_4'; did you mean 'soil_moisture"):
        simulate(make_parameters(), make_forcing(), VICSettings(), outputs=("soil_moisture_4",))
    state = simulate(make_parameters(3), make_forcing(3), VICSettings(), return_state=True).state
    with pytest.raises(DataError, match="initial state has shape"):
        simulate(make_parameters(), make_forcing(), VICSettings(), initial_state=state)
    with pytest.raises(SettingsError, match="spin-up of 1 x 99 days"):
        simulate(make_parameters(), make_forcing(), VICSettings(), spin_up_days=99, spin_up_cycles=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model_steps_per_day": 3}, "must be 1, or from 4"),
        ({"model_steps_per_day": 8, "snow_steps_per_day": 24}, "must equal model_steps_per_day"),
        ({"snow_steps_per_day": 3}, "at least 4"),
        ({"runoff_steps_per_day": 20, "model_steps_per_day": 8}, "multiple of model_steps_per_day"),
        ({"full_energy": True}, "Extra inputs"),
        ({"water_balance": "leaky"}, "conserving"),
    ],
)
def test_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VICSettings(**options)


def test_unsupported_options_are_refused_by_name() -> None:
    require_supported_options({"FULL_ENERGY": "FALSE", "NLAYER": "3", "STARTYEAR": "1990"})
    with pytest.raises(SettingsError, match="FROZEN_SOIL TRUE is not supported: set FROZEN_SOIL FALSE"):
        require_supported_options({"FROZEN_SOIL": "TRUE"})
