"""One cell with one parameter set: all its columns through all steps, and what is recorded of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from paraformer.process.vic.column import Timing, Work
from paraformer.process.vic.constants import MM_PER_M
from paraformer.process.vic.derive import derive_soil, derive_tile
from paraformer.process.vic.infiltration import saturated_area
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.snow_pack import tabulate_albedo
from paraformer.process.vic.step import advance_column

SUM, END, MEAN = 0, 1, 2


class Inputs(NamedTuple):
    """What a run is given: a-priori records, θ, start and the calendar of all cells."""

    site: Any  # SITE [cell]
    plant: Any  # PLANT [cell, tile]
    band: Any  # BAND [cell, band]
    weight: Any  # [cell, column]
    calibrated: Any  # CALIBRATED [cell, set]
    initial: Any  # STATE [cell, set or 1, column]
    month: Any  # [day], 1..12
    day_of_year: Any  # [day]
    runoff_steps_per_day: float


class Results(NamedTuple):
    """What a run gives."""

    outputs: Any  # [output, cell, set, time]
    errors: Any  # largest absolute water balance error [cell, set, (mm, share of the water)]
    final: Any  # STATE [cell or 0, set, column]


class Record(NamedTuple):
    """What to record, and how long to spin up."""

    which: Any  # positions of outputs in CELL
    daily: Any  # SUM, END or MEAN for each
    steps_per_day: int  # model steps
    every_step: bool
    spin_up_steps: int
    spin_up_cycles: int


@compiled
def run_pair(
    inputs: Inputs,
    snow_met: Any,
    model_met: Any,
    timing: Timing,
    record: Record,
    workspace: Any,
    worker: int,
    cell: int,
    member: int,
    results: Results,
) -> None:
    """Run one cell with one parameter set; ``snow_met`` and ``model_met`` are those of the cell [step]."""
    soil, tiles, state = workspace.soil[worker], workspace.tile[worker], workspace.state[worker]
    site, calibrated = inputs.site[cell], inputs.calibrated[cell, member]
    derive_soil(site, calibrated, inputs.runoff_steps_per_day, soil)
    for tile in range(len(tiles)):
        derive_tile(site, inputs.plant[cell, tile], soil, calibrated.canopy_gap_factor, tiles[tile])
    set_state(inputs.initial[cell, min(member, inputs.initial.shape[1] - 1)], soil, state)
    work = Work(soil, workspace.column[worker], workspace.pack[worker], workspace.forest[worker])
    if work.pack.accumulating[0] == 0.0:  # once a worker: most of what a run of one day would cost
        tabulate_albedo(timing.snow_step, work.pack)
    values = workspace.cell[worker]
    n_step = len(model_met)
    worst = 0.0
    worst_share = 0.0
    for cycle in range(record.spin_up_cycles + 1):
        recorded = cycle == record.spin_up_cycles
        for step in range(n_step if recorded else record.spin_up_steps):
            day = step // record.steps_per_day
            water = advance_cell(inputs, snow_met, model_met[step], timing, cell, step, day, tiles, state, work, values)
            worst = larger(worst, values.water_error)
            worst_share = larger(worst_share, values.water_error / water if water > 0.0 else 0.0)
            if recorded:
                keep(record, step, workspace.values[worker], workspace.day[worker], results.outputs, cell, member)
    results.errors[cell, member, 0] = worst
    results.errors[cell, member, 1] = worst_share
    if len(results.final) > 0:
        for column in range(len(state)):
            results.final[cell, member, column] = state[column]


@compiled
def larger(worst: float, error: float) -> float:
    """The larger absolute error; NaN wins."""
    size = abs(error)
    return worst if size <= worst else size


@compiled
def set_state(initial: Any, soil: Any, state: Any) -> None:
    """Start from ``initial``, with soil moisture capped at the soil's maximum."""
    for column in range(len(state)):
        state[column] = initial[column]
        for layer in range(3):
            state[column].moisture[layer] = min(state[column].moisture[layer], soil.maximum[layer])


@compiled
def stored_water(state: Any) -> float:
    """All water of a column [mm over the tile]."""
    return (
        state.moisture[0]
        + state.moisture[1]
        + state.moisture[2]
        + state.canopy_water
        + (state.swe + state.canopy_snow) * MM_PER_M
    )


