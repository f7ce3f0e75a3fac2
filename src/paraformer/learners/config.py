"""Settings of the learners."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from paraformer.core.own_calibrator import OwnCalibrator
from paraformer.core.own_code import OWN
from paraformer.core.plugins import resolved
from paraformer.core.settings import Settings
from paraformer.core.targets_config import TargetsConfig
from paraformer.learners.training_config import LearningConfig, RefinementConfig, completed_learning
from paraformer.numerics.inference import InferenceConfig

Value = bool | int | float | str
"""What a setting of a user's own network may be."""


class FFNConfig(Settings):
    """FFN_A; the paper's hidden size is 1280 (DAS-S4) or 256 (DAS-S8), its dropout 0.5 (section 4.2)."""

    name: Literal["ffn_a"] = "ffn_a"
    hidden: int = Field(default=256, ge=1, le=16384, description="width of the hidden layers")
    layers: int = Field(default=2, ge=1, le=256, description="number of hidden layers")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="share of inputs and states dropped in training")


class ParaFormerAConfig(Settings):
    """ParaFormer_A; width 128, 4 heads and 2 layers are the paper's (section 4.2)."""

    name: Literal["paraformer_a"] = "paraformer_a"
    width: int = Field(default=128, ge=1, le=16384, description="d, the width of a token")
    heads: int = Field(default=4, ge=1, le=256, description="m, the number of attention heads")
    layers: int = Field(default=2, ge=1, le=256, description="N, the number of encoder layers")
    feed_forward: int = Field(default=256, ge=1, le=16384, description="hidden width of the position-wise network")
    pool: Literal["mean", "concatenate"] = Field(default="concatenate", description="how tokens reach the head")
    dropout: float = Field(default=0.4, ge=0, lt=1, description="share of inputs and states dropped in training")

    @model_validator(mode="after")
    def _heads_divide_width(self) -> ParaFormerAConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        return self


class HistoryConfig(Settings):
    """What every network has that reads the history of a cell; 240 days are the paper's (section 4.2)."""

    history_days: int = Field(default=240, ge=1, description="days of history that θ is read from, L")
    history_windows: int = Field(
        default=4, ge=1, description="evenly spaced windows of the training period whose θ are averaged for the verdict"
    )


class LSTMZConfig(HistoryConfig):
    """LSTM_Z; the paper's hidden size is 1280 (DAS-S4) or 256 (DAS-S8), its dropout 0.5 (section 4.2)."""

    name: Literal["lstm_z"] = "lstm_z"
    hidden: int = Field(default=256, ge=1, le=16384, description="state size of the LSTM")
    dropout: float = Field(default=0.5, ge=0, lt=1, description="share of inputs and states dropped in training")


class ParaFormerZConfig(HistoryConfig):
    """ParaFormer_Z; width 256, 8 heads, 2 layers and tokens of one day are the paper's (section 4.2).

    The default ``patch`` makes a step about 25 times cheaper on a processor (docs/method.md section 4).
    """

    name: Literal["paraformer_z"] = "paraformer_z"
    width: int = Field(default=256, ge=1, le=16384, description="d, the width of a token")
    heads: int = Field(default=8, ge=1, le=256, description="m, the number of attention heads")
    layers: int = Field(default=2, ge=1, le=256, description="N, the number of encoder layers over the days")
    feed_forward: int = Field(default=512, ge=1, le=16384, description="hidden width of the position-wise networks")
    patch: int = Field(default=8, ge=1, description="consecutive days that make one time token; 1 is the paper's")
    statistics: bool = Field(
        default=False, description="statistics of the history stand beside the attributes, each a token of its own"
    )
    pool: Literal["mean", "concatenate"] = Field(default="concatenate", description="how tokens reach the head")
    dropout: float = Field(default=0.4, ge=0, lt=1, description="share of inputs and states dropped in training")

    @model_validator(mode="after")
    def _sizes_divide(self) -> ParaFormerZConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.history_days % self.patch:
            raise ValueError(f"history_days {self.history_days} is not a multiple of patch {self.patch}")
        return self


