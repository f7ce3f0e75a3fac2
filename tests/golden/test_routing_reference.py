"""Routing against the original programs and the exact mathematics in the shared reference data."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from pyproj import Transformer
from scipy.special import gammainc

from golden.routing_cases import CFS_PER_M3S, REFERENCE, forcing, lohmann_network, read, source_order
from paraformer.core.errors import DataError
from paraformer.numerics.routing import convolve
from paraformer.numerics.unit_hydrograph import TravelTimes, Window, unit_hydrographs, unit_hydrographs_transposed
from paraformer.routing.gauges import place_gauges, read_gauges
from paraformer.routing.grids import read_grid
from paraformer.routing.lohmann import cell_kernels, lohmann_response
from paraformer.routing.lohmann import unit_hydrographs as lohmann_hydrographs
from paraformer.routing.make import RiverOptions, network_of_grid
from paraformer.routing.network import Network
from paraformer.routing.router import exact_response, parameter_router, travel_times
from paraformer.routing.rvic import RvicOptions, make_parameter_file, read_parameter_file
from routing.rivers import network_of_directions

pytestmark = pytest.mark.shared
LOHMANN = ["base", "box1", "boxsum08", "d5000", "frac1", "long012", "long150", "maps", "missing", "slow", "south"]
LOHMANN += ["v050", "v300", "vslow", "write", "xconst"]
BUILDS = {"head_dp": ("lohmann", 1e-14, 1e-12), "old_dp": ("lohmann_2015", 1e-14, 1e-12)}
SINGLE = {"head_sp": ("lohmann", 5e-7, 5e-5), "old_sp": ("lohmann_2015", 5e-7, 5e-5)}


@pytest.mark.parametrize("name", LOHMANN)
def test_the_lohmann_programs_are_repeated(name: str, shared: Path) -> None:
    path = shared / REFERENCE / "lohmann" / f"{name}.nc"
    network = lohmann_network(path)
    order, total = source_order(path, network), forcing(path, network)
    builds, ordinates, flow = read(path, "build_name", "uh_s", "flow_cfs")
    for at, build in enumerate(builds):
        variant, by_ordinate, by_flow = (BUILDS | SINGLE)[build]
        assert network.box is not None
        response = lohmann_response(network, network.box, variant)  # type: ignore[arg-type]
        assert np.abs(response.ordinates[order] - ordinates[at]).max() < by_ordinate, build
        ours = CFS_PER_M3S * convolve(total, network.pairs, response).T
        assert np.abs(ours - flow[at]).max() < by_flow * np.abs(flow[at]).max(), build


def test_a_given_hydrograph_is_used_as_it_is(shared: Path) -> None:
    path = shared / REFERENCE / "lohmann" / "given.nc"
    network = lohmann_network(path)
    order, total = source_order(path, network), forcing(path, network)
    ordinates, flow = read(path, "uh_s", "flow_cfs")
    assert network.box is not None
    response = lohmann_response(network, network.box, "lohmann")
    given = np.empty_like(response.ordinates)
    given[order] = ordinates[1]
    ours = CFS_PER_M3S * convolve(total, network.pairs, response._replace(ordinates=given)).T
    assert np.abs(ours - flow[1]).max() < 1e-8 * flow[1].max()  # the rows were given with 9 digits


def test_a_velocity_of_zero_is_refused_and_no_number_in_the_program(shared: Path) -> None:
    path = shared / REFERENCE / "lohmann" / "vzero.nc"
    with pytest.raises(DataError, match=r"vzero.nc: cell \d+ .*: velocity 0, expected above 0"):
        lohmann_network(path)
    network = lohmann_network(path, velocity=1.0)
    row, column = np.divmod(network.cells - 1, 8)
    velocity = read(path, "velocity")[0][row, column]
    kernels = cell_kernels(network.length, velocity, network.diffusivity, "lohmann")
    assert network.box is not None
    ours = lohmann_hydrographs(kernels, network.pairs, network.box, "lohmann")[source_order(path, network)]
    theirs = read(path, "uh_s")[0][1]
    assert np.array_equal(np.isnan(ours), np.isnan(theirs))
    assert np.isnan(theirs).any()


def test_a_kernel_outside_its_window_is_refused_where_the_program_has_no_number(shared: Path) -> None:
    path = shared / REFERENCE / "lohmann" / "underflow.nc"
    network = lohmann_network(path)
    order, total = source_order(path, network), forcing(path, network)
    builds, ordinates, flow = read(path, "build_name", "uh_s", "flow_cfs")
    at = {name: i for i, name in enumerate(builds)}
    assert network.box is not None
    response = lohmann_response(network, network.box, "lohmann")
    assert np.abs(response.ordinates[order] - ordinates[at["head_dp"]]).max() < 1e-14
    theirs = flow[at["head_dp"]]
    assert np.abs(CFS_PER_M3S * convolve(total, network.pairs, response).T - theirs).max() < 1e-12 * theirs.max()
    kernels = cell_kernels(network.length, network.velocity, network.diffusivity, "lohmann_2015")
    rows = lohmann_hydrographs(kernels, network.pairs, network.box, "lohmann_2015")[order]
    np.testing.assert_array_equal(np.isnan(rows), np.isnan(ordinates[at["old_dp"]]))
    with pytest.raises(DataError, match="no water passes inside the 48 h a cell of method lohmann_2015"):
        lohmann_response(network, network.box, "lohmann_2015")


@pytest.mark.parametrize("name", ["base", "v050", "v300", "maps", "xconst", "long150", "slow"])
def test_exact_basins(name: str, shared: Path) -> None:
    path, exact = shared / REFERENCE / "lohmann" / f"{name}.nc", shared / REFERENCE / "exact" / "basin_flow.nc"
    network = lohmann_network(path)
    order, total = source_order(path, network), forcing(path, network)
    times = travel_times(network, "runoff")
    mean, variance, ordinates = read(exact, "travel_time_mean", "travel_time_variance", "unit_hydrograph", group=name)
    np.testing.assert_allclose(times.mean[order], mean, rtol=1e-12)
    np.testing.assert_allclose(times.variance[order], variance, rtol=1e-12)
    response = exact_response(network, 86400.0, "runoff")
    flow = convolve(total, network.pairs, response).T
    if name == "maps":
        (expected,) = read(exact, "flow_moment_matched", group=name)
        assert np.abs(flow - expected).max() < 1e-11 * expected.max()
        (true,) = read(exact, "flow", group=name)
        assert np.abs(flow - true).max() < 0.0043 * true.max()
        response = exact_response(network, 86400.0, "runoff", composed=True)
        composed, n = response.ordinates[order], response.ordinates.shape[1]
        whole = np.abs(ordinates.sum(axis=1) - 1) < 1e-10  # short paths of the reference gain up to 2e-4 of their water
        assert whole.sum() > 75
        assert np.abs(composed - ordinates[:, :n])[whole].max() < 1e-9
        assert np.abs(convolve(total, network.pairs, response).T - true).max() < 1e-5 * true.max()
        reach = np.flatnonzero(network.pairs.downstream[network.pairs.downstream[order]] < 0)  # one reach: closed form
        closed = exact_response(network, 86400.0, "runoff")
        for i in reach:
            first, m = closed.window.offset[order[i]], min(closed.window.length[order[i]], n)
            assert np.abs(composed[i, first : first + m] - closed.ordinates[order[i], :m]).max() < 1e-9
        return
    rows = np.zeros_like(ordinates)
    for i, pair in enumerate(order):
        first, n = response.window.offset[pair], min(response.window.length[pair], 107 - response.window.offset[pair])
        rows[i, first : first + n] = response.ordinates[pair, :n]
    assert np.abs(rows - ordinates)[:, :106].max() < 1e-11
    (expected,) = read(exact, "flow", group=name)
    assert np.abs(flow - expected).max() < 1e-9 * expected.max()


@pytest.mark.parametrize(("step", "tolerance"), [("daily", 1e-12), ("3hourly", 1e-11), ("hourly", 1e-10)])
def test_exact_reaches_and_their_derivatives(step: str, tolerance: float, shared: Path) -> None:
    path = shared / REFERENCE / "exact" / f"reach_{step}.nc"
    x, v, d, u = read(path, "x", "v", "D", "u")
    with netCDF4.Dataset(path) as dataset:
        seconds = float(dataset.dt)
    n = u.shape[1]
    none = np.zeros(len(x))
    times = TravelTimes(x / v, 2 * d * x / v**3, none, none)
    window = Window(np.zeros(len(x), np.int64), np.full(len(x), n + 1))
    assert np.abs(unit_hydrographs(times, seconds, window)[:, :n] - u).max() < tolerance
    slopes = dict(zip(("du_dv", "du_dD", "du_dx"), read(path, "du_dv", "du_dD", "du_dx"), strict=True))
    size = {"du_dv": v, "du_dD": d, "du_dx": x}
    for lag in range(0, n, 7):
        gradient = np.zeros((len(x), n + 1))
        gradient[:, lag] = 1.0
        by = unit_hydrographs_transposed(times, seconds, window, gradient)
        ours = {
            "du_dv": -by.mean * x / v**2 - by.variance * 6 * d * x / v**4,
            "du_dD": by.variance * 2 * x / v**3,
            "du_dx": by.mean / v + by.variance * 2 * d / v**3,
        }
        for name, expected in slopes.items():
            gap = np.abs((ours[name] - expected[:, lag]) * size[name])
            assert np.nanmax(gap) < 1e3 * tolerance, (name, lag)


def test_the_gamma_hillslope_is_mizuroutes_with_the_water_spread_over_the_step(shared: Path) -> None:
    """mizuRoute lets a step's water enter at its beginning: P((k+1)dt) - P(k dt); ours is the mean over entry times."""
    dt, shape, scale, count, u = read(
        shared / REFERENCE / "mizuroute" / "hillslope_gamma.nc", "dt", "shape", "timescale", "n", "u"
    )
    parts = 256
    for case in range(len(dt)):
        n, seconds = int(count[case]), float(dt[case])
        at_once = np.diff(gammainc(shape[case], np.arange(n + 1) * seconds / scale[case]))
        np.testing.assert_allclose(at_once / at_once.sum(), u[case, :n], atol=1e-12)
        shares = gammainc(shape[case], np.arange(n * parts + 1) * seconds / parts / scale[case])
        means = np.array(
            [(shares[k * parts : (k + 1) * parts] + shares[k * parts + 1 :][:parts]).mean() / 2 for k in range(n)]
        )
        expected = np.diff(means, prepend=0.0)  # trapezoids of P over the step, minus those of the step before
        times = TravelTimes(*(np.array([value]) for value in (0.0, 0.0, shape[case], scale[case])))
        ours = unit_hydrographs(times, seconds, Window(np.zeros(1, np.int64), np.array([n + 50])))[0]
        assert np.abs(ours[:n] - expected).max() < 2e-4


