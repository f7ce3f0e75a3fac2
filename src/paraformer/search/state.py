"""State of a search of many cells: arrays only, so that it can be stored, and each cell on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int

_State = TypeVar("_State", bound="State")  # not ``Self``, which checks of shapes at run time do not know in methods


class Stop(IntEnum):
    """Why a cell stopped."""

    RUNNING = 0
    BUDGET = 1  # its forward runs are spent
    NO_GAIN = 2  # its best cost hardly changed over many shuffles
    SMALL_RANGE = 3  # its points lie close together
    NOT_SEARCHED = 4  # it is not trained or has too few observed days; it keeps the a-priori θ


@dataclass(frozen=True)
class State:
    """Where the search of every cell stands; a step makes a new one. Points are in unit coordinates.

    Attributes:
        cells: identifiers, which name the random streams [cell].
        population: points kept [cell, point, parameter].
        cost: their cost, infinite before they are run [cell, point].
        evaluations: forward runs so far [cell].
        stopped: a ``Stop`` each [cell].
        recent: best cost after each of the last shuffles, the latest last, infinite before the first [cell, shuffle].
        round: shuffles done (the initial population is the first), or blocks of points.
        step: steps done since.
    """

    arrays: ClassVar[tuple[str, ...]] = ("population", "cost", "evaluations", "stopped", "recent")
    """Fields that a step of some cells may change, and that a checkpoint keeps."""

    cells: np.ndarray
    population: Float[np.ndarray, "cell point parameter"]
    cost: Float[np.ndarray, "cell point"]
    evaluations: Int[np.ndarray, " cell"]
    stopped: Int[np.ndarray, " cell"]
    recent: Float[np.ndarray, "cell shuffle"]
    round: int = 0
    step: int = 0

    @property
    def running(self) -> Int[np.ndarray, " cell"]:
        """Positions of the cells that go on."""
        return np.flatnonzero(self.stopped == Stop.RUNNING)

    def best(self) -> tuple[Float[np.ndarray, "cell parameter"], Float[np.ndarray, " cell"]]:
        """Best point of every cell, the first of equals, and its cost."""
        at = self.cost.argmin(axis=1)[:, None]
        point = np.take_along_axis(self.population, at[..., None], axis=1)[:, 0]
        return point, np.take_along_axis(self.cost, at, axis=1)[:, 0]

    def take(self: _State, cells: Int[np.ndarray, " some"]) -> _State:
        """The state of some cells, by position."""
        return replace(self, **{name: getattr(self, name)[cells] for name in self.arrays}, cells=self.cells[cells])

    def put(self: _State, cells: Int[np.ndarray, " some"], part: _State) -> _State:
        """This state with some cells, by position, as in ``part``; round and step are those of ``part``."""
        arrays: dict[str, np.ndarray] = {}
        for name in self.arrays:
            arrays[name] = getattr(self, name).copy()
            arrays[name][cells] = getattr(part, name)
        return replace(self, **arrays, round=part.round, step=part.step)


@runtime_checkable
class Evaluate(Protocol):
    """Cost of points, each cell on its own; what is not wanted is not run and costs infinity."""

    def __call__(
        self,
        cells: Int[np.ndarray, " cell"],
        points: Float[np.ndarray, "cell candidate parameter"],
        wanted: Bool[np.ndarray, "cell candidate"],
    ) -> Float[np.ndarray, "cell candidate"]:
        """``cells`` are positions in the state; ``points`` unit coordinates."""
        ...


@runtime_checkable
class Algorithm(Protocol[_State]):
    """A search of many cells at once. The course of a cell depends on the seed, its identifier and its costs alone."""

    def __init__(self, config: Any, seed: int) -> None: ...

    def start(self, cells: np.ndarray, size: int, prior: Float[np.ndarray, "cell parameter"] | None) -> _State:
        """State before the first run, for ``size`` parameters; ``prior`` in unit coordinates is the first point."""
        ...

    def step(self, state: _State, evaluate: Any) -> _State:
        """One step of every cell that has not stopped; it runs no cell more often than the budget allows.

        ``evaluate`` is an ``Evaluate``, or more than that where the algorithm asks for slopes or residuals.
        """
        ...


def within_budget(
    wanted: Bool[np.ndarray, "cell candidate"], left: Int[np.ndarray, " cell"]
) -> Bool[np.ndarray, "cell candidate"]:
    """The first ``left`` wanted candidates of each cell."""
    return wanted & (np.cumsum(wanted, axis=1) <= left[:, None])
