"""The studies of the paper's experiments say what the paper says (Li & Lu 2023, section 4.2)."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from paraformer.config import load_study
from paraformer.learners.config import HistoryConfig, LearnerConfig, ParaFormerZConfig
from paraformer.training.config import OptimiserConfig

STUDIES = Path(__file__).resolve().parents[2] / "studies"
DAYS, WINDOW, EPOCHS = 731, 240, 3000


def epoch(cells: int, config: LearnerConfig) -> int:
    """Steps that draw as many cell-days as there are."""
    return math.ceil(cells * DAYS / (config.cells_per_batch * config.windows_per_batch * WINDOW))


@pytest.mark.parametrize(
    ("name", "design", "cells", "hidden", "batch"),
    [("paper_s8", "S8NG", 1206, 256, 2000), ("paper_s4", "S4", 4783, 1280, 3600)],
)
def test_the_papers_settings(
    monkeypatch: pytest.MonkeyPatch, name: str, design: str, cells: int, hidden: int, batch: int
) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")
    study = load_study(STUDIES / f"{name}.yaml")
    assert list(study.learners) == ["FFN_A", "LSTM_Z", "ParaFormer_A", "ParaFormer_Z"]
    assert study.data.path == Path("/data/conus_9km.nc")
    assert study.data.split is not None
    assert study.data.split.design == design
    assert (study.data.train.end - study.data.train.start).days + 1 == DAYS
    assert (study.learner_seeds, study.surrogate.anchors) == (4, 0)
    for row, config in study.learners.items():
        baseline = row in ("FFN_A", "LSTM_Z")
        assert config.training.optimiser == OptimiserConfig.paper()
        assert config.training.steps == EPOCHS * epoch(cells, config)
        assert config.cells_per_batch * config.windows_per_batch == (300 if baseline else batch)
        assert config.cells_per_batch <= cells
        assert (config.window, config.head, config.observations) == (WINDOW, "linear", "both")
        assert config.network.dropout == 0.5
        assert not baseline or config.network.hidden == hidden
        assert not isinstance(config.network, HistoryConfig) or config.network.history_days == WINDOW
    network = study.learners["ParaFormer_Z"].network
    assert isinstance(network, ParaFormerZConfig)
    assert (network.width, network.heads, network.layers, network.patch) == (256, 8, 2, 1)
