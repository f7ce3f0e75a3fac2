"""Laws of a run: independence of cells and sets, chunks, threads, restart, spin-up, outputs."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.process.vic import simulate as simulate_module
from paraformer.process.vic.outputs import OUTPUTS
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate
from process.miniature import STEPS, make_forcing, make_parameters

SETTINGS = VICSettings()
NAMES = ("infilt", "expt", "depth_1")
SOME = ("soil_moisture_1", "evapotranspiration", "runoff", "swe")


def _theta(n_cell: int, n_set: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    low, high = np.array([0.01, 4.0, 0.05]), np.array([0.6, 30.0, 0.28])
    return low + (high - low) * generator.random((n_cell, n_set, 3))


def test_batch_is_loop() -> None:
    parameters, forcing, theta = make_parameters(3), make_forcing(3, 90, temperature=2.0), _theta(3, 4)
    together = simulate(parameters, forcing, SETTINGS, theta=theta, theta_names=NAMES, outputs=SOME)
    for cell in range(3):
        for member in range(4):
            alone = simulate(
                parameters.select([cell]),
                forcing.select([cell]),
                SETTINGS,
                outputs=SOME,
                theta=theta[cell : cell + 1, member : member + 1],
                theta_names=NAMES,
            )
            for name in SOME:
                np.testing.assert_array_equal(together.outputs[name][cell, member], alone.outputs[name][0, 0])


def test_cells_can_be_permuted() -> None:
    parameters, forcing = make_parameters(5), make_forcing(5, 60, temperature=0.0)
    order = np.array([3, 0, 4, 1, 2])
    straight = simulate(parameters, forcing, SETTINGS, outputs=SOME)
    permuted = simulate(parameters.select(order), forcing.select(order), SETTINGS, outputs=SOME)
    for name in SOME:
        np.testing.assert_array_equal(straight.outputs[name][order], permuted.outputs[name])


def test_blocks_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    parameters, forcing = make_parameters(5), make_forcing(5, 60, temperature=0.0)
    whole = simulate(parameters, forcing, SETTINGS, outputs=SOME)
    monkeypatch.setattr(simulate_module, "BLOCK_BYTES", 1)
    blocks = simulate(parameters, forcing, SETTINGS, outputs=SOME, threads=1)
    for name in SOME:
        np.testing.assert_array_equal(whole.outputs[name], blocks.outputs[name])


@pytest.mark.parametrize("steps", [1, 8])
def test_restart_is_exact(steps: int) -> None:
    settings = VICSettings(model_steps_per_day=steps)
    parameters, forcing, theta = make_parameters(2), make_forcing(2, 80, temperature=0.0, rain=6.0), _theta(2, 3)
    options = {"theta": theta, "theta_names": NAMES, "outputs": SOME, "return_state": True}
    whole = simulate(parameters, forcing, settings, **options)
    first = simulate(parameters, forcing.select_days(0, 40), settings, **options)
    second = simulate(parameters, forcing.select_days(40, 80), settings, initial_state=first.state, **options)
    for name in SOME:
        joined = np.concatenate([first.outputs[name], second.outputs[name]], axis=2)
        np.testing.assert_array_equal(whole.outputs[name], joined)
    assert whole.state is not None
    assert second.state is not None
    np.testing.assert_array_equal(whole.state, second.state)


def test_spin_up_is_the_unrecorded_repetition_of_the_first_days() -> None:
    parameters, forcing = make_parameters(2), make_forcing(2, 50, temperature=3.0)
    spun = simulate(parameters, forcing, SETTINGS, outputs=SOME, spin_up_days=30, spin_up_cycles=2)
    state = None
    for _ in range(2):
        state = simulate(parameters, forcing.select_days(0, 30), SETTINGS, initial_state=state, return_state=True).state
    by_hand = simulate(parameters, forcing, SETTINGS, outputs=SOME, initial_state=state)
    for name in SOME:
        np.testing.assert_array_equal(spun.outputs[name], by_hand.outputs[name])
        assert spun.outputs[name].shape == (2, 1, 50)


def test_step_output_adds_up_to_daily_output() -> None:
    settings = VICSettings(model_steps_per_day=8)
    parameters, forcing, names = make_parameters(2), make_forcing(2, 40, temperature=1.0), tuple(OUTPUTS)
    daily = simulate(parameters, forcing, settings, outputs=names).outputs
    steps = simulate(parameters, forcing, settings, outputs=names, output_frequency="step").outputs
    for name, output in OUTPUTS.items():
        by_day = steps[name].reshape(2, 1, 40, STEPS)
        expected = {"sum": by_day.sum(axis=3), "mean": by_day.mean(axis=3), "end": by_day[..., -1]}[output.daily]
        np.testing.assert_allclose(daily[name], expected, rtol=1e-12, atol=1e-12, err_msg=name)


def test_no_theta_is_the_a_priori_theta() -> None:
    parameters, forcing = make_parameters(2), make_forcing(2, 30)
    prior = np.stack(
        [
            parameters.infilt,
            parameters.ds,
            parameters.dsmax,
            parameters.ws,
            parameters.expt[:, 0],
            parameters.depth[:, 0],
            *np.ones((3, 2)),
        ],
        axis=1,
    )
    names = ("infilt", "ds", "dsmax", "ws", "expt", "depth_1", "ksat", "wcr", "canopy_gap")
    one = simulate(parameters, forcing, SETTINGS, outputs=SOME)
    two = simulate(parameters, forcing, SETTINGS, outputs=SOME, theta=prior[:, None], theta_names=names)
    for name in SOME:
        np.testing.assert_array_equal(one.outputs[name], two.outputs[name])


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("infilt", 0.01, 0.6),
        ("ds", 0.001, 0.5),
        ("dsmax", 0.5, 40.0),
        ("ws", 0.3, 0.9),
        ("expt", 5.0, 25.0),
        ("expt_1", 5.0, 25.0),
        ("expt_2", 5.0, 25.0),
        ("depth_1", 0.05, 0.25),
        ("depth_2", 0.2, 0.6),
        ("depth_3", 0.8, 2.0),
        ("ksat", 0.1, 10.0),
        ("wcr", 0.3, 2.5),
        ("canopy_gap", 0.1, 2.0),
        ("c", 1.2, 4.0),
    ],
)
def test_every_parameter_acts(name: str, low: float, high: float) -> None:
    parameters, forcing = make_parameters(1), make_forcing(1, 400, temperature=15.0, rain=8.0, first_day=120)
    wet = parameters._replace(init_moist=np.array([[25.0, 100.0, 600.0]]))
    result = simulate(
        wet,
        forcing,
        SETTINGS,
        theta=np.array([[[low], [high]]]),
        theta_names=(name,),
        outputs=("soil_moisture_1", "baseflow", "evapotranspiration"),
    )
    assert any(np.abs(values[0, 0] - values[0, 1]).max() > 1e-3 for values in result.outputs.values())


def test_deeper_soil_holds_more_and_caps_initial_moisture() -> None:
    parameters, forcing = make_parameters(1), make_forcing(1, 5, rain=0.0)
    full = parameters._replace(init_moist=np.array([[88.0, 200.0, 1000.0]]))
    depths = np.array([[[0.05, 1e-3], [0.1, 1e-3], [0.2, 1e-3]]])
    names = ("depth_1", "ksat")
    result = simulate(full, forcing, SETTINGS, theta=depths, theta_names=names, outputs=("soil_moisture_1",))
    porosity = 1.0 - 1500.0 / 2685.0
    first_day = result.outputs["soil_moisture_1"][0, :, 0]
    assert (first_day <= depths[0, :, 0] * porosity * 1000.0 + 1e-9).all()
    assert (np.diff(first_day) > 5.0).all()


def test_any_number_of_root_zones_gives_the_roots_of_the_layers() -> None:
    """A zone that is not there is one without roots, bit for bit; a zone in two halves is the whole one."""
    parameters, forcing = make_parameters(), make_forcing()
    outputs = ("evapotranspiration", "soil_moisture_2")

    def run(depth: list[float], share: list[float]) -> dict[str, np.ndarray]:
        zones = {"root_depth": depth, "root_fract": share}
        shape = (*parameters.cv.shape, len(depth))
        changed = parameters._replace(**{name: np.broadcast_to(values, shape) for name, values in zones.items()})
        return simulate(changed, forcing, VICSettings(), outputs=outputs).outputs

    two, three = run([0.2, 1.0], [0.4, 0.6]), run([0.2, 1.0, 0.0], [0.4, 0.6, 0.0])
    five = run([0.1, 0.1, 0.5, 0.25, 0.25], [0.2, 0.2, 0.3, 0.15, 0.15])
    for name in outputs:
        np.testing.assert_array_equal(two[name], three[name])
        np.testing.assert_allclose(five[name], two[name], rtol=0, atol=1e-9)
        assert not np.allclose(run([0.2, 1.0], [0.9, 0.1])[name], two[name], rtol=0, atol=1e-6)
