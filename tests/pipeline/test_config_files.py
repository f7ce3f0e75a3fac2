"""A study file, whatever is done to it, is read or refused in one line: nothing hangs, and nothing is a bug."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from paraformer.config import Study, load_study
from paraformer.core.errors import SettingsError
from worlds import write_study

SMALL = """\
name: small
parameters: [infilt, ds, expt]
data:
  source: synthetic
  synthetic: {rows: 3, columns: 4, years: 2}
"""


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(SettingsError) as caught:
        load_study(path, overrides)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def written(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: true\n", "line 6: seed: Input should be a valid integer, found true (as yes and on are in YAML)"),
        ("learner_seeds: yes\n", "line 6: learner_seeds: Input should be a valid integer, found true"),
        ("seed: '3'\n", "line 6: seed: Input should be a valid integer, found '3'"),
        ("seed: 1.0\n", "line 6: seed: Input should be a valid integer, found 1.0"),
        ("ensemble: {common: 4}\nensemble: {own: 9}\n", "line 7: key 'ensemble' occurs twice; first on line 6"),
        ("surrogate:\n  weights:\n    soil_moisture: -1\n", "line 8: surrogate.weights.soil_moisture: Input should be"),
        ("surrogate: {weights: {tea: 1}}\n", "line 6: surrogate.weights: 'tea' is not in outputs"),
        ("surrogate: {outputs: [soil_moisture, runoff, runoff]}\n", "surrogate.outputs: 'runoff' occurs twice"),
        ("surrogate: {outputs: [runoff]}\n", "line 6: surrogate: outputs: 'soil_moisture' is missing"),
        ("ensemble: {outputs: [runoff, runoff]}\n", "ensemble.outputs: 'runoff' occurs twice"),
        ("evaluation: {operators: [raw, raw]}\n", "evaluation.operators: 'raw' occurs twice"),
        ("report: {formats: [png, png]}\n", "report.formats: 'png' occurs twice"),
        ("searches: {R: {name: random}}\nuncertainty: {methods: [R, R]}\n", "uncertainty.methods: 'R' occurs twice"),
        ("searches: {L: {name: levenberg, model: surrogate}}\n", "line 6: searches.L.model: expected 'process', whose"),
        ("learners: {1: {}}\n", "line 6: learners: key 1 is a number to YAML, and a key is text; write '1'"),
        ("learners: {'..': {}}\n", "learners: name '..'"),
        ("learners: {default VIC: {}}\n", "learners: name 'default VIC' is that of the product's row"),
        ("learners: {A: {}, a: {}}\n", "learners: name 'a' is that of 'A' on a disk that ignores case"),
        ("searches: {A: {name: random}}\nlearners: {a: {}}\n", "learners: name 'a' is that of 'A'"),
        ("learners: {A: {network: {hidden: 3}}}\n", "line 6: key 'learners.A.network.name' is missing"),
        ("learners: {A: {network: {name: ffn}}}\n", "line 6: learners.A.network: Input tag 'ffn' found"),
        ("learners: {A: {network: {name: lstm_z, hiden: 3}}}\n", "'learners.A.network.hiden'; did you mean 'hidden'"),
        ("learners: 3\n", "line 6: learners: expected a group of settings, found 3"),
    ],
)
def test_a_wrong_setting_is_named_with_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, SMALL + text)
    line = refusal(path)
    assert told in line
    assert line.startswith(str(path))


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("[infilt, infilt]", "line 2: parameters: 'infilt' occurs twice"),
        ("[{name: infilt, lower: 0.1, upper: .inf}]", "line 2: parameters.0.upper: found .inf"),
        ("[{name: infilt, lower: 0.1, upper: 0.2, scale: 0}]", "parameters.0.scale: Input should be greater than 0"),
        ("[{name: infilt, lower: 0.1, upper: 0.2, scale: 1e-330}]", "parameters.0.scale: Input should be greater"),
        ("[{name: infilt, lower: 0.1, upper: 0.2, scale: 1e-323}]", "are too wide or too close"),
        ("[{name: infilt, lower: -1e308, upper: 1e308}]", "are too wide or too close"),
        ("[{name: x, lower: 1e-300, upper: 1e300, transform: log}]", "are too wide or too close"),
        ("[{name: '', lower: 0, upper: 1}]", "parameters.0.name: expected letters, digits and _"),
        ("[{name: lat, lower: 0, upper: 1}]", "parameters.0.name: expected letters"),
        ("[{name: 'a/b', lower: 0, upper: 1}]", "parameters.0.name: expected letters"),
        ("[{name: infilt, lower: yes, upper: 1}]", "parameters.0.lower: Input should be a valid number, found true"),
        ("[]", "parameters: the parameter space is empty"),
        ("infilt", "parameters: expected a list of parameter names"),
    ],
)
def test_a_wrong_parameter_is_named(tmp_path: Path, parameters: str, told: str) -> None:
    assert told in refusal(written(tmp_path, SMALL.replace("[infilt, ds, expt]", parameters)))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("attributes: [cell]", "data.attributes: 'cell' is a coordinate of the cells"),
        ("attributes: [lat]", "data.attributes: 'lat' is a coordinate of the cells; rename the variable"),
        ("attributes: [sand, trained]", "data.attributes: 'trained' is the split of the cells"),
        ("attributes: [split]", "data.attributes: 'split' is the split"),
        ("attributes: [climate_zone]", "data.attributes: 'climate_zone' is a name of variables that the cube adds"),
        ("attributes: [landcover_igbp_7]", "'landcover_igbp_7' is a name of variables that the cube adds"),
        ("attributes: [prcp]", "'prcp' is a forcing"),
        ("attributes: [prcp_sub]", "'prcp_sub' is a name of variables that the cube adds"),
        ("attributes: [et_gleam]", "'et_gleam' is a reference that results are compared with"),
        ("attributes: [sm_obs]", "attributes: 'sm_obs' is the observation"),
        ("attributes: [fold]\n  split: {variable: fold, trained: [1]}", "'fold' is the observation or the split"),
        ("attributes: [sand, sand]", "data.attributes: 'sand' occurs twice"),
        ("observation: tair", "data.observation: 'tair' is a forcing"),
        ("train: {start: 2015-04-01, end: 2015-04-31}", "data.train.end: no such date: 2015-04-31"),
        ("train: {start: '2015-04-31', end: 2015-05-31}", "data.train.start: day is out of range for month"),
        ("train: {start: 20150401, end: 2015-05-31}", "data.train.start: expected a date, YYYY-MM-DD, found 20150401"),
        ("train: {start: 2010-04-01, end: 2015-05-31}", "is not inside the days of source 'synthetic'"),
        ("test: {start: 2016-04-01, end: 2030-05-31}", "is not inside the days of source 'synthetic'"),
        ("split: {variable: split, trained: [yes]}", "data.split.trained.0: Input should be"),
        ("split: {variable: split, trained: [a, a]}", "data.split.trained: 'a' occurs twice"),
        ("select: {qc: .nan}", "data.select.qc: found .nan, expected a finite number"),
    ],
)
def test_a_wrong_setting_of_the_data_is_named(tmp_path: Path, data: str, told: str) -> None:
    assert told in refusal(written(tmp_path, f"{SMALL}  {data}\n"))


@pytest.mark.parametrize("start", ["0001-01-01", "1677-12-31", "2261-01-01", "9999-12-31", "'0001-01-01'"])
def test_a_world_of_other_centuries_is_refused(tmp_path: Path, start: str) -> None:
    line = refusal(written(tmp_path, SMALL.replace("years: 2", f"years: 2, start: {start}")))
    assert "data.synthetic" in line


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("seed={", "--set seed={: not valid YAML"),
        ("seed=*a", "--set seed=*a: not valid YAML (found undefined alias 'a')"),
        ("learners={a: [", "--set learners={a: [: not valid YAML"),
        ("learners={A: {}, A: {}}", "--set learners={A: {}, A: {}}: key 'A' occurs twice"),
        ("seed=yes", "seed: Input should be a valid integer, found true"),
        ("seed=.inf", "--set seed=.inf: found .inf, expected a finite number"),
        ("seed=2015-02-30", "--set seed=2015-02-30: no such date"),
        ("seed=!!binary aa", "has no use here"),
        ("seed=" + "[" * 3000, "nested more than 40 deep"),
        (".".join(["a"] * 3000) + "=1", "nested more than 40 deep"),
        ("seed=" + "9" * 5000, "expected at most 9.2e+18"),
        ("seed=\udcff", "not valid YAML"),
        ("name=x\udcff", "not valid YAML"),
        ("=3", "expected key=value"),
        ("a..b=3", "unknown key 'a'"),
        ("data.synthetic.rows.x=3", "'rows' is not a group of settings"),
    ],
)
def test_a_wrong_override_is_named(tmp_path: Path, override: str, told: str) -> None:
    assert told in refusal(written(tmp_path, SMALL), override)


def test_an_override_has_no_line_in_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL + "ensemble: {own: 9}\n")
    assert refusal(path, "ensemble.own=0").startswith(f"{path}: ensemble.own: ")
    assert refusal(path, "ensemble.held_out=0").startswith(f"{path}: ensemble.held_out: ")


def test_a_path_may_be_text(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    assert load_study(str(path)) == load_study(path)


def test_files_a_study_names_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    periods = {
        "train": {"start": "2015-04-01", "end": "2015-06-30"},
        "test": {"start": "2015-07-01", "end": "2015-08-31"},
    }
    for name, told in (("pipe", "data.path: pipe is a named pipe"), ("x" * 5000, "File name too long")):
        line = refusal(write_study(tmp_path, data={"source": "cells", "path": name, **periods}))
        assert told in line
        assert len(line) < 400
    for name in ("parameters", "domain", "initial_state", "module_folder"):
        assert f"process.{name}: pipe is a named pipe" in refusal(
            write_study(tmp_path, process={"model": "a:b", name: "pipe"})
        )
    monkeypatch.setenv("FOLDER", "a\udcff")
    assert "holds 'a\\udcff', expected plain text" in refusal(
        write_study(tmp_path, process__parameters="${FOLDER}/p.nc")
    )


def mutants(text: str, count: int) -> list[str]:
    """A study file with random changes: characters, lines and whole pieces dropped, doubled, moved or replaced."""
    draw = random.Random(1)
    odd = [
        "",
        "~",
        "yes",
        "-1",
        "0",
        ".inf",
        "1e999",
        "[",
        "{",
        "*a",
        "&a",
        "'",
        '"',
        ": ",
        "- ",
        "\t",
        "\x00",
        "!!set",
        "<<",
        "x" * 300,
    ]
    odd += [
        "2015-02-30",
        "0",
        "é",
        "\u200b",
        "#",
        "|",
        ">",
        "%",
        "@",
        "`",
        "..",
        "/",
        "9" * 30,
        "[]",
        "{}",
        "null",
        "10:20",
    ]
    found = []
    for _ in range(count):
        lines = text.splitlines()
        for _ in range(draw.choice([1, 1, 1, 3])):
            at, kind = draw.randrange(len(lines)), draw.randrange(6)
            line = lines[at]
            cut = draw.randrange(len(line) + 1)
            if kind == 0:
                lines[at] = line[:cut] + draw.choice(odd) + line[cut:]
            elif kind == 1:
                lines[at] = line[: line.find(":") + 1] + " " + draw.choice(odd)
            elif kind == 2:
                lines.insert(at, line)
            elif kind == 3:
                lines[at] = line[:cut]
            elif kind == 4:
                lines.insert(draw.randrange(len(lines)), lines.pop(at))
            else:
                lines[at] = " " * draw.randrange(8) + line.strip()
        found.append("\n".join(lines))
    return found


def test_a_mutated_study_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    text = write_study(tmp_path).read_text()
    read = 0
    for mutant in mutants(text, 150):
        path = written(tmp_path, mutant)
        try:
            study = load_study(path)
        except SettingsError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert len(str(error)) < 2000  # noqa: PT017
        else:
            read += 1
            again = tmp_path / "again.yaml"
            again.write_text(study.to_yaml(), encoding="utf-8")
            assert load_study(again) == study
            assert isinstance(study, Study)
    assert read > 5
