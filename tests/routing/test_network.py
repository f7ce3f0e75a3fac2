"""Networks from what users have, and what is refused, with cells named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import DataError
from paraformer.routing.directions import decode
from paraformer.routing.files import read_network, write_network
from paraformer.routing.gauges import place_gauges, read_gauges
from paraformer.routing.grids import Grid, cell_areas, read_grid
from paraformer.routing.make import (
    RiverOptions,
    lumped_of_table,
    network_of_grid,
    network_of_segments,
)
from paraformer.routing.network import Network, upstream_area
from routing.rivers import DIRECTIONS, network_of_directions, write_directions, write_text_grid

LAT, LON = np.array([41.25, 40.75, 40.25]), np.array([-99.75, -99.25, -98.75, -98.25])
BELOW = {1: 2, 2: 6, 5: 6, 6: 11, 7: 11, 9: 10, 10: 11, 11: 0, 12: 11}
"""Cell -> the one it drains to, of ``DIRECTIONS``."""


def grid_of(values: np.ndarray) -> Grid:
    return Grid(np.asarray(values, float), LAT, LON, "made.nc")


def vic_values() -> np.ndarray:
    rows = [[float(v) for v in line.split()] for line in DIRECTIONS.splitlines()[6:]]
    return np.where(np.array(rows) == -9, np.nan, rows)


def below_of(network: Network) -> dict[int, int]:
    ends = np.where(network.downstream >= 0, network.cells[network.downstream], 0)
    return dict(zip(network.cells.tolist(), ends.tolist(), strict=True))


def test_a_text_grid_of_vic(tmp_path: Path) -> None:
    network = network_of_directions(write_directions(tmp_path))
    assert below_of(network) == BELOW
    assert network.lat[0] == 41.25
    assert network.lon[0] == -99.75
    np.testing.assert_allclose(network.area, cell_areas(LAT, LON).ravel()[network.cells - 1])
    across = 6371000 * np.deg2rad(0.5) * np.cos(np.deg2rad(41.25))
    assert network.length[0] == pytest.approx(across, rel=1e-4)
    assert (network.length[network.downstream >= 0] > 3e4).all()


VIC_TO = {
    "arcinfo": {1: 64, 2: 128, 3: 1, 4: 2, 5: 4, 6: 8, 7: 16, 8: 32, 0: 0},
    "ldd": {1: 8, 2: 9, 3: 6, 4: 3, 5: 2, 6: 1, 7: 4, 8: 7, 0: 5},
}


@pytest.mark.parametrize("codes", ["arcinfo", "ldd"])
def test_other_codes_are_the_same_river(codes: str) -> None:
    values = vic_values()
    for code, other in VIC_TO[codes].items():
        values[vic_values() == code] = other
    network = network_of_grid(grid_of(values), codes, RiverOptions())  # type: ignore[arg-type]
    assert below_of(network) == BELOW


def test_nextxy_is_the_same_river(tmp_path: Path) -> None:
    x, y = np.full((3, 4), -9999.0), np.full((3, 4), -9999.0)
    for cell, below in BELOW.items():
        row, column = divmod(cell - 1, 4)
        x[row, column], y[row, column] = (-9, -9) if not below else ((below - 1) % 4 + 1, (below - 1) // 4 + 1)
    path = tmp_path / "next.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        for name, values in (("lat", LAT[::-1]), ("lon", LON)):
            dataset.createDimension(name, len(values))
            dataset.createVariable(name, "f8", (name,))[:] = values
        for name, values in (("nextx", x), ("nexty", y)):
            dataset.createVariable(name, "i4", ("lat", "lon"))[:] = values[::-1]
    assert below_of(network_of_directions(path)) == BELOW


def test_rows_from_the_south_keep_their_directions(tmp_path: Path) -> None:
    path = tmp_path / "south.nc"
    with netCDF4.Dataset(path, "w") as dataset:
        for name, values in (("lat", LAT[::-1]), ("lon", LON)):
            dataset.createDimension(name, len(values))
            dataset.createVariable(name, "f8", (name,))[:] = values
        dataset.createVariable("flow_direction", "f8", ("lat", "lon"))[:] = vic_values()[::-1]
    assert below_of(network_of_directions(path, "vic")) == BELOW


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({(2, 2): 7.0}, r"cells drain into each other in a loop: cell 1[01] .*->"),
        ({(0, 0): 1.0}, r"row 1, column 1 \(lat 41.25, lon -99.75\): drains off the grid .*--ends-outside"),
        ({(0, 1): 3.0}, r"row 1, column 2 .*into a place that is no cell \(1 such cells\)"),
        ({(1, 1): 9.0}, r"no flow direction of the codes 'vic': 9 at row 2, column 2"),
        ({(1, 1): 2.5}, r"no flow direction of the codes 'vic': 2.5 at row 2, column 2"),
    ],
)
def test_faults_are_named(change: dict[tuple[int, int], float], message: str) -> None:
    values = vic_values()
    for place, value in change.items():
        values[place] = value
    with pytest.raises(DataError, match=message):
        network_of_grid(grid_of(values), "vic", RiverOptions())


def test_rivers_may_end_outside() -> None:
    values = vic_values()
    values[0, 0] = 1.0
    found = decode(grid_of(values), "vic", ends_outside=True)
    assert found.downstream[0] == -1


def test_codes_that_could_be_of_two_kinds_are_asked_for() -> None:
    values = np.full((3, 4), 4.0)
    values[:, 1] = 8.0
    with pytest.raises(DataError, match=r"can be of the codes .* say which with --codes"):
        decode(grid_of(values), None, ends_outside=True)
    assert decode(grid_of(vic_values())).codes == "vic"
    plain = vic_values()
    arc = plain.copy()
    for code, other in VIC_TO["arcinfo"].items():
        arc[plain == code] = other
    arc[1, 0] = 128.0
    assert decode(grid_of(arc), ends_outside=True).codes == "arcinfo"


def test_a_length_of_zero_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "length.asc"
    lengths = np.full((3, 4), 5000.0)
    lengths[1, 0] = 0.0
    write_text_grid(path, lengths, LAT, LON)
    with pytest.raises(DataError, match=r"cell 5 \(lat 40.75, lon -99.75\): length 0, expected above 0 \(1 such"):
        network_of_grid(grid_of(vic_values()), "vic", RiverOptions(length=str(path)))
    with pytest.raises(DataError, match="velocity -1, expected above 0"):
        network_of_grid(grid_of(vic_values()), "vic", RiverOptions(velocity="-1"))


def test_text_grids_come_back(tmp_path: Path) -> None:
    write_text_grid(tmp_path / "a.asc", vic_values(), LAT, LON)
    found = read_grid(tmp_path / "a.asc")
    np.testing.assert_array_equal(found.values, vic_values())
    np.testing.assert_allclose(found.lat, LAT)
    np.testing.assert_allclose(found.lon, LON)
    (tmp_path / "b.asc").write_text("\n".join((tmp_path / "a.asc").read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match="found 2 rows, expected 3 rows of 4 values"):
        read_grid(tmp_path / "b.asc")


def placed(tmp_path: Path, table: str) -> tuple[Network, list]:
    path = tmp_path / "gauges.csv"
    path.write_text(table)
    return place_gauges(network_of_directions(write_directions(tmp_path)), read_gauges(path), source=str(path))


def test_gauges_go_where_their_area_is(tmp_path: Path) -> None:
    """The gauge of the whole basin lies in the cell beside the river's."""
    bare = network_of_directions(write_directions(tmp_path))
    whole = bare.area.sum() / 1e6
    network, table = placed(tmp_path, f"name,lat,lon,area_km2\nbig,40.3,-98.2,{1.05 * whole}\nhead,41.2,-99.7,\n")
    assert network.cells[network.gauges.cell].tolist() == [11, 1]
    assert table[0].cells_moved == 1
    assert table[0].model_km2 == pytest.approx(whole)
    np.testing.assert_allclose(network.model_area[0], whole * 1e6)
    assert sorted(network.cells[network.pairs.source].tolist()) == sorted([*BELOW, 1])


