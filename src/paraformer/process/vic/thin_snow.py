"""A pack of less than a millimetre, too thin for an energy balance: it takes the air's temperature
(VIC-5 ``calc_surf_energy_bal.c`` with a snow cover)."""

from __future__ import annotations

from typing import Any

from paraformer.process.vic.constants import (
    ICE_DENSITY,
    ICE_VOLUMETRIC_HEAT_CAPACITY,
    LATENT_HEAT_FUSION,
    MM_PER_M,
    WATER_DENSITY,
)
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.vapour import saturation_vapour_pressure, vapour_mass_flux


@compiled
def exchange_thin_snow(pack: Any, state: Any) -> None:
    """Vapour exchange and refreezing; the vapour depth is that of ice (quirk Q8: divided by 917, not 1000)."""
    state.surface_temperature = pack.previous_temperature
    mass_flux = vapour_mass_flux(
        pack.air_density,
        pack.pressure,
        pack.vapour_pressure,
        saturation_vapour_pressure(pack.air_temperature),
        pack.thin_resistance,
    )
    if pack.vpd == 0.0 and mass_flux < 0.0:
        mass_flux = 0.0
    vapour = mass_flux * pack.time_step / ICE_DENSITY
    if -vapour > state.swe:
        vapour = -state.swe
    refreeze_energy = state.surface_water * LATENT_HEAT_FUSION * state.density / pack.time_step
    state.swe += vapour
    state.surface_water = max(state.surface_water + vapour, 0.0)
    frozen = min(refreeze_energy / (LATENT_HEAT_FUSION * WATER_DENSITY) * pack.time_step, state.surface_water)
    state.surface_water -= frozen
    pack.vapour = vapour
    if state.swe > 0.0:
        state.surface_temperature = min(pack.air_temperature, 0.0)
        state.cold_content = ICE_VOLUMETRIC_HEAT_CAPACITY * state.surface_temperature * state.swe
        state.depth = MM_PER_M * state.swe / state.density
