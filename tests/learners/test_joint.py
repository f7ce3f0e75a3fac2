"""The joint posterior of several targets: closed forms of a linear model, effective days of gauges, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners import test_streamflow as rivers
from learners.ledger import CELLS, DAYS, SPACE, Ledger, twin
from paraformer.core.contracts import CalibrationData
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen
from paraformer.learners.task import LearnTask
from paraformer.numerics.inference import effective_days
from paraformer.numerics.losses import Evidence, posterior_cost
from paraformer.numerics.months import monthly_operator

STD = {"level": 0.2, "loss": 0.1, "split": 0.3}
ERROR = {"et": 75.0, "ratio": 0.05, "index": 0.1}
ALL = {
    "evapotranspiration": {"reference": ["et"], "error": ERROR["et"]},
    "runoff_ratio": {"reference": ["ratio"], "error": ERROR["ratio"]},
    "baseflow_index": {"reference": ["index"], "error": ERROR["index"]},
}


def settings(targets: object, **loss: Any) -> LearnerConfig:
    network = {"name": "ffn_a", "hidden": 8, "dropout": 0.0}
    given = {"inference": {"prior_std": STD}, **loss}
    return LearnerConfig.model_validate({"network": network, "loss": given, "targets": targets})


def noisy() -> CalibrationData:
    data = twin()
    noise = 0.03 * np.random.default_rng(5).normal(size=data.observed.shape)
    return replace(data, observed=np.where(data.mask, data.observed + noise, 0.0))


def cost(config: LearnerConfig, data: CalibrationData, u: np.ndarray) -> tuple[float, np.ndarray, LearnTask]:
    """Loss of all trained cells at u, its gradient, and the task."""
    seen = Seen.of(config, data, SPACE)
    task = LearnTask(ParameterMap(config, 3, 3), config, Ledger(), seen, 0)
    at = torch.as_tensor(u, dtype=torch.float32).requires_grad_()
    series = Ledger().respond(at, torch.as_tensor(seen.cells), 0, DAYS, task.outputs)
    found = task._misfit(series, at, seen.cells, np.zeros(len(seen.cells), dtype=np.int64))
    found.backward()
    assert at.grad is not None
    return float(found.detach()), at.grad.numpy(), task


class Known:
    """-log p of the linear model in closed form, for trained cells."""

    def __init__(self, data: CalibrationData, targets: dict[str, Any]) -> None:
        rows = data.trained
        self.rain = Ledger().rain.double().numpy()[rows]
        self.annual = (self.rain @ monthly_operator(data.time)).sum(axis=1)
        self.seen = {name: data.references[name].values[rows] for name in ERROR}
        self.observed, self.mask, self.targets = data.observed[rows], data.mask[rows], targets
        prior = 0.1 + 0.3 * np.full(self.observed.shape, 0.5)
        self.days = effective_days(prior, self.observed, self.mask)
        self.moisture = targets.get("soil_moisture", 1) > 0

    def rmse(self, u: np.ndarray) -> np.ndarray:
        error = np.where(self.mask, 0.1 + 0.3 * u[:, :1] - self.observed, 0.0)
        return np.sqrt((error**2).sum(axis=1) / self.mask.sum(axis=1))

    def minus_log(self, u: np.ndarray) -> float:
        found = (((u - 0.5) / np.array(list(STD.values()))) ** 2).sum() / 2
        simulated = {"et": u[:, 1] * self.annual, "ratio": 1 - u[:, 1], "index": u[:, 2]}
        for target in self.targets.values():
            for name in target["reference"] if isinstance(target, dict) else ():
                found += (((simulated[name] - self.seen[name].sum(axis=1)) / target["error"]) ** 2).sum() / 2
        return float(found + (self.days * np.log(self.rmse(u))).sum() * self.moisture)

    def mode(self) -> np.ndarray:
        """Of the fluxes' parameters in one step; of soil moisture's by fixed point, errors as large as they are."""
        u = np.full((len(self.annual), 3), 0.5)
        slopes = {"et": (1, self.annual), "ratio": (1, -1.0), "index": (2, 1.0)}
        offset = {"et": 0.0, "ratio": 1.0, "index": 0.0}
        for column, std in ((1, STD["loss"]), (2, STD["split"])):
            precision, weighed = np.full(len(u), std**-2), np.full(len(u), 0.5 * std**-2)
            for target in self.targets.values():
                for name in target["reference"] if isinstance(target, dict) else ():
                    of, slope = slopes[name]
                    if of == column:
                        precision += (slope / target["error"]) ** 2
                        weighed += slope * (self.seen[name].sum(axis=1) - offset[name]) / target["error"] ** 2
            u[:, column] = weighed / precision
        level = ((np.where(self.mask, self.observed, 0).sum(axis=1) / self.mask.sum(axis=1)) - 0.1) / 0.3
        for _ in range(100 if self.moisture else 0):
            precise = self.days * 0.3**2 / self.rmse(u) ** 2
            u[:, 0] = (precise * level + 0.5 / STD["level"] ** 2) / (precise + STD["level"] ** -2)
        return u


@pytest.mark.parametrize(
    "targets",
    [ALL, {**ALL, "soil_moisture": 0}, {name: ALL[name] for name in ("evapotranspiration", "baseflow_index")}],
    ids=["all", "without soil moisture", "without runoff ratio"],
)
def test_the_joint_posterior_and_its_mode_are_those_in_closed_form(targets: dict[str, Any]) -> None:
    """The cost is exp(-log p / N) of every target's likelihood and the prior; at the closed-form mode it is flat."""
    data = noisy()
    known, random = Known(data, targets), np.random.default_rng(1)
    points = random.uniform(0.3, 0.7, (2, len(known.annual), 3))
    size = known.days.sum() if known.moisture else len(known.annual)
    found = [cost(settings(targets), data, u) for u in points]
    logarithms = [value - 1 if value > 1 else np.log(value) for value, _, _ in found]
    expected = [known.minus_log(u) for u in points]
    assert size * (logarithms[0] - logarithms[1]) == pytest.approx(expected[0] - expected[1], rel=1e-3)
    np.testing.assert_allclose(np.multiply(size, logarithms), expected, rtol=1e-4)
    _, slope, _ = cost(settings(targets), data, known.mode())
    assert np.abs(slope).max() < 2e-3 * np.abs(found[0][1]).max()


