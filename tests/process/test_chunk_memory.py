"""What a chunk of cells needs while it runs: said, and measured."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np

from paraformer.core.log import Progress
from paraformer.core.parameters import ParameterSpace
from paraformer.process.ensemble import Sets, chunk_bytes, run_sets
from paraformer.process.vic.model import VIC
from paraformer.process.vic.settings import VICSettings
from process.miniature import make_forcing, make_parameters


def test_a_thousand_sets_of_a_chunk_fit_into_four_gigabytes() -> None:
    assert chunk_bytes(16, 1000, 1096, 4, 8) < 2e9


def test_a_chunk_needs_no_more_memory_than_said(tmp_path: Path) -> None:
    """What NumPy takes at its peak, model and forcing in memory included."""
    days, outputs = 120, ("soil_moisture", "runoff")
    axes = {
        "cell": np.arange(16),
        "time": np.datetime64("2015-01-01") + np.arange(days),
        "lat": np.zeros(16),
        "lon": np.zeros(16),
    }
    space, forcing = ParameterSpace.of("infilt", "expt"), make_forcing(16, days)
    model = VIC(space, make_parameters(16), forcing, VICSettings(), threads=1)
    sets = Sets(space.from_unit(np.random.default_rng(0).random((16, 100, 2))))
    tracemalloc.start()
    run_sets(model, sets, tmp_path / "a.zarr", outputs=outputs, axes=axes, chunk_cells=16, progress=Progress())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = chunk_bytes(16, 100, days, 2, 8)
    assert 0.3 * said < peak < 1.2 * said
