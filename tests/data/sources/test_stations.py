"""Stations read as their archives publish them: units, days, flags, frost; and every damage named in one line."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.sources.station_text import write_daily, write_hourly, write_ismn
from paraformer.core.errors import DataError, SettingsError
from paraformer.data.sources.ismn_files import read_ismn
from paraformer.data.sources.station_files import read_stations
from paraformer.data.sources.uscrn import read_uscrn

DAYS = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
WET = np.linspace(0.1, 0.4, DAYS.size).round(3)
NAME = "CRND0103-2020-KS_Manhattan_6_SSW.txt"


def test_a_day_of_uscrn_is_a_day(tmp_path: Path) -> None:
    shallow = WET.copy()
    shallow[3] = -99.0
    cold = np.full(DAYS.size, 5.0)
    cold[7], cold[8] = 0.9, -9999.0
    write_daily(tmp_path / NAME, DAYS, {5: shallow, 50: WET}, {5: cold})
    found = read_stations(tmp_path)
    assert found["soil_moisture"].dims == ("station", "depth", "time")
    assert found["depth"].values.tolist() == [0.05, 0.5]
    assert found["station"].values.tolist() == ["53974"]
    assert found["name"].values.tolist() == ["KS Manhattan 6 SSW"]
    assert (float(found["lat"][0]), float(found["lon"][0])) == (39.10, -96.61)
    assert np.isnan(found["elevation"].values[0])
    assert found.attrs["day"] == "local"
    at = found["soil_moisture"].sel(depth=0.05).values[0]
    kept = np.ones(DAYS.size, bool)
    kept[[3, 7, 8]] = False
    np.testing.assert_array_equal(np.isfinite(at), kept)
    np.testing.assert_allclose(at[kept], WET[kept], rtol=1e-6)
    np.testing.assert_allclose(found["soil_moisture"].sel(depth=0.5).values[0], WET, rtol=1e-6)
    dropped = json.loads(found.attrs["quality"])["dropped"]
    assert (dropped["frozen"], dropped["without soil temperature"]) == (1, 1)
    assert read_uscrn(tmp_path, frozen=0.0)["soil_moisture"].sel(depth=0.05).values[0, 7] == pytest.approx(WET[7])
    found.to_netcdf(tmp_path / "stations.nc")
    xr.testing.assert_allclose(read_stations(tmp_path / "stations.nc"), found)


def test_years_and_stations_of_a_folder_are_one_dataset(tmp_path: Path) -> None:
    for year in (2019, 2020):
        days = np.arange(f"{year}-01-01", f"{year + 1}-01-01", dtype="datetime64[D]")
        for number, name in (("53974", "KS_Manhattan_6_SSW"), ("00042", "XX_Elsewhere_1_N")):
            path = tmp_path / str(year) / f"CRND0103-{year}-{name}.txt"
            path.parent.mkdir(exist_ok=True)
            write_daily(path, days, {5: np.full(days.size, 0.2)}, number=number)
    found = read_stations(tmp_path)
    assert set(found["station"].values) == {"53974", "00042"}
    assert found.sizes["time"] == 365 + 366
    assert np.isfinite(found["soil_moisture"].values).all()
    shutil.copy(tmp_path / "2020/CRND0103-2020-KS_Manhattan_6_SSW.txt", tmp_path / "CRND0103-2020-KS_Twin.txt")
    with pytest.raises(DataError, match=r"53974: 2020-01-01 stands twice in 3 file"):
        read_stations(tmp_path)


def test_hours_are_stamped_at_their_end_and_make_utc_days(tmp_path: Path) -> None:
    """24 hours that end 01:00 ... 00:00 are one day; a day with fewer than 12 of them has no mean."""
    ends = np.datetime64("2020-06-01T01", "h") + np.arange(48 + 11)
    moisture = np.repeat([0.1, 0.2, 0.3], 24)[: ends.size].astype(float)
    warm = np.full(ends.size, 12.0)
    moisture[2] = -99.0
    warm[30] = -3.0
    write_hourly(tmp_path / "CRNH0203-2020-KS_Manhattan_6_SSW.txt", ends, moisture, warm)
    found = read_stations(tmp_path)
    assert found.attrs["day"] == "UTC"
    assert found["time"].values.astype("datetime64[D]").astype(str).tolist() == [
        "2020-06-01",
        "2020-06-02",
        "2020-06-03",
    ]
    np.testing.assert_allclose(found["soil_moisture"].values[0, 0, :2], [0.1, 0.2], rtol=1e-6)
    assert np.isnan(found["soil_moisture"].values[0, 0, 2])
    write_daily(tmp_path / NAME, DAYS, {5: WET})
    with pytest.raises(DataError, match=r"files of daily01 and of hourly02"):
        read_stations(tmp_path)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda text: "", "the file is empty"),
        (lambda text: text.replace("0.100", "1.500", 1), "53974, 5 cm, 2020-01-01: soil moisture 1.5 m3 m-3"),
        (lambda text: text.replace("20200102", "20201302"), "'20201302' is no date"),
        (lambda text: "\n".join(line[:100] for line in text.splitlines()), "columns, expected 28"),
        (lambda text: text.rstrip()[:-9], "line 60 has 27 columns, expected 28"),
        (lambda text: text.replace("  0.100", "  0.1x0", 1), "column 19: '0.1x0' is no number"),
    ],
)
def test_a_damaged_file_is_named(damage: object, words: str, tmp_path: Path) -> None:
    path = write_daily(tmp_path / NAME, DAYS, {5: WET})
    path.write_text(damage(path.read_text()))  # type: ignore[operator]
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        read_stations(tmp_path)
    assert NAME in str(caught.value)


def test_nothing_of_a_station_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file or folder; expected USCRN files"):
        read_stations(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no station's data; expected USCRN files"):
        read_stations(tmp_path)
    write_daily(tmp_path / NAME, DAYS, {})
    with pytest.raises(DataError, match=r"no soil moisture is left after missing values and flags"):
        read_stations(tmp_path)


# -- ISMN

HOURS = np.datetime64("2020-06-01T00", "h") + np.arange(72)


@pytest.fixture
def ismn() -> None:
    pytest.importorskip("ismn", reason="the library ismn (extra insitu) is not installed")


@pytest.mark.parametrize("layout", ["header", "ceop"])
def test_ismn_keeps_good_values_alone(layout: str, tmp_path: Path, ismn: None) -> None:
    values, flags = np.repeat([0.1, 0.2, 0.3], 24).astype(float), np.full(72, "G", dtype=object)
    values[1], flags[1] = 0.9, "D06"
    values[2], flags[2] = -9999.0, "M"
    values[48:], flags[48:] = 0.5, "D01,D02"
    folder = write_ismn(tmp_path / "download", HOURS, values, flags, layout=layout)
    write_ismn(folder, HOURS, np.full(72, 0.25), np.full(72, "G"), layout=layout, depth=(0.0, 0.4))
    found = read_stations(folder)
    assert found["station"].values.tolist() == ["NET/Prairie"]
    assert found["depth"].values.tolist() == [0.05, 0.2]
    assert (float(found["elevation"][0]), float(found["sand"][0]), float(found["clay"][0])) == (348.0, 21.0, 33.0)
    shallow = found["soil_moisture"].values[0, 0]
    np.testing.assert_allclose(shallow[:2], [0.1, 0.2], rtol=1e-6)
    assert np.isnan(shallow[2])
    assert json.loads(found.attrs["quality"])["dropped"] == {"D06": 1, "M": 1, "D01,D02": 24}
    assert not list(folder.glob("python_metadata")), "nothing is written into the download"
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", folder)
    xr.testing.assert_allclose(read_stations(packed), found)


def test_of_two_probes_at_one_depth_the_longer_is_taken(tmp_path: Path, ismn: None, caplog: object) -> None:
    folder = write_ismn(tmp_path / "download", HOURS, np.full(72, 0.1), np.full(72, "G"), depth=(0.05, 0.05))
    write_ismn(folder, HOURS[:48], np.full(48, 0.3), np.full(48, "G"), depth=(0.04, 0.06))
    found = read_stations(folder)
    np.testing.assert_allclose(found["soil_moisture"].values, 0.1, rtol=1e-6)
    assert "several probes at 0.05 m" in caplog.text  # type: ignore[attr-defined]


def test_a_good_value_that_no_soil_has_is_refused(tmp_path: Path, ismn: None) -> None:
    folder = write_ismn(tmp_path / "download", HOURS, np.full(72, 35.0), np.full(72, "G"))
    with pytest.raises(DataError, match=r"NET/Prairie, 0.05 to 0.05 m, .*: soil moisture 35 m3 m-3 flagged G"):
        read_stations(folder)


def test_without_the_library_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_ismn(tmp_path, HOURS, np.full(72, 0.1), np.full(72, "G"))
    monkeypatch.setitem(sys.modules, "ismn.interface", None)
    with pytest.raises(SettingsError, match=r"pip install 'paraformer\[insitu\]'"):
        read_ismn(tmp_path)


# -- netCDF


def cells_file(path: Path, **changes: object) -> Path:
    values = np.tile(WET, (2, 1)).astype(np.float32)
    values[0, 3] = np.nan
    data = {
        "sm_005": (("cell", "time"), values, {"units": "m3 m-3"}),
        "sm_020": (("cell", "time"), values, {"units": "m3 m-3"}),
        "elevation": ("cell", [100.0, 200.0], {"units": "m"}),
    } | changes
    coords = {
        "cell": [7, 3],
        "time": DAYS.astype("datetime64[ns]"),
        "lat": ("cell", [40.0, 41.0]),
        "lon": ("cell", [-100.0, -99.0]),
    }
    xr.Dataset(data, coords).to_netcdf(path)
    return path


def test_probes_in_a_file_of_cells_are_found_by_their_names(tmp_path: Path) -> None:
    found = read_stations(cells_file(tmp_path / "cells.nc"))
    assert found["depth"].values.tolist() == [0.05, 0.2]
    assert dict(zip(found["station"].values, found["cell"].values, strict=True)) == {"7": 7, "3": 3}
    assert np.isnan(found["soil_moisture"].sel(station="7", depth=0.05).values[3])
    assert float(found["elevation"].sel(station="3")) == 200.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sm_005": (("cell", "time"), np.ones((2, DAYS.size)), {"units": "mm"})}, "'sm_005' has dims"),
        ({"sm_005": (("cell", "time"), np.full((2, DAYS.size), 35.0), {"units": "m3 m-3"})}, "expected 0 to 1"),
    ],
)
def test_a_wrong_probe_is_named(changes: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=words):
        read_stations(cells_file(tmp_path / "cells.nc", **changes))


def test_a_file_without_probes_says_what_is_expected(tmp_path: Path) -> None:
    xr.Dataset({"prcp": ("cell", [1.0])}).to_netcdf(tmp_path / "cells.nc")
    with pytest.raises(DataError, match=r"no soil moisture of stations; expected 'soil_moisture"):
        read_stations(tmp_path / "cells.nc")
    (tmp_path / "text.nc").write_text("nothing")
    with pytest.raises(DataError, match=r"text.nc: cannot be read"):
        read_stations(tmp_path / "text.nc")
