"""The hydroDL CSV layout, after the project's DATA.md and reader dbCsv.py; coordinates of its example data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.core.variables import FORCING
from paraformer.data.sources.blocks import write_blocks
from paraformer.data.sources.cells import open_cells
from paraformer.data.sources.config import HydrodlConfig
from paraformer.data.sources.hydrodl import read_hydrodl

CRD = np.array(
    [
        [49.8666114807, -123.423233032],
        [44.8957214355, -123.423233032],
        [43.3322677612, -121.929458618],
        [46.5022964478, -68.1535263062],
    ]
)
"""Rows of crd.csv of CONUSv4f1."""
VALUES = {
    "APCP_FORA": 0.1,
    "TMP_2_FORA": 283.15,
    "DSWRF_FORA": 210.0,
    "DLWRF_FORA": 310.0,
    "UGRD_10_FORA": -3.0,
    "VGRD_10_FORA": 4.0,
    "SPFH_2_FORA": 0.005,
    "SMAP_AM": 0.25,
}
CONST = {"Sand": 40.0, "Clay": 20.0, "Bulk": 1.3, "flag_landcover": 10.0, "flag_waterbody": 0.02}


def write_base(folder: Path, text_time: bool = True) -> Path:
    """Two years from 1 April 2015, four cells; the value of a variable grows by 1 % a cell and 0.01 % a day."""
    root = folder / "CONUSv4f1"
    (folder / "Subset").mkdir()
    (folder / "Subset" / "CONUSv4f1.csv").write_text("CONUSv4f1\n-1\n")
    (folder / "Subset" / "two.csv").write_text("CONUSv4f1\n4\n2\n")
    (root / "const").mkdir(parents=True)
    pd.DataFrame(CRD).to_csv(root / "crd.csv", header=False, index=False)
    for name, value in CONST.items():
        grown = np.full(4, value) if name == "flag_landcover" else value * (1 + np.arange(4) / 100)
        pd.DataFrame(grown).to_csv(root / "const" / f"{name}.csv", header=False, index=False)
    for year in (2015, 2016):
        days = np.arange(f"{year}-04-01", f"{year + 1}-04-01", dtype="datetime64[D]")
        (root / str(year)).mkdir()
        if text_time:
            (root / str(year) / "timeStr.csv").write_text("\n".join(map(str, days)) + "\n")
        number = days.astype(np.int64) + pd.Timestamp("1970-01-01").toordinal() + 366
        (root / str(year) / "time.csv").write_text("\n".join(map(str, number)) + "\n")
        since = (days - np.datetime64("2015-04-01")).astype(int)
        for name, value in VALUES.items():
            table = value * (1 + np.arange(4)[:, None] / 100) * (1 + since[None, :] / 1e4)
            if name == "SMAP_AM":
                table[:, since % 3 > 0] = -9999
            pd.DataFrame(table).to_csv(root / str(year) / f"{name}.csv", header=False, index=False)
    (folder / "elevation.csv").write_text("0\n500\n1000\n1500\n")
    return root


def config(folder: Path, **changes) -> HydrodlConfig:
    given = {
        "folder": folder,
        "subset": "CONUSv4f1",
        "period": {"start": "2016-03-30", "end": "2016-04-02"},
        "elevation": folder / "elevation.csv",
    }
    return HydrodlConfig(**(given | changes))


@pytest.mark.parametrize("text_time", [True, False])
def test_exact_values_across_the_year_folders(tmp_path, text_time):
    write_base(tmp_path, text_time)
    found = read_hydrodl(config(tmp_path))
    np.testing.assert_array_equal(found["cell"], np.arange(4))
    np.testing.assert_array_equal(found["lat"], CRD[:, 0])
    grown = (1 + np.arange(4)[:, None] / 100) * (1 + np.arange(364, 368)[None, :] / 1e4)
    expected = {
        "prcp": 2.4 * grown,
        "tair": 283.15 * grown - 273.15,
        "swdown": 210 * grown,
        "lwdown": 310 * grown,
        "wind": 5 * grown,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=3e-6, err_msg=name)
    assert found["pres"].values[0, 0] == pytest.approx(101.325, rel=1e-6)
    tv = 273.15 + (283.15 * grown[2].mean() - 273.15) + 0.5 * 6.5
    assert found["pres"].values[2, 0] == pytest.approx(101.325 * np.exp(-9.80616 * 1000 / (287.04 * tv)), rel=1e-6)
    np.testing.assert_allclose(
        found["vp"][0], 0.005 * grown[0] * 101.325 / (0.622 + 0.378 * 0.005 * grown[0]), rtol=1e-6
    )
    moisture = found["sm_smap"].values
    np.testing.assert_array_equal(np.isfinite(moisture[0]), [False, False, True, False])
    np.testing.assert_allclose(moisture[:, 2], 0.25 * grown[:, 2], rtol=1e-6)
    np.testing.assert_allclose(found["sand"], 40 * (1 + np.arange(4) / 100), rtol=1e-12)
    assert found["sand"].attrs["units"] == "%"
    assert found["landcover_igbp"].values.tolist() == [10] * 4
    assert "flag_waterbody" in found


def test_subset_is_in_its_own_order_and_the_format_is_read(tmp_path):
    write_base(tmp_path)
    found = read_hydrodl(config(tmp_path, subset="two"))
    assert found["cell"].values.tolist() == [3, 1]
    np.testing.assert_array_equal(found["lat"], CRD[[3, 1], 0])
    np.testing.assert_allclose(found["prcp"][0] / found["prcp"][1], 1.03 / 1.01, rtol=1e-6)
    write_blocks([found], tmp_path / "cells.zarr")
    file = open_cells(tmp_path / "cells.zarr")
    for name in FORCING:
        np.testing.assert_array_equal(file.series(name, np.arange(2))[:, :, 0], found[name])
    file.close()


def test_example_coordinates_are_ease2_centres():
    lat, lon = ease2_global(36).centres(*ease2_global(36).index(CRD[:, 0], CRD[:, 1]))
    np.testing.assert_allclose(np.stack([lat, lon], axis=1), CRD, rtol=0, atol=8e-6)


def test_pressure_of_the_base_is_preferred_and_needed(tmp_path):
    root = write_base(tmp_path)
    with pytest.raises(DataError, match=r"no PRES_FORA.csv and no setting 'elevation'"):
        read_hydrodl(config(tmp_path, elevation=None))
    for year in (2015, 2016):
        table = pd.read_csv(root / str(year) / "TMP_2_FORA.csv", header=None) * 0 + 95000
        table.to_csv(root / str(year) / "PRES_FORA.csv", header=False, index=False)
    np.testing.assert_allclose(read_hydrodl(config(tmp_path, elevation=None))["pres"], 95.0)


def edit(path: Path, row: int, column: int, value: float) -> None:
    table = pd.read_csv(path, header=None)
    table.iloc[row, column] = value
    table.to_csv(path, header=False, index=False)


def test_missing_values_are_refused_or_the_cell_left_out(tmp_path):
    root = write_base(tmp_path)
    edit(root / "2016" / "TMP_2_FORA.csv", 1, 1, -9999.0)
    with pytest.raises(DataError, match=r"2016/TMP_2_FORA.csv: cell 1, time 2016-04-02: missing value in forcing"):
        read_hydrodl(config(tmp_path))
    edit(root / "const" / "Sand.csv", 2, 0, -9999.0)
    found = read_hydrodl(config(tmp_path, incomplete="leave_out"))
    assert found["cell"].values.tolist() == [0, 3]
    assert np.isfinite(found["pres"]).all()
    early = {"start": "2016-03-30", "end": "2016-04-01"}
    with pytest.raises(DataError, match=r"const/Sand.csv: cell 2: missing value \(-9999\) in an attribute"):
        read_hydrodl(config(tmp_path, period=early))


def test_order_and_shape_are_checked_against_crd(tmp_path):
    root = write_base(tmp_path)
    path = root / "2015" / "APCP_FORA.csv"
    whole = pd.read_csv(path, header=None)

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            read_hydrodl(config(tmp_path))

    whole.iloc[:3].to_csv(path, header=False, index=False)
    refused(r"APCP_FORA.csv: found 3 rows and 366 columns, expected a row for each of the 4 cells")
    whole.T.to_csv(path, header=False, index=False)
    refused(r"found 366 rows and 4 columns.*; the file is transposed")
    whole.to_csv(path, header=False, index=False)
    path.write_text(path.read_text()[:-40])
    refused(r"APCP_FORA.csv: incomplete: found \d+ values, expected 366 in each of 4 lines")
    path.write_text("a,b\n")
    refused(r"APCP_FORA.csv: not a table of numbers")
    path.unlink()
    refused(r"APCP_FORA.csv: file does not exist")
    whole.to_csv(path, header=False, index=False)
    pd.DataFrame(CRD[:, ::-1]).to_csv(root / "crd.csv", header=False, index=False)
    refused(r"crd.csv: row 1: found -123.423, 49.8666, expected latitude, longitude")
    pd.DataFrame(CRD[[0, 1, 1, 3]]).to_csv(root / "crd.csv", header=False, index=False)
    refused(r"crd.csv: the place 44.8957, -123.423 of row 2 is there twice")


def test_subset_and_time_faults(tmp_path):
    root = write_base(tmp_path)
    for text, message in (
        ("CONUSv4f1\n5\n", "found 5, expected rows 1 to 4"),
        ("CONUSv4f1\n1\n1\n", "named twice"),
        ("CONUSv4f1\nx\n", "expected row numbers"),
        ("", "empty file"),
    ):
        (tmp_path / "Subset" / "bad.csv").write_text(text)
        with pytest.raises(DataError, match=rf"bad.csv: .*{message}"):
            read_hydrodl(config(tmp_path, subset="bad"))
    with pytest.raises(DataError, match=r"none.csv: file does not exist"):
        read_hydrodl(config(tmp_path, subset="none"))
    with pytest.raises(DataError, match=r"holds 2016-04-01..2017-03-31, expected 2017-03-30..2017-04-02"):
        read_hydrodl(config(tmp_path, period={"start": "2017-03-30", "end": "2017-04-02"}))
    times = root / "2016" / "timeStr.csv"
    times.write_text(times.read_text().replace("2016-04-05\n", "2016-04-04\n"))
    with pytest.raises(DataError, match=r"CONUSv4f1: time gap after 2016-04-04"):
        read_hydrodl(config(tmp_path))
