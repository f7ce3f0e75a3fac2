"""VIC on a GPU: the same functions in numba's CUDA simulator against the compiled ones on the CPU, and no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import cuda

from paraformer.core.errors import SettingsError
from paraformer.process.vic.outputs import OUTPUTS
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Device, Simulation, simulate
from process.miniature import make_forcing, make_parameters

NAMES = ("infilt", "expt")
THETA = np.array([[[0.1, 9.0], [0.3, 15.0]], [[0.2, 12.0], [0.05, 20.0]]])
IN_SIMULATOR = """
import sys
import numpy as np
from paraformer.process.vic import cuda
from process.test_vic_cuda import run
cuda.BLOCK_BYTES = int(sys.argv[2])
result = run("cuda")
np.savez(sys.argv[1], errors=result.max_abs_water_error, state=result.state, **result.outputs)
"""


def run(device: Device) -> Simulation:
    """Forest (without leaves in one cell), grass and bare soil in two bands, two sets, three days of rain and snow."""
    parameters, forcing = make_parameters(2), make_forcing(2, 3, temperature=0.0, rain=6.0)
    parameters.lai[1, 0] = 0.0
    return simulate(
        parameters,
        forcing,
        VICSettings(),
        theta=THETA,
        theta_names=NAMES,
        outputs=tuple(OUTPUTS),
        return_state=True,
        device=device,
    )


@pytest.mark.parametrize("block_bytes", [2**30, 1], ids=["together", "cell by cell"])
def test_simulated_gpu_gives_the_numbers_of_the_cpu(block_bytes: int, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "NUMBA_ENABLE_CUDASIM": "1",
        "NUMBA_DISABLE_JIT": "1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, "-c", IN_SIMULATOR, str(tmp_path / "gpu.npz"), str(block_bytes)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    expected = run("cpu")
    with np.load(tmp_path / "gpu.npz") as gpu:
        for name, values in expected.outputs.items():
            np.testing.assert_allclose(gpu[name], values, rtol=1e-12, atol=1e-12, err_msg=name)
        assert gpu["errors"].max() < 1e-9
        assert expected.state is not None
        for field in expected.state.dtype.names or ():
            tolerance = 1e-12 * max(1.0, np.abs(expected.state[field]).max())
            np.testing.assert_allclose(gpu["state"][field], expected.state[field], 0, tolerance, err_msg=field)
    assert expected.outputs["swe"].max() > 1.0  # there is snow to get wrong
    assert np.abs(np.diff(expected.outputs["runoff"], axis=1)).max() > 0  # and θ acts


@pytest.mark.skipif(cuda.is_available(), reason="this machine has a GPU")
def test_no_gpu_is_one_clear_line() -> None:
    with pytest.raises(SettingsError, match=r"device 'cuda' needs an NVIDIA GPU .*; use device 'cpu'") as refusal:
        run("cuda")
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(not cuda.is_available(), reason="this machine has no GPU")
def test_gpu_gives_the_numbers_of_the_cpu() -> None:
    """Powers of another library: equal to rounding, not to the bit."""
    ours, expected = run("cuda"), run("cpu")
    for name, values in expected.outputs.items():
        np.testing.assert_allclose(ours.outputs[name], values, rtol=1e-9, atol=1e-9, err_msg=name)
