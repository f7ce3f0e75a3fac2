"""Compiled VIC-5 in the shared reference data against the model as a library: parameter sets, real cells, classic."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from golden.comparison import values_of
from golden.references import CONUS, THETA, classic_simulation, ensemble_of_real_cells
from golden.vic_runs import COMPARED, LAYERS, RUNS, differences, exceedances, load
from paraformer.process.vic import files
from paraformer.process.vic.disaggregation import disaggregate

pytestmark = pytest.mark.shared


def test_perturbed_parameters_match_compiled_vic(shared: Path) -> None:
    """All stored parameter sets at WalnutGulch, in one call; results are stored with 8 significant digits."""
    case = load(RUNS["L2015_daily"], shared)
    with netCDF4.Dataset(case.folder / "ens_L2015_daily.nc") as dataset:
        theta = np.stack([values_of(dataset, n) for n in THETA.values()], axis=-1)
        mask = case.domain.mask
        expected = {
            ours: np.moveaxis(values_of(dataset, theirs)[..., mask], -1, 0)
            for theirs, ours in (
                ("OUT_EVAP", "evapotranspiration"),
                ("OUT_RUNOFF", "runoff"),
                ("OUT_BASEFLOW", "baseflow"),
            )
        }
        moisture = np.moveaxis(values_of(dataset, "OUT_SOIL_MOIST")[..., mask], -1, 0)
        expected |= {name: moisture[:, :, :, layer] for layer, name in enumerate(LAYERS)}
    n_cell = case.parameters.n_cell
    prior = np.stack(
        [
            case.parameters.infilt,
            case.parameters.ds,
            case.parameters.dsmax,
            case.parameters.ws,
            *case.parameters.expt.T,
            case.parameters.depth[:, 1],
        ],
        axis=-1,
    )
    sets = np.where(np.isnan(theta)[None], prior[:, None], np.broadcast_to(theta, (n_cell, *theta.shape)))
    sets[:, 0] = prior  # set 0 is the parameter file as it is
    result = case.simulate(tuple(expected), theta=sets, theta_names=tuple(THETA))
    for name, reference in expected.items():
        gap = np.abs(result.outputs[name] - reference)
        assert (gap <= 1e-8 + 1e-7 * np.abs(reference)).all(), (name, gap.max())


def test_classic_driver_matches_with_its_own_rules(shared: Path) -> None:
    """Its text inputs differ from the netCDF inputs in the 7th digit (precipitation by up to 1e-6 mm)."""
    case = load(RUNS["s10_hourly"], shared)
    result = classic_simulation(shared)
    with netCDF4.Dataset(case.folder / "classic_s10_hourly.daily.nc") as dataset:
        expected = {
            ours: np.asarray(dataset[theirs][:]).T for theirs, ours in COMPARED.items() if theirs in dataset.variables
        }
        for layer, name in enumerate(LAYERS):
            expected[name] = np.asarray(dataset["OUT_SOIL_MOIST"][:, layer]).T
        here = case.domain.find(dataset["lat"][:], dataset["lon"][:])
    ours = {name: values[here] for name, values in result.outputs.items()}
    assert exceedances(differences(ours, expected), 5e-6) == {}


def test_ensemble_of_real_cells_matches_compiled_vic(shared: Path) -> None:
    """Four sets of all 310 cells (``make golden`` runs all sets). The archive was rounded twice (to about 11 bits, then
    to int16), so half a packing step plus 2^-11 of the value is as close as can be."""
    ours, theirs = ensemble_of_real_cells(shared, slice(0, 4))
    with netCDF4.Dataset(shared / CONUS / "ensemble_B.nc") as dataset:
        for name, reference in theirs.items():
            gap = np.abs(ours[name] - reference)
            beyond = gap > 0.505 * dataset[name].scale_factor + 2.0**-11 * np.abs(reference)
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
