"""CAMELS-US and Caravan: series of basins, and their way to a store with soil moisture at the gauges."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pydantic import ValidationError

from data.sources.cci_files import write_day
from paraformer.core.errors import DataError
from paraformer.core.variables import FORCING
from paraformer.data.climate import saturation_vapour_pressure
from paraformer.data.sources.basins import basin_blocks
from paraformer.data.sources.blocks import join_blocks
from paraformer.data.sources.config import ProductsConfig
from paraformer.data.sources.forcing_config import CamelsConfig, CaravanConfig
from paraformer.data.sources.products import products_key, write_products

DAYS = pd.date_range("2000-02-27", "2000-03-03")
PERIOD = {"start": "2000-02-28", "end": "2000-03-02"}
REGION = {"south": 6.5, "north": 7.5, "west": 0.75, "east": 1.75}
HEADER = "Year Mnth Day Hr\tDayl(s)\tPRCP(mm/day)\tSRAD(W/m2)\tSWE(mm)\tTmax(C)\tTmin(C)\tVp(Pa)"


def write_camels(folder: Path, gauge: str, header: str = HEADER, days=DAYS, **changes: float) -> Path:
    value = {"prcp": 3.0, "vp": 900.0} | changes
    lines = ["45.1", "250.5", "1000000", header]
    for day in days:
        row = f"43200.00\t{value['prcp']:.2f}\t300.00\t0.00\t14.00\t6.00\t{value['vp']:.2f}"
        lines.append(f"{day:%Y %m %d} 12\t{row}")
    path = folder / "01" / f"{gauge}_lump_cida_forcing_leap.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def write_places(path: Path, rows: dict[str, tuple[float, float]], sep: str = ";") -> Path:
    lines = [sep.join(("gauge_id", "gauge_lat", "gauge_lon", "elev_mean"))]
    lines += [sep.join((name, str(lat), str(lon), "300")) for name, (lat, lon) in rows.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def camels(folder: Path, **changes) -> CamelsConfig:
    given = {"product": "CAMELS-US", "folder": folder, "weather": "daymet", "period": PERIOD}
    given |= {"estimate": ["lwdown", "wind", "pres"]}
    given |= {"region": {"south": 40, "north": 48, "west": -75, "east": -65}, "places": [folder / "camels_topo.txt"]}
    return CamelsConfig(**(given | changes))


def read(config) -> xr.Dataset:
    return join_blocks(basin_blocks(config))


def test_camels(tmp_path, caplog):
    write_places(tmp_path / "camels_topo.txt", {"01013500": (47.2, -68.6), "01022500": (44.6, -67.9), "2": (10, 0)})
    write_camels(tmp_path, "01013500")
    write_camels(tmp_path, "01022500", prcp=5.0)
    found = read(camels(tmp_path))
    np.testing.assert_array_equal(found["cell"], [1013500, 1022500])
    np.testing.assert_array_equal(found["prcp"], [[3.0] * 4, [5.0] * 4])
    for name, value in {"tair": 10.0, "swdown": 150.0, "vp": 0.9, "tmin": 6.0}.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    np.testing.assert_allclose(found["elevation"], 250.5)
    assert "days of CAMELS-US are local ones" in caplog.text
    assert read(camels(tmp_path, gauges=["01022500"])).sizes["cell"] == 1


def test_camels_files_that_are_refused(tmp_path):
    write_places(tmp_path / "camels_topo.txt", {"01013500": (47.2, -68.6)})
    with pytest.raises(DataError, match="no file of CAMELS-US"):
        read(camels(tmp_path))
    write_camels(tmp_path, "01013500", header=HEADER.replace("Vp(Pa)", "Vp(hPa)"))
    with pytest.raises(DataError, match=r"vp\(hpa\), expected .* vp\(pa\)"):
        read(camels(tmp_path))
    write_camels(tmp_path, "01013500", vp=-999.0)
    with pytest.raises(DataError, match=r"column 'vp\(pa\)', 2000-02-28: missing value in forcing"):
        read(camels(tmp_path))
    write_camels(tmp_path, "01013500", days=DAYS.delete(2))
    with pytest.raises(DataError, match=r"2000-02-29 is missing; the file has 2000-02-27\.\.2000-03-03"):
        read(camels(tmp_path))
    write_camels(tmp_path, "01013500")
    with pytest.raises(DataError, match=r"gauge '01013501' is missing; did you mean '01013500'"):
        read(camels(tmp_path, gauges=["01013501"]))
    write_places(tmp_path / "camels_topo.txt", {"01013500": (-68.6 * 2, 47.2)})
    with pytest.raises(DataError, match="expected latitude and longitude"):
        read(camels(tmp_path))


CARAVAN = {
    "total_precipitation_sum": 2.0,
    "temperature_2m_mean": 20.0,
    "temperature_2m_min": 15.0,
    "surface_pressure_mean": 97.0,
    "surface_net_solar_radiation_mean": 166.0,
    "surface_net_thermal_radiation_mean": -60.0,
    "snow_depth_water_equivalent_mean": 0.0,
    "u_component_of_wind_10m_mean": 3.0,
    "v_component_of_wind_10m_mean": -4.0,
    "dewpoint_temperature_2m_mean": 12.0,
}


def write_caravan(folder: Path, gauge: str, without: tuple[str, ...] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"date": DAYS.strftime("%Y-%m-%d"), **CARAVAN, "streamflow": np.nan})
    table.drop(columns=list(without)).to_csv(folder / f"{gauge}.csv", index=False)
    return folder / f"{gauge}.csv"


def caravan(folder: Path, **changes) -> CaravanConfig:
    given = {"product": "Caravan", "folder": folder, "period": PERIOD, "region": REGION}
    given |= {"estimate": ["swdown", "lwdown"]}
    return CaravanConfig(**(given | {"places": [folder.parent / "attributes_other_x.csv"]} | changes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    places = {"x_0011": (7.0, 1.0), "x_0012": (6.9, 1.5), "x_0013": (50.0, 1.5)}
    write_places(tmp_path / "attributes_other_x.csv", places, sep=",")
    for name in places:
        write_caravan(tmp_path / "csv", name)
    return tmp_path / "csv"


def test_caravan_text_and_netcdf_alike(folder):
    found = read(caravan(folder))
    np.testing.assert_array_equal(found["cell"], [11, 12])
    expected = {
        "prcp": 2.0,
        "tair": 20.0,
        "pres": 97.0,
        "wind": 5.0,
        "vp": float(saturation_vapour_pressure(np.array([12.0]))[0]),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)
    assert found["wind"].attrs["origin"] == "estimated"
    other = folder.parent / "netcdf"
    other.mkdir()
    for name in ("x_0011", "x_0012"):
        with netCDF4.Dataset(other / f"{name}.nc", "w") as file:
            file.createDimension("date", len(DAYS))
            date = file.createVariable("date", "i8", ("date",))
            date.units, date.calendar = "days since 2000-02-27 00:00:00", "proleptic_gregorian"
            date[:] = np.arange(len(DAYS))
            for column, value in CARAVAN.items():
                file.createVariable(column, "f4", ("date",))[:] = value
    xr.testing.assert_identical(read(caravan(other)), found)


def products(folder: Path, **changes) -> ProductsConfig:
    forcing = {"product": "Caravan", "folder": folder, "places": [folder.parent / "attributes_other_x.csv"]}
    given = {
        "grid": "gauges",
        "region": REGION,
        "period": PERIOD,
        "forcing": forcing | {"estimate": ["swdown", "lwdown"]},
        "observation": {"product": "ESA_CCI_COMBINED", "folder": folder.parent / "cci"},
    }
    return ProductsConfig(**(given | changes))


def test_gauges_take_the_soil_moisture_of_the_cells_that_hold_them(folder, tmp_path):
    field = np.full((4, 4), 0.3)
    field[1, 0] = 0.2  # the cell around 7.125 N, 0.875 E holds neither gauge
    field[1, 1] = 0.25  # 7.125 N, 1.125 E; the gauge at 7.0 N, 1.0 E is its south-west corner
    for day in ("2000-02-28", "2000-03-01"):
        write_day(folder.parent / "cci", day, field)
    write_products(products(folder), tmp_path / "cells.zarr")
    with xr.open_zarr(tmp_path / "cells.zarr") as found:
        np.testing.assert_allclose(found["lat"], [7.0, 6.9])
        assert set(FORCING) <= set(found.data_vars)
        assert found["swdown"].attrs["origin"] == "estimated"
        np.testing.assert_allclose(found["swdown"], 200.0, rtol=1e-6)
        assert np.isfinite(found["sm_cci"].values).sum(axis=1).tolist() == [2, 2]
        assert "net_shortwave" not in found
    assert products_key(products(folder)) != products_key(
        products(folder, period={"start": "2000-02-29", "end": "2000-03-01"})
    )


def test_an_older_version_without_dew_point(folder, tmp_path):
    for name in ("x_0011", "x_0012"):
        write_caravan(folder, name, without=("dewpoint_temperature_2m_mean",))
    write_day(folder.parent / "cci", "2000-02-28", 0.3)
    with pytest.raises(DataError, match=r"Caravan has no vp here; .*estimate: \[swdown, lwdown, vp\]"):
        write_products(products(folder), tmp_path / "cells.zarr")


def test_settings_of_gauges(folder):
    with pytest.raises(ValidationError, match="grid must be 'gauges' for forcing of Caravan"):
        products(folder, grid="cci")
    with pytest.raises(ValidationError, match="cache applies to the cells of a grid"):
        products(folder, cache=folder)
