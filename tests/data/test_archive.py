"""What a study asks of the archives, and how the catalogue's answers and the login are read; earthaccess is a
stand-in."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from paraformer.core.errors import DataError, SettingsError
from paraformer.data.archive import Query, login, queries, search
from paraformer.data.sources.config import ProductsConfig
from paraformer.data.sources.region import Region

BOX = {"south": 33.0, "north": 34.5, "west": -101.5, "east": -100.0}


def products(folder: Path, **more: Any) -> ProductsConfig:
    return ProductsConfig(
        grid="ease2_36km",
        region=BOX,
        period={"start": "2016-06-01", "end": "2016-06-30"},
        forcing={"folder": folder / "nldas"},
        observation={"folder": folder / "smap", "product": "SPL3SMP", "overpass": "am"},
        **more,
    )


class Granule(dict):
    """As a granule of earthaccess: metadata, and links to its files."""

    def __init__(self, names: list[str], files: list[dict[str, Any]]) -> None:
        super().__init__(umm={"DataGranule": {"ArchiveAndDistributionInformation": files}})
        self.names = names

    def data_links(self, access: str) -> list[str]:
        assert access == "external"
        return [f"https://data.example.org/x/{name}" for name in self.names]


@pytest.fixture
def earthaccess(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in that records what it is asked and answers what a test has put there."""
    api = SimpleNamespace(asked=[], answer=[], logins={}, tried=[])

    def search_data(**asked: Any) -> list[Granule]:
        api.asked.append(asked)
        return api.answer

    def log_in(strategy: str) -> Any:
        api.tried.append(strategy)
        found = api.logins.get(strategy, RuntimeError("LoginStrategyUnavailable"))
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(authenticated=found)

    api.search_data, api.login, api.get_requests_https_session = search_data, log_in, requests.Session
    monkeypatch.setitem(sys.modules, "earthaccess", api)
    return api


def test_a_study_asks_for_the_days_that_its_readers_read(tmp_path):
    land = {
        "soil": {name: {"path": f"{name}.tif"} for name in ("sand", "clay", "bulk")},
        "elevation": {"path": "dem.tif"},
        "cover": {"path": tmp_path / "cover"},
        "leaf_area": {"path": "lai.tif"},
    }
    config = products(tmp_path, land=land, evapotranspiration={"folder": tmp_path / "et"})
    found = {query.product: query for query in queries(config)}
    assert set(found) == {"SPL3SMP", "NLDAS_FORA0125_H", "MOD16A2GF", "MCD12Q1"}  # leaf area is a file of the user's
    assert (found["SPL3SMP"].first, found["SPL3SMP"].last) == (dt.date(2016, 5, 31), dt.date(2016, 7, 1))
    assert (found["NLDAS_FORA0125_H"].first, found["NLDAS_FORA0125_H"].last) == (
        dt.date(2016, 6, 1),
        dt.date(2016, 7, 1),
    )
    assert found["MOD16A2GF"].folder == tmp_path / "et"
    assert found["NLDAS_FORA0125_H"].region.south == pytest.approx(32.4)
    assert {query.format for query in found.values()} == {"HDF4", "HDF5"}


def test_files_of_the_catalogue(earthaccess, tmp_path):
    """Data files once, metadata not; the exact size where the catalogue has it, else its rounded one."""
    names = [f"SMAP_L3_SM_P_2016060{k}_R19240_001.h5" for k in (1, 2, 3)]
    earthaccess.answer = [
        Granule(
            [names[1], f"{names[1]}.iso.xml"],
            [{"Name": names[1], "SizeInBytes": 1234, "Checksum": {"Value": "ab12", "Algorithm": "MD5"}}],
        ),
        Granule([names[0], "browse.png"], [{"Name": "Not provided", "Size": 36.5, "SizeUnit": "MB"}]),
        Granule([names[2]], []),
        Granule([names[2]], []),
    ]
    query = Query("SPL3SMP", dt.date(2016, 6, 1), dt.date(2016, 6, 3), Region(**BOX), tmp_path)
    found = search(query)
    assert [remote.path for remote in found] == [tmp_path / name for name in names]
    assert [(remote.size, remote.exact) for remote in found] == [(36_500_000, False), (1234, True), (0, False)]
    assert [remote.checksum for remote in found] == ["", "md5:ab12", ""]
    assert earthaccess.asked[0] == {
        "short_name": "SPL3SMP",
        "version": "009",
        "bounding_box": (-101.5, 33.0, -100.0, 34.5),
        "temporal": ("2016-06-01T00:00:00Z", "2016-06-03T23:59:59Z"),
    }


@pytest.mark.parametrize(
    ("product", "name"),
    [
        ("SPL3SMP_E", "SMAP_L3_SM_P_E_20160601_R19240_001.h5"),
        ("NLDAS_FORA0125_H", "NLDAS_FORA0125_H.A20160601.0300.020.nc"),
        ("MOD16A2GF", "MOD16A2GF.A2016153.h09v05.061.2020256154955.hdf"),
        ("MCD12Q1", "MCD12Q1.A2016001.h09v05.061.2022001120000.hdf"),
    ],
)
def test_names_are_those_that_the_readers_know(product, name, tmp_path):
    query = Query(product, dt.date(2016, 6, 1), dt.date(2016, 6, 1), Region(**BOX), tmp_path)
    assert query.is_data(name)
    for other in (f"{name}.xml", name.replace("061", "006").replace("020", "002"), "SMAP_L3_SM_AP_1.h5"):
        assert not query.is_data(other) or other == name


def test_an_empty_or_failing_catalogue_is_one_line(earthaccess, tmp_path):
    query = Query("SPL3SMP", dt.date(2016, 6, 1), dt.date(2016, 6, 3), Region(**BOX), tmp_path)
    with pytest.raises(DataError, match=r"SPL3SMP version 009: the catalogue has nothing for 2016-06-01\.\.2016-06-03"):
        search(query)

    def fails(**asked: Any) -> None:
        raise RuntimeError("HTTP 500\nmore")

    earthaccess.search_data = fails
    with pytest.raises(DataError, match=r"SPL3SMP: the catalogue cannot be searched \(HTTP 500\)$"):
        search(query)


def test_login_takes_the_environment_then_netrc_and_never_asks(earthaccess):
    earthaccess.logins = {"netrc": True}
    assert hasattr(login(), "get")
    assert earthaccess.tried == ["environment", "netrc"]
    earthaccess.logins = {}
    with pytest.raises(SettingsError, match="no Earthdata Login: set EARTHDATA_TOKEN"):
        login()
    assert "interactive" not in earthaccess.tried


def test_a_refused_login_says_nothing_of_the_credentials(earthaccess):
    class LoginAttemptFailure(Exception): ...

    earthaccess.logins = {"environment": LoginAttemptFailure("user jane with password hunter2 refused")}
    with pytest.raises(SettingsError) as found:
        login()
    assert "hunter2" not in str(found.value)
    assert "jane" not in str(found.value)
    assert found.value.__cause__ is None
    assert found.value.__suppress_context__


def test_without_earthaccess_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "earthaccess", None)
    with pytest.raises(SettingsError, match=r"pip install 'paraformer\[fetch\]'"):
        login()
