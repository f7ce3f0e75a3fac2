"""The routing operator: plain loops, water kept, rivers and runs cut, its transposed, what is learned through it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from paraformer.numerics.routing import (
    Pairs,
    Response,
    advance,
    cell_weights,
    convolve,
    convolve_transposed,
    ordinates_transposed,
    path_sums,
    path_sums_transposed,
    under_way,
    upstream_pairs,
)
from paraformer.numerics.routing_torch import convolve_of, path_sums_of, unit_hydrographs_of
from paraformer.numerics.unit_hydrograph import TravelTimes, Window, unit_hydrographs, windows

DAY = 86400.0
DOWNSTREAM = np.array([1, 3, 3, 5, 5, 6, -1, 6])
"""A river: 0 -> 1 -> 3 <- 2, 3 -> 5 <- 4, 5 -> 6 <- 7."""


def river(seed: int = 0) -> tuple[Pairs, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of two nested gauges and one headwater, and length, velocity and diffusivity of the cells."""
    rng = np.random.default_rng(seed)
    pairs = upstream_pairs(DOWNSTREAM, np.array([6, 3, 0]))
    return pairs, rng.uniform(3e4, 9e4, 8), rng.uniform(0.3, 2.0, 8), rng.uniform(200.0, 3000.0, 8)


def response_of(pairs: Pairs, x: np.ndarray, v: np.ndarray, d: np.ndarray, step: float = DAY) -> Response:
    none = np.zeros(len(pairs.source))
    times = TravelTimes(path_sums(x / v, pairs), path_sums(2 * d * x / v**3, pairs), none + 2.0, none + 0.4 * DAY)
    window = windows(times, step)
    weight = cell_weights(pairs, np.linspace(1e8, 2e8, 8), np.linspace(0.2, 1.0, len(none)), step)
    return Response(unit_hydrographs(times, step, window), window, weight)


def test_pairs_are_the_cells_upstream_each_after_the_next_cell_of_its_path() -> None:
    pairs = upstream_pairs(DOWNSTREAM, np.array([6, 3, 0]))
    assert [sorted(pairs.source[a:b]) for a, b in zip(pairs.first[:-1], pairs.first[1:], strict=True)] == [
        list(range(8)),
        [0, 1, 2, 3],
        [0],
    ]
    below = pairs.downstream >= 0
    assert (pairs.downstream[below] < np.flatnonzero(below)).all()
    assert (pairs.source[pairs.downstream[below]] == DOWNSTREAM[pairs.source[below]]).all()


def test_path_sums_take_the_source_and_leave_out_the_gauge() -> None:
    pairs = upstream_pairs(DOWNSTREAM, np.array([6]))
    sums = dict(zip(pairs.source.tolist(), path_sums(10.0 ** np.arange(8), pairs).tolist(), strict=True))
    assert sums == {6: 0, 5: 1e5, 7: 1e7, 3: 101000, 4: 110000, 1: 101010, 2: 101100, 0: 101011}


def test_flow_is_the_triple_loop() -> None:
    pairs, *rest = river()
    response = response_of(pairs, *rest)
    runoff = np.random.default_rng(1).gamma(0.3, 5.0, (8, 50))
    expected = np.zeros((3, 50))
    for pair, (cell, gauge) in enumerate(zip(pairs.source, pairs.gauge, strict=True)):
        for i in range(response.window.length[pair]):
            lag = response.window.offset[pair] + i
            for t in range(lag, 50):
                expected[gauge, t] += response.weight[pair] * response.ordinates[pair, i] * runoff[cell, t - lag]
    np.testing.assert_allclose(convolve(runoff, pairs, response), expected, rtol=1e-13)
    np.testing.assert_allclose(convolve(runoff.astype(np.float32), pairs, response), expected, rtol=1e-6)


@pytest.mark.parametrize("step", [DAY, 3600.0])
def test_water_is_kept_that_under_way_counted(step: float) -> None:
    pairs, *rest = river()
    response = response_of(pairs, *rest, step=step)
    runoff = np.random.default_rng(2).gamma(0.3, 5.0, (8, 30))
    out = convolve(runoff, pairs, response).sum(axis=1) * step
    coming = under_way(runoff, pairs, response).sum(axis=1) * step
    put = np.bincount(pairs.gauge, response.weight * runoff[pairs.source].sum(axis=1)) * step
    np.testing.assert_allclose(out + coming, put, rtol=1e-12)
    assert coming[0] > 0.01 * out[0]


def test_a_reach_cut_into_pieces_changes_nothing() -> None:
    """12 reaches of one river, each cut into 5 cells: the same water from the same places passes in the same steps."""
    rng = np.random.default_rng(3)
    x = rng.uniform(1e4, 4e4, 12)
    coarse = upstream_pairs(np.append(np.arange(1, 12), -1), np.array([11]))
    fine = upstream_pairs(np.append(np.arange(1, 60), -1), np.array([59]))
    v, d = 0.7, 900.0
    found = {}
    for name, pairs, lengths in (("coarse", coarse, x), ("fine", fine, np.repeat(x / 5, 5))):
        lengths = np.append(
            lengths[: len(lengths) - (5 if name == "fine" else 1)], np.zeros(5 if name == "fine" else 1)
        )
        none = np.zeros(len(pairs.source))
        times = TravelTimes(path_sums(lengths / v, pairs), path_sums(2 * d * lengths / v**3, pairs), none, none)
        window = Window(np.zeros(len(none), np.int64), np.full(len(none), 40))
        rows = unit_hydrographs(times, DAY, window)[np.argsort(pairs.source)]
        found[name] = rows if name == "coarse" else rows[::5]
    np.testing.assert_allclose(found["fine"], found["coarse"], rtol=0, atol=1e-12)


