"""Tables as text: aligned, whole, and no wider than the terminal."""

from __future__ import annotations

import pandas as pd
import pytest

from paraformer.core import text_table
from paraformer.core.text_table import is_text, to_text

TABLE = pd.DataFrame(
    {
        "method": ["default VIC", "ParaFormer_A"],
        "cells": ["trained", "unseen"],
        **{f"score {i}": [f"{0.1 * i:.4f} ± 0.0001", "–"] for i in range(8)},
    }
)


def test_without_limit_it_is_one_part() -> None:
    lines = to_text(TABLE).splitlines()
    assert len(lines) == 4
    assert lines[1].startswith("------------  -------  -")


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_what_does_not_fit_stands_below(width: int) -> None:
    parts = [part.splitlines() for part in to_text(TABLE, width).split("\n\n")]
    assert all(len(line) <= width for part in parts for line in part)
    assert all(part[0].split()[0] == "method" and part[2].startswith("default VIC") for part in parts)
    found = " ".join(" ".join(part[0].split()) for part in parts)
    assert all(found.count(f"score {i}") == 1 for i in range(8))
    assert all(sum(f"{0.1 * i:.4f} ±" in part[2] for part in parts) == 1 for i in range(8))


def test_a_column_wider_than_the_terminal_is_not_cut() -> None:
    table = pd.DataFrame({"file": ["a" * 50], "size": [3]})
    assert "a" * 50 in to_text(table, 40)
    assert to_text(table, 40).splitlines()[-1].split() == ["a" * 50, "3"]


def test_the_width_is_that_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert max(map(len, to_text(TABLE).splitlines())) > 60  # standard output is no terminal
    monkeypatch.setattr(text_table.sys.stdout, "isatty", lambda: True, raising=False)
    assert max(map(len, to_text(TABLE).splitlines())) <= 60


def test_a_column_is_text_if_an_entry_begins_with_a_letter() -> None:
    assert is_text(pd.Series(["1", "x1"]))
    assert not is_text(pd.Series(["1x", "0.1 ± 0.0", "–"]))
