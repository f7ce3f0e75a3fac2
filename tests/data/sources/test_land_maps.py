"""Maps on cells: depths to layers, attributes, cells that are mapped too little, and settings that contradict
themselves."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from data.sources.land_rasters import centres, write_raster
from paraformer.core.errors import DataError
from paraformer.core.grid import Raster
from paraformer.data.a_priori import DSMAX_RANGE, TITLE, Sites, a_priori_domain, a_priori_parameters
from paraformer.data.pedotransfer import cosby
from paraformer.data.sources.land_config import LandConfig, SoilConfig
from paraformer.data.sources.land_maps import land_attributes, land_key, land_source, read_land

CELLS = Raster("two by three", "EPSG:4326", x0=-106.0, y0=40.0, dx=0.5, dy=-0.5, rows=2, columns=3)
WEST, NORTH, SIZE, SHAPE = -106.1, 40.1, 0.02, (60, 86)
DEPTHS = ("0-10cm", "10-50cm")
SAND = (60.0, 40.0)


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> LandConfig:
    """Two horizons of known soil, crops in the west, lake in the south-east, a slope to the north."""
    folder = tmp_path_factory.mktemp("maps")
    x, y = centres(WEST, NORTH, SIZE, SHAPE)
    for k, depth in enumerate(DEPTHS):
        for name, value in (("sand", SAND[k]), ("clay", 20.0 + 10 * k), ("bulk", 1.3 + 0.2 * k), ("organic", 3.0 - k)):
            write_raster(folder / f"{name}_{depth}.tif", np.full(SHAPE, value), WEST, NORTH, SIZE)
    cover = np.where(x < -105.2, 12, 10).astype(np.uint8)
    cover[(x > -105.0) & (y < 39.5)] = 17
    cover[(x > -105.0) & (y < 39.125) & (x < -104.75)] = 16
    write_raster(folder / "cover.tif", cover, WEST, NORTH, SIZE)
    write_raster(folder / "dem.tif", 1000 + 2000 * (y - 39.5), WEST, NORTH, SIZE)
    for month in range(1, 13):
        write_raster(folder / f"lai_{month:02d}.tif", np.full(SHAPE, 0.1 * month), WEST, NORTH, SIZE)
    soil = {name: {"path": folder / f"{name}_{{depth}}.tif"} for name in ("sand", "clay", "bulk", "organic")}
    return LandConfig(
        soil={**soil, "depths": DEPTHS},
        cover={"path": folder / "cover.tif"},
        elevation={"path": folder / "dem.tif"},
        leaf_area={"path": folder / "lai_{month}.tif"},
    )


@pytest.fixture(scope="module")
def maps(config):
    return read_land(config, CELLS)


def sites(maps) -> Sites:
    n = maps.sizes["cell"]
    return Sites(
        maps["cell"].values, maps["lat"].values, maps["lon"].values, np.full(n, 1e9), np.full(n, 9.0), np.full(n, 500.0)
    )


def test_horizons_become_layers_by_thickness(maps):
    """Layers 0 to 0.1, 0.4 and 1.9 m of horizons 0 to 0.1 and 0.5 m: the last goes on below."""
    np.testing.assert_allclose(maps["sand"], np.tile([60.0, 40.0, 40.0], (6, 1)), rtol=1e-9)
    np.testing.assert_allclose(maps["sand_top"], (60 * 0.1 + 40 * 0.2) / 0.3, rtol=1e-9)
    np.testing.assert_allclose(maps["bulk_top"], (1.3 * 0.1 + 1.5 * 0.2) / 0.3, rtol=1e-9)


def test_cover_leaves_and_terrain(maps):
    np.testing.assert_allclose(maps["cover"].sum(dim="igbp"), 1.0)
    np.testing.assert_allclose(maps["cover"].sel(igbp=0), [0, 0, 0, 0, 0, 0.875], atol=0.01)
    np.testing.assert_allclose(maps["leaf_area"], np.tile(0.1 * np.arange(1, 13), (6, 1)))
    np.testing.assert_allclose(maps["elevation"][:3] - maps["elevation"][3:].values, 1000.0, rtol=1e-4)
    np.testing.assert_allclose(maps["slope"], 2000 / 111195, rtol=1e-3)


def test_attributes_are_those_of_the_land(config, maps):
    found = land_attributes(config, maps)
    sand, clay, bulk = (maps[f"{name}_top"].values for name in ("sand", "clay", "bulk"))
    water = cosby(sand, 100 - sand - clay, clay, bulk)
    expected = 100 * water.porosity * (water.field_capacity - water.wilting_point)
    np.testing.assert_allclose(found["capa"][1], expected)
    np.testing.assert_allclose(sum(found[name][1] for name in ("sand", "silt", "clay")), 100)
    assert found["landcover_igbp"][1].tolist() == [12, 12, 10, 12, 12, 16]  # water is no land
    np.testing.assert_allclose(found["leaf_area"][1], 0.65)


def test_parameters_of_the_maps(config, maps):
    found = a_priori_parameters(config, maps, sites(maps))
    assert found.attrs["title"] == TITLE
    cover = found["Cv"].values[:, 0]
    np.testing.assert_allclose(cover.sum(axis=0), 1.0)
    np.testing.assert_allclose(cover[[9, 11], 1], [0.4, 0.6], atol=0.03)
    assert cover[15, 5] == 1.0
    assert found["Nveg"].values[0].tolist() == [1, 2, 1, 1, 2, 0]
    assert found["veg_class"].values.tolist() == list(range(1, 17))
    assert (found["Dsmax"] == 10).all()
    assert a_priori_domain(sites(maps))["mask"].sum() == 6
    porosity = 1 - found["bulk_density"] / found["soil_density"]
    np.testing.assert_allclose(porosity[:, 0, 0], 1 - np.array([1.3, 1.5, 1.5]) / 2.685)


def test_baseflow_from_conductivity_and_slope(config, maps):
    steep = LandConfig(**{**config.model_dump(), "baseflow": {"dsmax": "conductivity_slope"}})
    found = a_priori_parameters(steep, maps, sites(maps))
    expected = found["Ksat"].values[2, 0] * maps["slope"].values
    np.testing.assert_allclose(found["Dsmax"].values[0], np.clip(expected, *DSMAX_RANGE))


def test_a_small_class_goes_to_the_others_but_the_largest_stays(config, maps):
    coarse = LandConfig(**{**config.model_dump(), "minimum_cover": 0.49})
    patchy = maps.copy(deep=True)
    patchy["cover"][0] = np.eye(17)[1:9].sum(axis=0) / 8
    found = a_priori_parameters(coarse, patchy, sites(maps))["Cv"].values[:, 0, 0]
    np.testing.assert_allclose(found[:8], 1 / 8)
    patchy["cover"][0] = 0.6 * np.eye(17)[10] + 0.4 * np.eye(17)[12]
    assert a_priori_parameters(coarse, patchy, sites(maps))["Cv"].values[9, 0, 0] == 1.0


def test_a_forgotten_scale_is_found(config):
    given = config.model_dump()
    given["soil"]["sand"]["scale"] = 10
    with pytest.raises(DataError, match=r"sand_\{depth\}\.tif: 'sand', cell 0: found 600, expected \[0, 100\] %"):
        read_land(LandConfig(**given), CELLS)


def test_cells_without_maps_are_left_out_or_all_is_refused(config, tmp_path):
    x, _ = centres(WEST, NORTH, SIZE, SHAPE)
    gaps = np.where(x < -105.4, 1.4, np.nan)
    path = write_raster(tmp_path / "bulk.tif", gaps, WEST, NORTH, SIZE, nodata=np.nan)
    given = config.model_dump()
    given["soil"]["bulk"]["path"] = path
    assert read_land(LandConfig(**given), CELLS)["cell"].values.tolist() == [0, 3]
    given["minimum_valid"] = 0.1
    assert read_land(LandConfig(**given), CELLS)["cell"].values.tolist() == [0, 1, 3, 4]
    write_raster(path, gaps * np.nan, WEST, NORTH, SIZE, nodata=np.nan)
    with pytest.raises(DataError, match=r"no cell of two by three has maps .* \(largest share 0\.00\)"):
        read_land(LandConfig(**given), CELLS)


def test_a_site_outside_the_maps_is_named(config, maps):
    with pytest.raises(DataError, match="cell 5 is not in the maps"):
        a_priori_parameters(config, maps.isel(cell=slice(0, 5)), sites(maps))


def test_key_and_source(config, tmp_path):
    key = land_key(config)
    assert key == land_key(config)
    given = config.model_dump()
    given["cover"]["path"] = tmp_path / "other.tif"
    with pytest.raises(DataError, match=r"other\.tif: file does not exist"):
        land_key(LandConfig(**given))
    (tmp_path / "other.tif").write_bytes(b"x")
    assert land_key(LandConfig(**given)) != key
    assert "raster dem.tif" in land_source(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": ["0-5cm", "10-15cm"]}, "does not begin where the one above it ends, at 5 cm"),
        ({"depths": ["top"]}, "is not of the form 0-5cm"),
        ({"depths": ["0-5cm", "5-5cm"]}, "does not begin where"),
        ({"depths": []}, "depths is empty"),
        ({"pedotransfer": "saxton_rawls"}, "organic is missing"),
    ],
)
def test_soil_settings_that_contradict_themselves(changes, message):
    plain = {name: {"path": f"{name}.tif"} for name in ("sand", "clay", "bulk")}
    with pytest.raises(ValidationError, match=message):
        SoilConfig(**plain, **changes)


def test_layers_must_be_thick_enough(config):
    with pytest.raises(ValidationError, match="the first no thicker than the second"):
        LandConfig(**{**config.model_dump(), "layers": (0.4, 0.3, 1.0)})
