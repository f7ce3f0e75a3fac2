"""Attributes of soil and plants from VIC's parameter file."""

from __future__ import annotations

import numpy as np

from paraformer.process.vic.attributes import LAND_ATTRIBUTES, land_attributes
from process.miniature import make_parameters


def test_each_follows_its_definition() -> None:
    """Two tiles of known cover, leaves and trees, and a bare one that counts for none of them."""
    p = make_parameters()
    cells, tiles = p.n_cell, p.n_tile
    cv = np.zeros((cells, tiles))
    cv[:, 0], cv[:, 1] = 0.6, 0.3
    lai = np.zeros((cells, tiles, 12))
    lai[:, 0, 6], lai[:, 1] = 5.0, 2.0
    tree = np.zeros((cells, tiles), dtype=bool)
    tree[:, 1] = True
    bare = np.zeros((cells, tiles), dtype=bool)
    changed = p._replace(cv=cv, lai=lai, overstory=tree, bare=bare)
    found = land_attributes(changed)
    assert list(found) == list(LAND_ATTRIBUTES)
    np.testing.assert_allclose(found["land_porosity"], 1 - p.bulk_density[:, 0] / p.soil_density[:, 0])
    np.testing.assert_allclose(10 ** found["land_ksat"], p.ksat[:, 0])
    np.testing.assert_allclose(found["land_lai_mean"], 0.6 * 5.0 / 12 + 0.3 * 2.0)
    np.testing.assert_allclose(found["land_lai_amplitude"], 0.6 * 5.0)
    np.testing.assert_allclose(found["land_tree_fraction"], 0.3)
    np.testing.assert_allclose(found["land_bare_fraction"], 0.1)
    bare[:, 1] = True
    without = land_attributes(changed._replace(bare=bare))
    np.testing.assert_allclose(without["land_bare_fraction"], 0.4)
    np.testing.assert_allclose(without["land_tree_fraction"], 0.0)
