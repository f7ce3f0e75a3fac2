"""A progress object that kills the work after some steps, for tests of exact resume."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from paraformer.core.log import Advance, Progress


class Killed(Exception):
    """Stands for a kill signal."""


class KillAt(Progress):
    """Kills the work after a number of steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        def advance(steps: int = 1, note: str = "") -> None:
            self.left -= steps
            if self.left <= 0:
                raise Killed

        yield advance
