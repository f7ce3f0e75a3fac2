"""The uncertainty stage in the chain: files, counts, resume, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from compliance import problems
from paraformer.config import load_study
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.evaluation.information import ALL, TARGETS
from paraformer.pipeline import run_study, uncertainty
from paraformer.report.study_figures import trusted_gain
from training.killing import KillAt, Killed
from worlds import TINY, write_study

DRAWS, ROUNDS, CELLS = 30, 2, 6
WANTED = {"methods": ["FFN_A"], "draws": DRAWS, "rounds": ROUNDS}


class Moisture:
    """A model of soil moisture alone."""

    outputs = ("soil_moisture",)


def study(folder: Path, **changes: Any) -> Path:
    base = {name: group for name, group in TINY.items() if name not in ("gap_filling", "searches", "references")}
    learners = {"FFN_A": TINY["learners"]["FFN_A"]}
    settings = {
        "learners": learners,
        "learner_seeds": 1,
        "uncertainty": WANTED,
        "references": {"direct": None},
        "data__synthetic": {"rows": 2, "columns": 3, "years": 2},
    }
    return write_study(folder, base=base, **(settings | changes))


def mark(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "uncertainty" / "stage.json").read_text()))


def test_every_cell_has_a_posterior_and_a_kill_costs_one_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uncertainty, "_CELLS", 2)
    chosen, whole, killed = load_study(study(tmp_path)), tmp_path / "whole", tmp_path / "killed"
    run_study(chosen, whole, until="uncertainty")
    assert mark(whole)["runs"] == CELLS * (ROUNDS * DRAWS + 2 * 2 + 1)
    posterior = xr.load_dataset(whole / "uncertainty" / "FFN_A.nc")
    assert dict(posterior.sizes) == {"cell": CELLS, "parameter": 2, "time": 731}
    assert posterior["parameter_name"].values.tolist() == ["infilt", "expt"]
    assert problems(whole / "uncertainty" / "FFN_A.nc", tmp_path) == []
    lower, upper = (posterior[f"theta_{end}"].values for end in ("lower", "upper"))
    assert (lower < upper).all()
    chosen.space.require_inside(np.stack([lower, upper], axis=1), posterior["cell"].values.tolist())
    wider = (posterior["observed_upper"] - posterior["observed_lower"]).mean()
    assert float(wider) > float((posterior["simulated_upper"] - posterior["simulated_lower"]).mean())
    table = pd.read_csv(whole / "uncertainty" / "coverage.csv")
    assert set(table["of"]) == {"infilt", "expt", "observed soil moisture", "true soil moisture"}
    assert table["importance"].between(0, 1).all()
    observed = table["of"] == "observed soil moisture"
    assert (table.loc[observed, ["crps", "error"]] > 0).all(axis=None)
    assert table.loc[~observed, ["crps", "error"]].isna().all(axis=None)
    gains = pd.read_csv(whole / "uncertainty" / "identifiability.csv")
    assert set(gains["parameter"]) == {"infilt", "expt"}
    assert not (whole / "uncertainty" / "targets.csv").exists()
    run_study(chosen, killed, until="parameters")
    with pytest.raises(Killed):
        run_study(chosen, killed, until="uncertainty", progress=KillAt(3))
    assert len(list((killed / "uncertainty" / "blocks").rglob("*.nc"))) == 2
    run_study(chosen, killed, until="uncertainty")
    assert mark(killed)["hash"] == mark(whole)["hash"]


def test_what_other_observations_would_say_stands_beside_soil_moisture(tmp_path: Path) -> None:
    run = tmp_path / "run"
    wanted = WANTED | {"targets": {"annual_evapotranspiration": 1e-6}}
    run_study(load_study(study(tmp_path, uncertainty=wanted)), run, until="uncertainty")
    assert mark(run)["runs"] == CELLS * (ROUNDS * DRAWS + 2 * 2 + 1)  # not a run more
    table = pd.read_csv(run / "uncertainty" / "targets.csv")
    trained = table[table["cells"] == "trained"].pivot(index="observation", columns="parameter", values="gain_median")
    assert len(trained) == 2 * len(TARGETS) + 2
    assert (trained.loc["annual evapotranspiration"] > 0.1).any()  # one exact number ties θ to a line
    assert (trained.loc[ALL] >= trained.max() - 1e-9).all()


def test_targets_need_what_the_model_has_not(tmp_path: Path) -> None:
    chosen = load_study(study(tmp_path, uncertainty=WANTED | {"targets": {}}))
    part = uncertainty.Uncertain(chosen.uncertainty, chosen.space, Moisture(), *(None,) * 7)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match=r"uncertainty\.targets: the process model has no output 'evapotransp"):
        part.run(tmp_path, Progress())


def test_maps_leave_out_cells_that_are_not_to_be_trusted() -> None:
    gain = np.array([[0.2, 0.9], [1.0, 1.0], [0.0, 0.5], [1.0, 1.0]])
    posterior = xr.Dataset({"gain": (("cell", "parameter"), gain), "pareto_k": ("cell", [0.1, 2.0, -np.inf, np.inf])})
    np.testing.assert_array_equal(trusted_gain(posterior), np.where([[1], [0], [1], [0]], gain, np.nan))


def test_a_method_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = study(tmp_path, uncertainty={"methods": ["FFN_B"]})
    with pytest.raises(SettingsError, match=r"uncertainty\.methods: no search or learner is called 'FFN_B'.*'FFN_A'"):
        load_study(path)
