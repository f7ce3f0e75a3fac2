"""Simulated soil moisture as the observation operator of a study shows it, for figures and pages."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.cell_scores import chosen
from paraformer.core.results import Results
from paraformer.numerics.observe import Line, observe


def simulated(
    results: Results, operator: str, cells: Int[np.ndarray, " chosen"] | None = None, *, seeds: int | None = None
) -> Iterator[tuple[str, Float[np.ndarray, "seed chosen time"]]]:
    """Each method with θ and its soil moisture [m3 m-3], in the order of the tables.

    Args:
        operator: observation operator, each seed with the line that was fitted to it.
        cells: positions of the cells; all without.
        seeds: the first so many; all without.
    """
    lines = chosen(results.cell_scores[["gain", "offset"]], {"operator": operator})
    of, here = lines["method"].values, slice(None) if cells is None else cells
    for name, series in results.series_of("soil_moisture", cells, seeds=seeds):
        own = np.flatnonzero(of == name)[:seeds]
        gain, offset = (lines[part].values[own, 0][:, here, None] for part in ("gain", "offset"))
        yield name, np.stack([observe(*one) for one in zip(series, map(Line, gain, offset), strict=True)])
