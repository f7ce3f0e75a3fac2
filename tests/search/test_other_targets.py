"""Searches of several targets: what each pins down, in cells and in basins, slopes against differences, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from paraformer.core.contracts import CalibrationData, ForwardModel, GaugedFlow, Reference
from paraformer.core.errors import DataError, ModelError
from paraformer.core.log import Progress
from paraformer.core.parameters import ROUTING_PARAMETERS, Parameter, ParameterSpace
from paraformer.numerics.inference import effective_days
from paraformer.numerics.months import monthly_operator
from paraformer.process.differentiable import DifferentiableProcess
from paraformer.routing.basins import RiverBasins
from paraformer.search.config import SearchConfig
from paraformer.search.levenberg import Levenberg, Residuals
from paraformer.search.objective import Misfit
from paraformer.search.search import Search, SearchResult
from paraformer.search.streamflow import FlowMisfit, FlowResiduals
from routing.test_basins import river

SPACE = ParameterSpace(Parameter(name=name, lower=0.05, upper=0.95) for name in ("level", "loss", "leak"))
CELLS, FIRST, LENGTH = 7, 20, 366
TIME = np.datetime64("2001-01-01") + np.arange(FIRST + LENGTH)
SERIES = ("soil_moisture", "evapotranspiration", "runoff", "baseflow")
VELOCITY = np.array([[1.3], [0.8]])
ET = {"reference": ["et"], "weight": 1.0}
INFER = {"loss": {"inference": {"prior_std": 0.2}}}


class Ledger(ForwardModel):
    """``level`` sets soil moisture alone, ``loss`` is the share of rain that evaporates, ``leak`` the share of the rest
    that no gauge sees: flow knows (1 - loss) (1 - leak)."""

    differentiable, parameters, outputs = False, SPACE, SERIES

    def __init__(self, rain: np.ndarray) -> None:
        self.rain, self.runs = rain, 0

    @property
    def n_cells(self) -> int:
        return len(self.rain)

    def select(self, cells: np.ndarray) -> Ledger:
        return Ledger(self.rain[cells])

    def simulate(self, theta: Any, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.runs += theta[..., 0].size
        level, loss, leak = (theta[..., i : i + 1] for i in range(3))
        rain, day = self.rain[:, None], np.arange(self.rain.shape[1])
        left = (1 - loss) * (1 - leak) * rain
        found = {
            "soil_moisture": 0.1 + 0.3 * level + 0.05 * np.sin(day / 40.0) * (0.5 + level),
            "evapotranspiration": loss * rain,
            "runoff": 0.6 * left,
            "baseflow": 0.4 * left,
        }
        return {name: found[name] for name in outputs}


def model() -> DifferentiableProcess:
    random = np.random.default_rng(0)
    wet = random.random((CELLS, TIME.size)) < 0.4
    rain = np.where(wet, random.exponential(6.0, wet.shape), 0.0) * np.linspace(0.8, 1.4, CELLS)[:, None]
    return DifferentiableProcess(Ledger(rain), TIME)


def basins() -> RiverBasins:
    return RiverBasins(river(3, 5, 2), ParameterSpace([ROUTING_PARAMETERS["velocity"]]))


def truth() -> np.ndarray:
    """One θ in each basin, and another in the cell of none."""
    theta = np.tile([0.4, 0.5, 0.5], (CELLS, 1))
    for cells, values in zip(basins().cells, ([0.3, 0.6, 0.2], [0.7, 0.35, 0.4]), strict=True):
        theta[cells] = values
    return theta


def twin() -> CalibrationData:
    """Half the days of soil moisture; flow with errors of a twentieth; totals of evapotranspiration and signatures."""
    random, process = np.random.default_rng(2), model()
    series = {name: values[:, 0] for name, values in process.simulate(truth()[:, None], SERIES).items()}
    inside = slice(FIRST, FIRST + LENGTH)
    flow = basins().flows(series["runoff"], series["baseflow"], VELOCITY)[:, inside]
    flow *= np.maximum(1 + 0.05 * random.normal(size=flow.shape), 0.0)
    mask = random.random((CELLS, LENGTH)) < 0.5
    forcing = np.zeros((CELLS, LENGTH, 7))
    forcing[..., 0] = process.model.rain[:, inside]
    total = (series["runoff"] + series["baseflow"])[:, inside].sum(1, keepdims=True)
    known = np.ones((CELLS, 12), dtype=bool)
    return CalibrationData(
        cells=np.arange(CELLS) + 10,
        time=TIME[inside],
        attributes=np.zeros((CELLS, 1)),
        attribute_names=("none",),
        forcing=forcing,
        observed=np.where(mask, series["soil_moisture"][:, inside], 0.0),
        mask=mask,
        trained=np.ones(CELLS, dtype=bool),
        prior=np.full((CELLS, 3), 0.5),
        first_day=FIRST,
        history=np.zeros((CELLS, LENGTH)),
        history_mask=mask,
        references={
            "et": Reference(series["evapotranspiration"][:, inside] @ monthly_operator(TIME[inside]), known),
            "ratio": Reference(total / forcing[..., 0].sum(1, keepdims=True), known[:, :1]),
        },
        streamflow=GaugedFlow(basins(), flow, np.ones_like(flow, dtype=bool)),
    )


def settings(name: str = "levenberg", **given: Any) -> Any:
    return TypeAdapter(SearchConfig).validate_python({"name": name, "checkpoint_seconds": 0, **given})


def search(config: Any, folder: Path) -> SearchResult:
    return Search(config).search(model(), twin(), seed=3, directory=folder, progress=Progress())


def errors(found: SearchResult) -> tuple[np.ndarray, np.ndarray]:
    """Mean error of evapotranspiration in the cells of basins [mm year-1], and 1 - NSE at the gauges."""
    data, inside = twin(), slice(FIRST, FIRST + LENGTH)
    series = {name: values[:, 0] for name, values in model().simulate(found.theta[:, None], SERIES).items()}
    totals = series["evapotranspiration"][:, inside] @ monthly_operator(data.time)
    assert data.streamflow is not None
    flow = basins().flows(series["runoff"], series["baseflow"], found.routing)[:, inside]
    wrong = ((flow - data.streamflow.observed) ** 2).sum(1)
    spread = data.streamflow.observed.var(axis=1) * LENGTH
    return (totals - data.references["et"].values).sum(1)[:6], wrong / spread


@pytest.mark.parametrize("name", ["levenberg", "sceua"])
def test_evapotranspiration_beside_flow_is_met_at_little_cost_of_flow(name: str, tmp_path: Path) -> None:
    """Flow alone takes any evapotranspiration that leaves it the same water."""
    budget = {"budget": 250, **({"complexes": 3} if name == "sceua" else {"starts": 1, "candidates": 1})}
    flow = {"streamflow": {"min_days": 30}, "soil_moisture": 0}
    alone = search(settings(name, targets=flow, **budget), tmp_path / "alone")
    both = search(settings(name, targets={**flow, "evapotranspiration": ET}, **budget), tmp_path / "both")
    (et_alone, flow_alone), (et_both, flow_both) = errors(alone), errors(both)
    observed = twin().references["et"].values.sum(1)[:6]
    assert (np.abs(et_alone) > 0.08 * observed).any(), "unknown to flow"
    assert (np.abs(et_both) < 0.03 * observed).all()
    assert (flow_both < flow_alone + 0.01).all()


@pytest.mark.parametrize("name", ["levenberg", "sceua", "kalman"])
def test_evapotranspiration_beside_soil_moisture_finds_what_soil_moisture_does_not(name: str, tmp_path: Path) -> None:
    target = {"reference": ["et"], "error": 5.0} if name == "kalman" else ET  # an inversion counts by errors
    found = search(settings(name, targets={"evapotranspiration": target}, budget=200), tmp_path)
    within = {"levenberg": 1e-3, "sceua": 0.05, "kalman": 0.05}[name]
    np.testing.assert_allclose(found.theta[:, :2], truth()[:, :2], atol=within)
    moist = search(settings(name, budget=200), tmp_path / "alone")
    assert np.abs(moist.theta[:, 0] - truth()[:, 0]).max() < within
    assert np.abs(moist.theta[:, 1] - truth()[:, 1]).max() > 0.1


def test_soil_moisture_beside_flow_finds_its_level(tmp_path: Path) -> None:
    targets = {"streamflow": {"min_days": 30}, "soil_moisture": 0.5, "evapotranspiration": ET}
    found = search(settings(targets=targets, budget=200), tmp_path)
    np.testing.assert_allclose(found.theta[:6], truth()[:6], atol=0.03)
    assert found.routing is not None
    np.testing.assert_allclose(found.routing, VELOCITY, rtol=0.1)


ALL = {
    "streamflow": {"min_days": 30, "score": "kge", "weight": 0.7},
    "soil_moisture": 0.4,
    "evapotranspiration": {**ET, "bias": "remove", "period": "month"},
    "runoff_ratio": {"reference": ["ratio"], "weight": 0.3},
}


def sloped(evaluate: Any, cells: np.ndarray, at: np.ndarray) -> None:
    """Gradient of half the squared cost against differences; the curvature has no negative direction."""
    step = 1e-5
    _, series = evaluate.run(cells, at[:, None])
    gradient, curvature = evaluate.normal_equations(cells, at, series[:, 0])
    for i in range(at.shape[1]):
        move = step * np.eye(at.shape[1])[i]
        cost, _ = evaluate.run(cells, np.stack([at + move, at - move], axis=1))
        expected = (cost[:, 0] ** 2 - cost[:, 1] ** 2) / (4 * step)
        np.testing.assert_allclose(gradient[:, i], expected, rtol=2e-4, atol=1e-8)
    assert (np.linalg.eigvalsh(curvature) > -1e-12).all()


def test_slopes_in_basins_are_those_of_the_cost() -> None:
    evaluate = FlowResiduals(model(), twin(), np.arange(2), settings(targets=ALL))
    sloped(evaluate, np.arange(2), np.array([[0.4, 0.6, 0.5, 0.5], [0.3, 0.2, 0.7, 0.4]]))


@pytest.mark.parametrize("operator", ["raw", "cell_moments"])
def test_slopes_in_cells_are_those_of_the_cost(operator: str) -> None:
    config = settings(targets={k: v for k, v in ALL.items() if k != "streamflow"}, loss={"operator": operator})
    evaluate = Residuals(model(), twin(), np.arange(CELLS), config.loss, 512, config.others)
    sloped(evaluate, np.arange(CELLS), np.random.default_rng(5).uniform(0.2, 0.8, (CELLS, 3)))


BY_ERROR = {
    "streamflow": {"min_days": 30},
    "evapotranspiration": {"reference": ["et"], "error": 5.0, "period": "month"},
    "runoff_ratio": {"reference": ["ratio"], "error": 0.05},
}


@pytest.mark.parametrize("names", [("streamflow",), tuple(BY_ERROR)])
@pytest.mark.parametrize("moisture", [0, 1])
def test_slopes_in_basins_are_those_of_the_posterior(names: tuple[str, ...], moisture: int) -> None:
    targets = {"soil_moisture": moisture, **{name: BY_ERROR[name] for name in names}}
    evaluate = FlowResiduals(model(), twin(), np.arange(2), settings(targets=targets, **INFER))
    sloped(evaluate, np.arange(2), np.array([[0.4, 0.6, 0.5, 0.5], [0.3, 0.2, 0.7, 0.4]]))


@pytest.mark.parametrize("error", [300.0, 0.05], ids=["large", "so small that the cost is beyond 1"])
def test_slopes_in_cells_are_those_of_the_posterior(error: float) -> None:
    targets = {"evapotranspiration": {"reference": ["et"], "error": error}, "runoff_ratio": BY_ERROR["runoff_ratio"]}
    config = settings(targets=targets, **INFER)
    evaluate = Residuals(model(), twin(), np.arange(CELLS), config.loss, 512, config.others)
    at = np.random.default_rng(5).uniform(0.2, 0.8, (CELLS, 3))
    cost, _ = evaluate.run(np.arange(CELLS), at[:, None])
    assert np.isfinite(cost).all()
    assert (cost > 1).any() == (error < 1)
    sloped(evaluate, np.arange(CELLS), at)


def test_the_posterior_cost_is_the_product_of_likelihoods_and_prior() -> None:
    """By hand, in cells and in a basin: decision 0048."""
    data, u = twin(), np.array([0.6, 0.4, 0.7])
    points = np.tile(u, (CELLS, 1, 1))
    series = {name: values[:, 0] for name, values in model().simulate(SPACE.from_unit(points), SERIES).items()}
    first = {name: values[:, 0] for name, values in model().simulate(data.prior[:, None], SERIES).items()}
    inside = slice(FIRST, FIRST + LENGTH)
    moist = np.where(data.mask, series["soil_moisture"][:, inside] - data.observed, 0.0)
    rmse = ((moist**2).sum(1) / data.mask.sum(1)) ** 0.5
    totals = series["evapotranspiration"][:, inside] @ monthly_operator(data.time)
    chi = (((totals - data.references["et"].values) / 5.0) ** 2).sum(1)
    days = effective_days(first["soil_moisture"][:, inside], data.observed, data.mask)
    prior = (((u - 0.5) / 0.2) ** 2).sum()  # the middle of every range is the a-priori θ
    targets = {"evapotranspiration": BY_ERROR["evapotranspiration"]}
    config, cells = settings(targets=targets, **INFER), np.arange(CELLS)
    cost, _ = Misfit(model(), data, cells, config.loss, 512, config.others).run(cells, points)
    logarithm = np.log(rmse) + (chi + prior) / (2 * days)
    np.testing.assert_allclose(cost[:, 0], np.where(logarithm < 0, np.exp(logarithm), 1 + logarithm), rtol=1e-9)

    rivers, assumed = basins(), basins().prior()
    flow, before = (rivers.flows(s["runoff"], s["baseflow"], assumed)[:, inside] for s in (series, first))
    assert data.streamflow is not None
    seen = data.streamflow.observed
    share = ((flow - seen) ** 2).sum(1) / ((seen - seen.mean(1, keepdims=True)) ** 2).sum(1)
    gauged = effective_days(before, seen, np.ones_like(seen, dtype=bool))
    config = settings(targets={**targets, "streamflow": {"min_days": 30}}, **INFER)
    assert rivers.parameters is not None
    for basin, (own, gauges) in enumerate(zip(rivers.cells, rivers.gauges, strict=True)):
        point = np.append(u, rivers.parameters.to_unit(assumed)[basin])[None, None]
        evaluate = FlowMisfit(model(), data, np.arange(2), config)
        found = evaluate(np.array([basin]), point, np.ones((1, 1), dtype=bool))[0, 0]
        minus_log = (gauged[gauges] * np.log(share[gauges])).sum() / 2 + (days[own] * np.log(rmse[own])).sum()
        minus_log += (chi[own].sum() + prior) / 2
        logarithm = minus_log / (gauged[gauges].sum() + days[own].sum())
        assert found == pytest.approx(np.exp(logarithm) if logarithm < 0 else 1 + logarithm, rel=1e-9)


def test_what_flow_does_not_see_stays_at_the_prior(tmp_path: Path) -> None:
    """``level`` is not seen, of ``loss`` and ``leak`` the product of what they leave: they share what flow asks for."""
    given = {"targets": "streamflow", "flow": {"min_days": 30, "score": "nse"}, "budget": 250}
    found = search(settings(**given, **INFER, least_gain=1e-7, starts=1), tmp_path / "levenberg")
    np.testing.assert_allclose(found.theta[:6, 0], 0.5, atol=2e-3)
    np.testing.assert_allclose(found.theta[:6, 1], found.theta[:6, 2], atol=2e-3)
    left = (1 - found.theta[:6, 1]) * (1 - found.theta[:6, 2])
    np.testing.assert_allclose(left, ((1 - truth()[:, 1]) * (1 - truth()[:, 2]))[:6], rtol=0.05)
    free = search(settings("sceua", **given), tmp_path / "free")
    assert np.abs(free.theta[:6, 0] - 0.5).max() > 0.1

    process, config = model(), settings("sceua", **given, **INFER)
    points = Search(config).search(process, twin(), seed=3, directory=tmp_path / "sceua", progress=Progress())
    np.testing.assert_allclose(points.cost, found.cost, rtol=0.01)
    assert (points.cost >= found.cost).all(), "the slopes lead to the least cost"
    assert process.runs == (points.evaluations * [len(cells) for cells in basins().cells]).sum(), "the prior's run too"


def test_the_cost_is_the_sum_of_weighted_squares() -> None:
    """By hand, in a cell and in a basin."""
    data, points = twin(), np.full((CELLS, 1, 3), 0.6)
    series = model().simulate(SPACE.from_unit(points), SERIES)
    totals = series["evapotranspiration"][:, 0, FIRST:] @ monthly_operator(data.time)
    reference, observed = data.references["et"].values, data.observed[data.mask]
    square = ((totals - reference) ** 2).mean(1) / reference.var()
    moist = np.where(data.mask, series["soil_moisture"][:, 0, FIRST:] - data.observed, 0.0)
    rmse = (moist**2).sum(1) / data.mask.sum(1)
    targets = {"soil_moisture": 0.5, "evapotranspiration": {**ET, "period": "month", "weight": 0.3}}
    config = settings(targets=targets)
    cells = np.arange(CELLS)
    evaluate = Misfit(model(), data, cells, config.loss, 512, config.others)
    cost, found = evaluate.run(cells, points)
    np.testing.assert_allclose(cost[:, 0] ** 2, 0.5 * rmse + 0.3 * observed.var() * square, rtol=1e-6)
    residual = evaluate.residual(cells, found)[:, 0]
    np.testing.assert_allclose((residual**2).sum(1) / data.mask.sum(1), cost[:, 0] ** 2, rtol=1e-6)

    flow = {"streamflow": {"min_days": 30, "score": "kge", "weight": 0.8}}
    point = np.append(points[0, 0], 0.5)[None, None]
    several = FlowMisfit(model(), data, np.arange(2), settings(targets={**targets, **flow}))
    alone = FlowMisfit(model(), data, np.arange(2), settings(targets="streamflow", flow={"min_days": 30}))
    own = basins().cells[0]
    basin = 0.5 * (moist[own] ** 2).sum() / data.mask[own].sum() / observed.var() + 0.3 * square[own].mean()
    wanted, first = np.ones((1, 1), dtype=bool), np.arange(1)
    expected = 0.8 * alone(first, point, wanted) ** 2 + basin
    np.testing.assert_allclose(several(first, point, wanted) ** 2, expected, rtol=1e-6)


def test_one_target_in_either_form_is_the_same() -> None:
    flow = {"min_days": 30, "score": "kge"}
    point, wanted = np.full((2, 1, 4), 0.6), np.ones((2, 1), dtype=bool)
    forms = (settings(targets="streamflow", flow=flow), settings(targets={"streamflow": flow, "soil_moisture": 0}))
    costs = [FlowMisfit(model(), twin(), np.arange(2), form)(np.arange(2), point, wanted) for form in forms]
    np.testing.assert_array_equal(*costs)
    for form in forms:
        assert form.of_flow
        assert not form.of_moisture
        assert form.size(3, 1) == 4


def test_a_basin_without_a_reference_is_found_by_flow_alone() -> None:
    data = twin()
    known = data.references["et"].known.copy()
    known[basins().cells[0]] = False
    part = replace(data, references={"et": Reference(data.references["et"].values, known)})
    targets = {"streamflow": {"min_days": 30}, "soil_moisture": 0, "evapotranspiration": ET}
    point, wanted, one = np.full((1, 1, 4), 0.6), np.ones((1, 1), dtype=bool), np.arange(1)
    both, alone = (
        FlowMisfit(model(), part, np.arange(2), settings(targets=given))(one, point, wanted)
        for given in (targets, {k: v for k, v in targets.items() if k != "evapotranspiration"})
    )
    np.testing.assert_array_equal(both, alone)


def test_a_basin_without_soil_moisture_is_found_by_its_flow_and_few_days_say_nothing(tmp_path: Path) -> None:
    """n log RMSE of one day falls without end where θ meets it."""
    data, targets = twin(), {"streamflow": {"min_days": 30}}
    mask = data.mask.copy()
    mask[basins().cells[0]] = False
    few = mask.copy()
    few[basins().cells[0][0], :19] = True
    point, wanted, every = np.full((2, 1, 4), 0.6), np.ones((2, 1), dtype=bool), np.arange(2)
    costs = [
        FlowMisfit(model(), replace(data, mask=each), every, settings(targets=given, **INFER))(every, point, wanted)
        for each, given in ((mask, targets), (few, targets), (mask, {**targets, "soil_moisture": 0}))
    ]
    np.testing.assert_array_equal(costs[0], costs[1])
    assert costs[0][0] == costs[2][0], "by flow alone"
    assert costs[0][1] != costs[2][1]


def test_a_slope_that_is_no_number_ends_the_search() -> None:
    class Broken:
        def run(self, cells: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.ones(points.shape[:2]), np.zeros((*points.shape[:2], 1))

        def normal_equations(self, cells: np.ndarray, at: np.ndarray, series: np.ndarray) -> tuple[np.ndarray, ...]:
            return np.full(at.shape, np.nan), np.tile(np.eye(at.shape[1]), (len(at), 1, 1))

    search = Levenberg(settings(budget=60), seed=0)
    state = search.start(np.arange(2), 3, None)
    for _ in range(20):
        state = search.step(state, Broken())  # type: ignore[arg-type]
    assert not state.running.size


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"targets": {"evapotranspiration": {**ET, "bias": "remove"}}}, "leaves nothing of the one value"),
        ({"targets": {"evapotranspiration": {"reference": ["et"], "error": 1e-160}}, **INFER}, "greater than or equal"),
        ({"loss": {"inference": {"prior_std": 1e-200}}}, "expected 1e-06 to 1e"),
        ({"loss": {"inference": {"prior_std": {"level": 1e200}}}}, "1e.06 for 'level'"),
        ({"targets": {"streamflow": {}}, "flow": {"min_days": 30}}, "'flow' stands in 'targets.streamflow'"),
        ({"targets": {"evapotranspiration": ET}, "find": "routing"}, "'find' applies to targets 'streamflow' only"),
        ({"targets": {"evapotranspiration": ET, "soil_moisture": 0}}, "leaves nothing that cells are searched by"),
        ({"targets": {"streamflow": {}}, "find": "routing"}, "leaves θ as it is"),
        (
            {"targets": {"streamflow": {"score": "kge"}}, "loss": {"inference": {}}},
            r"'score: nse' and 'log_share'",
        ),
        ({"targets": "streamflow", "loss": {"inference": {}}}, r"'score: nse' and 'log_share'"),
        (
            {"targets": {"streamflow": {"weight": 2}}, "loss": {"inference": {}}},
            "streamflow.weight' does not",
        ),
        ({"targets": {"evapotranspiration": ET}, "loss": {"inference": {}}}, "give 'error'"),
        ({"targets": "streamflow", "find": "routing", "flow": {"score": "nse"}, **INFER}, "no prior of it"),
        ({"targets": {"streamflow": {}, "soil_moisture": 0}, "loss": {"min_days": 30, "inference": {}}}, "but for"),
        ({"name": "kalman", "targets": {"evapotranspiration": ET}}, "give 'error'"),
        ({"targets": {"streamflow": {}, "soil_moisture": 0}, "loss": {"min_days": 30}}, "'loss' applies"),
        ({"targets": {"soil_moisture": 1}}, "'targets' names none beside soil moisture"),
        ({"targets": "flow"}, "streamflow"),
        ({"name": "kalman", "targets": {"streamflow": {}}}, "cells|inversion is of soil moisture"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**{"name": "sceua", **given})


def test_faults_of_data_and_model_are_told() -> None:
    data, config = twin(), settings(targets={"evapotranspiration": ET})
    where = np.arange(CELLS), config.loss, 512, config.others
    with pytest.raises(DataError, match="reference 'et' is not among the data"):
        Misfit(model(), replace(data, references={}), *where)
    flat = Reference(np.ones((CELLS, 12)), np.ones((CELLS, 12), dtype=bool))
    with pytest.raises(DataError, match="does not vary"):
        Misfit(model(), replace(data, references={"et": flat}), *where)
    dry = model()
    dry.model.outputs = ("soil_moisture",)
    dry.outputs = dry.model.outputs
    with pytest.raises(ModelError, match="need the output 'evapotranspiration'"):
        Misfit(dry, data, *where)
