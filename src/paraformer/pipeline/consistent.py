"""Settings of different rooms held against each other, and against the days and cells there are.

What a later stage would refuse is refused here, before any work. No file is opened.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from paraformer.config import Study
from paraformer.core.errors import SettingsError, nearest
from paraformer.core.names import PER_CELL
from paraformer.core.schema import Cube
from paraformer.core.targets_config import TargetsConfig
from paraformer.core.time import Period
from paraformer.core.variables import REFERENCES
from paraformer.learners.config import HistoryConfig, LearnerConfig
from paraformer.numerics.months import monthly_operator
from paraformer.process.offered import offered_outputs, require_device, require_parameters
from paraformer.search.config import OwnSearchConfig, of_streamflow
from paraformer.training.config import TrainingConfig
from paraformer.training.devices import require_devices

_MOST_POINTS = 2**30
"""Points of a Sobol sequence."""

_TOTALS = ("evapotranspiration", "runoff", "baseflow")
"""Outputs that ``uncertainty.targets`` need."""


class Extent(NamedTuple):
    """Days, cells, trained cells and references that a study's data have; ``None`` is not known yet."""

    days: Period
    cells: int | None = None
    trained: int | None = None
    references: Sequence[str] | None = None


def extent_of(cube: Cube) -> Extent:
    """What a cube has."""
    first, last = (dt.date.fromisoformat(str(day)) for day in cube.time[[0, -1]])
    references = [name for name in REFERENCES if name in cube.dataset]
    return Extent(Period(start=first, end=last), len(cube.cells), int(cube.trained.sum()), references)


def require_consistent(study: Study) -> None:
    """Raise SettingsError where settings of different rooms contradict each other, or this machine lacks a device."""
    data = study.data
    if data.test.end < data.train.start:
        raise SettingsError(f"data.test: {data.test} lies before data.train, {data.train}; expected later days")
    if data.attributes == () and not data.climate_attributes and not data.land_attributes:
        raise SettingsError("data.attributes: found none, and climate_attributes is off; θ is learned from attributes")
    if data.land_attributes and study.process.model != "vic":
        raise SettingsError(f"data.land_attributes are read from VIC's files; process.model is '{study.process.model}'")
    _require_different_files(study)
    require_parameters(study.process, study.space)
    require_outputs(study, offered_outputs(study.process))
    routing = () if data.streamflow is None else data.streamflow.learned
    for name, search in study.searches.items():
        if of_streamflow(search) and search.find == "routing" and not routing:
            raise SettingsError(f"searches.{name}.find: routing, but data.streamflow.routing names no parameter")
        try:
            search.require_budget(search.size(len(study.space), len(routing)))
        except SettingsError as error:
            raise SettingsError(f"searches.{name}: {error}") from error
    _require_priors(study)
    _require_sets(study)
    _require_operators(study)
    transfers = study.evaluation.transfers
    if transfers is not None:
        sources = (*study.searches, PER_CELL)
        if transfers.source not in sources:
            hint = nearest(transfers.source, sources)
            raise SettingsError(f"evaluation.transfers.source: '{transfers.source}' is no search of the study{hint}")
    require_device(study.process)
    for key, training in trainings(study):
        require_devices(training, key)
    if data.days is not None:
        require_fits(study, Extent(data.days))


def _require_priors(study: Study) -> None:
    """Raise SettingsError where a prior is given for a parameter that the study does not have."""
    for kind, methods in (("searches", study.searches), ("learners", study.learners)):
        for name, method in methods.items():
            loss = getattr(method, "loss", None)
            if loss is None or loss.inference is None:
                continue
            try:
                loss.inference.std(study.space)
            except SettingsError as error:
                raise SettingsError(f"{kind}.{name}.loss.{error}") from error


def _require_different_files(study: Study) -> None:
    """Raise SettingsError if one file stands for two things."""
    process = study.process
    named = {
        "data.path": study.data.path,
        "process.parameters": process.parameters,
        "process.domain": process.domain,
        "process.initial_state": process.initial_state,
    }
    there = {key: path for key, path in named.items() if path is not None and path.exists()}
    for one, other in combinations(there, 2):
        if os.path.samefile(there[one], there[other]):
            raise SettingsError(f"{one} and {other} are the same file, {there[one]}")


