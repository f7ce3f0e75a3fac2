"""Saturation vapour pressure against published values, and its slope against differences."""

import numpy as np
import pytest

from paraformer.core.physics import saturation_slope, saturation_vapour_pressure


@pytest.mark.parametrize(
    ("tair", "pressure"),
    [(-20.0, 0.1254), (0.0, 0.6108), (10.0, 1.2272), (20.0, 2.3373), (30.0, 4.2430), (40.0, 7.3777)],
)
def test_saturation_over_water_is_that_of_the_smithsonian_tables(tair: float, pressure: float) -> None:
    """List (1951), Smithsonian Meteorological Tables, tables 94 and 98, to a percent [kPa]."""
    assert saturation_vapour_pressure(np.array([tair]))[0] == pytest.approx(pressure, rel=1e-2)


@pytest.mark.parametrize(("tair", "pressure"), [(-10.0, 0.2597), (-5.0, 0.4015), (0.0, 0.6107)])
def test_saturation_over_ice_is_that_of_the_smithsonian_tables(tair: float, pressure: float) -> None:
    """The same, table 96; VIC's factor is a fit to it, good to a percent down to -10 degC."""
    assert saturation_vapour_pressure(np.array([tair]), ice=True)[0] == pytest.approx(pressure, rel=1e-2)


def test_ice_counts_below_freezing_alone_and_by_vics_factor() -> None:
    tair = np.array([-20.0, -1.0, 0.0, 15.0])
    factor = saturation_vapour_pressure(tair, ice=True) / saturation_vapour_pressure(tair)
    np.testing.assert_allclose(factor, [1 - 0.1944 + 0.0168, 1 - 0.00972 + 0.000042, 1.0, 1.0], rtol=1e-12)


def test_slope_is_that_of_the_pressure() -> None:
    tair = np.linspace(-30.0, 45.0, 16)
    differences = (saturation_vapour_pressure(tair + 1e-4) - saturation_vapour_pressure(tair - 1e-4)) / 2e-4
    np.testing.assert_allclose(saturation_slope(tair), differences, rtol=1e-7)
