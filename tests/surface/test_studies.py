"""A study that reads data which a reader may not have says so in its first line, and what runs without them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paraformer.config import Study, load_study

STUDIES = Path(__file__).resolve().parents[2] / "studies"
FIRST = re.compile(r"# Reads real data that are not part of the project\b.*\. Without them: studies/(\w+)\.yaml")
OWN = {"own_cells"}
"""Studies whose files are the reader's own."""


def elsewhere(study: Study) -> bool:
    """Whether the data of a study are somewhere else than in the project."""
    return study.data.source != "synthetic"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_first_line_says_what_to_use_without_the_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARAFORMER_DATA", "/nowhere")
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    named = FIRST.match(first)
    if path.stem in OWN:
        return
    assert bool(named) == elsewhere(load_study(path)), first
    if named:
        assert not elsewhere(load_study(STUDIES / f"{named[1]}.yaml")), f"{named[1]} needs data, too"
