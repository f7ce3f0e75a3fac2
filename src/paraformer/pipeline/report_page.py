"""The report of a judged run: comparisons of its methods, the page that tells of them, and its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from paraformer.core.files import write_text
from paraformer.core.results import Results
from paraformer.evaluation.compare import MIN_BLOCKS, compare, tiles
from paraformer.report import rivals, study_page
from paraformer.report.config import ReportConfig

_TILES = (8.0, 4.0, 2.0, 1.0)
"""Sides of the bootstrap's tiles [degree]."""


def write_report(results: Results, config: ReportConfig, figures: Path) -> None:
    """Write ``report.html`` and the folder ``tables`` of a run."""
    page = study_page.page(results, compared(results) if results.moisture else None, config, figures)
    write_text(results.directory / "report.html", page)
    study_page.write_tables(results, results.directory / "tables")


def compared(results: Results) -> rivals.Compared:
    """What the first screen tells: RMSE of the test period, with the widest tiles that leave no group without interval.

    Where no side does, the widest that leaves the fewest without.
    """
    cells = results.cell_table(operator=results.operator, period="test", metric="rmse")
    scored = cells[cells["scored"] & (cells["method"] == results.default)]
    groups = [part for _, part in scored.groupby("cells")]

    def enough(tile: float) -> int:
        counts = (len(np.unique(tiles(part["lat"].to_numpy(), part["lon"].to_numpy(), tile))) for part in groups)
        return sum(count >= MIN_BLOCKS for count in counts)

    tile = max(_TILES, key=lambda side: (enough(side), side))
    table = compare(cells, rivals.pairs(results), operator=results.operator, tile=tile)
    return rivals.Compared(table, tile, MIN_BLOCKS)
