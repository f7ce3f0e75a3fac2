"""Stations and the cells that they lie in: distance, differences, a limit, and nothing matched in silence."""

import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.data.cube import in_memory
from paraformer.data.stations import MATCH_COLUMNS, Probe, match_stations, stations_dataset

DAYS = np.arange("2020-01-01", "2020-01-03", dtype="datetime64[D]")


def stations(*places: tuple[float, float], elevation: float = np.nan, sand: float = np.nan) -> xr.Dataset:
    wet = np.array([0.2, 0.3])
    probes = [Probe(f"s{i}", f"S {i}", *p, 0.05, DAYS, wet, elevation, sand) for i, p in enumerate(places)]
    return stations_dataset(probes, {"source": "made"}, {})


def cube(*places: tuple[float, float]):
    lat, lon = (np.array(v) for v in zip(*places, strict=True))
    coords = {
        "cell": ("cell", np.arange(len(lat)) + 10),
        "time": ("time", DAYS.astype("datetime64[ns]")),
        "lat": ("cell", lat),
        "lon": ("cell", lon),
    }
    static = {"elevation": (("cell",), np.full(len(lat), 300.0), {"units": "m"})}
    static["sand"] = (("cell",), np.full(len(lat), 40.0), {"units": "%"})
    return in_memory(static, coords)


def test_the_nearest_cell_is_reported_with_what_differs():
    found = match_stations(stations((40.0, -100.1), elevation=350.0, sand=25.0), cube((40.0, -100.0), (42.0, -100.0)))
    assert tuple(found.columns) == MATCH_COLUMNS
    (row,) = found.itertuples()
    assert (row.station, row.cell, row.used, row.reason) == ("s0", 10, True, "")
    assert row.distance_km == pytest.approx(0.1 * 111.19 * np.cos(np.deg2rad(40)), rel=1e-3)
    assert (row.elevation_difference, row.sand_difference) == (50.0, -15.0)
    assert np.isnan(row.clay_difference), "neither is known"


def test_a_station_too_far_is_named_with_its_distance():
    found = match_stations(stations((40.0, -100.1), (45.0, -100.0)), cube((40.0, -100.0), (42.0, -100.0)))
    assert found["used"].tolist() == [True, False]
    assert found["reason"][1] == "334 km from the nearest cell, more than 25"
    assert match_stations(stations((45.0, -100.0)), cube((42.0, -100.0)), within=400.0)["used"].all()


def test_two_cells_at_one_place_are_refused_unless_a_station_names_its_own():
    both = cube((40.0, -100.0), (40.0, -100.0))
    with pytest.raises(DataError, match=r"station s0: 2 cells at its place, the first cell 10 \(lat 40, lon -100\)"):
        match_stations(stations((40.0, -100.0)), both)
    named = stations((40.0, -100.0), (40.0, -100.0)).assign_coords(cell=("station", [11, 10]))
    assert match_stations(named, both, own=True)["cell"].tolist() == [11, 10]