def test_an_error_twice_as_large_counts_a_quarter_and_two_products_count_twice() -> None:
    data = noisy()
    u = np.full((int(data.trained.sum()), 3), 0.4)

    def chi(**target: Any) -> float:
        task = cost(settings({"evapotranspiration": target}), data, u)[2]
        cells = torch.as_tensor(np.flatnonzero(data.trained))
        series = Ledger().respond(torch.as_tensor(u).float(), cells, 0, DAYS, task.outputs)
        assert task.others is not None
        return float(task.others.chi_squared(series, cells))

    one = chi(reference=["et"], error=75.0)
    assert chi(reference=["et"], error=150.0) == pytest.approx(one / 4, rel=1e-5)
    twice = replace(data, references={**data.references, "again": data.references["et"]})
    data = twice
    assert chi(reference=["et", "again"], error=75.0) == pytest.approx(2 * one, rel=1e-5)


def test_months_are_twelve_observations() -> None:
    data = noisy()
    monthly = {"evapotranspiration": {"reference": ["et"], "error": 10.0, "period": "month"}, "soil_moisture": 0}
    u = np.random.default_rng(2).uniform(0.4, 0.6, (int(data.trained.sum()), 3))
    found = cost(settings(monthly), data, u)[0]
    rain = Ledger().rain.double().numpy()[data.trained]
    error = (u[:, 1:2] * rain) @ monthly_operator(data.time) - data.references["et"].values[data.trained]
    prior = (((u - 0.5) / np.array(list(STD.values()))) ** 2).sum()
    assert found == pytest.approx(1 + ((error / 10) ** 2).sum() / 2 / len(u) + prior / 2 / len(u), rel=1e-4)


def test_one_cell_needs_no_spread_of_its_reference() -> None:
    data = twin()
    alone = replace(data, trained=np.arange(CELLS) == 1, mask=data.mask & (np.arange(CELLS) == 1)[:, None])
    assert np.isfinite(cost(settings(ALL), alone, np.full((1, 3), 0.5))[0])


def test_the_cost_goes_on_beyond_one_without_a_step() -> None:
    """Observations with errors so small that exp would overflow."""
    u, nothing = torch.zeros(1, 1), torch.zeros(1, 1)
    from paraformer.numerics.inference import Inference

    prior = Inference(torch.zeros(1, 1), torch.ones(1), torch.ones(1))
    found = [
        float(posterior_cost(nothing, nothing, nothing > 0, u, prior, Evidence(torch.tensor(x), torch.tensor(0.0))))
        for x in (-1e-3, 0.0, 1e-3, 1e6)
    ]
    assert found == pytest.approx([1 - 1e-3, 1.0, 1 + 1e-3, 1 + 1e6], rel=1e-5)


# -- flow


