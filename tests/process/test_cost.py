"""Cost model: coefficients recovered from a model whose cost is known, scaling laws, and a real archive within 30 %."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.process import cost as cost_module
from paraformer.process.bucket import BUCKET_PARAMETERS
from paraformer.process.config import SpinUp
from paraformer.process.cost import Archive, ProcessCost, Time, measure, timed
from paraformer.process.ensemble import Sets, run_sets
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters

START, CHUNK, CELL, RUN = 0.5, 2.0, 0.3, 0.125  # [s], a year for the last two
NO_SPIN_UP = SpinUp(days=0, cycles=0)


class _Clock:
    """Time that passes only when the metered model says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class _Metered:
    """Any numbers, for a known price."""

    parameters, differentiable, runs, outputs = BUCKET_PARAMETERS, False, 0, ("baseflow",)

    def __init__(self, clock: _Clock, cells: int, days: int) -> None:
        self.clock, self.n_cells, self.days = clock, cells, days

    def select(self, cells: np.ndarray) -> _Metered:
        self.clock.now += CHUNK + CELL * len(cells) * self.days / 365.25
        return _Metered(self.clock, len(cells), self.days)

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        assert theta is not None
        self.clock.now += RUN * theta.shape[0] * theta.shape[1] * (self.days + 2 * 30) / 365.25
        return {name: np.random.default_rng(0).random((*theta.shape[:2], self.days)) for name in outputs}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(cost_module.time, "perf_counter", clock)
    monkeypatch.setattr(cost_module.time, "process_time", lambda: 2 * clock.now)
    return clock


def test_a_known_price_is_found(clock: _Clock) -> None:
    found = measure(_Metered(clock, 6, 100), SpinUp(days=30, cycles=2), ("baseflow",), 100)
    for name, expected in (("start", 0.0), ("chunk", CHUNK), ("cell", CELL), ("run", RUN)):
        assert getattr(found, name).wall == pytest.approx(expected, rel=1e-6, abs=1e-9)
        assert getattr(found, name).core == pytest.approx(2 * expected, rel=1e-6, abs=1e-9)
    assert 3.0 < found.value < 4.3, "random numbers do not compress"
    large = Archive(1000, 50, 100, 1, 16, SpinUp(days=30, cycles=2))
    years = 160 / 365.25
    assert found.time(large).wall == pytest.approx(63 * CHUNK + 1000 * CELL * 100 / 365.25 + 50_000 * RUN * years)


@given(cells=st.integers(1, 10**7), sets=st.integers(1, 1000), days=st.integers(1, 20000), chunk=st.integers(1, 512))
def test_costs_grow_with_the_work_and_memory_does_not_grow_with_cells(
    cells: int, sets: int, days: int, chunk: int
) -> None:
    second = Time(1.0, 0.5)
    cost = ProcessCost(second, second, second, second, 2.0)
    small = Archive(cells, sets, days, 4, chunk, NO_SPIN_UP)
    large = Archive(2 * cells, sets, days, 4, chunk, NO_SPIN_UP)
    assert cost.time(large).core > cost.time(small).core
    assert cost.time(small).wall == pytest.approx(cost.time(small).core / 2)
    assert cost.disk(large) == 2 * cost.disk(small) == 2 * cells * sets * days * 8
    if cells >= chunk:
        assert cost.memory(large, 8) == cost.memory(small, 8)


def test_a_thousand_sets_of_a_thousand_cells_fit_into_four_gigabytes() -> None:
    three_years = Archive(1000, 1000, 1096, 4, 16, SpinUp())
    assert ProcessCost.memory(three_years, 8) < 2e9


def vic(cells: int, days: int) -> VIC:
    parameters = make_parameters(cells)
    return VIC(ParameterSpace.of("infilt", "expt"), parameters, make_forcing(cells, days), VICSettings(), threads=1)


def test_an_archive_of_vic_costs_what_was_said(tmp_path: Path) -> None:
    """Core seconds and bytes within 30 % of an archive five times as large as any that was measured."""
    days, outputs = 120, ("soil_moisture", "runoff")
    cost = measure(vic(4, days), NO_SPIN_UP, outputs, days, seconds=0.5)
    archive, whole = Archive(24, 60, days, 2, 8, NO_SPIN_UP), vic(24, days)
    sets = Sets(whole.parameters.from_unit(np.random.default_rng(0).random((24, 60, 2))))
    axes = {
        "cell": np.arange(24),
        "time": np.datetime64("2015-01-01") + np.arange(days),
        "lat": np.zeros(24),
        "lon": np.zeros(24),
    }
    path = tmp_path / "runs.zarr"
    found = timed(lambda: run_sets(whole, sets, path, outputs=outputs, axes=axes, chunk_cells=8, progress=Progress()))
    assert cost.time(archive).core == pytest.approx(found.core, rel=0.3)
    size = sum(p.stat().st_size for name in outputs for p in (path / name).rglob("*") if p.is_file())
    assert cost.disk(archive) == pytest.approx(size, rel=0.3)


def test_a_chunk_needs_no_more_memory_than_said(tmp_path: Path) -> None:
    """What NumPy takes at its peak, model and forcing in memory included."""
    archive = Archive(16, 100, 120, 2, 16, NO_SPIN_UP)
    axes = {
        "cell": np.arange(16),
        "time": np.datetime64("2015-01-01") + np.arange(120),
        "lat": np.zeros(16),
        "lon": np.zeros(16),
    }
    whole = vic(16, 120)
    sets = Sets(whole.parameters.from_unit(np.random.default_rng(0).random((16, 100, 2))))
    tracemalloc.start()
    run_sets(
        whole,
        sets,
        tmp_path / "runs.zarr",
        outputs=("soil_moisture", "runoff"),
        axes=axes,
        chunk_cells=16,
        progress=Progress(),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = ProcessCost.memory(archive, 8)
    assert 0.3 * said < peak < 1.2 * said
