"""The maps of the package: small, whole, described, and usable with VIC's files alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.core.parameters import PAPER_SET
from paraformer.learners.released import ReleasedMap
from paraformer.pipeline.apply import Order, apply_map
from paraformer.pipeline.released import describe_map, describe_packaged, find_map, packaged
from process.drop_in import global_file
from process.drop_in import make_world as make_vic_files

MAPS = packaged()
NAMES = ("conus36-5-attributes", "conus36-5-history", "conus36-7-attributes", "conus36-7-history")
MOST_BYTES = 5_000_000
"""Of all maps together: a wheel is downloaded by many who take none of them."""


def test_they_are_all_there_and_small() -> None:
    assert tuple(MAPS) == NAMES
    root = MAPS[NAMES[0]].parent
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) <= MOST_BYTES
    licence = (root / "LICENSE.md").read_text(encoding="utf-8")
    assert "non-commercial" in licence
    assert "MIT" in licence


@pytest.mark.parametrize("name", NAMES)
def test_its_card_says_what_it_is(name: str) -> None:
    found = find_map(name)
    assert found.name == name
    assert found.parameters.names[:5] == PAPER_SET
    assert len(found.parameters) == int(name.split("-")[1])
    assert found.reads_history is name.endswith("history")
    assert found.may_lack, "any attribute may be unknown"
    card = found.card
    assert card["trained_cells"] == 304
    everywhere, *regions = card["kept_aside"]
    assert everywhere["region"] == "all"
    assert len(regions) == 4
    assert set(card["error"]["shared"]) == set(found.parameters.names)
    assert (found.shared_error > 0).all()
    text = describe_map(found)
    assert name in text
    assert text in describe_packaged()
    assert f"# {name}" in (MAPS[name] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("attributes")])
def test_a_global_parameter_file_is_enough(name: str, tmp_path: Path) -> None:
    make_vic_files(tmp_path)
    apply_map(find_map(name), Order(global_file(tmp_path)), tmp_path / "out")
    theta = xr.load_dataset(tmp_path / "out/theta.nc")
    for parameter in find_map(name).parameters:
        low, high = parameter.physical_bounds
        values, spread = theta[parameter.name].values, theta[f"{parameter.name}_spread"].values
        assert ((values >= low) & (values <= high)).all()
        assert ((spread > 0) & (spread <= high - low)).all()
    assert (tmp_path / "out/params.nc").exists()


def test_what_is_not_known_widens_nothing_by_itself_but_moves_theta() -> None:
    """Attributes count: θ of a map that knows none of them is the same in every cell with the same a-priori θ."""
    found: ReleasedMap = find_map("conus36-7-attributes")
    names = found.encoding.names
    low, high = found.encoding.low, found.encoding.high
    known = np.stack([low, high])
    prior = found.parameters.from_unit(np.full((2, len(found.parameters)), 0.5))
    seen, unseen = (found.predict(values, prior).theta for values in (known, np.full((2, len(names)), np.nan)))
    np.testing.assert_array_equal(unseen[0], unseen[1])
    assert not np.allclose(seen[0], seen[1])
