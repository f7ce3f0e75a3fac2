"""Forcings by formula: values of the papers, what they need, and their error on real cells."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.core.errors import DataError
from paraformer.core.radiation import top_of_atmosphere
from paraformer.core.variables import FORCING
from paraformer.data.sources.blocks import simple_dataset
from paraformer.data.sources.estimates import Completion, cloud_cover, cloudy_longwave
from paraformer.data.sources.forcing_config import DaymetConfig

DAYS = np.arange(np.datetime64("2016-06-01"), np.datetime64("2016-06-04"))
REGION = {"south": 6.0, "north": 8.0, "west": 0.0, "east": 2.0}


def config(estimate: list[str], **changes) -> DaymetConfig:
    period = {"start": DAYS[0].item(), "end": DAYS[-1].item()}
    return DaymetConfig(product="Daymet", folder="d", region=REGION, period=period, estimate=estimate, **changes)


def block(time: np.ndarray = DAYS, **more: float) -> xr.Dataset:
    given = {"prcp": 1.0, "tair": 20.0, "swdown": 200.0, "vp": 1.5} | more
    shape = (2, len(time))
    variables = {name: (("cell", "time"), np.full(shape, value), {}) for name, value in given.items()}
    return simple_dataset(np.arange(2), np.array([7.0, 8.0]), np.array([1.0, 1.0]), time, variables, {})


def test_longwave_of_clear_and_overcast_sky():
    """Clear: 1.24 (15 hPa / 293.15 K)^(1/7) = 0.81095; overcast: what black air gives but for 0.16 of the gap."""
    one = np.ones((1, 1))
    black = 5.67e-8 * 293.15**4
    assert cloudy_longwave(20 * one, 1.5 * one, 0 * one)[0, 0] / black == pytest.approx(0.81095, abs=2e-5)
    assert cloudy_longwave(20 * one, 1.5 * one, one)[0, 0] / black == pytest.approx(0.84 + 0.16 * 0.81095, abs=2e-5)


def test_cloud_cover():
    top, ground = np.array([[400.0, 400.0, 400.0, 5.0]]), np.zeros((1, 4))
    cover = cloud_cover(np.array([[300.0, 150.0, 390.0, 0.0]]), top, ground)
    np.testing.assert_allclose(cover, [[0.0, 0.5, 0.0, 0.5]])  # the last one is polar night
    high = cloud_cover(np.array([[300.0]]), np.array([[400.0]]), np.array([[2500.0]]))
    assert high[0, 0] == pytest.approx(1 - 300 / (0.8 * 400))


def test_what_is_missing_is_estimated_and_marked(caplog):
    given = block().assign(elevation=("cell", np.array([0.0, 2000.0])))
    found = Completion(config(["lwdown", "pres", "wind"], wind_speed=2.5))(given)
    assert set(FORCING) <= set(found.data_vars)
    np.testing.assert_allclose(found["pres"].isel(time=0), [101.325, 80.6], rtol=3e-3)
    np.testing.assert_allclose(found["wind"], 2.5)
    assert ((found["lwdown"] > 300) & (found["lwdown"] < 420)).all()
    for name in ("lwdown", "pres", "wind"):
        assert found[name].attrs["origin"] == "estimated"
        assert f"Daymet: {name} is estimated: {found[name].attrs['method']}" in caplog.text
    assert "tair is estimated" not in caplog.text


def test_steps_of_a_day_share_its_clouds():
    steps = np.arange(np.datetime64("2016-06-01", "h"), np.datetime64("2016-06-02", "h"), 3)
    given = block(steps, pres=100.0, wind=3.0).assign(elevation=("cell", np.zeros(2)))
    sun = np.array([0, 0, 200, 500, 600, 300, 0, 0.0])
    given["swdown"].values[:] = sun
    found = Completion(config(["lwdown"]))(given)
    top = top_of_atmosphere(np.array([7.0, 8.0]), DAYS[:1]).T
    cover = cloud_cover(np.full((2, 1), sun.mean()), top, np.zeros((2, 1)))
    expected = cloudy_longwave(np.full((2, 1), 20.0), np.full((2, 1), 1.5), cover)
    np.testing.assert_allclose(found["lwdown"], np.repeat(expected, 8, axis=1), rtol=1e-6)


def test_other_formulas():
    given = block(net_shortwave=166.0, net_longwave=-60.0, snow_water=0.0, tmin=13.0, wind=3.0, pres=99.0)
    found = Completion(config(["swdown", "lwdown", "vp"]))(given.drop_vars(["swdown", "vp"]))
    np.testing.assert_allclose(found["swdown"], 166.0 / 0.83, rtol=1e-6)
    np.testing.assert_allclose(found["lwdown"], -60 + 0.98 * 5.67e-8 * 293.15**4, rtol=1e-6)
    np.testing.assert_allclose(found["vp"], 1.498, rtol=2e-3)  # FAO-56, annex 2, table 2.3: 13 degC
    assert not {"net_shortwave", "net_longwave", "snow_water", "tmin"} & set(found.data_vars)


def test_nothing_is_estimated_that_is_not_asked_for():
    with pytest.raises(DataError, match=r"no lwdown, pres here; .*forcing\.estimate: \[wind, lwdown, pres\]"):
        Completion(config(["wind"]))(block())
    with pytest.raises(DataError, match=r"estimate of lwdown lacks net_longwave or elevation; elevation comes from"):
        Completion(config(["wind", "lwdown", "pres"]))(block())
    with pytest.raises(DataError, match=r"the estimate of vp lacks tmin$"):
        Completion(config(["vp"]))(block(wind=1.0, pres=100.0, lwdown=300.0).drop_vars("vp"))


@pytest.mark.shared
def test_the_stated_error_of_longwave_radiation_on_real_cells(shared: Path):
    with xr.open_dataset(shared / "data" / "conus" / "conus_smap_nldas.nc") as data:
        good = data.isel(cell=np.flatnonzero(data["qc"].values == 0))
        fields = {name: good[name].values.astype(np.float64) for name in ("tair", "vp", "swdown", "lwdown")}
        top = top_of_atmosphere(good["lat"].values, good["time"].values.astype("datetime64[D]")).T
        elevation = np.broadcast_to(good["elevation"].values[:, None].astype(np.float64), top.shape)
        cover = cloud_cover(fields["swdown"], top, elevation)
        error = cloudy_longwave(fields["tair"], fields["vp"], cover) - fields["lwdown"]
    assert error.mean() == pytest.approx(4.80, abs=0.01)
    assert np.sqrt((error**2).mean()) == pytest.approx(17.80, abs=0.01)
