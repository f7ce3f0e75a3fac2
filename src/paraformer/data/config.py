"""Settings of the data room."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, ValidationError, field_validator, model_validator

from paraformer.core.settings import Distinct, Settings
from paraformer.core.time import LAST_DAY, Day, Period
from paraformer.data.names import require_free
from paraformer.data.sources.config import OBSERVED, HydrodlConfig, ProductsConfig
from paraformer.data.streamflow_config import StreamflowConfig
from paraformer.training.config import OptimiserConfig, ScheduleConfig, TrainingConfig, completed
from paraformer.training.sequence_config import SequenceConfig

Value = int | float | str
Labels = Annotated[tuple[Value, ...], Distinct]

WorldGrid = Literal["sample", "nldas"]
"""Grids of the built-in world."""

DESIGN = r"^S([2-9]|[1-9][0-9]+)(NG)?$"
"""Names of sampling designs: the side of a block, and whether neighbours are judged."""


class BlockFolds(Settings):
    """Blocks of latitude and longitude, dealt out to folds that are kept aside one after the other."""

    degrees: float = Field(default=8.0, gt=0, le=90, description="side of a block [degree]")
    folds: int = Field(default=5, ge=2, description="groups that the blocks are dealt out to, alike in cells")
    seed: int = Field(default=0, ge=0, description="number of the deal")
    buffer_km: float = Field(
        default=0.0, ge=0, description="cells nearer than this to an unseen one are left out [km]; 0 leaves out none"
    )


class Blocks(BlockFolds):
    """Whole blocks of latitude and longitude are unseen, one fold of them in a study (``data.regions``)."""

    fold: int = Field(default=0, ge=0, description="the group that is unseen; the others are learned from")

    @model_validator(mode="after")
    def _fold_is_one_of_them(self) -> Blocks:
        if self.fold >= self.folds:
            raise ValueError(f"fold {self.fold} is none of the {self.folds} folds, which count from 0")
        return self


class Split(Settings):
    """Which cells are learned from and which are only scored; the others are left out.

    By the value of a static variable of the file (``variable``, ``trained``, ``unseen``), by a sampling design on a
    regular grid (``design``; see ``data.sampling``), or by regions (``blocks``).
    """

    variable: str | None = Field(
        default=None,
        description="variable (cell) that holds the labels; none takes 'split', unless there is a design or blocks",
    )
    trained: Labels = Field(default=(), description="labels of cells that are learned from")
    unseen: Labels = Field(default=(), description="labels of cells that are only scored")
    design: str | None = Field(
        default=None,
        pattern=DESIGN,
        description="S4, S8, ...: one cell of each block of that side; S8NG: with neighbours that are only scored",
    )
    offset: tuple[NonNegativeInt, NonNegativeInt] | None = Field(
        default=None, description="row and column of the trained cell in its block, from the south-west; none: [0, 0]"
    )
    neighbours: int | None = Field(
        default=None, ge=1, le=8, description="neighbours of each trained cell that are scored (NG only); none: 1"
    )
    blocks: Blocks | None = Field(default=None, description="regions that are unseen as a whole")

    @field_validator("trained", "unseen", mode="before")
    @classmethod
    def _one_label_stands_for_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | int | float) else value

    @model_validator(mode="before")
    @classmethod
    def _labels_are_in_a_variable(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and all(given.get(name) is None for name in ("design", "variable", "blocks")):
            return {**given, "variable": "split"}
        return given

    @model_validator(mode="after")
    def _one_kind_of_split(self) -> Split:
        if self.blocks is not None:
            for name in ("variable", "trained", "unseen", "design", "offset", "neighbours"):
                if getattr(self, name):
                    raise ValueError(f"'blocks' are a split of their own; leave out '{name}'")
            return self
        if self.design is None:
            for name in ("offset", "neighbours"):
                if getattr(self, name) is not None:
                    raise ValueError(f"'{name}' applies to a 'design' only, not to a 'variable'")
            if not self.trained:
                raise ValueError("'trained' is missing: the labels of the cells that are learned from")
            both = set(self.trained) & set(self.unseen)
            if both:
                raise ValueError(f"label {sorted(map(str, both))[0]!r} is both trained and unseen")
            return self
        for name in ("variable", "trained", "unseen"):
            if getattr(self, name):
                raise ValueError(f"give either 'design' or 'variable' with its labels, not both: found '{name}'")
        if self.neighbours is not None and not self.design.endswith("NG"):
            raise ValueError(f"'neighbours' applies to designs with NG, not to {self.design}")
        side = int(self.design[1:].removesuffix("NG"))
        if self.offset is not None and max(self.offset) >= side:
            raise ValueError(f"offset {list(self.offset)} is outside a block of {side} x {side} cells")
        return self


class FluxObservations(Settings):
    """Observations of the built-in world's fluxes in the training period: standard deviations of their errors."""

    evapotranspiration: float = Field(default=10.0, ge=0, description="of each mean month's total [mm month-1]")
    runoff_ratio: float = Field(default=0.05, ge=0, description="of total runoff over precipitation [1]")
    baseflow_index: float = Field(default=0.1, ge=0, description="of baseflow over total runoff [1]")


