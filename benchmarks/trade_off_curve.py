"""Soil moisture, ET and runoff of the methods of a run: ``python benchmarks/trade_off_curve.py RUN [--out FILE]``.

One line a method, mean ± standard deviation over its seeds: raw RMSE of soil moisture in trained and unseen cells
[m3 m-3], RMSE of annual ET against each product [mm year-1], and of the runoff ratio, total runoff over precipitation
of the test period, its mean over cells and the root mean square of its difference from default VIC's [1].
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from paraformer.config import load_study
from paraformer.core.results import Results
from paraformer.core.text_table import to_text
from paraformer.core.variables import FORCING

DEFAULT = "default VIC"


def table(run: Path) -> pd.DataFrame:
    """The lines, default VIC first."""
    results, test = Results(run), load_study(run / "study.yaml").data.test
    days = np.flatnonzero(test.mask(results.cube.time))
    rain = results.cube.forcing()[:, days, list(FORCING).index("prcp")].sum(axis=1)
    summary, annual = results.summary, results.evapotranspiration
    summary = summary[(summary["operator"] == "raw") & (summary["period"] == "test") & (summary["metric"] == "rmse")]
    ratios: dict[str, list[np.ndarray]] = {}
    rows = results.series[["runoff", "baseflow"]].isel(time=days)
    for row, method in enumerate(rows["method"].values):
        water = rows.isel(row=row).sum("time")
        ratios.setdefault(str(method), []).append((water["runoff"] + water["baseflow"]).values / rain)
    lines = []
    for method, found in ratios.items():
        line = {"method": method}
        for cells in ("trained", "unseen"):
            part = summary[(summary["method"] == method) & (summary["cells"] == cells)]
            line[cells] = _spread(part["mean"].iloc[0], part["std"].iloc[0], 4) if len(part) else ""
        if annual is not None:
            for product, part in annual[(annual["method"] == method) & (annual["cells"] == "all")].groupby("reference"):
                line[str(product)] = _spread(part["rmse"].mean(), part["rmse"].std(), 0)
        means = [each.mean() for each in found]
        away = [np.sqrt(np.mean((each - ratios[DEFAULT][0]) ** 2)) for each in found]
        line["runoff ratio"] = _spread(np.mean(means), np.std(means, ddof=1) if len(means) > 1 else np.nan, 3)
        line["from default VIC"] = _spread(np.mean(away), np.std(away, ddof=1) if len(away) > 1 else np.nan, 3)
        lines.append(line)
    return pd.DataFrame(lines)


def _spread(mean: float, std: float, digits: int) -> str:
    return f"{mean:.{digits}f}" + ("" if np.isnan(std) else f" ± {std:.{digits}f}")


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of an evaluated run")
    parser.add_argument("--out", type=Path, help="the table as text")
    given = parser.parse_args()
    text = to_text(table(given.run)) + "\n"
    sys.stdout.write(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
