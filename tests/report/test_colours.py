"""A method has one look everywhere, by its name alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from paraformer.report.colours import RESERVED, look, method_styles
from paraformer.report.figures import score_cdfs
from report.results import cell_scores

PAPER = ("default VIC", "SCE-UA", "FFN_A", "LSTM_Z", "ParaFormer_A", "ParaFormer_Z")
STUDIES = sorted((Path(__file__).parents[2] / "studies").glob("*.yaml"))


def test_the_place_in_a_list_does_not_matter():
    names = [*PAPER, "mine", "theirs"]
    assert method_styles(names) == method_styles(names[::-1])
    assert method_styles(["mine"])["mine"] == method_styles(names)["mine"]


def test_other_names_look_the_same_in_every_process():
    code = "from paraformer.report.colours import look; print(look('mine'))"
    found = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(2)]
    assert {result.stdout.strip() for result in found} == {str(look("mine"))}


def test_reserved_looks_differ_and_other_names_never_have_their_colour():
    assert len(set(RESERVED.values())) == len(RESERVED)
    colours = [own.colour for own in RESERVED.values()]
    assert len(set(colours)) == len(colours)
    assert not {look(f"method {k}").colour for k in range(300)} & set(colours)


@pytest.mark.parametrize("seeds", [1, 2])
def test_curves_have_the_colour_of_their_name(seeds):
    scores = cell_scores()
    scores = scores[(scores["method"] != "default VIC") & (scores["seed"] < seeds)]
    drawn = {line.get_color() for axes in score_cdfs(scores).axes for line in axes.lines}
    assert drawn == {look("net_A").colour, look("training mean").colour}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_no_two_rows_of_a_study_of_this_package_look_alike(path):
    study = yaml.safe_load(path.read_text())
    transfers = (study.get("evaluation") or {}).get("transfers") or {}
    names = [*RESERVED, *(study.get("searches") or {}), *(study.get("learners") or {})]
    names += [f"{transfers['source']}, {by.replace('_', ' ')}" for by in transfers.get("by", ())]
    colours = [look(name).colour for name in dict.fromkeys(names)]
    assert len(set(colours)) == len(colours)
