"""Statistics of a history: equal to their definitions, blind to what was not observed, and read by ParaFormer_Z."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paraformer.learners.config import ParaFormerZConfig
from paraformer.learners.inputs import HISTORY_FEATURES
from paraformer.learners.paraformer_z import ParaFormerZ
from paraformer.learners.statistics import DECAYS, STATISTICS, history_statistics

CELLS, DAYS = 5, 90


@pytest.fixture
def history() -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    found = torch.randn(CELLS, DAYS, len(HISTORY_FEATURES), generator=random, dtype=torch.float64)
    found[..., 0] = found[..., 0].clamp(min=0)
    found[..., -1] = (torch.rand(CELLS, DAYS, generator=random) < 0.4).double()
    return found


def test_they_equal_their_definitions(history: torch.Tensor) -> None:
    found = history_statistics(history).numpy()
    assert found.shape == (CELLS, STATISTICS)
    for cell, values in enumerate(history.numpy()):
        seen = values[:, -1] > 0
        moisture = values[seen, -2]
        expected = [moisture.mean(), moisture.std(), *np.quantile(moisture, (0.1, 0.5, 0.9))]
        for decay in DECAYS:
            index, state = np.empty(DAYS), 0.0
            for day, rain in enumerate(values[:, 0]):
                state = decay * state + (1 - decay) * rain
                index[day] = state
            slope = np.polyfit(index[seen], moisture, 1)[0]
            expected += [np.clip(slope, -5, 5), np.corrcoef(index[seen], moisture)[0, 1]]
        np.testing.assert_allclose(found[cell], expected, rtol=1e-8, atol=1e-10)


def test_an_unobserved_value_changes_nothing(history: torch.Tensor) -> None:
    poisoned = history.clone()
    poisoned[..., -2] = torch.where(history[..., -1] > 0, history[..., -2], 99.0)
    torch.testing.assert_close(history_statistics(poisoned), history_statistics(history), rtol=0, atol=0)


def test_a_cell_without_observations_has_zeros(history: torch.Tensor) -> None:
    history[2, :, -1] = 0.0
    found = history_statistics(history)
    assert (found[2] == 0).all()
    assert found.isfinite().all()


@pytest.mark.parametrize("statistics", [False, True])
def test_paraformer_z_takes_them_as_tokens(history: torch.Tensor, statistics: bool) -> None:
    config = ParaFormerZConfig(width=8, heads=2, feed_forward=8, history_days=80, statistics=statistics)
    network = ParaFormerZ(config, 3, len(HISTORY_FEATURES)).eval()
    tokens = 3 + (STATISTICS if statistics else 0)
    maps = network.attention(torch.randn(CELLS, 3), history[:, :80].float())
    assert maps["attribute"].shape == (CELLS, 1, 2, tokens, tokens)
    assert network(torch.randn(CELLS, 3), history[:, :80].float()).shape == (CELLS, 8 * tokens)
