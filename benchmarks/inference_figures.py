"""Figures of ``benchmarks/inference.py``: ``python benchmarks/inference_figures.py FILE... --out docs/figures``.

``inference-searches``: posterior cost against runs a cell, all searches on one axis. ``inference-curve``: soil moisture
against evapotranspiration as the prior of θ gets narrower, with default VIC.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from paraformer.report.figures import quiet

NAMES = {
    "kalman": "Kalman inversion",
    "levenberg": "Levenberg-Marquardt",
    "sceua": "SCE-UA",
    "random": "Latin hypercube",
}
MARKS = dict(zip(NAMES, "os^x", strict=True))
PRODUCTS = {"et_fluxcom": "FLUXCOM", "et_gleam": "GLEAM"}


def searches(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
    for name, label in NAMES.items():
        mine = sorted((row["runs"], row["cost"]) for row in rows if row["search"] == name)
        axes.plot(*zip(*mine, strict=True), marker=MARKS[name], label=label, linewidth=1)
    axes.set(xscale="log", xlabel="runs of VIC a cell", ylabel="posterior cost [m3 m-3]")
    axes.set_xticks(sorted({row["budget"] for row in rows}), labels=sorted({row["budget"] for row in rows}))
    axes.minorticks_off()
    axes.axvline(100, color="0.6", linewidth=0.8, linestyle=":")
    axes.legend(frameon=False)
    quiet(axes)
    figure.savefig(path / "inference-searches.png", dpi=150)


def curve(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(figsize=(5.0, 3.4), layout="constrained")
    default = next(row for row in rows if row.get("method") == "default VIC")
    found = sorted((row for row in rows if "width" in row), key=lambda row: -(row["width"] or 1e9))
    for (key, label), mark in zip(PRODUCTS.items(), "os", strict=True):
        line = axes.plot([r["test_trained"] for r in found], [r[key] for r in found], marker=mark, label=label)[0]
        axes.axhline(default[key], color=line.get_color(), linestyle=":", linewidth=1, label=f"{label}, default VIC")
    for row in found:
        text = "least squares" if row["width"] is None else f"{row['width']:g}"
        axes.annotate(
            text, (row["test_trained"], row["et_fluxcom"]), xytext=(3, 4), textcoords="offset points", fontsize=7
        )
    axes.set(xlabel="RMSE of soil moisture, trained cells [m3 m-3]", ylabel="RMSE of annual ET [mm year-1]")
    axes.legend(frameon=False, fontsize=8)
    quiet(axes)
    figure.savefig(path / "inference-curve.png", dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="JSON lines of benchmarks/inference.py")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rows = [json.loads(line) for file in given.files for line in file.read_text(encoding="utf-8").splitlines()]
    for part, draw in (("searches", searches), ("curve", curve)):
        if mine := [row for row in rows if row["part"] == part]:
            draw(mine, given.out)


if __name__ == "__main__":
    main()
