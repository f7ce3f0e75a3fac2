"""Public functions take a path as text or as ``Path``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import paraformer


def functions() -> Iterator[tuple[str, Any]]:
    """Public functions, and public methods of public classes; contracts are for those who implement them."""
    for name in paraformer.__all__:
        public = getattr(paraformer, name)
        if inspect.isclass(public):
            if not getattr(public, "_is_protocol", False):
                for key, method in inspect.getmembers(public, callable):
                    if not key.startswith("_") and str(getattr(method, "__module__", "")).startswith("paraformer"):
                        yield f"{name}.{key}", method
        elif callable(public):
            yield name, public


@pytest.mark.parametrize(("name", "function"), [pytest.param(*f, id=f[0]) for f in functions()])
def test_a_path_may_be_text(name: str, function: Any) -> None:
    for parameter in inspect.signature(function).parameters.values():
        kinds = str(parameter.annotation)
        if parameter.name in ("path", "directory", "folder") or "Path" in kinds.split(" | "):
            assert "str" in kinds, f"{name}({parameter.name}: {kinds})"
