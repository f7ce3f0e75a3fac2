"""What a mutation says of itself, and which ones there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Mutant:
    """A valid world with one thing changed.

    Attributes:
        text: what was changed.
        names: a refusal names one of these: file, variable, key.
        same: what must be as without the change if it is accepted: ``all`` results, those that do not depend on the
            order of the cells (``prior``), or nothing.
        valid: it must be accepted.
        endless: what it asks for may take for ever, so only ``check`` is tried.
    """

    text: str
    names: tuple[str, ...]
    same: Literal["", "prior", "all"] = ""
    valid: bool = False
    endless: bool = False


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, as it is (numpy's ``choice`` makes arrays of them)."""
    return options[int(rng.integers(len(options)))]
