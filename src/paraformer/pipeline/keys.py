"""Settings on which the results of a stage depend, as its key holds them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from paraformer.config import Study


def settings_of(model: BaseModel, *without: str) -> dict[str, Any]:
    """Settings a result depends on; those that are off are left out, so that a new one that is off changes no key."""
    return model.model_dump(mode="json", exclude=set(without), exclude_none=True)


def space_of(study: Study) -> list[dict[str, Any]]:
    return [settings_of(p) for p in study.parameters]


def process_of(study: Study) -> dict[str, Any]:
    """Process settings a result depends on; files enter by their hash; where and on how many threads is no matter."""
    return settings_of(
        study.process,
        "threads",
        "executor",
        "parameters",
        "domain",
        "initial_state",
        "executable",
        "global_parameters",
        "processes",
        "work",
        "module_folder",
        "files",
    )
