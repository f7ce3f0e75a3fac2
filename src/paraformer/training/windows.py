"""Random cells x random spans of days. Stateless: batch k depends on (seed, k) alone, so that resuming is trivial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paraformer.core.errors import SettingsError
from paraformer.core.seeding import generator


@dataclass(frozen=True)
class Windows:
    """Sampler of training windows.

    Attributes:
        cells: positions of the cells that may be drawn [cell].
        first, last: days the windows stay inside, positions on the time axis, ``last`` excluded.
        length: days in a window.
        batch: cells in a batch; at most as many as there are.
        seed: root seed of the stream.
        stream: name of the stream (and the rank of the device).
    """

    cells: np.ndarray
    first: int
    last: int
    length: int
    batch: int
    seed: int
    stream: str = "windows"

    def __post_init__(self) -> None:
        if self.last - self.first < self.length:
            raise SettingsError(
                f"window: {self.length} days do not fit into the {self.last - self.first} days of the training period"
            )
        if self.cells.size == 0:
            raise SettingsError("window: there is no cell to draw from")

    def random(self, step: int) -> np.random.Generator:
        """The random stream of one step."""
        return generator(self.seed, self.stream, step)

    def draw(self, step: int, windows: int = 1, *, own: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Cells and first days of a batch of several windows [sample], the samples of a window in a row.

        Every window has a draw of cells of its own, without repetition and sorted, that share its first day, or with
        ``own`` have each their own.
        """
        random = self.random(step)
        parts = [self._each(random) if own else self._together(random) for _ in range(windows)]
        cells, starts = zip(*parts, strict=True)
        return np.concatenate(cells), np.concatenate(starts)

    def draw_each(self, step: int) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
        """Cells [batch], the first day of each one's own span [batch], and the step's stream for further draws."""
        random = self.random(step)
        return *self._each(random), random

    def _together(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        start = random.integers(self.first, self.last - self.length + 1)
        cells = self._some(random)
        return cells, np.full(cells.size, start)

    def _each(self, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        cells = self._some(random)
        return cells, random.integers(self.first, self.last - self.length + 1, size=cells.size)

    def _some(self, random: np.random.Generator) -> np.ndarray:
        """As many cells as a batch holds, sorted; all of them if there are no more."""
        if self.batch >= self.cells.size:
            return self.cells
        return np.sort(random.choice(self.cells, size=self.batch, replace=False))
