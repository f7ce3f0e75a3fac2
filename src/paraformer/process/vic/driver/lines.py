"""Lines and values of a global parameter file, of either VIC driver, and how a file is refused: all its lines at once.

As in VIC, words behind a key's values are ignored. ``$NAME`` and ``${NAME}`` are replaced from the environment, as in
VIC's sample files; in VIC's system tests a name may stand for a whole line.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from paraformer.core.errors import DataError, SettingsError, shortened

T = TypeVar("T")


_LONGEST = 400
"""Letters of a problem that are shown: a line may hold anything."""


class Line(NamedTuple):
    """One line that says something."""

    number: int
    key: str  # upper case
    values: tuple[str, ...]

    @property
    def value(self) -> str:
        """The first value, or nothing."""
        return self.values[0] if self.values else ""


class Problem(NamedTuple):
    """What is wrong with a line, or (number 0) with the file as a whole."""

    number: int
    text: str


class Refused(SettingsError):
    """A global parameter file that cannot be obeyed: one line that names the file, every bad line, and what to set."""

    def __init__(self, path: Path | str, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.number or float("inf"))
        if len(self.problems) == 1 and self.problems[0].number:
            super().__init__(f"{path}, line {self.problems[0].number}: {shortened(self.problems[0].text, _LONGEST)}")
        else:
            super().__init__(f"{path}: {'; '.join(_told(problem) for problem in self.problems)}")


def _told(problem: Problem) -> str:
    text = shortened(problem.text, _LONGEST)
    return f"line {problem.number}: {text}" if problem.number else text


def told_together(problems: Iterable[Problem]) -> list[str]:
    """Each text once, with the numbers of all its lines."""
    numbers: dict[str, list[int]] = {}
    for problem in problems:
        numbers.setdefault(problem.text, []).append(problem.number)
    return [
        f"line{'s' if len(found) > 1 else ''} {', '.join(str(number) for number in found)}: {text}"
        for text, found in numbers.items()
    ]


class Refusals:
    """Gathers what a file is refused for, one problem a line.

    Args:
        path: the file.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = path
        self._problems: list[Problem] = []

    def attempt(self, check: Callable[..., T], *arguments: object) -> T | None:
        """Result of a check, or ``None`` if it refuses lines, which are kept."""
        try:
            return check(*arguments)
        except Refused as refused:
            self.add(*refused.problems)
        return None

    def add(self, *problems: Problem) -> None:
        """Keep problems; of a line that has one already no other is told."""
        for problem in problems:
            told = problem in self._problems
            if problem.number:
                told = any(other.number == problem.number for other in self._problems)
            if not told:
                self._problems.append(problem)

    def finish(self) -> None:
        """Raise for all of them.

        Raises:
            Refused: if there is any.
        """
        if self._problems:
            raise Refused(self.path, self._problems)


def read_lines(
    path: Path | str, environment: Mapping[str, str] | None = None, refusals: Refusals | None = None
) -> list[Line]:
    """Lines of a global parameter file (either driver) without comments, environment variables replaced.

    Args:
        path: the file.
        environment: variables; the process's own by default.
        refusals: where variables that are not set are gathered; their lines keep the name.

    Raises:
        DataError: no such file, or not text.
        Refused: variables that are not set, if there are no ``refusals``.
    """
    variables = os.environ if environment is None else environment
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise DataError(f"{path}: cannot read the global parameter file ({reason})") from error
    gathered = refusals or Refusals(path)
    lines = []
    for number, raw in enumerate(text.splitlines(), start=1):
        words = _without_comment(raw).split()
        missing = [name for word in words for name in _names(word) if name not in variables]
        if missing:
            gathered.add(Problem(number, f"environment variable {missing[0]} is not set"))
        words = [_expand(word, variables) for word in words]
        head = _without_comment(words[0]).split() if words else []  # a variable may stand for a whole line, or for none
        if head:
            lines.append(Line(number, head[0].upper(), (*head[1:], *words[1:])))
    if refusals is None:
        gathered.finish()
    return lines


_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")


def _without_comment(text: str) -> str:
    return re.split(r"(?:^|\s)#", text, maxsplit=1)[0]


def _names(word: str) -> list[str]:
    return [braced or plain for braced, plain in _VARIABLE.findall(word)]


def _expand(word: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match.group(1) or match.group(2), match.group(0)), word)


class Keys:
    """The lines of a file by key, with checks of their values.

    Args:
        path: the file, for messages.
        lines: its lines.
        repeated: keys that may stand more than once.
        refusals: where keys given twice with two values are gathered.

    Raises:
        Refused: for such keys, if there are no ``refusals``.
    """

    def __init__(
        self, path: Path | str, lines: list[Line], repeated: Collection[str], refusals: Refusals | None = None
    ) -> None:
        self.path = path
        self.lines = lines
        self._by_key: dict[str, Line] = {}
        gathered = refusals or Refusals(path)
        for line in lines:
            known = self._by_key.setdefault(line.key, line)
            if line.key not in repeated and known.values != line.values:
                gathered.add(Problem(line.number, f"{line.key} was given another value in line {known.number}"))
        if refusals is None:
            gathered.finish()

    def error(self, line: Line, problem: str) -> Refused:
        return Refused(self.path, [Problem(line.number, problem)])

    def missing(self, problem: str) -> Refused:
        """What the file as a whole lacks."""
        return Refused(self.path, [Problem(0, problem)])

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def line(self, key: str) -> Line:
        """The line of a key.

        Raises:
            Refused: if the file lacks it.
        """
        if key not in self._by_key:
            raise self.missing(f"{key} is missing")
        return self._by_key[key]

    def text(self, key: str, default: str | None = None) -> str:
        """First value of a key; without a default the key must be there."""
        if default is not None and key not in self._by_key:
            return default
        line = self.line(key)
        if not line.values:
            raise self.error(line, f"{key} has no value")
        return line.values[0]

    def integer(self, key: str) -> int:
        value = self.text(key)
        if not re.fullmatch(r"\d+", value):
            raise self.error(self.line(key), f"{key} must be a whole number, got '{value}'")
        return int(value)

    def flag(self, key: str, default: str) -> bool:
        return self.choice(key, ("TRUE", "FALSE"), default) == "TRUE"

    def choice(self, key: str, valid: tuple[str, ...], default: str) -> str:
        value = self.text(key, default).upper()
        if value not in valid:
            raise self.error(self.line(key), f"{key} {value} is not supported: set one of {', '.join(valid)}")
        return value

    def path_of(self, key: str) -> Path:
        return Path(self.text(key))

    def day(self, year: str, month: str, day: str) -> np.datetime64:
        """A date given by three keys."""
        refusals = Refusals(self.path)
        found = [refusals.attempt(self.integer, key) for key in (year, month, day)]
        refusals.finish()
        numbers = [number for number in found if number is not None]
        try:
            return np.datetime64("{:04d}-{:02d}-{:02d}".format(*numbers), "D")
        except ValueError as error:
            raise self.error(self.line(day), f"{'-'.join(str(n) for n in numbers)} is not a date") from error
