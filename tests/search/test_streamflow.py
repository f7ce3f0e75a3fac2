"""Search of streamflow: θ and velocity found again, gradients, nested gauges, and the same end after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from paraformer.core.contracts import CalibrationData, ForwardModel, GaugedFlow
from paraformer.core.errors import DataError, ModelError
from paraformer.core.log import Progress
from paraformer.core.parameters import ROUTING_PARAMETERS, Parameter, ParameterSpace
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.routing.basins import RiverBasins
from paraformer.search.config import LevenbergConfig, SCEUAConfig
from paraformer.search.search import Search, SearchResult
from paraformer.search.state import Stop
from paraformer.search.streamflow import FlowMisfit, FlowResiduals
from routing.test_basins import river
from training.killing import KillAt, Killed

SPACE = ParameterSpace(
    (
        Parameter(name="share", lower=0.1, upper=0.9, meaning="of the water that runs off at once"),
        Parameter(name="residence", lower=2.0, upper=40.0, unit="day", transform="log", meaning="of the rest"),
    )
)
CELLS, FIRST, LENGTH = 7, 20, 100
TIME = np.datetime64("2001-01-01") + np.arange(FIRST + LENGTH + 5)
TRUE = np.array([[0.3, 8.0, 0.5], [0.7, 20.0, 2.5]])
"""θ and velocity of the basins of gauges 3 and 2, and of gauge 5."""


class Reservoir(ForwardModel):
    """Part of the rain runs off, the rest leaves a linear reservoir."""

    differentiable, parameters, outputs = False, SPACE, ("runoff", "baseflow")

    def __init__(self, rain: np.ndarray) -> None:
        self.rain, self.runs = rain, 0

    @property
    def n_cells(self) -> int:
        return len(self.rain)

    def select(self, cells: np.ndarray) -> Reservoir:
        return Reservoir(self.rain[cells])

    def simulate(self, theta: Any, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        share, residence = theta[..., :1], theta[..., 1]
        self.runs += share.size
        rain, kept = self.rain[:, None], np.exp(-1 / residence)
        baseflow, store = np.empty((*residence.shape, rain.shape[-1])), 2.0 * residence
        for day in range(rain.shape[-1]):
            full = store + (1 - share[..., 0]) * rain[..., day]
            store = kept * full
            baseflow[..., day] = full - store
        return {"runoff": share * rain, "baseflow": baseflow}


def model() -> DifferentiableProcess:
    random = np.random.default_rng(0)
    rain = random.exponential(9.0, (CELLS, TIME.size)) * (random.random((CELLS, TIME.size)) < 0.3)
    return DifferentiableProcess(Reservoir(rain), TIME)


def basins(*names: str) -> RiverBasins:
    return RiverBasins(river(3, 5, 2), ParameterSpace(ROUTING_PARAMETERS[name] for name in names or ("velocity",)))


def twin(rivers: RiverBasins | None = None, routing: np.ndarray = TRUE[:, 2:]) -> CalibrationData:
    rivers, theta = rivers or basins(), np.tile([0.5, 10.0], (CELLS, 1))
    for cells, truth in zip(rivers.cells, TRUE, strict=True):
        theta[cells] = truth[:2]
    water = model().simulate(theta[:, None], ("runoff", "baseflow"))
    flow = rivers.flows(water["runoff"][:, 0], water["baseflow"][:, 0], routing)[:, FIRST : FIRST + LENGTH]
    mask = np.random.default_rng(1).random(flow.shape) < 0.8
    nothing = np.zeros((CELLS, LENGTH))
    return CalibrationData(
        cells=np.arange(CELLS) + 10,
        time=TIME[FIRST : FIRST + LENGTH],
        attributes=np.zeros((CELLS, 1)),
        attribute_names=("none",),
        forcing=np.zeros((CELLS, LENGTH, 7)),
        observed=nothing,
        mask=nothing > 0,
        trained=np.ones(CELLS, dtype=bool),
        prior=np.tile([0.5, 10.0], (CELLS, 1)),
        first_day=FIRST,
        history=nothing,
        history_mask=nothing > 0,
        streamflow=GaugedFlow(rivers, np.where(mask, flow, 0.0), mask),
    )


def levenberg(**changes: Any) -> LevenbergConfig:
    given = {"targets": "streamflow", "budget": 120, "flow": {"min_days": 30}, "checkpoint_seconds": 0}
    return LevenbergConfig.model_validate({**given, **changes})


def sceua(**changes: Any) -> SCEUAConfig:
    given = {"targets": "streamflow", "budget": 100, "flow": {"min_days": 30}, "checkpoint_seconds": 0}
    return SCEUAConfig.model_validate({**given, **changes})


def search(config: Any, folder: Path, data: CalibrationData | None = None) -> SearchResult:
    return Search(config).search(model(), data or twin(), seed=3, directory=folder, progress=Progress())


def test_a_basin_begins_at_its_prior_and_its_rivers_times_of_travel() -> None:
    evaluate = FlowResiduals(model(), twin(), np.arange(2), levenberg())
    begin = evaluate.prior()
    np.testing.assert_allclose(begin[:, :2], np.tile(SPACE.to_unit(np.array([0.5, 10.0])), (2, 1)), rtol=1e-12)
    rivers = basins()
    assert rivers.parameters is not None
    velocity = rivers.parameters.to_unit(rivers.prior())
    assert ((velocity > 0.0) & (velocity < 1.0)).all()
    np.testing.assert_array_equal(begin[:, 2:], velocity)


@pytest.mark.parametrize("score", ["kge", "nse"])
def test_levenberg_finds_theta_and_velocity_again(tmp_path: Path, score: str) -> None:
    found = search(levenberg(flow={"min_days": 30, "score": score}, budget=200), tmp_path)
    assert found.routing is not None
    assert (found.cost < 1e-4).all()
    for basin, cells in enumerate(basins().cells):
        np.testing.assert_allclose(found.theta[cells], np.tile(TRUE[basin, :2], (len(cells), 1)), rtol=1e-3)
    np.testing.assert_allclose(found.routing[:, 0], TRUE[:, 2], rtol=5e-3)
    np.testing.assert_array_equal(found.theta[6], [0.5, 10.0])  # in no basin


def test_two_gauges_of_a_basin_give_velocity_and_its_exponent(tmp_path: Path) -> None:
    """Gauge 2 lies inside the basin of gauge 3; the other basin has one gauge and one reach, which say one number."""
    truth = np.array([[0.9, 0.3], [0.9, 0.3]])
    data = twin(basins("velocity", "velocity_exponent"), truth)
    found = search(levenberg(budget=250, flow={"min_days": 30, "score": "nse"}), tmp_path, data)
    assert found.routing is not None
    np.testing.assert_allclose(found.theta[basins().cells[0]], np.tile(TRUE[0, :2], (4, 1)), rtol=5e-3)
    np.testing.assert_allclose(found.routing[0], truth[0], rtol=0.03)
    reach = found.routing[1, 0] * 0.5 ** found.routing[1, 1]  # cell 4 drains 500 km2
    assert reach == pytest.approx(0.9 * 0.5**0.3, rel=0.02)


def test_sceua_comes_near(tmp_path: Path) -> None:
    found = search(sceua(), tmp_path)
    assert (found.cost < 0.2).all()
    assert (found.evaluations <= 100).all()
    assert found.routing is not None
    np.testing.assert_allclose(found.routing[:, 0], TRUE[:, 2], rtol=0.5)


def test_routing_alone_leaves_theta_and_runs_the_model_once(tmp_path: Path) -> None:
    process, data = model(), twin()
    config = sceua(find="routing", budget=40)
    found = Search(config).calibrate(process, data, seed=3, directory=tmp_path, progress=Progress())
    np.testing.assert_allclose(found.theta, data.prior)
    assert found.runs == 6
    assert process.runs == 6


@pytest.mark.parametrize("score", ["kge", "nse"])
def test_gradient_and_curvature_are_those_of_the_cost(score: str) -> None:
    """The gradient of half the squared cost against differences, in both basins."""
    evaluate = FlowResiduals(model(), twin(), np.arange(2), levenberg(flow={"min_days": 30, "score": score}))
    cells, at, step = np.arange(2), np.array([[0.4, 0.6, 0.5], [0.3, 0.2, 0.7]]), 1e-5
    _, water = evaluate.run(cells, at[:, None])
    gradient, curvature = evaluate.normal_equations(cells, at, water[:, 0])
    for i in range(3):
        move = step * np.eye(3)[i]
        ends = np.stack([at + move, at - move], axis=1)
        cost, _ = evaluate.run(cells, ends)
        np.testing.assert_allclose(gradient[:, i], (cost[:, 0] ** 2 - cost[:, 1] ** 2) / (4 * step), rtol=1e-4)
    assert (np.linalg.eigvalsh(curvature) > -1e-12).all()


def test_every_gauge_of_a_basin_counts() -> None:
    data = twin()
    flow = data.streamflow
    assert flow is not None
    evaluate = FlowMisfit(model(), data, np.arange(2), sceua())
    point = SPACE.to_unit(TRUE[:, :2])
    velocity = ROUTING_PARAMETERS["velocity"].to_unit(TRUE[:, 2:])
    points, wanted = np.concatenate([point, velocity], axis=1)[:, None], np.ones((2, 1), dtype=bool)
    assert (evaluate(np.arange(2), points, wanted) < 1e-5).all()
    wrong = flow.observed.copy()
    wrong[2] *= 1.5  # the inner gauge of the first basin
    other = FlowMisfit(model(), replace(data, streamflow=replace(flow, observed=wrong)), np.arange(2), sceua())
    cost = other(np.arange(2), points, wanted)
    assert cost[0, 0] > 0.2
    assert cost[1, 0] < 1e-5


def test_the_end_after_a_kill_is_that_without_one(tmp_path: Path) -> None:
    whole = search(sceua(budget=30), tmp_path / "whole")
    with pytest.raises(Killed):
        Search(sceua(budget=30)).search(model(), twin(), seed=3, directory=tmp_path / "killed", progress=KillAt(20))
    found = search(sceua(budget=30), tmp_path / "killed")
    for name, values in whole.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], values)


def test_a_basin_without_flow_keeps_what_it_had(tmp_path: Path) -> None:
    data = twin()
    flow = data.streamflow
    assert flow is not None
    mask = flow.mask.copy()
    mask[1] = False
    found = search(sceua(budget=30), tmp_path, replace(data, streamflow=replace(flow, mask=mask)))
    assert found.stopped[1] == Stop.NOT_SEARCHED
    assert np.isnan(found.cost[1])
    assert found.routing is not None
    np.testing.assert_array_equal(found.theta[basins().cells[1]], data.prior[basins().cells[1]])
    assert found.routing[1, 0] == pytest.approx(0.7)


def test_faults_are_told(tmp_path: Path) -> None:
    data = twin()
    with pytest.raises(DataError, match="hold no flow at gauges"):
        search(sceua(), tmp_path, replace(data, streamflow=None))
    with pytest.raises(DataError, match="no gauge has 400 observed days"):
        search(sceua(flow={"min_days": 400}), tmp_path)
    with pytest.raises(ModelError, match="levenberg needs a forward model that gives slopes"):
        FlowResiduals(model().model, data, np.arange(2), levenberg())
    with pytest.raises(ValidationError, match="'find' applies to targets 'streamflow' only"):
        SCEUAConfig.model_validate({"find": "routing"})
    with pytest.raises(ValidationError, match="'loss' applies to targets 'soil_moisture' only"):
        sceua(loss={"min_days": 30})
