"""The whole chain on a miniature world: it ends, it is judged by the process model, and no kill changes a bit of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from compliance import problems
from paraformer.config import load_study
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.files import hash_path, journal_of
from paraformer.core.results import Results
from paraformer.core.run import changed
from paraformer.core.schema import SCORE_COLUMNS, Cube
from paraformer.pipeline import run_study
from paraformer.pipeline.attention import attention_of, describe_attention
from paraformer.pipeline.describe import describe
from report.embedded import content
from worlds import write_study

METHODS = ("SCE-UA", "Latin hypercube", "FFN_A", "ParaFormer_A", "ParaFormer_Z")
REFERENCES = (
    "training mean",
    "climatology",
    "API, one decay",
    "API, decay per cell",
    "API, decay with temperature",
    "direct LSTM",
)
STAGES = (
    "cube",
    "gap_filling",
    "ensemble",
    "surrogate",
    *(f"parameters/{name}" for name in METHODS),
    "references",
    "scores",
    "figures",
)
COMMAND = [sys.executable, "-c", "from paraformer.cli import main; main()"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run directory of an uninterrupted miniature study, made by the command in a process of its own."""
    folder = tmp_path_factory.mktemp("chain")
    command = [*COMMAND, "run", str(write_study(folder)), "--directory", str(folder / "run"), "--quiet"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder / "run"


def hashes(run: Path) -> dict[str, str]:
    return {name: hash_path(run / name) for name in STAGES} | {"study": hash_path(run / "study.yaml")}


def hashes_of(folder: Path) -> dict[str, str]:
    return {path.name: hash_path(path) for path in folder.glob("*.png")}


def test_score_table_has_every_row_and_column(finished: Path) -> None:
    scores = pd.read_csv(finished / "scores" / "soil_moisture.csv")
    assert tuple(scores.columns) == SCORE_COLUMNS
    assert set(scores["method"]) == {*METHODS, "default VIC", "best single θ", "best θ per cell", "true θ", *REFERENCES}
    assert set(scores["operator"]) == {"raw", "global_linear", "cell_moments", "cell_lstsq"}
    assert set(scores["cells"]) == {"trained", "unseen"}
    assert set(scores["period"]) == {"train", "test"}
    for method, seeds in {"FFN_A": {0, 1}, "ParaFormer_Z": {0, 1}, "SCE-UA": {0}, "direct LSTM": {0, 1}}.items():
        assert set(scores.loc[scores["method"] == method, "seed"]) == seeds
    gap = pd.read_csv(finished / "scores" / "surrogate_gap.csv")
    assert {"FFN_A", "ParaFormer_A"} <= set(gap["method"])


def test_the_true_parameters_are_the_ceiling(finished: Path) -> None:
    """Observations are VIC(true θ) plus noise, so no other θ can have a lower training RMSE but by chance."""
    scores = pd.read_csv(finished / "scores" / "soil_moisture.csv")
    chosen = scores.query("operator == 'raw' and metric == 'rmse' and period == 'test' and cells == 'trained'")
    mean = chosen.groupby("method")["mean"].mean()
    assert mean["true θ"] < mean[["default VIC", "ParaFormer_A", "FFN_A"]].min()
    assert mean["true θ"] == pytest.approx(0.04, abs=0.004)


def test_verdict_is_the_process_model_s_own(finished: Path) -> None:
    """θ from the files, run again through VIC from the files, gives the archived series."""
    from paraformer.process.build import build_process
    from paraformer.process.files import ProcessFiles

    study = load_study(finished / "study.yaml")
    cube = Cube.open(finished / "cube" / "cube.zarr")
    with xr.open_dataset(finished / "parameters" / "FFN_A" / "seed-1" / "theta.nc") as field:
        theta = np.stack([field[name].values for name in study.space.names], axis=-1)
    files = ProcessFiles(finished / "parameters" / "FFN_A" / "seed-1" / "params.nc", finished / "cube" / "domain.nc")
    own = build_process(study.process, study.space, cube, files).simulate(None, ("soil_moisture",))["soil_moisture"]
    archive = xr.open_zarr(finished / "verdict" / "verdict.zarr", consolidated=False)
    position = list(zip(archive.attrs["methods"], archive.attrs["seeds"], strict=True)).index(("FFN_A", 1))
    np.testing.assert_array_equal(archive["theta"].values[:, position], theta)
    np.testing.assert_array_equal(archive["soil_moisture"].values[:, position], own[:, 0].astype(np.float32))


def test_a_finished_run_is_reused_as_it_is(finished: Path) -> None:
    written = {p: p.stat().st_mtime_ns for stage in STAGES for p in (finished / stage).rglob("*") if p.is_file()}
    before = hashes(finished)
    summary = run_study(load_study(finished / "study.yaml"), finished)
    assert {p: p.stat().st_mtime_ns for p in written} == written
    assert hashes(finished) == before
    assert "ParaFormer_A" in summary
    assert str(finished / "report.html") in summary


@pytest.mark.parametrize(
    "name",
    [
        "cube/cube.zarr",
        "cube/inputs.nc",
        "cube/truth.nc",
        "cube/domain.nc",
        "cube/params.nc",
        "gap_filling/filled.nc",
        "ensemble/ensemble.zarr",
        "parameters/FFN_A/seed-0/theta.nc",
        "parameters/FFN_A/seed-0/params.nc",
        "references/direct.nc",
        "verdict/default.zarr",
        "verdict/verdict.zarr",
    ],
)
def test_what_a_study_writes_follows_the_cf_conventions(name: str, finished: Path, tmp_path: Path) -> None:
    assert problems(finished / name, tmp_path) == []


def test_one_flipped_bit_of_any_artefact_of_any_stage_is_noticed(finished: Path) -> None:
    marks = [*finished.glob("*/stage.json"), *finished.glob("parameters/*/stage.json")]
    assert {mark.parent.name for mark in marks} >= {"cube", "ensemble", "surrogate", "verdict", "scores", "figures"}
    kinds: dict[tuple[str, str], Path] = {}
    for stage in (mark.parent for mark in marks):
        for file in sorted(p for p in stage.rglob("*") if p.is_file() and p.name != "stage.json"):
            inside = file.relative_to(stage).parts[0]
            kinds.setdefault((stage.name, inside if "zarr" in inside else file.suffix), file)
    assert len(kinds) > 20
    assert {suffix for _, suffix in kinds} >= {".nc", ".safetensors", ".json", ".csv", ".png", "verdict.zarr"}
    for (stage_name, kind), file in kinds.items():
        stage = next(mark.parent for mark in marks if mark.parent in file.parents)
        content = file.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        file.write_bytes(bytes(flipped))
        try:
            assert changed(stage) == [file.relative_to(stage).as_posix()], f"{stage_name}: {kind}"
        finally:
            file.write_bytes(content)
    assert all(changed(mark.parent) == [] for mark in marks)


def test_sets_and_parameters_of_a_verdict_have_names(finished: Path) -> None:
    archive = xr.open_zarr(finished / "verdict" / "verdict.zarr", consolidated=False)
    assert {"set", "parameter", "parameter_name", "cell", "time", "lat", "lon"} <= set(archive.coords)
    assert archive["parameter_name"].values.tolist() == ["infilt", "expt"]
    assert archive["method"].values.tolist() == list(archive.attrs["methods"])
    assert archive["seed"].values.tolist() == list(archive.attrs["seeds"])


def test_the_largest_water_balance_error_is_told(finished: Path) -> None:
    water = json.loads((finished / "verdict" / "water_balance.json").read_text())
    archive = xr.open_zarr(finished / "verdict" / "verdict.zarr", consolidated=False)
    assert water["runs"] == 12 * (1 + archive.sizes["set"])
    assert 0.0 < water["share"] < 1e-13
    checks = pd.read_csv(finished / "scores" / "checklist.csv").set_index("check")
    row = checks.loc["water balance"]
    assert row["found"] == water["share"]
    assert row["passed"]
    assert f"{water['millimetres']:.1e} mm" in row["message"]


def test_log_and_report_say_why_there_is_no_table_of_evapotranspiration(finished: Path) -> None:
    """The built-in world observes none."""
    messages = [json.loads(line)["message"] for line in (finished / "log.jsonl").read_text().splitlines()]
    (said,) = [message for message in messages if "Table 3" in message]
    assert said.startswith("Table 3 and Figure 9 (annual evapotranspiration) are left out: the input file has no ref")
    assert "et_mod16" in said
    assert said in (finished / "report.html").read_text()
    assert not (finished / "tables" / "table3.csv").exists()


def test_manifest_says_what_was_run(finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["seed"] == 3
    assert {"numpy", "numba", "torch", "paraformer"} <= set(manifest["versions"])
    assert manifest["stages"]["ensemble"]["runs"] == 12 * (1 + 4 + 6)
    assert manifest["stages"]["parameters/Latin hypercube"]["runs"] == 0
    searched = manifest["stages"]["parameters/SCE-UA"]["runs"]
    assert 12 < searched <= 12 * 24
    cost = pd.read_csv(finished / "scores" / "methods.csv").set_index("method")["process_model_runs"]
    assert cost["SCE-UA"] == searched
    assert cost["FFN_A"] == cost["Latin hypercube"] == 12 * (1 + 4 + 6)
    assert set(manifest["stages"]) >= set(STAGES)
    (maker,) = json.loads((finished / "cube" / "stage.json").read_text())["made_by"]
    told = f"{maker['version']}, {maker['git'] or 'installed package'}"
    assert Results(finished).made_by == (told,)
    assert f"seed 3, made by {told}\n" in describe(finished)
    assert told in (finished / "report.html").read_text()


def test_report_page_is_whole(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert len(page.encode()) < 3_000_000
    held = content(page)
    assert len(held["hydrographs"]["cells"]) == 12
    assert "ParaFormer_A" in {method["name"] for method in held["methods"]}
    for link in re.findall(r'href="\./([^"]*)"', page):
        assert (finished / unquote(link)).exists(), link


def test_sites_and_points_are_settings_of_the_report(finished: Path, tmp_path: Path) -> None:
    run = shutil.copytree(finished, tmp_path / "run")
    with pytest.raises(SettingsError, match=r"report\.sites: no cell 99; the 12 cells are 0 \.\. 11"):
        run_study(load_study(run / "study.yaml", ["report.sites=[3, 99]"]), run)
    run_study(load_study(run / "study.yaml", ["report.sites=[3, 5]", "report.scatter=cell_days"]), run)
    before, after = (hashes_of(folder / "figures") for folder in (finished, run))
    assert set(before) == set(after)
    assert {name for name in before if before[name] != after[name]} == {
        "series.png",
        "scatter-trained.png",
        "scatter-unseen.png",
    }
    assert "Chosen sites" in (run / "report.html").read_text()


def test_attention_is_drawn_in_the_report_and_told_from_a_finished_run(finished: Path, tmp_path: Path) -> None:
    drawn = {path.stem for path in (finished / "figures").glob("attention-*.png")}
    assert drawn == {"attention-ParaFormer_A", "attention-ParaFormer_Z"}
    before = hash_path(finished)
    text = describe_attention(finished, "ParaFormer_Z", out=tmp_path)
    assert "What ParaFormer_Z attends to (2 seeds; windows end on" in text
    assert "64 to 79" in text
    assert "not what moves its θ" in text
    table = pd.read_csv(tmp_path / "ParaFormer_Z.csv")
    assert set(table["of"]) == {"attribute", "days before"}
    assert set(table["region"]) == {"all cells", "north-west", "north-east", "south-west", "south-east"}
    assert (tmp_path / "ParaFormer_Z.png").exists()
    assert "climate_aridity >" in describe_attention(finished, "ParaFormer_A", "climate_aridity", tmp_path)
    assert hash_path(finished) == before, "a finished run is only read"


@pytest.mark.parametrize(
    ("method", "by", "error", "message"),
    [
        ("FFN_A", None, SettingsError, "learner 'FFN_A': its network 'ffn_a' has no attention; with attention: Para"),
        ("SCE-UA", None, SettingsError, "no learner is called 'SCE-UA'; valid: ParaFormer_A, ParaFormer_Z"),
        ("ParaFormer_AA", None, SettingsError, "no learner is called 'ParaFormer_AA'; did you mean 'ParaFormer_A'"),
        ("ParaFormer_A", "prcp", DataError, "no variable 'prcp' with one value a cell"),
    ],
)
def test_what_attention_cannot_tell_is_named(
    finished: Path, method: str, by: str | None, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        describe_attention(finished, method, by)


def test_attention_needs_a_run_with_a_trained_learner(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json here"):
        describe_attention(tmp_path, "ParaFormer_A")
    study = load_study(finished / "study.yaml").model_copy(update={"learner_seeds": 3})
    with pytest.raises(RunError, match="seed-2: no trained map of 'ParaFormer_A' here"):
        attention_of(study, Results(finished), "ParaFormer_A")


def test_attention_of_a_run_that_has_not_learned_yet(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path, learners={"ParaFormer_A": {"network": {"name": "paraformer_a"}}}))
    (tmp_path / "study.yaml").write_text(study.to_yaml())
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(RunError, match="seed-0: no trained map of 'ParaFormer_A' here; 'paraformer learn' trains it"):
        describe_attention(tmp_path, "ParaFormer_A")


def test_describe_knows_run_cube_and_study(finished: Path) -> None:
    assert "ensemble" in describe(finished)
    assert "trained: 9" in describe(finished / "cube" / "cube.zarr")
    assert "name: tiny" in describe(finished / "study.yaml")


def test_no_test_period_observation_reaches_theta(finished: Path, tmp_path: Path) -> None:
    """Garbage in the test period's observations, and in all of the unseen cells', leaves every learned θ as it is.

    Searches and learners with history are given an unseen cell's own training period: there only their trained cells'
    θ must stay.
    """
    inputs = tmp_path / "inputs.nc"
    with xr.open_dataset(finished / "cube" / "inputs.nc") as dataset:
        poisoned = dataset.load().copy(deep=True)
    study = load_study(finished / "study.yaml")
    test = study.data.test.mask(poisoned["time"].values)
    unseen = poisoned["split"].values.astype(str) != "train"
    garbage = np.random.default_rng(0).random(poisoned["sm_obs"].shape).astype(np.float32)
    hidden = test[None, :] | unseen[:, None]
    assert hidden.any()
    poisoned["sm_obs"].values = np.where(hidden, garbage, poisoned["sm_obs"].values)
    poisoned.to_netcdf(inputs)
    changes = {
        "data": {
            "source": "cells",
            "path": str(inputs),
            "observation": "sm_obs",
            "chunk_cells": 4,
            "split": {"variable": "split", "trained": "train", "unseen": "neighbour"},
            "train": {"start": study.data.train.start, "end": study.data.train.end},
            "test": {"start": study.data.test.start, "end": study.data.test.end},
        },
        "process__parameters": str(finished / "cube" / "params.nc"),
        "process__domain": str(finished / "cube" / "domain.nc"),
    }
    command = [*COMMAND, "learn", str(write_study(tmp_path, **changes)), "--directory", str(tmp_path / "run")]
    subprocess.run(command, capture_output=True, check=True)
    for theta in sorted((finished / "parameters").rglob("theta.nc")):
        name = theta.relative_to(finished)
        with xr.open_dataset(theta) as clean, xr.open_dataset(tmp_path / "run" / name) as found:
            same = slice(None) if name.parts[1] in ("FFN_A", "ParaFormer_A") else np.flatnonzero(~unseen)
            for parameter in study.space.names:
                np.testing.assert_array_equal(found[parameter].values[same], clean[parameter].values[same])


def test_a_kill_in_the_ensemble_and_the_same_command_again_gives_the_same_files(finished: Path, tmp_path: Path) -> None:
    """A sample of the next test: killed when the first chunk of runs is stored."""
    command = [*COMMAND, "simulate", str(write_study(tmp_path)), "--directory", str(tmp_path / "run"), "--quiet"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = journal_of(tmp_path / "run" / "ensemble" / "ensemble.zarr")
    while not journal.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    for stage in ("cube", "gap_filling", "ensemble"):
        assert hash_path(tmp_path / "run" / stage) == hash_path(finished / stage)


def _changes(run: Path) -> set[tuple[str, int]]:
    """Every file of a run with the time of its last change: what has happened so far, however fast the machine."""
    found = set()
    for folder, _, names in os.walk(run):  # which passes over folders that are gone since
        for name in names:
            with contextlib.suppress(OSError):
                found.add((name, Path(folder, name).stat().st_mtime_ns))
    return found


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_kill_at_any_moment_and_the_same_command_again_gives_the_same_files(finished: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path)
    command = [*COMMAND, "run", str(study), "--directory", str(tmp_path / "run"), "--quiet"]
    kills, ended = 0, None
    while ended is None:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=os.environ)
        seen = _changes(tmp_path / "run")
        new = 3 + 2 * kills
        while (ended := process.poll()) is None and len(_changes(tmp_path / "run") - seen) < new:
            time.sleep(0.005)
        if ended is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        _, errors = process.communicate()
    assert ended == 0, errors.decode()
    assert kills >= 10
    assert hashes(tmp_path / "run") == hashes(finished)