@pytest.mark.parametrize("log_share", [0.0, 1.0])
def test_a_gauge_counts_by_its_effective_days(log_share: float) -> None:
    """n_e of the a-priori run's residuals after a straight line; -log p is n_e log of the RMSE, prior beside it."""
    data = rivers.twin()
    flow = {"min_days": 30, "log_share": log_share}
    config = rivers.config(loss={"inference": {}}, targets={"soil_moisture": 0, "streamflow": flow})
    task = rivers.task_of(config, data)
    cells = np.arange(2 * rivers.BASINS - 4)
    u = torch.rand(len(cells), 3, generator=torch.Generator().manual_seed(0))
    series = rivers.Shares().respond(u[:, :2], torch.as_tensor(cells), 0, rivers.FIRST + rivers.DAYS, task.outputs)
    found = float(task._misfit(series, u, cells, np.zeros(len(cells), dtype=np.int64)))
    prior = torch.full((len(cells), 2), 0.5)
    a_priori = rivers.Shares().respond(prior, torch.as_tensor(cells), 0, rivers.FIRST + rivers.DAYS, task.outputs)
    assert task.flow is not None
    gauged = data.gauged()
    days, minus_log = [], 0.0
    for basin in task.flow.basins.tolist():
        rows, gauge = gauged.basins.cells[basin], gauged.basins.gauges[basin]
        observed, mask = gauged.observed[gauge], gauged.mask[gauge]
        mean = (observed * mask).sum() / mask.sum()

        def routed(water: dict[str, torch.Tensor], times: torch.Tensor, basin: int = basin) -> np.ndarray:
            rows = gauged.basins.cells[basin]
            both = (water[name][rows].double() for name in ("runoff", "baseflow"))
            return np.asarray(gauged.basins.respond(basin, *both, times.double())[:, rivers.FIRST :])

        before = routed(a_priori, task.start[rows][:, 2:].mean(dim=0))
        here = routed(series, u[rows][:, 2:].mean(dim=0))
        if log_share:
            before, here, observed = (np.log(x + 0.01 * mean) for x in (before, here, observed))
            spread = observed[mask].std()
        else:
            spread = observed[mask].std()
        days.append(effective_days(before, observed, mask)[0])
        error = np.where(mask, here - observed, 0.0)
        minus_log += days[-1] * np.log(np.sqrt((error**2).sum() / mask.sum()) / spread)
    minus_log += float(((u[:, :2] - 0.5) ** 2).sum()) * 12 / 2
    assert 1 <= min(days) < rivers.DAYS
    logarithm = minus_log / sum(days)
    assert found == pytest.approx(np.exp(logarithm) if logarithm <= 0 else 1 + logarithm, rel=1e-3)
    assert task.runs(2) - 2 * len(cells) == len(cells)


# -- what is refused

ET = {"reference": ["et"]}


@pytest.mark.parametrize(
    ("targets", "told"),
    [
        ({"evapotranspiration": {**ET, "weight": 0.05}}, "'targets.evapotranspiration.weight' does not apply beside"),
        ({"evapotranspiration": ET}, "'targets.evapotranspiration' needs 'error' beside 'loss.inference'"),
        ({"runoff_ratio": {**ET, "weight": 1, "error": 0.1}}, "'weight' and 'error' both say"),
        ({"soil_moisture": 0.5, "baseflow_index": {**ET, "error": 0.1}}, "'targets.soil_moisture: 0.5' does not apply"),
        ({"streamflow": {"weight": 1.0}}, "'targets.streamflow.weight' does not apply beside 'loss.inference'"),
        ({"streamflow": {"score": "kge"}}, "takes 'score: nse' and 'log_share' 0 or 1"),
        ({"streamflow": {"log_share": 0.5}}, "takes 'score: nse' and 'log_share' 0 or 1"),
        ({"evapotranspiration": {**ET, "error": 0.0}}, "greater than or equal to"),
    ],
)
def test_what_would_count_twice_or_not_at_all_is_refused(targets: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(targets)


def test_an_error_without_inference_is_refused() -> None:
    told = "'targets.runoff_ratio.error' applies beside 'loss.inference' only"
    with pytest.raises(ValidationError, match=told):
        LearnerConfig.model_validate({"targets": {"runoff_ratio": {**ET, "error": 0.1}}})


def test_settings_come_back_from_what_is_written_of_them() -> None:
    for given in (settings(ALL), LearnerConfig.model_validate({"targets": {"runoff_ratio": ET}})):
        assert LearnerConfig.model_validate(given.model_dump(mode="json")) == given


def test_without_an_error_the_identity_of_a_learner_is_that_of_before() -> None:
    """A key that nobody has given stops no training from going on."""
    config = LearnerConfig.model_validate({"targets": {"runoff_ratio": {**ET, "weight": 0.1}}})
    learner = Learner(config)
    data = replace(twin(), references={"et": twin().references["ratio"]})
    identity = learner._identity(learner._phases(Ledger()), data, 0)
    assert "error" not in identity["settings"]["targets"]["runoff_ratio"]
