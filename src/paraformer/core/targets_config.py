"""Settings of what a learner or a search is compared with beside, or instead of, soil moisture."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from paraformer.core.flow_score import FlowScore
from paraformer.core.settings import Distinct, Settings

_WEIGHT = 0.05


class TargetConfig(Settings):
    """One variable: the cube's references it is compared with, and how much it counts.

    By weight, the error against each reference is divided by the standard deviation of that reference over trained
    cells, as that of soil moisture is by its own: a weight of 1 makes two variables equal. The references of one share
    it. Under ``loss.inference`` each value of each reference counts by the variance of its error.
    """

    reference: Annotated[tuple[str, ...], Distinct] = Field(min_length=1, description="variables of the cube")
    weight: float | None = Field(
        default=None, gt=0, description="weight; none takes 0.05; that of soil moisture is 1 unless given"
    )
    error: float | None = Field(
        default=None,
        ge=1e-9,
        le=1e9,
        description="with loss.inference, in place of weight: standard deviation of the error of each value of each "
        "reference, in its unit (mm of a year or of a month, or a share)",
    )
    bias: Literal["keep", "remove"] = Field(
        default="keep", description="remove: the mean difference over the cells of a step does not count"
    )

    @model_validator(mode="after")
    def _counts_by_one_rule(self) -> TargetConfig:
        if self.weight is not None and self.error is not None:
            raise ValueError("'weight' and 'error' both say what a target counts for; leave one out")
        return self

    @property
    def share(self) -> float:
        """Weight of each reference, where targets count by weight."""
        return (_WEIGHT if self.weight is None else self.weight) / len(self.reference)


class EvapotranspirationTarget(TargetConfig):
    """Evapotranspiration against monthly climatologies; the caveat of a reference of other years is the user's."""

    period: Literal["month", "year"] = Field(
        default="year", description="totals that are compared: of the calendar months, or of the year"
    )


def is_likelihood(score: FlowScore, log_share: float) -> bool:
    """Whether a misfit of flow is that of Gaussian errors, of flow or of its logarithm."""
    return log_share == 1.0 or (score == "nse" and log_share == 0.0)


class StreamflowTarget(Settings):
    """Flow at the gauges of ``data.streamflow``, all cells of a basin together, its times of travel learned with θ.

    The error of a gauge has no unit: RMSE over the standard deviation of its flow, or the distance of KGE from 1.
    """

    score: FlowScore = Field(
        default="nse", description="nse: squared error over the gauge's own variance; kge: the three parts of KGE"
    )
    log_share: float = Field(
        default=0.0, ge=0, le=1, description="share of the squared error of log flow: low flow counts for more"
    )
    min_days: int = Field(default=365, ge=2, description="observed days below which a gauge does not count")
    weight: float | None = Field(
        default=None,
        gt=0,
        description="weight; none takes 1, which makes it equal to soil moisture of weight 1; with loss.inference a "
        "gauge counts by its effective days instead",
    )


class TargetsConfig(Settings):
    """Targets of a learner or a search; what is not named does not count, but for soil moisture."""

    soil_moisture: float = Field(default=1.0, ge=0, description="weight of soil moisture; 0 leaves it out of the loss")
    evapotranspiration: EvapotranspirationTarget | None = Field(default=None, description="monthly or annual totals")
    runoff_ratio: TargetConfig | None = Field(default=None, description="share of precipitation that runs off")
    baseflow_index: TargetConfig | None = Field(default=None, description="share of total runoff that is baseflow")
    streamflow: StreamflowTarget | None = Field(default=None, description="daily flow at gauges (docs/streamflow.md)")

    @model_validator(mode="after")
    def _there_is_a_target(self) -> TargetsConfig:
        if not self.chosen and self.streamflow is None:
            raise ValueError(
                "'targets' names none beside soil moisture; leave it out, or name evapotranspiration, "
                "runoff_ratio, baseflow_index or streamflow"
            )
        return self

    def require_errors(self) -> None:
        """Raise ValueError unless everything counts by its errors, as ``loss.inference`` wants it."""
        if self.soil_moisture not in (0.0, 1.0):
            raise ValueError(
                f"'targets.soil_moisture: {self.soil_moisture:g}' does not apply beside 'loss.inference', under which "
                "it counts by its effective days; leave it out, or write 0"
            )
        for name, target in self.chosen.items():
            if target.weight is not None:
                raise ValueError(
                    f"'targets.{name}.weight' does not apply beside 'loss.inference'; give 'error', the standard "
                    "deviation of the reference's error"
                )
            if target.error is None:
                raise ValueError(
                    f"'targets.{name}' needs 'error' beside 'loss.inference': the standard deviation of the "
                    "reference's error, in its unit"
                )
        flow = self.streamflow
        if flow is not None and flow.weight is not None:
            raise ValueError(
                "'targets.streamflow.weight' does not apply beside 'loss.inference', under which a gauge counts by its "
                "effective days; leave it out"
            )
        if flow is not None and not is_likelihood(flow.score, flow.log_share):
            raise ValueError(
                "'targets.streamflow' beside 'loss.inference' takes 'score: nse' and 'log_share' 0 or 1: errors of "
                "flow, or of its logarithm, are Gaussian"
            )

    def require_weights(self) -> None:
        """Raise ValueError where an error is given that only ``loss.inference`` reads."""
        for name, target in self.chosen.items():
            if target.error is not None:
                raise ValueError(f"'targets.{name}.error' applies beside 'loss.inference' only; give 'weight'")

    @property
    def chosen(self) -> dict[str, TargetConfig]:
        """The targets beside soil moisture that are compared with references of the cube, by name."""
        named = {name: getattr(self, name) for name in ("evapotranspiration", "runoff_ratio", "baseflow_index")}
        return {name: target for name, target in named.items() if target is not None}

    @property
    def references(self) -> tuple[str, ...]:
        """Variables of the cube that these targets read."""
        return tuple(sorted({name for target in self.chosen.values() for name in target.reference}))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Outputs of the forward model that these targets need beside soil moisture."""
        needed = {
            "evapotranspiration": ("evapotranspiration",),
            "runoff_ratio": ("runoff", "baseflow"),
            "baseflow_index": ("runoff", "baseflow"),
        }
        found = [output for name in self.chosen for output in needed[name]]
        return tuple(dict.fromkeys([*found, *(("runoff", "baseflow") if self.streamflow is not None else ())]))
