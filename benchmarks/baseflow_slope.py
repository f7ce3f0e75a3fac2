"""What flow sees of VIC's baseflow curve where θ is known: ``python benchmarks/baseflow_slope.py RUN [--out FILE]``.

Below its bend the curve is a line: baseflow is ds dsmax / (ws W_max) times the water W of the lowest layer (Liang et
al. 1994, doi 10.1029/94JD00483, eq. 22). Prints, for every method of a run, Pearson's correlation over trained cells
of the logarithm of ds dsmax / ws with that of the true θ, mean and standard deviation over seeds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from paraformer.core.netcdf import read_dataset
from paraformer.core.results import Results
from paraformer.core.text_table import to_text


def slope_of_line(theta: np.ndarray, names: list[str]) -> np.ndarray:
    """Logarithm of ds dsmax / ws of each cell."""
    ds, dsmax, ws = (theta[:, names.index(name)] for name in ("ds", "dsmax", "ws"))
    return np.log(ds * dsmax / ws)


def table(run: Path) -> pd.DataFrame:
    """A row a method: correlation, its standard deviation over seeds, seeds."""
    results = Results(run)
    names, trained = list(results.space.names), results.cube.trained
    truth = slope_of_line(read_dataset(run / "cube" / "truth.nc")["theta"].values, names)[trained]
    rows = []
    for folder in sorted((run / "parameters").iterdir()):
        found = []
        for seed in sorted(folder.glob("seed-*")):
            theta = read_dataset(seed / "theta.nc")
            mine = slope_of_line(np.stack([theta[name].values for name in names], axis=1), names)[trained]
            found.append(np.corrcoef(mine, truth)[0, 1])
        spread = np.std(found, ddof=1) if len(found) > 1 else np.nan
        rows.append((folder.name, np.mean(found).round(2), np.round(spread, 2), len(found)))
    return pd.DataFrame(rows, columns=["learned from", "correlation", "std", "seeds"])


def main() -> None:
    """Read the arguments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="directory of a run in the built-in world")
    parser.add_argument("--out", type=Path, help="the table as text")
    given = parser.parse_args()
    text = to_text(table(given.run)) + "\n"
    sys.stdout.write(text)
    if given.out is not None:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
