"""`paraformer network` and `paraformer route`: from directions, gauges and runoff to discharge, and what is refused."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from typer.testing import CliRunner

from paraformer.cli import app
from paraformer.core.errors import DataError, SettingsError
from paraformer.routing.command import RouteOptions, route_runoff
from paraformer.routing.files import read_network
from paraformer.routing.router import network_router
from paraformer.routing.rvic import ParameterFile, write_parameter_file
from routing.rivers import write_directions, write_runoff

LAT, LON = np.array([40.25, 40.75, 41.25]), np.array([-99.75, -99.25, -98.75, -98.25])


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return result.output


def water(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.gamma(0.3, 8.0, (n, 3, 4)), rng.gamma(2.0, 0.5, (n, 3, 4))


@pytest.fixture
def river(tmp_path: Path) -> Path:
    (tmp_path / "gauges.csv").write_text("name,lat,lon\nmouth,40.25,-98.75\nhead,41.25,-99.25\n")
    out = invoke(
        "network",
        "make",
        write_directions(tmp_path),
        tmp_path / "river.nc",
        "--gauges",
        tmp_path / "gauges.csv",
        "--velocity",
        "0.4",
        "--runoff-delay",
        "6",
        "--baseflow-delay",
        "60",
        "--fraction",
        "0.5",
    )
    assert "mouth" in out
    return tmp_path / "river.nc"


def discharge(path: Path) -> np.ndarray:
    with netCDF4.Dataset(path) as dataset:
        return np.asarray(dataset["discharge"][:])


def test_from_directions_to_discharge(river: Path, tmp_path: Path) -> None:
    """The file's flow is the router's on the network's cells; water is kept."""
    runoff, baseflow = water(60)
    write_runoff(tmp_path / "runoff.nc", LAT, LON, runoff, baseflow)
    out = invoke("route", tmp_path / "runoff.nc", river, "--out", tmp_path / "q.nc", "-q")
    assert "2 gauges, 60 steps of 86400 s" in out
    assert float(out.split("lost ")[1].split()[0]) < 1e-12
    network = read_network(river)
    row = np.searchsorted(LAT, network.lat)
    column = np.searchsorted(LON, network.lon)
    router = network_router(network, 86400.0)
    assert len(router.responses) == 2
    expected = router.route(runoff[:, row, column].T.copy(), baseflow[:, row, column].T.copy()).discharge
    np.testing.assert_allclose(discharge(tmp_path / "q.nc"), expected, rtol=1e-12)
    with netCDF4.Dataset(tmp_path / "q.nc") as dataset:
        assert list(dataset["gauge"][:]) == ["mouth", "head"]
        assert dataset["discharge"].units == "m3 s-1"
        np.testing.assert_allclose(dataset["time_bnds"][:, 1] - dataset["time"][:], 1.0)


