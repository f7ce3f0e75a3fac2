"""Committed slices of compiled VIC-5 runs (see ``make_slices.py``), so that the match is tested everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from golden.make_slices import THETA
from golden.vic_runs import differences, exceedances
from paraformer.process.vic import parameters as parameters_module
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Simulation, simulate

DATA = Path(__file__).parent / "data"
SLICES = {
    "L2015_daily": ("walnutgulch", 1),
    "L2015_3h": ("walnutgulch", 8),
    "MODIGBP_daily": ("walnutgulch", 1),
    "MODIGBP_3h": ("walnutgulch", 8),
    "stehekin_tiles_daily": ("stehekin", 1),
    "tiles_3h": ("stehekin", 8),
    "wb_lai0": ("stehekin", 8),
    "wb_lai0_daily": ("stehekin", 1),
    "wb_fcan0": ("stehekin", 8),
}
LEAFLESS = ("wb_lai0", "wb_lai0_daily", "wb_fcan0")
TO_ROUNDING = {1: 1e-8, 8: 1e-10}  # mm
STORED_WITH_38_BITS = 2e-9  # mm


def _fields(arrays: Any, prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): arrays[key] for key in arrays.files if key.startswith(prefix)}


def _inputs(name: str) -> tuple[CellParameters, Forcing, dict[str, np.ndarray]]:
    """Parameters, forcing, and results of compiled VIC-5 on the days that were stored."""
    with np.load(DATA / f"{SLICES[name][0]}.npz") as arrays:
        parameters = CellParameters(**_fields(arrays, f"{name}/parameters/"))
        forcing = Forcing(**_fields(arrays, "forcing/"))
        results = _fields(arrays, f"{name}/results/")
    series = {k: v.astype(np.float64) for k, v in forcing._asdict().items() if v.ndim == 2}
    if forcing.n_cell == 1:
        series = {k: np.repeat(v, parameters.n_cell, axis=0) for k, v in series.items()}
    return parameters, forcing._replace(**series), results


def _run(name: str, **changes: Any) -> tuple[Simulation, dict[str, np.ndarray]]:
    parameters, forcing, results = _inputs(name)
    settings = VICSettings(model_steps_per_day=SLICES[name][1], water_balance="vic")
    parameters = parameters._replace(**{k: change(getattr(parameters, k)) for k, change in changes.items()})
    return simulate(parameters, forcing, settings, outputs=tuple(results)), results


def _beyond(name: str, result: Simulation, expected: dict[str, np.ndarray]) -> dict[str, float]:
    """Variables that are further from compiled VIC-5 than rounding, and storage, explain: the largest difference."""
    with np.load(DATA / f"{SLICES[name][0]}.npz") as arrays:
        days = arrays[f"{name}/days"] if f"{name}/days" in arrays else slice(None)
    ours = {variable: values[:, :, days] for variable, values in result.outputs.items()}
    tolerance = TO_ROUNDING[SLICES[name][1]]
    return exceedances(
        differences(ours, expected), max(tolerance, STORED_WITH_38_BITS) if name in LEAFLESS else tolerance
    )


@pytest.mark.parametrize("name", SLICES)
def test_slice_matches_compiled_vic(name: str) -> None:
    result, expected = _run(name)
    assert _beyond(name, result, expected) == {}


def test_perturbed_parameters_match_compiled_vic() -> None:
    parameters, forcing, _ = _inputs("L2015_daily")
    with np.load(DATA / "walnutgulch.npz") as arrays:
        theta, expected = arrays["theta"], _fields(arrays, "perturbed/")
    theta = np.broadcast_to(theta, (parameters.n_cell, *theta.shape))
    settings = VICSettings(water_balance="vic")
    result = simulate(parameters, forcing, settings, theta=theta, theta_names=tuple(THETA), outputs=tuple(expected))
    for name, reference in expected.items():
        assert (np.abs(result.outputs[name] - reference) <= 1e-8 + 1e-7 * np.abs(reference)).all(), name


def test_partial_canopy_with_snow_leaks_as_in_compiled_vic_and_conserving_closes() -> None:
    parameters, forcing, _ = _inputs("MODIGBP_daily")
    leaking = simulate(parameters, forcing, VICSettings(water_balance="vic"))
    closed = simulate(parameters, forcing, VICSettings())
    assert leaking.max_abs_water_error.max() > 0.01
    assert closed.max_abs_water_error.max() < 1e-9


@pytest.mark.parametrize("name", LEAFLESS)
def test_forest_without_leaves_leaks_as_in_compiled_vic_and_conserving_closes(name: str) -> None:
    """Compiled VIC-5 drops what the leaves held (quirk Q16), and more where the canopy is partial (Q1)."""
    parameters, forcing, _ = _inputs(name)
    steps = SLICES[name][1]
    leaking = simulate(parameters, forcing, VICSettings(model_steps_per_day=steps, water_balance="vic"))
    closed = simulate(parameters, forcing, VICSettings(model_steps_per_day=steps))
    assert leaking.max_abs_water_error.max() > 0.01
    assert closed.max_abs_water_error.max() < 1e-9


@pytest.mark.parametrize("name", ["L2015_daily", "L2015_3h", "stehekin_tiles_daily", "tiles_3h"])
def test_conserving_is_identical_where_compiled_vic_keeps_its_water(name: str) -> None:
    """Full canopy, no zero-LAI months, no traces of snowfall: not one bit changes."""
    parameters, forcing, results = _inputs(name)
    steps = SLICES[name][1]
    states = [k for k in results if k not in ("transpiration", "bare_soil_evaporation")]  # reported differently (Q2)
    both = [
        simulate(parameters, forcing, VICSettings(model_steps_per_day=steps, water_balance=mode), outputs=states)
        for mode in ("vic", "conserving")
    ]
    same_rain = _without_traces_of_snow(parameters, forcing)
    for state in states:
        first, second = (b.outputs[state][same_rain] for b in both)
        np.testing.assert_array_equal(first, second, err_msg=state)


def _without_traces_of_snow(parameters: CellParameters, forcing: Forcing) -> np.ndarray:
    """Cells in which no snow step has snowfall below 1e-5 mm in any band (quirk Q17)."""
    good = np.ones(parameters.n_cell, dtype=bool)
    factor = parameters.band_precipitation_factor()
    for band, offset in enumerate(parameters.band_temperature_offset().T):
        temperature = forcing.tair + offset[:, None]
        snow = forcing.prcp * factor[:, band, None] * (1.0 - np.clip(temperature + 0.5, 0.0, 1.0))
        good &= ~((snow > 0) & (snow < 2e-5)).any(axis=1)
    return good


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("L2015_daily", {"rarc": lambda v: v * 1.0001}),
        ("L2015_3h", {"bulk_density": lambda v: v * 1.0001}),
        ("MODIGBP_daily", {"rough": lambda v: v * 1.0001}),
        ("tiles_3h", {"snow_rough": lambda v: v * 1.0001}),
        ("wb_lai0", {"overstory": lambda v: v & False}),
        ("wb_fcan0", {"fcanopy": lambda v: np.maximum(v, 0.001)}),
    ],
)
def test_planted_fault_fails_the_gate(name: str, changes: dict[str, Any]) -> None:
    """A change of one part in ten thousand is seen."""
    result, expected = _run(name, **changes)
    assert _beyond(name, result, expected) != {}


def test_planted_constant_fails_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parameters_module, "LAPSE_RATE", -0.00651)
    result, expected = _run("stehekin_tiles_daily")
    assert _beyond("stehekin_tiles_daily", result, expected) != {}