def require_outputs(study: Study, offered: Sequence[str]) -> None:
    """Raise SettingsError unless every output that is asked for is there to be learned from.

    Args:
        offered: outputs of the process model.
    """
    if study.data.streamflow is not None:
        for name in ("runoff", "baseflow"):
            if name not in offered:
                model = study.process.model
                raise SettingsError(f"data.streamflow: needs '{name}', which process.model '{model}' does not offer")
    for name in study.ensemble.outputs if study.emulated else ():
        if name not in offered:
            raise SettingsError(
                f"ensemble.outputs: '{name}' is not offered by process.model '{study.process.model}', which offers "
                f"{', '.join(offered)}; name those you need there and in surrogate.outputs"
            )
    for name in study.surrogate.outputs if study.emulated else ():
        if name not in study.ensemble.outputs:
            hint = nearest(name, study.ensemble.outputs)
            raise SettingsError(f"surrogate.outputs: '{name}' is not in ensemble.outputs{hint}")
    for key, search in study.searches.items():
        for name in () if search.others is None else search.others.outputs:
            there = study.surrogate.outputs if search.model == "surrogate" else offered
            if name not in there:
                whose = (
                    "is not in surrogate.outputs" if search.model == "surrogate" else "the process model does not offer"
                )
                raise SettingsError(f"searches.{key}.targets need '{name}', which {whose}")
    for key, learner in study.learners.items():
        for name in () if learner.targets is None else learner.targets.outputs:
            if learner.simulator != "process" and name not in study.surrogate.outputs:
                raise SettingsError(f"learners.{key}.targets need '{name}', which is not in surrogate.outputs")
            if learner.simulator != "surrogate" and name not in offered:
                raise SettingsError(f"learners.{key}.targets need '{name}', which the process model does not offer")
    if study.uncertainty is not None and study.uncertainty.targets is not None:
        for name in _TOTALS:
            if name not in offered:
                raise SettingsError(f"uncertainty.targets: the process model has no output '{name}'; leave it out")


def trainings(study: Study) -> Iterator[tuple[str, TrainingConfig]]:
    """Every training of a study, with its key."""
    yield "surrogate.training", study.surrogate.training
    for key, owner in (
        ("gap_filling", study.gap_filling),
        ("rounds", study.rounds),
        ("references.direct", study.references.direct),
    ):
        if owner is not None:
            yield f"{key}.training", owner.training
    for name, learner in study.learners.items():
        for part in ("training", "refinement"):
            config = getattr(learner, part)
            if config is not None:
                yield f"learners.{name}.{part}", config


def _require_sets(study: Study) -> None:
    """Parameter sets of a cell: those that the surrogate asks for are there."""
    ensemble, surrogate = study.ensemble, study.surrogate
    if surrogate.anchors > ensemble.common:
        raise SettingsError(f"surrogate.anchors ({surrogate.anchors}) exceeds ensemble.common ({ensemble.common})")
    left = 1 + ensemble.common - surrogate.anchors + ensemble.own - ensemble.held_out
    wanted = max(2, surrogate.sets(left))
    if wanted > left:
        raise SettingsError(
            f"surrogate.sets_per_cell: {wanted}, but a cell has {left} sets to learn from: the "
            "a-priori one, common ones that are no anchors, own ones that are not held out"
        )


def _require_operators(study: Study) -> None:
    """Observation operators that tables are drawn from are among those that are scored."""
    among = study.evaluation.operators
    asked = {"report.operator": study.report.operator}
    if study.rounds is not None:
        names = study.rounds.learners or study.learners
        asked |= {f"learners.{name}.loss.operator": study.learners[name].loss.operator for name in names}
    for key, operator in asked.items():
        if operator not in among:
            raise SettingsError(f"{key}: '{operator}' is not in evaluation.operators ({', '.join(among)})")