def test_blocks_change_nothing(river: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_runoff(tmp_path / "runoff.nc", LAT, LON, *water(400))
    route_runoff(tmp_path / "runoff.nc", river, tmp_path / "whole.nc", RouteOptions())
    monkeypatch.setattr("paraformer.routing.runoff.BLOCK_VALUES", 1)
    route_runoff(tmp_path / "runoff.nc", river, tmp_path / "blocks.nc", RouteOptions())
    np.testing.assert_allclose(discharge(tmp_path / "blocks.nc"), discharge(tmp_path / "whole.nc"), rtol=1e-12)


def test_mean_daily_flow_does_not_depend_on_the_step(river: Path, tmp_path: Path) -> None:
    """Runoff even over the day: daily means of hourly routing are those of daily routing."""
    runoff, baseflow = water(20)
    write_runoff(tmp_path / "day.nc", LAT, LON, runoff, baseflow)
    hourly = [np.repeat(part / 24, 24, axis=0) for part in (runoff, baseflow)]
    write_runoff(tmp_path / "hour.nc", LAT, LON, *hourly, hours=1.0)
    route_runoff(tmp_path / "day.nc", river, tmp_path / "a.nc", RouteOptions())
    route_runoff(tmp_path / "hour.nc", river, tmp_path / "b.nc", RouteOptions(local_days=0.0))
    np.testing.assert_allclose(discharge(tmp_path / "a.nc"), discharge(tmp_path / "b.nc"), rtol=1e-9)


def test_local_days(river: Path, tmp_path: Path) -> None:
    runoff, baseflow = water(96)
    write_runoff(tmp_path / "hour.nc", LAT, LON, runoff, baseflow, hours=3.0)
    route_runoff(tmp_path / "hour.nc", river, tmp_path / "utc.nc", RouteOptions())
    route_runoff(tmp_path / "hour.nc", river, tmp_path / "local.nc", RouteOptions(local_days=-6.0))
    steps = discharge(tmp_path / "utc.nc")
    expected = steps[:, 2 : 2 + 8 * 11].reshape(2, 11, 8).mean(axis=2)  # 00:00 in UTC-6 is 06:00 UTC
    np.testing.assert_allclose(discharge(tmp_path / "local.nc"), expected, rtol=1e-12)
    with netCDF4.Dataset(tmp_path / "local.nc") as dataset:
        assert "-6 h from UTC" in dataset["time"].comment
    write_runoff(tmp_path / "day.nc", LAT, LON, *water(9))
    with pytest.raises(SettingsError, match="steps of 86400 s hold no local days"):
        route_runoff(tmp_path / "day.nc", river, tmp_path / "x.nc", RouteOptions(local_days=-6.0))


@pytest.mark.parametrize(
    ("unit", "factor"), [("kg m-2 s-1", 86400.0), ("mm day-1", 1.0), ("m s-1", 8.64e7), ("m", 1000.0)]
)
def test_units(unit: str, factor: float, river: Path, tmp_path: Path) -> None:
    runoff, baseflow = water(20)
    write_runoff(tmp_path / "mm.nc", LAT, LON, runoff, baseflow)
    write_runoff(tmp_path / "other.nc", LAT, LON, runoff / factor, baseflow / factor)
    with netCDF4.Dataset(tmp_path / "other.nc", "r+") as dataset:
        for name in ("OUT_RUNOFF", "OUT_BASEFLOW"):
            dataset[name].units = unit
    for name in ("mm", "other"):
        route_runoff(tmp_path / f"{name}.nc", river, tmp_path / f"q_{name}.nc", RouteOptions())
    np.testing.assert_allclose(discharge(tmp_path / "q_other.nc"), discharge(tmp_path / "q_mm.nc"), rtol=1e-12)


def test_bad_runoff_is_refused(river: Path, tmp_path: Path) -> None:
    runoff, baseflow = water(20)
    runoff[7, 0, 2] = np.nan
    write_runoff(tmp_path / "r.nc", LAT, LON, runoff, baseflow)
    with pytest.raises(DataError, match=r"'OUT_RUNOFF' of cell 11 .* at 2001-01-08T00:00:00: found nan"):
        route_runoff(tmp_path / "r.nc", river, tmp_path / "q.nc", RouteOptions())
    runoff[7, 0, 2] = -5.0
    write_runoff(tmp_path / "r.nc", LAT, LON, runoff, baseflow)
    with pytest.raises(DataError, match="found -5, expected 0 or more"):
        route_runoff(tmp_path / "r.nc", river, tmp_path / "q.nc", RouteOptions())
    write_runoff(tmp_path / "r.nc", LAT, LON + 5, *water(20))
    with pytest.raises(DataError, match="no cell at the place of cell 1 "):
        route_runoff(tmp_path / "r.nc", river, tmp_path / "q.nc", RouteOptions())
    write_runoff(tmp_path / "r.nc", LAT, LON, *water(20))
    with netCDF4.Dataset(tmp_path / "r.nc", "r+") as dataset:
        dataset["time"][9:] = dataset["time"][9:] + 24
    with pytest.raises(DataError, match="time steps differ: 2001-01-09T00:00:00 is followed by 2001-01-11T00:00:00"):
        route_runoff(tmp_path / "r.nc", river, tmp_path / "q.nc", RouteOptions())
    write_runoff(tmp_path / "r.nc", LAT, LON, *water(20))
    with pytest.raises(SettingsError, match="method lohmann needs the program's box"):
        route_runoff(tmp_path / "r.nc", river, tmp_path / "q.nc", RouteOptions(method="lohmann"))


def test_a_parameter_file_is_routed_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    area = np.full((3, 4), 2e9)
    file = ParameterFile(
        86400.0,
        5,
        np.array([40.25]),
        np.array([-98.75]),
        ("mouth",),
        np.array([40.25, 41.25]),
        np.array([-98.75, -99.75]),
        np.array([0, 0]),
        np.array([0, 1]),
        np.array([[0.5, 0.5], [0.25, 0.25]]),
        "made",
    )
    write_parameter_file(file, tmp_path / "p.nc", LAT, LON, area)
    with netCDF4.Dataset(tmp_path / "domain.nc", "w") as dataset:
        for name, values in (("lat", LAT), ("lon", LON)):
            dataset.createDimension(name, len(values))
            dataset.createVariable(name, "f8", (name,))[:] = values
        dataset.createVariable("area", "f8", ("lat", "lon"))[:] = area / 1e6
        dataset["area"].units = "km2"
    runoff, baseflow = water(20)
    write_runoff(tmp_path / "r.nc", LAT, LON, runoff, baseflow)
    with pytest.raises(SettingsError, match="needs the areas of its --domain file"):
        route_runoff(tmp_path / "r.nc", tmp_path / "p.nc", tmp_path / "q.nc", RouteOptions())
    route_runoff(tmp_path / "r.nc", tmp_path / "p.nc", tmp_path / "q.nc", RouteOptions(domain=tmp_path / "domain.nc"))
    assert "as RVIC does, water arrives 1 step" in caplog.text
    near, far = ((runoff + baseflow)[:, row, column] for row, column in ((0, 2), (2, 0)))
    late = np.concatenate([[0.0], far])[:20]
    expected = (
        0.5 * near + 0.5 * np.concatenate([[0.0], near])[:20] + 0.25 * (late + np.concatenate([[0.0], late])[:20])
    )
    np.testing.assert_allclose(discharge(tmp_path / "q.nc")[0], expected * 2e9 / 8.64e7, rtol=1e-12)
    assert "2 sources, area 1.5 times" in invoke("network", "check", tmp_path / "p.nc")


def test_a_map_is_drawn(river: Path, tmp_path: Path) -> None:
    invoke("network", "map", river, tmp_path / "river.png")
    assert (tmp_path / "river.png").read_bytes()[:4] == b"\x89PNG"
    assert "8 pairs" not in invoke("network", "check", river)