class RiverConfig(Settings):
    """The river of the built-in world: gauges where it leaves the world, a hidden velocity of each basin."""

    velocity: tuple[float, float] = Field(default=(0.3, 1.5), description="lowest and highest true one [m s-1]")
    velocity_exponent: float = Field(
        default=0.0, ge=-0.5, le=0.5, description="true exponent of upstream area over 1000 km2 in the velocity"
    )
    noise: float = Field(default=0.1, ge=0, le=1, description="standard deviation of the error of flow, share of it")
    least_cells: int = Field(default=3, ge=1, description="cells that a river has to have for a gauge")

    @field_validator("velocity")
    @classmethod
    def _velocities_are_a_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 0 < value[0] < value[1]:
            raise ValueError(f"expected two velocities above 0, the lower first, found {list(value)}")
        return value


class SyntheticConfig(Settings):
    """The built-in world: a small grid with made-up weather and soil, and a hidden true θ."""

    rows: int = Field(default=8, ge=2, le=100, description="cells from south to north")
    columns: int = Field(default=12, ge=2, le=100, description="cells from west to east")
    grid: WorldGrid = Field(
        default="sample",
        description="cells 1.4 degree apart, as every fourth one of a 36 km grid, or neighbours of the NLDAS-2 grid",
    )
    years: int = Field(default=3, ge=2, le=50, description="years of daily forcing; the last one is the test period")
    start: Day = Field(default=dt.date(2015, 4, 1), description="first day")
    noise: float = Field(default=0.04, ge=0, le=0.5, description="standard deviation of observation noise [m3 m-3]")
    lost: float = Field(
        default=0.05, ge=0, le=1, description="share of overpasses without a retrieval, where nothing is frozen"
    )
    unseen: float = Field(default=0.25, ge=0, lt=1, description="share of cells that are never learned from")
    unexplained: float = Field(
        default=0.2, ge=0, le=1, description="share of the variance of the true θ that no attribute explains"
    )
    seed: int = Field(default=0, ge=0, description="number of the world, mixed with the study's root seed")
    fluxes: FluxObservations | None = Field(
        default=None, description="et_obs, runoff_ratio_obs and baseflow_index_obs as well; none leaves them out"
    )

    river: RiverConfig | None = Field(
        default=None, description="a river network with gauges, whose unseen cells are whole basins; none has no river"
    )

    @model_validator(mode="after")
    def _starts_on_a_day_of_every_year(self) -> SyntheticConfig:
        if (self.start.month, self.start.day) == (2, 29):
            raise ValueError("start must be a day that every year has, not 29 February")
        if self.start.year + self.years > LAST_DAY.year:
            raise ValueError(f"{self.years} years from {self.start} end after {LAST_DAY}")
        return self

    @property
    def train(self) -> Period:
        """All years but the last."""
        return Period(start=self.start, end=self._anniversary(self.years - 1) - dt.timedelta(days=1))

    @property
    def test(self) -> Period:
        """The last year."""
        return Period(start=self._anniversary(self.years - 1), end=self._anniversary(self.years) - dt.timedelta(days=1))

    @property
    def unseen_cells(self) -> int:
        """How many cells are never learned from."""
        return math.floor(self.rows * self.columns * self.unseen + 1e-9)

    def _anniversary(self, years: int) -> dt.date:
        return self.start.replace(year=self.start.year + years)


