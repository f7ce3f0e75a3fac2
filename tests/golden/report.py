"""Run every reference of compiled VIC-5 and write ``docs/golden.md``: ``python tests/golden/report.py [--shared DIR]``.

``make golden`` is the same. It fails if a file of the shared data is left out, or if a variable is further from
compiled VIC-5 than ``EXPLANATIONS`` allows.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import warnings
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

import numba
from llvmlite.binding import get_host_cpu_name

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from golden.comparison import Difference
from golden.references import Reference, Result, left_out, references, shared_files

ROOT = Path(__file__).resolve().parents[2]
RECORD = "decisions/0002-vic-golden.md"


class Explanation(NamedTuple):
    """Why a variable of some results is not at rounding, and how far apart it may be."""

    results: str  # pattern of "<reference> <kind>"
    variables: str  # pattern
    at_most: float
    most_values: int  # values that may be beyond what the storage explains
    why: str


RESIDUE = (
    "a canopy that loses its last snow keeps or does not keep 1e-19 m of it, and that decides whether a sub-step "
    "counts as snowy: a few cell-days of another branch, which the soil remembers (Q14)"
)
DEW = (
    "a canopy that dries out in a daily step keeps about 1e-17 mm of water, which the power 2/3 of the wet fraction "
    "magnifies; the soil remembers (Q15)"
)
DIGITS = "the last stored digit, where a rounded value sits on the edge between two"
PACKING = (
    "values on the edge between two packing steps, and isolated days of forest cells with a last-bit residue of canopy "
    "snow (Q14)"
)
MANY = 10**9
EXPLANATIONS = (
    Explanation("stehekin/syn_3h daily", "OUT_SNOW_MELT", 0.7, MANY, f"{RESIDUE}; rain is relabelled as melt"),
    Explanation("stehekin/syn_3h *", "*", 0.05, MANY, RESIDUE),
    Explanation("*_daily daily", "OUT_*", 1e-8, MANY, DEW),
    Explanation(
        "*_daily state",
        "STATE_AVG_ALBEDO",
        0.06,
        MANY,
        "a mean of the last day that VIC-5 never reads again; no flux depends on it",
    ),
    Explanation("*_daily state", "STATE_*", 1e-8, MANY, DEW),
    Explanation(
        "stehekin/classic_s10_hourly daily",
        "*",
        5e-6,
        MANY,
        "the classic driver read its forcing as text of fewer digits, precipitation up to 1e-6 mm apart",
    ),
    Explanation("walnutgulch/ens_L2015_daily daily", "*", 1e-6, 0, DIGITS),
    Explanation("conus/default_? daily", "*", 0.05, 40, PACKING),
    Explanation("conus/ensemble_B daily", "*", 0.4, 60, PACKING),
)
"""The first that fits counts. What none allows makes the report fail."""


class Verdict(NamedTuple):
    """A variable that is not at rounding."""

    result: str
    variable: str
    difference: Difference
    why: str  # empty: nothing explains it


def judge(results: Sequence[Result]) -> list[Verdict]:
    """Every variable with values beyond rounding or storage, with the reason."""
    found = []
    for result in results:
        label = f"{result.name} {result.kind}"
        for variable, difference in result.differences.items():
            if difference.n_beyond == 0:
                continue
            why = ""
            for e in EXPLANATIONS:
                if fnmatch(label, e.results) and fnmatch(variable, e.variables):
                    within = difference.largest <= e.at_most and difference.n_beyond <= e.most_values
                    why = e.why if within else ""
                    break
            found.append(Verdict(label, variable, difference, why))
    return found


def number(value: float) -> str:
    return "0" if value == 0 else f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def matrix(results: Sequence[Result]) -> str:
    """Largest and mean difference: a row a variable, a column a result; bold beyond rounding or storage."""
    names = sorted({v for r in results for v in r.differences})
    rows = []
    for name in names:
        unit = next(r.differences[name].unit for r in results if name in r.differences)
        row = [f"`{name}`", unit]
        for result in results:
            d = result.differences.get(name)
            cell = "" if d is None else f"{number(d.largest)} / {number(d.mean)}"
            row.append(f"**{cell}**" if d is not None and d.n_beyond else cell)
        rows.append(row)
    return table(["variable", "unit", *(r.name.split("/")[1] for r in results)], rows)


def summary(found: dict[str, tuple[Reference, list[Result]]]) -> str:
    """One row a reference: how it was run, how much was compared, how far apart."""
    rows = []
    for reference, results in found.values():
        values = sum(d.n_value for r in results for d in r.differences.values())
        beyond = sum(d.n_beyond for r in results for d in r.differences.values())
        kinds = ", ".join(f"{r.kind} ({r.size})" for r in results)
        off = [v for r in results for v, d in r.differences.items() if d.n_beyond]
        if not results:
            verdict = "refused in one line"
        else:
            verdict = "yes" if not off else f"all but {beyond:,} values of {len(set(off))} variables"
        rows.append(
            [f"`{reference.name}`", reference.way, kinds, f"{values:,}" if results else "", verdict, reference.remark]
        )
    return table(["reference", "run by", "compared", "values", "at rounding, or at the stored digits", "remark"], rows)


GROUPS = (
    ("Stehekin, daily files", "stehekin/*", "daily"),
    ("Walnut Gulch, daily files", "walnutgulch/*", "daily"),
    ("Sub-daily files", "*/[sL]*", "sub-daily"),
    ("States, Stehekin", "stehekin/*", "state"),
    ("States, Walnut Gulch", "walnutgulch/*", "state"),
    ("Water-balance runs of the energy data set, daily files", "energy/*", "daily"),
    ("Water-balance runs of the energy data set, sub-daily files", "energy/*", "sub-daily"),
    ("VIC's own sample", "samples/*", "daily"),
    ("Real cells", "conus/*", "daily"),
    ("Forcing of the real cells", "conus/*", "sub-daily"),
)


def page(found: dict[str, tuple[Reference, list[Result]]], verdicts: Sequence[Verdict]) -> str:
    """The report as markdown."""
    results = [r for _, several in found.values() for r in several]
    reasons: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        reasons.setdefault(verdict.why or "NOT EXPLAINED", []).append(verdict)
    lines = []
    for why, several in reasons.items():
        by_result: dict[str, list[Verdict]] = {}
        for v in several:
            by_result.setdefault(v.result, []).append(v)
        lines.append(f"- **{why[0].upper() + why[1:]}** ([0002]({RECORD})).")
        for name, vs in by_result.items():
            worst = max(vs, key=lambda v: v.difference.largest)
            count = sum(v.difference.n_beyond for v in vs)
            values = sum(v.difference.n_value for v in vs)
            lines.append(
                f"  `{name}`: {len(vs)} variables, {count:,} of {values:,} values; largest "
                f"{worst.difference.largest:.1e} {worst.difference.unit} (`{worst.variable}`)."
            )
    commands = sum(reference.way == "vic run" for reference, _ in found.values())
    text = f"""# Golden references: how far we are from compiled VIC-5

