"""Putting products together: SMAP and NLDAS-2 granules to one file of the simple format that a study can check."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data.sources.nldas_files import LAT, LON, write_hours
from data.sources.smap_granules import overpass, write_granule
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.data.config import DataConfig
from paraformer.data.quality import check
from paraformer.data.regrid import remap
from paraformer.data.sources.blocks import combine, join_blocks, write_blocks
from paraformer.data.sources.config import NldasConfig, RegridConfig, SmapConfig, TableConfig
from paraformer.data.sources.nldas import GRID, nldas_blocks
from paraformer.data.sources.smap import read_smap
from paraformer.data.sources.tables import add_attributes

REGION = {"south": 38.6, "north": 40.4, "west": -106.4, "east": -104.6}
INNER = {"south": 39.2, "north": 39.8, "west": -105.9, "east": -105.1}
PERIOD = {"start": "2016-05-01", "end": "2016-05-02"}


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """NLDAS-2 around, SMAP 36 km inside: two days, the second one without a granule."""
    folder = tmp_path_factory.mktemp("products")
    rows, columns = GRID.box(**REGION)
    warm = {"Tair": lambda hour, lat, lon: 280 + lat - 39 + hour / 10}
    write_hours(folder, "2016-05-01T00", 49, warm, LAT[rows], LON[columns])
    at_row, at_column = ease2_global(36).box(**INNER)
    shape = (at_row.stop - at_row.start, at_column.stop - at_column.start)
    content = overpass(at_row.start, at_column.start, shape, "2016-05-01T13:00:00", 0.3)
    write_granule(folder, "SPL3SMP", "2016-05-01", content)
    nldas = NldasConfig(folder=folder, region=REGION, period=PERIOD, steps=8)
    smap = SmapConfig(folder=folder, product="SPL3SMP", overpass="am", region=INNER, period=PERIOD)
    return nldas, smap


def test_from_granules_to_a_checked_file(products, tmp_path):
    nldas, smap = products
    grid = ease2_global(36)
    target = grid.window(*grid.box(**INNER))
    observed = read_smap(smap)
    rules = RegridConfig(cache=tmp_path)
    blocks = (combine(remap(block, GRID, target, rules), observed) for block in nldas_blocks(nldas))
    joined = join_blocks(blocks)
    assert joined.sizes == {"cell": target.rows * target.columns, "time": 16}
    np.testing.assert_array_equal(joined["cell"], observed["cell"])
    expected = np.zeros((joined.sizes["cell"], 16), bool)
    expected[:, 0] = True
    np.testing.assert_array_equal(np.isfinite(joined["sm_smap"]), expected)
    warm = 280 + joined["lat"].values - 39 - 273.15
    np.testing.assert_allclose(joined["tair"].values[:, 0], warm + 0.15, atol=0.02)
    assert "SPL3SMP" in joined.attrs["source"]
    assert "NLDAS_FORA0125_H" in joined.attrs["source"]

    table = pd.DataFrame({"cell": joined["cell"].values, "sand": 40.0})
    table.to_csv(tmp_path / "soil.csv", index=False)
    joined = add_attributes(joined, TableConfig(path=tmp_path / "soil.csv", key="cell"))
    write_blocks([joined], tmp_path / "cells.zarr")
    settings = DataConfig(
        path=tmp_path / "cells.zarr",
        train={"start": "2016-05-01", "end": "2016-05-01"},
        test={"start": "2016-05-02", "end": "2016-05-02"},
    )
    selection = check(settings)
    try:
        assert selection.file.steps == 8
        assert selection.attributes == ("sand",)
    finally:
        selection.file.close()


def test_combine_refuses_what_does_not_fit(products):
    nldas, smap = products
    forcing, observed = next(iter(nldas_blocks(nldas))), read_smap(smap)
    with pytest.raises(DataError, match="have no cell in common"):
        combine(forcing, observed)
    grid = ease2_global(36)
    forcing = remap(forcing, GRID, grid.window(*grid.box(**INNER)), RegridConfig())
    moved = observed.assign(lat=observed["lat"] + 0.1)
    with pytest.raises(DataError, match=r"cell \d+ has another lat"):
        combine(forcing, moved)
    with pytest.raises(DataError, match=r"variable 'sm_smap' is in two of the datasets"):
        combine(forcing, observed, observed)
    fewer = combine(forcing, observed.isel(cell=slice(1, 3)))
    np.testing.assert_array_equal(fewer["cell"], observed["cell"][1:3])


def test_no_block_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no block of data to join"):
        join_blocks([])
    with pytest.raises(DataError, match="no block of data to write"):
        write_blocks([], tmp_path / "none.zarr")
    assert not list(tmp_path.iterdir())