def test_a_run_cut_into_pieces_gives_the_bits_of_one() -> None:
    pairs, *rest = river()
    response = response_of(pairs, *rest)
    runoff = np.random.default_rng(4).gamma(0.3, 5.0, (8, 60))
    nothing = np.zeros((3, response.window.longest))
    unbroken, last = advance((runoff,), nothing, pairs, (response,))
    np.testing.assert_allclose(unbroken, convolve(runoff, pairs, response), rtol=1e-12)
    np.testing.assert_allclose(last, under_way(runoff, pairs, response), rtol=1e-10, atol=1e-12)
    pieces, coming = [], nothing
    for part in (slice(0, 1), slice(1, 8), slice(8, 60)):
        flow, coming = advance((runoff[:, part],), coming, pairs, (response,))
        pieces.append(flow)
    assert np.array_equal(np.concatenate(pieces, axis=1), unbroken)
    assert np.array_equal(coming, last)


def test_the_transposed_operators_are_those_of_the_dot_product() -> None:
    pairs, *rest = river()
    response = response_of(pairs, *rest)
    rng = np.random.default_rng(5)
    runoff, w = rng.normal(size=(8, 400)), rng.normal(size=(3, 400))
    flow = convolve(runoff, pairs, response)
    size = float(np.linalg.norm(flow) * np.linalg.norm(w))
    there = float((flow * w).sum())
    assert abs(there - float((runoff * convolve_transposed(w, 8, pairs, response)).sum())) < 1e-14 * size
    back = ordinates_transposed(w, runoff, pairs, response)
    assert abs(there - float((response.ordinates * back).sum())) < 1e-14 * size
    cells, sums = rng.normal(size=8), rng.normal(size=len(pairs.source))
    here = float((path_sums(cells, pairs) * sums).sum())
    assert here == pytest.approx(float((cells * path_sums_transposed(sums, pairs, 8)).sum()), rel=1e-13)


def flow_of(
    v: torch.Tensor, d: torch.Tensor, a: torch.Tensor, scale: torch.Tensor, runoff: torch.Tensor, window: Window
) -> torch.Tensor:
    """Flow at the gauges of ``river`` as torch computes it."""
    pairs, x, _, _ = river()
    length = torch.from_numpy(x)
    mean, variance = path_sums_of(length / v, pairs), path_sums_of(2 * d * length / v**3, pairs)
    one = torch.ones(len(pairs.source), dtype=torch.float64)
    ordinates = unit_hydrographs_of(mean, variance, a * one, scale * one, DAY, window)
    weight = cell_weights(pairs, np.linspace(1e8, 2e8, 8), np.linspace(0.2, 1.0, len(one)), DAY)
    return convolve_of(runoff, ordinates, pairs, window, weight)


def given() -> tuple[list[torch.Tensor], Window, np.ndarray]:
    pairs, x, v, d = river()
    runoff = np.random.default_rng(6).gamma(0.3, 5.0, (8, 25))
    response = response_of(pairs, x, v, d)
    tensors = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (v, d, 2.0, 0.4 * DAY, runoff)]
    return tensors, response.window, convolve(runoff, pairs, response)


def test_torch_gives_the_same_numbers() -> None:
    tensors, window, expected = given()
    np.testing.assert_allclose(flow_of(*tensors, window).detach().numpy(), expected, rtol=1e-12)


def test_gradients_of_velocity_diffusivity_hillslope_and_runoff() -> None:
    (v, d, a, scale, runoff), window, _ = given()

    def scaled(v: torch.Tensor, d: torch.Tensor, a: torch.Tensor, days: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        return flow_of(v, d * 1000, a, days * DAY, r, window)

    scaled_d, days = (d / 1000).detach().requires_grad_(), (scale / DAY).detach().requires_grad_()
    assert torch.autograd.gradcheck(scaled, (v, scaled_d, a, days, runoff[:, :6].detach().requires_grad_()), atol=1e-5)


def test_velocity_is_found_from_the_flow_it_made() -> None:
    """One velocity for the river and one mean time on the hillslope, from flow with 2 % noise."""
    pairs, _, _, d = river()
    rng = np.random.default_rng(7)
    runoff = torch.from_numpy(rng.gamma(0.2, 8.0, (8, 700)))
    one, diffusivity = torch.ones(8, dtype=torch.float64), torch.from_numpy(d)
    window = Window(np.zeros(len(pairs.source), np.int64), np.full(len(pairs.source), 40))
    shape = torch.tensor(2.0, dtype=torch.float64)

    def flow(parameters: torch.Tensor) -> torch.Tensor:
        v, scale = parameters.exp()
        return flow_of(v * one, diffusivity, shape, scale * DAY, runoff, window)

    truth = torch.tensor([0.8, 0.5], dtype=torch.float64).log()
    observed = flow(truth) * torch.from_numpy(1 + 0.02 * rng.normal(size=(3, 700)))
    found = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([found], max_iter=40, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = ((flow(found) - observed) ** 2 / observed.var(dim=1, keepdim=True)).mean()
        value.backward()
        return value

    optimiser.step(loss)
    np.testing.assert_allclose(found.detach().exp().numpy(), [0.8, 0.5], rtol=0.01)
