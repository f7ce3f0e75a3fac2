"""How array functions are compiled: kept on disk where a folder for it can be written, compiled anew where none can."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function for one thread: float64 arithmetic as written, division by zero gives inf as in C.

    Functions that call each other must stand in one file: the kept code of a caller does not notice a change elsewhere.
    """
    return _kept(function)


def parallel(function: F) -> F:
    """``compiled``, with loops over ``numba.prange`` on all threads."""
    return _kept(function, parallel=True)


def contracted(function: F) -> F:
    """``parallel``; products and sums may be fused, rounded once in place of twice; nothing is reordered."""
    return _kept(function, parallel=True, fastmath={"contract"})


def reassociated(function: F) -> F:
    """``parallel``; sums may be taken in another order, the same in every run on one machine."""
    return _kept(function, parallel=True, fastmath={"contract", "reassoc"})


def _kept(function: F, **options: Any) -> F:
    plain = inspect.unwrap(function)  # numba checks types itself, and cannot compile what checks them in tests
    try:
        return cast(F, numba.njit(error_model="numpy", nogil=True, cache=True, **options)(plain))
    except RuntimeError:  # no folder for it
        return cast(F, numba.njit(error_model="numpy", nogil=True, **options)(plain))
