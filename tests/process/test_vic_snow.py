"""The snow pack and snow in trees, function by function: budgets to rounding, every branch against numbers by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paraformer.process.vic.canopy_energy import canopy_energy_balance, canopy_surface
from paraformer.process.vic.canopy_snow import (
    FOREST,
    evolve_canopy,
    intercept_rain,
    intercept_snow,
    interception_capacity,
    liquid_capacity,
    melt_and_release,
    melt_at_zero,
    release_mass,
    solve_foliage_temperature,
)
from paraformer.process.vic.pack_energy import pack_energy_balance, pack_surface
from paraformer.process.vic.snow_density import compaction, settle, settling
from paraformer.process.vic.snow_pack import (
    PACK,
    add_precipitation,
    age_surface,
    clear_pack,
    evolve_pack,
    exchange_energy,
    freeze_all,
    redistribute_ice,
    route_liquid,
    tabulate_albedo,
    update_melt_season,
)
from paraformer.process.vic.snow_pack import melt_at_zero as melt_pack
from paraformer.process.vic.state import STATE
from paraformer.process.vic.thin_snow import exchange_thin_snow
from process.records import in_python, record

in_python(globals())
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the model divides by zero without a word, as C does

CH, FUSION, HOUR = 2117270.0, 3.337e5, 3600.0  # heat capacity of ice [J m-3 K-1], heat of fusion [J kg-1], [s]
MELT = FUSION * 1000.0  # [J m-3]
AIR: dict[str, float] = {
    "air_temperature": -3.0,
    "shortwave": 200.0,
    "longwave": 250.0,
    "air_density": 1.25,
    "pressure": 9e4,
    "vapour_pressure": 350.0,
    "vpd": 130.0,
    "wind": 3.0,
    "time_step": HOUR,
}


def pack(**values: Any) -> Any:
    """A sub-step of an hour over 2 m of air."""
    base = AIR | {
        "resistance": 60.0,
        "thin_resistance": 70.0,
        "height": 2.0,
        "log_height": np.log(2.0 / 0.001),
        "latent_heat": 2.5e6,
        "ground_temperature": -1.0,
        "latitude": 45.0,
        "day_of_year": 40.0,
    }
    made = record(PACK, **(base | values))
    tabulate_albedo(HOUR, made)
    return made


def forest(**values: Any) -> Any:
    base = AIR | {
        "snow_free_albedo": 0.12,
        "longwave_up": 300.0,
        "resistance": 30.0,
        "architectural_resistance": 50.0,
        "elevation": 500.0,
        "lai": 2.0,
        "capacity": 0.2,
        "latent_scale": 1.0,
    }
    return record(FOREST, **(base | values))


@pytest.mark.parametrize(
    ("swe", "snow", "air", "ice", "temperatures"),
    [
        (0.05, 0.02, -5.0, (0.07, 0.0), (-0.2 / 0.07, 0.0)),  # all of it in the surface layer
        (0.10, 0.05, -4.0, (0.125, 0.025), (-0.35 / 0.125, -2.0)),  # old surface pushed down
        (0.02, 0.30, -4.0, (0.125, 0.195), (-4.0, -0.74 / 0.195)),  # fresh snow pushed down too
        (0.30, 0.05, -4.0, (0.175, 0.175), (-0.45 / 0.175, -3.0)),  # full already
        (0.05, 0.02, 0.3, (0.07, 0.0), (-0.1 / 0.07, 0.0)),  # snow at the melting point has no cold
        (0.0, 0.0, -5.0, (0.0, 0.0), (0.0, 0.0)),
    ],
)
def test_fallen_snow_brings_its_cold_and_pushes_the_rest_down(
    swe: float, snow: float, air: float, ice: tuple[float, float], temperatures: tuple[float, float]
) -> None:
    step = pack(snowfall=snow, rain=0.001, air_temperature=air)
    state = record(STATE, swe=swe + 0.003, surface_water=0.002, pack_water=0.001)
    state.surface_temperature, state.pack_temperature = -2.0, -3.0
    add_precipitation(step, state)
    assert (step.surface_ice, step.pack_ice) == pytest.approx(ice, abs=1e-15)
    assert step.ice == pytest.approx(swe + snow, abs=1e-15)
    assert (state.surface_temperature, state.pack_temperature) == pytest.approx(temperatures, abs=1e-12)
    cold = step.surface_ice * state.surface_temperature, step.pack_ice * state.pack_temperature
    assert (step.surface_cold, step.pack_cold) == pytest.approx((CH * cold[0], CH * cold[1]), rel=1e-12)
    assert (state.surface_water, state.pack_water) == pytest.approx((0.003, 0.001), abs=1e-15)


@pytest.mark.parametrize(
    ("energy", "vapour", "left", "water", "below"),
    [
        (5e4, 1e-4, (0.1 + 0.002, 0.06), 0.01 - 0.002 + 1e-4, 0.004),  # refreezes as much as energy allows
        (1e9, 0.0, (0.1 + 0.01, 0.06), 0.0, 0.004),  # ... at most what there is
        (-0.02, 0.0, (0.1, 0.04), 0.03, 0.004),  # melts from below first
        (-0.05, 0.0, (0.1, 0.01), 0.06, 0.004),
        (-0.1, 0.0, (0.06, 0.0), 0.01 + 0.1 + 0.004, 0.0),
        (-0.16, 0.0, (0.0, 0.0), 0.17, 0.004),  # exactly all ice
        (-0.5, 0.0, (0.0, 0.0), 0.17, 0.004),
        (-0.02, -0.003, (0.1, 0.04), 0.027, 0.004),
        (-0.02, -0.05, (0.1, 0.04), 0.02, 0.004),  # more vapour than liquid: what there is
    ],
)
def test_melt_and_refreezing_at_zero(
    energy: float, vapour: float, left: tuple[float, float], water: float, below: float
) -> None:
    refreeze = 0.002 * MELT / HOUR if energy == 5e4 else energy * MELT / HOUR if energy < 0 else energy
    step = pack(refreeze_energy=refreeze, vapour=vapour, ice=0.16, surface_ice=0.1, pack_ice=0.06)
    state = record(STATE, surface_water=0.01, pack_water=0.004, surface_temperature=-1.0, pack_temperature=-2.0)
    melt_pack(step, state)
    assert (step.surface_ice, step.pack_ice) == pytest.approx(left, abs=1e-12)
    assert step.ice == pytest.approx(sum(left), abs=1e-12)
    assert (state.surface_water, state.pack_water) == pytest.approx((water, below), abs=1e-12)
    assert step.vapour == pytest.approx(max(vapour, -0.01), abs=1e-15)
    gone = step.ice == 0.0
    assert (state.surface_temperature, state.pack_temperature) == ((0.0, 0.0) if gone else (-1.0, -2.0))


def test_below_zero_all_liquid_freezes_and_vapour_comes_from_ice() -> None:
    for vapour, surface in ((2e-4, 0.0522), (-0.06, 0.0), (-0.052, 0.0)):
        step, state = pack(vapour=vapour, ice=0.08, surface_ice=0.05, pack_ice=0.03), record(STATE, surface_water=0.002)
        freeze_all(step, state)
        assert state.surface_water == 0.0
        assert step.surface_ice == pytest.approx(surface, abs=1e-15)
        assert step.ice == pytest.approx(surface + 0.03, abs=1e-15)
        assert step.vapour == pytest.approx(max(vapour, -0.052), abs=1e-15)


def test_liquid_drains_through_the_layers() -> None:
    """3.5 % of the ice stays in each layer; a cold lower layer freezes what comes, a warm one passes it on."""
    step, state = pack(surface_ice=0.125, pack_ice=0.1), record(STATE, surface_water=0.014375, pack_water=0.002)
    route_liquid(step, state)
    assert (state.surface_water, state.pack_water) == pytest.approx((0.004375, 0.0035), abs=1e-15)
    assert step.outflow == pytest.approx(0.0085, abs=1e-15)
    assert state.swe == pytest.approx(0.225 + 0.004375 + 0.0035, abs=1e-15)
    assert state.pack_temperature == 0.0

    cold = CH * 0.1 * -20.0  # freezes 12.7 mm
    step = pack(surface_ice=0.125, pack_ice=0.1, surface_cold=0.0, pack_cold=cold)
    state = record(STATE, surface_water=0.014375, pack_temperature=-20.0)
    route_liquid(step, state)
    left = 0.11 * CH * -20.0 + 0.01 * MELT
    assert (step.pack_ice, state.pack_water, step.outflow) == pytest.approx((0.11, 0.0, 0.0), abs=1e-15)
    assert state.pack_temperature == pytest.approx(left / (CH * 0.11), rel=1e-12)

    cold = CH * 0.1 * -2.0  # freezes 1.27 mm of 10
    step = pack(surface_ice=0.125, pack_ice=0.1, pack_cold=cold)
    state = record(STATE, surface_water=0.014375, pack_temperature=-2.0)
    route_liquid(step, state)
    frozen = -cold / MELT
    assert step.pack_ice == pytest.approx(0.1 + frozen, rel=1e-14)
    assert state.pack_water == pytest.approx(0.035 * (0.1 + frozen), rel=1e-12)
    assert step.outflow == pytest.approx(0.01 - frozen - 0.035 * (0.1 + frozen), rel=1e-12)
    assert state.pack_temperature == 0.0


def test_a_pack_that_has_drained_is_at_zero() -> None:
    step, state = pack(), record(STATE, surface_water=0.004, surface_temperature=-1.0, pack_temperature=-1.0)
    route_liquid(step, state)
    assert step.outflow == pytest.approx(0.004, abs=1e-18)
    assert (state.swe, state.surface_temperature, state.pack_temperature) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("ice", "wanted", "temperatures", "cold"),
    [
        ((0.2, 0.1), (0.125, 0.175), (-2.0, -0.55 / 0.175), (-0.25, -0.55)),
        ((0.1, 0.1), (0.125, 0.075), (-0.275 / 0.125, -4.0), (-0.275, -0.3)),  # moved cold is taken twice (Q7)
        ((0.125, 0.1), (0.125, 0.1), (-2.0, -4.0), (-0.25, -0.4)),
        ((0.06, 0.04), (0.06, 0.04), (-2.0, 0.0), (7.0, 8.0)),  # too little ice for two layers
    ],
)
def test_the_surface_layer_holds_an_eighth_of_a_metre(
    ice: tuple[float, float],
    wanted: tuple[float, float],
    temperatures: tuple[float, float],
    cold: tuple[float, float],
) -> None:
    step = pack(surface_ice=ice[0], pack_ice=ice[1], surface_cold=7.0 * CH, pack_cold=8.0 * CH)
    state = record(STATE, surface_temperature=-2.0, pack_temperature=-4.0)
    redistribute_ice(step, state)
    assert (step.surface_ice, step.pack_ice) == pytest.approx(wanted, abs=1e-15)
    assert step.ice == pytest.approx(sum(ice), abs=1e-15)
    assert (state.surface_temperature, state.pack_temperature) == pytest.approx(temperatures, rel=1e-12)
    assert (step.surface_cold / CH, step.pack_cold / CH) == pytest.approx(cold, rel=1e-12)


@pytest.mark.parametrize(
    ("latitude", "day", "cold", "snowfall", "before", "after"),
    [
        (45.0, 61.0, 0.0, 0.0, 0, 1),
        (45.0, 60.0, 0.0, 0.0, 0, 0),
        (45.0, 272.0, 0.0, 0.0, 0, 1),
        (45.0, 273.0, 0.0, 0.0, 0, 0),
        (0.0, 100.0, 0.0, 0.0, 0, 1),
        (-45.0, 100.0, 0.0, 0.0, 0, 0),
        (-45.0, 59.0, 0.0, 0.0, 0, 1),
        (-45.0, 60.0, 0.0, 0.0, 0, 0),
        (-45.0, 273.0, 0.0, 0.0, 0, 0),
        (-45.0, 274.0, 0.0, 0.0, 0, 1),
        (45.0, 100.0, -1.0, 0.0, 0, 0),
        (45.0, 100.0, -1.0, 3e-5, 1, 1),
        (45.0, 100.0, -1.0, 4e-5, 1, 0),
    ],
)
def test_melt_season(latitude: float, day: float, cold: float, snowfall: float, before: int, after: int) -> None:
    step, state = pack(latitude=latitude, day_of_year=day, snowfall=snowfall), record(STATE, melting=before)
    state.cold_content = cold
    update_melt_season(step, state)
    assert state.melting == after


def test_fresh_snow_and_bare_ground_are_as_bright_as_new() -> None:
    for swe, above, age in ((0.1, 0.0, 8), (0.1, 0.5, 0), (0.0, 0.0, 0)):
        state = record(STATE, swe=swe, snow_age=7, albedo=0.5, cold_content=-1.0)
        age_surface(pack(snow_above=above), state)
        assert state.snow_age == age
        assert state.albedo == (0.85 if age == 0 else pytest.approx(0.85 * 0.94 ** ((8 / 24) ** 0.58), rel=1e-12))


def test_the_surface_temperature_closes_the_energy_balance() -> None:
    step, state = pack(net_shortwave=20.0), record(STATE, swe=0.06, depth=0.3, density=200.0)
    state.surface_temperature = step.previous_temperature = -4.0
    add_precipitation(step, state)
    surface = pack_surface(step, state)
    exchange_energy(step, state)
    assert step.solved == 1.0
    assert step.fallbacks == 0.0
    assert -30.0 < state.surface_temperature < 0.0
    assert pack_energy_balance(state.surface_temperature, surface) == pytest.approx(0.0, abs=1e-3)
    assert step.longwave_up == pytest.approx(0.97 * 5.67e-8 * (state.surface_temperature + 273.15) ** 4, rel=1e-9)


def test_too_much_energy_melts_at_zero() -> None:
    step, state = pack(net_shortwave=500.0, air_temperature=5.0, vpd=0.0, vapour_pressure=900.0), record(STATE)
    state.swe, state.depth, state.density = 0.06, 0.3, 200.0
    add_precipitation(step, state)
    exchange_energy(step, state)
    assert state.surface_temperature == 0.0
    melt = -step.refreeze_energy / MELT * HOUR
    assert 0.001 < melt < 0.01
    assert state.surface_water == pytest.approx(melt + step.vapour, rel=1e-12)
    assert step.ice == pytest.approx(0.06 - melt, rel=1e-12)
    assert step.vapour > 0.0


def test_a_pack_of_less_than_a_millimetre_is_marked() -> None:
    step, state = pack(vapour=1.0), record(STATE, swe=0.001)
    add_precipitation(step, state)
    exchange_energy(step, state)
    assert (state.surface_temperature, step.vapour, step.solved) == (999.0, 0.0, 0.0)


def test_a_thin_pack_takes_the_temperature_of_the_air() -> None:
    step = pack(previous_temperature=-2.0, air_temperature=-3.0, vapour_pressure=350.0)
    state = record(STATE, swe=0.0008, surface_water=0.0001, density=200.0)
    exchange_thin_snow(step, state)
    assert state.swe == pytest.approx(0.0008 + step.vapour, rel=1e-12)
    assert step.vapour < 0.0
    assert state.surface_temperature == -3.0
    assert state.cold_content == pytest.approx(CH * -3.0 * state.swe, rel=1e-12)
    assert state.depth == pytest.approx(1000.0 * state.swe / 200.0, rel=1e-12)
    frozen = (0.0001 * FUSION * 200.0) / MELT
    assert state.surface_water == pytest.approx(max(0.0001 + step.vapour, 0.0) - min(frozen, 0.0001), abs=1e-9)

    dry, gone = (
        pack(air_temperature=-3.0, vapour_pressure=0.0, time_step=8.64e6),
        record(STATE, swe=1e-5, density=200.0),
    )
    exchange_thin_snow(dry, gone)
    assert gone.swe == 0.0
    assert dry.vapour == -1e-5
    saturated = pack(air_temperature=-3.0, vpd=0.0, vapour_pressure=100.0)
    kept = record(STATE, swe=0.0005, density=200.0)
    exchange_thin_snow(saturated, kept)
    assert (kept.swe, saturated.vapour) == (0.0005, 0.0)


def test_a_pack_settles_under_fresh_snow_and_its_own_weight() -> None:
    fresh = 50.0 + 1000.0 * 0.266**2  # [kg m-3] at -3 degC
    for snowfall in (0.0, 0.01):
        step = pack(snowfall=snowfall, previous_swe=0.1)
        state = record(STATE, swe=0.1 + snowfall, depth=0.5, density=200.0, surface_temperature=-5.0)
        settle(step, state)
        depth = 0.5 - compaction(1000.0 * snowfall, 0.5, 0.1) + 1000.0 * snowfall / fresh
        depth -= settling(0.1 + snowfall, depth, 1000.0 * (0.1 + snowfall) / depth, -5.0, HOUR)
        assert state.depth == pytest.approx(depth, rel=1e-12)
        assert state.density == pytest.approx(1000.0 * (0.1 + snowfall) / depth, rel=1e-12)
    step, first = pack(snowfall=0.02, previous_swe=0.0), record(STATE, swe=0.02, surface_temperature=-5.0)
    settle(step, first)
    depth = 20.0 / fresh
    assert first.depth == pytest.approx(depth - settling(0.02, depth, fresh, -5.0, HOUR), rel=1e-12)
    for age, density in ((0, fresh), (5, 200.0)):  # too thin for an energy balance
        state = record(STATE, swe=0.1, depth=0.5, density=200.0, surface_temperature=999.0, snow_age=age)
        settle(pack(previous_swe=0.1), state)
        assert (state.density, state.depth) == pytest.approx((density, 100.0 / density), rel=1e-12)


def test_a_pack_keeps_its_water_through_a_winter() -> None:
    """Snow, rain, cold and thaw at random: what is there is what came, less what left, to rounding."""
    random = np.random.default_rng(3)
    state = record(STATE, albedo=0.85)
    seen: set[str] = set()
    for hour in range(2500):
        warm = np.sin(hour / 250.0) * 8.0 - 2.0
        falls = random.random() < 0.15
        air = float(warm + random.normal())
        amount = float(random.exponential(0.004)) if falls else 0.0
        step = pack(
            air_temperature=air,
            shortwave=float(max(0.0, 400.0 * np.sin(hour / 3.8))),
            longwave=220.0 + 4.0 * air,
            snow_above=1000.0 * amount if air < 0 else 0.0,
            snowfall=amount if air < 0 else 0.0,
            rain=0.0 if air < 0 else amount,
            day_of_year=float(hour % 365),
        )
        if state.swe == 0.0 and step.snowfall == 0.0:
            continue  # no pack, as the model's step has it
        before = float(state.swe)
        evolve_pack(step, state)
        came = step.snowfall + step.rain + step.vapour
        assert state.swe - before == pytest.approx(came - step.outflow, abs=1e-15 + 1e-14 * before)
        if state.swe == 0.0:
            assert (state.depth, state.density, state.surface_water, state.pack_water) == (0.0, 0.0, 0.0, 0.0)
        assert state.surface_water >= 0.0
        assert state.pack_water >= 0.0
        seen.add("gone" if state.swe == 0.0 else "deep" if state.swe > 0.3 else "thin" if not step.solved else "pack")
    assert seen == {"gone", "deep", "thin", "pack"}


def test_the_melt_season_ends_with_the_pack() -> None:
    step = pack(air_temperature=15.0, shortwave=900.0, longwave=400.0, day_of_year=150.0)
    state = record(STATE, swe=0.002, depth=0.01, density=200.0, albedo=0.5, melting=1)
    evolve_pack(step, state)
    assert (state.swe, state.melting) == (0.0, 0)
    assert step.outflow == pytest.approx(0.002 + step.vapour, abs=1e-15)


def test_no_pack() -> None:
    state = record(STATE, swe=1.0, density=2.0, depth=3.0, surface_water=4.0, pack_water=5.0, albedo=0.6)
    state.surface_temperature, state.pack_temperature = -1.0, -2.0
    clear_pack(state)
    names = ("swe", "density", "depth", "surface_water", "pack_water", "surface_temperature", "pack_temperature")
    assert [state[name] for name in names] == [0.0] * 7
    assert state.albedo == 0.6


@pytest.mark.parametrize(
    ("temperature", "factor"), [(-9.0, 1.0), (-3.0, 1.0), (-2.0, 2.5), (-1.0, 1.0), (-0.9, 4.0), (5.0, 4.0)]
)
def test_trees_hold_more_snow_near_freezing(temperature: float, factor: float) -> None:
    assert interception_capacity(2.0, temperature) == pytest.approx(factor * 0.001, rel=1e-12)


@pytest.mark.parametrize(
    ("temperature", "wind", "snow", "snowfall", "caught"),
    [
        (-5.0, 0.5, 0.0, 0.0005, 0.0005),
        (-5.0, 0.5, 0.0005, 0.0004, 0.0002),  # half full
        (-5.0, 0.5, 0.0, 0.004, 0.001),  # as much as there is room for
        (-5.0, 0.5, 0.002, 0.001, 0.0),  # fuller than full
        (-5.0, 3.0, 0.0, 0.0005, 0.0005 - 0.4 * 0.0005),  # wind blows dry snow off
        (-5.0, 1.0, 0.0, 0.0005, 0.0005),
        (-5.0, 9.0, 0.0, 0.0005, 0.0),
        (-2.5, 3.0, 0.0, 0.0005, 0.0005),  # ... not moist snow
        (0.0, 0.5, 0.0034, 0.004, 0.0),  # beyond the most a canopy holds: none of it
        (-5.0, 0.5, 0.0006, 0.0, -0.0006),  # the last of it falls when no snow does
        (-5.0, 0.5, 0.001, 0.0, 0.0),
    ],
)
def test_trees_catch_snow(temperature: float, wind: float, snow: float, snowfall: float, caught: float) -> None:
    trees = forest(wind=wind, snow=snow, snowfall=snowfall)
    through = intercept_snow(trees, temperature, 0.0038 if temperature == 0.0 else 0.004)
    assert through == pytest.approx(snowfall - caught, abs=1e-15)
    assert trees.snow == pytest.approx(snow + caught, abs=1e-15)


def test_trees_without_leaves_catch_nothing() -> None:
    trees = forest(lai=0.0, snowfall=0.002)
    assert intercept_snow(trees, -5.0, 0.0) == 0.002
    assert trees.snow == 0.0


@pytest.mark.parametrize(
    ("liquid", "rain", "snow", "left", "through"),
    [
        (0.0001, 0.00005, 0.0, 0.00015, 0.0),
        (0.0001, 0.0001, 0.0, 0.0002, 0.0),
        (0.0001, 0.0004, 0.0, 0.0002, 0.0003),
        (0.0, 0.0005, 0.01, 0.0005, 0.0),  # snow holds 3.5 % of itself
        (0.0, 0.0006, 0.01, 0.00055, 0.00005),
        (0.0001, 0.0, 0.0, 0.0, 0.0001),  # the last of it drips when no rain falls
        (0.0010, 0.0, 0.04, 0.0010, 0.0),
    ],
)
def test_trees_catch_rain(liquid: float, rain: float, snow: float, left: float, through: float) -> None:
    trees = forest(liquid=liquid, rain=rain, snow=snow)
    assert liquid_capacity(trees) == pytest.approx(0.0002 + 0.035 * snow, rel=1e-12)
    assert intercept_rain(trees) == pytest.approx(through, abs=1e-15)
    assert trees.liquid == pytest.approx(left, abs=1e-15)


@pytest.mark.parametrize(
    ("snow", "melt", "drip", "slid", "left"),
    [
        (0.02, 0.003, 0.003, 0.0034, 0.001),  # once in full, then the rest drips and stays counted
        (0.0056, 0.0008, 0.0008 - 0.00024 + 0.00024, 0.00004, 0.0),
        (0.004, 0.001, 0.001, 0.0, 0.0),  # too little to slide
        (0.004, 0.009, 0.004, 0.0, 0.0),  # no more than there is
        (0.02, 0.001, 0.001, 0.0, 0.001),  # less melt than a tenth: nothing slides
    ],
)
def test_snow_slides_off_in_proportion_to_melt(snow: float, melt: float, drip: float, slid: float, left: float) -> None:
    trees, state = forest(snow=snow), record(STATE, canopy_melt=melt)
    dripped, released = release_mass(trees, state)
    assert (dripped, released) == pytest.approx((drip, slid), abs=1e-12)
    assert trees.snow == pytest.approx(snow - drip - slid, abs=1e-12)
    assert state.canopy_melt == pytest.approx(left, abs=1e-12)


@pytest.mark.parametrize(
    ("energy", "vapour", "snow", "liquid"),
    [
        (100.0, 0.0, 0.01 + 100.0 / FUSION, 0.001 - 100.0 / FUSION),
        (-100.0, 0.0, 0.01 + 100.0 / FUSION, 0.001 - 100.0 / FUSION),  # the sign is lost, as in VIC-5
        (400.0, 0.0, 0.011, 0.0),
        (400.0, 1e-4, 0.0111, 0.0),
        (400.0, -0.02, 0.0, 0.0),  # no more vapour than snow
    ],
)
def test_cold_trees_freeze_their_liquid(energy: float, vapour: float, snow: float, liquid: float) -> None:
    trees = forest(snow=0.01, liquid=0.001, vapour=vapour, refreeze_energy=energy / HOUR)
    state = record(STATE, foliage_temperature=-1.0, canopy_melt=0.5)
    assert melt_and_release(trees, state, 0.0) == (0.0, 0.0)
    assert (trees.snow, trees.liquid) == pytest.approx((snow, liquid), abs=1e-15)
    assert trees.vapour == pytest.approx(max(vapour, -0.011), abs=1e-15)
    assert state.canopy_melt == 0.0


def test_melt_in_trees_fills_the_leaves_then_drips() -> None:
    """At 0 degC; the liquid capacity is 0.2 mm on leaves and 3.5 % of the snow."""

    def melted(mm: float, through: float = 0.0, **values: float) -> tuple[Any, Any, float, float]:
        given = {"snow": 0.02, "initial_snow": 0.02, "liquid": 0.0002} | values
        trees, state = forest(**given), record(STATE)
        drip, released = melt_at_zero(trees, state, through, -mm / 1000.0 * MELT)
        return trees, state, drip, released

    trees, state, drip, released = melted(0.5)
    assert (trees.snow, trees.liquid, drip, released) == pytest.approx((0.0195, 0.0007, 0.0, 0.0), abs=1e-12)
    assert state.canopy_melt == 0.0
    trees, state, drip, released = melted(2.0)  # room for 0.7 mm; 1.3 mm wait for mass release
    assert trees.liquid == pytest.approx(0.0002 + 0.035 * trees.snow, abs=1e-12)
    assert drip == pytest.approx(0.0013 + (0.0009 - trees.liquid), abs=1e-12)
    assert released == 0.0
    assert trees.snow == pytest.approx(0.02 - 0.0007 - 0.0013, abs=1e-12)
    trees, state, drip, released = melted(0.5, 0.001, snow=0.001, initial_snow=0.001)
    assert trees.snow == pytest.approx(0.001 - 0.000035 - 0.000465, abs=1e-12)  # thin, while snow falls: drips at once
    assert drip == pytest.approx(0.000465 + (0.000235 - trees.liquid), abs=1e-12)
    assert state.canopy_melt == 0.0
    trees, state, drip, released = melted(50.0, vapour=-0.5)
    assert (trees.snow, trees.vapour) == (0.0, -0.0002)
    assert drip + released + trees.liquid == pytest.approx(0.02, abs=1e-12)
    assert released > 0.0


def test_foliage_temperature_closes_the_energy_balance() -> None:
    for values, snowy in (({"snow": 0.004}, True), ({}, False)):
        trees, state = forest(**values), record(STATE, foliage_temperature=-4.0)
        trees.shortwave = 20.0
        solve_foliage_temperature(trees, state)
        assert trees.fallbacks == 0.0
        assert trees.snow_balance == float(snowy)
        assert trees.net_shortwave == pytest.approx(20.0 * (0.15 if snowy else 0.88), rel=1e-12)
        assert canopy_energy_balance(state.foliage_temperature, canopy_surface(trees)) == pytest.approx(0.0, abs=1e-3)


def test_trees_keep_their_water_through_a_winter() -> None:
    random = np.random.default_rng(5)
    state = record(STATE, foliage_temperature=-2.0)
    snow, liquid = 0.0, 0.0
    most = melts = 0.0
    for hour in range(1500):
        air = float(np.sin(hour / 120.0) * 7.0 - 1.0 + random.normal())
        amount = float(random.exponential(0.002)) if random.random() < 0.2 else 0.0
        trees = forest(
            air_temperature=air,
            shortwave=float(max(0.0, 150.0 * np.sin(hour / 3.8))),
            longwave=290.0 + 5.0 * air,
            snow=snow,
            liquid=liquid,
            rain=0.0 if air < 0 else amount,
            snowfall=amount if air < 0 else 0.0,
        )
        evolve_canopy(trees, state)
        gone = trees.rain + trees.snowfall + trees.evaporation / 1000.0 - trees.vapour
        assert trees.snow + trees.liquid - snow - liquid == pytest.approx(amount - gone, abs=1e-16)
        assert min(trees.snow, trees.liquid, trees.rain, trees.snowfall) >= -1e-18
        assert trees.snow + trees.liquid <= 0.004 + 1e-12 or amount == 0.0
        snow, liquid = float(trees.snow), float(trees.liquid)
        most, melts = max(most, snow), melts + (state.foliage_temperature == 0.0)
    assert most > 0.001
    assert melts > 20
