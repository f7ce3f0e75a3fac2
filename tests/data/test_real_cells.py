"""The data room on the real SMAP and NLDAS-2 cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.simple_world import PERIODS, SPLIT
from paraformer.data.config import DataConfig
from paraformer.data.cube import build_cube
from paraformer.data.views import describe_cube

pytestmark = pytest.mark.shared


def test_the_conus_cube(shared: Path, tmp_path: Path):
    path = shared / "data" / "conus" / "conus_smap_nldas.nc"
    config = DataConfig(path=path, split=SPLIT, select={"qc": 0}, **PERIODS)
    cube = build_cube(config, tmp_path / "cube.zarr")
    facts = describe_cube(cube)
    assert facts["cells"] == {"all": 304, "trained": 243, "unseen": 61}
    assert facts["train"]["observed_share_trained"] == pytest.approx(0.422, abs=0.001)
    assert facts["train"]["cells_without_observation"] == 0
    assert len(cube.time) == 1096
    assert np.isfinite(cube.attributes()).all()
    assert set(cube.dataset.data_vars) >= {"et_fluxcom", "et_gleam"}
    aridity = facts["ranges"]["climate_aridity"]
    assert aridity["min"] < 0.5  # Pacific Northwest
    assert aridity["max"] > 10  # lower Colorado
