"""Names of a package that are loaded when first used, so that importing it is quick: torch alone takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for the given names.

    Args:
        package: name of the package, ``__name__``.
        names: name -> the module under ``paraformer`` that has it.
    """

    def load(name: str) -> Any:
        if name in names:
            return getattr(import_module(f"paraformer.{names[name]}"), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return load
