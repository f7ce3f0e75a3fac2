"""Medians over the gauges of several runs of streamflow, a gauge that stands in two runs taken from the first.

``python benchmarks/gauge_medians.py RUN... [--out FILE]``
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from paraformer.core.results import Results
from paraformer.core.text_table import to_text
from paraformer.evaluation.gauges import BENCHMARKS, paired_flow
from paraformer.report.streamflow import flow_table


def tables(runs: list[Path]) -> str:
    """Tables of both periods over the gauges that all methods share, and each method against default VIC."""
    parts, seen = [], set()
    for run in runs:
        scores = Results(run).streamflow
        assert scores is not None
        parts.append(scores[~scores["gauge"].isin(seen)])
        seen |= set(scores["gauge"])
    methods = [
        name for name in dict.fromkeys(parts[0]["method"]) if all((part["method"] == name).any() for part in parts)
    ]
    joined = pd.concat(parts, ignore_index=True)
    joined = joined[joined["method"].isin(methods)]
    pairs = [(name, "default VIC") for name in methods if name not in (*BENCHMARKS, "default VIC")]
    shown = [flow_table(joined, "train"), flow_table(joined), paired_flow(joined, pairs).round(4)]
    return f"{joined['gauge'].nunique()} gauges: train, test, test against default VIC\n\n" + "\n\n".join(
        map(to_text, shown)
    )


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    parser.add_argument("--out", type=Path, help="the tables as text")
    given = parser.parse_args()
    text = tables(given.runs) + "\n"
    sys.stdout.write(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
