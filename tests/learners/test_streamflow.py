"""Flow at gauges as a target of learners: θ and velocity across basins, basins whole in a batch, what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from paraformer.core.contracts import CalibrationData, DifferentiableModel, GaugedFlow
from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.core.parameters import ROUTING_PARAMETERS, Parameter, ParameterSpace
from paraformer.data.views import learned_from
from paraformer.learners.config import LearnerConfig
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.networks import ParameterMap
from paraformer.learners.seen import Seen, fingerprint
from paraformer.learners.task import LearnTask
from paraformer.routing.basins import RiverBasins
from paraformer.routing.network import Gauges, Network, no_gauges, no_hillslope

SPACE = ParameterSpace(
    (
        Parameter(name="evaporated", lower=0.1, upper=0.9, meaning="share of the rain that never runs off"),
        Parameter(name="slow", lower=0.1, upper=0.9, meaning="share of the rest that is baseflow"),
    )
)
ROUTING = ParameterSpace([ROUTING_PARAMETERS["velocity"]])
BASINS, FIRST, DAYS = 9, 30, 120
CELLS = 2 * BASINS + 2
"""Basins of two cells, one above the other, and two cells of no basin."""


class Shares(DifferentiableModel):
    """Rain in shares: evaporated, at once, and slowly (a mean of the last eight days)."""

    differentiable, parameters = True, SPACE
    outputs = ("soil_moisture", "runoff", "baseflow")

    def __init__(self) -> None:
        self.time, self.runs = np.datetime64("2001-01-01") + np.arange(FIRST + DAYS), 0
        random = np.random.default_rng(0)
        rain = random.exponential(9.0, (CELLS, FIRST + DAYS)) * (random.random((CELLS, FIRST + DAYS)) < 0.3)
        slow = np.stack([rain[:, max(0, day - 7) : day + 1].sum(axis=1) / 8 for day in range(FIRST + DAYS)], axis=1)
        self.rain, self.slow = (torch.as_tensor(each, dtype=torch.float32) for each in (rain, slow))

    @property
    def n_cells(self) -> int:
        return CELLS

    def respond(
        self, u: torch.Tensor, cells: torch.Tensor, start: int, length: int, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, torch.Tensor]:
        days = slice(start, start + length)
        left, slow = 1 - (0.1 + 0.8 * u[:, :1]), 0.1 + 0.8 * u[:, 1:]
        found = {
            "soil_moisture": 0.1 + 0.3 * u[:, :1] + 0 * self.rain[cells, days],
            "runoff": left * (1 - slow) * self.rain[cells, days],
            "baseflow": left * slow * self.slow[cells, days],
        }
        return {name: found[name] for name in outputs}


def network() -> Network:
    n = CELLS
    below = np.full(n, -1)
    below[0 : 2 * BASINS : 2] = np.arange(1, 2 * BASINS, 2)
    bare = Network(
        cells=np.arange(n),
        lat=np.linspace(40, 50, n),
        lon=np.linspace(5, 15, n),
        downstream=below,
        length=np.where(below >= 0, 90e3, 0.0),
        area=np.full(n, 2e8),
        velocity=np.full(n, 1.0),
        diffusivity=np.full(n, 800.0),
        hillslope=no_hillslope(n),
        gauges=no_gauges(),
        fraction=np.empty(0),
    )
    outlets = np.arange(1, 2 * BASINS, 2)
    names = tuple(f"g{i}" for i in range(BASINS))
    return bare.with_gauges(Gauges(names, bare.lat[outlets], bare.lon[outlets], outlets, np.full(BASINS, np.nan)))


def true_u(attributes: np.ndarray) -> np.ndarray:
    return np.clip(0.5 + 0.25 * attributes[:, :2], 0, 1)


def true_velocity(attributes: np.ndarray) -> np.ndarray:
    return ROUTING.from_unit(0.45 + 0.15 * attributes[:, 2:])


def twin() -> CalibrationData:
    """Flow that true θ and velocities explain, all by attributes; the last two basins are unseen."""
    random, model = np.random.default_rng(1), Shares()
    attributes = np.repeat(random.uniform(-1, 1, (BASINS + 1, 3)), 2, axis=0)
    basins = RiverBasins(network(), ROUTING)
    u = torch.as_tensor(true_u(attributes)).float()
    water = model.respond(u, torch.arange(CELLS), 0, FIRST + DAYS, model.outputs)
    runoff, baseflow = (water[name].double().numpy() for name in ("runoff", "baseflow"))
    flow = basins.flows(runoff, baseflow, true_velocity(attributes[: 2 * BASINS : 2]))[:, FIRST:]
    mask = np.random.default_rng(2).random(flow.shape) < 0.9
    trained = np.arange(CELLS) < 2 * (BASINS - 2)
    mask &= trained[1 : 2 * BASINS : 2, None]
    nothing = np.zeros((CELLS, DAYS))
    return CalibrationData(
        cells=np.arange(CELLS),
        time=model.time[FIRST:],
        attributes=attributes,
        attribute_names=("a", "b", "c"),
        forcing=np.zeros((CELLS, DAYS, 7)),
        observed=nothing,
        mask=nothing > 0,
        trained=trained,
        prior=SPACE.from_unit(np.full((CELLS, 2), 0.5)),
        first_day=FIRST,
        history=nothing,
        history_mask=nothing > 0,
        streamflow=GaugedFlow(basins, np.where(mask, flow, 0.0), mask),
    )


def config(**changes: Any) -> LearnerConfig:
    given: dict[str, Any] = {
        "network": {"name": "ffn_a", "hidden": 16, "layers": 1, "dropout": 0.0},
        "loss": {"prior_weight": 0.0},
        "targets": {"soil_moisture": 0, "streamflow": {"min_days": 30}},
        "training": {"steps": 120, "optimiser": {"rate": 0.01}},
    }
    return LearnerConfig.model_validate({**given, **changes})


def task_of(settings: LearnerConfig, data: CalibrationData) -> LearnTask:
    seen = Seen.of(settings, data, SPACE)
    torch.manual_seed(0)
    net = ParameterMap(settings, 3, len(SPACE) + len(seen.routing_start))
    return LearnTask(net, settings, Shares(), seen, 0)


@pytest.mark.parametrize("score", ["nse", pytest.param("kge", marks=pytest.mark.long)])
def test_theta_and_velocity_are_found_and_carry_over_to_basins_without_a_gauge(tmp_path: Path, score: str) -> None:
    """Nearly exact where gauges are; in the two basins without, nearer than the prior in all three."""
    data = twin()
    learner = Learner(config(targets={"soil_moisture": 0, "streamflow": {"min_days": 30, "score": score}}))
    found = learner.calibrate(Shares(), data, seed=0, directory=tmp_path, progress=Progress())
    assert found.routing is not None
    assert found.routing.shape == (BASINS, 1)
    assert data.streamflow is not None

    def errors(theta: np.ndarray, routing: np.ndarray, basins: slice) -> np.ndarray:
        """Mean distance from the truth in unit coordinates: of both parameters, and of velocity."""
        cells = slice(2 * (basins.start or 0), 2 * basins.stop)
        off = np.abs(SPACE.to_unit(theta) - true_u(data.attributes))[cells].mean(axis=0)
        true = true_velocity(data.attributes[: 2 * BASINS : 2])
        return np.append(off, np.abs(ROUTING.to_unit(routing) - ROUTING.to_unit(true))[basins].mean())

    begun = data.prior, data.streamflow.basins.prior()
    for basins, share in ((slice(0, BASINS - 2), 0.05), (slice(BASINS - 2, BASINS), 0.8)):
        assert (errors(found.theta, found.routing, basins) < share * errors(*begun, basins)).all()
    again = LearnedMap.load(tmp_path, SPACE)
    assert again.routing == ROUTING
    np.testing.assert_array_equal(again.predict(data.attributes, data.prior, data.attribute_names), found.theta)


def test_a_batch_holds_whole_basins() -> None:
    task = task_of(config(cells_per_batch=5), twin())
    for step in range(20):
        cells = task.draw(step).cells
        assert len(cells) == 4
        assert np.array_equal(cells[::2] + 1, cells[1::2])
    assert set(np.concatenate([task.draw(step).cells for step in range(20)])) == set(range(2 * (BASINS - 2)))


def test_the_loss_is_the_mean_distance_of_gauges() -> None:
    """With the a-priori θ: the root of 1 - NSE of each gauge, run from before the training period."""
    data = twin()
    task = task_of(config(), data)
    basins, flow = data.streamflow.basins, data.streamflow  # type: ignore[union-attr]
    water = Shares().respond(torch.full((CELLS, 2), 0.5), torch.arange(CELLS), 0, FIRST + DAYS, Shares.outputs)
    runoff, baseflow = (water[name].double().numpy() for name in ("runoff", "baseflow"))
    simulated = basins.flows(runoff, baseflow, basins.prior())[:, FIRST:]  # type: ignore[attr-defined]
    expected = []
    for s, o, m in zip(simulated, flow.observed, flow.mask, strict=True):
        if m.any():
            expected.append(np.sqrt(((s - o)[m] ** 2).sum() / ((o[m] - o[m].mean()) ** 2).sum()))
    assert float(task.loss(task.network, 0, 0)) == pytest.approx(np.mean(expected), rel=1e-4)
    assert "soil_moisture" not in task.outputs


def test_soil_moisture_counts_beside_flow() -> None:
    data, random = twin(), np.random.default_rng(3)
    observed = np.where(data.trained[:, None], 0.3 + 0.05 * random.normal(size=data.observed.shape), 0.0)
    both = replace(data, observed=observed, mask=np.broadcast_to(data.trained[:, None], observed.shape))
    dry = task_of(config(), twin())
    wet = task_of(config(targets={"soil_moisture": 2.0, "streamflow": {"min_days": 30}}), both)
    spread = observed[both.mask].std()
    moisture = np.sqrt(((0.25 - observed[both.mask]) ** 2).mean())
    alone = float(dry.loss(dry.network, 0, 0))
    assert float(wet.loss(wet.network, 0, 0)) == pytest.approx(2 * moisture + spread * alone, rel=1e-4)


def test_flow_of_basins_kept_aside_reaches_no_weight() -> None:
    data = twin()
    some = np.arange(CELLS) < 8
    less = learned_from(data, some)
    flow = less.streamflow
    assert flow is not None
    assert flow.mask[:4].any(axis=1).all()
    assert not flow.mask[4:].any()
    cut = learned_from(data, np.arange(CELLS) < 7)
    assert cut.streamflow is not None
    assert not cut.streamflow.mask[3].any(), "a basin with a cell that is kept aside"
    assert fingerprint(config(), less) != fingerprint(config(), data)
    with pytest.raises(DataError, match="no gauge of trained cells has 30 observed days"):
        Seen.of(config(), learned_from(data, np.zeros(CELLS, bool)), SPACE)
    with pytest.raises(DataError, match="hold no flow at gauges"):
        Seen.of(config(), replace(data, streamflow=None), SPACE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"window": 60}, "of the whole training period"),
        (
            {"network": {"name": "lstm_z", "history_days": 30}, "windows_per_batch": 2},
            "'windows_per_batch' does not apply to targets.streamflow",
        ),
    ],
)
def test_settings_that_do_not_go_with_flow_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        config(**changes)
