"""What an input file holds, as a short table: a wrong unit or a missing map is seen at a glance."""

from __future__ import annotations

import numpy as np

from paraformer.core.time import DAYS_PER_YEAR
from paraformer.core.variables import ATTRIBUTES, CATEGORICAL, FORCING
from paraformer.data.igbp import IGBP_CLASSES
from paraformer.data.places import listed
from paraformer.data.quality import Selection
from paraformer.data.values import CellValues
from paraformer.training.normalise import varies

_WIDTH = 26


def input_table(selection: Selection, found: CellValues, observation: str | None) -> str:
    """Means of forcing and observation, coverage and attributes over the cells of a study, one a line.

    Args:
        selection: the cells, with their open file.
        found: what the values say of each of them.
        observation: name of the observed variable; ``None`` where soil moisture is not learned from.
    """
    days = selection.file.days
    lines = [
        f"{f'{len(days)} days from {days[0]} to {days[-1]}':<{_WIDTH + 12}}{'mean':>10}{'lowest':>10}{'highest':>10}"
    ]
    for name, variable in FORCING.items():
        yearly = name == "prcp"
        values = found.means[name] * (DAYS_PER_YEAR if yearly else 1.0)
        lines.append(_line(f"{name}", "mm year-1" if yearly else variable.unit, values))
    if observation is not None:
        share = 100.0 * found.observed / len(days)
        seen = np.isfinite(found.moisture)
        lines += [_line(observation, "m3 m-3", found.moisture[seen]), _line(f"days with {observation}", "%", share)]
    constant, classes = [], ""
    for name in selection.attributes:
        values = selection.file.static(name)[selection.position].astype(np.float64)
        trained = values[selection.trained]
        if not varies(trained.mean(), trained.var()):
            constant.append(name)
        if name == CATEGORICAL:
            classes = _classes(values)
            continue
        unit = (
            ATTRIBUTES[name].unit if name in ATTRIBUTES else str(selection.file.variable(name).attrs.get("units", ""))
        )
        lines.append(_line(name, unit, values))
    if classes:
        lines.append(f"{CATEGORICAL}: {classes}")
    lines += _estimated(selection)
    lines += _missing(selection, found, observation) if observation is not None else []
    if constant:
        lines.append(f"constant over the trained cells, so nothing can be learned from them: {', '.join(constant)}")
    return "\n".join(lines)


def _line(name: str, unit: str, values: np.ndarray) -> str:
    numbers = (values.mean(), values.min(), values.max()) if values.size else (np.nan, np.nan, np.nan)
    return f"{name:<{_WIDTH}}{unit:<12}" + "".join(f"{number:>10.4g}" for number in numbers)


def _classes(values: np.ndarray) -> str:
    """Classes and the number of their cells, the most frequent first."""
    found, count = np.unique(values.astype(int), return_counts=True)
    order = np.argsort(-count, kind="stable")
    return ", ".join(f"{found[k]} {IGBP_CLASSES[found[k]]} ({count[k]})" for k in order)


def _estimated(selection: Selection) -> list[str]:
    """Forcings that the file marks as estimated."""
    attributes = {name: selection.file.variable(name).attrs for name in FORCING}
    return [
        f"{name} is estimated: {attrs.get('method', 'the file does not say how')}"
        for name, attrs in attributes.items()
        if attrs.get("origin") == "estimated"
    ]


def _missing(selection: Selection, found: CellValues, observation: str) -> list[str]:
    lines = []
    for where, what in ((found.observed == 0, ""), (_untrained(selection, found), " in the training period")):
        if where.any():
            number = f"{int(where.sum())} cell{'s' if where.sum() > 1 else ''}"
            lines.append(f"no {observation}{what} in {number}: {listed(selection.cells[where])}")
    return lines


def _untrained(selection: Selection, found: CellValues) -> np.ndarray:
    """Trained cells that are observed, but not in the training period."""
    return selection.trained & (found.observed > 0) & (found.observed_train == 0)
