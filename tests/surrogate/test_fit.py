"""The surrogate recovers a known response, resumes bit for bit, and looks at nothing it must not see."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.log import Progress
from paraformer.core.time import Period
from paraformer.surrogate.audit import audit_held_out
from paraformer.surrogate.config import SurrogateConfig
from paraformer.surrogate.fit import SurrogateData, build_inputs, fit_surrogate
from paraformer.surrogate.model import Surrogate
from surrogate.reservoirs import archive, config, without_training_runs_of_unseen_cells
from training.killing import KillAt, Killed


def fit(settings: SurrogateConfig, directory: Path, data: SurrogateData | None = None, seed: int = 0) -> Surrogate:
    return fit_surrogate(settings, data or archive(), directory, seed=seed, progress=Progress())


@pytest.mark.parametrize("anchors", [6, 0])
def test_a_known_response_is_recovered(tmp_path: Path, anchors: int) -> None:
    """With anchors the held-out runs are matched; without, a short fit already has the response's direction."""
    settings = config(600 if anchors else 60, anchors=anchors)
    (row,) = audit_held_out(fit(settings, tmp_path), archive())
    if anchors:
        assert row.nse_median > 0.95
        assert 0.9 < row.slope < 1.1
        assert row.correlation > 0.95
    else:
        assert row.correlation > 0.5


def test_a_fit_in_double_precision_answers_as_it_is_read_back(tmp_path: Path) -> None:
    settings = config(4)
    double = settings.model_copy(update={"training": settings.training.model_copy(update={"precision": "64-true"})})
    theta = archive().theta[:, :2]
    found = fit(double, tmp_path).simulate(theta)["soil_moisture"]
    np.testing.assert_array_equal(found, Surrogate.load(tmp_path).simulate(theta)["soil_moisture"])


@pytest.mark.parametrize("killed_at", [2, 7])
def test_a_killed_fit_ends_with_the_same_files(tmp_path: Path, killed_at: int) -> None:
    fit(config(), tmp_path / "whole")
    with pytest.raises(Killed):
        fit_surrogate(config(), archive(), tmp_path / "killed", seed=0, progress=KillAt(killed_at))
    fit(config(), tmp_path / "killed")
    names = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert names == ["inputs.safetensors", "network.safetensors", "surrogate.json"]
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


def test_a_finished_fit_is_read_back_and_another_one_refused(tmp_path: Path) -> None:
    first = fit(config(4), tmp_path)
    again = fit_surrogate(config(4), archive(), tmp_path, seed=0, progress=KillAt(1))
    theta = archive().theta[:, :2]
    assert np.array_equal(first.simulate(theta)["soil_moisture"], again.simulate(theta)["soil_moisture"])
    with pytest.raises(RunError, match="another 'seed'"):
        fit(config(4), tmp_path, seed=1)
    with pytest.raises(RunError, match="another 'data'"):
        fit(config(4), tmp_path, archive(own=20))


def test_held_out_runs_and_anchors_are_never_targets(tmp_path: Path) -> None:
    data = archive()
    poisoned = {name: np.where(data.held_out[..., None], np.float32(9.0), runs) for name, runs in data.runs.items()}
    fit(config(), tmp_path / "clean", data)
    fit(config(), tmp_path / "poisoned", replace(data, runs=poisoned))
    weights = [(tmp_path / name / "network.safetensors").read_bytes() for name in ("clean", "poisoned")]
    assert weights[0] == weights[1]


def test_with_cells_trained_the_other_cells_change_no_weight(tmp_path: Path) -> None:
    settings = config(cells="trained")
    fit(settings, tmp_path / "clean")
    fit(settings, tmp_path / "poisoned", without_training_runs_of_unseen_cells(archive()))
    weights = [(tmp_path / name / "network.safetensors").read_bytes() for name in ("clean", "poisoned")]
    statistics = [
        json.loads((tmp_path / name / "surrogate.json").read_text())["normalisation"] for name in ("clean", "poisoned")
    ]
    assert weights[0] == weights[1]
    assert statistics[0] == statistics[1]


def test_with_cells_all_the_other_cells_matter(tmp_path: Path) -> None:
    """Planted fault: the test above can fail."""
    fit(config(), tmp_path / "clean")
    fit(config(), tmp_path / "poisoned", without_training_runs_of_unseen_cells(archive()))
    weights = [(tmp_path / name / "network.safetensors").read_bytes() for name in ("clean", "poisoned")]
    assert weights[0] != weights[1]


