"""Checks of an input file before anything is made of it: the first problem, as one line a user can act on.

A line names file, variable, cell and time, what was found and what was expected. Observations and references may be
NaN where there is none; forcing and attributes may not.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.core.units import canonical, same_unit
from paraformer.core.variables import ATTRIBUTES, FORCING, REFERENCES, VOCABULARY, Variable
from paraformer.data.config import DataConfig, Split, Value
from paraformer.data.regions import block_labels
from paraformer.data.sampling import (
    LEFT_OUT,
    TRAINED,
    UNSEEN,
    GridIndex,
    grid_index,
    require_distinct,
    require_neighbours,
    sampling_labels,
)
from paraformer.data.sources.cells import CellsFile, open_cells

logger = logging.getLogger(__name__)

_SUB_DAILY_MAXIMUM = {"prcp": 12000.0, "swdown": 1500.0, "lwdown": 1000.0, "wind": 120.0}
"""Upper ends that differ between a daily mean and a step of an hour [unit of the variable]."""

_HINTS = (
    ("tair", 150.0, 400.0, "Kelvin?"),
    ("vp", 8.0, 8000.0, "Pa or hPa?"),
    ("pres", 300.0, 1200.0, "hPa?"),
    ("pres", 3e4, 1.2e5, "Pa?"),
    ("elevation_sd", 4000.0, np.inf, "a fill value?"),
)


@dataclass(frozen=True)
class Selection:
    """A checked file and the cells of it that a study uses.

    Attributes:
        file: the open file.
        position: positions in the file of the kept cells, ascending [kept].
        trained: kept cells whose observations may be learned from [kept].
        attributes: static variables to show to the learners, before one-hot encoding.
        references: reference variables ``(cell, month)`` or ``(cell)`` in the file.
    """

    file: CellsFile
    position: Int[np.ndarray, " kept"]
    trained: Bool[np.ndarray, " kept"]
    attributes: tuple[str, ...]
    references: tuple[str, ...]

    @property
    def cells(self) -> Int[np.ndarray, " kept"]:
        """Identifiers of the kept cells."""
        return self.file.cells[self.position]


def check(config: DataConfig, inputs: Path | None = None, progress: Progress | None = None) -> Selection:
    """Check an input file against a study's data settings.

    Args:
        config: the data settings.
        inputs: the file; ``None`` takes ``config.path`` (the built-in world has its file in the run directory).

    Returns:
        The open file with the kept cells.

    Raises:
        DataError: the first problem found.
    """
    path = inputs if inputs is not None else config.path
    if path is None:
        raise DataError("no input file: the built-in world has to be written before it can be checked")
    file = open_cells(Path(path))
    try:
        selection = _select(config, file)
        for name in FORCING:
            _check_header(file, VOCABULARY[name])
        _check_observation_header(config, file)
        for name in selection.references:
            _check_header(file, VOCABULARY[name])
        _check_attributes(selection)
        _check_periods(config, file)
        _check_values(config, selection, progress or Progress())
    except BaseException:
        file.close()
        raise
    return selection


def _select(config: DataConfig, file: CellsFile) -> Selection:
    """Kept and trained cells, and what is known about them."""
    for name, low, high in (("lat", -90.0, 90.0), ("lon", -180.0, 360.0)):
        _check_range(file, name, file.static(name), (low, high), "degree")
    kept = np.ones(len(file.cells), dtype=bool)
    for name, value in config.select.items():
        same = _equals(file.static(name), value)
        if not same.any():
            found = _labels(file.static(name))
            raise DataError(f"{file.path}: variable '{name}': no cell has the selected value {value!r}; found {found}")
        kept &= same
    trained = kept.copy()
    if config.split is not None:
        labels = _labels_of(config.split, file, kept)
        trained &= labels == TRAINED
        kept &= labels != LEFT_OUT
    if not trained.any():
        raise DataError(f"{file.path}: no trained cell is left of {len(kept)} cells after select and split")
    names = config.attributes
    if names is None:
        names = tuple(name for name in ATTRIBUTES if name in file.dataset.variables)
    references = tuple(name for name in REFERENCES if name in file.dataset.variables)
    return Selection(file, np.flatnonzero(kept), trained[kept], names, references)


def _labels_of(split: Split, file: CellsFile, usable: Bool[np.ndarray, " cell"]) -> np.ndarray:
    """``TRAINED``, ``UNSEEN`` or ``LEFT_OUT`` for each cell of the file, by a variable, a design or regions."""
    if split.blocks is not None:
        lat, lon = (file.static(name).astype(float) for name in ("lat", "lon"))
        return block_labels(split.blocks, lat, lon, usable, source=str(file.path))
    if split.design is not None:
        return sampling_labels(
            split.design, _grid_index(file), usable, offset=split.offset or (0, 0), neighbours=split.neighbours or 1
        )
    assert split.variable is not None
    values = file.static(split.variable)
    for value in (*split.trained, *split.unseen):
        if not _equals(values, value).any():
            raise DataError(
                f"{file.path}: variable '{split.variable}': no cell has the split value {value!r}; "
                f"found {_labels(values)}"
            )
    labels = np.full(len(values), LEFT_OUT, dtype="<U8")
    for label, wanted in ((TRAINED, split.trained), (UNSEEN, split.unseen)):
        for value in wanted:
            labels[_equals(values, value)] = label
    return labels


def _grid_index(file: CellsFile) -> GridIndex:
    """Rows and columns as the variables ``row`` and ``col`` give them, else from latitude and longitude."""
    if not {"row", "col"} <= set(map(str, file.dataset.variables)):
        lat, lon = (file.static(name).astype(float) for name in ("lat", "lon"))
        index = grid_index(lat, lon, source=str(file.path))
        require_neighbours(lat, lon, source=str(file.path))
        return index
    found = []
    for name in ("row", "col"):
        values = file.static(name)
        if values.dtype.kind not in "iuf" or not np.array_equal(values, np.rint(values)):
            raise DataError(f"{file.path}: variable '{name}' holds values that are not whole numbers")
        found.append(values.astype(np.int64))
    index = GridIndex(*found)
    require_distinct(index, source=str(file.path))
    return index


def _equals(values: np.ndarray, value: Value) -> Bool[np.ndarray, " cell"]:
    if values.dtype.kind == "U" or isinstance(value, str):
        return values.astype(str) == str(value)
    return values == value


def _labels(values: np.ndarray) -> str:
    found = [str(v) for v in np.unique(values)]
    return ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")


def _check_header(file: CellsFile, expected: Variable) -> None:
    """Presence, dims and unit of a variable of the vocabulary."""
    variable = file.variable(expected.name)
    if variable.dims != expected.dims:
        raise DataError(f"{file.path}: variable '{expected.name}' has dims {variable.dims}, expected {expected.dims}")
    if variable.dtype.kind not in "fiu":
        raise DataError(f"{file.path}: variable '{expected.name}' has type {variable.dtype}, expected numbers")
    if "month" in expected.dims and file.dataset.sizes["month"] != 12:
        raise DataError(
            f"{file.path}: variable '{expected.name}': dimension 'month' has length {file.dataset.sizes['month']}, "
            "expected 12"
        )
    unit = variable.attrs.get("units")
    if unit is None and expected.unit != "1":
        raise DataError(f"{file.path}: variable '{expected.name}' has no attribute 'units', expected '{expected.unit}'")
    if unit is not None and not same_unit(str(unit), expected.unit):
        raise DataError(
            f"{file.path}: variable '{expected.name}' has unit '{canonical(str(unit))}', expected '{expected.unit}'"
        )


def _check_observation_header(config: DataConfig, file: CellsFile) -> None:
    known = VOCABULARY.get(config.observation)
    if known is None or known.role != "observation":
        known = Variable(config.observation, "m3 m-3", ("cell", "time"), (0, 1), "observation", "")
    _check_header(file, known)


def _check_attributes(selection: Selection) -> None:
    """Static attributes: there, numeric, finite and (where the vocabulary knows them) in unit and range."""
    file = selection.file
    for name in selection.attributes:
        known = ATTRIBUTES.get(name)
        if known is not None:
            _check_header(file, known)
        values = file.static(name)
        if values.dtype.kind not in "fiub":
            raise DataError(f"{file.path}: attribute '{name}' has type {values.dtype}, expected numbers")
        kept = values[selection.position].astype(np.float64)
        bad = ~np.isfinite(kept)
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(
                f"{file.path}: attribute '{name}', cell {selection.cells[at]}: found {kept[at]}, "
                "expected a finite value"
            )
        if known is not None:
            _check_range(file, name, kept, known.valid, known.unit, selection.cells)


def _check_range(
    file: CellsFile,
    name: str,
    values: np.ndarray,
    valid: tuple[float, float],
    unit: str,
    cells: np.ndarray | None = None,
) -> None:
    """Refuse the first static value outside its range (NaN included)."""
    low, high = valid
    bad = ~((values >= low) & (values <= high))
    if bad.any():
        at = int(np.argmax(bad))
        cell = (file.cells if cells is None else cells)[at]
        raise DataError(
            f"{file.path}: variable '{name}', cell {cell}: found {values[at]:g}, expected [{low:g}, {high:g}] {unit}"
            f"{_hint(name, float(values[at]))}"
        )


def _check_periods(config: DataConfig, file: CellsFile) -> None:
    for name, period in (("train", config.train), ("test", config.test)):
        try:
            period.mask(file.days)
        except DataError as error:
            raise DataError(f"{file.path}: {name} {error}") from error


def _check_values(config: DataConfig, selection: Selection, progress: Progress) -> None:
    """Every value of forcing, observation and references, cell chunk by cell chunk."""
    file = selection.file
    size = file.together(config.chunk_cells)
    train = config.train.mask(file.days)
    test = config.test.mask(file.days)
    observed_train, observed_test = 0, 0
    with progress.task("checking input", len(selection.position), unit="cells") as advance:
        for start in range(0, len(selection.position), size):
            position = selection.position[start : start + size]
            for name in FORCING:
                _check_series(file, name, position, may_be_missing=False)
            values = _check_series(file, config.observation, position, may_be_missing=True)
            observed = np.isfinite(values)
            _check_once_a_day(file, config.observation, position, observed)
            is_trained = selection.trained[start : start + size]
            observed_train += int(observed[is_trained][:, train].sum())
            observed_test += int(observed[:, test].sum())
            for name in selection.references:
                _check_reference(file, name, position)
            advance(len(position))
    if observed_train == 0:
        raise DataError(
            f"{file.path}: variable '{config.observation}' has no observation of a trained cell in the training period "
            f"{config.train}"
        )
    if observed_test == 0:
        logger.warning("%s: '%s' has no observation in the test period %s", file.path, config.observation, config.test)


def _check_series(file: CellsFile, name: str, position: np.ndarray, *, may_be_missing: bool) -> np.ndarray:
    """Return the values [cell, day, step] of one variable, all of them possible."""
    values = file.series(name, position)
    valid = VOCABULARY[name].valid if name in VOCABULARY else (0.0, 1.0)
    unit = VOCABULARY[name].unit if name in VOCABULARY else "m3 m-3"
    low, high = valid
    if file.steps > 1:
        high = _SUB_DAILY_MAXIMUM.get(name, high)
    good = (values >= low) & (values <= high)
    if may_be_missing:
        good |= np.isnan(values)
    if not good.all():
        cell, day, step = (int(i) for i in np.argwhere(~good)[0])
        found = float(values[cell, day, step])
        time = file.days[day].astype("datetime64[m]") + np.timedelta64(1440 // file.steps * step, "m")
        stamp = str(file.days[day]) if file.steps == 1 else str(time)
        raise DataError(
            f"{file.path}: variable '{name}', cell {file.cells[position[cell]]}, time {stamp}: "
            f"found {found:g}, expected [{low:g}, {high:g}] {unit}{_hint(name, found)}"
        )
    return values


def _check_once_a_day(file: CellsFile, name: str, position: np.ndarray, observed: np.ndarray) -> None:
    """Refuse sub-daily files with several observations of one cell on one day (for instance AM and PM overpasses)."""
    count = observed.sum(axis=2)
    if (count > 1).any():
        cell, day = (int(i) for i in np.argwhere(count > 1)[0])
        raise DataError(
            f"{file.path}: variable '{name}', cell {file.cells[position[cell]]}, time {file.days[day]}: "
            f"found {count[cell, day]} observations on one day, expected at most 1 (AM and PM overpasses mixed?)"
        )


def _check_reference(file: CellsFile, name: str, position: np.ndarray) -> None:
    values = file.reference(name, position)
    low, high = VOCABULARY[name].valid
    bad = ~np.isnan(values) & ~((values >= low) & (values <= high))
    if bad.any():
        at = np.argwhere(bad)[0]
        month = f", month {at[1] + 1}" if values.ndim == 2 else ""
        raise DataError(
            f"{file.path}: variable '{name}', cell {file.cells[position[at[0]]]}{month}: "
            f"found {values[tuple(at)]:g}, expected [{low:g}, {high:g}] {VOCABULARY[name].unit}"
        )


def _hint(name: str, found: float) -> str:
    """A guess at the mistake behind an impossible value."""
    if not np.isfinite(found):
        return " (missing value)" if np.isnan(found) else ""
    if VOCABULARY.get(name) is not None and VOCABULARY[name].role == "observation" and 1 < found <= 100:
        return " (percent?)"
    for variable, low, high, guess in _HINTS:
        if name == variable and low < found <= high:
            return f" ({guess})"
    if name == "prcp" and found < 0:
        return " (a fill value?)" if found < -900 else " (negative precipitation)"
    return ""
