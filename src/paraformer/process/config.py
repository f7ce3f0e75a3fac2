"""Settings of the process room."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from paraformer.core.own_code import OWN
from paraformer.core.plugins import BUILT_IN, resolved
from paraformer.core.settings import Distinct, Settings
from paraformer.process.vic.settings import VICSettings


class SpinUp(Settings):
    """Repeat the first ``days`` of the forcing ``cycles`` times, unrecorded, with each run's own θ."""

    days: int = Field(default=365, ge=0, description="days of the forcing that are repeated")
    cycles: int = Field(default=1, ge=0, description="how often they are run before the first day")


class LocalExecutor(Settings):
    """Chunks of cells one after the other, in this process and on its threads."""

    name: Literal["local"] = "local"


class DaskExecutor(Settings):
    """One Dask task a chunk of cells; every worker must see the study's files and the run directory (docs/scale.md)."""

    name: Literal["dask"] = "dask"
    scheduler: str | None = Field(
        default=None, description="address of a running scheduler; none starts worker processes on this machine"
    )
    workers: int | None = Field(
        default=None, ge=1, description="worker processes on this machine; none starts one a core"
    )
    retries: int = Field(default=3, ge=0, description="how often a chunk is given out again after its worker was lost")
    patience: float = Field(default=600.0, gt=0, description="seconds to wait for the first worker")

    @model_validator(mode="after")
    def _workers_are_ours_to_start(self) -> DaskExecutor:
        if self.scheduler is not None and self.workers is not None:
            raise ValueError("'workers' applies to worker processes on this machine only, not to a running 'scheduler'")
        return self


ExecutorConfig = Annotated[LocalExecutor | DaskExecutor, Field(discriminator="name")]


MODELS = BUILT_IN["process_models"]
"""Process models that need no module of the user's."""

_APPLIES: dict[str, tuple[str, ...]] = {
    "parameters": ("vic", "own"),
    "domain": ("vic", "own"),
    "initial_state": ("vic", "own"),
    "device": ("vic",),
    "executable": ("compiled",),
    "global_parameters": ("compiled",),
    "processes": ("compiled",),
    "work": ("compiled",),
    "module_folder": ("own",),
    "files": ("own",),
}
"""Settings that only some models have; ``own`` is one of the user's."""


class ProcessConfig(Settings):
    """Which process model runs, on which parameter files, from which state.

    ``vic``, ``spin_up`` and ``threads`` are VIC's; any other model has its own start and its own settings. The built-in
    world hands its files to any model.
    """

    model: str = Field(
        default="vic", description="vic, compiled (your own VIC-5), bucket, or package.module:factory of your own"
    )
    vic: VICSettings = VICSettings()
    parameters: Path | None = Field(default=None, description="VIC-5 image-driver parameter file (a-priori params.nc)")
    domain: Path | None = Field(default=None, description="VIC-5 image-driver domain file")
    initial_state: Path | None = Field(default=None, description="VIC-5 state file; none is VIC's cold start")
    executable: Path | None = Field(default=None, description="compiled only: the program, vic_image.exe")
    global_parameters: Path | None = Field(default=None, description="compiled only: its global parameter file")
    processes: int | None = Field(
        default=None, ge=1, description="compiled only: programs that run at the same time; none is one a core"
    )
    work: Path | None = Field(default=None, description="compiled only: folder of runs and logs; none: a temporary one")
    module_folder: Path | None = Field(
        default=None, description="own model only: folder of its module; none: it is installed"
    )
    files: dict[str, Path] | None = Field(default=None, description="own model only: files for its factory, by name")
    spin_up: SpinUp = SpinUp()
    threads: int | None = Field(default=None, ge=1, description="CPU threads; none uses all cores")
    device: Literal["cpu", "cuda"] | None = Field(
        default=None, description="vic only: cuda runs it on an NVIDIA GPU (not the last bits of cpu); none is cpu"
    )
    executor: ExecutorConfig = Field(default=LocalExecutor(), description="where chunks of cells run")

    @field_validator("model")
    @classmethod
    def _model_is_known_or_named_as_a_factory(cls, given: str) -> str:
        given = resolved("process_models", given)
        if given in MODELS or OWN.fullmatch(given):
            return given
        raise ValueError(f"unknown process model '{given}'; valid: {', '.join(MODELS)}, or package.module:factory")

    @model_validator(mode="after")
    def _fields_apply(self) -> ProcessConfig:
        kind = self.model if self.model in MODELS else "own"
        for name, kinds in _APPLIES.items():
            if getattr(self, name) is not None and kind not in kinds:
                models = " or ".join("a model of your own" if k == "own" else f"model '{k}'" for k in kinds)
                raise ValueError(f"'{name}' applies to {models} only, not to '{self.model}'")
        if self.model == "compiled":
            for name in ("executable", "global_parameters"):
                if getattr(self, name) is None:
                    raise ValueError(f"'{name}' is missing: a compiled VIC needs a program and a global parameter file")
        return self


class EnsembleConfig(Settings):
    """Sampling design of the ensemble from which the surrogate learns (docs/method.md section 7)."""

    common: int = Field(default=32, ge=0, description="sets with the same unit coordinates in every cell")
    own: int = Field(default=64, ge=1, description="sets of each cell's own")
    held_out: int = Field(default=4, ge=1, description="own sets a cell that no surrogate may learn from")
    outputs: Annotated[tuple[str, ...], Distinct] = Field(
        default=("soil_moisture", "evapotranspiration", "runoff", "baseflow"), description="series kept of every run"
    )
    chunk_cells: int = Field(default=16, ge=1, description="cells simulated and written together")

    @model_validator(mode="after")
    def _some_own_sets_are_learned_from(self) -> EnsembleConfig:
        if self.held_out >= self.own:
            raise ValueError(f"held_out ({self.held_out}) must be below own ({self.own})")
        return self
