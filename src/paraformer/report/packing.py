"""Numbers inside a page: rounded to a step that is said, as whole numbers of one or two bytes, compressed together.

Code 0 is a missing value; code k > 0 is ``low + (k - 1) step``, of a logarithmic array ten to that power. Bytes are
little-endian; of two-byte codes all low bytes come first, then all high ones, which compress better so. In a series
each code is stored as the difference from the one before it, folded to a whole number from 0 (0, -1, 1, -2, ... become
0, 1, 2, 3, ...). ``assets/data.js`` reads the same format.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any, NamedTuple

import numpy as np

_MOST = 65534
"""Steps that fit into two bytes beside the code of a missing value."""


class Coding(NamedTuple):
    """How numbers are stored: the first step's value, the step, bytes of a code (1 or 2), logarithms, differences."""

    low: float
    step: float
    width: int
    log: bool = False
    series: bool = False

    def encode(self, values: np.ndarray) -> bytes:
        """Bytes of an array, C order; NaN is missing, and what is beyond the codes is stored as the last of them."""
        if self.log:
            values = np.log10(values)
        top = (1 << (8 * self.width)) - 2
        steps = np.clip(np.rint((values - self.low) / self.step), 0, top)
        codes = np.where(np.isfinite(steps), steps + 1, 0).astype(np.int64)
        if self.series:
            change = np.diff(codes, axis=-1, prepend=0)
            change = (change + (top + 2) // 2) % (top + 2) - (top + 2) // 2
            codes = np.where(change < 0, -2 * change - 1, 2 * change)
        flat = codes.ravel()
        planes = [flat >> (8 * i) & 255 for i in range(self.width)]
        return np.concatenate(planes).astype(np.uint8).tobytes()

    def spec(self) -> dict[str, Any]:
        """What the page must know to read it."""
        return dict(self._asdict())


def coding(values: np.ndarray, step: float, *, log: bool = False, series: bool = False) -> Coding:
    """The coding of an array to a step (of the decimal logarithm, if ``log``); coarser where the range asks for it.

    Args:
        values: NaN where missing; those of a logarithmic array are above 0.
    """
    if log:
        values = np.log10(values)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    step = max(step, (high - low) / _MOST)
    return Coding(low, step, 1 if (high - low) / step <= 253 else 2, log, series)


def compressed(data: bytes) -> str:
    """Bytes as text for the page; the same bytes give the same text."""
    return base64.b64encode(gzip.compress(data, mtime=0)).decode("ascii")


class Pack:
    """Named arrays, one after the other, and what the page must know to read each."""

    def __init__(self) -> None:
        self.specs: dict[str, dict[str, Any]] = {}
        self._parts: list[bytes] = []

    def add(self, name: str, values: np.ndarray, step: float, *, log: bool = False, series: bool = False) -> None:
        """Add an array, rounded to ``step`` as ``coding`` has it."""
        values = np.asarray(values, dtype=np.float64)
        how = coding(values, step, log=log, series=series)
        self.specs[name] = {"shape": list(values.shape), "at": sum(map(len, self._parts)), **how.spec()}
        self._parts.append(how.encode(values))

    def text(self) -> str:
        """All arrays as one text."""
        return compressed(b"".join(self._parts))
