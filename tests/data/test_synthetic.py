"""The built-in world: physics of its weather, consistency of its land, and a truth that stays hidden and repeatable."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.simple_world import files_of
from paraformer.core.errors import DataError, ModelError
from paraformer.core.parameters import PAPER_SET, VIC_PARAMETERS, ParameterSpace
from paraformer.core.radiation import top_of_atmosphere
from paraformer.core.time import month_of
from paraformer.data.config import DataConfig, FluxObservations, SyntheticConfig
from paraformer.data.cube import build_cube, whole_cube
from paraformer.data.sampling import grid_index, sampling_labels
from paraformer.data.sources.fields import autoregressive, smooth_fields
from paraformer.data.sources.fluxes import FLUXES
from paraformer.data.sources.land import make_land
from paraformer.data.sources.nldas import GRID as NLDAS
from paraformer.data.sources.synthetic import (
    DOMAIN,
    DRIVERS,
    INPUTS,
    PARAMS,
    TRUTH,
    frozen_ground,
    open_truth,
    scattered,
    true_theta,
    write_world,
)
from paraformer.data.sources.vic_files import CLASSES, make_domain, make_parameters, soil_hydraulics
from paraformer.data.sources.weather import (
    air_pressure,
    longwave,
    saturation_vapour_pressure,
    simulate_weather,
    transition_probabilities,
)

SPACE = ParameterSpace.of(*PAPER_SET)
SHAPE = (8, 12)
DAYS = np.arange(np.datetime64("2015-04-01"), np.datetime64("2018-04-01"))
SMALL = SyntheticConfig(rows=2, columns=3, years=2)


def bucket(
    params: Path, domain: Path, inputs: Path, theta: np.ndarray, outputs: Sequence[str] = ("soil_moisture",)
) -> dict[str, np.ndarray]:
    """Stand-in process model: a leaky bucket that empties faster with a larger last parameter; two thirds of what
    leaves it evaporate, and a quarter of the rest is baseflow."""
    assert params.is_file()
    assert domain.is_file()
    prcp = whole_cube(inputs).dataset["prcp"].values.astype(float)
    water, moisture = np.full(len(prcp), 0.2), np.empty(prcp.shape)
    for day in range(prcp.shape[1]):
        water = np.clip(water * (1 - theta[:, -1] / 400) + prcp[:, day] / 400, 0.01, 0.45)
        moisture[:, day] = water
    left = 400 * moisture * theta[:, -1:] / 400
    found = {"soil_moisture": moisture, "evapotranspiration": left * 2 / 3, "runoff": left / 4, "baseflow": left / 12}
    return {name: found[name] for name in outputs}


@pytest.fixture(scope="module")
def land():
    return make_land(SHAPE, 0, 0)


@pytest.fixture(scope="module")
def weather(land):
    return simulate_weather(land.climate, SHAPE, DAYS, 0, 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, SyntheticConfig(), 0, SPACE, bucket)
    return folder


def test_smooth_fields_have_unit_variance_and_the_stated_correlation():
    fields = smooth_fields(np.random.default_rng(0), 4000, (3, 4), 1.6)
    assert fields.std() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(fields[:, 0], fields[:, 1])[0, 1] == pytest.approx(np.exp(-1 / (4 * 1.6**2)), abs=0.02)
    assert np.corrcoef(fields[:, 0], fields[:, 3])[0, 1] == pytest.approx(np.exp(-9 / (4 * 1.6**2)), abs=0.05)


def test_smooth_fields_between_the_points_of_noise_are_the_same_fields():
    """A finer grid takes the kernel at its own cells: at the points themselves nothing changes but the kernel's tail
    beyond four widths, which is cut off there (3e-4 of its height)."""
    on, between = (smooth_fields(np.random.default_rng(0), 50, (3, 4), 1.6, spacing) for spacing in (1.0, 1 - 1e-13))
    np.testing.assert_allclose(between, on, atol=1e-4)
    fields = smooth_fields(np.random.default_rng(0), 4000, (3, 9), 1.6, 0.25)
    assert fields.std() == pytest.approx(1, abs=0.03)
    for apart in (1, 4, 8):
        expected = np.exp(-((0.25 * apart) ** 2) / (4 * 1.6**2))
        assert np.corrcoef(fields[:, 0], fields[:, apart])[0, 1] == pytest.approx(expected, abs=0.03)


def test_autoregressive_series_keep_their_variance_and_persistence():
    series = autoregressive(np.random.default_rng(0).standard_normal((5000, 8)), 0.7)
    assert series.std() == pytest.approx(1, abs=0.03)
    assert np.corrcoef(series[:-1].ravel(), series[1:].ravel())[0, 1] == pytest.approx(0.7, abs=0.02)


def test_radiation_at_the_top_of_the_atmosphere_is_the_textbook_value():
    september = top_of_atmosphere(np.array([-20.0]), np.array(["2015-09-03"], dtype="datetime64[D]"))
    assert september[0, 0] == pytest.approx(32.2e6 / 86400, rel=0.005)  # FAO-56, example 8
    pole = top_of_atmosphere(np.array([85.0, -85.0]), np.array(["2015-12-21"], dtype="datetime64[D]"))
    assert pole[0, 0] == 0
    assert pole[0, 1] > 450


def test_pressure_and_longwave_are_plausible():
    assert air_pressure(np.array([0.0]), np.array([15.0]))[0] == pytest.approx(101.325)
    high = air_pressure(np.array([1500.0]), np.array([15 - 9.75]))[0]
    assert high == pytest.approx(84.56, abs=0.1)  # ICAO standard atmosphere
    one = np.ones((1, 1))
    clear, overcast = longwave(20 * one, 1.2 * one, 0 * one)[0, 0], longwave(20 * one, 1.2 * one, one)[0, 0]
    assert 0.70 < clear / (5.67e-8 * 293.15**4) < 0.85
    assert overcast == pytest.approx(5.67e-8 * 293.15**4)


def test_a_world_on_the_nldas_grid_has_its_cells_and_the_climate_of_a_small_region():
    land = make_land((16, 24), 0, 0, "nldas")
    row, column = NLDAS.index(land.lat, land.lon)
    assert (row >= 0).all()
    centre = NLDAS.centres(row, column)
    np.testing.assert_allclose(centre, (land.lat, land.lon), atol=1e-9)
    assert len(np.unique(row * NLDAS.columns + column)) == 16 * 24
    labels = sampling_labels("S8NG", grid_index(land.lat, land.lon, source="world"), np.ones(16 * 24, bool))
    assert ((labels == "trained").sum(), (labels == "unseen").sum()) == (6, 6)
    rain = simulate_weather(land.climate, (16, 24), DAYS[:365], 0, 0)["prcp"] > 0
    next_to, far = np.corrcoef(rain[0], rain[1])[0, 1], np.corrcoef(rain[0], rain[23])[0, 1]
    assert next_to > 0.9  # 12 km apart
    assert far < next_to
    area = make_domain(land)["area"].values.ravel()
    np.testing.assert_allclose(area, (0.125 * 111.2e3) ** 2 * np.cos(np.deg2rad(land.lat)))


def test_a_tall_world_ends_before_the_pole_and_a_low_one_is_as_it_was(tmp_path):
    for rows in (2, 8, 41):
        np.testing.assert_array_equal(np.unique(make_land((rows, 2), 0, 0).lat), 33.0 + 1.4 * np.arange(rows))
    for rows in (42, 100):
        lat = np.unique(make_land((rows, 2), 0, 0).lat)
        assert lat[-1] == pytest.approx(89.0)
        np.testing.assert_allclose(np.diff(lat), 56.0 / (rows - 1))
    config = SyntheticConfig(rows=60, columns=2, years=2)
    write_world(tmp_path, config, 0, SPACE, bucket)
    data = DataConfig(source="synthetic", synthetic=config)
    assert len(build_cube(data, tmp_path / "cube.zarr", inputs=tmp_path / INPUTS).cells) == 120


def test_all_forcings_are_possible(weather, land):
    toa = top_of_atmosphere(land.lat, DAYS).T
    assert all(np.isfinite(values).all() and values.shape == (96, 1096) for values in weather.values())
    assert (weather["vp"] < saturation_vapour_pressure(weather["tair"])).all()
    assert (weather["vp"] > 0.02).all()
    assert (weather["swdown"] > 0.1 * toa).all()
    assert (weather["swdown"] < 0.8 * toa).all()
    assert (weather["lwdown"] < 5.67e-8 * (weather["tair"] + 273.15) ** 4 + 1e-6).all()
    assert (weather["prcp"] >= 0).all()
    assert weather["prcp"].max() < 300
    assert (weather["wind"] > 0.1).all()
    assert weather["wind"].max() < 30
    assert weather["tair"].min() > -50
    assert weather["tair"].max() < 48


def test_wet_days_occur_and_persist_as_stated(weather, land):
    wet = weather["prcp"] > 0
    p01, p11 = transition_probabilities(land.climate, DAYS)
    expected = (p01 / (1 + p01 - p11)).T.mean(axis=1)
    assert wet.mean() == pytest.approx(expected.mean(), abs=0.02)
    assert np.corrcoef(wet.mean(axis=1), expected)[0, 1] > 0.95
    after_wet = (wet[:, 1:] & wet[:, :-1]).sum() / wet[:, :-1].sum()
    after_dry = (wet[:, 1:] & ~wet[:, :-1]).sum() / (~wet[:, :-1]).sum()
    assert after_wet - after_dry == pytest.approx(0.33, abs=0.07)
    assert 1 < weather["prcp"].mean() < 4


def test_seasons_elevation_and_wetness_shape_the_climate(weather, land):
    month = month_of(DAYS)
    summer, winter = np.isin(month, (6, 7, 8)), np.isin(month, (12, 1, 2))
    tair = weather["tair"]
    assert (tair[:, summer].mean(axis=1) - tair[:, winter].mean(axis=1) > 12).all()
    assert (weather["swdown"][:, summer].mean(axis=1) > 1.5 * weather["swdown"][:, winter].mean(axis=1)).all()
    design = np.stack([land.climate.elevation, land.lat, np.ones(96)], axis=1)
    slope = np.linalg.lstsq(design, tair.mean(axis=1), rcond=None)[0]
    assert slope[0] == pytest.approx(-0.0065, abs=0.0012)
    assert slope[1] < -0.4
    assert np.corrcoef(weather["prcp"].mean(axis=1), land.climate.wetness)[0, 1] > 0.9
    assert 0.0 < np.mean(np.where(tair < 0, weather["prcp"], 0)) / weather["prcp"].mean() < 0.4


def test_wet_days_are_dim_humid_and_in_summer_cooler(weather):
    wet = weather["prcp"] > 1
    summer = np.isin(month_of(DAYS), (6, 7, 8))[None, :] & np.ones_like(wet)
    humidity = weather["vp"] / saturation_vapour_pressure(weather["tair"])
    assert weather["swdown"][summer & wet].mean() < 0.8 * weather["swdown"][summer & ~wet].mean()
    assert humidity[wet].mean() > humidity[~wet].mean() + 0.1
    warmer = [
        weather["tair"][k][summer[k] & ~wet[k]].mean() - weather["tair"][k][summer[k] & wet[k]].mean()
        for k in range(96)
        if (summer[k] & wet[k]).sum() > 20
    ]
    assert np.mean(warmer) == pytest.approx(2.2, abs=0.7)


def test_neighbours_share_their_weather(weather):
    tair = weather["tair"].reshape(*SHAPE, -1)
    anomaly = tair - tair.mean(axis=(0, 1))
    rain = np.sqrt(weather["prcp"]).reshape(*SHAPE, -1)
    near = np.mean([np.corrcoef(rain[r, c], rain[r, c + 1])[0, 1] for r in range(8) for c in range(0, 10, 2)])
    far = np.mean([np.corrcoef(rain[r, 0], rain[7 - r, 11])[0, 1] for r in range(8)])
    assert near > 0.5
    assert abs(far) < 0.2
    assert anomaly.std() > 0.5


def test_land_is_consistent(land):
    a = land.attributes
    np.testing.assert_allclose(a["sand"] + a["silt"] + a["clay"], 100, atol=1e-9)
    assert min(a[name].min() for name in ("sand", "silt", "clay")) > 4
    assert a["elevation"].std() > 200
    assert set(a["landcover_igbp"]) <= {c.igbp for c in CLASSES}
    assert len(set(a["landcover_igbp"])) >= 5
    assert len({*zip(land.lat, land.lon, strict=True)}) == 96


def test_soil_parameters_are_those_of_cosby():
    one = np.ones(1)
    found = soil_hydraulics(43 * one, 39 * one, 18 * one, 1.4 * one)  # loam
    assert found["expt"][0] == pytest.approx(2 * (3.10 + 0.157 * 18 - 0.003 * 43) + 3)
    assert found["Ksat"][0] == pytest.approx(10 ** (-0.60 + 0.0126 * 43 - 0.0064 * 18) * 25.4 * 24)
    assert 0 < found["Wpwp_FRACT"][0] < found["Wcr_FRACT"][0] < 1


def test_parameter_file_is_complete_and_can_run(land):
    params = make_parameters(land).to_xarray()
    assert {v.dtype.kind for v in params.data_vars.values()} == {"f", "i"}
    assert all(v.dtype == np.float64 for v in params.data_vars.values() if v.dtype.kind == "f")
    cover, area, share = (params[name].values[..., 0, :].sum(axis=0) for name in ("Cv", "AreaFract", "Pfactor"))
    for total in (cover, area, share):
        np.testing.assert_allclose(total, 1, atol=1e-12)
    tiles = (params["Cv"].values > 0).sum(axis=0)
    assert 0.2 < (tiles > 1).mean() < 0.5
    assert tiles.max() == 3
    bands = (params["AreaFract"].values > 0).sum(axis=0)
    assert bands.max() == 3
    assert 0 < (bands > 1).sum() <= 10
    mean_elevation = (params["elevation"] * params["AreaFract"]).sum("snow_band")
    np.testing.assert_allclose(mean_elevation, params["elev"])
    porosity = 1 - params["bulk_density"] / params["soil_density"]
    assert (params["resid_moist"] < params["Wpwp_FRACT"] * porosity).all()
    assert (params["Wpwp_FRACT"] < params["Wcr_FRACT"]).all()
    np.testing.assert_array_equal(params["depth"].values[:, 0, 0], [0.1, 0.3, 1.5])
    np.testing.assert_allclose(params["root_fract"].sum("root_zone"), 1)
    vegetated = (params["Cv"].values[:-1] > 0).sum(axis=0)
    np.testing.assert_array_equal(params["Nveg"].values, vegetated)  # barren, the last class, is the bare tile
    assert ((params["fcanopy"] >= 0) & (params["fcanopy"] <= 1)).all()
    assert (params["LAI"].values[-1] == 0).all()
    assert not params.isnull().any().to_array().any()


@pytest.mark.shared
def test_parameter_file_has_the_variables_of_the_image_driver(shared, land):
    """The same names and dims as a file that compiled VIC-5 has read."""
    with xr.open_dataset(shared / "data" / "conus" / "vic5" / "params_B.nc") as real:
        ours = make_parameters(land)
        assert set(ours.variables) == set(real.variables)
        for name in real.variables:
            assert ours[name].dims == real[name].dims
            assert ours[name].dtype == real[name].dtype


@pytest.mark.parametrize("share", [0.0, 0.1, 0.25, 0.5])
def test_unseen_cells_are_scattered(share):
    unseen = scattered(SHAPE, share, 0, 0).reshape(SHAPE)
    assert unseen.sum() == pytest.approx(share * 96, abs=1)
    blocks = unseen.reshape(4, 2, 6, 2).sum(axis=(1, 3))
    assert blocks.max() <= np.ceil(4 * share)


def test_truth_is_inside_its_bounds_away_from_the_prior_and_partly_explained(land):
    shares = {}
    for unexplained in (0.0, 0.2, 1.0):
        theta = true_theta(land, SPACE, SyntheticConfig(unexplained=unexplained), 0)
        SPACE.require_inside(theta)
        unit = SPACE.to_unit(theta)
        assert unit.min() > 0.05
        assert unit.max() < 0.95
        assert (unit.std(axis=0) > 0.15).all()
        shares[unexplained] = unit
    for k in range(len(SPACE)):
        explained = np.corrcoef(shares[0.0][:, k], shares[0.2][:, k])[0, 1] ** 2
        assert explained == pytest.approx(0.8, abs=0.1)
        assert abs(np.corrcoef(shares[0.0][:, k], shares[1.0][:, k])[0, 1]) < 0.35
    prior = np.array([0.2, 0.02, 10.0, 0.8, 14.0])
    assert (np.abs(SPACE.to_unit(prior) - shares[0.2]).mean(axis=0) > 0.1).all()


def test_truth_of_a_parameter_does_not_depend_on_its_company(land):
    both = true_theta(land, ParameterSpace.of("expt", "infilt", "depth_1", "canopy_gap"), SyntheticConfig(), 0)
    alone = true_theta(land, ParameterSpace.of("infilt"), SyntheticConfig(), 0)
    np.testing.assert_array_equal(both[:, 1], alone[:, 0])
    assert set(DRIVERS) <= set(VIC_PARAMETERS)


def test_frozen_ground_by_hand():
    tair = np.array([[-2.0] * 3 + [10.0] * 6])
    prcp = np.array([[10.0] * 2 + [0.0] * 7])
    np.testing.assert_array_equal(frozen_ground(prcp, tair)[0], [True] * 3 + [False] * 6)
    deep = frozen_ground(prcp * 5, tair)[0]  # 100 mm melt 30 mm a day: gone on the fourth warm day
    np.testing.assert_array_equal(deep, [True] * 6 + [False] * 3)


def test_observations_have_the_gaps_and_the_noise_of_a_satellite(world):
    with xr.open_dataset(world / INPUTS) as inputs, xr.open_dataset(world / TRUTH) as truth:
        observed, moisture = inputs["sm_obs"].values.astype(float), truth["soil_moisture"].values
        tair = inputs["tair"].values
    seen = np.isfinite(observed)
    assert 0.25 < seen.mean() < 0.40
    warm = np.all(tair.reshape(96, -1) > -90, axis=1) & (tair.min(axis=1) > -5)
    gaps = np.concatenate([np.diff(np.flatnonzero(row)) for row in seen[warm]]) if warm.any() else np.array([2, 3])
    assert 2 <= np.median(gaps) <= 3
    cold = tair < -6
    assert seen[cold].mean() < 0.3 * seen[tair > 10].mean()
    error = (observed - moisture)[seen & (moisture > 0.15)]
    assert error.std() == pytest.approx(0.04, abs=0.002)
    assert error.mean() == pytest.approx(0, abs=0.002)
    assert np.nanmin(observed) >= 0


def test_the_world_passes_its_own_checks_and_becomes_a_cube(world, tmp_path):
    cube = build_cube(DataConfig(source="synthetic"), tmp_path / "cube.zarr", inputs=world / INPUTS)
    assert len(cube.cells) == 96
    assert (~cube.trained).sum() == 24
    assert len(cube.time) == 1096
    np.testing.assert_allclose(cube.dataset[["sand", "silt", "clay"]].to_array().sum("variable"), 100)
    theta = open_truth(world)["theta"].values
    hidden = {name for name in cube.dataset.variables if cube.dataset[name].shape[:1] == (96,)}
    for name in hidden:  # the truth is nowhere in the cube
        values = cube.dataset[name].values
        if values.ndim == 1 and values.dtype.kind == "f" and values.std() > 0:
            assert np.abs(np.corrcoef(values, theta.T)[0, 1:]).max() < 0.999


def test_a_world_is_repeatable_bit_for_bit_and_depends_on_both_seeds(tmp_path):
    for name, config, seed in (
        ("a", SMALL, 7),
        ("b", SMALL, 7),
        ("c", SMALL, 8),
        ("d", SMALL.model_copy(update={"seed": 1}), 7),
    ):
        write_world(tmp_path / name, config, seed, SPACE, bucket)
    first = files_of(tmp_path / "a")
    assert set(first) == {INPUTS, PARAMS, DOMAIN, TRUTH}
    assert files_of(tmp_path / "b") == first
    for other in ("c", "d"):
        assert files_of(tmp_path / other)[TRUTH] != first[TRUTH]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: m[:, :-1], r"returned shape"),
        (lambda m: np.where(np.arange(m.shape[1]) == 5, np.nan, m), "returned nan for cell 0, day 5"),
        (lambda m: m * 100, "expected volumetric soil moisture"),
    ],
)
def test_a_process_model_that_fails_leaves_no_inputs(tmp_path, wrong, message):
    with pytest.raises(ModelError, match=message):
        write_world(tmp_path, SMALL, 0, SPACE, lambda *given: {k: wrong(v) for k, v in bucket(*given).items()})
    assert not (tmp_path / INPUTS).exists()
    assert not any(path.name.startswith(".") for path in tmp_path.iterdir())


def test_fluxes_are_observed_in_the_training_period_with_the_stated_errors(tmp_path):
    """Twelve mean months and two signatures a cell, around those of the true θ, and the same world beside them."""
    errors = FluxObservations(evapotranspiration=2.0, runoff_ratio=0.01, baseflow_index=0.02)
    config = SyntheticConfig(rows=8, columns=12, years=2)
    both = {
        "plain": config,
        "fluxes": config.model_copy(update={"fluxes": errors}),
        "exact": config.model_copy(
            update={"fluxes": FluxObservations(evapotranspiration=0, runoff_ratio=0, baseflow_index=0)}
        ),
    }
    for name, each in both.items():
        write_world(tmp_path / name, each, 0, SPACE, bucket)
    plain, seen, exact = (xr.load_dataset(tmp_path / name / INPUTS) for name in both)
    observed = ("et_obs", "runoff_ratio_obs", "baseflow_index_obs")
    xr.testing.assert_identical(seen.drop_vars(observed), plain)
    np.testing.assert_allclose(exact["baseflow_index_obs"], 0.25, atol=1e-9)
    theta = open_truth(tmp_path / "exact")["theta"].values
    truth = bucket(*(tmp_path / "exact" / name for name in (PARAMS, DOMAIN, INPUTS)), theta, FLUXES)
    train = config.train.mask(exact["time"].values)
    june = truth["evapotranspiration"][:, train & (month_of(exact["time"].values) == 6)]
    np.testing.assert_allclose(exact["et_obs"][:, 5], june.sum(axis=1))  # one June of thirty days
    ratio = (truth["runoff"] + truth["baseflow"])[:, train].sum(1) / exact["prcp"].values[:, train].sum(1)
    np.testing.assert_allclose(exact["runoff_ratio_obs"], np.minimum(ratio, 2.0), rtol=1e-5)
    for name, error in zip(observed, (2.0, 0.01, 0.02), strict=True):
        difference = (seen[name] - exact[name]).values
        assert difference.std() == pytest.approx(error, rel=0.2)
    cube = build_cube(
        DataConfig(source="synthetic", synthetic=both["fluxes"]),
        tmp_path / "cube.zarr",
        inputs=tmp_path / "fluxes" / INPUTS,
    )
    for name in observed:
        np.testing.assert_array_equal(cube.dataset[name].values, seen[name].values)
        assert name not in cube.attribute_names


def test_no_truth_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="not a readable truth"):
        open_truth(tmp_path)
