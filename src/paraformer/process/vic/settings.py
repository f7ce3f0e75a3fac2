"""Settings of a VIC run; what is done with every other option of VIC-5 is in ``driver/keys.py``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.core.settings import Settings

WaterBalance = Literal["vic", "conserving"]


class VICSettings(Settings):
    """How VIC-5 is run in water-balance mode (names follow the global parameter file).

    ``water_balance``: ``vic`` repeats every quirk of VIC-5, also those that lose water; ``conserving`` closes the
    balance in every step and is identical wherever VIC-5 closes it too.
    """

    model_steps_per_day: int = Field(
        default=1, description="MODEL_STEPS_PER_DAY: 1, or from 4 to 1440 and a divisor of the day's seconds"
    )
    snow_steps_per_day: int = Field(
        default=8, description="SNOW_STEPS_PER_DAY: at least 4; that of the model unless it is 1"
    )
    runoff_steps_per_day: int = Field(
        default=24, description="RUNOFF_STEPS_PER_DAY: at least 4 and a multiple of the model's"
    )
    water_balance: WaterBalance = Field(
        default="conserving", description="vic: as VIC-5, losses included; conserving: closed in every step"
    )

    @model_validator(mode="after")
    def _steps_are_allowed(self) -> VICSettings:
        model, snow, runoff = self.model_steps_per_day, self.snow_steps_per_day, self.runoff_steps_per_day
        if model != 1 and not (4 <= model <= 1440 and SECONDS_PER_DAY % model == 0):
            raise ValueError(f"model_steps_per_day must be 1, or from 4 to 1440 and divide the day; got {model}")
        if snow < 4 or SECONDS_PER_DAY % snow:
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