def test_days_outside_the_period_are_never_targets(tmp_path: Path) -> None:
    data = archive()
    settings = config(
        anchors=0, period=Period(start=np.datetime64("2015-04-01").item(), end=np.datetime64("2015-08-31").item())
    )
    inputs, _, _ = build_inputs(settings, data)
    runs = data.runs["soil_moisture"].copy()
    runs[..., 200:] = runs[..., 200:][..., ::-1]
    other, _, _ = build_inputs(settings, replace(data, runs={"soil_moisture": runs}))
    assert np.allclose(inputs.center["soil_moisture"], other.center["soil_moisture"], rtol=1e-6)
    loss = [_first_loss(settings, d, tmp_path) for d in (data, replace(data, runs={"soil_moisture": runs}))]
    assert loss[0] == pytest.approx(loss[1], rel=1e-4)


def _first_loss(settings: SurrogateConfig, data: SurrogateData, tmp_path: Path) -> float:
    import torch

    from paraformer.surrogate.fit import FitTask
    from paraformer.surrogate.lstm import NetworkShape, SurrogateNetwork

    inputs, _, size = build_inputs(settings, data)
    torch.manual_seed(0)
    network = SurrogateNetwork(NetworkShape(2, 2, size, 0, ("soil_moisture",)), 16, 8)
    task = FitTask(network, settings, data, inputs, seed=0)
    return float(sum(task.loss(network, step, 0) for step in range(5)).detach())


def near(data: SurrogateData, held_out: bool = False) -> SurrogateData:
    """``data`` with further runs of each cell's first own θ, all of them held out or none."""
    own = np.flatnonzero(data.kind == "own")[:4]
    runs = {name: series[:, own] for name, series in data.runs.items()}
    return data.joined(data.theta[:, own], runs, np.full((len(data.cells), 4), held_out))


def test_a_continued_fit_begins_with_the_weights_and_inputs_before(tmp_path: Path) -> None:
    """With a rate of nearly nothing it stays what it was; with a real one it learns what the first had no time for."""
    data = archive()
    first = fit(config(20), tmp_path / "first", data)
    kept = {name: t.clone() for name, t in first.network.state_dict().items()}
    still = config(3).model_copy(
        update={
            "training": config(3).training.model_copy(
                update={"optimiser": config(3).training.optimiser.model_copy(update={"rate": 1e-12})}
            )
        }
    )
    same = fit_surrogate(still, near(data), tmp_path / "same", seed=0, progress=Progress(), start=first, near_share=0.5)
    theta = data.theta[:, :3]
    answers = [s.simulate(theta)["soil_moisture"] for s in (first, same)]
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)
    more = fit_surrogate(
        config(200), near(data), tmp_path / "more", seed=0, progress=Progress(), start=first, near_share=0.5
    )
    errors = [audit_held_out(s, data)[0].rmse for s in (first, more)]
    assert errors[1] < 0.7 * errors[0]
    assert all(np.array_equal(first.network.state_dict()[name], t) for name, t in kept.items())  # not trained in place
    with pytest.raises(RunError, match="another 'near_share'"):
        fit_surrogate(config(200), near(data), tmp_path / "more", seed=0, progress=Progress(), start=first)


@pytest.mark.parametrize(("share", "low", "high"), [(None, 0.1, 0.25), (0.5, 0.38, 0.52), (0.9, 0.6, 0.9)])
def test_runs_of_rounds_are_drawn_with_their_share(share: float | None, low: float, high: float) -> None:
    """Four near and 20 other runs a cell, two a batch, drawn without return; held-out near runs never."""
    from paraformer.surrogate.fit import FitTask
    from paraformer.surrogate.lstm import NetworkShape, SurrogateNetwork

    def drawn(data: SurrogateData) -> np.ndarray:
        settings = config(anchors=0, sets_per_cell=2)
        inputs, _, size = build_inputs(settings, data)
        network = SurrogateNetwork(NetworkShape(2, 2, size, 0, ("soil_moisture",)), 16, 8)
        task = FitTask(network, settings, data, inputs, 0, share)
        return np.concatenate([task._batch(step, 0)[1].numpy().ravel() for step in range(200)])

    data = near(archive())
    is_near = data.kind == "near"
    assert low < is_near[drawn(data)].mean() < high
    assert not is_near[drawn(near(archive(), held_out=True))].any()


def test_bad_archives_and_settings_are_named(tmp_path: Path) -> None:
    data = archive()
    gap = {"soil_moisture": data.runs["soil_moisture"].copy()}
    gap["soil_moisture"][3, 5, 7] = np.nan
    with pytest.raises(DataError, match="'soil_moisture' of cell 103, set 5 is not finite on 2015-04-08"):
        fit(config(), tmp_path / "a", replace(data, runs=gap))
    with pytest.raises(DataError, match="no output 'runoff'"):
        fit(config(outputs=("soil_moisture", "runoff")), tmp_path / "b")
    with pytest.raises(SettingsError, match="anchors: 9, but the ensemble has 6 common sets"):
        fit(config(anchors=9), tmp_path / "c")
    with pytest.raises(SettingsError, match="sets_per_cell: 90"):
        fit(config(sets_per_cell=90), tmp_path / "d")
    with pytest.raises(ValidationError, match="Extra inputs"):
        config(hiden=3)
