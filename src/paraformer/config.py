"""Study: the rooms' own settings composed. YAML in and out; unknown keys are errors that name the nearest valid one."""

from __future__ import annotations

import os
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from paraformer.core.errors import SettingsError, nearest
from paraformer.core.parameters import PAPER_SET, VIC_PARAMETERS, Parameter, ParameterSpace
from paraformer.data.config import DataConfig, GapFillConfig
from paraformer.evaluation.config import EvaluationConfig, ReferencesConfig, UncertaintyConfig
from paraformer.learners.config import LearnerConfig
from paraformer.process.config import EnsembleConfig, ProcessConfig
from paraformer.report.config import ReportConfig
from paraformer.search.config import SearchConfig
from paraformer.surrogate.config import RoundsConfig, SurrogateConfig


class Study(BaseModel):
    """One study: which data, which process model and parameters, which surrogate and learners, how judged.

    Relative paths in a study file are relative to that file; ``${NAME}`` is replaced by the environment variable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]+$", description="names the run directory")
    seed: int = Field(default=0, ge=0, description="root seed; every random stream derives from it")
    parameters: tuple[Parameter, ...] = Field(
        default=tuple(VIC_PARAMETERS[name] for name in PAPER_SET),
        description="parameters to learn: names of the catalogue, or entries with name, lower, upper, transform, scale",
    )
    data: DataConfig
    gap_filling: GapFillConfig | None = Field(
        default=None, description="a seamless series of the observations, for learners that ask for it; none fills none"
    )
    process: ProcessConfig = ProcessConfig()
    ensemble: EnsembleConfig = EnsembleConfig()
    surrogate: SurrogateConfig = SurrogateConfig()
    rounds: RoundsConfig | None = Field(
        default=None, description="refine rounds: the surrogate goes on learning where learners went; none has no round"
    )
    learners: dict[str, LearnerConfig] = Field(default_factory=dict, description="learners by their name in the tables")
    learner_seeds: int = Field(default=1, ge=1, description="how many seeds each learner is trained with")
    searches: dict[str, SearchConfig] = Field(
        default_factory=dict, description="searches cell by cell, the learners' rivals, by their name in the tables"
    )
    search_seeds: int = Field(default=1, ge=1, description="how many seeds each search is run with")
    references: ReferencesConfig = ReferencesConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    uncertainty: UncertaintyConfig | None = Field(
        default=None, description="posterior of θ in every cell and what follows for soil moisture; none has none"
    )
    report: ReportConfig = ReportConfig()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Study:
        for name in self.learners.keys() & self.searches.keys():
            raise ValueError(f"'{name}' names a learner and a search; the tables need a name of its own for each")
        return self

    @model_validator(mode="after")
    def _filled_observations_are_made(self) -> Study:
        for name, learner in self.learners.items():
            if learner.observations != "masked" and self.gap_filling is None:
                raise ValueError(f"learner '{name}': observations '{learner.observations}' needs 'gap_filling'")
        return self

    @model_validator(mode="after")
    def _rounds_follow_learners(self) -> Study:
        if self.rounds is None:
            return self
        for name in self.rounds.learners:
            if name not in self.learners:
                raise ValueError(f"rounds.learners: no learner is called '{name}'{nearest(name, self.learners)}")
        if all(learner.simulator == "process" for learner in self.learners.values()):
            raise ValueError("rounds: no learner is trained through the surrogate, so there is none to follow")
        return self

    @model_validator(mode="after")
    def _uncertainty_is_of_methods(self) -> Study:
        for name in self.uncertainty.methods if self.uncertainty is not None else ():
            if name not in self.calibrators:
                hint = nearest(name, self.calibrators)
                raise ValueError(f"uncertainty.methods: no search or learner is called '{name}'{hint}")
        return self

    @property
    def target_references(self) -> tuple[str, ...]:
        """Variables of the cube that learners are compared with beside soil moisture."""
        targets = [learner.targets for learner in self.learners.values() if learner.targets is not None]
        return tuple(sorted({name for each in targets for name in each.references}))

    @property
    def calibrators(self) -> dict[str, int]:
        """Names of searches and learners, in the order of the tables, with the number of seeds of each."""
        return dict.fromkeys(self.searches, self.search_seeds) | dict.fromkeys(self.learners, self.learner_seeds)

    @field_validator("parameters", mode="before")
    @classmethod
    def _names_stand_for_the_catalogue(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise ValueError("expected a list of parameter names or entries")
        found = []
        for entry in value:
            if isinstance(entry, str):
                if entry not in VIC_PARAMETERS:
                    raise ValueError(f"unknown parameter '{entry}'{nearest(entry, VIC_PARAMETERS)}")
                entry = VIC_PARAMETERS[entry]
            found.append(entry)
        return found

    @property
    def space(self) -> ParameterSpace:
        return ParameterSpace(self.parameters)

    def to_yaml(self) -> str:
        """The resolved study as YAML; loading it gives the same study."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def load_study(path: Path, overrides: Sequence[str] = ()) -> Study:
    """Read a study file and apply ``a.b=value`` overrides.

    Raises:
        SettingsError: naming file and key for anything unknown, missing, mistyped or out of range.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the study file ({error.strerror or error})") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: a study file is a mapping of settings, found {type(content).__name__}")
    for override in overrides:
        _override(content, override)
    try:
        study = Study.model_validate(_expand(content, str(path)))
    except ValidationError as error:
        raise SettingsError(f"{path}: {_explain(error)}") from error
    return _absolute(study, path.resolve().parent)


_INSTEAD_OF = {"steps": "epochs", "epochs": "steps"}
"""Keys of which a group has one or the other: an override takes the other's place."""


