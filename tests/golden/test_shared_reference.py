"""Compiled VIC-5 in the shared reference data against the model as a library: parameter sets, real cells, classic."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from golden import vic_runs
from golden.vic_runs import LAYERS, RUNS, differences, exceedances, load
from paraformer.process.vic import files
from paraformer.process.vic.disaggregation import disaggregate
from paraformer.process.vic.outputs import OUTPUTS
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate

pytestmark = pytest.mark.shared
ALL = tuple(OUTPUTS)


def test_perturbed_parameters_match_compiled_vic(shared: Path) -> None:
    """All stored parameter sets at WalnutGulch, in one call; results are stored with 8 significant digits."""
    case = load(RUNS["L2015_daily"], shared)
    with netCDF4.Dataset(case.folder / "ens_L2015_daily.nc") as dataset:
        names = ("infilt", "ds", "dsmax", "ws", "expt_1", "expt_2", "expt_3", "depth_2")
        table = ("infilt", "Ds", "Dsmax", "Ws", "expt1", "expt2", "expt3", "depth2")
        theta = np.stack([np.asarray(dataset[n][:]) for n in table], axis=-1)
        mask = case.domain.mask
        expected = {
            ours: np.moveaxis(np.ma.filled(dataset[theirs][:], np.nan)[..., mask], -1, 0)
            for theirs, ours in (("OUT_EVAP", "evapotranspiration"), ("OUT_RUNOFF", "runoff"),
                                 ("OUT_BASEFLOW", "baseflow"))
        }  # fmt: skip
        moisture = np.moveaxis(np.ma.filled(dataset["OUT_SOIL_MOIST"][:], np.nan)[..., mask], -1, 0)
        expected |= {name: moisture[:, :, :, layer] for layer, name in enumerate(LAYERS)}
    n_cell = case.parameters.n_cell
    prior = np.stack([case.parameters.infilt, case.parameters.ds, case.parameters.dsmax, case.parameters.ws,
                      *case.parameters.expt.T, case.parameters.depth[:, 1]], axis=-1)  # fmt: skip
    sets = np.where(np.isnan(theta)[None], prior[:, None], np.broadcast_to(theta, (n_cell, *theta.shape)))
    sets[:, 0] = prior  # set 0 is the parameter file as it is
    result = case.simulate(tuple(expected), theta=sets, theta_names=names)
    for name, reference in expected.items():
        gap = np.abs(result.outputs[name] - reference)
        assert (gap <= 1e-8 + 1e-7 * np.abs(reference)).all(), (name, gap.max())


def test_classic_driver_matches_with_its_own_rules(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic driver keeps the soil file's elevation if it is within 1 m of the bands' mean, and gives bare soil
    other heights. Its text inputs differ from the netCDF inputs in the 7th digit (precipitation by up to 1e-6 mm)."""
    case = load(RUNS["s10_hourly"], shared)
    bands = case.parameters.mean_elevation()
    elevation = np.where(np.abs(bands - case.parameters.elev) <= 1.0, case.parameters.elev, bands)
    monkeypatch.setattr(CellParameters, "mean_elevation", lambda self: elevation)
    bare = case.parameters.bare[:, :, None]
    rough = case.parameters.rough[:, None, None]
    parameters = case.parameters._replace(
        veg_rough=np.where(bare, rough, case.parameters.veg_rough),
        displacement=np.where(bare, rough * 0.667 / 0.123, case.parameters.displacement),
        wind_h=np.where(case.parameters.bare, 10.0, case.parameters.wind_h),
    )
    result = simulate(parameters, case.forcing, case.settings.settings, outputs=ALL)
    with netCDF4.Dataset(case.folder / "classic_s10_hourly.daily.nc") as dataset:
        expected = {ours: np.asarray(dataset[theirs][:]).T for theirs, ours in vic_runs.COMPARED.items()
                    if theirs in dataset.variables}  # fmt: skip
        for layer, name in enumerate(LAYERS):
            expected[name] = np.asarray(dataset["OUT_SOIL_MOIST"][:, layer]).T
        here = case.domain.find(dataset["lat"][:], dataset["lon"][:])
    ours = {name: values[here] for name, values in result.outputs.items()}
    assert exceedances(differences(ours, expected), 5e-6) == {}


