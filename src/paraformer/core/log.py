"""Logging and progress. Progress is an object passed in: silent by default, a bar with time left on a terminal."""

from __future__ import annotations

import html
import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol


@contextmanager
def warnings_alone() -> Iterator[None]:
    """Context in which the package logs warnings and nothing else: for work on files that are of no interest."""
    package = logging.getLogger("paraformer")
    before = package.level
    package.setLevel(max(logging.WARNING, before))
    try:
        yield
    finally:
        package.setLevel(before)


def duration(seconds: float) -> str:
    """A time in the unit that one would say it in: ``0.4 s``, ``12 s``, ``3.4 min``, ``5.2 h``."""
    if seconds < 59.5:
        return f"{seconds:.{0 if seconds >= 9.95 else 1}f} s"
    size, unit = (60.0, "min") if seconds < 3597.0 else (3600.0, "h")
    return f"{seconds / size:.{0 if seconds >= 100 * size else 1}f} {unit}"


class Pace:
    """Time left of a piece of work, from its speed since it first moved.

    What comes before the first move is left out where it can be: loading, compiling, starting of workers. Between two
    moves, as of a chunk of cells, the time left runs down.

    Args:
        total, done: of its units, and how many of them were finished before.
        now: clock [s].
    """

    def __init__(self, total: int, done: int, now: float) -> None:
        self.total, self.at = total, done
        self._begun = self._from = (now, done)
        self._moves, self._last = 0, now

    def move(self, steps: int, now: float) -> None:
        """So many units more are finished."""
        self.at += steps
        self._last = now
        self._moves += 1
        if self._moves == 1:
            self._from = (now, self.at)

    def left(self, now: float) -> float | None:
        """Seconds; ``None`` before the first move."""
        since, before = self._from if self._moves > 1 and self.at > self._from[1] else self._begun
        if self.at <= before:
            return None
        speed = (self.at - before) / max(self._last - since, 1e-9)
        return max((self.total - self.at) / speed - (now - self._last), 0.0)


class Advance(Protocol):
    """Callable that moves a task forward by ``steps`` and may show a short note (a loss, a score)."""

    def __call__(self, steps: int = 1, note: str = "") -> None: ...


class Progress:
    """Silent progress; subclasses show it. Work is counted in a named unit and may start part-way after a resume."""

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        """Context of one long piece of work of ``total`` units, ``done`` of which were finished before."""

        def advance(steps: int = 1, note: str = "") -> None:
            return None

        yield advance


class LogProgress(Progress):
    """Progress as log lines with the time left, at most one every ``every`` seconds: for batch jobs and files."""

    def __init__(self, every: float = 30.0) -> None:
        self.every = every

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        logger = logging.getLogger("paraformer.progress")
        start = last = time.monotonic()
        pace = Pace(total, done, start)

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            pace.move(steps, now)
            left = pace.left(now)
            if now - last >= self.every and left is not None:
                last = now
                said = (description, pace.at, total, unit, duration(left), f", {note}" if note else "")
                logger.info("%s: %d of %d %s, %s left%s", *said)

        yield advance
        taken = duration(time.monotonic() - start)
        logger.info("%s: done, %d %s in %s", description, pace.at - done, unit, taken)


class BarProgress(Progress):
    """Progress bar on standard error, with the time left (rich)."""

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, ProgressColumn, TextColumn
        from rich.progress import Progress as RichBar
        from rich.text import Text

        pace, start = Pace(total, done, time.monotonic()), time.monotonic()

        class Times(ProgressColumn):
            def render(self, task: Any) -> Text:
                now = time.monotonic()
                left = pace.left(now)
                words = f"{duration(now - start)} so far" if left is None else f"{duration(left)} left"
                return Text(", ".join(filter(None, (f"{pace.at:,}/{total:,} {unit}", words, task.fields["note"]))))

        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=10), Times())
        with RichBar(*columns, console=Console(stderr=True), refresh_per_second=2) as bar:
            task = bar.add_task(description, total=total, completed=done, note="")

            def advance(steps: int = 1, note: str = "") -> None:
                pace.move(steps, time.monotonic())
                bar.update(task, advance=steps, note=note)

            yield advance


class NotebookProgress(Progress):
    """Progress bar below the cell of a notebook, redrawn at most every ``every`` seconds."""

    def __init__(self, every: float = 0.5) -> None:
        self.every = every

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        start = last = time.monotonic()
        at = done

        def shown(note: str = "") -> dict[str, str]:
            words = f"{description}: {at} of {total} {unit}, {time.monotonic() - start:.0f} s {note}".rstrip()
            bar = f"<progress value='{at}' max='{total}'></progress> {html.escape(words)}"
            return {"text/plain": words, "text/html": bar}

        handle = _display()(shown(), raw=True, display_id=True)

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal at, last
            at += steps
            now = time.monotonic()
            if now - last >= self.every:
                last = now
                handle.update(shown(note), raw=True)

        yield advance
        handle.update(shown(), raw=True)


def _display() -> Any:
    from IPython.display import display

    return display


def shown_progress(quiet: bool = False) -> Progress:
    """What fits the place: a bar in a terminal or a notebook, log lines elsewhere, nothing where ``quiet``."""
    if quiet:
        return Progress()
    if _in_notebook():
        return NotebookProgress()
    return BarProgress() if sys.stderr.isatty() else LogProgress()


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return hasattr(shell, "kernel")


class JsonLinesHandler(logging.Handler):
    """Append every log record of the package to ``log.jsonl`` of the run directory, one JSON object a line.

    A log that cannot be written does not stop the run: the first record that is lost is followed by a warning.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                reason = error.strerror or error
                logging.getLogger(__name__).warning("%s: cannot be written (%s); the run goes on", self.path, reason)
