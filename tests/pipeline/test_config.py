"""Study files: YAML in and out, overrides, and every mistake named with its key and the nearest valid one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from paraformer.config import load_study
from paraformer.core.errors import SettingsError
from paraformer.learners.config import LearnerConfig
from paraformer.surrogate.config import SurrogateConfig
from paraformer.training.config import OptimiserConfig
from worlds import TINY, write_study

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_resolved_study_loads_to_itself(tmp_path: Path) -> None:
    study = load_study(write_study(tmp_path))
    again = tmp_path / "resolved.yaml"
    again.write_text(study.to_yaml())
    assert load_study(again) == study


@pytest.mark.parametrize("path", sorted((REPOSITORY / "studies").glob("*.yaml")), ids=lambda p: p.name)
def test_every_study_of_the_repository_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/data")
    study = load_study(path)
    assert study.name == path.stem


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ensembel": {}}, "unknown key 'ensembel'; did you mean 'ensemble'"),
        ({"ensemble__comon": 3}, "unknown key 'ensemble.comon'; did you mean 'common'"),
        ({"surrogate__training__optimiser": {"nmae": "adamw"}}, "training.optimiser.nmae'; did you mean 'name'"),
        ({"learners__FFN_A__windw": 3}, "unknown key 'learners.FFN_A.windw'; did you mean 'window'"),
        ({"parameters": ["infilt", "exptt"]}, "unknown parameter 'exptt'; did you mean 'expt'"),
        ({"parameters": [{"name": "ds", "lower": 2, "upper": 1}]}, "lower bound 2.0 is not below upper bound 1.0"),
        ({"ensemble__own": 0}, "ensemble.own: Input should be greater than or equal to 1, found 0"),
        ({"ensemble": {"own": 3, "held_out": 3}}, "held_out (3) must be below own (3)"),
        ({"process": {"model": "bucket", "device": "cuda"}}, "'device' applies to model 'vic' only, not to 'bucket'"),
        ({"seed": "x"}, "seed: Input should be a valid integer"),
        ({"name": None}, "key 'name' is missing"),
        ({"name": "a/b"}, "name: String should match pattern"),
        ({"process__vic": {"full_energy": True}}, "full_energy"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_the_key(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_study(write_study(tmp_path, **changes))
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "study.yaml"))
    assert "\n" not in str(caught.value)


def test_overrides_replace_and_add(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    study = load_study(path, ["ensemble.own=16", "learner_seeds=4", "process.vic.water_balance=vic"])
    assert (study.ensemble.own, study.learner_seeds, study.process.vic.water_balance) == (16, 4, "vic")
    with pytest.raises(SettingsError, match=r"unknown key 'ensemble.onw'; did you mean 'own'"):
        load_study(path, ["ensemble.onw=3"])
    with pytest.raises(SettingsError, match="expected key=value"):
        load_study(path, ["ensemble.own"])
    with pytest.raises(SettingsError, match="'seed' is not a group"):
        load_study(path, ["seed.deeper=1"])


def test_a_changed_step_count_keeps_the_learner_s_own_optimiser(tmp_path: Path) -> None:
    """A partial ``training`` is completed from its owner's defaults, not from those of the settings class."""
    own = LearnerConfig().training
    changes = {"learners": {"X": {"training": {"steps": 7}}, "Y": {"training": {"optimiser": {"name": "adadelta"}}}}}
    study = load_study(write_study(tmp_path, surrogate={"training": {"steps": 9}}, **changes))
    assert study.learners["X"].training == own.model_copy(update={"steps": 7})
    assert study.learners["Y"].training.optimiser == OptimiserConfig(name="adadelta")
    assert study.surrogate.training.optimiser == SurrogateConfig().training.optimiser


def test_relative_paths_start_at_the_study_file_and_variables_are_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARAMETER_FILES", str(tmp_path / "vic"))
    path = write_study(tmp_path, process__parameters="${PARAMETER_FILES}/params.nc", process__domain="../domain.nc")
    study = load_study(path)
    assert study.process.parameters == tmp_path / "vic" / "params.nc"
    assert study.process.domain == tmp_path.parent / "domain.nc"
    monkeypatch.delenv("PARAMETER_FILES")
    with pytest.raises(SettingsError, match=r"environment variable in .* is not set"):
        load_study(path)


def test_files_that_are_no_study_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the study file"):
        load_study(tmp_path / "nothing.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    with pytest.raises(SettingsError, match="a study file is a mapping"):
        load_study(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1,\n")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load_study(tmp_path / "broken.yaml")


def test_the_paper_scales_its_bounds(tmp_path: Path) -> None:
    """Table 1 gives ds in [0, 7.6] standard deviations: a study spells such a parameter out."""
    entry = {"name": "ds", "lower": 0.001, "upper": 7.6, "scale": 0.13}
    study = load_study(write_study(tmp_path, parameters=[entry, "expt"]))
    assert study.space.upper[0] == pytest.approx(0.988)
    assert yaml.safe_load(study.to_yaml())["parameters"][0]["scale"] == 0.13


def test_the_miniature_world_leaves_its_template_alone(tmp_path: Path) -> None:
    write_study(tmp_path, ensemble__own=99)
    assert TINY["ensemble"]["own"] == 6