Written by `make golden` (`tests/golden/report.py`), which runs everything below anew and fails on a file that is left
out or a difference that is not explained. Compiled VIC 5.1.0 (image driver, gcc, x86-64); ours on
{get_host_cpu_name()}, Python {platform.python_version()}, numba {numba.__version__}, `water_balance: vic`.

- **vic run**: the command line itself, `paraformer vic run GLOBAL_PARAM` on the reference's own global parameter file
  ({commands} references); its history and state files are compared with those VIC-5 wrote, dimensions, units, time
  bounds and missing values included.
- **library**: `simulate`, where no global parameter file of the image driver and its inputs are stored.
- **refused**: the command line says in one line what it cannot run.

Numbers are largest / mean absolute difference over all cells, layers and times. *At rounding* is 1e-10 in the
variable's unit, or eight last bits of a large value; values stored with fewer digits are at rounding if the last stored
digit agrees (soil in state files: 12 digits; perturbed sets: 8; the sample: float32; energy data set: 38 bits; real
cells: half a packing step of int16, their ensemble also 2^-11 of the value). **Bold** is beyond that.

{summary(found)}
## What is not at rounding, and why

{chr(10).join(lines)}
"""
    for title, pattern, kind in GROUPS:
        chosen = [r for r in results if fnmatch(r.name, pattern) and r.kind == kind]
        if chosen:
            text += f"\n## {title}\n\n{matrix(chosen)}"
    return text


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "golden.md")
    options = parser.parse_args()
    if not options.shared.exists():
        sys.stderr.write(f"{options.shared}: the shared reference data is not there (--shared DIR)\n")
        return 1
    every = references(options.shared)
    missed = left_out(shared_files(options.shared), every)
    if missed:
        sys.stderr.write(f"left out: {', '.join(missed)}\n")
        return 1
    warnings.filterwarnings("ignore", category=UserWarning)
    found = {}
    for reference in every:
        with tempfile.TemporaryDirectory() as work:
            found[reference.name] = (reference, reference.measure(options.shared, Path(work)))
        sys.stdout.write(f"{reference.name}\n")
        sys.stdout.flush()
    verdicts = judge([r for _, several in found.values() for r in several])
    options.out.write_text(page(found, verdicts), encoding="utf-8")
    unexplained = [v for v in verdicts if not v.why]
    for v in unexplained:
        sys.stderr.write(f"not explained: {v.result} {v.variable}: {v.difference}\n")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
