"""Study: the rooms' own settings composed. YAML in and out; unknown keys are errors that name the nearest valid one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from paraformer.core.errors import SettingsError, nearest, shortened
from paraformer.core.html import card
from paraformer.core.names import ROWS, require_file_name, require_names
from paraformer.core.parameters import PAPER_SET, ROUTING_PARAMETERS, VIC_PARAMETERS, Parameter, ParameterSpace
from paraformer.core.settings import Settings, validated
from paraformer.core.yaml import MOST_DEPTH, Document, dump, parse, read
from paraformer.data.config import BlockFolds, DataConfig, GapFillConfig
from paraformer.evaluation.config import EvaluationConfig, ReferencesConfig, UncertaintyConfig
from paraformer.learners.config import LearnerConfig, reads_history
from paraformer.process.config import EnsembleConfig, ProcessConfig
from paraformer.report.config import ReportConfig
from paraformer.search.config import SearchConfig
from paraformer.surrogate.config import RoundsConfig, SurrogateConfig


class Study(Settings):
    """One study: which data, which process model and parameters, which surrogate and learners, how judged.

    Relative paths in a study file are relative to that file; ``${NAME}`` is replaced by the environment variable.
    """

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
    cross_validation: BlockFolds | None = Field(
        default=None,
        description="learners compared on blocks of trained cells kept aside, and one recommended; none compares none",
    )
    references: ReferencesConfig = ReferencesConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    uncertainty: UncertaintyConfig | None = Field(
        default=None, description="posterior of θ in every cell and what follows for soil moisture; none has none"
    )
    report: ReportConfig = ReportConfig()

    @field_validator("name")
    @classmethod
    def _name_is_that_of_a_folder(cls, value: str) -> str:
        require_file_name(value)
        return value

    @field_validator("parameters")
    @classmethod
    def _parameters_are_different(cls, value: tuple[Parameter, ...]) -> tuple[Parameter, ...]:
        try:
            ParameterSpace(value)
        except SettingsError as error:
            raise ValueError(str(error).removeprefix("parameters: ")) from error
        return value

    @model_validator(mode="after")
    def _names_are_rows_and_folders(self) -> Study:
        named = [("searches", name) for name in self.searches] + [("learners", name) for name in self.learners]
        require_names(named, self.rows)
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
    def _learners_are_compared(self) -> Study:
        if self.cross_validation is not None and not self.learners:
            raise ValueError("cross_validation: compares learners, and the study has none; leave it out")
        return self

    @model_validator(mode="after")
    def _targets_are_observed(self) -> Study:
        """Soil moisture or streamflow, whichever is learned from, is among the data."""
        flow = self.data.streamflow is not None
        for name, search in self.searches.items():
            if search.of_flow and not flow:
                raise ValueError(f"searches.{name}.targets: streamflow, but there is no 'data.streamflow'")
            if search.of_moisture and not self.moisture:
                hint = "" if search.others is None else "; write 'soil_moisture: 0' among the targets"
                raise ValueError(f"searches.{name}.targets: soil moisture, but 'data.observation' is none{hint}")
        for name, learner in self.learners.items():
            if learner.of_streamflow and not flow:
                raise ValueError(f"learners.{name}.targets.streamflow: there is no 'data.streamflow'")
            if not self.moisture and reads_history(learner.network):
                name_of = learner.network.name
                raise ValueError(
                    f"learners.{name}.network: '{name_of}' reads observed soil moisture, but 'data.observation' is none"
                )
            moist = learner.targets is None or learner.targets.soil_moisture > 0
            if not self.moisture and (moist or not learner.of_streamflow):
                raise ValueError(
                    f"learners.{name}: learns from soil moisture, but 'data.observation' is none; "
                    "write 'targets: {soil_moisture: 0, streamflow: {}}'"
                )
        if not self.moisture:
            for key in ("gap_filling", "rounds", "uncertainty"):
                if getattr(self, key) is not None:
                    raise ValueError(f"{key}: is of soil moisture, but 'data.observation' is none; leave it out")
            if self.references.direct is not None:
                raise ValueError("references.direct: is of soil moisture, but 'data.observation' is none; leave it out")
            if self.evaluation.transfers is not None:
                raise ValueError("evaluation.transfers: needs soil moisture, but 'data.observation' is none")
        return self

    @model_validator(mode="after")
    def _uncertainty_is_of_methods(self) -> Study:
        for name in self.uncertainty.methods if self.uncertainty is not None else ():
            if name not in self.calibrators:
                hint = nearest(name, self.calibrators)
                raise ValueError(f"uncertainty.methods: no search or learner is called '{name}'{hint}")
        return self

    @property
    def moisture(self) -> bool:
        """Whether soil moisture is learned from and judged by."""
        return self.data.observation is not None

    @property
    def emulated(self) -> bool:
        """Whether there is a surrogate: a study of streamflow alone has one only where it is searched or trained."""
        searched = any(search.model == "surrogate" for search in self.searches.values())
        return self.moisture or searched or any(each.simulator != "process" for each in self.learners.values())

    @property
    def rows(self) -> tuple[str, ...]:
        """Rows of the tables beside those of learners and searches."""
        transfers = self.evaluation.transfers
        return (*ROWS, *(transfers.row(by) for by in transfers.by)) if transfers is not None else ROWS

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

    @classmethod
    def load(cls, path: Path | str, overrides: Sequence[str] = ()) -> Study:
        """Read a study file, as ``load_study``."""
        return load_study(path, overrides)

    def _repr_html_(self) -> str:
        facts = {
            "parameters": ", ".join(self.space.names),
            "data": self.data.source if self.data.path is None else self.data.path,
            "learned from": self.data.train,
            "judged on": self.data.test,
            "process model": self.process.model,
            "searches": ", ".join(self.searches),
            "learners": ", ".join(self.learners),
        }
        return card(f"Study {self.name}", facts)

    def to_yaml(self) -> str:
        """The resolved study as YAML; loading it gives the same study."""
        return dump(self.model_dump(mode="json"))


def load_study(path: Path | str, overrides: Sequence[str] = ()) -> Study:
    """Read a study file and apply ``a.b=value`` overrides.

    Raises:
        SettingsError: naming file, line and key of anything unknown, missing, mistyped or out of range.
    """
    path = Path(path)
    content, lines = read(path)
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise SettingsError(f"{path}: a study file is a mapping of settings, found {found}")
    given = [_override(content, override) for override in overrides]
    return validated(Study, path, Document(_expand(content, str(path)), lines), given)


def study_schema() -> dict[str, Any]:
    """JSON schema of a study file, for editors and the reference.

    It takes whatever the program takes, also where names stand for entries and groups fill each other in; what a schema
    cannot say is left to ``check``.
    """
    schema = _any_of(Study.model_json_schema())
    kinds, catalogue = schema["$defs"], {"enum": list(VIC_PARAMETERS)}
    entries = schema["properties"]["parameters"]
    entries["items"] = {"anyOf": [catalogue, entries["items"]]}
    entries["default"] = list(PAPER_SET)
    for each in kinds["StreamflowConfig"]["properties"]["routing"]["anyOf"]:
        if "items" in each:
            each["items"] = {"anyOf": [{"enum": list(ROUTING_PARAMETERS)}, each["items"]]}
    for name, kind in kinds.items():
        if name != "ProductsConfig":  # the built-in world has its own periods, parts of products take the whole's
            filled = {"train", "test", "region", "period", "product"}
            kind["required"] = [key for key in kind.get("required", ()) if key not in filled]
    for name in ("trained", "unseen"):
        labels = kinds["Split"]["properties"][name]
        labels["anyOf"] = [{"type": ["string", "number"]}, {k: labels.pop(k) for k in ("type", "items") if k in labels}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _any_of(node: Any) -> Any:
    """A schema in which any of several kinds may fit: which of them is meant, the program decides."""
    if isinstance(node, dict):
        dropped = ("discriminator", "title")
        kept = {"anyOf" if key == "oneOf" else key: _any_of(value) for key, value in node.items() if key not in dropped}
        if isinstance(node.get("title"), dict):  # a setting of that name
            kept["title"] = _any_of(node["title"])
        return kept
    return [_any_of(entry) for entry in node] if isinstance(node, list) else node


_INSTEAD_OF = {"steps": "epochs", "epochs": "steps"}
"""Keys of which a group has one or the other: an override takes the other's place."""


