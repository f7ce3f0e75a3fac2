"""Pedotransfer functions against the numbers their authors printed."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.data.pedotransfer import INCH_PER_HOUR, MINERAL_DENSITY, cosby, saxton_rawls

SAXTON_RAWLS = {
    "sand": (88, 5, 5, 10, 46, 108.1, 1.43),
    "loamy sand": (80, 5, 5, 12, 46, 96.7, 1.43),
    "sandy loam": (65, 10, 8, 18, 45, 50.3, 1.46),
    "loam": (40, 20, 14, 28, 46, 15.5, 1.43),
    "silt loam": (20, 15, 11, 31, 48, 16.1, 1.38),
    "silt": (10, 5, 6, 30, 48, 22.0, 1.38),
    "sandy clay loam": (60, 25, 17, 27, 43, 11.3, 1.50),
    "clay loam": (30, 35, 22, 36, 48, 4.3, 1.39),
    "silty clay loam": (10, 35, 22, 38, 51, 5.7, 1.30),
    "silty clay": (10, 45, 27, 41, 52, 3.7, 1.26),
    "sandy clay": (50, 40, 25, 36, 44, 1.4, 1.47),
    "clay": (25, 50, 30, 42, 50, 1.1, 1.33),
}
"""Saxton and Rawls (2006), Table 3, 2.5 % organic matter: sand, clay [%]; water at 1500 kPa, 33 kPa and saturation [%];
conductivity [mm h-1]; bulk density [g cm-3]."""

COSBY = {
    "sand": (92, 5, 3, 2.79, 1.38, 0.82, 0.39),
    "loamy sand": (82, 12, 6, 4.26, 1.95, 0.30, 0.51),
    "sandy loam": (58, 32, 10, 4.74, 1.40, -0.13, 0.67),
    "loam": (43, 39, 18, 5.25, 1.66, -0.32, 0.63),
    "silt loam": (17, 70, 13, 5.33, 1.72, -0.40, 0.55),
    "sandy clay loam": (58, 15, 27, 6.77, 3.39, -0.20, 0.54),
    "clay loam": (32, 34, 34, 8.17, 3.74, -0.46, 0.59),
    "silty clay loam": (10, 56, 34, 8.72, 4.33, -0.54, 0.61),
    "silty clay": (6, 47, 47, 10.39, 4.27, -0.72, 0.69),
    "clay": (22, 20, 58, 11.55, 3.93, -0.86, 0.62),
}
"""Cosby et al. (1984), Tables 2 to 4: sand, silt, clay [%]; b and log10 conductivity [inch h-1], mean and standard
deviation of the samples of the class."""


@pytest.mark.parametrize("texture", SAXTON_RAWLS)
def test_saxton_and_rawls_table_3(texture):
    sand, clay, wilting, capacity, saturation, conductivity, density = SAXTON_RAWLS[texture]
    one = np.ones(1)
    found = saxton_rawls(sand * one, clay * one, 2.5 * one)
    assert 100 * found.porosity.item() == pytest.approx(saturation, abs=0.6)
    assert 100 * (found.porosity * found.field_capacity).item() == pytest.approx(capacity, abs=0.6)
    assert 100 * (found.porosity * found.wilting_point).item() == pytest.approx(wilting, abs=0.6)
    assert found.conductivity.item() / 24 == pytest.approx(conductivity, rel=0.02, abs=0.06)
    assert MINERAL_DENSITY * (1 - found.porosity.item()) == pytest.approx(density, abs=0.006)


def test_saxton_and_rawls_with_bulk_density():
    """The normal density changes nothing; a compacted soil holds and conducts less; the range is that of eq. 7."""
    sand, clay, organic = np.full(3, 40.0), np.full(3, 20.0), np.full(3, 2.5)
    normal = saxton_rawls(sand, clay, organic)
    density = MINERAL_DENSITY * (1 - normal.porosity)
    for a, b in zip(normal, saxton_rawls(sand, clay, organic, density), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    packed = saxton_rawls(sand, clay, organic, density * np.array([1.1, 1.3, 2.0]))
    assert (packed.porosity < normal.porosity).all()
    assert (packed.conductivity < normal.conductivity).all()
    assert packed.porosity[1] == packed.porosity[2]
    np.testing.assert_allclose(MINERAL_DENSITY * (1 - packed.porosity[0]), 1.1 * density[0])


@pytest.mark.parametrize("texture", COSBY)
def test_cosby_is_within_the_spread_of_its_samples(texture):
    sand, silt, clay, b, b_sd, conductivity, conductivity_sd = COSBY[texture]
    one = np.ones(1)
    found = cosby(sand * one, silt * one, clay * one, 1.4 * one)
    assert (found.exponent.item() - 3) / 2 == pytest.approx(b, abs=b_sd)
    assert np.log10(found.conductivity.item() / INCH_PER_HOUR) == pytest.approx(conductivity, abs=conductivity_sd)


def test_cosby_by_hand():
    """Loam (43, 39, 18): b = 5.797, psi_s = 23.84 cm, Ks = 0.6708 inch h-1."""
    one = np.ones(1)
    found = cosby(43 * one, 39 * one, 18 * one, 1.3425 * one)
    assert found.exponent.item() == pytest.approx(2 * 5.797 + 3)
    assert found.suction.item() == pytest.approx(23.84, abs=0.01)
    assert found.conductivity.item() == pytest.approx(0.6708 * 609.6, rel=1e-3)
    assert found.porosity.item() == pytest.approx(0.5)
    assert found.field_capacity.item() == pytest.approx((23.84 / 336.5) ** (1 / 5.797), rel=1e-4)


@pytest.mark.parametrize("name", ["cosby", "saxton_rawls"])
def test_every_texture_gives_an_order_that_vic_can_run_with(name):
    """0 < wilting point < field capacity <= 1, porosity inside (0, 1), conductivity above 0, for the whole triangle."""
    from paraformer.data.pedotransfer import PEDOTRANSFER

    sand, clay, organic, bulk = (
        part.ravel() for part in np.meshgrid(range(0, 101, 5), range(0, 101, 5), [0.0, 2.0, 8.0, 30.0], [0.8, 1.3, 1.8])
    )
    inside = (sand + clay <= 100) & (clay <= 60)
    found = PEDOTRANSFER[name](*(part[inside].astype(float) for part in (sand, clay, organic, bulk)))
    assert ((found.porosity > 0) & (found.porosity < 1)).all()
    assert (found.wilting_point > 0).all()
    assert (found.wilting_point <= found.field_capacity).all()
    assert (found.field_capacity <= 1).all()
    assert (found.conductivity > 0).all()
    assert (found.exponent > 3).all()
