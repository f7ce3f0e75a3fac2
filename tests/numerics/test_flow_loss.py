"""Residuals of flow against the scores they stand for, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paraformer.evaluation.streamflow import flow_scores
from paraformer.numerics.flow_loss import FlowScore, flow_residuals

DAYS = np.datetime64("2001-01-01") + np.arange(400)


def pair() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    observed = random.gamma(0.7, 5.0, (3, 400))
    simulated = 0.8 * observed + random.gamma(1.0, 1.0, (3, 400))
    return simulated, observed, random.random((3, 400)) < 0.8


@pytest.mark.parametrize(("score", "log_share"), [("kge", 0.0), ("nse", 0.0), ("nse", 0.3), ("kge", 1.0)])
def test_squares_add_up_to_the_score(score: FlowScore, log_share: float) -> None:
    simulated, observed, mask = pair()
    found = flow_residuals(*map(torch.as_tensor, (simulated, observed, mask)), score, log_share).square().sum(-1)
    scores = flow_scores(simulated, observed, mask, DAYS)
    distance = (1 - scores.kge) ** 2 if score == "kge" else 1 - scores.nse
    np.testing.assert_allclose(found, (1 - log_share) * distance + log_share * (1 - scores.log_nse), rtol=1e-9)


@pytest.mark.parametrize("score", ["kge", "nse"])
def test_gradients(score: FlowScore) -> None:
    simulated, observed, mask = (torch.as_tensor(a[:, :30]) for a in pair())
    assert torch.autograd.gradcheck(lambda s: flow_residuals(s, observed, mask, score, 0.2), simulated.requires_grad_())


def test_a_river_that_stands_still_has_a_cost() -> None:
    _, observed, mask = map(torch.as_tensor, pair())
    assert flow_residuals(torch.zeros_like(observed), observed, mask, "kge").square().sum(-1).isfinite().all()
