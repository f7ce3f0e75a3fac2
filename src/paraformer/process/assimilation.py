"""Soil moisture of a satellite in VIC's state: an ensemble Kalman filter, day by day through VIC's exact restart.

Every cell has members of its own, which differ by precipitation, radiation and an error of soil moisture. After each
day the members whose cell was observed are updated: an observation of layer 1 moves all layers of all columns by their
covariance with it (``numerics.kalman_filter``). Moisture stays between residual and maximum; the water that update
and error bring or take is counted, for VIC's own balance closes around them.

What model and satellite differ by for days on end (a season of the retrieval, roots the model lacks) is no water that
the soil lacks. Each member carries it as an *offset* of its own, which fades as a first-order autoregression and is
updated with the moisture (state augmentation, as for a bias: Dee & da Silva 1998, doi 10.1002/qj.49712454512).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress
from paraformer.core.seeding import generator
from paraformer.core.vic_variables import VIC_FORCING
from paraformer.numerics.kalman_filter import expected, update
from paraformer.numerics.observe import Line, observe
from paraformer.process.vic.constants import MM_PER_M
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.model import VIC
from paraformer.process.vic.parameters import apply_theta, residual_fraction
from paraformer.process.vic.simulate import simulate
from paraformer.process.vic.state import State, cold_start

_LAYERS = np.array([1.0, 0.5, 0.0])
"""The error of moisture in each layer: layer 3 has that of what drains into it."""


class Errors(NamedTuple):
    """Standard deviations of what the members do not know alike, and of the observation's error.

    Attributes:
        precipitation: of the logarithm of a day's factor on precipitation, whose mean over members is 1.
        radiation: the same of short-wave radiation.
        moisture: of the water that a day adds to layer 1, and half as much to layer 2, over the thickness of layer 1
            [m3 m-3] [cell].
        offset: of the offset [m3 m-3] [cell].
        memory: days in which the offset fades to 1/e [cell].
        observation: of the observation [m3 m-3] [cell], above 0.
    """

    precipitation: float
    radiation: float
    moisture: Float[np.ndarray, " cell"]
    offset: Float[np.ndarray, " cell"]
    memory: Float[np.ndarray, " cell"]
    observation: Float[np.ndarray, " cell"]


class Members(NamedTuple):
    """The ensemble at the start of a day: all that a filter goes on from.

    Attributes:
        day: position of the day among the model's.
        state: [cell, member, column].
        offset: observed less simulated moisture that lasts [m3 m-3].
    """

    day: int
    state: State
    offset: Float[np.ndarray, "cell member"]


class Filtered(NamedTuple):
    """A run of the filter.

    Attributes:
        forecast: of the day's observation, before it is used: mean over members [m3 m-3].
        variance: expected of observation less forecast [m6 m-6].
        moisture: layer 1 after the update, mean over members [m3 m-3].
        increment: water that the update adds to each layer, mean over members [mm].
        noise: water that the error of moisture adds, mean over members [mm].
        balance: largest error of VIC's own water balance in any step [mm].
    """

    forecast: Float[np.ndarray, "cell day"]
    variance: Float[np.ndarray, "cell day"]
    moisture: Float[np.ndarray, "cell day"]
    increment: Float[np.ndarray, "cell day layer"]
    noise: Float[np.ndarray, "cell day layer"]
    balance: Float[np.ndarray, " cell"]


class Soil(NamedTuple):
    """What an update has to know of the soil of each cell with its θ."""

    least: Float[np.ndarray, "cell layer"]  # residual moisture [mm]
    most: Float[np.ndarray, "cell layer"]  # maximum moisture, depth times porosity [mm]
    thickness: Float[np.ndarray, " cell"]  # of layer 1 [mm]
    weight: Float[np.ndarray, "cell column"]  # of the columns [1]

    @classmethod
    def of(cls, model: VIC, theta: Float[np.ndarray, "cell parameter"] | None) -> Soil:
        """Of a model's cells with their θ."""
        parameters = model.cell_parameters
        sets, names = (None, ()) if theta is None else (theta[:, None], model.parameters.names)
        found = apply_theta(parameters, sets, names)[:, 0]
        depth = MM_PER_M * np.stack([found[f"depth_{layer}"] for layer in (1, 2, 3)], axis=1)
        porosity = 1.0 - parameters.bulk_density / parameters.soil_density
        return cls(residual_fraction(parameters) * depth, depth * porosity, depth[:, 0], parameters.column_weight())

    def volumetric(self, state: State) -> Float[np.ndarray, "cell member"]:
        """Moisture of layer 1 of each cell, as VIC's output has it [m3 m-3]."""
        water = np.zeros(state.shape[:2])
        for column in range(state.shape[2]):  # one by one, as VIC adds them
            water += self.weight[:, None, column] * state["moisture"][:, :, column, 0]
        return water / self.thickness[:, None]

    def add(self, state: State, water: Float[np.ndarray, "cell member column layer"]) -> tuple[State, np.ndarray]:
        """The state with water added as far as the soil holds it, and what was added, mean over columns and members.

        Where nothing is to be added, the bits stay.

        Args:
            water: [mm].
        """
        least, most = (limit[:, None, None, :] for limit in (self.least, self.most))
        before, after = state["moisture"], state.copy()
        after["moisture"] = np.where(water == 0.0, before, np.clip(before + water, least, most))
        added = np.einsum("cmkl,ck->cml", after["moisture"] - before, self.weight)
        return after, added.mean(axis=1)


