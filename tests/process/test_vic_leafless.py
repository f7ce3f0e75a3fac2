"""Months without leaves (LAI 0, or fcanopy 0): water is kept, results stay finite, and an overstory still radiates.

The numbers are held against compiled VIC-5 in ``tests/golden``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paraformer.core.errors import DataError
from paraformer.process.vic.canopy_snow import FOREST, evolve_canopy
from paraformer.process.vic.constants import AIR_HEAT_CAPACITY, EMISSIVITY, KELVIN, STEFAN_BOLTZMANN
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Simulation, simulate
from paraformer.process.vic.state import STATE
from process.miniature import make_forcing, make_parameters

STORED = ("soil_moisture_1", "soil_moisture_2", "soil_moisture_3", "swe", "canopy_snow", "canopy_water", "snow_depth")
FLUXES = ("evapotranspiration", "runoff", "baseflow", "inflow", "snow_melt", "canopy_sublimation", "snow_sublimation")
FOREST_TILE, GRASS_TILE = 0, 1
WINTER = {"temperature": -3.0, "swing": 4.0, "rain": 8.0, "first_day": 25}


def _in_months(values: np.ndarray, tile: int, months: Any, value: float = 0.0) -> np.ndarray:
    """A copy of a monthly field with another value in some months (0..11) of one tile."""
    changed = values.copy()
    changed[:, tile, months] = value
    return changed


def _run(parameters: CellParameters, steps: int = 8, mode: Any = "conserving", n_day: int = 60, **weather: Any) -> Any:
    return simulate(
        parameters,
        make_forcing(parameters.n_cell, n_day, **{**WINTER, **weather}),
        VICSettings(model_steps_per_day=steps, water_balance=mode),
        outputs=(*STORED, *FLUXES),
        return_state=True,
    )


def _require_sound(result: Simulation) -> None:
    for name, values in result.outputs.items():
        assert np.isfinite(values).all(), name
    for name in STORED:
        assert result.outputs[name].min() >= -1e-12, name
    assert result.state is not None
    for name in result.state.dtype.names or ():
        assert np.isfinite(result.state[name]).all(), name


@settings(max_examples=40, deadline=None)
@given(
    leafless=st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=2, max_size=2),
    by=st.sampled_from(["lai", "fcanopy", "both"]),
    fraction=st.floats(0.0, 1.0),
    roughness=st.sampled_from([1.5, 0.1, 1e-4]),
    temperature=st.floats(-40.0, 20.0),
    rain=st.floats(0.0, 60.0),
    wind=st.floats(0.0, 20.0),
    humidity=st.floats(0.0, 1.2),
    seed=st.integers(0, 9),
    first_day=st.integers(1, 365),
    steps=st.sampled_from([1, 8]),
)
def test_any_months_without_leaves_in_any_weather_keep_the_water(
    leafless: list[list[bool]],
    by: str,
    fraction: float,
    roughness: float,
    temperature: float,
    rain: float,
    wind: float,
    humidity: float,
    seed: int,
    first_day: int,
    steps: int,
) -> None:
    """Also where leaves go with snow and water on them, in some tiles only, and with a smooth overstory."""
    parameters = make_parameters(2)
    lai, fcanopy, rough = parameters.lai.copy(), parameters.fcanopy.copy(), parameters.veg_rough.copy()
    fcanopy[:, FOREST_TILE] = fraction
    rough[:, FOREST_TILE] = roughness
    for tile, months in enumerate(leafless):
        if by in ("lai", "both"):
            lai[:, tile, months] = 0.0
        if by in ("fcanopy", "both"):
            fcanopy[:, tile, months] = 0.0
    weather = {"temperature": temperature, "rain": rain, "wind": wind, "humidity": humidity, "first_day": first_day}
    changed = parameters._replace(lai=lai, fcanopy=fcanopy, veg_rough=rough)
    closed = _run(changed, steps, n_day=50, seed=seed, **weather)
    assert closed.max_abs_water_error.max() < 1e-9
    _require_sound(closed)
    _require_sound(_run(changed, steps, "vic", n_day=50, seed=seed, **weather))


@pytest.mark.parametrize("steps", [1, 8])
@pytest.mark.parametrize("mode", ["vic", "conserving"])
def test_no_leaves_by_lai_or_by_fcanopy_is_the_same(mode: str, steps: int) -> None:
    parameters = make_parameters(2, partial_canopy=False)
    months = slice(1, 12)  # from February on
    by_lai = _run(parameters._replace(lai=_in_months(parameters.lai, FOREST_TILE, months)), steps, mode)
    by_fraction = _run(parameters._replace(fcanopy=_in_months(parameters.fcanopy, FOREST_TILE, months)), steps, mode)
    for name in (*STORED, *FLUXES):
        np.testing.assert_array_equal(by_lai.outputs[name], by_fraction.outputs[name], err_msg=name)


@pytest.mark.parametrize("steps", [1, 8])
def test_snow_and_water_of_the_month_before_reach_the_ground(steps: int) -> None:
    """The last day of January ends with snow in the trees; on the first day of February it lies below them."""
    parameters = make_parameters(1, partial_canopy=False)
    changed = parameters._replace(fcanopy=_in_months(parameters.fcanopy, FOREST_TILE, slice(1, 12)))
    leaves, none = (_run(p, steps, n_day=10) for p in (parameters, changed))
    caught = leaves.outputs["canopy_snow"][0, 0]
    last = 6  # day of January 31
    assert caught[last] > 0.1
    np.testing.assert_array_equal(none.outputs["canopy_snow"][0, 0, : last + 1], caught[: last + 1])
    assert none.outputs["canopy_snow"][0, 0, last + 1] == 0.0
    assert none.max_abs_water_error.max() < 1e-9
    dropped = _run(changed, steps, "vic", n_day=10).max_abs_water_error.max()
    assert dropped == pytest.approx(caught[last] + none.outputs["canopy_water"][0, 0, last], rel=1e-6)


def test_the_ground_below_bare_trees_gets_their_longwave() -> None:
    """Foliage near air temperature radiates more than a clear winter sky, so the pack below is warmer and thinner."""
    parameters = make_parameters(2)
    bare_trees = parameters._replace(lai=_in_months(parameters.lai, FOREST_TILE, slice(0, 12)))
    shrubs = bare_trees._replace(overstory=np.zeros_like(parameters.overstory))
    under_trees, open_ground = (_run(p) for p in (bare_trees, shrubs))
    assert (under_trees.outputs["swe"][:, 0, -1] < open_ground.outputs["swe"][:, 0, -1] - 1.0).all()
    assert under_trees.outputs["canopy_snow"].max() == 0.0


@pytest.mark.parametrize("snowfall", [0.0, 0.004])
def test_bare_foliage_is_in_radiative_and_sensible_balance(snowfall: float) -> None:
    """Sky + ground - 2 emission + sensible heat = 0; nothing is caught, and all rain and snow fall through."""
    forest, state = np.zeros(1, dtype=FOREST), np.zeros(1, dtype=STATE)
    given = {
        "air_temperature": -6.5,
        "longwave": 215.0,
        "longwave_up": 250.0,
        "air_density": 1.09,
        "pressure": 82375.0,
        "vapour_pressure": 200.0,
        "vpd": 65.0,
        "wind": 2.0,
        "resistance": 16.2,
        "architectural_resistance": 50.0,
        "elevation": 1600.0,
        "time_step": 10800.0,
        "snowfall": snowfall,
    }
    for name, value in given.items():
        forest[name] = value
    evolve_canopy(forest[0], state[0])
    found = float(state["foliage_temperature"][0])
    emitted = EMISSIVITY * STEFAN_BOLTZMANN * (found + KELVIN) ** 4
    sensible = AIR_HEAT_CAPACITY * 1.09 * (-6.5 - found) / 16.2
    assert abs(215.0 + 250.0 - 2.0 * emitted + sensible) < 1e-4
    assert (forest["snow"][0], forest["liquid"][0], forest["evaporation"][0]) == (0.0, 0.0, 0.0)
    assert (forest["rain"][0], forest["snowfall"][0]) == (0.0, snowfall)


def test_grass_without_leaves_does_not_radiate_as_a_canopy() -> None:
    """Only overstory does: grass of LAI 0 is open ground, as it was."""
    parameters = make_parameters(2, seasonal_leaves=False)
    grass_alone = parameters._replace(cv=np.tile([0.0, 1.0, 0.0], (2, 1)))
    soil_alone = parameters._replace(cv=np.tile([0.0, 0.0, 1.0], (2, 1)))
    leafless = grass_alone._replace(lai=_in_months(parameters.lai, GRASS_TILE, slice(0, 12)))
    as_soil = leafless._replace(
        veg_rough=_in_months(parameters.veg_rough, GRASS_TILE, slice(0, 12)),
        displacement=_in_months(parameters.displacement, GRASS_TILE, slice(0, 12)),
    )
    np.testing.assert_array_equal(_run(as_soil).outputs["swe"], _run(soil_alone).outputs["swe"])


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("displacement", "displacement at cell 101, .*expected above 0 m for trees"),
        ("wind_atten", "trunk_ratio at cell 101, .* with wind_atten 0, expected both above 0"),
    ],
)
def test_overstory_without_height_is_refused(field: str, words: str) -> None:
    """Its wind profile has no numbers; VIC-5 computes NaN."""
    parameters = make_parameters(2)
    values = getattr(parameters, field).copy()
    values[1, FOREST_TILE] = 0.0
    with pytest.raises(DataError, match=words) as refusal:
        _run(parameters._replace(**{field: values}))
    assert "\n" not in str(refusal.value)