@compiled
def advance_cell(
    inputs: Inputs,
    snow_met: Any,
    model_met: Any,
    timing: Timing,
    cell: int,
    step: int,
    day: int,
    tiles: Any,
    states: Any,
    work: Work,
    values: Any,
) -> float:
    """Advance all columns of a cell by a model step and gather cell values.

    Returns the water that the balance is about [mm]: what was stored at the start of the step and what fell in it.
    """
    clear(values)
    stored = 0.0
    n_band = inputs.band.shape[1]
    for column in range(len(states)):
        weight = inputs.weight[cell, column]
        if weight > 0.0:
            tile = tiles[column // n_band]
            band = inputs.band[cell, column % n_band]
            state = states[column]
            before = stored_water(state)
            stored += weight * before
            advance_column(
                tile,
                inputs.month[day] - 1,
                inputs.day_of_year[day],
                band,
                model_met,
                snow_met,
                step * timing.snow_steps,
                timing,
                state,
                work,
            )
            gather(weight, before, state, work, values)
    return stored + values.precipitation


@compiled
def clear(values: Any) -> None:
    """Set every output to 0."""
    values.precipitation = 0.0
    values.rainfall = 0.0
    values.snowfall = 0.0
    values.soil_moisture_1 = 0.0
    values.soil_moisture_2 = 0.0
    values.soil_moisture_3 = 0.0
    values.soil_moisture_1_mean = 0.0
    values.evapotranspiration = 0.0
    values.transpiration = 0.0
    values.bare_soil_evaporation = 0.0
    values.canopy_evaporation = 0.0
    values.snow_sublimation = 0.0
    values.canopy_sublimation = 0.0
    values.runoff = 0.0
    values.baseflow = 0.0
    values.inflow = 0.0
    values.swe = 0.0
    values.snow_depth = 0.0
    values.snow_cover = 0.0
    values.snow_melt = 0.0
    values.canopy_snow = 0.0
    values.canopy_water = 0.0
    values.water_error = 0.0
    values.saturated_area = 0.0
    values.root_finder_fallbacks = 0.0


@compiled
def gather(weight: float, before: float, state: Any, work: Work, values: Any) -> None:
    """Add one column to the cell's values; ``before`` is its stored water at the start of the step [mm]."""
    column, soil = work.column, work.soil
    evaporation = (
        column.evaporation[0]
        + column.evaporation[1]
        + column.evaporation[2]
        + column.canopy_evaporation
        + column.snow_sublimation
        + column.canopy_sublimation
    )
    change = stored_water(state) - before
    error = column.precipitation - evaporation - column.runoff - column.baseflow - change
    values.water_error += weight * error
    values.evapotranspiration += weight * evaporation
    values.precipitation += weight * column.precipitation
    values.rainfall += weight * column.rainfall
    values.snowfall += weight * column.snowfall
    values.soil_moisture_1 += weight * state.moisture[0]
    values.soil_moisture_2 += weight * state.moisture[1]
    values.soil_moisture_3 += weight * state.moisture[2]
    values.soil_moisture_1_mean += weight * state.moisture[0]
    values.transpiration += weight * column.transpiration
    values.bare_soil_evaporation += weight * column.bare_soil_evaporation
    values.canopy_evaporation += weight * column.canopy_evaporation
    values.snow_sublimation += weight * column.snow_sublimation
    values.canopy_sublimation += weight * column.canopy_sublimation
    values.runoff += weight * column.runoff
    values.baseflow += weight * column.baseflow
    values.inflow += weight * column.inflow
    values.swe += weight * state.swe * MM_PER_M
    values.snow_depth += weight * state.depth * 100.0
    values.snow_melt += weight * column.snow_melt
    values.canopy_snow += weight * state.canopy_snow * MM_PER_M
    values.canopy_water += weight * state.canopy_water
    values.root_finder_fallbacks += weight * column.root_finder_fallbacks
    if state.swe > 0.0:
        values.snow_cover += weight
    values.saturated_area += weight * saturated_area(
        state.moisture[0] + state.moisture[1], soil.upper_maximum, soil.infilt
    )


@compiled
def keep(record: Record, step: int, values: Any, day_values: Any, outputs: Any, cell: int, member: int) -> None:
    """Write the values of a model step, or add them to those of the day."""
    part = step % record.steps_per_day
    for k in range(len(record.which)):
        value = values[record.which[k]]
        if record.every_step or record.steps_per_day == 1:
            outputs[k, cell, member, step] = value
            continue
        if part == 0 or record.daily[k] == END:
            day_values[k] = value
        else:
            day_values[k] += value
        if part == record.steps_per_day - 1:
            if record.daily[k] == MEAN:
                day_values[k] /= record.steps_per_day
            outputs[k, cell, member, step // record.steps_per_day] = day_values[k]