def require_fits(study: Study, extent: Extent) -> None:
    """Raise SettingsError where windows, periods or shares do not fit the days and cells there are."""
    _require_days(study, extent.days)
    for name, learner in study.learners.items():
        _require_learner(f"learners.{name}", learner, study, extent)
    for name, search in study.searches.items():
        if search.others is not None:
            _require_targets(f"searches.{name}", search.others, study, extent)
    if study.uncertainty is not None and study.uncertainty.targets is not None:
        _require_months("uncertainty.targets", study)
    if extent.cells is not None:
        _require_cells(study, extent.cells)
    if extent.trained is not None and extent.trained < 2 and study.evaluation.transfers is not None:
        raise SettingsError(f"evaluation.transfers: {extent.trained} trained cell, expected two or more to carry from")


def _require_days(study: Study, there: Period) -> None:
    days, train, test, fitted = there.days, study.data.train.days, study.data.test.days, study.surrogate.period
    _at_most("process.spin_up.days", study.process.spin_up.days, days, "the data have")
    if fitted is not None and (fitted.start < there.start or there.end < fitted.end):
        raise SettingsError(f"surrogate.period: {fitted} is not inside the days of the data, {there}")
    _at_most("surrogate.window", study.surrogate.window, (fitted or there).days, "it learns from")
    for key, warmed in (
        ("surrogate", study.surrogate),
        ("gap_filling", study.gap_filling),
        ("references.direct", study.references.direct),
    ):
        if warmed is not None:
            _at_most(f"{key}.warm_up", warmed.warm_up, days, "the data have")
    least = study.evaluation.min_days
    for name, length in (("train", train), ("test", test)):
        if length < least:
            raise SettingsError(
                f"data.{name}: {length} days in all, but cells need {least} observed ones (evaluation.min_days)"
            )
    for key, count in least_days(study).items():
        _at_most(key, count, train, "the training period has")


def least_days(study: Study) -> dict[str, int]:
    """Observed days that a cell needs for each search, by the setting that says so."""
    built_in = {n: s for n, s in study.searches.items() if not isinstance(s, OwnSearchConfig)}
    of_moisture = {n: s for n, s in built_in.items() if not s.of_flow}
    return {f"searches.{name}.loss.min_days": search.loss.min_days for name, search in of_moisture.items()}


def _require_learner(key: str, learner: LearnerConfig, study: Study, extent: Extent) -> None:
    train, network = study.data.train.days, learner.network
    if learner.window is not None:
        _at_most(f"{key}.window", learner.window, train, "the training period has")
    if isinstance(network, HistoryConfig):
        _at_most(f"{key}.network.history_days", network.history_days, train, "the training period has")
    if learner.targets is not None:
        _require_targets(key, learner.targets, study, extent)


def _require_targets(key: str, targets: TargetsConfig, study: Study, extent: Extent) -> None:
    if targets.evapotranspiration is not None:
        _require_months(f"{key}.targets.evapotranspiration", study)
    if extent.references is not None:
        _require_references(key, targets, extent.references)


def _require_references(key: str, targets: TargetsConfig, there: Sequence[str]) -> None:
    """References of targets are in the data, by month for evapotranspiration, one a cell for signatures."""
    for target, config in targets.chosen.items():
        dims = ("cell", "month") if target == "evapotranspiration" else ("cell",)
        fit = [name for name in there if REFERENCES[name].dims == dims]
        for name in config.reference:
            if name not in fit:
                found = nearest(name, fit) if fit else "; the data have none"
                raise SettingsError(f"{key}.targets.{target}.reference: '{name}' is no reference of the data{found}")


def _require_cells(study: Study, cells: int) -> None:
    for key, points in (("own", cells * study.ensemble.own), ("common", study.ensemble.common)):
        if points > _MOST_POINTS:
            raise SettingsError(f"ensemble.{key}: {points} sets in {cells} cells, expected {_MOST_POINTS} at most")


def _require_months(key: str, study: Study) -> None:
    """The training period has every month, as totals of evapotranspiration need."""
    train = study.data.train
    try:
        monthly_operator(np.arange(np.datetime64(train.start), np.datetime64(train.end) + 1))
    except ValueError as error:
        raise SettingsError(f"{key}: training period {train}: {error}") from error


def _at_most(key: str, days: int, most: int, whose: str) -> None:
    if days > most:
        raise SettingsError(f"{key}: {days} days, but {whose} {most}")
