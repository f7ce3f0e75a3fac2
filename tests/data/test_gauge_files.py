"""Files of gauges in the forms of their services."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.data.gauge_files import GaugeSeries, on_days, read_gauge_file

USGS = """# U.S. Geological Survey
#
agency_cd\tsite_no\tdatetime\t123_00060_00003\t123_00060_00003_cd
5s\t15s\t20d\t14n\t10s
USGS\t01013500\t1999-12-30\t100\tA
USGS\t01013500\t1999-12-31\tIce\tP:e
USGS\t01013500\t2000-01-01\t200\tP
"""
GRDC = """# Title:                 GRDC STATION DATA FILE
# GRDC-No.:              6435060
# Catchment area (km²):  160800.0
# YYYY-MM-DD;hh:mm; Value
YYYY-MM-DD;hh:mm; Value
1999-12-30;--:--;   2200.000
1999-12-31;--:--;   -999.000
2000-01-01;--:--;   2100.500
"""
CAMELS = """01013500 1999 12 30   100.00 A
01013500 1999 12 31 -999.00 M
01013500 2000 01 01   200.00 A:e
"""
CARAVAN = "date,total_precipitation_sum,streamflow\n1999-12-30,3.2,2.0\n1999-12-31,0.1,\n2000-01-01,0.0,1.0\n"
PLAIN = "date;discharge\n2000-01-01;5.5\n1999-12-30;4.5\n"
PLACES = np.array(["1999-12-30", "1999-12-31", "2000-01-01"], dtype="datetime64[D]")


def read(folder: Path, text: str, **options: float) -> GaugeSeries:
    path = folder / "gauge_1.csv"
    path.write_text(text)
    return read_gauge_file(path, **options)


@pytest.mark.parametrize(
    ("text", "gauge", "flow", "options"),
    [
        (USGS, "01013500", [2.8316846592, np.nan, 5.6633693184], {}),
        (GRDC, "6435060", [2200.0, np.nan, 2100.5], {}),
        (CAMELS, "01013500", [2.8316846592, np.nan, 5.6633693184], {}),
        (CARAVAN, "gauge_1", [2 * 864 / 86.4, np.nan, 864 / 86.4], {"area_km2": 864.0}),
        (PLAIN, "gauge_1", [4.5, np.nan, 5.5], {}),
    ],
)
def test_every_form(text: str, gauge: str, flow: list[float], options: dict[str, float], tmp_path: Path) -> None:
    found = read(tmp_path, text, **options)
    assert found.gauge == gauge
    np.testing.assert_allclose(on_days(found, PLACES), flow, rtol=1e-12)


def test_marks_and_area(tmp_path: Path) -> None:
    found = read(tmp_path, USGS)
    assert found.quality.tolist() == ["A", "P:e", "P"]
    assert np.isnan(on_days(found, PLACES, drop=frozenset({"P"}))[2])
    assert read(tmp_path, GRDC).area_km2 == 160800.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN + "2000-01-01;7\n", "day 2000-01-01 stands twice"),
        ("date,temperature\n2000-01-01,3\n", "no column of days or of flow, found date, temperature"),
        ("date,discharge\n2000-13-01,3\n", "line 2: found '2000-13-01', expected a date"),
        ("date,discharge\n2000-01-01,much\n", "line 2: found 'much', expected a flow"),
        (CARAVAN, "'streamflow' is mm day-1, which needs the drainage area"),
        ("01013500 1999 12 30\n01013500 1999 12 31 5\n", "no column of days or of flow|line 1: 4 columns"),
    ],
)
def test_faults_name_the_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, text)
