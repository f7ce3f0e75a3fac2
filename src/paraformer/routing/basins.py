"""Basins as calibrators see them: the cells of each, its gauges, and flow by the times of travel that are learned.

Gauges whose basins share a cell stand in one basin of the calibration, whose cells and gauges all go together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.errors import DataError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.physics import SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.numerics.routing import convolve
from paraformer.routing.network import Gauges, Hillslope, Network
from paraformer.routing.reaches import reach_velocity, reach_velocity_of
from paraformer.routing.router import exact_response, respond

if TYPE_CHECKING:  # routing alone needs no torch, which takes seconds to load
    from torch import Tensor

_TAIL = 1e-6
"""Share of a cell's water whose time may be moved to the ends of its unit hydrograph: half the lags of an exact route,
whose flow differs by less than that share; a calibration routes as often as it runs the model."""


class RiverBasins:
    """Basins of a network whose cells are those of a model, in its order (``core.contracts.Basins``).

    Args:
        network: river with gauges; cells of no basin may stand in it.
        parameters: parameters of routing that are learned; ``None`` learns none.
    """

    def __init__(self, network: Network, parameters: ParameterSpace | None) -> None:
        self.network, self.parameters = network, parameters
        self.gauge_names = network.gauges.names
        self.n_cells = network.n_cell
        of_gauge = _joined(network)
        self.gauges = tuple(np.flatnonzero(of_gauge == basin) for basin in range(of_gauge.max() + 1))
        pairs = network.pairs
        self.cells = tuple(np.unique(pairs.source[np.isin(pairs.gauge, gauges)]) for gauges in self.gauges)
        self._rivers = tuple(_part(network, *basin) for basin in zip(self.cells, self.gauges, strict=True))

    @property
    def size(self) -> int:
        """Number of learned parameters of routing."""
        return 0 if self.parameters is None else len(self.parameters)

    def description(self) -> dict[str, object]:
        """What flow depends on beside runoff and learned parameters, as JSON-like values."""
        river, slope = self.network, self.network.hillslope
        names = ("downstream", "length", "area", "velocity", "diffusivity", "fraction")
        parts = [getattr(river, name) for name in names]
        parts += [getattr(slope, name) for name in Hillslope.__dataclass_fields__]
        return {
            "gauges": list(self.gauge_names),
            "outlets": river.gauges.cell.tolist(),
            "river": [part.tolist() for part in parts],
            "parameters": [] if self.parameters is None else [p.model_dump() for p in self.parameters],
        }

    def prior(self) -> Float[np.ndarray, "basin parameter"]:
        """Learned parameters as the network has them, means of the basin, inside the bounds; delays of 0 at a day, an
        exponent of 0."""
        if self.parameters is None:
            return np.empty((len(self.cells), 0))
        rows = [[_value(river, name) for name in self.parameters.names] for river in self._rivers]
        return self.parameters.clip(np.array(rows))

    def flow(
        self,
        basin: int,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"],
        routing: Float[np.ndarray, " parameter"] | None = None,
    ) -> Float[np.ndarray, "gauge time"]:
        """Daily flow at the gauges of one basin from its cells' runoff and baseflow [mm day-1] [m3 s-1].

        Args:
            basin: position.
            runoff, baseflow: of ``cells[basin]``; rivers are dry before.
            routing: learned parameters, physical; ``None`` takes the network as it is.
        """
        river = self._rivers[basin]
        if routing is not None and self.parameters is not None:
            river = with_routing(river, dict(zip(self.parameters.names, routing.tolist(), strict=True)))
        if river.hillslope.alike:
            return convolve(runoff + baseflow, river.pairs, exact_response(river, SECONDS_PER_DAY, "runoff", _TAIL))
        flow = np.zeros((len(self.gauges[basin]), runoff.shape[1]))
        for kind, water in (("runoff", runoff), ("baseflow", baseflow)):
            flow += convolve(water, river.pairs, exact_response(river, SECONDS_PER_DAY, kind, _TAIL))
        return flow

    def respond(
        self, basin: int, runoff: Tensor, baseflow: Tensor, routing: Tensor | None = None
    ) -> Float[Tensor, "gauge time"]:
        """As ``flow``, with gradients to runoff, baseflow and learned parameters.

        Args:
            basin: position.
            runoff, baseflow: of ``cells[basin]`` [mm day-1] [cell, time].
            routing: unit coordinates [parameter]; ``None`` takes the network as it is.
        """
        river = self._rivers[basin]
        if routing is None or self.parameters is None:
            return respond(river, SECONDS_PER_DAY, runoff, baseflow, tail=_TAIL)
        inside = routing.double().clamp(0.0, 1.0)
        ones = inside.new_ones(river.n_cell)
        one = {p.name: p.from_unit(inside[i]) for i, p in enumerate(self.parameters)}
        velocity = reach_velocity_of(river, one.pop("velocity", None), one.pop("velocity_exponent", None))
        given = {name: ones * value for name, value in one.items()}
        diffusivity = given.pop("diffusivity", None)
        hillslope = {
            name: value * (SECONDS_PER_HOUR if name.endswith("delay") else 1.0) for name, value in given.items()
        }
        times: dict[str, Any] = {"velocity": velocity, "diffusivity": diffusivity, "hillslope": _both_kinds(hillslope)}
        return respond(river, SECONDS_PER_DAY, runoff, baseflow, **times, tail=_TAIL)

    def flows(
        self,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"],
        routing: Float[np.ndarray, "basin parameter"] | None = None,
    ) -> Float[np.ndarray, "gauge time"]:
        """Daily flow at all gauges from runoff and baseflow of all cells of the model."""
        found = np.zeros((len(self.gauge_names), runoff.shape[1]))
        for basin, (cells, gauges) in enumerate(zip(self.cells, self.gauges, strict=True)):
            own = None if routing is None else routing[basin]
            found[gauges] = self.flow(basin, runoff[cells], baseflow[cells], own)
        return found


def with_routing(network: Network, values: dict[str, float]) -> Network:
    """The same river with other times of travel in all of its cells; delays in hours, velocity by its power law.

    Where no ``baseflow_...`` is given, the hillslope of surface runoff is that of baseflow, too.
    """
    n, slope, one = network.n_cell, network.hillslope, dict(values)
    velocity = reach_velocity(network, one.pop("velocity", None), one.pop("velocity_exponent", None))
    given = {
        name: np.full(n, value * (SECONDS_PER_HOUR if name.endswith("delay") else 1.0)) for name, value in one.items()
    }
    diffusivity = given.pop("diffusivity", network.diffusivity)
    return network.with_times(replace(slope, **_both_kinds(given)), velocity=velocity, diffusivity=diffusivity)


def _both_kinds(given: dict[str, Any]) -> dict[str, Any]:
    """The hillslope of surface runoff is that of baseflow too, where none of ``baseflow_...`` is given."""
    if any(name.startswith("baseflow") for name in given):
        return given
    return given | {name.replace("runoff", "baseflow"): given[name] for name in given if name.startswith("runoff")}


def _joined(network: Network) -> Int[np.ndarray, " gauge"]:
    """Number of the basin each gauge belongs to: gauges that share a cell have one."""
    n = len(network.gauges)
    if not n:
        raise DataError(f"{network.source}: no gauges; put some on it with 'paraformer network make --gauges'")
    pairs, first = network.pairs, np.full(network.n_cell, -1)
    group = np.arange(n)
    for cell, gauge in zip(pairs.source.tolist(), pairs.gauge.tolist(), strict=True):
        if first[cell] < 0:
            first[cell] = gauge
        elif group[first[cell]] != group[gauge]:
            group[group == group[gauge]] = group[first[cell]]
    return np.unique(group, return_inverse=True)[1]


def _part(network: Network, cells: np.ndarray, gauges: np.ndarray) -> Network:
    """The river of one basin."""
    place = np.full(network.n_cell + 1, -1)
    place[cells] = np.arange(len(cells))
    slope, own, pairs = network.hillslope, network.gauges, network.pairs
    names = tuple(own.names[gauge] for gauge in gauges)
    part = replace(
        network,
        cells=network.cells[cells],
        lat=network.lat[cells],
        lon=network.lon[cells],
        downstream=place[network.downstream[cells]],  # -1 finds the last place, which is -1
        length=network.length[cells],
        area=network.area[cells],
        velocity=network.velocity[cells],
        diffusivity=network.diffusivity[cells],
        hillslope=Hillslope(*(getattr(slope, name)[cells] for name in Hillslope.__dataclass_fields__)),
        gauges=Gauges(names, own.lat[gauges], own.lon[gauges], place[own.cell[gauges]], own.reported_area[gauges]),
        fraction=np.ones(int(np.isin(pairs.gauge, gauges).sum())),
    )
    here = np.isin(pairs.gauge, gauges)
    known = pairs.gauge[here] * network.n_cell + pairs.source[here]
    order = np.argsort(known)
    wanted = gauges[part.pairs.gauge] * network.n_cell + cells[part.pairs.source]
    return part.with_fraction(network.fraction[here][order[np.searchsorted(known[order], wanted)]])


def _value(network: Network, name: str) -> float:
    """A learned parameter as a network has it; a delay of 0, which has no logarithm, begins at a day."""
    if name in ("velocity", "diffusivity"):
        return float(getattr(network, name).mean())
    if name == "velocity_exponent":
        return 0.0
    found = float(getattr(network.hillslope, name).mean())
    return (found / SECONDS_PER_HOUR or 24.0) if name.endswith("delay") else found
