"""The page of Python: every public name, from its docstring."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any

import paraformer


def page() -> str:
    kinds: dict[str, Callable[[Any], bool]] = {
        "Functions": lambda public: inspect.isroutine(public),
        "Modules": inspect.ismodule,
        "Classes": lambda public: inspect.isclass(public) and not is_contract(public) and not is_error(public),
        "Contracts": is_contract,
        "Errors": is_error,
    }
    public = {name: getattr(paraformer, name) for name in paraformer.__all__ if not name.startswith("__")}
    parts: list[str] = []
    for title, belongs in kinds.items():
        names = [name for name, each in public.items() if belongs(each)]
        if names:
            parts += [f"## {title}", "```{eval-rst}", ".. currentmodule:: paraformer"]
            parts += [*map(documented, names), "```", ""]
    return "\n".join(parts)


def documented(name: str) -> str:
    """The directive for one name."""
    public = reduce(getattr, name.split("."), paraformer)
    if inspect.ismodule(public):
        about = f"\n``paraformer.{name}``: {(public.__doc__ or '').strip()}\n"
        return about + "".join(documented(f"{name}.{each}") for each in public.__all__)
    asked = name if "." not in name else f"paraformer::{name}"
    if not inspect.isclass(public):
        return f"\n.. autofunction:: {asked}\n"
    members = "" if is_error(public) else "   :members:\n"
    if all(base.__module__.startswith("paraformer.") for base in public.__mro__[1:-1]):
        members += "   :inherited-members:\n" if public.__mro__[1:-1] else ""
    hidden = f"   :exclude-members: {', '.join(('model_config', 'model_post_init', *getattr(public, '_fields', ())))}\n"
    if not is_error(public) and "<factory>" in str(
        inspect.signature(public)
    ):  # no Python that a reader could call it by
        asked += "(...)"
    return f"\n.. autoclass:: {asked}\n{members}{hidden}"


def is_contract(public: Any) -> bool:
    return bool(getattr(public, "_is_protocol", False))


def is_error(public: Any) -> bool:
    return inspect.isclass(public) and issubclass(public, Exception)