class DataConfig(Settings):
    """Where the data come from, which cells and periods are used, and what is known about the cells.

    With ``source: synthetic`` the observation, split and periods default to those of the built-in world.
    """

    source: Literal["cells", "synthetic", "products", "hydrodl"] = Field(
        default="cells",
        description="cells: a file of the simple format; synthetic: the built-in world; or products, or hydroDL",
    )
    path: Path | None = Field(default=None, description="file of the simple format (docs/input_format.md)")
    observation: str | None = Field(
        default="sm_smap", description="soil moisture that is learned from; none learns from streamflow alone"
    )
    streamflow: StreamflowConfig | None = Field(
        default=None, description="daily flow at gauges, and the river to them; none judges no flow"
    )
    attributes: Annotated[tuple[str, ...], Distinct] | None = Field(
        default=None, description="static variables shown to the learners; none takes those of the vocabulary"
    )
    climate_attributes: bool = Field(default=True, description="add climate indices of the training period's forcing")
    land_attributes: bool = Field(
        default=False, description="add attributes of soil and plants that VIC's parameter file holds (docs/apply.md)"
    )
    select: dict[str, Value] = Field(default_factory=dict, description="keep cells where a static variable has a value")
    split: Split | None = Field(default=None, description="trained and unseen cells; none trains on all")
    train: Period
    test: Period
    chunk_cells: int = Field(default=64, ge=1, description="cells that are read, checked and written together")
    synthetic: SyntheticConfig | None = Field(default=None, description="the built-in world (source: synthetic)")
    products: ProductsConfig | None = Field(
        default=None, description="forcing, soil moisture and maps in folders (source: products; docs/data_sources.md)"
    )
    hydrodl: HydrodlConfig | None = Field(default=None, description="a hydroDL data base of CSV (source: hydrodl)")

    @property
    def days(self) -> Period | None:
        """Days of the data where the settings say them; a file of the simple format says them itself."""
        if self.synthetic is not None:
            return Period(start=self.synthetic.train.start, end=self.synthetic.test.end)
        if self.products is not None:
            return self.products.forcing.period
        return None if self.hydrodl is None else self.hydrodl.period

    @model_validator(mode="before")
    @classmethod
    def _the_built_in_world_knows_its_own_layout(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("source") != "synthetic":
            return given
        filled = dict(given)
        filled["synthetic"] = {} if filled.get("synthetic") is None else filled["synthetic"]
        try:
            world = SyntheticConfig.model_validate(filled["synthetic"])
        except ValidationError:
            world = SyntheticConfig()  # the field's own validation reports the error with its key
        filled.setdefault("observation", "sm_obs")
        unseen = ["neighbour"] if world.unseen_cells else []
        for name, value in (
            ("split", {"variable": "split", "trained": ["train"], "unseen": unseen}),
            ("train", world.train),
            ("test", world.test),
        ):
            if filled.get(name) is None:
                filled[name] = value
        if world.river is not None:
            flow = filled.get("streamflow")
            if flow is None or isinstance(flow, Mapping):
                filled["streamflow"] = {"routing": ["velocity"], **(flow or {})}
        return filled

    @model_validator(mode="after")
    def _fields_apply(self) -> DataConfig:
        for source, section in (
            ("cells", "path"),
            ("synthetic", "synthetic"),
            ("products", "products"),
            ("hydrodl", "hydrodl"),
        ):
            given = getattr(self, section) is not None
            if given and source != self.source:
                raise ValueError(f"{section} applies to source '{source}' only")
            if not given and source == self.source:
                reads = "reads a file" if source == "cells" else "needs its settings"
                raise ValueError(f"{section} is missing: source '{source}' {reads}")
        return self

    @model_validator(mode="after")
    def _observation_is_that_of_the_product(self) -> DataConfig:
        if self.products is not None:
            product = self.products.observation.product
            if self.observation != OBSERVED[product]:
                raise ValueError(
                    f"observation '{self.observation}' does not come from products.observation, {product}; expected "
                    f"'{OBSERVED[product]}'"
                )
        return self

    @field_validator("observation")
    @classmethod
    def _observation_is_free(cls, name: str | None) -> str | None:
        require_free(() if name is None else (name,))
        return name

    @model_validator(mode="after")
    def _something_is_learned_from(self) -> DataConfig:
        if self.observation is None:
            if self.streamflow is None:
                raise ValueError("observation: found none, and there is no 'streamflow': nothing is learned from")
            if self.source != "cells":
                raise ValueError(f"observation: none is possible with source 'cells' only, not with '{self.source}'")
        return self

    @model_validator(mode="after")
    def _basins_are_somewhere(self) -> DataConfig:
        flow = self.streamflow
        if flow is None:
            return self
        if self.synthetic is not None:
            for key in ("network", "observed", "variable"):
                if getattr(flow, key) is not None:
                    raise ValueError(f"streamflow.{key}: the built-in world has a river of its own; leave it out")
            if self.synthetic.river is None:
                raise ValueError("streamflow: the built-in world has no river; write 'synthetic: {river: {}}'")
            return self
        if flow.network is None and self.source != "cells":
            raise ValueError(f"streamflow.network is missing: source '{self.source}' has no file of basins")
        flow.require_channel()
        return self

    @field_validator("attributes")
    @classmethod
    def _attributes_are_free(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        require_free(names or ())
        return names

    @model_validator(mode="after")
    def _attributes_are_no_targets(self) -> DataConfig:
        for name in self.attributes or ():
            if name == self.observation or (self.split is not None and name == self.split.variable):
                raise ValueError(f"attributes: '{name}' is the observation or the split of the cells")
        return self

    @model_validator(mode="after")
    def _periods_fit(self) -> DataConfig:
        if self.train.start <= self.test.end and self.test.start <= self.train.end:
            raise ValueError(f"train {self.train} and test {self.test} overlap")
        days = self.days
        for name, period in (("train", self.train), ("test", self.test)):
            if days is not None and not (days.start <= period.start and period.end <= days.end):
                raise ValueError(f"{name} {period} is not inside the days of source '{self.source}', {days}")
        return self


_FILL_TRAINING = TrainingConfig(
    steps=800,
    optimiser=OptimiserConfig(name="adamw", rate=1e-2, weight_decay=1e-4),
    schedule=ScheduleConfig(name="cosine", warm_up=20),
)


class GapFillConfig(SequenceConfig):
    """The network that makes a seamless series of the gappy observations, and how it is judged."""

    direction: Literal["forward", "both"] = Field(
        default="both", description="observations it is given: the last one before a day, or the next one too"
    )
    hidden: int = Field(default=48, ge=1, le=16384, description="state size of the LSTM")
    dropout: float = Field(default=0.15, ge=0, lt=1, description="share of inputs and states dropped in training")
    members: int = Field(default=2, ge=1, le=1000, description="networks trained from different starts, averaged")
    training: TrainingConfig = _FILL_TRAINING

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed(given, _FILL_TRAINING)
