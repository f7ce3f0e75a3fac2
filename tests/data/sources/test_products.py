"""A study's granules to one store: every grid, one region and period for all parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import ValidationError

from data.sources.nldas_files import LAT, LON, write_hours
from data.sources.smap_granules import overpass, write_granule
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.core.variables import FORCING
from paraformer.data.sources.cells import open_cells
from paraformer.data.sources.config import ProductsConfig
from paraformer.data.sources.nldas import GRID
from paraformer.data.sources.products import grid_of, products_key, write_products

REGION = {"south": 39.2, "north": 39.8, "west": -105.9, "east": -105.1}


@pytest.fixture(scope="module")
def granules(tmp_path_factory):
    """One day of forcing around the region, moisture 0.3 everywhere on a wider 36 km box."""
    folder = tmp_path_factory.mktemp("granules")
    rows, columns = GRID.box(38.5, 40.5, -106.6, -104.4)
    write_hours(folder, "2016-05-01T00", 25, {}, LAT[rows], LON[columns])
    row, column = ease2_global(36).box(38.4, 40.6, -106.7, -104.3)
    shape = (row.stop - row.start, column.stop - column.start)
    write_granule(folder, "SPL3SMP", "2016-05-01", overpass(row.start, column.start, shape, "2016-05-01T13:00:00", 0.3))
    return folder


def config(folder, **changes) -> ProductsConfig:
    given = {
        "grid": "ease2_36km",
        "region": REGION,
        "period": {"start": "2016-05-01", "end": "2016-05-01"},
        "forcing": {"folder": folder},
        "observation": {"folder": folder, "product": "SPL3SMP", "overpass": "am"},
    }
    return ProductsConfig(**(given | changes))


@pytest.mark.parametrize("grid", ["ease2_36km", "ease2_9km", "nldas"])
def test_each_grid_has_its_cells_of_the_region(granules, tmp_path, grid):
    write_products(config(granules, grid=grid, regrid={"cache": tmp_path / "weights"}), tmp_path / "cells.zarr")
    raster = grid_of(grid)
    target = raster.window(*raster.box(**REGION))
    row, column = np.divmod(np.arange(target.rows * target.columns), target.columns)
    file = open_cells(tmp_path / "cells.zarr")
    np.testing.assert_array_equal(file.cells, target.identifiers(row, column))
    np.testing.assert_allclose(file.series("sm_smap", np.arange(len(file.cells))), 0.3, rtol=1e-6)
    for name in FORCING:
        assert np.isfinite(file.series(name, np.arange(len(file.cells)))).all()
    file.close()


def test_tables_and_the_key(granules, tmp_path):
    plain = config(granules)
    grid = ease2_global(36)
    target = grid.window(*grid.box(**REGION))
    cells = target.identifiers(*np.divmod(np.arange(target.rows * target.columns), target.columns))
    table = tmp_path / "soil.csv"
    pd.DataFrame({"cell": cells, "sand": 30.0}).to_csv(table, index=False)
    with_table = config(granules, attributes=[{"path": table, "key": "cell"}])
    write_products(with_table, tmp_path / "cells.zarr")
    with xr.open_zarr(tmp_path / "cells.zarr") as store:
        np.testing.assert_array_equal(store["sand"], 30.0)
    key = products_key(with_table)
    assert key == products_key(
        config(granules, attributes=[{"path": table, "key": "cell"}], regrid={"cache": tmp_path})
    )
    assert key != products_key(plain)
    table.write_text(table.read_text().replace("30.0", "31.0"))
    assert key != products_key(with_table)
    assert products_key(plain) != products_key(config(granules, grid="nldas"))


def test_settings(granules):
    found = config(granules)
    assert found.forcing.region.south == pytest.approx(38.6)
    assert found.observation.period == found.period
    own = config(granules, forcing={"folder": granules, "region": REGION, "steps": 8})
    assert own.forcing.region.south == 39.2
    with pytest.raises(ValidationError, match=r"forcing\.day must be 'utc'"):
        config(granules, forcing={"folder": granules, "day": "local"})
    with pytest.raises(ValidationError, match="overpass"):
        config(granules, observation={"folder": granules, "product": "SPL3SMP"})


def test_a_region_without_observations_is_an_error(granules, tmp_path):
    far = {"south": 45.0, "north": 46.0, "west": -106.0, "east": -105.0}
    with pytest.raises(DataError, match="no SPL3SMP retrieval passes the rules"):
        write_products(config(granules, region=far), tmp_path / "cells.zarr")
    assert not (tmp_path / "cells.zarr").exists()
