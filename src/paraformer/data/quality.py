"""Checks of an input file before anything is made of it: the first problems, as one line a user can act on.

A line names file, variable, cell and time, what was found and what was expected. Observations and references may be
NaN where there is none; forcing and attributes may not.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.core.variables import ATTRIBUTES, FORCING, REFERENCES, UNCERTAINTY, series_variable
from paraformer.data.attributes import check_attributes
from paraformer.data.config import DataConfig, Value
from paraformer.data.headers import check_header
from paraformer.data.places import places_of, say_shared_places, words_of
from paraformer.data.presampled import Sample, require_whole_grid, sample_of_places, sample_of_rows
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
from paraformer.data.values import CellValues, ValueProof, require_observations


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
    """Check an input file against a study's data settings; the open file with the kept cells.

    Raises:
        DataError: as ``check_values``.
    """
    return check_values(config, inputs, progress)[0]


def check_values(
    config: DataConfig, inputs: Path | CellsFile | None = None, progress: Progress | None = None
) -> tuple[Selection, CellValues]:
    """Check an input file against a study's data settings.

    Args:
        config: the data settings.
        inputs: the file, open or not; ``None`` takes ``config.path`` (the built-in world has its file in the run
            directory).

    Returns:
        The open file with the kept cells, and what the values say of each of them.

    Raises:
        DataError: the first problems found.
    """
    given = inputs if inputs is not None else config.path
    if given is None:
        raise DataError("no input file: the built-in world has to be written before it can be checked")
    file = given if isinstance(given, CellsFile) else open_cells(given)
    try:
        selection = _select(config, file)
        observed = config.observation or ""
        error = f"{observed}{UNCERTAINTY}"
        seen = (observed, *((error,) if error in file.dataset.variables else ())) if observed else ()
        for name in (*FORCING, *seen):
            check_header(file, series_variable(name))
        for name in selection.references:
            check_header(file, REFERENCES[name])
        words = words_of(file)
        check_attributes(file, selection.position, selection.attributes, words)
        train, test = _periods(config, file)
        say_shared_places(file, selection.position)
        found = ValueProof(file, selection.position, words, observed, selection.references, (train, test)).run(
            config.chunk_cells, progress or Progress()
        )
        periods = (config.train, config.test)
        if observed:
            require_observations(file, observed, found, selection.cells, selection.trained, periods)
    except BaseException:
        file.close()
        raise
    return selection, found


def _select(config: DataConfig, file: CellsFile) -> Selection:
    """Kept and trained cells, and what is known about them."""
    places_of(file)
    kept = np.ones(len(file.cells), dtype=bool)
    for name, value in config.select.items():
        same = equals(file.static(name), value)
        if not same.any():
            found = _labels(file.static(name))
            raise DataError(f"{file.path}: variable '{name}': no cell has the selected value {value!r}; found {found}")
        kept &= same
    trained = kept.copy()
    if config.split is not None:
        labels = _labels_of(config, file, kept)
        trained &= labels == TRAINED
        kept &= labels != LEFT_OUT
    if not trained.any():
        raise DataError(f"{file.path}: no trained cell is left of {len(kept)} cells after select and split")
    names = config.attributes
    if names is None:
        names = tuple(name for name in ATTRIBUTES if name in file.dataset.variables)
    references = tuple(name for name in REFERENCES if name in file.dataset.variables)
    return Selection(file, np.flatnonzero(kept), trained[kept], names, references)


def _labels_of(config: DataConfig, file: CellsFile, usable: Bool[np.ndarray, " cell"]) -> np.ndarray:
    """``TRAINED``, ``UNSEEN`` or ``LEFT_OUT`` for each cell of the file, by a variable, a design or regions."""
    split = config.split
    assert split is not None
    if split.blocks is not None:
        lat, lon = (file.static(name).astype(float) for name in ("lat", "lon"))
        return block_labels(split.blocks, lat, lon, usable, source=f"{file.path}: split.blocks")
    if split.design is not None:
        known_whole = config.source == "synthetic"  # the built-in world is a grid of few cells far apart
        index, sample = _grid_index(file, known_whole)
        offset, neighbours = split.offset or (0, 0), split.neighbours or 1
        labels = sampling_labels(split.design, index, usable, offset=offset, neighbours=neighbours)
        require_whole_grid(split.design, None if known_whole else sample, labels, usable, source=str(file.path))
        return labels
    assert split.variable is not None
    values = file.static(split.variable)
    for value in (*split.trained, *split.unseen):
        if not equals(values, value).any():
            raise DataError(
                f"{file.path}: variable '{split.variable}': no cell has the split value {value!r}; "
                f"found {_labels(values)}"
            )
    labels = np.full(len(values), LEFT_OUT, dtype="<U8")
    for label, wanted in ((TRAINED, split.trained), (UNSEEN, split.unseen)):
        for value in wanted:
            labels[equals(values, value)] = label
    return labels


def _grid_index(file: CellsFile, known_whole: bool) -> tuple[GridIndex, Sample | None]:
    """Rows and columns as the variables ``row`` and ``col`` give them, else from latitude and longitude; and whether
    the cells are a sample of the grid already."""
    if not {"row", "col"} <= set(map(str, file.dataset.variables)):
        lat, lon = (file.static(name).astype(float) for name in ("lat", "lon"))
        index = grid_index(lat, lon, source=str(file.path))
        if not known_whole:
            require_neighbours(lat, lon, source=str(file.path))
        return index, sample_of_places(lat, lon, index)
    found = []
    for name in ("row", "col"):
        values = file.static(name)
        if values.dtype.kind not in "iuf" or not np.array_equal(values, np.rint(values)):
            raise DataError(f"{file.path}: variable '{name}' holds values that are not whole numbers")
        found.append(values.astype(np.int64))
    index = GridIndex(*found)
    require_distinct(index, source=str(file.path))
    return index, sample_of_rows(index)


def equals(values: np.ndarray, value: Value) -> Bool[np.ndarray, " cell"]:
    """Which cells have a value of a study's settings; labels and numbers are compared as text if either is text."""
    if values.dtype.kind == "U" or isinstance(value, str):
        return values.astype(str) == str(value)
    return values == value


def _labels(values: np.ndarray) -> str:
    found = [str(v) for v in np.unique(values)]
    return ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")


def _periods(config: DataConfig, file: CellsFile) -> tuple[Bool[np.ndarray, " day"], Bool[np.ndarray, " day"]]:
    """Days of the training and the test period."""
    found = []
    for name, period in (("train", config.train), ("test", config.test)):
        try:
            found.append(period.mask(file.days))
        except DataError as error:
            raise DataError(f"{file.path}: {name} {error}") from error
    return found[0], found[1]