def _override(content: dict[str, Any], override: str) -> tuple[str, ...]:
    """Set a key; returns its place."""
    told, (key, separator, value) = f"--set {shortened(override)}", override.partition("=")
    if not separator or not key:
        raise SettingsError(f"{told}: expected key=value, for instance learner_seeds=4")
    *parents, last = place = key.split(".")
    if len(place) > MOST_DEPTH:
        raise SettingsError(f"{told}: nested more than {MOST_DEPTH} deep")
    node = content
    for parent in parents:
        if node.get(parent) is None:
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise SettingsError(f"{told}: '{parent}' is not a group of settings")
    node.pop(_INSTEAD_OF.get(last, ""), None)
    node[last] = parse(value, told)
    return tuple(place)


def _expand(value: Any, source: str) -> Any:
    """Replace ``${NAME}`` in every string; an unset variable is an error."""
    if isinstance(value, dict):
        return {key: _expand(entry, source) for key, entry in value.items()}
    if isinstance(value, list):
        return [_expand(entry, source) for entry in value]
    if not isinstance(value, str):
        return value

    def replaced(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise SettingsError(f"{source}: environment variable in '{value}' is not set")
        if not found.isprintable():
            raise SettingsError(f"{source}: environment variable in '{value}' holds {found!r}, expected plain text")
        return found

    return re.sub(r"\$\{([^}]*)\}", replaced, value)