class _Own(Settings):
    """A network of the user's own: ``factory(attributes, features, **settings)`` makes it (``learners.own``)."""

    name: str = Field(description="package.module:factory")
    module_folder: Path | None = Field(default=None, description="folder of its module; none: it is installed")
    settings: dict[str, Value] = Field(default_factory=dict, description="what the factory is given by name")

    @field_validator("name")
    @classmethod
    def _plug_in_is_what_it_stands_for(cls, given: str) -> str:
        return resolved("learners", given)


class OwnConfig(_Own):
    """A network of the user's own that reads attributes, or a map of its own way to learn (``gradient: false``)."""

    gradient: bool = Field(
        default=True, description="false: no network but a calibrator of its own (core.own_calibrator), as trees are"
    )


class OwnHistoryConfig(_Own, HistoryConfig):
    """A network of the user's own that reads attributes and history: it has ``history_days``."""

    history_days: int = Field(ge=1, description="days of history that θ is read from, L")


def _name(given: Any) -> str | None:
    """Which settings a network has, by its ``name``; pydantic calls what is missing by the name of this function."""
    named = given.get("name") if isinstance(given, Mapping) else getattr(given, "name", None)
    named = resolved("learners", named) if isinstance(named, str) else named
    if not isinstance(named, str) or not OWN.fullmatch(named):
        return None if named is None else str(named)
    history = "history_days" in given if isinstance(given, Mapping) else isinstance(given, HistoryConfig)
    return "own, with history" if history else "own"


NetworkConfig = Annotated[
    Annotated[FFNConfig, Tag("ffn_a")]
    | Annotated[LSTMZConfig, Tag("lstm_z")]
    | Annotated[ParaFormerAConfig, Tag("paraformer_a")]
    | Annotated[ParaFormerZConfig, Tag("paraformer_z")]
    | Annotated[OwnConfig, Tag("own")]
    | Annotated[OwnHistoryConfig, Tag("own, with history")],
    Discriminator(_name),
]


def reads_history(network: NetworkConfig) -> bool:
    """Whether θ of a cell depends on its own forcing and observations, day by day."""
    return isinstance(network, HistoryConfig)


class LossConfig(Settings):
    """What a learner minimises (docs/method.md sections 3 and 5)."""

    fit: Literal["rmse", "cell_rmse"] = Field(
        default="rmse", description="root mean square error over all cells and days, or mean of that of each cell"
    )
    operator: Literal["raw", "global_linear", "cell_moments", "cell_lstsq"] = Field(
        default="raw",
        description="observation operator: what is done to a simulation before it is compared (docs/figures.md)",
    )
    line: Literal["window", "prior"] = Field(
        default="window", description="fit the operator to the simulation of the window, or once to that of the prior"
    )
    prior_weight: float = Field(
        default=0.01, ge=0, description="weight of the mean squared distance from the a-priori θ, unit coordinates"
    )
    inference: InferenceConfig | None = Field(
        default=None,
        description="the most probable θ of a posterior, in place of 'fit' and 'prior_weight'; none: those",
    )
    range_weight: float | None = Field(default=None, ge=0, description="α of the range-boundary loss; none takes p")

    @model_validator(mode="after")
    def _inference_stands_alone(self) -> LossConfig:
        fields = type(self).model_fields
        spare = [name for name in ("fit", "prior_weight") if getattr(self, name) != fields[name].default]
        if self.inference is not None and spare:
            raise ValueError(f"'{spare[0]}' does not apply beside 'inference', which has its own; leave it out")
        return self

    @property
    def reads_prior_run(self) -> bool:
        """Whether a run of the a-priori θ enters the loss: its line, or the correlation of its residuals."""
        return self.inference is not None or (self.line == "prior" and self.operator != "raw")


