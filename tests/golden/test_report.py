"""The golden report leaves nothing out, fails on what it cannot explain, and is the one that is committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from golden.comparison import Difference, summarise
from golden.references import CONUS, VIC5, Reference, Result, left_out, references, shared_files
from golden.report import judge, matrix, page, summary

REPORT = Path(__file__).resolve().parents[2] / "docs" / "golden.md"


def _result(largest: float, n_beyond: int, name: str = "stehekin/s10_hourly") -> Result:
    difference = Difference("mm", largest, largest / 10, 100, n_beyond)
    return Result(name, "daily", "1 cell", {"OUT_EVAP": difference})


@pytest.mark.shared
def test_no_reference_is_left_out(shared: Path) -> None:
    assert left_out(shared_files(shared), references(shared)) == []


@pytest.mark.shared
@pytest.mark.parametrize(
    "planted",
    [
        f"{VIC5}/findleylake/domain.nc",
        f"{VIC5}/stehekin/global/new.txt",
        f"{VIC5}/walnutgulch/new.daily.nc",
        f"{VIC5}/stehekin/s10_daily.subdaily.nc",
        f"{CONUS}/default_C.nc",
        f"{CONUS}/more/run.nc",
    ],
)
def test_a_planted_folder_or_file_is_seen(planted: str, shared: Path, tmp_path: Path) -> None:
    """A copy of the tree (empty files will do: only names count) with one file more."""
    for name in (*shared_files(shared), planted):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert left_out(shared_files(tmp_path), references(shared)) == [planted]


@pytest.mark.shared
def test_covered_files_exist(shared: Path) -> None:
    """A reference that names a file that is not there would cover nothing."""
    there = set(shared_files(shared))
    assert {name for r in references(shared) for name in r.covers} <= there


@pytest.mark.shared
def test_committed_report_has_every_reference_and_says_how_it_was_run(shared: Path) -> None:
    lines = REPORT.read_text(encoding="utf-8").splitlines()
    for reference in references(shared):
        assert any(line.startswith(f"| `{reference.name}` | {reference.way} |") for line in lines), reference.name


def test_committed_report_explains_all() -> None:
    text = REPORT.read_text(encoding="utf-8")
    assert "NOT EXPLAINED" not in text
    assert text.count("(decisions/0002-vic-golden.md)") >= 3
    assert (REPORT.parent / "decisions" / "0002-vic-golden.md").exists()


def test_what_nothing_explains_is_named() -> None:
    assert judge([_result(1e-13, 0)]) == []
    (planted,) = judge([_result(1e-6, 3)])  # an hourly run is at rounding, always
    assert (planted.result, planted.variable, planted.why) == ("stehekin/s10_hourly daily", "OUT_EVAP", "")
    (known,) = judge([_result(1e-9, 3, "stehekin/syn_daily")])
    assert "(Q15)" in known.why
    (too_far,) = judge([_result(1e-7, 3, "stehekin/syn_daily")])
    assert too_far.why == ""
    (too_many,) = judge([_result(0.01, 41, "conus/default_A")])
    assert too_many.why == ""
    (reference,) = [Reference("stehekin/s10_hourly", "vic run", (), lambda shared, work: [])]
    text = page({reference.name: (reference, [_result(1e-6, 3)])}, [planted])
    assert "NOT EXPLAINED" in text
    assert "| `stehekin/s10_hourly` | vic run | daily (1 cell) | 100 | all but 3 values of 1 variables |" in text


def test_tables() -> None:
    text = matrix([_result(2e-9, 4), _result(0.0, 0, "stehekin/syn_3h")])
    assert "| variable | unit | s10_hourly | syn_3h |" in text
    assert "| `OUT_EVAP` | mm | **2e-9 / 2e-10** | 0 / 0 |" in text
    refused = Reference("samples/walnut", "refused", (), lambda shared, work: [])
    assert "| `samples/walnut` | refused |  |  | refused in one line |" in summary({"x": (refused, [])})


def test_differences_are_largest_mean_and_counts() -> None:
    found = summarise(np.array([0.0, np.nan, 3e-10, 1e-11]), "mm")
    assert found == Difference("mm", 3e-10, pytest.approx(3.1e-10 / 3), 3, 1)
    assert summarise(np.array([0.5, 0.1]), "1", np.array([0.6, 0.05])).n_beyond == 1