def rvic_case(shared: Path, name: str) -> tuple[Path, np.ndarray, np.ndarray, np.ndarray]:
    folder = shared / REFERENCE / "rvic" / name
    lat, lon, area = read(folder / "domain.nc", "lat", "lon", "area")
    rows, columns = np.meshgrid(lat, lon, indexing="ij")
    return folder, rows.ravel(), columns.ravel(), area.ravel()


@pytest.mark.parametrize("name", ["one_con", "one_nocon", "six_con", "six_nocon", "maps"])
def test_rvic_parameter_files_are_routed(name: str, shared: Path) -> None:
    folder, lat, lon, area = rvic_case(shared, name)
    router = parameter_router(read_parameter_file(folder / "params.nc"), lat, lon, area, source="domain.nc")
    runoff, baseflow = read(shared / REFERENCE / "lohmann" / "forcing_8x8.nc", "runoff", "baseflow")
    total = np.nan_to_num(runoff + baseflow).reshape(len(runoff), -1).T
    (expected,) = read(folder / "flow.nc", "flow_numpy")
    np.testing.assert_allclose(router.route(total, None).discharge.T, expected, rtol=1e-12)
    nothing = np.zeros((len(router.gauges), router.lags))
    np.testing.assert_allclose(router.advance(total, None, nothing).discharge.T, expected, rtol=1e-12)


