"""The vegetation library: complete, consistent with its sources, and leaf area that keeps what was observed."""

from __future__ import annotations

import numpy as np
import pytest

from paraformer.data.vegetation import (
    BARREN,
    HIGHEST_LEAF_AREA,
    LIBRARY,
    PlantClass,
    leaf_area,
    root_zones,
    rooted_above,
)


def test_the_library_has_every_class_of_land_once_with_bare_soil_last():
    assert [plant.igbp for plant in LIBRARY] == list(range(1, 17))
    assert LIBRARY[-1].igbp == BARREN
    assert max(LIBRARY[-1].lai) == 0
    for plant in LIBRARY:
        assert len(plant.lai) == len(plant.albedo) == 12
        assert plant.displacement < plant.wind_height
        assert plant.rough < plant.wind_height - plant.displacement


@pytest.mark.parametrize("plant", LIBRARY, ids=lambda plant: plant.name)
def test_roots_end_where_zeng_says(plant: PlantClass):
    """The coefficients were fitted so that 99 % of the roots are above the rooting depth (Zeng 2001, p. 527)."""
    assert rooted_above(plant, plant.root_depth) == pytest.approx(0.99, abs=5e-4)
    thickness, share = root_zones(plant)
    assert thickness.sum() == pytest.approx(plant.root_depth)
    assert share.sum() == pytest.approx(1.0)
    assert (share > 0).all()
    assert (thickness > 0).all()


def test_leaf_area_keeps_the_observed_mean_and_the_order_of_the_classes():
    rng = np.random.default_rng(1)
    cover = rng.dirichlet(np.ones(16), 20).T
    observed = rng.uniform(0.1, 2.0, (12, 20))
    found = leaf_area(cover, observed)
    np.testing.assert_allclose(np.einsum("kc,kmc->mc", cover, found), observed)
    library = leaf_area(cover, None)
    assert (np.argsort(found[:, 6, 0], kind="stable") == np.argsort(library[:, 6, 0], kind="stable")).all()


def test_leaf_area_has_an_upper_end():
    """A cell that is nearly all bare cannot put all its leaves on a few plants."""
    cover = np.zeros((16, 1))
    cover[[9, 15], 0] = 0.02, 0.98
    assert leaf_area(cover, np.full((12, 1), 2.0)).max() == HIGHEST_LEAF_AREA
    bare = np.zeros((16, 1))
    bare[15] = 1.0
    assert np.isfinite(leaf_area(bare, np.full((12, 1), 0.3))).all()
