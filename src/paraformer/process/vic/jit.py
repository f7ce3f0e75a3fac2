"""How the model is compiled: inner functions into one entry point, and only the entry point is cached on disk.

A cached inner function would keep old copies of the functions it calls when another file changes. The entry point's
cache key holds a digest of the code of all of the model's modules instead.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core.caching import FunctionCache

logger = logging.getLogger(__name__)

_ELSEWHERE = "NUMBA_CACHE_DIR names another folder for it"

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a model function: float64 arithmetic as written, division by zero gives inf as in C."""
    return cast(F, numba.njit(error_model="numpy", nogil=True)(function))


def contracted(function: F) -> F:
    """Compile a function whose products and sums may be fused, rounded once in place of twice; nothing is reordered."""
    return cast(F, numba.njit(error_model="numpy", nogil=True, fastmath={"contract"})(function))


def inlined(function: F) -> F:
    """As ``compiled``, and always part of its caller's code: for what a loop evaluates, whose arguments would otherwise
    go through memory at every call."""
    return cast(F, numba.njit(error_model="numpy", nogil=True, forceinline=True)(function))


def contracted_inlined(function: F) -> F:
    """``contracted`` and ``inlined``."""
    return cast(F, numba.njit(error_model="numpy", nogil=True, fastmath={"contract"}, forceinline=True)(function))


def entry_point(function: F, *, told: bool = True) -> F:
    """Compile a function that runs the model over many columns in parallel; its machine code is cached on disk.

    Where no folder for it can be written, it is compiled in every process anew.

    Args:
        told: whether the log says that it is compiled now.
    """
    dispatcher: Any = numba.njit(error_model="numpy", nogil=True, parallel=True)(function)
    try:
        dispatcher._cache = _Cache(function)  # as numba's own ``cache=True`` does
        dispatcher._cache.told = told
    except RuntimeError as error:
        logger.warning("the compiled model is not kept (%s): every start takes about 25 s; %s", error, _ELSEWHERE)
    return cast(F, dispatcher)


class _Cache(FunctionCache):
    """numba's cache, without which the model runs as well: one that is damaged or cannot be written stops nothing."""

    told = True
    """Whether the log says that code is compiled now."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            kept = super().load_overload(sig, target_context)
            if kept is None and self.told:
                logger.info("compiling VIC, once (about 25 s)")
            return kept
        except Exception as error:  # whatever unpickling half a file raises
            logger.warning("%s: the kept model is not readable (%s); compiled anew", self.cache_path, error)
            with contextlib.suppress(Exception):
                self.flush()  # or its index would be in the way of the new one
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            logger.warning("%s: the compiled model is not kept (%s); %s", self.cache_path, error, _ELSEWHERE)


def source_digest() -> int:
    """Digest of the model's code, to be part of an entry point's closure: of what ``simulate`` is made of, no more."""
    return code_digest(("paraformer.process.vic", "paraformer.core.physics"), "paraformer.process.vic.simulate")


def code_digest(packages: tuple[str, ...], *starts: str) -> int:
    """Digest of the code of some modules and of all modules of packages that they import, directly or through others.

    Comments, docstrings and layout are left out, since they decide no number. Imports inside functions count.
    """
    root, found, left = Path(__file__).parents[3], dict[str, str](), list(starts)
    while left:
        name = left.pop()
        path = root.joinpath(*name.split(".")).with_suffix(".py")
        if name in found or not (name in starts or path.is_file()):
            continue  # what is imported may be a function or a folder
        tree = ast.parse(path.read_text(encoding="utf-8"))
        left += [module for module in _imported(tree) if module.startswith(packages)]
        found[name] = _code(tree)
    text = "\n".join(f"{name}\n{found[name]}" for name in sorted(found))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def _imported(tree: ast.Module) -> Iterator[str]:
    """Full names of what is imported; of ``from a import b`` both ``a`` and ``a.b``, which may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _code(tree: ast.Module) -> str:
    """The code, without strings that stand alone."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [s for s in body if not _is_text(s)] or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def _is_text(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)