def test_ensemble_of_real_cells_matches_compiled_vic(shared: Path) -> None:
    """Four sets, θ the same for all 310 cells, 4 years from a cold start with given moisture. The archive was rounded
    twice (to about 11 bits, then to int16), so half a packing step plus 2^-11 of the value is as close as can be."""
    folder = shared / "data" / "conus" / "vic5"
    domain = files.read_domain(folder / "domain.nc")
    parameters = files.read_parameters(folder / "params_B.nc", domain, snow_bands=False)
    days = np.arange("2014-04-01", "2018-04-01", dtype="datetime64[D]")
    forcing = files.read_forcing(sorted((folder / "forcing").glob("*.nc")), domain, days, 8)
    moisture = files.read_state(folder / "state_B.nc", parameters, domain)["moisture"][:, 0, 0]
    n_set = 4
    with netCDF4.Dataset(folder / "ensemble_B.nc") as dataset:
        theta = np.stack([np.asarray(dataset[n][:n_set]) for n in ("infilt", "Ds", "Dsmax", "Ws", "expt")], axis=-1)
        result = simulate(
            parameters._replace(init_moist=moisture), forcing, VICSettings(water_balance="vic"),
            theta=np.broadcast_to(theta, (len(moisture), *theta.shape)),
            theta_names=("infilt", "ds", "dsmax", "ws", "expt"),
            outputs=("soil_moisture_1", "evapotranspiration", "runoff", "baseflow"),
        )  # fmt: skip
        for stored, name in (("sm1", "soil_moisture_1"), ("et", "evapotranspiration"), ("runoff", "runoff"),
                             ("baseflow", "baseflow")):  # fmt: skip
            reference = np.moveaxis(np.ma.filled(dataset[stored][:n_set].astype(float), np.nan), 0, 1)
            ours = result.outputs[name][:, :, 365:] / (100.0 if stored == "sm1" else 1.0)
            gap = np.abs(ours - reference)
            beyond = gap > 0.505 * dataset[stored].scale_factor + 2.0**-11 * np.abs(reference)
            assert not np.isnan(gap).any()
            assert beyond.sum() <= 30, (name, int(beyond.sum()))
            assert gap[beyond].max(initial=0.0) <= 0.25, (name, gap[beyond].max())


def test_disaggregated_daily_forcing_is_the_forcing_compiled_vic_was_given(shared: Path) -> None:
    """Daily NLDAS forcing of the 310 cells to 3 h, equal at the precision of float32."""
    folder = shared / "data" / "conus"
    days = np.arange("2015-04-01", "2016-04-01", dtype="datetime64[D]")
    domain = files.read_domain(folder / "vic5" / "domain.nc")
    expected = files.read_forcing(sorted((folder / "vic5" / "forcing").glob("*.nc")), domain, days, 8)
    with netCDF4.Dataset(folder / "conus_smap_nldas.nc") as dataset:
        names = ("prcp", "tair", "swdown", "lwdown", "wind", "vp", "pres")
        daily = np.stack([np.asarray(dataset[n][:, : len(days)], dtype=np.float64) for n in names], axis=-1)
        lat, lon = (np.asarray(dataset[n][:], dtype=np.float64) for n in ("lat", "lon"))
    ours = disaggregate(daily, lat, lon, days, 8)
    for name in names:
        np.testing.assert_allclose(getattr(ours, name), getattr(expected, name), rtol=2e-7, atol=1e-4, err_msg=name)
    np.testing.assert_array_equal(ours.month, expected.month)
    np.testing.assert_array_equal(ours.day_of_year, expected.day_of_year)
