"""``describe CUBE --html``: one page that shows what a cube holds, where and when, and what in it looks odd."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paraformer.core.parameters import Parameter
from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING, VOCABULARY
from paraformer.data.suspects import suspicious_cells
from paraformer.data.views import estimated_forcing
from paraformer.report.maps import parameter_maps
from paraformer.report.page import Section, write_page
from paraformer.report.rectangles import Cells
from paraformer.report.units import typeset

_SHARE = Parameter(name="coverage", lower=0.0, upper=1.0, unit="1", meaning="share of days with an observation")
_MOST_ROWS = 50
_DPI = 110


def write_cube_page(cube_path: Path, page: Path) -> str:
    """Write the page of a cube; returns what to tell the user.

    Raises:
        DataError: not a cube.
        RunError: the page cannot be written.
    """
    cube = Cube.open(cube_path)
    suspects = suspicious_cells(cube)
    with tempfile.TemporaryDirectory() as folder:
        figures = _figures(cube, Path(folder))
        sections = [
            Section("Where and when there are observations", _coverage_text(cube), figures=figures),
            Section(
                "Ranges",
                "Smallest, mean and largest value of every variable, beside what the vocabulary allows.",
                tables=[("Values inside the cube; where the last column says no, look at the input", _ranges(cube))],
            ),
            Section("What the readers kept and dropped", *_kept(cube)),
            Section("Cells to look at", _suspects_text(suspects), tables=_shown(suspects)),
        ]
        attrs = cube.dataset.attrs
        facts = {
            key: attrs[key]
            for key in ("source", "references", "license", "input_file", "input_hash", "cube_key")
            if attrs.get(key)
        }
        facts |= {f"{name} is estimated": method for name, method in estimated_forcing(cube).items()}
        title = str(attrs.get("title") or cube_path.name)
        lead = f"{len(cube.cells)} cells, {cube.time[0]} to {cube.time[-1]}, observation {attrs['observation']}"
        write_page(page, title, lead, sections, facts)
    return f"{page}: {len(cube.cells)} cells, {suspects['cell'].nunique()} of them to look at"


def _figures(cube: Cube, folder: Path) -> list[tuple[str, Path]]:
    _, mask = cube.observed()
    periods = {name: cube.period(name).mask(cube.time) for name in ("train", "test")}
    shares = {f"{name}, {cube.period(name)}": mask[:, inside].mean(axis=1) for name, inside in periods.items()}
    maps = parameter_maps(shares, Cells(cube.lat, cube.lon, cube.trained), _SHARE)
    found = []
    for name, figure, caption in (
        ("map", maps, "Share of days with an observation in each cell: where it is small, θ is learned from little."),
        (
            "line",
            _time_line(cube),
            "Share of cells observed on each day; monthly means of "
            "observed moisture and of precipitation over all cells. Gaps in winter are frozen ground.",
        ),
    ):
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=_DPI, metadata={"Software": None})
        found.append((caption, path))
    return found


def _time_line(cube: Cube) -> Figure:
    values, mask = cube.observed()
    days = cube.time.astype("datetime64[ns]")
    table = pd.DataFrame(
        {
            "share": mask.mean(axis=0),
            "seen": mask.sum(axis=0),
            "sum": values.sum(axis=0),
            "prcp": cube.dataset["prcp"].values.mean(axis=0),
        },
        index=pd.DatetimeIndex(days),
    )
    monthly = table.resample("MS").agg({"seen": "sum", "sum": "sum", "prcp": "mean"})
    figure = Figure(figsize=(9.0, 5.4), layout="constrained")
    axes = figure.subplots(3, 1, sharex=True)
    axes[0].fill_between(table.index, table["share"], step="mid", color="#0072B2", linewidth=0, zorder=2)
    axes[1].plot(
        monthly.index, monthly["sum"] / monthly["seen"].where(monthly["seen"] > 0), color="#D55E00", marker="."
    )
    axes[2].bar(monthly.index, monthly["prcp"], width=20, align="edge", color="#555555")
    for panel, label in zip(axes, ("cells observed [–]", "mean [m³ m⁻³]", "rain [mm day⁻¹]"), strict=True):
        panel.set_ylabel(label, fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    for name in ("train", "test"):
        start, end = cube.period(name).start, cube.period(name).end
        axes[0].axvspan(
            pd.Timestamp(start),
            pd.Timestamp(end),
            color="#999999" if name == "train" else "#E69F00",
            alpha=0.15,
            linewidth=0,
            zorder=1,
            label=name,
        )
    axes[0].set_ylim(0, 1)
    locator = mdates.AutoDateLocator(minticks=3, maxticks=8)
    axes[2].xaxis.set_major_locator(locator)
    axes[2].xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axes[0].legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    return figure


def _coverage_text(cube: Cube) -> str:
    _, mask = cube.observed()
    empty = int((~mask.any(axis=0)).sum())
    return (
        f"{100 * mask.mean():.1f} % of all cell-days are observed; {empty} of {len(cube.time)} days have no "
        f"observation in any cell; {int(cube.trained.sum())} cells are learned from."
    )


def _ranges(cube: Cube) -> pd.DataFrame:
    """Numbers of every variable, as text, and whether all lie inside the range of the vocabulary."""
    rows = []
    observed = (str(name),) if (name := cube.dataset.attrs["observation"]) else ()
    for name in (*FORCING, *observed, *cube.attribute_names):
        values = cube.dataset[name].values.astype(np.float64)
        values = values[np.isfinite(values)]
        known = VOCABULARY.get(name)
        low, high = known.valid if known else (-np.inf, np.inf)
        numbers = (values.min(), values.mean(), values.max()) if values.size else (np.nan,) * 3
        inside = bool(values.size) and bool((values >= low).all() and (values <= high).all())
        rows.append(
            {
                "variable": name,
                "unit": typeset(str(cube.dataset[name].attrs.get("units", ""))),
                **{key: f"{number:.4g}" for key, number in zip(("min", "mean", "max"), numbers, strict=True)},
                "allowed": f"{low:g} to {high:g}" if known else "",
                "inside": "yes" if inside else "no",
            }
        )
    return pd.DataFrame(rows)


def _kept(cube: Cube) -> tuple[str, tuple[tuple[str, pd.DataFrame], ...]]:
    """Text and table of what the reader of the observation counted, where the input says it."""
    try:
        report = dict(json.loads(str(cube.dataset.attrs["quality"])))
    except (KeyError, ValueError):
        return "The input does not say what was dropped before it was made.", ()
    left_out, without = dict(report.pop("left_out", {})), list(report.pop("days_without_granule", []))
    table = pd.DataFrame({"rule": list(report), "count": [str(value) for value in report.values()]})
    text = f"{len(left_out)} files were left out, {len(without)} days have no granule."
    files = pd.DataFrame({"file": list(left_out), "reason": list(left_out.values())})
    return text, (("", table), *((("Files left out", files),) if left_out else ()))


def _suspects_text(suspects: pd.DataFrame) -> str:
    if not len(suspects):
        return "No rule found anything odd."
    return (
        f"{len(suspects)} findings in {suspects['cell'].nunique()} cells; nothing was dropped. "
        f"A finding is a reason to look, not a verdict."
    )


def _shown(suspects: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The first findings, as text; no table if there is none."""
    if not len(suspects):
        return []
    part = suspects.head(_MOST_ROWS)
    return [
        (
            "",
            part.assign(
                cell=part["cell"].astype(str),
                lat=part["lat"].map("{:.3f}".format),
                lon=part["lon"].map("{:.3f}".format),
            ),
        )
    ]
