"""What installed packages add: networks, searches and process models by a short name (entry points of Python).

A package names a function of its own in its ``pyproject.toml``; a study may then name it in place of
``package.module:function``, which is what stands in the resolved study::

    [project.entry-points."paraformer.learners"]
    gru = "my_package.networks:gru"
"""

from __future__ import annotations

from importlib import metadata
from typing import Literal

Group = Literal["learners", "searches", "process_models"]


BUILT_IN: dict[Group, tuple[str, ...]] = {
    "learners": ("ffn_a", "lstm_z", "paraformer_a", "paraformer_z"),
    "searches": ("sceua", "random", "levenberg", "kalman"),
    "process_models": ("vic", "compiled", "bucket"),
}
"""Names that no plug-in can take."""


def resolved(group: Group, name: str) -> str:
    """``package.module:function`` of a plug-in by its name; any other name as it is."""
    if name in BUILT_IN[group]:
        return name
    found = {entry.name: entry.value.replace(" ", "") for entry in metadata.entry_points(group=f"paraformer.{group}")}
    return found.get(name, name)
