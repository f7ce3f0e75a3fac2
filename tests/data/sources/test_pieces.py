"""Months of forcing between runs: a longer period reads the new ones only, and the result does not know it."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from data.sources.nldas_files import LAT, LON, write_hours
from data.sources.smap_granules import overpass, write_granule
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.core.time import Period
from paraformer.data.sources import pieces
from paraformer.data.sources.config import ProductsConfig
from paraformer.data.sources.nldas import GRID
from paraformer.data.sources.pieces import months_of
from paraformer.data.sources.products import products_key, write_products

REGION = {"south": 39.2, "north": 39.8, "west": -105.9, "east": -105.1}


@pytest.fixture(scope="module")
def granules(tmp_path_factory):
    """Five days around the end of May, warmer every hour."""
    folder = tmp_path_factory.mktemp("granules")
    rows, columns = GRID.box(38.5, 40.5, -106.6, -104.4)
    courses = {
        "Tair": lambda hour, lat, lon: 280 + lat - 39 + hour / 20,
        "Rainf": lambda hour, lat, lon: hour + 0 * lat,
    }
    write_hours(folder, "2016-05-30T00", 24 * 5 + 1, courses, LAT[rows], LON[columns])
    row, column = ease2_global(36).box(38.4, 40.6, -106.7, -104.3)
    shape = (row.stop - row.start, column.stop - column.start)
    for day in ("2016-05-30", "2016-06-01", "2016-06-03"):
        write_granule(folder, "SPL3SMP", day, overpass(row.start, column.start, shape, f"{day}T13:00:00", 0.3))
    return folder


def config(folder, end: str, cache=None) -> ProductsConfig:
    return ProductsConfig(
        grid="ease2_36km",
        region=REGION,
        period={"start": "2016-05-30", "end": end},
        cache=cache,
        forcing={"folder": folder, "steps": 8},
        observation={"folder": folder, "product": "SPL3SMP", "overpass": "am"},
    )


@pytest.fixture
def read(monkeypatch):
    """Periods whose granules were read."""
    found: list[str] = []
    original = pieces.forcing_blocks

    def counted(part, progress=None):
        found.append(str(part.period))
        return original(part, progress)

    monkeypatch.setattr(pieces, "forcing_blocks", counted)
    return found


def stored(path) -> xr.Dataset:
    with xr.open_zarr(path) as store:
        return store.load()


def test_a_longer_period_reads_the_new_month_only(granules, tmp_path, read):
    cache = tmp_path / "months"
    write_products(config(granules, "2016-06-01", cache), tmp_path / "short.zarr")
    assert read == ["2016-05-30..2016-05-31", "2016-06-01..2016-06-01"]
    read.clear()
    write_products(config(granules, "2016-06-03", cache), tmp_path / "long.zarr")
    assert read == ["2016-06-01..2016-06-03"]
    read.clear()
    write_products(config(granules, "2016-06-03", cache), tmp_path / "again.zarr")
    assert read == []
    write_products(config(granules, "2016-06-03"), tmp_path / "plain.zarr")
    for name in ("long", "again"):
        xr.testing.assert_identical(stored(tmp_path / f"{name}.zarr"), stored(tmp_path / "plain.zarr"))
    assert products_key(config(granules, "2016-06-03", cache)) == products_key(config(granules, "2016-06-03"))


def test_a_killed_run_goes_on_after_the_last_finished_month(granules, tmp_path, read, monkeypatch):
    cache = tmp_path / "months"
    whole = pieces.write_json
    marks: list[object] = []

    def killed(path, value):
        if marks:
            raise KeyboardInterrupt
        marks.append(path)
        whole(path, value)

    monkeypatch.setattr(pieces, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        write_products(config(granules, "2016-06-03", cache), tmp_path / "cells.zarr")
    monkeypatch.setattr(pieces, "write_json", whole)
    read.clear()
    write_products(config(granules, "2016-06-03", cache), tmp_path / "cells.zarr")
    assert read == ["2016-06-01..2016-06-03"]


def test_other_granules_or_settings_are_read_anew(granules, tmp_path, read):
    cache = tmp_path / "months"
    first = config(granules, "2016-05-31", cache)
    write_products(first, tmp_path / "a.zarr")
    write_products(
        first.model_copy(update={"regrid": first.regrid.model_copy(update={"minimum_share": 0.9})}), tmp_path / "b.zarr"
    )
    write_products(
        first.model_copy(update={"forcing": first.forcing.model_copy(update={"steps": 1})}), tmp_path / "c.zarr"
    )
    assert len(read) == 3
    next(iter(cache.glob("*-0.nc"))).unlink()
    for name in "abc":
        write_products(first, tmp_path / f"{name}2.zarr")
    assert len(read) in (3, 4)  # the one whose block was removed, if it was that of the first settings


def test_months_of_a_period():
    found = months_of(Period(start="2015-12-30", end="2016-02-02"))
    assert [str(month) for month in found] == [
        "2015-12-30..2015-12-31",
        "2016-01-01..2016-01-31",
        "2016-02-01..2016-02-02",
    ]
    assert sum((np.datetime64(m.end) - np.datetime64(m.start)).astype(int) + 1 for m in found) == 35


def test_a_missing_hour_is_still_an_error(granules, tmp_path):
    with pytest.raises(DataError, match="is missing"):
        write_products(config(granules, "2016-06-05", tmp_path), tmp_path / "cells.zarr")