class LearnerConfig(Settings):
    """One learner: its network, head, loss and training.

    ``simulator`` says through which forward model the gradient reaches θ. The process model always runs the whole
    training period, so ``window`` is of no use to it.
    """

    network: NetworkConfig = Field(default=ParaFormerAConfig(), description="what maps a cell to its θ")
    head: Literal["bounded", "linear"] = Field(
        default="bounded",
        description="how θ stays in its range: by a sigmoid, or by the range-boundary loss alone, as in the paper",
    )
    start: Literal["prior", "middle"] = Field(
        default="prior",
        description="θ of an untrained network, to which what it learns is added: each cell's a-priori θ, or the "
        "middle of the range everywhere, as in the paper",
    )
    loss: LossConfig = LossConfig()
    simulator: Literal["surrogate", "process", "surrogate_then_process"] = Field(
        default="surrogate",
        description="forward model of the training: the surrogate, the process model, or one and then the other",
    )
    observations: Literal["masked", "filled", "both"] = Field(
        default="masked",
        description="masked: real observations only; filled: gap-filled ones enter the history; both: the loss, too",
    )
    filled_weight: float | None = Field(
        default=None, gt=0, description="both only: weight of a gap-filled day in the loss; none takes 1"
    )
    window: int | None = Field(default=None, ge=1, description="days of the loss through the surrogate; none takes all")
    cells_per_batch: int = Field(default=64, ge=1, description="cells of a window; at most the trained ones")
    windows_per_batch: int = Field(default=1, ge=1, description="windows of a batch, each with its own draw of cells")
    periods: Literal["shared", "own"] = Field(
        default="shared",
        description="first day of a window: one for all of its cells, or one of its own for each of them, as in the "
        "paper",
    )
    history: Literal["random", "loss"] = Field(
        default="random",
        description="days of the history that θ is read from in training: random ones, or those of the loss, as in "
        "the paper",
    )
    attribute_dropout: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of training samples of which some attributes are hidden, so that the map can be applied "
        "where not all are known; with 0 it needs them all",
    )
    members: int = Field(
        default=1, ge=1, le=1000, description="networks trained apart whose θ are averaged (unit coordinates)"
    )
    training: LearningConfig = LearningConfig()
    refinement: RefinementConfig | None = Field(
        default=None, description="surrogate_then_process only: the training that goes on through the process model"
    )

    start_from: Path | None = Field(
        default=None,
        description="a map whose weights the training begins with: a folder of 'paraformer export', or the name of a "
        "packaged map; none begins anew",
    )
    targets: TargetsConfig | None = Field(
        default=None, description="what is compared beside soil moisture, and by what it counts; none compares no other"
    )

    @field_validator("training", mode="before")
    @classmethod
    def _training_is_completed(cls, given: Any) -> Any:
        return completed_learning(given, LearningConfig())

    @field_validator("refinement", mode="before")
    @classmethod
    def _refinement_is_completed(cls, given: Any) -> Any:
        return completed_learning(given, RefinementConfig())

    @model_validator(mode="before")
    @classmethod
    def _what_is_refined_has_settings_for_it(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and given.get("simulator") == "surrogate_then_process":
            return {**given, "refinement": {} if given.get("refinement") is None else given["refinement"]}
        return given

    @property
    def has_gradient(self) -> bool:
        """Whether it is a network, trained through its forward model, and not a map with its own way to learn."""
        return not isinstance(self.network, OwnConfig) or self.network.gradient

    def own_calibrator(self) -> OwnCalibrator:
        """The map without gradient that the settings name."""
        assert isinstance(self.network, OwnConfig)
        network = self.network
        return OwnCalibrator("learners.network.name", network.name, network.module_folder, network.settings)

    @model_validator(mode="after")
    def _only_networks_are_trained(self) -> LearnerConfig:
        if self.has_gradient:
            return self
        for name, field in type(self).model_fields.items():
            usual = field.get_default(call_default_factory=True)
            if name not in ("network", "simulator") and getattr(self, name) != usual:
                raise ValueError(f"'{name}' is of networks, which are trained; leave it out with 'gradient: false'")
        if self.simulator == "surrogate_then_process":
            raise ValueError("simulator 'surrogate_then_process' is of networks; take 'surrogate' or 'process'")
        return self

    @model_validator(mode="after")
    def _simulator_applies(self) -> LearnerConfig:
        if self.simulator == "process" and self.window is not None:
            raise ValueError(
                f"'window' ({self.window} days) does not apply to simulator 'process', which runs the whole training "
                "period whatever is asked for; leave 'window' out"
            )
        if self.refinement is None:
            return self
        if self.simulator != "surrogate_then_process":
            raise ValueError(f"'refinement' applies to simulator 'surrogate_then_process' only, not '{self.simulator}'")
        return self

    @property
    def of_streamflow(self) -> bool:
        """Whether flow at gauges is among what it is compared with."""
        return self.targets is not None and self.targets.streamflow is not None

    @model_validator(mode="after")
    def _flow_applies(self) -> LearnerConfig:
        if not self.of_streamflow:
            return self
        assert self.targets is not None
        if self.windows_per_batch > 1:
            raise ValueError("'windows_per_batch' does not apply to targets.streamflow: raise 'cells_per_batch'")
        return self

    @model_validator(mode="after")
    def _targets_apply(self) -> LearnerConfig:
        if self.targets is None:
            return self
        if self.window is not None:
            raise ValueError(f"'targets' are of the whole training period; leave 'window' ({self.window} days) out")
        if self.loss.inference is None:
            self.targets.require_weights()
        else:
            self.targets.require_errors()
        return self

    @model_validator(mode="after")
    def _fields_apply(self) -> LearnerConfig:
        if self.filled_weight is not None and self.observations != "both":
            raise ValueError(f"'filled_weight' applies to observations 'both' only, not to '{self.observations}'")
        if self.windows_per_batch > 1 and self.simulator == "process":
            raise ValueError("'windows_per_batch' does not apply to simulator 'process': raise 'cells_per_batch'")
        if isinstance(self.network, HistoryConfig):
            return self
        if self.observations == "filled":
            raise ValueError(f"observations 'filled' enter the history, which '{self.network.name}' does not read")
        if self.window is None and self.windows_per_batch > 1:
            raise ValueError("'windows_per_batch' needs 'window': without it, and without history, all are the same")
        return self

    @model_validator(mode="after")
    def _days_apply(self) -> LearnerConfig:
        if self.periods == "own" and self.window is None:
            raise ValueError("'periods: own' needs 'window': without it every window is the whole training period")
        if self.history == "random":
            return self
        if not isinstance(self.network, HistoryConfig):
            raise ValueError(f"'history' is of the windows of a history, which '{self.network.name}' does not read")
        if self.window != self.network.history_days:
            found = "no window" if self.window is None else f"{self.window} days"
            raise ValueError(
                f"'history: loss' reads the days of the loss: 'window' must be 'network.history_days' "
                f"({self.network.history_days} days), found {found}"
            )
        return self

    def epoch(self, cells: int, days: int) -> int:
        """Steps that draw as many cell-days as there are, rounded up.

        Args:
            cells: cells that are learned from.
            days: days of the training period.
        """
        drawn = min(self.cells_per_batch, cells) * self.windows_per_batch * (self.window or days)
        return math.ceil(cells * days / drawn)

    def steps(self, cells: int, days: int) -> int:
        """Steps of the whole training of a network, ``refinement`` not counted."""
        return self.training.length(self.epoch(cells, days))

    def refined(self) -> LearnerConfig:
        """Settings with which the learner goes on through the process model; its own where it has no ``refinement``.

        The process model runs the whole training period: windows, and what is tied to them, fall away.
        """
        if self.refinement is None:
            return self
        whole = {
            "window": None,
            "windows_per_batch": 1,
            "periods": "shared",
            "history": "random",
            "training": self.refinement,
            "cells_per_batch": self.refinement.cells_per_batch,
        }
        return self.model_copy(update=whole)
