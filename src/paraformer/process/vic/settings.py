"""Settings of a VIC run, and the VIC-5 options this implementation refuses by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import model_validator

from paraformer.core.errors import SettingsError
from paraformer.core.settings import Settings

WaterBalance = Literal["vic", "conserving"]


class VICSettings(Settings):
    """How VIC-5 is run in water-balance mode (names follow the global parameter file).

    ``water_balance``: ``vic`` repeats every quirk of VIC-5, also those that lose water; ``conserving`` closes the
    balance in every step and is identical wherever VIC-5 closes it too.
    """

    model_steps_per_day: int = 1
    snow_steps_per_day: int = 8
    runoff_steps_per_day: int = 24
    water_balance: WaterBalance = "conserving"

    @model_validator(mode="after")
    def _steps_are_allowed(self) -> VICSettings:
        model, snow, runoff = self.model_steps_per_day, self.snow_steps_per_day, self.runoff_steps_per_day
        if model != 1 and not (4 <= model <= 1440 and 86400 % model == 0):
            raise ValueError(f"model_steps_per_day must be 1, or from 4 to 1440 and divide the day; got {model}")
        if snow < 4 or 86400 % snow:
            raise ValueError(f"snow_steps_per_day must be at least 4 and divide the day; got {snow}")
        if model > 1 and snow != model:
            raise ValueError(f"snow_steps_per_day must equal model_steps_per_day ({model}) unless it is 1; got {snow}")
        if runoff < 4 or runoff % model:
            raise ValueError(
                f"runoff_steps_per_day must be at least 4 and a multiple of model_steps_per_day ({model}); got {runoff}"
            )
        return self

    @property
    def forcing_steps_per_day(self) -> int:
        """Forcing values a day: the forcing step equals the snow step (VIC-5 image driver)."""
        return self.snow_steps_per_day

    @property
    def snow_steps_per_model_step(self) -> int:
        return self.snow_steps_per_day // self.model_steps_per_day


ONLY_OPTION: dict[str, str] = {
    "FULL_ENERGY": "FALSE",
    "FROZEN_SOIL": "FALSE",
    "QUICK_FLUX": "TRUE",
    "LAKES": "FALSE",
    "CARBON": "FALSE",
    "BLOWING": "FALSE",
    "SPATIAL_SNOW": "FALSE",
    "SPATIAL_FROST": "FALSE",
    "CLOSE_ENERGY": "FALSE",
    "COMPUTE_TREELINE": "FALSE",
    "CORRPREC": "FALSE",
    "ORGANIC_FRACT": "FALSE",
    "SNOW_DENSITY": "DENS_BRAS",
    "SHARE_LAYER_MOIST": "TRUE",
    "RC_MODE": "RC_JARVIS",
    "GRND_FLUX_TYPE": "GF_410",
    "AERO_RESIST_CANSNOW": "AR_406_FULL",
    "BASEFLOW": "ARNO",
    "TFALLBACK": "TRUE",
    "MAX_SNOW_ALBEDO": "FALSE",
    "NLAYER": "3",
    "NODES": "3",
}
"""The one value each VIC-5 option may have here."""


def require_supported_options(options: Mapping[str, str]) -> None:
    """Raise for any VIC-5 option this implementation does not have.

    Args:
        options: VIC-5 global parameter names and values, e.g. ``{"FULL_ENERGY": "TRUE"}``.

    Raises:
        SettingsError: naming the option and the value to set.
    """
    for name, value in options.items():
        only = ONLY_OPTION.get(name.upper())
        if only is not None and str(value).strip().upper() != only:
            raise SettingsError(f"VIC option {name} {value} is not supported: set {name} {only}")