def test_a_gauge_without_its_area_near_is_refused_but_the_users_cell_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DataError, match=r"line 2: gauge x: drainage area 500000 km2, found .* name its cell"):
        placed(tmp_path, "name,lat,lon,area_km2\nx,40.3,-98.2,500000\n")
    network, table = placed(tmp_path, "name,lat,lon,area_km2,cell\nx,40.3,-98.2,500000,6\n")
    assert network.cells[network.gauges.cell].tolist() == [6]
    assert table[0].kept
    assert "drainage area 500000 km2" in caplog.text
    with pytest.raises(DataError, match="no cell of the network within 1 cells"):
        placed(tmp_path, "name,lat,lon,area_km2\nx,20,-98.2,500\n")
    with pytest.raises(DataError, match="line 2: area: found 'big', expected a number"):
        placed(tmp_path, "name,lat,lon,area_km2\nx,20,-98.2,big\n")


def test_a_network_file_comes_back(tmp_path: Path) -> None:
    network, _ = placed(tmp_path, "name,lat,lon\nbig,40.3,-98.75\nhead,41.2,-99.7\n")
    network = network.with_fraction(np.linspace(0.1, 1, len(network.fraction)))
    write_network(network, tmp_path / "n.nc")
    found = read_network(tmp_path / "n.nc")
    for name in ("cells", "lat", "lon", "downstream", "length", "area", "velocity", "diffusivity", "fraction"):
        np.testing.assert_array_equal(getattr(found, name), getattr(network, name), err_msg=name)
    assert found.gauges.names == ("big", "head")
    with netCDF4.Dataset(tmp_path / "n.nc", "r+") as dataset:
        dataset["downstream"][int(np.flatnonzero(network.cells == 11)[0])] = 10
    with pytest.raises(DataError, match=r"n.nc: 2 cells drain into each other in a loop: cell 1\d"):
        read_network(tmp_path / "n.nc")
    with netCDF4.Dataset(tmp_path / "n.nc", "r+") as dataset:
        dataset["downstream"][0] = 77
    with pytest.raises(DataError, match="downstream 77 is no cell"):
        read_network(tmp_path / "n.nc")


