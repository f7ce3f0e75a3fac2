"""Lines, keys and values of a global parameter file, of either VIC driver.

As in VIC, words behind a key's values are ignored. ``$NAME`` and ``${NAME}`` are replaced from the environment, as in
VIC's sample files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paraformer.core.errors import DataError, SettingsError


class Line(NamedTuple):
    """One line that says something."""

    number: int
    key: str  # upper case
    values: tuple[str, ...]


def read_lines(path: Path | str, environment: Mapping[str, str] | None = None) -> list[Line]:
    """Lines of a global parameter file (either driver) without comments, environment variables replaced.

    Raises:
        DataError: no such file, or not text.
        SettingsError: an environment variable that is not set, naming file and line.
    """
    variables = os.environ if environment is None else environment
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise DataError(f"{path}: cannot read the global parameter file ({reason})") from error
    lines = []
    for number, raw in enumerate(text.splitlines(), start=1):
        words = re.split(r"(?:^|\s)#", raw, maxsplit=1)[0].split()
        if words:
            values = tuple(_expand(word, variables, f"{path}, line {number}") for word in words[1:])
            lines.append(Line(number, words[0].upper(), values))
    return lines


def _expand(word: str, variables: Mapping[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(2)
        if name not in variables:
            raise SettingsError(f"{where}: environment variable {name} is not set")
        return variables[name]

    return re.sub(r"\$\{(\w+)\}|\$(\w+)", value, word)


class Keys:
    """The lines of a file by key, with checks of their values.

    Args:
        path: the file, for messages.
        lines: its lines.
        repeated: keys that may stand more than once.
    """

    def __init__(self, path: Path | str, lines: list[Line], repeated: Collection[str]) -> None:
        self.path = path
        self.lines = lines
        self._by_key: dict[str, Line] = {}
        for line in lines:
            known = self._by_key.setdefault(line.key, line)
            if line.key not in repeated and known.values != line.values:
                raise self.error(line, f"{line.key} was given another value in line {known.number}")

    def error(self, line: Line, problem: str) -> SettingsError:
        return SettingsError(f"{self.path}, line {line.number}: {problem}")

    def __contains__(self, key: str) -> bool:
        return key in self._by_key

    def line(self, key: str) -> Line:
        """The line of a key.

        Raises:
            SettingsError: if the file lacks it.
        """
        if key not in self._by_key:
            raise SettingsError(f"{self.path}: {key} is missing")
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
        numbers = [self.integer(key) for key in (year, month, day)]
        try:
            return np.datetime64("{:04d}-{:02d}-{:02d}".format(*numbers), "D")
        except ValueError as error:
            raise self.error(self.line(day), f"{'-'.join(str(n) for n in numbers)} is not a date") from error
