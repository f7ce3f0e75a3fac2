"""The studies of the paper's experiments say what the paper says (Li & Lu 2023, section 4.2), and run to their end."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from paraformer.config import Study, load_study
from paraformer.learners.config import HistoryConfig, LearnerConfig, ParaFormerZConfig
from paraformer.pipeline import check_study, run_study
from paraformer.training.config import OptimiserConfig

STUDIES = Path(__file__).resolve().parents[2] / "studies"
DAYS, WINDOW, EPOCHS = 731, 240, 3000
TABLE_1 = {"ds": 7.6, "dsmax": 10.8, "expt_1": 4.6, "infilt": 1.0, "ws": 1.0}
"""Upper bounds as printed; all lower ones are 0."""


def epoch(cells: int, config: LearnerConfig) -> int:
    """Steps that draw as many cell-days as there are."""
    return math.ceil(cells * DAYS / (config.cells_per_batch * config.windows_per_batch * WINDOW))


@pytest.mark.parametrize(
    ("name", "design", "cells", "hidden", "batch", "epochs"),
    [("paper_s8", "S8NG", 1206, 256, 2000, (13, 2)), ("paper_s4", "S4", 4783, 1280, 3600, (49, 5))],
)
def test_the_papers_settings(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    design: str,
    cells: int,
    hidden: int,
    batch: int,
    epochs: tuple[int, int],
) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")
    study = load_study(STUDIES / f"{name}.yaml")
    assert list(study.learners) == ["FFN_A", "LSTM_Z", "ParaFormer_A", "ParaFormer_Z"]
    assert study.data.path == Path("/data/conus_9km.nc")
    assert study.data.split is not None
    assert study.data.split.design == design
    assert not study.data.climate_attributes
    assert study.data.train.days == DAYS
    assert (study.learner_seeds, study.search_seeds, study.report.operator) == (4, 4, "cell_moments")
    surrogate = study.surrogate
    assert (surrogate.anchors, surrogate.cells, surrogate.period) == (0, "trained", study.data.train)
    carried = study.evaluation.transfers
    assert (carried is None) if design == "S4" else (carried.source, carried.by) == ("SCE-UA", ("nearest",))
    for row, config in study.learners.items():
        baseline = row in ("FFN_A", "LSTM_Z")
        assert config.training.optimiser == OptimiserConfig.paper()
        assert config.training.epochs == EPOCHS
        assert config.epoch(cells, DAYS) == epoch(cells, config) == epochs[not baseline]
        assert config.steps(cells, DAYS) == EPOCHS * epoch(cells, config)
        assert config.cells_per_batch * config.windows_per_batch == (300 if baseline else batch)
        assert config.cells_per_batch <= cells
        assert (config.window, config.head, config.observations) == (WINDOW, "linear", "both")
        assert (config.start, config.loss.prior_weight, config.periods) == ("middle", 0, "own")
        assert config.network.dropout == 0.5
        assert not baseline or config.network.hidden == hidden
        reads = isinstance(config.network, HistoryConfig)
        assert config.history == ("loss" if reads else "random")
        assert not reads or config.network.history_days == WINDOW
    network = study.learners["ParaFormer_Z"].network
    assert isinstance(network, ParaFormerZConfig)
    assert (network.width, network.heads, network.layers, network.patch) == (256, 8, 2, 1)


def test_an_override_of_steps_takes_the_place_of_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")
    key, path = "learners.ParaFormer_A.training", STUDIES / "paper_s8.yaml"
    short = load_study(path, (f"{key}.steps=20",)).learners["ParaFormer_A"]
    assert (short.training.steps, short.training.epochs) == (20, None)
    again = load_study(path, (f"{key}.steps=20", f"{key}.epochs=2")).learners["ParaFormer_A"]
    assert (again.training.steps, again.training.epochs) == (None, 2)
    assert again.training.optimiser == OptimiserConfig.paper()


def test_table_1_as_it_is_printed() -> None:
    """Upper bounds in units of the scales are the printed ones; in physical units VIC runs with both ends of all."""
    study = load_study(STUDIES / "paper_table1.yaml")
    assert "settings are valid" in check_study(study)
    assert {p.name: p.upper for p in study.space} == TABLE_1
    for parameter in study.space:
        low, high = parameter.physical_bounds
        assert parameter.transform == "linear"
        assert parameter.lower < 0.02 * parameter.upper or parameter.name == "expt_1"  # nearly the printed 0
        assert low > (3 if parameter.name == "expt_1" else 0)
        assert high <= {"ds": 1, "ws": 1, "infilt": 1, "dsmax": 50, "expt_1": 30}[parameter.name]
        assert high > 0.99 * {"ds": 1, "ws": 1, "infilt": 1, "dsmax": 50, "expt_1": 30}[parameter.name]


SMALL = (
    "process.parameters=null",
    "process.domain=null",
    "references={}",
    "ensemble={common: 2, own: 4, held_out: 1}",
    "surrogate.training.steps=4",
    "gap_filling.training.steps=4",
    "gap_filling.members=1",
    "searches.SCE-UA.budget=30",
    "search_seeds=2",
    "learner_seeds=1",
    "learners.FFN_A.network.hidden=8",
    "learners.LSTM_Z.network.hidden=8",
    *(f"learners.{name}.training.epochs=1" for name in ("FFN_A", "LSTM_Z", "ParaFormer_A", "ParaFormer_Z")),
    "learners.ParaFormer_Z.network.width=8",
    "learners.ParaFormer_Z.network.patch=8",
    "report={operator: cell_moments, formats: [png], dpi: 50}",
)
"""Small steps; nothing else of the studies changes."""


def on_the_built_in_world(name: str, rows: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")
    world = (
        "data.source=synthetic",
        "data.path=null",
        f"data.synthetic={{rows: {rows}, columns: {columns}, years: 3}}",
    )
    return load_study(STUDIES / f"{name}.yaml", (*world, "data.observation=sm_obs", *SMALL))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "rows", "columns", "cells"),
    [("paper_s4", 8, 12, {"trained": 6}), ("paper_s8", 8, 24, {"trained": 3, "unseen": 3})],
)
def test_the_papers_studies_run_to_their_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    rows: int,
    columns: int,
    cells: dict[str, int],
) -> None:
    study = on_the_built_in_world(name, rows, columns, monkeypatch)
    with caplog.at_level("INFO", logger="paraformer"):
        summary = run_study(study, tmp_path / "run")
    assert "operator cell_moments" in summary
    table = pd.read_csv(tmp_path / "run" / "scores" / "soil_moisture.csv")
    mean = table.query("operator == 'cell_moments' and metric == 'nse' and period == 'test'")
    carried = {"SCE-UA, nearest"} if "unseen" in cells else set()
    assert {*study.learners, "SCE-UA", *carried} <= set(mean["method"])
    for group, number in cells.items():
        assert set(mean[mean["cells"] == group]["n_scored"]) == {number}
    printed = (tmp_path / "run" / "tables" / "table2.md").read_text()
    assert "moments NSE" in printed
    assert "raw NSE" in printed
    trained = cells["trained"]
    steps = math.ceil(trained * DAYS / (trained * WINDOW)), math.ceil(trained * DAYS / (2 * trained * WINDOW))
    assert f"ffn_a: an epoch is {steps[0]} steps, 1 of them {steps[0]}" in caplog.text
    last = steps["unseen" in cells]
    assert f"paraformer_z: an epoch is {last} steps, 1 of them {last}" in caplog.text
    assert "Table 3 and Figure 9" in caplog.text


@pytest.mark.long
def test_table_1_runs_to_its_end(tmp_path: Path) -> None:
    small = (
        "data.synthetic={rows: 3, columns: 4}",
        "surrogate.training.steps=4",
        "learners.ParaFormer_A.training.steps=4",
    )
    more = ("ensemble={common: 16, own: 8, held_out: 1}", "learners.ParaFormer_Z.training.steps=4")
    run_study(load_study(STUDIES / "paper_table1.yaml", (*small, *more)), tmp_path / "run", until="scores")
    assert (tmp_path / "run" / "scores" / "soil_moisture.csv").exists()
