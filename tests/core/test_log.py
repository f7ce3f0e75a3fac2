"""Progress: times as one would say them, and a time left that is measured from where work began to move."""

from __future__ import annotations

import logging

import pytest

from paraformer.core import log
from paraformer.core.log import BarProgress, LogProgress, Pace, duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        *((0.04, "0.0 s"), (0.42, "0.4 s"), (9.7, "9.7 s"), (12.4, "12 s"), (59.4, "59 s"), (59.7, "1.0 min")),
        *((60, "1.0 min"), (204, "3.4 min"), (3599.9, "1.0 h"), (3600, "1.0 h"), (18720, "5.2 h"), (1.2e6, "333 h")),
    ],
)
def test_a_time_is_said_in_its_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_time_left_leaves_out_what_came_before_the_first_move() -> None:
    """25 s of compiling, then 10 s a chunk: after three chunks of ten, 70 s are left; the mean would say 128 s."""
    pace = Pace(100, 0, 0.0)
    assert pace.left(20.0) is None
    pace.move(10, 35.0)
    assert pace.left(35.0) == pytest.approx(315.0)  # one move is all that is known
    pace.move(10, 45.0)
    pace.move(10, 55.0)
    assert pace.left(55.0) == pytest.approx(70.0)
    assert pace.left(61.0) == pytest.approx(64.0)  # it runs down between two moves
    assert pace.left(200.0) == 0.0


def test_resumed_work_is_not_counted_as_speed() -> None:
    pace = Pace(100, 80, 0.0)
    pace.move(5, 10.0)
    pace.move(5, 20.0)
    assert pace.left(20.0) == pytest.approx(20.0)


def test_steps_of_nothing_do_no_harm() -> None:
    pace = Pace(10, 0, 0.0)
    pace.move(0, 1.0)
    assert pace.left(1.0) is None
    pace.move(0, 2.0)
    assert pace.left(2.0) is None
    pace.move(10, 3.0)
    assert pace.left(3.0) == 0.0


def test_log_lines_say_the_time_left(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 40.0, 50.0, 80.0, 81.0])
    monkeypatch.setattr(log.time, "monotonic", lambda: next(clock))
    with caplog.at_level(logging.INFO), LogProgress().task("runs", 8, unit="cells") as advance:
        advance(2)
        advance(2, "best 0.05")  # within 30 s of the line before: none
        advance(2, "best 0.04")
    assert caplog.messages == [
        "runs: 2 of 8 cells, 2.0 min left",
        "runs: 6 of 8 cells, 20 s left, best 0.04",
        "runs: done, 6 cells in 1.4 min",
    ]


def test_the_bar_is_on_standard_error_and_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("FORCE_COLOR", "1")
    with BarProgress().task("process model: simulations", 2560, unit="runs") as advance:
        advance(640, "best 0.0543")
        advance(640, "best 0.0541")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1,280/2,560 runs" in shown.err
    assert "left, best 0.0541" in shown.err
