"""Learners of a posterior: the cost of a search, cell by cell, and a map that stays where nothing is seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners.toy import SPACE, Waves, small, twin
from paraformer.core.contracts import CalibrationData
from paraformer.core.log import Progress
from paraformer.learners.config import LossConfig
from paraformer.learners.learn import Learner
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen
from paraformer.learners.task import LearnTask
from paraformer.search.config import MisfitConfig
from paraformer.search.objective import Misfit

INFERENCE: dict[str, Any] = {"inference": {"prior_std": {"gain": 0.1, "offset": 0.2}}}


class HardOfHearing(Waves):
    """The first parameter does next to nothing."""

    def respond(self, u: torch.Tensor, *arguments: Any, **named: Any) -> dict[str, torch.Tensor]:
        still = torch.stack([0.5 + 0.05 * (u[:, 0] - 0.5), u[:, 1]], dim=1)
        return super().respond(still, *arguments, **named)


@pytest.mark.parametrize("operator", ["raw", "cell_lstsq"])
def test_its_loss_is_the_posterior_cost_of_a_search(operator: str) -> None:
    """The geometric mean over cells, each by its effective days."""
    data, loss = twin(noise=0.02), {**INFERENCE, "operator": operator}
    config = small(loss=LossConfig.model_validate(loss))
    seen = Seen.of(config, data, SPACE)
    task = LearnTask(ParameterMap(config, 3, 2), config, Waves(), seen, 0)
    u = np.random.default_rng(0).uniform(0.2, 0.8, (len(seen.cells), 2))
    batch = np.arange(len(seen.cells))
    series = Waves().respond(torch.as_tensor(u).float(), torch.as_tensor(seen.cells), data.first_day, len(data.time))
    found = task._misfit(series, torch.as_tensor(u).float(), seen.cells, np.zeros_like(batch))
    misfit = Misfit(Waves(), data, seen.cells, MisfitConfig.model_validate(loss), 512)
    assert misfit.inference is not None
    days, cost = misfit.inference.days, misfit(batch, u[:, None], np.ones((len(batch), 1), dtype=bool))[:, 0]
    assert float(found) == pytest.approx(np.exp(np.average(np.log(cost), weights=days)), rel=1e-4)
    alone = task._misfit(
        {k: v[3:4] for k, v in series.items()}, torch.as_tensor(u[3:4]).float(), seen.cells[3:4], batch[:1]
    )
    assert float(alone) == pytest.approx(cost[3], rel=1e-4)


def test_what_no_observation_sees_stays_at_the_prior(tmp_path: Path) -> None:
    """Least squares drives a parameter with little influence far for little; the posterior does not."""
    data = twin(noise=0.02)

    def learned(loss: LossConfig, name: str) -> np.ndarray:
        config = small(steps=80, loss=loss)
        found = Learner(config).calibrate(HardOfHearing(), data, seed=0, directory=tmp_path / name, progress=Progress())
        return np.abs(SPACE.to_unit(found.theta) - SPACE.to_unit(data.prior))[data.trained]

    kept, free = learned(LossConfig.model_validate(INFERENCE), "a"), learned(LossConfig(prior_weight=0.0), "b")
    assert kept[:, 0].mean() < 0.02
    assert kept[:, 0].mean() < 0.2 * free[:, 0].mean()
    assert kept[:, 1].mean() > 0.05  # what is seen goes where the observations are


def test_cells_without_a_loss_change_nothing() -> None:
    """Observations of cells that are not trained reach neither weights nor effective days."""
    data = twin(noise=0.02)
    poisoned = replace(data, observed=np.where(data.trained[:, None], data.observed, 9.0))
    assert _days(data).tolist() == _days(poisoned).tolist()


def _days(data: CalibrationData) -> torch.Tensor:
    config = small(loss=LossConfig.model_validate(INFERENCE))
    task = LearnTask(ParameterMap(config, 3, 2), config, Waves(), Seen.of(config, data, SPACE), 0)
    assert config.loss.inference is not None
    days: torch.Tensor = task._inference(config.loss.inference, torch.arange(18)).days
    return days


def test_the_run_of_the_prior_is_counted() -> None:
    config = small(loss=LossConfig.model_validate(INFERENCE))
    task = LearnTask(ParameterMap(config, 3, 2), config, Waves(), Seen.of(config, twin(), SPACE), 0)
    assert task.runs(2) - task.runs(1) + 18 == task.runs(1)


def test_settings_that_inference_replaces_are_refused() -> None:
    with pytest.raises(ValidationError, match="'prior_weight' does not apply beside 'inference'"):
        LossConfig.model_validate({"inference": {}, "prior_weight": 0.1})
    with pytest.raises(ValidationError, match="'fit' does not apply"):
        LossConfig.model_validate({"inference": {}, "fit": "cell_rmse"})
    given = LossConfig.model_validate({"inference": {}})
    assert LossConfig.model_validate(given.model_dump()) == given