def test_the_own_sample_is_routed(shared: Path) -> None:
    folder = shared / REFERENCE / "rvic" / "own_sample"
    lat, lon, area = read(folder / "own_domain.nc", "lat", "lon", "area")
    rows, columns = np.meshgrid(lat, lon, indexing="ij")
    file = read_parameter_file(folder / "params.nc")
    router = parameter_router(file, rows.ravel(), columns.ravel(), area.ravel(), source="own_domain.nc")
    runoff, baseflow, expected = read(folder / "forcing_and_flow.nc", "Runoff", "Baseflow", "flow_expected")
    flow = router.route(*(part.reshape(len(part), -1).T for part in (runoff, baseflow))).discharge
    np.testing.assert_allclose(flow.T, expected, rtol=1e-12)
    assert file.lost_by_vic > 0


@pytest.mark.parametrize("name", ["one_con", "one_nocon", "six_con", "six_nocon", "maps", "hourly"])
def test_rvic_parameter_files_are_made(name: str, shared: Path) -> None:
    folder, _, _, _ = rvic_case(shared, name)
    network = rvic_network(shared, name)
    box = np.loadtxt(folder / "uh.csv", delimiter=",", skiprows=1)
    theirs = read_parameter_file(folder / "params.nc")
    fraction = read(folder / "domain.nc", "frac")[0].ravel()[network.cells - 1]
    options = RvicOptions(
        output_interval=theirs.step,
        subset_days=theirs.ordinates.shape[1] * theirs.step / 86400,
        basin_flowdays=theirs.full_length * theirs.step / 86400,
        constrain_fractions=name.endswith("_con") or name == "hourly",
    )
    ours = make_parameter_file(network, box[:, 1], box[1, 0] - box[0, 0], fraction, options)

    def key(file: object) -> np.ndarray:
        parts = [np.round(getattr(file, part), 6) for part in ("source_lat", "source_lon")]
        outlet = np.asarray(getattr(file, "outlet"))  # noqa: B009
        place = np.round(getattr(file, "outlet_lat")[outlet] * 1e4 + getattr(file, "outlet_lon")[outlet], 4)  # noqa: B009
        return np.lexsort((parts[1], parts[0], place))

    mine, other = key(ours), key(theirs)
    np.testing.assert_array_equal(ours.offset[mine], theirs.offset[other])
    assert np.abs(ours.ordinates[mine] - theirs.ordinates[other]).max() < 1e-14
    assert ours.full_length == theirs.full_length


