"""A river network: cells, where each drains to, and the gauges on it; checked before anything is routed."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.grid import cell_words
from paraformer.numerics.routing import Pairs, upstream_pairs

VELOCITY, DIFFUSIVITY = 1.5, 800.0
"""What VIC's manual calls acceptable (VIC 4.2.d, page Calibration): wave velocity [m s-1], diffusivity [m2 s-1]."""
_SHOWN = 5


@dataclass(frozen=True)
class Gauges:
    """Places where discharge is wanted.

    Attributes:
        names: unique.
        lat, lon: as reported [degree].
        cell: position of the network's cell whose outflow the gauge sees.
        reported_area: drainage area as reported [m2]; NaN where unknown.
    """

    names: tuple[str, ...]
    lat: Float[np.ndarray, " gauge"]
    lon: Float[np.ndarray, " gauge"]
    cell: Int[np.ndarray, " gauge"]
    reported_area: Float[np.ndarray, " gauge"]

    def __len__(self) -> int:
        return len(self.names)


def no_gauges() -> Gauges:
    """Of a network whose gauges are not known yet."""
    none = np.empty(0)
    return Gauges((), none, none, none.astype(np.int64), none)


@dataclass(frozen=True)
class Hillslope:
    """Times from a cell's soil to its channel: a gamma distribution for surface runoff and one for baseflow.

    Attributes:
        runoff_delay, baseflow_delay: mean time [s] [cell]; 0 is none.
        runoff_shape, baseflow_shape: shape of the distribution [1] [cell]; 1 is a linear reservoir.
    """

    runoff_delay: Float[np.ndarray, " cell"]
    runoff_shape: Float[np.ndarray, " cell"]
    baseflow_delay: Float[np.ndarray, " cell"]
    baseflow_shape: Float[np.ndarray, " cell"]

    @property
    def alike(self) -> bool:
        """Whether surface runoff and baseflow have the same times."""
        return np.array_equal(self.runoff_delay, self.baseflow_delay) and (
            not self.runoff_delay.any() or np.array_equal(self.runoff_shape, self.baseflow_shape)
        )


def no_hillslope(n_cell: int) -> Hillslope:
    """Water that is in the channel at once."""
    return Hillslope(np.zeros(n_cell), np.full(n_cell, 2.5), np.zeros(n_cell), np.full(n_cell, 2.5))


@dataclass(frozen=True)
class Network:
    """Cells that drain into each other, and gauges.

    Attributes:
        cells: identifiers, unique.
        lat, lon: of the cells' centres [degree].
        downstream: position of the cell each one drains to; -1 where the river ends.
        length: way of the water through the cell to the next one [m].
        area: of the whole cell [m2].
        velocity: of the flood wave, about 5/3 of that of the water [m s-1].
        diffusivity: of the flood wave [m2 s-1].
        hillslope: times before the channel.
        gauges: places where discharge is wanted.
        fraction: part of a pair's cell that lies in the gauge's basin [1], in the order of ``pairs``.
        box: the Lohmann program's unit hydrograph of a cell, shares by routing step; none for gamma hillslopes.
        source: file, for messages.
    """

    cells: Int[np.ndarray, " cell"]
    lat: Float[np.ndarray, " cell"]
    lon: Float[np.ndarray, " cell"]
    downstream: Int[np.ndarray, " cell"]
    length: Float[np.ndarray, " cell"]
    area: Float[np.ndarray, " cell"]
    velocity: Float[np.ndarray, " cell"]
    diffusivity: Float[np.ndarray, " cell"]
    hillslope: Hillslope
    gauges: Gauges
    fraction: Float[np.ndarray, " pair"]
    box: Float[np.ndarray, " lag"] | None = None
    source: str = "network"
    pairs: Pairs = field(init=False, compare=False)

    def __post_init__(self) -> None:
        require_tree(self)
        object.__setattr__(self, "pairs", upstream_pairs(self.downstream, self.gauges.cell))
        _require_values(self)

    @property
    def n_cell(self) -> int:
        return len(self.cells)

    def words(self, position: int) -> str:
        """What messages call a cell."""
        return cell_words(self.lat, self.lon, self.cells)(position)

    @property
    def model_area(self) -> Float[np.ndarray, " gauge"]:
        """Drainage area of each gauge in the network [m2]."""
        share = self.fraction * self.area[self.pairs.source]
        return np.bincount(self.pairs.gauge, share, minlength=len(self.gauges))

    @cached_property
    def drained_area(self) -> Float[np.ndarray, " cell"]:
        """Area upstream of each cell, its own included, as far as it lies in a gauge's basin [m2]; at a gauge's cell
        its ``model_area``, where gauges agree on the fractions."""
        share = np.zeros(self.n_cell)
        np.maximum.at(share, self.pairs.source, self.fraction)
        return upstream_area(self.downstream, share * self.area)

    def with_gauges(self, gauges: Gauges, fraction: Float[np.ndarray, " cell"] | None = None) -> Network:
        """The same river with other gauges.

        Args:
            fraction: part of each cell that lies in the basins [1]; 1 by default.
        """
        pairs = upstream_pairs(self.downstream, gauges.cell)
        share = np.ones(self.n_cell) if fraction is None else fraction
        return replace(self, gauges=gauges, fraction=share[pairs.source])

    def with_times(self, hillslope: Hillslope, **channel: Float[np.ndarray, " cell"]) -> Network:
        """The same river with another hillslope, velocity or diffusivity, all above 0; it is not checked again."""
        other = copy(self)
        for name, values in {"hillslope": hillslope, **channel}.items():
            object.__setattr__(other, name, values)
        return other

    def with_fraction(self, fraction: Float[np.ndarray, " pair"]) -> Network:
        """The same network with other fractions, one a pair."""
        return replace(self, fraction=fraction)


