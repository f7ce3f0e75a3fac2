"""Short-wave and long-wave radiation: known by what reaches the atmosphere and by what warm air sends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.core.proof import Proof
from paraformer.core.radiation import prove_radiation, top_of_atmosphere

DAYS = np.arange("2015-01-01", "2016-01-01", dtype="datetime64[D]")
LATITUDES = np.array([-3.0, 25.0, -38.0, 47.0, 64.0])


def weather(steps: int = 1) -> dict[str, np.ndarray]:
    """Sunlight under changing clouds, long-wave of the same clouds, air of the season."""
    top = top_of_atmosphere(LATITUDES, DAYS).T
    cloud = np.random.default_rng(0).uniform(0.0, 1.0, top.shape)
    tair = -10.0 + 0.08 * top
    series = {
        "swdown": top * (0.75 - 0.6 * cloud),
        "lwdown": (0.65 + 0.32 * cloud) * 5.67e-8 * (tair + 273.15) ** 4,
        "tair": tair,
    }
    return {name: np.repeat(values, steps, axis=1) for name, values in series.items()}


def prove(forcing: dict[str, np.ndarray], **more: Any) -> Proof:
    proof = Proof("weather.nc")
    prove_radiation(proof, forcing, LATITUDES, DAYS, lambda cell, day: f"cell {cell}, {DAYS[day]}", **more)
    return proof


@pytest.mark.parametrize("steps", [1, 8])
def test_what_weather_has_passes_in_silence(steps: int) -> None:
    proof = prove(weather(steps))
    assert proof.refused == []


@pytest.mark.parametrize("cell", range(len(LATITUDES)))
def test_exchanged_is_refused_at_every_latitude(cell: int) -> None:
    forcing = weather()
    forcing["swdown"][cell], forcing["lwdown"][cell] = forcing["lwdown"][cell].copy(), forcing["swdown"][cell].copy()
    proof = prove(forcing, names={"swdown": "SWDOWN", "lwdown": "LWDOWN"})
    with pytest.raises(DataError, match=rf"SWDOWN and LWDOWN at cell {cell}, 2015-.*: found .* are they exchanged\?"):
        proof.finish()


def test_weather_that_is_made_up_is_no_exchange() -> None:
    """Constant radiation is more than reaches the atmosphere in winter, and so it would be the other way round."""
    forcing = weather()
    forcing["swdown"][3, 10] = 450.0
    assert prove(forcing).refused == []
    made_up = {"swdown": np.full_like(forcing["tair"], 200.0), "lwdown": np.full_like(forcing["tair"], 300.0)}
    assert prove(forcing | made_up).refused == []


def test_the_top_of_the_atmosphere_is_that_of_fao_56_and_of_polar_days_and_nights() -> None:
    """Example 8 of Allen et al. (1998): 20 degrees south, 3 September, 32.2 MJ m-2 day-1."""
    days = np.array(["2015-09-03", "2015-12-21", "2015-06-21"], dtype="datetime64[D]")
    found = top_of_atmosphere(np.array([-20.0, 80.0, 90.0]), days)
    assert found[0, 0] * 0.0864 == pytest.approx(32.2, abs=0.05)
    assert found[1, 1:].tolist() == [0.0, 0.0]
    at_the_pole = 1367.0 * (1 - 0.033) * np.sin(0.409)
    assert found[2, 2] == pytest.approx(at_the_pole, rel=2e-3)
