"""Elevation bands: analytic terrain, the sums that VIC relies on, and a run in VIC."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from data.sources.land_rasters import centres, write_raster
from paraformer.core.grid import Raster
from paraformer.data.sources import strips
from paraformer.data.sources.bands import snow_bands
from paraformer.data.sources.land_config import RasterConfig, SnowBandConfig
from paraformer.data.sources.rasters import cell_means
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate
from process.miniature import make_forcing, make_parameters

CELLS = Raster("two by three", "EPSG:4326", x0=-106.0, y0=40.0, dx=0.5, dy=-0.5, rows=2, columns=3)
WEST, NORTH, SIZE, SHAPE = -106.3, 40.2, 0.01, (150, 220)


@pytest.fixture(scope="module")
def slope(tmp_path_factory):
    """Elevation rises by 2000 m a degree eastwards: 1000 m in each cell, evenly. The sea lies at the south-east."""
    x, y = centres(WEST, NORTH, SIZE, SHAPE)
    z = np.where((x > -105.0) & (y < 39.5), 0.0, 2000 * (x + 106.5)).astype(np.float32)
    return RasterConfig(path=write_raster(tmp_path_factory.mktemp("bands") / "slope.tif", z, WEST, NORTH, SIZE))


@pytest.mark.parametrize("by", ["area", "height"])
def test_an_even_slope_is_cut_evenly(slope, by):
    """The same four bands by area and by height, 250 m apart; the flat cell has one."""
    found = snow_bands(SnowBandConfig(number=4, by=by), slope, CELLS)
    start = 1000.0 + 1000 * np.arange(3)
    for cell in range(5):
        np.testing.assert_allclose(found.area[:, cell], 0.25, atol=0.021)  # a column of pixels is 2 % of the cell
        middle = start[cell % 3] + 125 + 250 * np.arange(4)
        np.testing.assert_allclose(found.elevation[:, cell], middle, atol=11)
    np.testing.assert_array_equal(found.area[:, 5], [1, 0, 0, 0])
    np.testing.assert_array_equal(found.elevation[:, 5], 0.0)
    np.testing.assert_allclose(found.precipitation, found.area, rtol=1e-12)


@pytest.mark.parametrize("by", ["area", "height"])
@pytest.mark.parametrize("number", [2, 5, 7])
def test_sums_are_exact(tmp_path, by, number, monkeypatch):
    """Rough terrain: shares add up to 1, bands rise, and their mean is the mean of the cell, whatever the strips."""
    rough = 1500 + 600 * np.random.default_rng(0).gamma(1.0, 1.0, SHAPE)
    raster = RasterConfig(path=write_raster(tmp_path / "rough.tif", rough, WEST, NORTH, SIZE))
    config = SnowBandConfig(number=number, by=by, precipitation_gradient=0.5)
    found = snow_bands(config, raster, CELLS)
    mean = cell_means([raster], CELLS).values[0]
    np.testing.assert_allclose(found.area.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found.precipitation.sum(axis=0), 1.0, rtol=1e-12)
    np.testing.assert_allclose((found.area * found.elevation).sum(axis=0), mean, rtol=1e-12)
    both = (found.area[1:] > 0) & (found.area[:-1] > 0)
    assert (np.diff(found.elevation, axis=0)[both] > 0).all()
    if by == "area":
        np.testing.assert_allclose(found.area, 1 / number, rtol=1e-9)
        assert (np.diff(found.precipitation, axis=0) > 0).all()  # it rains more higher up
        ratio = found.precipitation[-1] / found.precipitation[0]
        expected = (1 + 0.5e-3 * (found.elevation[-1] - mean)) / (1 + 0.5e-3 * (found.elevation[0] - mean))
        np.testing.assert_allclose(ratio, expected)
    monkeypatch.setattr(strips, "STRIP_PIXELS", 7 * SHAPE[1])
    for a, b in zip(vars(snow_bands(config, raster, CELLS)).values(), vars(found).values(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_cells_without_elevation_have_no_band(tmp_path):
    values = np.full(SHAPE, 500, np.int16)
    x, _ = centres(WEST, NORTH, SIZE, SHAPE)
    values[x < -105.5] = -32768
    raster = RasterConfig(path=write_raster(tmp_path / "gaps.tif", values, WEST, NORTH, SIZE, nodata=-32768))
    found = snow_bands(SnowBandConfig(number=3), raster, CELLS)
    np.testing.assert_array_equal(found.area.sum(axis=0), [0, 1, 1, 0, 1, 1])


def test_settings_are_checked():
    for wrong in ({"number": 1}, {"number": 2, "by": "slope"}, {"number": 2, "precipitation_gradient": -1}):
        with pytest.raises(ValidationError):
            SnowBandConfig(**wrong)


def test_vic_keeps_more_snow_in_the_upper_bands(slope):
    """The bands in VIC: the water balance closes, and a cell with bands keeps snow longer than one without."""
    bands = snow_bands(SnowBandConfig(number=4), slope, CELLS)
    cells = make_parameters(2).select(np.array([0, 0]))
    area, elevation, share = (values[:, [0, 0]].T.copy() for values in vars(bands).values())
    area[1], share[1], elevation[1] = [1, 0, 0, 0], [1, 0, 0, 0], elevation[0].mean()
    cells = cells._replace(
        area_fract=area, elevation=elevation, pfactor=share, elev=np.full(2, float(elevation[0].mean()))
    )
    one = make_forcing(1, 365, temperature=4.0, first_day=1)
    forcing = one._replace(
        **{name: np.repeat(values, 2, axis=0) for name, values in one._asdict().items() if values.ndim == 2}
    )
    run = simulate(cells, forcing, VICSettings(), outputs=("swe", "runoff"), threads=1)
    assert abs(run.max_abs_water_error).max() < 1e-6
    snow = run.outputs["swe"]
    assert np.isfinite(snow).all()
    assert (snow[0] > 0.1).sum() > (snow[1] > 0.1).sum()
