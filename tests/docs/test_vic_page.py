"""docs/vic_code.md names every file of VIC, and none that is not there."""

from __future__ import annotations

import re

from docs.snippets import ROOT

SOURCE = ROOT / "src/paraformer"
PAGE = (ROOT / "docs/vic_code.md").read_text(encoding="utf-8")
EVERY = PAGE.partition("## Every file")[2].partition("\nBeside")[0]


def test_every_file_of_vic_is_named_once() -> None:
    named = [name for row in EVERY.splitlines() for name in re.findall(r"`(\w+\.py)`", row)]
    there = [p.name for p in (SOURCE / "process/vic").rglob("*.py") if p.name != "__init__.py"]
    assert sorted(named) == sorted(there)


def test_files_of_other_folders_are_there() -> None:
    for path in re.findall(r"`((?:core|process)/\w+\.py)`", PAGE):
        assert (SOURCE / path).is_file(), path
