"""Settings of a tree: how many there are, and which of them a shipped study, example or template sets.

``PYTHONPATH=TREE/src python tests/surface/count_settings.py TREE`` counts those of any revision's tree.
"""

from __future__ import annotations

import inspect
import os
import sys
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from paraformer.config import Study, load_study

Setting = tuple[str, str]
"""The class that declares a setting, and its name there."""


def setting_of(model: type[BaseModel], name: str) -> Setting:
    declares = (c for c in model.__mro__ if name in inspect.get_annotations(c))
    return next(declares, model).__name__, name


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from models_in(part)


def all_settings() -> dict[Setting, set[str]]:
    """Every setting that a study can reach, and the names of the groups that it stands in."""
    found: dict[Setting, set[str]] = {}
    seen: set[tuple[type[BaseModel], str]] = set()
    left: list[tuple[type[BaseModel], str]] = [(Study, "")]
    while left:
        model, group = left.pop()
        if (model, group) in seen:
            continue
        seen.add((model, group))
        for name, field in model.model_fields.items():
            found.setdefault(setting_of(model, name), set()).update({group} - {""})
            left += [(below, name) for below in models_in(field.annotation)]
    return found


def settings_set(value: Any) -> Iterator[Setting]:
    """Settings that a study sets."""
    if isinstance(value, BaseModel):
        for name in value.model_fields_set:
            yield setting_of(type(value), name)
            yield from settings_set(getattr(value, name))
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from settings_set(part)


def settings_of_shipped(tree: Path) -> set[Setting]:
    """Settings that a shipped study or example sets."""
    os.environ.setdefault("PARAFORMER_DATA", "/nowhere")
    files = [*tree.glob("studies/*.yaml"), *tree.glob("examples/*.yaml")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {setting for file in files for setting in settings_set(load_study(file))}


if __name__ == "__main__":
    settings = set(all_settings())
    unset = settings - settings_of_shipped(Path(sys.argv[1]))
    sys.stdout.write(f"{len(settings)} settings, {len(unset)} set by nothing shipped\n")
