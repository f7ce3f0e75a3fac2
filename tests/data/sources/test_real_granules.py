"""The readers on real files of NASA's archives, and on dumps of the structure of others, in the shared reference data.

An L3 granule itself is too large to keep. One is made of the structure that is published of it (names, types, fill
values, shapes) and of the retrievals of a real half orbit, which are what a granule of that day holds of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest
import xarray as xr
from pyhdf.SD import SD

from paraformer.core.grid import ease2_global
from paraformer.core.time import Period
from paraformer.data.igbp import IGBP_CLASSES
from paraformer.data.sources.config import SURFACE_BITS, SmapConfig
from paraformer.data.sources.land_config import RasterConfig
from paraformer.data.sources.modis import FILL_CLASSES, MAXIMUM, SCALE, tile_window
from paraformer.data.sources.modis_land import LAYERS, tile_strips
from paraformer.data.sources.region import Region
from paraformer.data.sources.smap import (
    FILL_FLOAT,
    FILL_INTEGER,
    NOT_ATTEMPTED,
    NOT_RECOMMENDED,
    NOT_SUCCESSFUL,
    read_smap,
    utc_of_j2000,
)

pytestmark = pytest.mark.shared

ORBIT = "SMAP_L2_SM_P_02801_A_20150811T013002_R18290_001.h5"
L3_STRUCTURE = "SC_SPL3SMP_008.dmr"
L3E_STRUCTURE = "SMAP_L3_SM_P_E_20211030_R18240_001.h5.dmr.bescmd.baseline"
LEAVES = "MCD15A2H.A2016201.h18v05.006.2016215124658.hdf"
TYPES = {
    "Float32": np.float32,
    "Float64": np.float64,
    "UInt16": np.uint16,
    "UInt8": np.uint8,
    "Byte": np.uint8,
    "String": "S24",
}
READ = (
    "soil_moisture",
    "soil_moisture_dca",
    "soil_moisture_scav",
    "soil_moisture_scah",
    "retrieval_qual_flag",
    "retrieval_qual_flag_dca",
    "retrieval_qual_flag_scav",
    "retrieval_qual_flag_scah",
    "surface_flag",
    "static_water_body_fraction",
    "tb_time_seconds",
    "EASE_row_index",
    "EASE_column_index",
)
"""What the SMAP reader reads, whatever its settings; evening datasets have the suffix ``_pm``."""
UNGROUNDED = tuple(name for name in SURFACE_BITS if name != "frozen_radiometer")
"""Flags that no recommended retrieval has."""


@dataclass(frozen=True)
class Layout:
    """Type, shape and fill value of a dataset, as published."""

    kind: str
    shape: tuple[int, ...]
    fill: float | None


@pytest.fixture(scope="module")
def granules(shared: Path) -> Path:
    return shared / "data" / "granules"


@pytest.fixture(scope="module")
def orbit(granules: Path) -> dict[str, np.ndarray]:
    """Every dataset of the half orbit [retrieval]."""
    with h5py.File(granules / ORBIT) as file:
        return {name: values[:] for name, values in file["Soil_Moisture_Retrieval_Data"].items()}


@pytest.fixture(scope="module")
def evening(granules: Path, orbit: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the granule whose evening group holds the half orbit, which ascends."""
    folder = tmp_path_factory.mktemp("smap")
    cells = orbit["EASE_row_index"].astype(int), orbit["EASE_column_index"].astype(int)
    with h5py.File(folder / "SMAP_L3_SM_P_20150811_R18290_001.h5", "w") as file:
        for name, layout in _layouts(granules / "structure" / L3_STRUCTURE).items():
            if not name.startswith("Soil_Moisture"):
                continue
            dtype = np.dtype(TYPES[layout.kind])
            dataset = file.create_dataset(name, layout.shape, dtype, fillvalue=layout.fill, compression=1)
            given = name.rpartition("/")[2].removesuffix("_pm")
            if name.startswith("Soil_Moisture_Retrieval_Data_PM/") and given in orbit:
                values = np.full(layout.shape, dataset.fillvalue, dtype)
                values[cells] = orbit[given]
                dataset[...] = values
    return folder


