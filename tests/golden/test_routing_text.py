"""The Lohmann program's own text files: a whole study read, its unit hydrographs and flow repeated."""

from __future__ import annotations

import tarfile
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from golden.routing_cases import CFS_PER_M3S, REFERENCE
from paraformer.routing.command import Recipe, RouteOptions, make_network, route_runoff
from paraformer.routing.files import read_network
from paraformer.routing.lohmann import LAGS, lohmann_response
from paraformer.routing.lohmann_files import read_control
from paraformer.routing.network import Network

pytestmark = pytest.mark.shared


@pytest.fixture
def study(shared: Path, tmp_path: Path) -> Path:
    with tarfile.open(shared / REFERENCE / "lohmann" / "ascii_base.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "lohmann_ascii"


def program_order(network: Network, gauge: int) -> np.ndarray:
    """Pairs of a gauge in the program's order of sources: columns from the east, in each from the south."""
    own = np.arange(network.pairs.first[gauge], network.pairs.first[gauge + 1])
    cells = network.pairs.source[own]
    return own[np.lexsort((network.lat[cells], -network.lon[cells]))]


def test_a_study_is_read_and_repeated(study: Path, caplog: pytest.LogCaptureFixture) -> None:
    control = read_control(study / "in.txt")
    assert (control.velocity, control.decimals, str(control.first), str(control.last)) == (
        "1.5",
        5,
        "2003-10",
        "2005-03",
    )
    make_network(study / "in.txt", study / "river.nc", Recipe())
    network = read_network(study / "river.nc")
    assert network.box is not None
    response = lohmann_response(network, network.box, "lohmann")
    for gauge, name in enumerate(network.gauges.names):
        order = program_order(network, gauge)
        given = np.array((study / f"{name}.uh_s").read_text().split(), dtype=float).reshape(len(order), LAGS)
        assert np.abs(response.ordinates[order] - given).max() < 5e-7
    route_runoff(study / "in.txt", study / "river.nc", study / "q.nc", RouteOptions(method="lohmann"))
    assert "water arrives 1 hour early for every cell" in caplog.text
    with netCDF4.Dataset(study / "q.nc") as dataset:
        flow = np.asarray(dataset["discharge"][:]) * CFS_PER_M3S
    for gauge, name in enumerate(network.gauges.names):
        days = np.loadtxt(study / "out" / f"{name}.day")
        np.testing.assert_allclose(flow[gauge], days[:, 3], atol=5e-5 * days[:, 3].max())
