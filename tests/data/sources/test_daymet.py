"""Daymet version 4: exact values from small files of its structure, and pixels of another projection on cells."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.core.grid import Raster, ease2_global
from paraformer.data.regrid import weights
from paraformer.data.sources.blocks import join_blocks
from paraformer.data.sources.cci import GRID as QUARTER
from paraformer.data.sources.daymet import GRID, UNITS, around, daymet_blocks
from paraformer.data.sources.forcing_config import DaymetConfig
from paraformer.data.sources.region import Region

REGION = {"south": 40.0, "north": 40.2, "west": -100.2, "east": -99.9}
VALUES = {"prcp": 4.0, "tmax": 24.0, "tmin": 12.0, "srad": 400.0, "vp": 1200.0, "dayl": 43200.0}
STATED = {"prcp": "mm/day", "tmax": "degrees C", "tmin": "degrees C", "srad": "W/m2", "vp": "Pa", "dayl": "s"}


def axes() -> tuple[np.ndarray, np.ndarray]:
    """y and x of the pixels around the region [m]."""
    part = around(Region(**REGION))
    rows, columns = part.row0 + np.arange(part.rows), part.column0 + np.arange(part.columns)
    return GRID.y0 + GRID.dy * (rows + 0.5), GRID.x0 + GRID.dx * (columns + 0.5)


def write_year(folder: Path, year: int, scale: float = 1.0, **changes) -> None:
    """One file a variable; a year has 365 days, at local noon, whatever its length."""
    y, x = axes()
    for name, value in (VALUES | changes).items():
        with netCDF4.Dataset(folder / f"daymet_v4_daily_na_{name}_{year}.nc", "w") as file:
            for axis, values in (("y", y), ("x", x)):
                file.createDimension(axis, len(values))
                variable = file.createVariable(axis, "f4", (axis,))
                variable.units, variable.standard_name = ("km" if scale != 1 else "m"), f"projection_{axis}_coordinate"
                variable[:] = values * scale
            file.createDimension("time", 365)
            time = file.createVariable("time", "f4", ("time",))
            time.units, time.calendar = "days since 1950-01-01 00:00:00", "standard"
            time.long_name = "24-hour day based on local time"
            first = (np.datetime64(f"{year}-01-01") - np.datetime64("1950-01-01")).astype(int)
            time[:] = first + np.arange(365) + 0.5
            data = file.createVariable(name, "f4", ("time", "y", "x"), fill_value=-9999.0, zlib=True)
            data.units, data.missing_value = STATED[name], np.float32(-9999.0)
            data[:] = np.broadcast_to(value, (365, len(y), len(x)))


def config(folder: Path, start: str = "2016-12-29", end: str = "2016-12-30", **changes) -> DaymetConfig:
    given = {"estimate": ["lwdown", "wind", "pres"], "period": {"start": start, "end": end}, "region": REGION}
    return DaymetConfig(product="Daymet", folder=folder, **(given | changes))


def read(found_config: DaymetConfig):
    return join_blocks(daymet_blocks(found_config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("daymet")
    for year in (2016, 2017):
        day = np.arange(365.0)[:, None, None]
        write_year(made, year, prcp=day)
    return made


def test_values_units_and_places(folder, caplog):
    found = read(config(folder))
    np.testing.assert_allclose(found["prcp"], [[363.0, 364.0]] * found.sizes["cell"])
    for name, value in {"tair": 18.0, "swdown": 200.0, "vp": 1.2}.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    lat, lon = found["lat"].values, found["lon"].values
    assert ((lat > 40.0) & (lat < 40.2) & (lon > -100.2) & (lon < -99.9)).all()
    row, column = np.divmod(found["cell"].values, 7814)
    back = GRID.centres(row, column)
    np.testing.assert_allclose(back, (lat, lon), atol=1e-9)
    area = 0.2 * 0.3 * 111.0 * 111.0 * np.cos(np.deg2rad(40.1))
    assert found.sizes["cell"] == pytest.approx(area, rel=0.1)  # one a square kilometre
    assert "days of Daymet are those of local time" in caplog.text
    assert set(UNITS) == set(VALUES)


def test_the_last_day_of_leap_years(folder):
    with pytest.raises(DataError, match=r"no 2016-12-31, .*forcing\.december_31: repeat"):
        read(config(folder, end="2017-01-01"))
    found = read(config(folder, end="2017-01-02", december_31="repeat"))
    np.testing.assert_allclose(found["prcp"].values[0], [363, 364, 364, 0, 1])
    assert "31 December" in found.attrs["comment"]
    np.testing.assert_allclose(read(config(folder, "2017-12-31", "2017-12-31"))["prcp"], 364.0)


def test_subsets_in_kilometres_and_what_is_wrong(folder, tmp_path):
    write_year(tmp_path, 2016, scale=1e-3)
    np.testing.assert_allclose(read(config(tmp_path))["prcp"], 4.0)
    (tmp_path / "daymet_v4_daily_na_vp_2016.nc").unlink()
    with pytest.raises(DataError, match=r"has the variable 'vp' of Daymet; found dayl, prcp"):
        read(config(tmp_path))
    with pytest.raises(DataError, match=r"has nothing for 2018-01-01"):
        read(config(folder, "2018-01-01", "2018-01-02"))
    with pytest.raises(DataError, match=r"Daymet has no wind, pres here; .*estimate: \[lwdown, wind, pres\]"):
        read(config(folder, estimate=["lwdown"]))
    with pytest.raises(DataError, match="the region lies outside the grid"):
        read(config(folder, region={"south": 6, "north": 8, "west": 0, "east": 2}))


@pytest.mark.parametrize("coarse", [QUARTER, ease2_global(36)])
def test_pixels_add_up_to_the_cells_that_they_fill(coarse):
    """Weights by centres: no area is lost, and a cell inside is filled but for the pixels at its rim."""
    inner = coarse.window(*coarse.box(39.6, 40.6, -100.9, -99.4))
    source = around(Region(south=39.0, north=41.2, west=-101.6, east=-98.7))
    table = weights(source, inner)
    share = np.asarray(table.overlap.sum(axis=1)).ravel() / table.target_area
    np.testing.assert_allclose(share, 1.0, atol=0.06)
    assert share.mean() == pytest.approx(1.0, abs=0.01)
    fine = Raster("fine", "EPSG:4326", x0=-100.0, y0=40.0, dx=0.02, dy=0.02, rows=9, columns=9)
    with pytest.raises(DataError, match="whose cells are too large beside those of fine"):
        weights(source, fine)
