"""What maps attend to: means of their own weights, as multiples of even attention, whatever the batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from learners.toy import DAYS, NAMES, NETWORKS, Waves, secretive_twin, small, twin
from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError, ModelError
from paraformer.core.log import Progress
from paraformer.learners.attended import attended, has_attention
from paraformer.learners.config import LearnerConfig
from paraformer.learners.inputs import History
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import window_starts
from paraformer.learners.statistics import STATISTICS


def learn(config: LearnerConfig, directory: Path, data: CalibrationData, seed: int = 0) -> LearnedMap:
    model = Waves(len(data.cells))
    return Learner(config).learn(model, data, seed=seed, directory=directory, progress=Progress())


def test_heads_of_members_and_seeds_stand_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, _ = secretive_twin(24)
    config = small("paraformer_z", members=2)
    maps = [learn(config, tmp_path / str(seed), data, seed) for seed in (0, 1)]
    found = attended(maps, data)
    assert found.attributes.shape == (24, 8, 3)
    assert found.days.shape == (24, 8, 5)
    np.testing.assert_allclose(found.attributes.mean(axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(found.days.mean(axis=-1), 1, atol=1e-5)
    starts = window_starts(DAYS, 20, config.network.history_windows)
    history = History.of(data, "masked")
    own = [maps[1].attention(data.attributes, NAMES, history, member=1, start=s)["time"] for s in starts]
    np.testing.assert_allclose(found.days[:, 6:], 5 * np.mean(own, axis=0).mean(axis=2), rtol=1e-5)
    np.testing.assert_array_equal(found.ends, data.time[[s + 19 for s in starts]])
    np.testing.assert_array_equal(found.days_before, [17.5, 13.5, 9.5, 5.5, 1.5])
    monkeypatch.setattr("paraformer.learners.attended._TOGETHER", 7)
    np.testing.assert_allclose(attended(maps, data).days, found.days, atol=1e-5)


def test_days_of_one_day_tokens_are_whole_days(tmp_path: Path) -> None:
    data, _ = secretive_twin(12)
    config = small("paraformer_z")
    network = config.network.model_copy(update={"patch": 1, "statistics": True})
    found = attended([learn(config.model_copy(update={"network": network}), tmp_path, data)], data)
    np.testing.assert_array_equal(found.days_before, np.arange(20)[::-1])
    assert found.names[:3] == NAMES
    assert len(found.names) == found.attributes.shape[-1] == 3 + STATISTICS
    assert len(set(found.names)) == len(found.names)


def test_a_map_of_attributes_has_no_days_and_all_its_layers(tmp_path: Path) -> None:
    data = twin()
    learned = learn(small("paraformer_a"), tmp_path, data)
    found = attended([learned], data)
    assert found.days.size == found.ends.size == 0
    weights = learned.attention(data.attributes, NAMES)["attribute"]
    expected = 3 * weights.mean(axis=3).reshape(len(data.cells), -1, 3)
    np.testing.assert_allclose(found.attributes, expected, rtol=1e-5)


def test_what_cannot_attend_is_refused(tmp_path: Path) -> None:
    data, _ = secretive_twin(12)
    assert [has_attention(small(name)) for name in NETWORKS] == [False, False, True, True]
    with pytest.raises(ModelError, match="network 'ffn_a' has none"):
        attended([learn(small(), tmp_path / "f", data)], data)
    filled = small("paraformer_z", observations="filled")
    learned = learn(filled, tmp_path / "z", data)
    with pytest.raises(DataError, match="needs gap-filled observations"):
        attended([learned], replace(data, filled=None))
