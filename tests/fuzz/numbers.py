"""Which mutants a test run makes: a few, all, or those that are asked for."""

from __future__ import annotations

import os

import pytest


def numbers(few: int, more: int) -> list[object]:
    """Numbers of mutants to make, for ``parametrize``.

    Args:
        few: how many ``make test`` makes.
        more: how many others ``make test-long`` makes.
    """
    asked = os.environ.get("PARAFORMER_FUZZ")
    if asked:
        first, _, last = asked.partition(":")
        return list(range(int(first), int(last) if last else int(first) + 1))
    return [pytest.param(n, marks=pytest.mark.long) if n >= few else n for n in range(few + more)]


def again(test: str, number: int) -> str:
    """The command that makes one mutant again."""
    return f"PARAFORMER_FUZZ={number} .venv/bin/pytest tests/fuzz -k {test}"
