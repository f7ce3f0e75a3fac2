"""Settings of the searches. Symbols in brackets are those of Duan et al. (1994, doi 10.1016/0022-1694(94)90057-4)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeGuard

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from paraformer.core.errors import SettingsError
from paraformer.core.flow_score import FlowScore
from paraformer.core.own_calibrator import OwnCalibrator
from paraformer.core.own_code import OWN
from paraformer.core.plugins import resolved
from paraformer.core.settings import Settings
from paraformer.core.targets_config import EvapotranspirationTarget, StreamflowTarget, TargetsConfig, is_likelihood
from paraformer.numerics.inference import InferenceConfig


class MisfitConfig(Settings):
    """What a search minimises in each cell: the RMSE over its observed training days, or with ``inference`` the
    posterior cost, which takes one run of the a-priori θ more (method.md 3 and 5)."""

    operator: Literal["raw", "cell_moments", "cell_lstsq"] = Field(
        default="raw", description="observation operator, fitted anew to every simulated series"
    )
    min_days: int = Field(default=20, ge=2, description="observed days below which a cell keeps its a-priori θ")
    inference: InferenceConfig | None = Field(
        default=None, description="the most probable θ of a posterior; none: least squares, without a prior"
    )

    @field_validator("operator", mode="before")
    @classmethod
    def _operator_is_per_cell(cls, given: Any) -> Any:
        if given == "global_linear":
            raise ValueError("'global_linear' is one line for all cells and couples them; a search is cell by cell")
        return given


class FlowMisfitConfig(Settings):
    """What a search of streamflow minimises in each basin, at all of its gauges together (``numerics.flow_loss``)."""

    score: FlowScore = Field(
        default="kge", description="kge: Kling-Gupta efficiency of 2009; nse: squared error over the flow's variance"
    )
    log_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the squared error of log flow: low flow counts for more"
    )
    min_days: int = Field(default=365, ge=2, description="observed days below which a basin keeps its a-priori θ")


class _AnyConfig(Settings):
    model: Literal["process", "surrogate"] = Field(default="process", description="forward model that is searched")
    budget: int = Field(
        default=500,
        ge=1,
        description="most forward runs of a cell, never exceeded; with loss.inference the a-priori θ beside [maxn]",
    )

    @property
    def of_flow(self) -> bool:
        """Whether basins are searched by the flow at their gauges, not cells."""
        return False

    @property
    def of_moisture(self) -> bool:
        """Whether soil moisture counts."""
        return True

    @property
    def others(self) -> TargetsConfig | None:
        """Weights of several targets; ``None`` where there is one alone."""
        return None

    def size(self, parameters: int, routing: int) -> int:
        """Number of parameters that are searched, of so many of the process model and of routing."""
        return parameters

    def require_budget(self, parameters: int) -> None:
        """Raise SettingsError unless the budget pays for the first step of a search of so many parameters."""

    def numerical(self) -> dict[str, Any]:
        """The settings on which θ depends."""
        return self.model_dump(mode="json")


def _form(given: Any) -> str:
    """One target by its name, or several with weights: a mistake in one form is told in the words of that form."""
    return "one" if isinstance(given, str) else "several"


_Targets = Annotated[
    Annotated[Literal["soil_moisture", "streamflow"], Tag("one")] | Annotated[TargetsConfig, Tag("several")],
    Discriminator(_form),
]


class _CommonConfig(_AnyConfig):
    targets: _Targets = Field(
        default="soil_moisture",
        description="what θ is found by: each cell by its soil moisture, or each basin by the flow at its gauges, one "
        "θ for its cells and its parameters of routing with it; or several targets with weights, as of learners",
    )
    find: Literal["theta", "routing"] = Field(
        default="theta", description="streamflow only: theta and routing; or routing alone, with the a-priori θ"
    )
    loss: MisfitConfig = MisfitConfig()
    flow: FlowMisfitConfig = FlowMisfitConfig()
    start_from_prior: bool = Field(default=True, description="the first point is the a-priori θ [iniflg]")
    runs_together: int = Field(default=512, ge=1, description="forward runs in one call of the model: bounds memory")
    checkpoint_seconds: float = Field(default=30.0, ge=0, description="seconds between checkpoints; 0 after every step")

    @model_validator(mode="after")
    def _settings_are_those_of_the_target(self) -> _CommonConfig:
        for key in self._without_effect:
            if getattr(self, key) != type(self).model_fields[key].default:
                if key == "flow" and self.of_flow:
                    raise ValueError("'flow' stands in 'targets.streamflow', where targets have weights")
                other = "soil_moisture" if key == "loss" else "streamflow"
                raise ValueError(f"'{key}' applies to targets '{other}' only")
        self._require_one_rule()
        if self.others is not None:
            self._require_something_left(self.others)
            if not (self.of_flow or self.of_moisture):
                raise ValueError(
                    "'targets.soil_moisture: 0' leaves nothing that cells are searched by; name streamflow"
                )
            if self.of_flow and self.find == "routing" and (self.of_moisture or self.others.chosen):
                raise ValueError("'find: routing' leaves θ as it is, so that flow is its only target")
        return self

    def _require_something_left(self, targets: TargetsConfig) -> None:
        """Raise ValueError where ``bias: remove`` takes all of what a cell, searched for itself, is compared with."""
        for name, target in targets.chosen.items():
            months = isinstance(target, EvapotranspirationTarget) and target.period == "month"
            if target.bias == "remove" and not months and not self.of_flow:
                raise ValueError(
                    f"'targets.{name}.bias: remove' leaves nothing of the one value of a cell that is searched for "
                    "itself; leave it out"
                )

    def _require_one_rule(self) -> None:
        """Raise ValueError unless everything counts by weight or, as ``loss.inference`` wants it, by its errors."""
        if self.loss.inference is None:
            if self.others is not None:
                self.others.require_weights()
            return
        if not self.of_moisture and self.loss.model_copy(update={"inference": None}) != MisfitConfig():
            raise ValueError("'loss' applies to targets 'soil_moisture' only, but for 'loss.inference'")
        if self.of_flow and self.find == "routing":
            raise ValueError("'find: routing' leaves θ as it is, so that 'loss.inference' has no prior of it")
        if self.others is not None:
            self.others.require_errors()
        elif self.of_flow and not is_likelihood(self.flow.score, self.flow.log_share):
            raise ValueError(
                "'flow' beside 'loss.inference' takes 'score: nse' and 'log_share' 0 or 1: errors of flow, or of its "
                "logarithm, are Gaussian"
            )

    @property
    def _without_effect(self) -> tuple[str, ...]:
        """Keys that do not apply to the targets."""
        flow = () if self.of_flow and self.others is None else ("flow",)
        return (
            *flow,
            *(() if self.of_flow else ("find",)),
            *(() if self.of_moisture or self.loss.inference else ("loss",)),
        )

    @property
    def of_flow(self) -> bool:
        return self.targets == "streamflow" if self.others is None else self.others.streamflow is not None

    @property
    def of_moisture(self) -> bool:
        return self.targets == "soil_moisture" if self.others is None else self.others.soil_moisture > 0

    @property
    def others(self) -> TargetsConfig | None:
        return None if isinstance(self.targets, str) else self.targets

    @property
    def gauged(self) -> FlowMisfitConfig | StreamflowTarget:
        """What the misfit of flow is."""
        given = None if self.others is None else self.others.streamflow
        return self.flow if given is None else given

    def size(self, parameters: int, routing: int) -> int:
        if not self.of_flow:
            return parameters
        return routing if self.find == "routing" else parameters + routing

    def numerical(self) -> dict[str, Any]:
        """The settings on which θ depends: all but how much is run at once and how often a checkpoint is written."""
        other = {*self._without_effect, *(("targets",) if self.targets == "soil_moisture" else ())}
        settings = self.model_dump(mode="json", exclude={"runs_together", "checkpoint_seconds"} | other)
        if "loss" in settings and self.loss.inference is None:
            del settings["loss"]["inference"]
        return settings


class SCEUAConfig(_CommonConfig):
    """Shuffled complex evolution. For p parameters a complex has 2p + 1 points [npg] and evolves as many times between
    shuffles [nspl]; a simplex has p + 1 points [nps]."""

    name: Literal["sceua"] = "sceua"
    complexes: int = Field(default=2, ge=1, description="complexes of a cell [ngs]")
    gain_shuffles: int = Field(default=10, ge=2, description="shuffles over which the gain is measured [kstop]")
    least_gain: float = Field(
        default=0.1, ge=0, description="a cell stops when its best cost changes by less than this [%] [pcento]"
    )
    least_range: float = Field(
        default=1e-3, ge=0, description="a cell stops when the geometric mean range of its points is smaller [peps]"
    )

    def require_budget(self, parameters: int) -> None:
        points = self.complexes * (2 * parameters + 1)
        if self.budget < points:
            raise SettingsError(
                f"budget {self.budget} is below the initial population of {points} points "
                f"({self.complexes} complexes of 2 x {parameters} + 1)"
            )


class RandomConfig(_CommonConfig):
    """Latin hypercube of ``budget`` points, the best of which is kept: the yardstick of any search."""

    name: Literal["random"] = "random"


class LevenbergConfig(_CommonConfig):
    """Levenberg-Marquardt on the slopes of the daily series, begun again from other points while the budget lasts."""

    name: Literal["levenberg"] = "levenberg"
    starts: int | None = Field(default=None, ge=1, description="most starts of a cell; none as many as the budget pays")
    candidates: int = Field(default=10, ge=1, description="points run for a start, which begins from the best of them")
    damping: float = Field(default=1e-3, gt=0, description="damping of a start over the largest curvature [τ]")
    least_gain: float = Field(default=1e-4, ge=0, description="a start ends when a step gains less [1 of the cost]")

    @field_validator("model")
    @classmethod
    def _model_gives_slopes(cls, given: str) -> str:
        if given != "process":
            raise ValueError(
                "expected 'process', whose slopes this search needs; sceua and random search the surrogate"
            )
        return given

    def require_budget(self, parameters: int) -> None:
        points = self.candidates + self.start_from_prior
        runs = points + 2 * parameters + 1
        if self.budget < runs:
            raise SettingsError(
                f"budget {self.budget} is below the {runs} runs of a first step "
                f"({points} to choose from, 2 x {parameters} differences, 1)"
            )


class KalmanConfig(_CommonConfig):
    """Kalman inversion: rounds of 2p + 3 runs for p parameters, until the budget is spent or the observations count as
    much as their errors warrant and the cost falls no more. The first round has 4p + 1."""

    name: Literal["kalman"] = "kalman"
    loss: MisfitConfig = MisfitConfig(inference=InferenceConfig())
    budget: int = Field(default=100, ge=1, description="most forward runs of a cell, never exceeded")
    least_gain: float = Field(default=1e-3, ge=0, description="a cell stops when a round gains less [1 of the cost]")

    @field_validator("loss", mode="before")
    @classmethod
    def _has_a_prior(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and "inference" not in given:
            return {**given, "inference": {}}
        return given

    @model_validator(mode="after")
    def _infers(self) -> KalmanConfig:
        if self.of_flow:
            raise ValueError("an inversion is of soil moisture; streamflow is searched by sceua, levenberg or random")
        if self.loss.inference is None or not self.start_from_prior:
            raise ValueError(
                "an inversion starts from its prior: leave out 'start_from_prior' and 'loss.inference: null'"
            )
        return self

    def require_budget(self, parameters: int) -> None:
        runs = 6 * parameters + 4
        if self.budget < runs:
            raise SettingsError(
                f"budget {self.budget} is below the {runs} runs of two rounds of {parameters} parameters"
            )


class OwnSearchConfig(_AnyConfig):
    """A search of the user's own: ``factory(**settings)`` makes it (``core.own_calibrator``)."""

    name: str = Field(description="package.module:factory")
    module_folder: Path | None = Field(default=None, description="folder of its module; none: it is installed")
    settings: dict[str, bool | int | float | str] = Field(
        default_factory=dict, description="what the factory is given by name"
    )

    @field_validator("name")
    @classmethod
    def _plug_in_is_what_it_stands_for(cls, given: str) -> str:
        return resolved("searches", given)

    def numerical(self) -> dict[str, Any]:
        """The settings on which θ depends: all but where the code stands."""
        return self.model_dump(mode="json", exclude={"module_folder"})

    def calibrator(self) -> OwnCalibrator:
        """The search that the settings name."""
        return OwnCalibrator("searches.name", self.name, self.module_folder, self.settings, self.budget)


def _name(given: Any) -> str | None:
    """Which settings a search has, by its ``name``."""
    named = given.get("name") if isinstance(given, Mapping) else getattr(given, "name", None)
    if not isinstance(named, str):
        return None if named is None else str(named)
    return "own" if OWN.fullmatch(resolved("searches", named)) else named


SearchConfig = Annotated[
    Annotated[SCEUAConfig, Tag("sceua")]
    | Annotated[RandomConfig, Tag("random")]
    | Annotated[LevenbergConfig, Tag("levenberg")]
    | Annotated[KalmanConfig, Tag("kalman")]
    | Annotated[OwnSearchConfig, Tag("own")],
    Discriminator(_name),
]
BuiltInSearchConfig = SCEUAConfig | RandomConfig | LevenbergConfig | KalmanConfig


def of_streamflow(search: SearchConfig) -> TypeGuard[BuiltInSearchConfig]:
    """Whether a search finds θ by the flow at gauges."""
    return search.of_flow
