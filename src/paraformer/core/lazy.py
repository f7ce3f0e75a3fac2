"""What is loaded when it is first used, so that importing a package is quick: torch alone takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any


def lazily(
    package: str, names: Mapping[str, str], *, modules: Mapping[str, str] = MappingProxyType({})
) -> Callable[[str], Any]:
    """A module's ``__getattr__`` for the given names.

    Args:
        package: name of the package, ``__name__``.
        names: name -> the module under ``paraformer`` that has it.
        modules: name -> the module under ``paraformer`` that it stands for.
    """

    def load(name: str) -> Any:
        if name in modules:
            return import_module(f"paraformer.{modules[name]}")
        if name in names:
            return getattr(import_module(f"paraformer.{names[name]}"), name)
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    return load


def deferred(name: str) -> ModuleType:
    """A library in whose place a stand-in is imported; it is loaded when something of it is asked for.

    For large libraries that a module needs in some of its functions alone.
    """
    return _Deferred(name)


class _Deferred(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(import_module(self.__name__), attribute)
