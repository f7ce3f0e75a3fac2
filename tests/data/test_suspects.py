"""Planted faults: every rule finds the cell it is for, and a sound world gives no finding."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING
from paraformer.data.suspects import COLUMNS, suspicious_cells

N, DAYS = 36, 120


@pytest.fixture
def world() -> xr.Dataset:
    """A six by six grid with smooth fields and a little noise."""
    rng = np.random.default_rng(5)
    row, column = (index.ravel().astype(float) for index in np.indices((6, 6)))
    smooth = (row + column)[:, None] / 10
    typical = {"prcp": 3.0, "tair": 15.0, "swdown": 200.0, "lwdown": 300.0, "wind": 3.0, "vp": 1.2, "pres": 95.0}
    data = {
        name: (("cell", "time"), typical[name] * (1 + 0.05 * smooth + 0.1 * rng.random((N, DAYS)))) for name in FORCING
    }
    moisture = 0.2 + 0.01 * smooth + 0.03 * rng.standard_normal((N, DAYS))
    moisture[rng.random((N, DAYS)) < 0.4] = np.nan
    data["sm_smap"] = (("cell", "time"), moisture)
    data["sand"] = (("cell",), 40 + 2 * row + rng.standard_normal(N))
    data["clay"] = (("cell",), np.full(N, 35.0))
    data["silt"] = (("cell",), 65 - data["sand"][1])
    data["trained"] = (("cell",), np.ones(N, bool))
    coords = {
        "cell": np.arange(100, 100 + N),
        "time": np.arange("2016-01-01", "2016-04-30", dtype="datetime64[D]"),
        "lat": ("cell", 35 + row / 3),
        "lon": ("cell", -100 + column / 3),
    }
    attrs = {
        "observation": "sm_smap",
        "attributes": ["sand", "silt", "clay"],
        "train_start": "2016-01-01",
        "train_end": "2016-02-29",
        "test_start": "2016-03-01",
        "test_end": "2016-04-29",
    }
    return xr.Dataset(data, coords, attrs)


def findings(world: xr.Dataset) -> list[tuple[int, str, str]]:
    table = suspicious_cells(Cube(world))
    assert tuple(table.columns) == COLUMNS
    return [(int(row.cell), str(row.variable), str(row.finding)) for row in table.itertuples()]


def test_a_sound_world_has_no_finding(world):
    assert findings(world) == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("sm_smap", lambda v: v * np.nan, "no observation at all"),
        ("sm_smap", lambda v: v * 0 + 0.2, "never changes"),
        ("sm_smap", lambda v: np.where(np.arange(DAYS) % 3 == 0, 0.2, v), "one value on"),
        ("prcp", lambda v: v * 0, "no precipitation at all"),
        ("tair", lambda v: v * 0 + 15.5, "constant in time"),
        ("vp", lambda v: v * 0.5, "cells around"),
        ("vp", lambda v: v * 2.2, "above saturation on 100 % of its days"),
        ("wind", lambda v: v.mean() + 3 * (v - v.mean()), "standard deviation"),
        ("clay", lambda v: v * 0, "sand, silt and clay add up to 6"),
        ("sm_smap", lambda v: v + 0.3, "cells around"),
        ("sand", lambda v: v + 40, "cells around"),
    ],
)
def test_each_rule_finds_its_fault(world, name, change, what):
    values = world[name].values.copy()
    values[14] = change(values[14])
    world[name] = (world[name].dims, values)
    found = findings(world)
    told = "sand" if name == "clay" else name
    assert any(cell == 114 and variable == told and what in finding for cell, variable, finding in found)
    assert {cell for cell, _, _ in found} == {114}