def _structure(path: Path) -> dict[str, ElementTree.Element]:
    """Elements of the datasets of a DMR by ``group/name``, the full path in the file where the DMR flattens it."""
    root = ElementTree.parse(path).getroot()
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    found = {}

    def walk(group: ElementTree.Element, inside: str) -> None:
        for element in group:
            if element.tag == "Group":
                walk(element, f"{inside}{element.get('name')}/")
            elif element.tag in TYPES:
                found[_said(element, "fullnamepath") or f"{inside}{element.get('name')}"] = element

    walk(root, "")
    return {name.lstrip("/"): element for name, element in found.items()} | {"": root}


def _said(element: ElementTree.Element, attribute: str) -> str | None:
    return element.findtext(f"Attribute[@name='{attribute}']/Value")


def _layouts(path: Path) -> dict[str, Layout]:
    """Type, shape and fill value by ``group/name``."""
    found = _structure(path)
    sizes = {f"/{dim.get('name')}": dim.get("size") for dim in found.pop("").findall("Dimension")}
    layouts = {}
    for name, element in found.items():
        shape = tuple(int(dim.get("size") or sizes[dim.get("name")] or 0) for dim in element.findall("Dim"))
        fill = None if element.tag == "String" else _said(element, "_FillValue")
        layouts[name] = Layout(element.tag, shape, None if fill is None else float(fill))
    return layouts


def _config(folder: Path, **changes: object) -> SmapConfig:
    return SmapConfig(
        folder=folder,
        product="SPL3SMP",
        overpass="pm",
        region=Region(south=-84, north=84, west=-180, east=180),
        period=Period(start="2015-08-11", end="2015-08-11"),
        **changes,
    )


@pytest.mark.parametrize(("name", "kilometres"), [(L3_STRUCTURE, 36), (L3E_STRUCTURE, 9)])
def test_published_granules_have_what_the_reader_reads(granules, name, kilometres):
    found, grid = _layouts(granules / "structure" / name), ease2_global(kilometres)
    for half, suffix in (("AM", ""), ("PM", "_pm")):
        for dataset in READ:
            layout = found[f"Soil_Moisture_Retrieval_Data_{half}/{dataset}{suffix}"]
            assert layout.shape == (grid.rows, grid.columns)
            assert layout.kind.startswith(("UInt16", "Float"))
            assert layout.fill == (FILL_INTEGER if layout.kind == "UInt16" else FILL_FLOAT)


def test_cells_of_the_grid_lie_where_the_archive_says(granules, orbit):
    grid = ease2_global(36)
    with h5py.File(granules / "structure" / "SC_SPL3SMP_008_prefetch.nc4") as file:
        group = file["Soil_Moisture_Retrieval_Data_AM"]
        said_lat, said_lon = group["latitude"][:], group["longitude"][:]
    row, column = np.nonzero((said_lat != FILL_FLOAT) & (said_lon != FILL_FLOAT))
    assert row.size > 60_000
    for rows, columns, lat, lon in (
        (row, column, said_lat[row, column], said_lon[row, column]),
        (orbit["EASE_row_index"], orbit["EASE_column_index"], orbit["latitude"], orbit["longitude"]),
    ):
        ours_lat, ours_lon = grid.centres(rows.astype(int), columns.astype(int))
        np.testing.assert_allclose(ours_lat, lat, atol=1e-4)
        np.testing.assert_allclose(ours_lon, lon, atol=1e-4)


