"""Names of variables that a study may take as they are: those the cube adds must not be among them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from paraformer.core.variables import FORCING, REFERENCES

_OURS = re.compile(r"climate_.*|land_.*|landcover_igbp_\d+|.*_sub")
"""Indices of climate, attributes of the land, classes of land cover, sub-daily forcing: made of other variables
(``data.cube``)."""

_TAKEN = {
    **dict.fromkeys(("cell", "time", "lat", "lon", "month", "step"), "a coordinate of the cells"),
    **dict.fromkeys(("trained", "split"), "the split of the cells"),
    **dict.fromkeys(FORCING, "a forcing"),
    **dict.fromkeys(REFERENCES, "a reference that results are compared with"),
}


def require_free(names: Iterable[str]) -> None:
    """Raise ValueError naming the first variable whose name stands for something else in a cube."""
    for name in names:
        what = _TAKEN.get(name) or ("a name of variables that the cube adds" if _OURS.fullmatch(name) else "")
        if what:
            raise ValueError(f"'{name}' is {what}; rename the variable")
