"""Colours: the one place that says how a method looks in every figure.

A method is known by its name alone, never by its place in a list, so that the same line has the same colour in every
figure of every study. Names of this package have a look of their own, above all the five methods of Li & Lu (2023) and
default VIC; any other name gets one from its hash, the same on every machine, out of colours that none of these has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import ListedColormap


class Look(NamedTuple):
    """Colour, dash of lines, and marker of single points."""

    colour: str
    dash: str = "-"
    marker: str = "o"


RESERVED: dict[str, Look] = {
    # the methods of the paper, in colours that stay apart for colour-blind readers (Okabe & Ito 2008)
    "default VIC": Look("#000000"),
    "SCE-UA": Look("#D55E00", marker="s"),
    "FFN_A": Look("#E69F00", marker="^"),
    "LSTM_Z": Look("#009E73", marker="v"),
    "ParaFormer_A": Look("#56B4E9", marker="D"),
    "ParaFormer_Z": Look("#0072B2", marker="P"),
    # other searches and learners
    "Levenberg-Marquardt": Look("#770066", marker="<"),
    "Latin hypercube": Look("#AA1133", marker=">"),
    # rows that every table has
    "best single θ": Look("#663300", marker="h"),
    "best θ per cell": Look("#AA9966", marker="p"),
    "true θ": Look("#FF0066", ":", "*"),
    # rows that learn no parameter
    "training mean": Look("#BBBBBB", "--"),
    "climatology": Look("#7F7F7F", "--"),
    "API, one decay": Look("#99CC66", "--"),
    "API, decay per cell": Look("#44AA11", "--"),
    "API, decay with temperature": Look("#005500", "--"),
    "direct LSTM": Look("#9900FF", "--"),
    "Budyko curve": Look("#006666", "--"),
}
"""Look of every row that the package itself names, and of the learners and searches of its studies."""

_OTHERS = (
    "#0000FF",
    "#FF00DD",
    "#00DD00",
    "#4422AA",
    "#9977EE",
    "#554466",
    "#777700",
    "#FF88FF",
    "#AA33BB",
    "#4466FF",
    "#FF9988",
    "#CC0088",
    "#CCAAFF",
    "#55CCBB",
    "#6655AA",
    "#5500EE",
    "#FF55BB",
    "#995566",
    "#DD55FF",
    "#7700BB",
    "#DD5566",
)
"""Colours for other names, chosen one by one as far from all before them as can be (OKLab)."""
_DRAW = "18"
"""Which hash: one under which no two rows of a study of this package have the same colour."""
_DASHES = ("-", "--", "-.", (0, (5, 1, 1, 1, 1, 1)))
_MARKERS = ("o", "s", "D", "^", "v", "<", ">", "P", "X", "p", "h")

TRAINED, UNSEEN = "#0072B2", "#D55E00"
"""Cells that were learned from, and others, where a figure has no methods to tell apart."""
REGIONS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Regions of the cells, in their order."""
DENSITY = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0, 0.74, 190)), name="density")
"""How many points lie around one: violet few, green many, as in Figure 9 of the paper."""
RAIN, RAIN_TEXT = "#7aa6c2", "#42718f"
SITE = "#DD0000"
"""Triangles of sites on maps."""


def look(method: str) -> Look:
    """How a method is drawn, from its name."""
    if method in RESERVED:
        return RESERVED[method]
    number = int.from_bytes(hashlib.sha256(f"{_DRAW} {method}".encode()).digest()[:8], "big")
    number, colour = divmod(number, len(_OTHERS))
    number, dash = divmod(number, len(_DASHES))
    return Look(_OTHERS[colour], _DASHES[dash], _MARKERS[number % len(_MARKERS)])  # type: ignore[arg-type]


def method_styles(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Method -> style of its line, as matplotlib takes it."""
    looks = {method: look(method) for method in methods}
    return {m: {"color": own.colour, "linestyle": own.dash, "linewidth": 1.5} for m, own in looks.items()}
