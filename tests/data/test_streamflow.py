"""Observed flow of gauges on the days of a study: forms, units, marks, warm-up, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from pydantic import ValidationError

from paraformer.core.errors import DataError
from paraformer.data.streamflow import Gauge, ObservedFlow, read_observed, warn_of_ratio
from paraformer.data.streamflow_config import StreamflowConfig

DAYS = np.datetime64("2001-01-01") + np.arange(30)
GAUGES = [Gauge("b", 86.4e6), Gauge("a", 864e6)]


def netcdf(path: Path, unit: str = "m3 s-1", dims: tuple[str, str] = ("gauge", "time"), **more: Any) -> Path:
    """Flow 1, 2, ... of gauge a, and ten times that of gauge b, from three days before the study."""
    days = DAYS[0] - 3 + np.arange(40)
    flow = np.stack([1.0 + np.arange(40), 10.0 + 10 * np.arange(40)])
    variable = xr.Variable(("gauge", "time"), flow, {"units": unit})
    coords = {"gauge": np.array(["a", "b"], dtype=object), "time": days.astype("datetime64[ns]")}
    dataset = xr.Dataset({"discharge": variable, **more}, coords).transpose(*dims)
    dataset.to_netcdf(path)
    return path


def read(path: Path | None, inputs: Path | None = None, **changes: Any) -> ObservedFlow:
    config = StreamflowConfig(observed=path, **{"warm_up": 0, **changes})
    return read_observed(config, GAUGES, DAYS, inputs)


@pytest.mark.parametrize("dims", [("gauge", "time"), ("time", "gauge")])
def test_gauges_are_found_by_name(tmp_path: Path, dims: tuple[str, str]) -> None:
    found = read(netcdf(tmp_path / "flow.nc", dims=dims))
    np.testing.assert_allclose(found.flow[:, 0], [40.0, 4.0])
    assert found.mask.all()


@pytest.mark.parametrize(("unit", "first"), [("ft3 s-1", 4 * 0.3048**3), ("mm/d", 40.0), ("L s-1", 0.004)])
def test_units_become_cubic_metres_a_second(tmp_path: Path, unit: str, first: float) -> None:
    """1 mm a day over 86.4 km2 is 1 m3 s-1."""
    assert read(netcdf(tmp_path / "flow.nc", unit)).flow[1, 0] == pytest.approx(first)


def test_days_of_warm_up_do_not_count(tmp_path: Path) -> None:
    found = read(netcdf(tmp_path / "flow.nc"), warm_up=5)
    assert not found.mask[:, :5].any()
    assert found.mask[:, 5:].all()
    assert not found.flow[:, :5].any()


def test_marks_are_dropped(tmp_path: Path) -> None:
    marks = np.full((2, 40), "A")
    marks[0, 3] = "P"
    path = netcdf(tmp_path / "flow.nc", discharge_quality=(("gauge", "time"), marks))
    assert not read(path, drop=("P",)).mask[1, 0]
    assert read(path).mask[1, 0]


def test_a_file_a_gauge(tmp_path: Path) -> None:
    for name in "ab":
        lines = [f"{day},{1.5 if name == 'a' else 2.5}" for day in DAYS[:20]]
        (tmp_path / f"flow-{name}.csv").write_text("date,discharge\n" + "\n".join(lines))
    found = read(tmp_path / "flow-{gauge}.csv")
    np.testing.assert_allclose(found.flow[:, 0], [2.5, 1.5])
    assert found.mask.sum() == 40


def test_the_cells_own_file(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "cells.nc")
    assert read(None, path).flow[1, 0] == 4.0


def test_faults_are_told(tmp_path: Path) -> None:
    path = netcdf(tmp_path / "flow.nc")
    with pytest.raises(DataError, match=r"unit 'kg', expected m3 s-1"):
        read(netcdf(tmp_path / "unit.nc", "kg"))
    with pytest.raises(DataError, match="variable 'flow' is missing"):
        read(path, variable="flow")
    with pytest.raises(DataError, match="gauge 'c' is missing"):
        read_observed(StreamflowConfig(observed=path), [Gauge("c", 1.0)], DAYS)
    with pytest.raises(DataError, match=r"flow-b\.csv: cannot read"):
        read(tmp_path / "flow-{gauge}.csv")
    with pytest.raises(DataError, match="no flow on the days"):
        read(path, warm_up=40)
    with xr.open_dataset(path) as dataset:
        dataset.assign(discharge=-dataset["discharge"].assign_attrs(units="m3 s-1")).to_netcdf(tmp_path / "minus.nc")
    with pytest.raises(DataError, match=r"gauge b on 2000-12-29: found -10, expected 0 or more"):
        read(tmp_path / "minus.nc")


def test_flow_that_no_basin_has_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    flow = np.ones((2, 30))  # 1 and 0.1 mm a day
    with caplog.at_level(logging.WARNING):
        ratio = warn_of_ratio(ObservedFlow(flow, flow > 0), GAUGES, np.full((2, 30), 0.5))
    np.testing.assert_allclose(ratio, [2.0, 0.2])
    assert "gauge b" in caplog.text
    assert "gauge a" not in caplog.text


def test_a_velocity_needs_a_channel() -> None:
    with pytest.raises(ValueError, match="'velocity' has no effect without a network"):
        StreamflowConfig(routing=("velocity",)).require_channel()  # type: ignore[arg-type]
    StreamflowConfig(routing=("runoff_delay",)).require_channel()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"routing": ["runoff_shape"]}, "no effect without 'runoff_delay'"),
        ({"routing": ["speed"]}, "unknown parameter 'speed'"),
        ({"routing": ["runoff_delay", "runoff_delay"]}, "occurs twice"),
        ({"network": "river.nc"}, "'observed' is missing"),
    ],
)
def test_settings_that_do_not_fit(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        StreamflowConfig(**given)


def test_what_is_learned_where_nothing_is_said() -> None:
    assert [p.name for p in StreamflowConfig().learned] == ["runoff_delay", "runoff_shape"]
    river = StreamflowConfig(network=Path("river.nc"), observed=Path("flow.nc"))
    assert [p.name for p in river.learned] == ["velocity"]
    assert StreamflowConfig(routing=()).space is None
