"""What a stage is, and of which settings the results of each depend: the one place where stage keys are formed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from paraformer.config import Study


@dataclass(frozen=True)
class StageSpec:
    """One row of the table of stages.

    Attributes:
        name: of the stage and its folder.
        reads: stages whose results it reads; those that the study leaves out are not counted.
        depends: parts of the study that its result depends on, by the names of ``PARTS``, or as name -> part.
        work: fills its folder and returns the process-model runs that its result stands on.
        files: content hash of every file outside the run that it reads.
        trains: whether networks are trained, so that the last bits depend on the number of threads.
    """

    name: str
    reads: tuple[str, ...]
    depends: Mapping[str, Any]
    work: Callable[[Path], int]
    files: Mapping[str, str]
    trains: bool = False


def settings_of(model: BaseModel, *without: str) -> dict[str, Any]:
    """Settings as they enter a key, less those named and those that are off (``None``)."""
    return model.model_dump(mode="json", exclude=set(without), exclude_none=True)


def space_of(study: Study) -> list[dict[str, Any]]:
    """The parameters to learn."""
    return [settings_of(p) for p in study.parameters]


_WHERE_AND_HOW = (
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
"""Process settings that no result depends on: where it runs, and files, which enter by their content."""


def process_of(study: Study) -> dict[str, Any]:
    """Process settings a result depends on."""
    return settings_of(study.process, *_WHERE_AND_HOW)


PARTS: dict[str, Callable[[Study], Any]] = {
    "seed": lambda study: study.seed,
    "parameters": space_of,
    "process": process_of,
    "data": lambda study: settings_of(study.data, "chunk_cells", "path", "streamflow"),
    "ensemble": lambda study: settings_of(study.ensemble, "chunk_cells"),
    "surrogate": lambda study: settings_of(study.surrogate),
    "evaluation": lambda study: settings_of(study.evaluation),
    "least_days": lambda study: study.evaluation.min_days,
    "transfers": lambda study: study.evaluation.transfers and settings_of(study.evaluation.transfers),
    "report": lambda study: settings_of(study.report),
    "learner_seeds": lambda study: study.learner_seeds,
    "search_seeds": lambda study: study.search_seeds,
    "cross_validation": lambda study: study.cross_validation and settings_of(study.cross_validation),
}
"""Parts of a study by name, as they enter the keys of stages."""


def parts(study: Study, *names: str, **others: Any) -> dict[str, Any]:
    """The named parts of a study, and ``others`` that only one stage knows; what is ``None`` is off."""
    found = {name: PARTS[name](study) for name in names} | others
    return {name: part for name, part in found.items() if part is not None}