def test_a_cell_named_0_is_a_cell(tmp_path: Path) -> None:
    """Cells counted from 0 are as good as others: the river does not end where it reaches the first."""
    network, _ = placed(tmp_path, "name,lat,lon\nbig,40.3,-98.75\n")
    reached = int(network.downstream[network.downstream >= 0][0])
    cells = np.where(np.arange(network.n_cell) == reached, 0, network.cells)
    write_network(replace(network, cells=cells), tmp_path / "n.nc")
    np.testing.assert_array_equal(read_network(tmp_path / "n.nc").downstream, network.downstream)


def test_pairs_of_another_river_are_refused(tmp_path: Path) -> None:
    network, _ = placed(tmp_path, "name,lat,lon\nbig,40.3,-98.75\n")
    write_network(network, tmp_path / "n.nc")
    with netCDF4.Dataset(tmp_path / "n.nc", "r+") as dataset:
        dataset["pair_cell"][0] = dataset["pair_cell"][1]
    with pytest.raises(DataError, match="each cell upstream of a gauge once: cell"):
        read_network(tmp_path / "n.nc")


def segments(path: Path, below: list[int], hru: list[int]) -> Path:
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("seg", 3)
        dataset.createDimension("hru", len(hru))
        for name, dim, values in (
            ("segId", "seg", [10, 20, 30]),
            ("downSegId", "seg", below),
            ("length", "seg", [5000.0, 7000.0, 9000.0]),
            ("hruSegId", "hru", hru),
            ("area", "hru", np.linspace(1e6, 4e6, len(hru))),
        ):
            dataset.createVariable(name, "f8" if name in ("length", "area") else "i4", (dim,))[:] = values
    return path


def test_mizuroute_segments(tmp_path: Path) -> None:
    network = network_of_segments(segments(tmp_path / "s.nc", [30, 30, 0], [10, 10, 30, 20]))
    assert below_of(network) == {10: 30, 20: 30, 30: 0}
    np.testing.assert_allclose(network.area, [3e6, 4e6, 3e6])
    with pytest.raises(DataError, match="downSegId 99 is no segment"):
        network_of_segments(segments(tmp_path / "s.nc", [30, 99, 0], [10]))
    with pytest.raises(DataError, match="2 cells drain into each other in a loop: cell"):
        network_of_segments(segments(tmp_path / "s.nc", [30, 30, 10], [10]))


def test_lumped_basins_are_a_cell_each(tmp_path: Path) -> None:
    path = tmp_path / "basins.csv"
    path.write_text("gauge_id,lat,lon,area_km2\n0101,45,-70,2253\n0102,44,-68,574\n")
    network = lumped_of_table(path)
    assert network.gauges.names == ("0101", "0102")
    np.testing.assert_allclose(network.model_area, [2253e6, 574e6])
    path.write_text("gauge_id,lat,lon\n0101,45,-70\n")
    with pytest.raises(DataError, match="line 2: 0101 has no area_km2"):
        lumped_of_table(path)


def test_upstream_area_is_that_of_all_cells_above() -> None:
    np.testing.assert_allclose(upstream_area(np.array([1, -1, 1]), np.array([1.0, 2.0, 4.0])), [1, 7, 4])


def test_upscaling_keeps_area_and_river(tmp_path: Path) -> None:
    """A straight river of 8 fine cells with tributaries from both sides: coarse cells drain on, and hold all area."""
    pytest.importorskip("pyflwdir")
    from paraformer.routing.upscale import upscaled_network

    values = np.full((8, 8), 3.0)
    values[:4], values[4:] = 5.0, 1.0
    values[4, :] = 3.0
    values[4, 7] = 0.0
    lat, lon = 40 - 0.01 * (np.arange(8) + 0.5), 10 + 0.01 * (np.arange(8) + 0.5)
    fine = Grid(values, lat, lon, "fine")
    network = upscaled_network(fine, "vic", 4, velocity="1", diffusivity="800")
    assert network.n_cell <= 4
    assert network.area.sum() == pytest.approx(cell_areas(lat, lon).sum(), rel=0.01)
    assert (network.downstream < 0).sum() == 1
    assert (network.length[network.downstream >= 0] > 1000).all()