def test_seconds_count_from_j2000_by_the_orbits_own_equator_crossing(granules, orbit):
    """Below the satellite, the time of a cell is that of the passage; the file says when the orbit crossed 0 N."""
    with h5py.File(granules / ORBIT) as file:
        said = dict(file["Metadata/OrbitMeasuredLocation"].attrs)
    crossing = np.datetime64(said["equatorCrossingDateTime"].rstrip("Z"), "ms")
    lat, lon = orbit["latitude_centroid"], orbit["longitude_centroid"]
    below = (np.abs(lat) < 3) & (np.abs(lon - said["equatorCrossingLongitude"]) < 2)
    after = (utc_of_j2000(orbit["tb_time_seconds"][below]) - crossing) / np.timedelta64(1, "s")
    speed, offset = np.polyfit(lat[below], after, 1)
    assert abs(offset) < 1.0
    assert speed == pytest.approx(90 * 60 / 360, rel=0.1)  # an orbit of about 98 minutes


def test_the_text_beside_the_seconds_is_late(orbit):
    """``tb_time_utc`` is not UTC, so the reader must not take it: 68.184 s late, the offset of terrestrial time."""
    text = [value.decode() for value in orbit["tb_time_utc"]]
    whole = np.array([re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", value) is not None for value in text])
    assert 0 < (~whole).sum() < 20  # some end in '***'
    written = np.array([value[:23] for value, good in zip(text, whole, strict=True) if good], "datetime64[ms]")
    late = (written - utc_of_j2000(orbit["tb_time_seconds"][whole])) / np.timedelta64(1, "s")
    np.testing.assert_allclose(late, 32.184 + 36, atol=2e-3)


def test_a_granule_gives_the_recommended_retrievals_of_the_orbit(evening, orbit):
    series = read_smap(_config(evening))
    good = (orbit["soil_moisture"] != FILL_FLOAT) & (orbit["retrieval_qual_flag"] & NOT_RECOMMENDED == 0)
    cells = orbit["EASE_row_index"].astype(int) * 964 + orbit["EASE_column_index"]
    order = np.argsort(cells[good])
    np.testing.assert_array_equal(series["cell"], cells[good][order])
    np.testing.assert_array_equal(series["sm_smap"].values[:, 0], orbit["soil_moisture"][good][order])
    np.testing.assert_allclose(series["lat"], orbit["latitude"][good][order], atol=1e-4)
    assert good.sum() == 592


def test_retrievals_above_the_stated_maximum_are_kept(evening, orbit):
    """The attribute ``valid_max`` is 0.5; successful retrievals go beyond it."""
    series = read_smap(_config(evening, quality="retrieved"))
    successful = orbit["retrieval_qual_flag"] & (NOT_ATTEMPTED | NOT_SUCCESSFUL) == 0
    assert float(series["sm_smap"].max()) == orbit["soil_moisture"][successful].max() > 0.7


def test_surface_flags_and_water_add_nothing_to_the_recommended_quality(evening):
    """So the study templates leave ``exclude`` and ``maximum_water`` out."""
    plain = read_smap(_config(evening))
    strict = read_smap(_config(evening, exclude=UNGROUNDED, maximum_water=0.05))
    np.testing.assert_array_equal(strict["cell"], plain["cell"])
    np.testing.assert_array_equal(strict["sm_smap"], plain["sm_smap"])
    frozen = read_smap(_config(evening, exclude=("frozen_radiometer",)))
    assert len(plain["cell"]) - len(frozen["cell"]) == 3
    assert len(read_smap(_config(evening, quality="retrieved"))["cell"]) == 1197
    unflagged = read_smap(_config(evening, quality="retrieved", exclude=UNGROUNDED))
    np.testing.assert_array_equal(unflagged["cell"], plain["cell"])


@pytest.mark.parametrize("name", ["qa4sm_SMAP_L3_V8_AM_0165.nc", "qa4sm_SMAP_L3_V9_AM_PM_0165.nc"])
def test_years_of_a_warm_island_have_the_frozen_bit_on_every_good_retrieval(granules, name):
    """``exclude: [frozen_radiometer]`` would leave nothing of Hawaii."""
    with xr.open_dataset(granules / name, decode_times=False) as series:
        moisture, quality, surface = (
            series[variable].values.ravel() for variable in ("soil_moisture", "retrieval_qual_flag", "surface_flag")
        )
    seen = np.isfinite(moisture) & np.isfinite(quality) & np.isfinite(surface)
    good = quality[seen].astype(int) & NOT_RECOMMENDED == 0
    flags = surface[seen].astype(int)
    assert good.sum() > 500
    frozen = 1 << SURFACE_BITS["frozen_radiometer"]
    assert (flags[good] == frozen).all()
    assert (flags[~good] & ~frozen).any()


def test_a_real_leaf_area_tile(granules, tmp_path):
    """Of version 006, whose structure is that of 061; the name says which of the two the reader may take."""
    (tmp_path / LEAVES.replace(".006.", ".061.")).symlink_to(granules / LEAVES)
    store = SD(str(granules / LEAVES))
    counts = store.select("Lai_500m")[:].astype(np.float64)
    structure = store.attributes()["StructMetadata.0"]
    store.end()
    window = tile_window(18, 5)
    said = [float(x) for x in re.findall(r"PointMtrs=\(([-\d.]+),([-\d.]+)\)", structure)[0]]
    np.testing.assert_allclose([window.x_edges[0], window.y_edges[0]], said, atol=0.01)

    grid = ease2_global(36)
    (strip,) = tile_strips(RasterConfig(path=tmp_path, band=7), grid.window(*grid.box(33, 36, 1, 9)))
    expected = np.where(counts <= 100, counts * 0.1, np.nan)
    first = int(np.argmin(np.abs(window.y_edges[:-1] + 0.5 * window.dy - strip.y[0])))
    np.testing.assert_array_equal(strip.values[0], expected[first : first + len(strip.y)])
    assert np.isnan(strip.values).any()
    assert 0 < np.nanmean(strip.values) < 3


def test_a_published_tile_of_evapotranspiration(granules):
    text = (granules / "structure" / "MOD16A2-1.hdf.das.bescmd.baseline").read_text()
    said = dict(
        re.findall(r"(?:Int16|Float64) (_FillValue|valid_range|scale_factor) ([^;]+);", text.split("LE_500m")[0])
    )
    assert float(said["scale_factor"]) == pytest.approx(SCALE)
    assert said["valid_range"] == f"-32767, {MAXIMUM}"
    assert FILL_CLASSES[int(said["_FillValue"])] == "fill"
    shapes = (granules / "structure" / "MOD16A2-1.hdf.dds.bescmd.baseline").read_text()
    assert "Int16 ET_500m[YDim = 2400][XDim = 2400];" in shapes
    assert "Byte ET_QC_500m[YDim = 2400][XDim = 2400];" in shapes


def test_a_published_tile_of_land_cover(granules):
    path = granules / "structure" / "MCD12Q1.A2022001.h10v06.061.2023243073808.hdf.dmr"
    dataset, scale, largest = LAYERS["MCD12Q1"]
    (name,) = (name for name in _layouts(path) if name.endswith(dataset))
    layout, element = _layouts(path)[name], _structure(path)[name]
    assert layout.shape == (2400, 2400)
    assert layout.fill is not None
    assert layout.fill > largest
    assert _said(element, "scale_factor") is None
    assert scale == 1.0
    classes = {int(a.findtext("Value", "")): a.get("name", "") for a in element if a.get("name", "")[:1].isupper()}
    for number, label in enumerate(IGBP_CLASSES[1:], 1):
        words = label.replace(",", " ").replace("/", " ").replace("-", " ").split()
        assert words[0].lower()[:4] in classes[number].lower(), (label, classes[number])
    corner = re.search(r"UpperLeftPointMtrs=\(([-\d.]+),([-\d.]+)\)", path.read_text())
    assert corner is not None
    window = tile_window(10, 6)
    np.testing.assert_allclose([window.x_edges[0], window.y_edges[0]], [float(x) for x in corner.groups()], atol=0.01)