def upstream_area(downstream: Int[np.ndarray, " cell"], area: Float[np.ndarray, " cell"]) -> Float[np.ndarray, " cell"]:
    """Area of each cell and all cells that drain to it [m2]; the river has no loops."""
    total = area.astype(np.float64).copy()
    for cell in downstream_order(downstream):
        if downstream[cell] >= 0:
            total[downstream[cell]] += total[cell]
    return total


def downstream_order(downstream: Int[np.ndarray, " cell"]) -> list[int]:
    """Cells such that each stands before the one it drains to; those of loops, and below them, are left out."""
    waiting = np.bincount(downstream[downstream >= 0], minlength=len(downstream)).tolist()
    order = [cell for cell, count in enumerate(waiting) if count == 0]
    below = downstream.tolist()
    for cell in order:  # grows while it is read
        if below[cell] >= 0:
            waiting[below[cell]] -= 1
            if not waiting[below[cell]]:
                order.append(below[cell])
    return order


def require_tree(network: Network) -> None:
    """Raise unless every cell drains to another one of the network or ends there, and no water runs in a circle.

    Raises:
        DataError: naming cells.
    """
    below, n = network.downstream, network.n_cell
    far = (below < -1) | (below >= n)
    if far.any():
        refuse(network, far, "drains to a cell that is not there")
    ordered = np.zeros(n, dtype=bool)
    ordered[downstream_order(below)] = True
    if not ordered.all():
        cell = int(np.argmin(ordered))
        for _ in range(n):
            cell = int(below[cell])  # after n steps in the circle itself
        circle = [cell]
        while int(below[circle[-1]]) != cell:
            circle.append(int(below[circle[-1]]))
        names = " -> ".join(network.words(c) for c in circle[:_SHOWN])
        raise DataError(f"{network.source}: {len(circle)} cells drain into each other in a loop: {names}")


def refuse(network: Network, bad: np.ndarray, problem: str) -> None:
    """Raise for the cells marked, naming the first ones.

    Raises:
        DataError: always.
    """
    cells = np.flatnonzero(bad)
    names = ", ".join(network.words(int(cell)) for cell in cells[:_SHOWN])
    raise DataError(f"{network.source}: {names}: {problem} ({len(cells)} such cells)")


def _require_values(network: Network) -> None:
    flows = network.downstream >= 0
    numbers = np.unique(network.cells, return_counts=True)
    if (numbers[1] > 1).any():
        raise DataError(f"{network.source}: cell {numbers[0][numbers[1] > 1][0]} occurs twice")
    for name, used in (("length", flows), ("velocity", flows), ("diffusivity", flows)):
        values = getattr(network, name)
        bad = used & ~((values > 0) & np.isfinite(values))
        if bad.any():
            at = int(np.argmax(bad))
            refuse(network, bad, f"{name} {values[at]:g}, expected above 0")
    if not ((network.area >= 0) & np.isfinite(network.area)).all():
        refuse(network, ~((network.area >= 0) & np.isfinite(network.area)), "no area, expected 0 m2 or more")
    for kind in ("runoff", "baseflow"):
        delay, shape = (getattr(network.hillslope, f"{kind}_{part}") for part in ("delay", "shape"))
        for name, bad, values, least in (
            (f"{kind}_delay", ~((delay >= 0) & np.isfinite(delay)), delay, "0 or more"),
            (f"{kind}_shape", ~((shape > 0) & np.isfinite(shape)), shape, "above 0"),
        ):
            if bad.any():
                refuse(network, bad, f"{name} {values[int(np.argmax(bad))]:g}, expected {least}")
    share = network.fraction
    if share.shape != network.pairs.source.shape:
        raise DataError(f"{network.source}: {len(share)} fractions, expected {len(network.pairs.source)}, one a pair")
    odd = ~((share >= 0) & np.isfinite(share))
    if odd.any():
        at = int(np.argmax(odd))
        cell, gauge = network.words(int(network.pairs.source[at])), network.gauges.names[network.pairs.gauge[at]]
        raise DataError(f"{network.source}: fraction of {cell} in the basin of {gauge}: found {share[at]:g}")
    names = network.gauges.names
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{network.source}: gauge '{double}' occurs twice")