def rvic_network(shared: Path, name: str) -> Network:
    """The network of an RVIC case, with its outlets."""
    folder = shared / REFERENCE / "rvic" / name
    with netCDF4.Dataset(folder / "fdr.nc") as dataset:
        maps = set(dataset.variables)
    speed = {n.lower(): n for n in maps}
    options = RiverOptions(
        length=f"{folder / 'fdr.nc'}::Flow_Distance",
        area=f"{folder / 'domain.nc'}::area",
        velocity=f"{folder / 'fdr.nc'}::{speed['velocity']}" if "velocity" in speed else "1.5",
        diffusivity=f"{folder / 'fdr.nc'}::{speed['diffusion']}" if "diffusion" in speed else "800",
    )
    network = network_of_directions(folder / "fdr.nc", "vic", options, ends_outside=True)
    return place_gauges(network, read_gauges(folder / "pour.csv"))[0]


def test_a_real_parameter_file_is_routed(shared: Path) -> None:
    """Its row indices run against the domain's: cells are joined by place."""
    folder = shared / "data" / "routing" / "vic_sample_data_stehekin"
    file = read_parameter_file(next(folder.glob("*.rvic.prm.*.nc")))
    assert len(file.outlet_names) == 16
    lat, lon, area = read(folder / "domain.stehekin.20151028.nc", "lat", "lon", "area")
    rows, columns = (part.ravel() for part in np.meshgrid(lat, lon, indexing="ij"))
    router = parameter_router(file, rows, columns, area.ravel(), source="domain")
    north, runoff, baseflow = read(folder.parent / "stehekin_vicmodel_lohmann.nc", "lat", "runoff", "baseflow")
    assert north[0] > lat[0]
    total = np.nan_to_num(runoff + baseflow)[:, ::-1].reshape(len(runoff), -1).T
    (expected,) = read(folder / "expected_flow.nc", "flow")
    np.testing.assert_allclose(router.route(total, None).discharge.T, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("variant", ["lohmann", "lohmann_2015"])
def test_a_real_basin_in_the_lohmann_program(variant: str, shared: Path) -> None:
    path = shared / "data" / "routing" / "stehekin_vicmodel_lohmann.nc"
    network = lohmann_network(path)
    runoff, baseflow, builds, flow = read(path, "runoff", "baseflow", "build_name", "flow_cfs")
    row, column = np.divmod(network.cells - 1, runoff.shape[2])
    assert network.box is not None
    response = lohmann_response(network, network.box, variant)  # type: ignore[arg-type]
    ours = CFS_PER_M3S * convolve(np.nan_to_num(runoff + baseflow)[:, row, column].T, network.pairs, response).T
    theirs = flow[list(builds).index("head_dp" if variant == "lohmann" else "old_dp")]
    assert np.abs(ours - theirs).max() < 1e-12 * theirs.max()


def test_a_projected_grid_of_a_real_river(shared: Path, tmp_path: Path) -> None:
    """The Lez in Lambert-93, 1 km: gauges that lie beside the river are put on it, by their areas."""
    path = shared / "data" / "routing" / "smash_lez.nc"
    with pytest.raises(DataError, match="name the projection"):
        network_of_directions(path, "vic", variable="flow_direction")
    grid = read_grid(path, "flow_direction", "EPSG:2154")
    network = network_of_grid(grid, "vic", RiverOptions(), ends_outside=True)
    np.testing.assert_allclose(network.area, 1e6)
    assert 43.5 < network.lat.min() < network.lat.max() < 44.0
    x, y, area = read(path, "gauge_x", "gauge_y", "gauge_area")
    to_geographic = Transformer.from_crs("EPSG:2154", "EPSG:4326", always_xy=True)
    lon, lat = to_geographic.transform(x, y)
    table = tmp_path / "gauges.csv"
    rows = [f"g{i},{lat[i]},{lon[i]},{area[i]}" for i in range(len(x))]
    table.write_text("\n".join(["name,lat,lon,area_km2", *rows]) + "\n")
    placed, _ = place_gauges(network, read_gauges(table), search=2)
    np.testing.assert_allclose(placed.model_area / 1e6, area, rtol=0.25)


def test_real_directions_are_read(shared: Path) -> None:
    """RVIC's inputs of a basin in ArcInfo codes, PCRaster's LDD, and a GeoTIFF of the Rhine."""
    folder = shared / "data" / "routing"
    basin = network_of_directions(
        folder / "easy_vic_build_213" / "flow_direction_file.nc", "arcinfo", ends_outside=True
    )
    assert basin.n_cell == 46
    piave = folder / "flow_direction_samples" / "wflow_piave_clip_staticmaps.nc"
    assert network_of_directions(piave, "ldd", variable="local_drain_direction").n_cell == 161
