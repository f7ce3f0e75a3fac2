"""Lines come from inside the package, lie where they should, and are cut to the map."""

import hashlib
import json
import sys

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from paraformer.report.geography import Extent, draw_lines, lines_inside
from report import make_lines

CONUS = Extent(-125, -66, 24, 50)


def nearest(kind: str, lon: float, lat: float, around: float = 1.0) -> float:
    """Distance [degree] from a place to the nearest point of a line."""
    pieces = lines_inside(kind, Extent(lon - around, lon + around, lat - around, lat + around))
    points = np.concatenate([*pieces, np.full((1, 2), np.inf)])
    return float(np.hypot(*(points - (lon, lat)).T).min())


@pytest.mark.parametrize(
    ("kind", "lon", "lat"),
    [
        ("coast", -122.51, 37.75),  # San Francisco's ocean beach
        ("coast", 18.40, -33.91),  # Cape Town
        ("border", -117.12, 32.53),  # Tijuana
        ("border", 7.59, 47.58),  # Basel
        ("state", -109.05, 37.00),  # the four corners
    ],
)
def test_known_places_lie_on_their_line(kind, lon, lat):
    assert nearest(kind, lon, lat) < 0.1


def test_the_middle_of_kansas_is_on_no_line():
    for kind in ("coast", "border", "state"):
        assert nearest(kind, -98.4, 38.5, around=0.5) == np.inf


def test_pieces_touch_the_extent_and_never_jump():
    for kind in ("coast", "border", "state"):
        for piece in lines_inside(kind, CONUS):
            low, high = np.minimum(piece[1:], piece[:-1]), np.maximum(piece[1:], piece[:-1])
            assert (high >= (CONUS.west, CONUS.south)).all()
            assert (low <= (CONUS.east, CONUS.north)).all()
            if kind == "coast":  # borders may: the 49th parallel is one step of 28 degrees
                assert np.hypot(*np.diff(piece, axis=0).T).max() < 12, "no coast leaps across the map"


def test_longitudes_may_run_over_the_date_line_or_to_360():
    west = np.concatenate(lines_inside("coast", Extent(-70, -60, -40, -30)))
    east = np.concatenate(lines_inside("coast", Extent(290, 300, -40, -30)))
    np.testing.assert_allclose(east, west + np.array([360, 0]), atol=1e-9)
    fiji = np.concatenate(lines_inside("coast", Extent(176, 182, -20, -15)))
    assert fiji[:, 0].max() > 180 > fiji[:, 0].min()


def test_lines_are_drawn_without_moving_the_axes():
    axes = Figure().subplots()
    axes.set(xlim=(-100, -90), ylim=(30, 40))
    draw_lines(axes, Extent(-100, -90, 30, 40))
    assert axes.get_xlim() == (-100, -90)
    assert [type(c) for c in axes.collections] == [LineCollection] * 2, "states and the coast; no border passes here"


def test_the_maker_tells_coasts_from_borders_and_simplifies(tmp_path, monkeypatch):
    """Two square countries side by side: the shared edge is the border; points on a straight edge go."""
    topology = {
        "transform": {"scale": [0.01, 0.01], "translate": [10.0, 20.0]},
        "arcs": [
            [[100, 0], [-50, 0], [-50, 0], [0, 100], [100, 0]],
            [[100, 0], [0, 50], [0, 50]],
            [[100, 100], [100, 0], [0, -100], [-100, 0]],
        ],
        "objects": {
            name: {"geometries": [{"type": "Polygon", "arcs": [[0, -2]]}, {"type": "MultiPolygon", "arcs": [[[1, 2]]]}]}
            for name in ("countries", "states")
        },
    }
    (tmp_path / "t.json").write_text(json.dumps(topology))
    monkeypatch.setattr(make_lines, "TARGET", tmp_path / "lines.npz")
    monkeypatch.setattr(sys, "argv", ["make_lines.py", *[str(tmp_path / "t.json")] * 2])
    digests = set()
    for _ in range(2):
        make_lines.main()
        digests.add(hashlib.sha256((tmp_path / "lines.npz").read_bytes()).hexdigest())
    assert len(digests) == 1
    with np.load(tmp_path / "lines.npz") as found:
        assert found["border"].tolist() == found["state"].tolist() == [[1100, 2000], [1100, 2100]]
        assert found["coast"].tolist() == [
            [1100, 2000],
            [1000, 2000],
            [1000, 2100],
            [1100, 2100],
            [1100, 2100],
            [1200, 2100],
            [1200, 2000],
            [1100, 2000],
        ]
        assert found["coast_start"].tolist() == [0, 4]


def test_areas_cut_at_the_date_line_leave_no_seam():
    line = np.array([[170.0, 10], [180, 11], [180, 12], [180, 13], [175, 14]])
    pieces = make_lines.without_seam(line)
    assert [p.tolist() for p in pieces] == [[[170, 10], [180, 11]], [[180, 13], [175, 14]]]
