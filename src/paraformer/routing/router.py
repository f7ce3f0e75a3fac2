"""Routers: what drivers, learners and searches are handed (``core.contracts.Router``)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.contracts import Routed
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.physics import MM_PER_M, SECONDS_PER_DAY
from paraformer.numerics.composition import composed_hydrographs
from paraformer.numerics.routing import Pairs, Response, advance, cell_weights, convolve, path_sums, under_way
from paraformer.numerics.unit_hydrograph import TAIL, TravelTimes, Window, unit_hydrographs, windows
from paraformer.routing.lohmann import lohmann_response
from paraformer.routing.network import Network
from paraformer.routing.rvic import ParameterFile, response_of

if TYPE_CHECKING:  # routing alone needs no torch, which takes seconds to load
    from torch import Tensor

logger = logging.getLogger(__name__)
Method = Literal["exact", "composed", "lohmann", "lohmann_2015"]
TIMING = {
    "lohmann": "as the Lohmann program's current code does, water arrives 1 hour early for every cell on its way and "
    "nothing is slower than 48 hours a cell or 96 days a path: a velocity calibrated with it is no physical one and "
    "does not hold on another grid",
    "lohmann_2015": "as the Lohmann program did before 2016, kernels are sampled by the hour (right above "
    "about 2 hours a cell) and nothing is slower than 48 hours a cell or 96 days a path",
    "rvic": "as RVIC does, water arrives 1 step of the box early for every cell on its way and half an output step "
    "early at the outlet: a velocity calibrated with it is no physical one and does not hold on another grid",
}
"""What a warning says about the timing of the programs that are repeated."""


class LinearRouter:
    """Unit hydrographs of pairs, applied to runoff and baseflow together or each with its own.

    Args:
        gauges: names.
        outlets: cell of each gauge.
        n_cells: of the model.
        step: routing step [s].
        pairs: cells and gauges.
        runoff: response to surface runoff.
        baseflow: response to baseflow, if it is another one.
        lags: steps of the ring of future flow; as many as the responses need by default.
        scale: flow at each gauge for 1 in the unit of the responses [m3 s-1]; 1 by default, for responses in m3 s-1.
    """

    def __init__(
        self,
        gauges: tuple[str, ...],
        outlets: Int[np.ndarray, " gauge"],
        n_cells: int,
        step: float,
        pairs: Pairs,
        runoff: Response,
        baseflow: Response | None = None,
        lags: int = 0,
        scale: Float[np.ndarray, " gauge"] | None = None,
    ) -> None:
        self.gauges, self.outlets, self.n_cells, self.step, self.pairs = gauges, outlets, n_cells, step, pairs
        self.responses = (runoff,) if baseflow is None else (runoff, baseflow)
        self.scale = np.ones(len(gauges)) if scale is None else scale
        self.lags = max(lags, *(response.window.longest for response in self.responses))

    def route(
        self,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"] | None,
        coming: Float[np.ndarray, "gauge lag"] | None = None,
    ) -> Routed:
        """Discharge at the gauges; see ``core.contracts.Router``."""
        waters = self._waters(runoff, baseflow)
        flow, later = np.zeros((len(self.gauges), waters[0].shape[1])), np.zeros((len(self.gauges), self.lags))
        for water, response in zip(waters, self.responses, strict=True):
            flow += convolve(water, self.pairs, response)
            rest = under_way(water, self.pairs, response)
            later[:, : rest.shape[1]] += rest
        if coming is not None:
            both = np.concatenate([flow, later], axis=1)
            both[:, : self.lags] += coming
            flow, later = both[:, : flow.shape[1]], both[:, flow.shape[1] :]
        return Routed(flow * self.scale[:, None], later)

    def advance(
        self,
        runoff: Float[np.ndarray, "cell time"],
        baseflow: Float[np.ndarray, "cell time"] | None,
        coming: Float[np.ndarray, "gauge lag"],
    ) -> Routed:
        """As ``route``, a step after the other: pieces of a run give the bits of the whole."""
        waters = self._waters(runoff, baseflow)
        flow, later = advance(waters, coming, self.pairs, self.responses)
        return Routed(flow * self.scale[:, None], later)

    def cell_weights(self) -> tuple[Float[np.ndarray, " cell"], ...]:
        """Flow at all gauges together for 1 mm a step of each cell, of surface runoff and, if apart, of baseflow."""
        source, scale = self.pairs.source, self.scale[self.pairs.gauge]
        return tuple(
            np.bincount(source, scale * response.weight * response.ordinates.sum(axis=1), minlength=self.n_cells)
            for response in self.responses
        )

    def _waters(self, runoff: np.ndarray, baseflow: np.ndarray | None) -> tuple[np.ndarray, ...]:
        if runoff.shape[0] != self.n_cells:
            raise DataError(f"runoff of {runoff.shape[0]} cells, expected {self.n_cells}")
        if baseflow is None:
            return (runoff,) if len(self.responses) == 1 else (runoff, np.zeros_like(runoff))
        return (runoff + baseflow,) if len(self.responses) == 1 else (runoff, baseflow)


def network_router(
    network: Network, step: float, *, method: Method = "exact", tail: float = TAIL, quiet: bool = False
) -> LinearRouter:
    """Router of a network.

    Args:
        network: river with gauges.
        step: routing step [s].
        method: exact mathematics: ``exact`` by mean and variance of the path, ``composed`` without that approximation
            where velocities change along it, at many times the cost; or a program repeated, which a warning tells.
        tail: share of a pair's water whose time may be moved to the ends of its unit hydrograph.
        quiet: no warning.

    Raises:
        SettingsError: a program's method without its box, or at another step than its own.
        DataError: a network without gauges.
    """
    if not len(network.gauges):
        raise DataError(f"{network.source}: no gauges; put some on it with 'paraformer network make --gauges'")
    if method not in get_args(Method):
        raise SettingsError(f"method '{method}' is not one of {', '.join(get_args(Method))}")
    gauges, outlets = network.gauges.names, network.gauges.cell
    if method == "lohmann" or method == "lohmann_2015":
        if step != SECONDS_PER_DAY:
            raise SettingsError(f"method {method} routes days, found a step of {step:g} s")
        if network.box is None:
            raise SettingsError(f"method {method} needs the program's box: 'paraformer network make --box FILE'")
        if not quiet:
            logger.warning("%s", TIMING[method])
        response = lohmann_response(network, network.box, method)
        return LinearRouter(gauges, outlets, network.n_cell, step, network.pairs, response)
    kinds = ("runoff",) if network.hillslope.alike else ("runoff", "baseflow")
    responses = [exact_response(network, step, kind, tail, composed=method == "composed") for kind in kinds]
    baseflow = responses[1] if len(responses) > 1 else None
    return LinearRouter(gauges, outlets, network.n_cell, step, network.pairs, responses[0], baseflow)


def travel_times(network: Network, kind: str) -> TravelTimes:
    """Times of travel of the pairs of a network; ``kind`` is ``runoff`` or ``baseflow``."""
    x, v, d, pairs = network.length, network.velocity, network.diffusivity, network.pairs
    shape, delay = (getattr(network.hillslope, f"{kind}_{part}") for part in ("shape", "delay"))
    return TravelTimes(
        path_sums(x / v, pairs),
        path_sums(2 * d * x / v**3, pairs),
        shape[pairs.source],
        (delay / shape)[pairs.source],
    )


def exact_response(network: Network, step: float, kind: str, tail: float = TAIL, *, composed: bool = False) -> Response:
    """Exact response of a network; the steps of a box, if there is one, come on top."""
    times = travel_times(network, kind)
    window = windows(times, step, tail)
    if composed:
        river = network.length, network.velocity, network.diffusivity, network.pairs
        ordinates = composed_hydrographs(*river, times.shape, times.scale, step, window.longest)
        n, n_lag = ordinates.shape
        window = Window(np.zeros(n, np.int64), np.full(n, n_lag))
    else:
        ordinates = unit_hydrographs(times, step, window)
    weight = cell_weights(network.pairs, network.area, network.fraction, step)
    if network.box is None:
        return Response(ordinates, window, weight)
    box = network.box / network.box.sum()
    spread = np.zeros((len(ordinates), ordinates.shape[1] + len(box) - 1))
    for lag, share in enumerate(box):
        spread[:, lag : lag + ordinates.shape[1]] += share * ordinates
    return Response(spread, Window(window.offset, window.length + len(box) - 1), weight)


def parameter_router(
    file: ParameterFile,
    lat: Float[np.ndarray, " cell"],
    lon: Float[np.ndarray, " cell"],
    area: Float[np.ndarray, " cell"],
    *,
    source: str,
) -> LinearRouter:
    """Router of an RVIC parameter file on the cells of a model (``rvic.response_of``)."""
    pairs, response, outlets = response_of(file, lat, lon, area, source=source)
    scale = area[outlets] / (MM_PER_M * file.step)
    return LinearRouter(
        file.outlet_names, outlets, len(lat), file.step, pairs, response, lags=file.full_length, scale=scale
    )


def respond(
    network: Network,
    step: float,
    runoff: Tensor,
    baseflow: Tensor,
    *,
    velocity: Tensor | None = None,
    diffusivity: Tensor | None = None,
    hillslope: dict[str, Tensor] | None = None,
    tail: float = TAIL,
) -> Tensor:
    """Discharge of a network in torch, with gradients to runoff, baseflow and what is given of the river.

    Args:
        network: river with gauges.
        step: routing step [s].
        runoff, baseflow: of the cells [mm a step] [cell, time].
        velocity, diffusivity: of the cells; those of the network by default [cell].
        hillslope: fields of ``Hillslope`` that are learned [cell].
        tail: as ``network_router``.

    Returns:
        [gauge, time] [m3 s-1].
    """
    import torch

    from paraformer.numerics.routing_torch import convolve_of, path_sums_of, unit_hydrographs_of

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(runoff)

    v = tensor(network.velocity) if velocity is None else velocity
    d = tensor(network.diffusivity) if diffusivity is None else diffusivity
    x, pairs = tensor(network.length), network.pairs
    mean, variance = path_sums_of(x / v, pairs), path_sums_of(2 * d * x / v**3, pairs)
    weight = cell_weights(pairs, network.area, network.fraction, step)
    source = torch.from_numpy(pairs.source).to(runoff.device)
    learned, slope = hillslope or {}, network.hillslope
    given = {name: learned.get(name, tensor(getattr(slope, name))) for name in slope.__dataclass_fields__}
    shared = [learned.get(f"runoff_{part}") is learned.get(f"baseflow_{part}") for part in ("delay", "shape")]
    whole = {"runoff_delay", "runoff_shape"} <= set(learned) or slope.alike
    flow = tensor(np.zeros(1))
    waters = [("runoff", runoff), ("baseflow", baseflow)]
    if all(shared) and whole:  # one hillslope for both waters
        waters = [("runoff", runoff + baseflow)]
    for kind, water in waters:
        shape = given[f"{kind}_shape"][source]
        scale = given[f"{kind}_delay"][source] / shape
        times = TravelTimes(*(part.detach().double().cpu().numpy() for part in (mean, variance, shape, scale)))
        window = windows(times, step, tail)
        ordinates = unit_hydrographs_of(mean, variance, shape, scale, step, window)
        flow = flow + convolve_of(water, ordinates, pairs, window, weight)
    return flow
