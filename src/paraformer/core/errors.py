"""Errors a user can act on: each is one clear line that names file, variable, cell and time where they are known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ParaformerError(Exception):
    """Base of every error the package raises on purpose; the CLI prints its message and exits with ``exit_code``."""

    exit_code = 1


class SettingsError(ParaformerError):
    """A study file or an override is wrong: unknown key, inapplicable field, value out of range."""

    exit_code = 2


class DataError(ParaformerError):
    """Input data are wrong: missing variable, wrong unit, NaN in forcing, time gap, truncated file."""

    exit_code = 3


class ModelError(ParaformerError):
    """A model was asked for something it does not offer, or produced a value that cannot be (NaN, open balance)."""

    exit_code = 4


class RunError(ParaformerError):
    """The run cannot go on here: its directory is unwritable, full, locked or of another study; memory is exhausted."""

    exit_code = 5


def shortened(text: str, most: int = 60) -> str:
    """Text that fits into a line: its beginning, if it is longer than ``most``."""
    return text if len(text) <= most else f"{text[:most]}..."


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the valid name closest to ``name``, or the list of valid names."""
    names = sorted(valid)
    close = [n for n in names if n.casefold() == name.casefold()] or difflib.get_close_matches(name, names, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; valid: {', '.join(names)}"
