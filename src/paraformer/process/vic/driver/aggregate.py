"""From model steps to the records of a stream: sum, mean, end, begin, max or min of each period.

A period may begin in one stretch of steps and end in a later one; what is open is carried over for every cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from paraformer.process.vic.driver.history import HISTORY, Aggregation
from paraformer.process.vic.driver.streams import OutputStream

_REDUCE = {"sum": np.add, "mean": np.add, "max": np.maximum, "min": np.minimum}


def _reduce(
    before: Float[np.ndarray, "element cell"] | None, values: Float[np.ndarray, "element cell time"], how: Aggregation
) -> Float[np.ndarray, "element cell"]:
    """Value of a period, or of its part so far, from its open part and more steps; a mean is still a sum.

    Steps are added one after the other, as VIC-5 does, so that no result depends on where the stretches are cut.
    """
    if how == "begin":
        return values[..., 0] if before is None else before
    if how == "end":
        return values[..., -1]
    if values.shape[-1] == 1 and before is None:
        return values[..., 0]
    if before is not None:
        values = np.concatenate([before[..., None], values], axis=-1)
    return _REDUCE[how].accumulate(values, axis=-1)[..., -1]


@dataclass(frozen=True)
class Records:
    """Records that ended in a stretch of steps.

    Attributes:
        first: position of the first one in the run.
        values: one array a variable of the stream [record, element, cell].
    """

    first: int
    values: list[Float[np.ndarray, "record element cell"]]


class Aggregator:
    """Gathers the records of one stream.

    Args:
        stream: variables and periods.
        edges: steps at which periods begin, and the end of the last one (``Frequency.edges``).
        n_cell: number of cells.
    """

    def __init__(self, stream: OutputStream, edges: np.ndarray, n_cell: int) -> None:
        self.stream = stream
        self.edges = edges
        self._open = [np.zeros((HISTORY[v.name].n_element, n_cell)) for v in stream.variables]
        self._n_cell = n_cell
        self._records: Records | None = None
        self._start = self._stop = 0

    def begin(self, start: int, stop: int) -> None:
        """Start the stretch of steps [start, stop); cells may then be added in any order."""
        self._start, self._stop = start, stop
        first = int(np.searchsorted(self.edges[1:], start, side="right"))
        last = int(np.searchsorted(self.edges[1:], stop, side="right"))
        shape = (last - first, self._n_cell)
        self._records = Records(
            first, [np.empty((shape[0], HISTORY[v.name].n_element, shape[1])) for v in self.stream.variables]
        )

    def add(self, position: int, values: Float[np.ndarray, "element cell time"], cells: slice) -> None:
        """Add the stretch's values of one variable of the stream, for some cells."""
        assert self._records is not None
        start, stop = self._start, min(self._stop, int(self.edges[-1]))
        if stop <= start:
            return  # after the last whole period
        how = self.stream.variables[position].aggregation
        cuts = np.unique(np.concatenate([[start], self.edges[(self.edges > start) & (self.edges < stop)], [stop]]))
        before = None if start in self.edges else self._open[position][:, cells]
        done = self._records.values[position]
        for period, (first, last) in enumerate(zip(cuts[:-1] - start, cuts[1:] - start, strict=True)):
            value = _reduce(before, values[..., first:last], how)
            if period < len(done):
                done[period][:, cells] = value
            else:
                self._open[position][:, cells] = value
            before = None

    def finish(self) -> Records:
        """Records that ended in the stretch."""
        assert self._records is not None
        records = self._records
        lengths = np.diff(self.edges)[records.first : records.first + len(records.values[0])]
        for variable, values in zip(self.stream.variables, records.values, strict=True):
            if variable.aggregation == "mean":
                values /= lengths[:, None, None]
        return records
