"""Water in the soil and what plants take of it, function by function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paraformer.process.vic.baseflow import baseflow
from paraformer.process.vic.canopy import canopy_resistance
from paraformer.process.vic.column import COLUMN, Timing
from paraformer.process.vic.derive import SOIL, TILE
from paraformer.process.vic.drainage import NEAREST_POWER, drainage_coefficient, drainage_series
from paraformer.process.vic.infiltration import surface_runoff
from paraformer.process.vic.soil_water import advance_soil_water, fill_up, lower_limit, upper_limit
from paraformer.process.vic.state import STATE
from paraformer.process.vic.transpiration import (
    rooted_moisture,
    roots_can_compensate,
    take,
    take_with_compensation,
    transpire,
)
from paraformer.process.vic.vapour import penman_air, penman_monteith
from process.records import in_python, record

in_python(globals())
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the model divides by zero without a word, as C does

TIMING = Timing(86400.0, 3600.0, 24, 24, False)


@pytest.mark.parametrize("c", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("relative", [0.2, 0.7, 0.75, 0.9, 1.0])
def test_baseflow_is_linear_below_ws_and_a_power_above(relative: float, c: float) -> None:
    """Liang et al. 1994, eq. 22, as it is printed."""
    dm, ds, ws, maximum, residual = 12.0, 0.3, 0.7, 300.0, 20.0
    moisture = residual + relative * (maximum - residual)
    printed = dm * ds / ws * relative
    if relative > ws:
        printed += dm * (1.0 - ds / ws) * ((relative - ws) / (1.0 - ws)) ** c
    found = baseflow(moisture, residual, maximum, dm * ds / ws, dm * (1.0 - ds / ws), ws, c)
    assert found == pytest.approx(printed, rel=1e-12)
    assert baseflow(residual - 1.0, residual, maximum, dm * ds / ws, 0.0, ws, c) == 0.0


def test_limits_of_a_layer_pass_on_what_is_missing_or_too_much() -> None:
    assert lower_limit(5.0, 3.0, 1.0) == (5.0, 1.0)
    assert lower_limit(3.0, 3.0, 1.0) == (3.0, 1.0)
    assert lower_limit(2.0, 3.0, 1.5) == (3.0, 0.5)
    assert lower_limit(-2.0, 3.0, 1.0) == (3.0, -4.0)
    assert lower_limit(0.5, 0.0, 1.0) == (0.5, 1.0)
    assert upper_limit(5.0, 5.0, 1.0) == (5.0, 1.0)
    assert upper_limit(7.0, 5.0, 1.0) == (5.0, 3.0)
    assert fill_up(10.0, 20.0, 30.0, 30.0, 1.0) == (10.0, 30.0, 1.0)
    assert fill_up(10.0, 20.0, 35.0, 30.0, 1.0) == (15.0, 30.0, 1.0)
    assert fill_up(18.0, 20.0, 35.0, 30.0, 1.0) == (20.0, 30.0, 4.0)


def soil(**values: Any) -> Any:
    """Layers of 40, 120 and 300 mm."""
    made = record(
        SOIL,
        maximum=(40.0, 120.0, 300.0),
        residual=(2.0, 6.0, 15.0),
        critical=(20.0, 60.0, 150.0),
        wilting=(8.0, 24.0, 60.0),
        expt=(12.0, 12.0, 12.0),
        upper_maximum=160.0,
        infilt=0.2,
        ws=0.9,
        c=2.0,
        baseflow_linear=0.02,
        baseflow_curved=0.3,
    )
    for name, value in values.items():
        made[name] = value
    for layer in range(3):
        made.nearest_power[layer] = NEAREST_POWER / (made.expt[layer] - 1.0)
        made.drainage_coefficient[layer] = drainage_coefficient(
            10.0, made.maximum[layer], made.residual[layer], made.expt[layer]
        )
    drainage_series(made.expt[0], made.powers_1, made.drained_1)
    drainage_series(made.expt[1], made.powers_2, made.drained_2)
    return made


def day(
    moisture: tuple[float, float, float], inflow: float = 0.0, taken: tuple[float, float, float] = (0.0,) * 3, **of: Any
) -> tuple[Any, Any]:
    """Column and state after a day."""
    column = record(COLUMN, inflow=inflow, evaporation=taken)
    state = record(STATE, moisture=moisture)
    advance_soil_water(soil(**of), column, TIMING, state)
    return column, state


@pytest.mark.parametrize(
    ("moisture", "inflow", "taken"),
    [
        ((20.0, 60.0, 150.0), 0.0, (0.0, 0.0, 0.0)),
        ((20.0, 60.0, 150.0), 15.0, (1.0, 2.0, 0.5)),
        ((38.0, 118.0, 299.0), 60.0, (0.0, 0.0, 0.0)),  # runs over
        ((40.0, 120.0, 300.0), 10.0, (0.5, 0.0, 0.0)),
        ((2.0, 6.0, 15.0), 0.0, (1.5, 1.0, 0.0)),  # below residual: the deficit is passed down
        ((2.0, 6.0, 15.0), 0.0, (0.0, 0.0, 3.0)),  # ... and taken back from evaporation at the bottom
        ((1.0, 3.0, 10.0), 0.0, (0.0, 0.0, 0.0)),
    ],
)
def test_a_day_keeps_the_water_of_the_soil(
    moisture: tuple[float, float, float], inflow: float, taken: tuple[float, float, float]
) -> None:
    column, state = day(moisture, inflow, taken)
    left = column.runoff + column.baseflow + column.evaporation.sum()
    assert state.moisture.sum() - sum(moisture) == pytest.approx(inflow - left, abs=1e-11)
    limits = soil()
    assert (state.moisture >= limits.residual - 1e-12).all()
    assert (state.moisture <= limits.maximum + 1e-12).all()
    assert min(column.runoff, column.baseflow) >= 0.0
    assert column.evaporation[:2].tolist() == list(taken[:2])


def test_runoff_is_that_of_the_moisture_at_the_start() -> None:
    column, _ = day((20.0, 60.0, 150.0), 15.0)
    assert column.runoff == pytest.approx(surface_runoff(15.0, 80.0, 160.0, 0.2), rel=1e-12)


def test_a_dry_soil_loses_only_what_baseflow_takes() -> None:
    """No water moves between layers at residual moisture; layer 3 drains as a linear store."""
    column, state = day((2.0, 6.0, 150.0))
    relative = (150.0 - 15.0) / 285.0
    assert state.moisture[:2].tolist() == [2.0, 6.0]
    drained = 285.0 * relative * (1.0 - (1.0 - 0.02 / 285.0) ** 24)
    assert column.baseflow == pytest.approx(drained, rel=1e-9)
    assert state.moisture[2] == pytest.approx(150.0 - drained, rel=1e-12)


def test_water_that_the_lowest_layer_cannot_hold_rises() -> None:
    column, state = day((39.0, 119.0, 299.9), taken=(0.0, 0.0, -5.0), baseflow_linear=0.0, baseflow_curved=0.0)
    assert state.moisture[2] == pytest.approx(300.0, abs=1e-9)
    assert column.runoff > 0.0
    assert column.baseflow == 0.0


def test_what_is_missing_at_the_bottom_is_taken_from_evaporation() -> None:
    column, state = day((2.0, 6.0, 15.0), taken=(0.0, 0.0, 3.0))
    assert (column.baseflow, state.moisture[2]) == (0.0, 15.0)
    assert column.evaporation[2] == pytest.approx(0.0, abs=1e-12)


def plants(root: tuple[float, float, float] = (0.4, 0.4, 0.2), critical: float = 80.0) -> Any:
    return record(TILE, root=root, rmin=100.0, rgl=100.0, rarc=30.0, critical_of_rooted=critical)


def column_of(*moisture: float) -> Any:
    return record(COLUMN, moisture=moisture, days=1.0)


def test_roots_reach_the_layers_they_are_in() -> None:
    tile = plants((0.0, 0.6, 0.0))
    assert [rooted_moisture(column_of(30.0, 90.0, 200.0), tile, layer) for layer in range(3)] == [0.0, 90.0, 200.0]


@pytest.mark.parametrize(
    ("moisture", "root", "critical", "can"),
    [
        ((30.0, 50.0, 150.0), (0.2, 0.2, 0.6), 80.0, True),  # both wet, just so
        ((30.0, 49.9, 149.0), (0.2, 0.2, 0.6), 80.0, False),
        ((30.0, 50.0, 149.0), (0.3, 0.3, 0.4), 80.0, True),  # most roots above, which are wet
        ((30.0, 50.0, 149.0), (0.2, 0.3, 0.5), 80.0, True),  # half of them
        ((30.0, 50.0, 149.0), (0.2, 0.2, 0.6), 80.0, False),
        ((30.0, 49.0, 150.0), (0.3, 0.2, 0.5), 80.0, True),  # half of them below, where it is wet
        ((30.0, 49.0, 150.0), (0.3, 0.3, 0.4), 80.0, False),
        ((5.0, 5.0, 150.0), (0.0, 0.0, 0.4), 0.0, True),  # (0 mm is wet enough where no root is)
    ],
)
def test_wet_layers_make_up_for_dry_ones(
    moisture: tuple[float, ...], root: tuple[float, float, float], critical: float, can: bool
) -> None:
    assert bool(roots_can_compensate(column_of(*moisture), plants(root, critical), soil())) is can


def test_a_layer_gives_water_down_to_its_wilting_point() -> None:
    for wanted, taken in ((3.0, 1.5), (9.0, 2.0), (-1.0, 0.0)):
        column = column_of(12.0, 60.0, 150.0)
        column.evaporation[0] = 0.25
        assert take(soil(), column, 0, wanted, 0.5) == pytest.approx(taken, rel=1e-12)
        assert column.evaporation[0] == pytest.approx(0.25 + taken, rel=1e-12)


def test_shares_by_roots_and_the_lowest_dry_layer_s_share_goes_to_the_wet_ones() -> None:
    column = column_of(30.0, 42.0, 150.0)  # layer 2 at half of its stress-free moisture
    total = take_with_compensation(soil(), plants(), column, 4.0, 1.0)
    spare = 4.0 * 0.4 * 0.5
    expected = [1.6 + 0.4 * spare / 0.6, 0.8, 0.8 + 0.2 * spare / 0.6]
    assert column.evaporation.tolist() == pytest.approx(expected, rel=1e-12)
    assert total == pytest.approx(4.0, rel=1e-12)
    column = column_of(14.0, 42.0, 150.0)  # layers 1 and 2 are both at half: only the share of layer 2 moves (Q10)
    total = take_with_compensation(soil(), plants(), column, 4.0, 1.0)
    assert column.evaporation.tolist() == pytest.approx([0.8, 0.8, 0.8 + 0.2 * spare / 0.2], rel=1e-12)


def test_transpiration_is_penman_monteith_of_each_layer_s_stress() -> None:
    air = penman_air(20.0, 300.0)
    given = (150.0, 120.0, 20.0, 800.0, 3.0, 40.0)  # radiation (short-wave, net), temperature, deficit, LAI, resistance
    tile, dry = plants((0.3, 0.3, 0.4)), column_of(14.0, 42.0, 105.0)  # every layer half way between both points
    total = transpire(soil(), tile, dry, air, *given, 0.8, 0.5)
    surface = canopy_resistance(100.0, 150.0, 100.0, 20.0, 800.0, 3.0, 0.5)
    demand = penman_monteith(air, 120.0, 800.0, 40.0, surface, 30.0) * 0.8 * 0.5
    assert total == pytest.approx(demand, rel=1e-12)
    assert dry.evaporation.tolist() == pytest.approx([0.3 * demand, 0.3 * demand, 0.4 * demand], rel=1e-12)
    wet = column_of(30.0, 90.0, 200.0)
    surface = canopy_resistance(100.0, 150.0, 100.0, 20.0, 800.0, 3.0, 1.0)
    demand = penman_monteith(air, 120.0, 800.0, 40.0, surface, 30.0) * 0.8 * 0.5
    assert transpire(soil(), tile, wet, air, *given, 0.8, 0.5) == pytest.approx(demand, rel=1e-12)
    wilted = column_of(8.0, 24.0, 60.0)
    assert transpire(soil(), tile, wilted, air, *given, 0.8, 0.5) == 0.0
    assert not np.any(wilted.evaporation)
