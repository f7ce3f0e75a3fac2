"""How the model is compiled: inner functions into one entry point, and only the entry point is cached on disk.

A cached inner function would keep old copies of the functions it calls when another file changes. The entry point's
cache key holds a digest of every source file of the model instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a model function: float64 arithmetic as written, division by zero gives inf as in C."""
    return cast(F, numba.njit(error_model="numpy", nogil=True)(function))


def entry_point(function: F) -> F:
    """Compile a function that runs the model over many columns in parallel; its machine code is cached on disk."""
    return cast(F, numba.njit(error_model="numpy", nogil=True, parallel=True, cache=True)(function))


def source_digest() -> int:
    """Digest of the model's source text, to be part of an entry point's closure."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:6], "big")
