"""Every test that ``docs/faults.md`` names exists, and is of the kind the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "faults.md"


def named(text: str) -> list[tuple[str, str, bool]]:
    """File, test, and whether it is said to be long, of every test in a page; ``::name`` is of the file before it."""
    found, file = [], ""
    for path, test, long in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`( \(\*long\*\))?", text):
        file = path or file
        found.append((file, test, bool(long)))
    return found


def faults(text: str, root: Path) -> list[str]:
    """What is wrong with the tests that a page names."""
    wrong = []
    for file, test, long in named(text):
        path = root / file
        code = path.read_text(encoding="utf-8") if path.is_file() else ""
        match = re.search(rf"((?:^@.*\n|^    .*\n|^\)\n)*)^def {test}\(", code, flags=re.MULTILINE)
        if match is None:
            wrong.append(f"{file}::{test} does not exist")
        elif long != bool(re.search(r"^@pytest\.mark\.long$", match[1], flags=re.MULTILINE)):
            wrong.append(f"{file}::{test} is {'not ' if long else ''}long")
    return wrong


def test_every_test_of_the_page_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(named(text)) > 30
    assert faults(text, ROOT) == []


def test_every_row_of_the_page_names_a_test() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| (?!kind|--)", line)]
    assert [row for row in rows if not named(row) and "benchmarks/cases.py" not in row] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("`tests/a.py::test_one`", []),
        ("`tests/a.py::test_two` (*long*), `::test_one`", []),
        ("`tests/a.py::test_three`", ["tests/a.py::test_three does not exist"]),
        ("`tests/b.py::test_one`", ["tests/b.py::test_one does not exist"]),
        ("`tests/a.py::test_two`", ["tests/a.py::test_two is long"]),
        ("`tests/a.py::test_one` (*long*)", ["tests/a.py::test_one is not long"]),
    ],
)
def test_a_test_that_is_not_there_is_seen(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "tests").mkdir()
    code = "def test_one():\n    pass\n\n\n@pytest.mark.long\n@pytest.mark.timeout(9)\ndef test_two():\n    pass\n"
    (tmp_path / "tests" / "a.py").write_text(code)
    assert faults(text, tmp_path) == words
