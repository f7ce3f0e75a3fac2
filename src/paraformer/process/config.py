"""Settings of the process room."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from paraformer.process.vic.settings import VICSettings


class SpinUp(BaseModel):
    """Repeat the first ``days`` of the forcing ``cycles`` times, unrecorded, with each run's own θ."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=365, ge=0)
    cycles: int = Field(default=1, ge=0)


class ProcessConfig(BaseModel):
    """Which process model runs, on which parameter files, from which state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Literal["vic"] = "vic"
    vic: VICSettings = VICSettings()
    parameters: Path | None = Field(default=None, description="VIC-5 image-driver parameter file (a-priori params.nc)")
    domain: Path | None = Field(default=None, description="VIC-5 image-driver domain file")
    initial_state: Path | None = Field(default=None, description="VIC-5 state file; none is VIC's cold start")
    spin_up: SpinUp = SpinUp()
    threads: int | None = Field(default=None, ge=1, description="CPU threads; none uses all cores")


class EnsembleConfig(BaseModel):
    """Sampling design of the ensemble from which the surrogate learns (METHOD section 7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    common: int = Field(default=32, ge=0, description="sets with the same unit coordinates in every cell")
    own: int = Field(default=64, ge=1, description="sets of each cell's own")
    held_out: int = Field(default=4, ge=1, description="own sets a cell that no surrogate may learn from")
    outputs: tuple[str, ...] = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")
    chunk_cells: int = Field(default=16, ge=1, description="cells simulated and written together")
