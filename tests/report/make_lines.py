"""Make the lines of the maps: ``python tests/report/make_lines.py countries-50m.json states-10m.json``.

The two files are TopoJSON of the npm packages world-atlas 2 (Natural Earth, public domain) and us-atlas 3 (US Census
Bureau, public domain). An arc of one country alone is coast, one of two countries a border; an arc of two states is a
state line. Lines are simplified (Douglas & Peucker 1973) to 0.02 degree and stored as whole multiples of 0.01 degree.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

TOLERANCE, STEP = 0.02, 0.01
TARGET = Path(__file__).parents[2] / "src" / "paraformer" / "report" / "lines" / "lines.npz"


def decoded_arcs(topology: dict[str, Any]) -> list[np.ndarray]:
    """Longitude and latitude [degree] of every arc; TopoJSON stores differences of quantised coordinates."""
    scale, origin = (np.array(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(np.array(arc), axis=0) * scale + origin for arc in topology["arcs"]]


def uses(topology: dict[str, Any], name: str) -> Counter[int]:
    """Number of areas each arc bounds; ~i is arc i walked backwards."""
    found: Counter[int] = Counter()
    for area in topology["objects"][name]["geometries"]:
        polygons = area.get("arcs", [])
        rings = polygons if area["type"] == "Polygon" else itertools.chain.from_iterable(polygons)
        found.update({i if i >= 0 else ~i for ring in rings for i in ring})
    return found


def simplified(line: np.ndarray) -> np.ndarray:
    """Fewest points of a line such that no point left out lies further than ``TOLERANCE`` from it."""
    keep = np.zeros(len(line), dtype=bool)
    keep[[0, -1]] = True
    spans = [(0, len(line) - 1)]
    while spans:
        first, last = spans.pop()
        inner = line[first + 1 : last] - line[first]
        if not len(inner):
            continue
        chord = line[last] - line[first]
        length = np.hypot(*chord)
        along = np.clip(inner @ chord / length**2, 0, 1)[:, None] * chord if length else 0.0
        distance = np.hypot(*(inner - along).T)
        farthest = int(distance.argmax())
        if distance[farthest] > TOLERANCE:
            middle = first + 1 + farthest
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return line[keep]


def without_seam(line: np.ndarray) -> list[np.ndarray]:
    """The pieces of a line off the edges of the plane (180 degrees, the south pole), where areas just end."""
    edge = (np.abs(line[:, 0]) > 179.98) | (line[:, 1] < -89.9)
    cut = np.flatnonzero(edge[1:] & edge[:-1]) + 1
    return [piece for piece in np.split(line, cut) if len(piece) > 1]


def packed(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All points in one array of steps, and where each line begins."""
    steps = [np.round(simplified(line) / STEP).astype(np.int16) for whole in lines for line in without_seam(whole)]
    return np.concatenate(steps), np.cumsum([0, *(len(s) for s in steps)]).astype(np.int32)[:-1]


def main() -> None:
    world, states = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    countries, shared = uses(world, "countries"), uses(states, "states")
    arcs, inner = decoded_arcs(world), decoded_arcs(states)
    kinds = {
        "coast": [arcs[i] for i, n in sorted(countries.items()) if n == 1],
        "border": [arcs[i] for i, n in sorted(countries.items()) if n > 1],
        "state": [inner[i] for i, n in sorted(shared.items()) if n > 1],
    }
    content = {}
    for kind, lines in kinds.items():
        content[kind], content[f"{kind}_start"] = packed(lines)
    np.savez_compressed(TARGET, **content)


if __name__ == "__main__":
    main()
