"""What every method of a study's tables is: its kind, what it cost, and what a reader must know of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from paraformer.config import Study
from paraformer.core.method import KINDS, Kind, Method
from paraformer.core.names import DEFAULT, PER_CELL, SINGLE, TRUTH
from paraformer.core.schema import Ensemble, ParameterField
from paraformer.evaluation.baselines import NOTES as REFERENCE_NOTES
from paraformer.evaluation.transfer import NOTES as TRANSFER_NOTES
from paraformer.learners.config import LearnerConfig, reads_history
from paraformer.search.config import SearchConfig, of_streamflow

_NOTES = {
    DEFAULT: "a-priori parameters as they are",
    SINGLE: "the one θ of the ensemble nearest to the trained cells' observations of the training period",
    PER_CELL: "each cell's θ of the ensemble nearest to its own observations of the training period",
    TRUTH: "the parameters that made the built-in world's observations",
}


def methods_of(
    study: Study,
    ensemble: Ensemble | None,
    fields: Sequence[ParameterField],
    references: Iterable[tuple[str, int]],
    runs: Mapping[str, int],
) -> list[Method]:
    """Every method, in the order of the tables.

    Args:
        ensemble: ``None`` in a study that has none.
        fields: θ of every row but that of the a-priori parameters.
        references: name and seed of every row without θ.
        runs: process-model runs of the searches and learners that made their own, a seed.
    """
    rows = [(DEFAULT, -1), *((f.method, f.seed) for f in fields), *references]
    seeds = {name: sum(other == name for other, _ in rows) for name, _ in rows}
    cost = _costs(study, ensemble, [DEFAULT, *(f.method for f in fields)], runs)
    found = []
    for name, count in seeds.items():
        kind, note = _kind_and_note(study, name)
        members = study.learners[name].members if name in study.learners else 1
        found.append(Method(name, kind, count, members, cost.get(name), note))
    return sorted(found, key=lambda method: KINDS.index(method.kind))


def _kind_and_note(study: Study, name: str) -> tuple[Kind, str]:
    if name in study.searches:
        return "search", _search_note(study.searches[name])
    if name in study.learners:
        learner = study.learners[name]
        return ("history learner" if reads_history(learner.network) else "learner"), _learner_note(learner)
    transfers = study.evaluation.transfers
    by = {} if transfers is None else {transfers.row(by): by for by in transfers.by}
    if name in by:
        return "transfer", TRANSFER_NOTES[by[name]]
    if name in REFERENCE_NOTES:
        return "reference", REFERENCE_NOTES[name]
    kind: Kind = "default" if name == DEFAULT else "truth" if name == TRUTH else "ensemble"
    return kind, _NOTES[name]


def _search_note(search: SearchConfig) -> str:
    through = "process model" if search.model == "process" else "surrogate"
    beside = () if search.others is None else tuple(search.others.chosen)
    and_by = f" and {', '.join(name.replace('_', ' ') for name in beside)}" if beside else ""
    if of_streamflow(search):
        found = "times of travel alone" if search.find == "routing" else "with its times of travel"
        moist = " and soil moisture" if search.of_moisture else ""
        by = f"its own flow{moist}{and_by}"
        return f"{search.name} in each basin by {by} of the training period, {found}, through the {through}"
    return f"{search.name} in each cell by its own observations{and_by} of the training period, through the {through}"


def _learner_note(learner: LearnerConfig) -> str:
    read = "attributes and history" if reads_history(learner.network) else "attributes"
    through = {
        "surrogate": "the surrogate",
        "process": "the process model",
        "surrogate_then_process": "the surrogate, then the process model",
    }[learner.simulator]
    by = "by flow at gauges, " if learner.of_streamflow else ""
    return f"{learner.network.name} from {read}, {by}trained through {through}"


def _costs(study: Study, ensemble: Ensemble | None, names: Iterable[str], runs: Mapping[str, int]) -> dict[str, int]:
    """Process-model runs (cell x set) that each method's θ stands on, its own verdict not counted."""
    if ensemble is None:
        return {name: ({TRUTH: 0, DEFAULT: 0} | dict(runs))[name] for name in names}
    kind, n_cells = ensemble.kind, len(ensemble.dataset["cell"])
    own = {SINGLE: int(np.isin(kind, ("prior", "common")).sum()) * n_cells, TRUTH: 0, DEFAULT: 0} | dict(runs)
    transfers = study.evaluation.transfers
    if transfers is not None and transfers.source in own:
        own |= {transfers.row(by): own[transfers.source] for by in transfers.by}
    return {name: own.get(name, kind.size * n_cells) for name in names}