def _override(content: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise SettingsError(f"--set {override}: expected key=value, for instance learner_seeds=4")
    *parents, last = key.split(".")
    node = content
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise SettingsError(f"--set {override}: '{parent}' is not a group of settings")
    node.pop(_INSTEAD_OF.get(last, ""), None)
    node[last] = yaml.safe_load(value)


def _expand(value: Any, source: str) -> Any:
    """Replace ``${NAME}`` in every string; an unset variable is an error."""
    if isinstance(value, dict):
        return {key: _expand(entry, source) for key, entry in value.items()}
    if isinstance(value, list):
        return [_expand(entry, source) for entry in value]
    if isinstance(value, str) and "${" in value:
        expanded = os.path.expandvars(value)
        if "${" in expanded:
            raise SettingsError(f"{source}: environment variable in '{value}' is not set")
        return expanded
    return value


def _absolute(model: Any, base: Path) -> Any:
    """Copy of a settings model with every relative path made absolute from ``base``."""
    changes: dict[str, Any] = {}
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, Path) and not value.is_absolute():
            changes[name] = (base / value).resolve()
        elif isinstance(value, BaseModel):
            changes[name] = _absolute(value, base)
        elif isinstance(value, dict) and any(isinstance(entry, Path) for entry in value.values()):
            changes[name] = {key: (base / entry).resolve() for key, entry in value.items()}
    return model.model_copy(update=changes)


def _explain(error: ValidationError) -> str:
    """The first problem in one line: dotted key, what is wrong, what would be right."""
    first = error.errors()[0]
    keys = [str(part) for part in first["loc"]]
    dotted = ".".join(keys)
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        owner = _model_at(Study, keys[:-1])
        hint = nearest(keys[-1], owner.model_fields) if owner is not None else ""
        return f"unknown key '{dotted}'{hint}{more}"
    if first["type"] == "missing":
        return f"key '{dotted}' is missing{more}"
    message = first["msg"].removeprefix("Value error, ")
    given = first.get("input")
    shown = f", found {given!r}" if isinstance(given, str | int | float | bool | type(None)) else ""
    return f"{dotted}: {message}{shown}{more}" if dotted else f"{message}{more}"


def _model_at(model: type[BaseModel], keys: Sequence[str]) -> type[BaseModel] | None:
    """The settings class that owns the keys below a dotted path."""
    current: type[BaseModel] | None = model
    for key in keys:
        if current is not None and key in current.model_fields:
            current = _settings_class(current.model_fields[key].annotation)
    return current


def _settings_class(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _settings_class(argument)
        if found is not None:
            return found
    return None