class Filter:
    """An ensemble Kalman filter of all cells of a VIC.

    Args:
        model: VIC on the cells and days.
        theta: physical values; ``None`` for the a-priori parameters as they are.
        line: from simulated to observed moisture.
        errors: of forcing, model and observation.
        members: of each cell.
        seed: root seed; what a member draws depends on it, the cell's identifier and the day alone.

    Raises:
        SettingsError: if there are fewer than three members.
    """

    def __init__(
        self,
        model: VIC,
        theta: Float[np.ndarray, "cell parameter"] | None,
        line: Line,
        errors: Errors,
        *,
        members: int = 24,
        seed: int = 0,
    ) -> None:
        if members < 3:
            raise SettingsError(f"members: {members}; a covariance needs at least 3")
        self.model, self.line, self.errors, self.members, self.seed = model, line, errors, members, seed
        self.soil = Soil.of(model, theta)
        self._theta = None if theta is None else theta[:, None]
        self._names = () if theta is None else model.parameters.names
        self._each = np.repeat(np.arange(model.n_cells), members)
        self._parameters = model.cell_parameters.select(self._each)

    def start(self) -> Members:
        """Members all alike, on the first day: the state after the model's spin-up."""
        model = self.model
        state = cold_start(model.cell_parameters) if model.initial_state is None else model.initial_state
        days = model.forcing.select_days(0, model.spin_up_days)
        for _ in range(model.spin_up_cycles if model.spin_up_days else 0):
            state = self._simulated(days, state, self._theta, alone=True)[0]
        return Members(0, np.repeat(state, self.members, axis=1), np.zeros((model.n_cells, self.members)))

    def run(
        self,
        members: Members,
        observed: Float[np.ndarray, "cell time"],
        mask: Bool[np.ndarray, "cell time"],
        stop: int,
        progress: Progress | None = None,
        name: str = "filter",
    ) -> tuple[Filtered, Members]:
        """Days from where the members stand to before ``stop``; a run in two parts has the bits of one.

        Args:
            observed: on the model's days [m3 m-3]; ignored, NaN included, where ``mask`` is False.
            stop: later than the members' day.
            name: of the run, in the progress.
        """
        found, days = [], range(members.day, stop)
        with (progress or Progress()).task(name, len(days), unit="days") as advance:
            for day in days:
                one, members = self._day(members, observed[:, day], mask[:, day])
                found.append(one)
                advance()
        forecast, variance, moisture, increment, noise, balance = (
            np.stack(each, axis=1) for each in zip(*found, strict=True)
        )
        return Filtered(forecast, variance, moisture, increment, noise, balance.max(axis=1)), members

    def _day(
        self, members: Members, observed: Float[np.ndarray, " cell"], mask: Bool[np.ndarray, " cell"]
    ) -> tuple[tuple[np.ndarray, ...], Members]:
        """A day of VIC, and the update at its end."""
        errors, soil, shape = self.errors, self.soil, (self.model.n_cells, self.members, -1)
        draws = self._draws(members.day)
        theta = None if self._theta is None else self._theta[self._each]
        forcing = self._perturbed(members.day, draws)
        flat, balance = self._simulated(forcing, members.state.reshape(len(self._each), 1, -1), theta)
        state = flat.reshape(shape)
        wet = (errors.moisture * soil.thickness)[:, None, None] * _LAYERS * draws[..., 2:5]
        state, noise = soil.add(state, np.broadcast_to(wet[:, :, None], state["moisture"].shape))
        kept = np.exp(-1 / errors.memory)[:, None]
        fresh = errors.offset[:, None] * np.sqrt(1 - kept**2) * draws[..., 5]
        offset = kept * members.offset + fresh

        predicted = observe(soil.volumetric(state), self.line) + offset
        error = errors.observation**2
        mean, variance = expected(predicted, error)
        every = np.concatenate([state["moisture"].reshape(shape), offset[..., None]], axis=2)
        change = update(every, predicted, observed, error, mask)
        state, increment = soil.add(state, change[..., :-1].reshape(state["moisture"].shape))
        after = Members(members.day + 1, state, offset + change[..., -1])
        moisture = soil.volumetric(state).mean(axis=1)
        return (mean, variance, moisture, increment, noise, balance.reshape(shape).max(axis=(1, 2))), after

    def _draws(self, day: int) -> Float[np.ndarray, "cell member number"]:
        """Normal numbers of every member, mean 0 over members: precipitation, radiation, three layers, offset."""
        cells, place = np.unique(self.model.cell_parameters.cell, return_inverse=True)
        streams = (generator(self.seed, "assimilation", int(cell), day) for cell in cells)
        drawn = np.stack([stream.standard_normal((self.members, 6)) for stream in streams])
        return (drawn - drawn.mean(axis=1, keepdims=True))[place]

    def _perturbed(self, day: int, draws: Float[np.ndarray, "cell member number"]) -> Forcing:
        forcing = self.model.forcing.select_days(day, day + 1).select(self._each)
        changed = {}
        for name, std, normal in (
            ("prcp", self.errors.precipitation, draws[..., 0]),
            ("swdown", self.errors.radiation, draws[..., 1]),
        ):
            factor = np.exp(std * normal)
            factor = (factor / factor.mean(axis=1, keepdims=True)).reshape(-1, 1)
            changed[name] = np.minimum(getattr(forcing, name) * factor, VIC_FORCING[name].valid[1])
        return forcing._replace(**changed)

    def _simulated(
        self, forcing: Forcing, state: State, theta: Float[np.ndarray, "cell set parameter"] | None, alone: bool = False
    ) -> tuple[State, Float[np.ndarray, " cell"]]:
        """State at the end, and the largest error of the water balance; of the members, or of the cells alone."""
        found = simulate(
            self.model.cell_parameters if alone else self._parameters,
            forcing,
            self.model.settings,
            theta=theta,
            theta_names=self._names,
            initial_state=state,
            outputs=(),
            threads=self.model.threads,
            return_state=True,
        )
        assert found.state is not None
        return found.state, found.max_abs_water_error[:, 0]
