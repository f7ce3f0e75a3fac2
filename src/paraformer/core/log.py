"""Logging and progress. Progress is an object passed in: silent by default, a bar with time left on a terminal."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


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
        at = done

        def advance(steps: int = 1, note: str = "") -> None:
            nonlocal at, last
            at += steps
            now = time.monotonic()
            if now - last >= self.every:
                last = now
                left = (now - start) / max(at - done, 1) * (total - at)
                logger.info("%s: %d of %d %s, %.0f s left %s", description, at, total, unit, left, note)

        yield advance
        logger.info("%s: done, %d %s in %.1f s", description, at - done, unit, time.monotonic() - start)


class BarProgress(Progress):
    """Progress bar with elapsed time and an estimate of the time left (rich)."""

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichBar

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with RichBar(*columns) as bar:
            task = bar.add_task(description, total=total, completed=done, note="")

            def advance(steps: int = 1, note: str = "") -> None:
                bar.update(task, advance=steps, note=note)

            yield advance


class JsonLinesHandler(logging.Handler):
    """Append every log record of the package to ``log.jsonl`` of the run directory, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

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
        except OSError:
            self.handleError(record)
