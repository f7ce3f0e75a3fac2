"""MOD16A2: exact values from HDF4 tiles built after the user's guide (see ``modis_tiles``)."""

from __future__ import annotations

import calendar
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.sources.modis_tiles import SIZE, write_tile
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.config import ModisConfig
from paraformer.data.sources.modis import (
    FILL_CLASSES,
    SINUSOIDAL,
    composite_days,
    monthly_climatology,
    read_modis,
    sum_over,
    tile_window,
)
from paraformer.data.sources.nldas import GRID

H, V = 9, 5
"""The tile of 30 to 40 N around 105 W."""
TARGET = GRID.window(*GRID.box(36.0, 36.5, -104.0, -103.5))
YEAR = {"start": "2016-01-01", "end": "2016-12-31"}


def config(folder: Path, **changes) -> ModisConfig:
    return ModisConfig(**({"folder": folder, "period": {"start": "2016-01-01", "end": "2016-01-08"}} | changes))


def test_grid_against_the_published_corners():
    """MODIS land grid: pixel 463.312716528 m, tile 1111950.519667 m, corner -20015109.354, 10007554.677 m."""
    assert SINUSOIDAL.dx == pytest.approx(463.312716528, abs=5e-10)
    assert (SINUSOIDAL.x0, SINUSOIDAL.y0) == (-20015109.354, 10007554.677)
    assert SINUSOIDAL.dx * 2400 == pytest.approx(1111950.519667, abs=5e-7)
    tile = tile_window(18, 8)
    assert tile.x_edges[0] == pytest.approx(0, abs=1e-6)
    lat, lon = tile.geographic_of(tile.x_edges[:1], tile.y_edges[:1])
    np.testing.assert_allclose([lat[0], lon[0]], [10.0, 0.0], atol=1e-6)
    west = tile_window(9, 5)
    lat, lon = west.geographic_of(west.x_edges[:1], west.y_edges[:1])
    np.testing.assert_allclose([lat[0], lon[0]], [40.0, -90 / np.cos(np.deg2rad(40))], atol=1e-6)
    row, column = SINUSOIDAL.index(np.array([36.2]), np.array([-103.7]))
    assert (row[0] // SIZE, column[0] // SIZE) == (V, H)


def test_composites_fill_the_year():
    for year in (2015, 2016):
        starts = [np.datetime64(f"{year}-01-01", "D") + 8 * k for k in range(46)]
        assert sum(composite_days(start) for start in starts) == 365 + calendar.isleap(year)
        assert composite_days(starts[-1]) == (6 if calendar.isleap(year) else 5)
    with pytest.raises(DataError, match="no 8-day composite begins on day 2 of a year"):
        composite_days(np.datetime64("2016-01-02", "D"))


def test_area_mean_of_valid_pixels_and_their_share(tmp_path):
    """West of 103.75 W the counts are 200, east of it -100 (dew), and fill classes are no values."""
    window = tile_window(H, V)
    lat, lon = window.centres(*np.mgrid[0:SIZE, 0:SIZE])
    counts = np.where(lon < -103.75, 200, -100)
    codes = np.array(list(FILL_CLASSES))
    south = lat < 36.25
    counts[south] = codes[np.arange(south.sum()) % 7]
    write_tile(tmp_path, "2016001", H, V, counts)
    found = read_modis(config(tmp_path, minimum_valid=0.4), TARGET)
    share, value = found["valid_share"].values[:, 0], found["et_mod16"].values[:, 0]
    row, column = TARGET.index(found["lat"].values, found["lon"].values)
    known = np.isfinite(value)  # 36.25 N is an edge of cells: only a strip of a pixel reaches into the southern half
    np.testing.assert_array_equal(known, row >= 2)
    assert known.sum() == 8
    assert (share[~known] < 0.03).all()
    np.testing.assert_allclose(share[known], 1.0, atol=0.03)
    expected = np.where(column < 2, 20.0, -10.0)
    np.testing.assert_allclose(value[known], expected[known], atol=1.0)
    inner = known & ((column == 0) | (column == 3))
    np.testing.assert_allclose(value[inner], expected[inner], rtol=1e-12)
    assert found["et_mod16"].attrs["units"] == "mm"
    pixels = json.loads(found.attrs["pixels"])
    assert set(pixels) == {*FILL_CLASSES.values(), "valid", "dropped by quality"}
    assert pixels["urban"] > 0
    assert pixels["dropped by quality"] == 0


def test_share_below_the_minimum_has_no_value(tmp_path):
    counts = np.full((SIZE, SIZE), 100)
    counts[:, ::2] = 32765
    write_tile(tmp_path, "2016001", H, V, counts)
    found = read_modis(config(tmp_path, minimum_valid=0.6), TARGET)
    np.testing.assert_allclose(found["valid_share"], 0.5, atol=0.02)
    assert np.isnan(found["et_mod16"]).all()
    found = read_modis(config(tmp_path, minimum_valid=0.4), TARGET)
    np.testing.assert_allclose(found["et_mod16"], 10.0, rtol=1e-12)


def test_quality_bits(tmp_path):
    """User's guide: bit 0 MODLAND, bits 5-7 SCF_QC; 255 is fill."""
    qc = np.zeros((SIZE, SIZE), np.uint8)
    qc[:, 0::4], qc[:, 1::4], qc[:, 2::4], qc[:, 3::4] = 0b00000000, 0b00100000, 0b01000001, 255
    write_tile(tmp_path, "2016001", H, V, 100, qc)
    for quality, share in (("any", 1.0), ("main", 0.5), ("good", 0.5)):
        found = read_modis(config(tmp_path, quality=quality, minimum_valid=0.1), TARGET)
        np.testing.assert_allclose(found["valid_share"], share, atol=0.02, err_msg=quality)
    qc[:, 1::4] = 0b00100001
    write_tile(tmp_path, "2016001", H, V, 100, qc)
    found = read_modis(config(tmp_path, quality="good", minimum_valid=0.1), TARGET)
    np.testing.assert_allclose(found["valid_share"], 0.25, atol=0.02)


def test_two_tiles_meet_in_a_cell(tmp_path):
    """h09v05 and h10v05 meet at 80 W / cos(36) = 98.9 W at 36 N."""
    lon = -80 / np.cos(np.deg2rad(36.25))
    target = ease2_global(9).window(*ease2_global(9).box(36.0, 36.5, lon - 0.2, lon + 0.2))
    write_tile(tmp_path, "2016001", 9, 5, 100)
    alone = read_modis(config(tmp_path, minimum_valid=0.01), target)
    assert alone["valid_share"].values.min() < 0.9
    write_tile(tmp_path, "2016001", 10, 5, 300)
    both = read_modis(config(tmp_path), target)
    np.testing.assert_allclose(both["valid_share"], 1.0, atol=1e-9)
    share = alone["valid_share"].reindex(cell=both["cell"], fill_value=0.0).values
    np.testing.assert_allclose(both["et_mod16"].values, 10 * share + 30 * (1 - share), rtol=1e-9)


def composites(rate, year: int = 2016):
    """A year of composites of three cells without files: ``rate`` gives mm a day by composite number."""
    starts = np.datetime64(f"{year}-01-01", "D") + 8 * np.arange(46)
    days = np.array([composite_days(start) for start in starts])
    value = np.array([[rate(k) * n for k, n in enumerate(days)]] * 3)
    share = np.where(np.isfinite(value), 0.8, 0.2)
    place = (np.arange(3), np.zeros(3), np.zeros(3))
    variables = {
        "et_mod16": (("cell", "time"), value, {}),
        "valid_share": (("cell", "time"), share, {}),
        "days": (("time",), days, {}),
    }
    return simple_dataset(*place, starts, variables, {})


@pytest.mark.parametrize("year", [2015, 2016])
def test_sums_count_every_day_once(year):
    """2 mm a day make 2 mm times the days of every month and year, the short last composite included."""
    data = composites(lambda k: 2.0, year)
    monthly, annual = sum_over(data, "month"), sum_over(data, "year")
    expected = [2.0 * calendar.monthrange(year, month)[1] for month in range(1, 13)]
    np.testing.assert_allclose(monthly["et_mod16"], np.tile(expected, (3, 1)), rtol=1e-12)
    np.testing.assert_allclose(annual["et_mod16"], 2.0 * (365 + calendar.isleap(year)), rtol=1e-12)
    np.testing.assert_allclose(monthly["valid_share"], 0.8, rtol=1e-12)
    assert str(annual["time"].values[0])[:10] == f"{year}-01-01"


def test_a_composite_is_spread_over_the_months_it_touches():
    """Composite 3 of 2016 runs from 25 January to 1 February: seven of its eight days are January's."""
    monthly = sum_over(composites(lambda k: 1.0 if k == 3 else 0.0), "month")
    np.testing.assert_allclose(monthly["et_mod16"].values[0, :3], [7.0, 1.0, 0.0], atol=1e-12)


def test_missing_composites_leave_no_sum_or_are_scaled():
    data = composites(lambda k: np.nan if k == 1 else 2.0)
    monthly = sum_over(data, "month")["et_mod16"].values[0]
    assert np.isnan(monthly[0])
    assert np.isfinite(monthly[1:]).all()
    assert np.isnan(sum_over(data, "year")["et_mod16"]).all()
    scaled = sum_over(data, "month", minimum_days=0.7)["et_mod16"].values[0]
    assert scaled[0] == pytest.approx(62.0)
    np.testing.assert_allclose(sum_over(data, "month")["valid_share"].values[0, 0], 0.8)


def test_climatology_is_a_reference():
    first, second = composites(lambda k: 1.0, 2015), composites(lambda k: 3.0, 2016)
    both = xr.concat([sum_over(first, "month"), sum_over(second, "month")], dim="time", data_vars="minimal")
    climate = monthly_climatology(both)
    assert climate.dims == ("cell", "month")
    assert climate.attrs["units"] == "mm month-1"
    np.testing.assert_allclose(
        climate.values[0], [(31 + 93) / 2, (28 + 87) / 2] + [2.0 * n for n in (31, 30, 31, 30, 31, 31, 30, 31, 30, 31)]
    )


def test_last_composite_from_a_file(tmp_path):
    write_tile(tmp_path, "2016361", H, V, 60)
    found = read_modis(config(tmp_path, period={"start": "2016-12-30", "end": "2016-12-31"}), TARGET)
    assert found["days"].values.tolist() == [6]
    assert str(found["time"].values[0])[:10] == str(dt.date(2016, 12, 26))
    np.testing.assert_allclose(found["et_mod16"], 6.0, rtol=1e-12)


def test_newest_production_is_taken(tmp_path):
    write_tile(tmp_path, "2016001", H, V, 100)
    write_tile(tmp_path, "2016001", H, V, 200, made="2021256154955")
    found = read_modis(config(tmp_path), TARGET)
    np.testing.assert_allclose(found["et_mod16"], 20.0, rtol=1e-12)
    assert "superseded" in found.attrs["left_out"]


def test_faults(tmp_path):
    with pytest.raises(DataError, match="no usable MOD16A2GF tile of version 061"):
        read_modis(config(tmp_path), TARGET)
    write_tile(tmp_path, "2016001", H, V)
    both = config(tmp_path, period={"start": "2016-01-01", "end": "2016-01-16"})
    later = write_tile(tmp_path, "2016009", H, V)
    content = later.read_bytes()
    for spoilt, message in ((b"", "empty file"), (b"<html>", "a web page"), (b"\x89HDF\r\n\x1a\n", "not an HDF4 file")):
        later.write_bytes(spoilt)
        with pytest.raises(DataError, match=rf"A2016009.h09v05.*hdf: {message}"):
            read_modis(both, TARGET)
    later.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"A2016009.h09v05.*hdf: .*cannot be read; the file may be truncated"):
        read_modis(both, TARGET)
    found = read_modis(both.model_copy(update={"on_bad": "leave_out"}), TARGET)
    assert np.isnan(found["et_mod16"].values[:, 1]).all()
    later.unlink()
    write_tile(tmp_path, "2016009", 10, 5)
    with pytest.raises(DataError, match=r"tile h09v05 of the composite 2016-01-09 is missing, though"):
        read_modis(both, TARGET)
    with pytest.raises(DataError, match=r"no valid pixel of MOD16A2GF"):
        read_modis(config(tmp_path), GRID.window(slice(0, 2), slice(0, 2)))
    write_tile(tmp_path, "2016001", H, V, scale=0.01)
    with pytest.raises(DataError, match=r"'ET_500m' has scale_factor 0\.01, expected 0\.1"):
        read_modis(config(tmp_path), TARGET)
    (tmp_path / "MOD16A2GF.A2016002.h09v05.061.2020256154955.hdf").write_bytes(b"")
    with pytest.raises(DataError, match=r"A2016002.*no 8-day composite begins on day 2"):
        read_modis(config(tmp_path), TARGET)


def test_tiles_of_another_collection_are_named(tmp_path, caplog):
    path = write_tile(tmp_path, "2016001", H, V)
    old = path.rename(path.with_name(path.name.replace(".061.", ".006.")))
    with pytest.raises(
        DataError, match=rf"no usable MOD16A2GF tile of version 061 .*another collection, first {old.name}"
    ):
        read_modis(config(tmp_path), TARGET)
    write_tile(tmp_path, "2016001", H, V)
    assert read_modis(config(tmp_path), TARGET).sizes["cell"]
    assert f"found 1 of another collection, first {old.name}" in caplog.text
