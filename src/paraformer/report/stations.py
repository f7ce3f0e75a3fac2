"""Validation at stations as text: which stations, medians over them, each of a few, triple collocation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from paraformer.core.text_table import to_text


def stations_text(
    matches: pd.DataFrame,
    scores: pd.DataFrame,
    summary: pd.DataFrame,
    collocation: pd.DataFrame,
    notes: Sequence[str],
) -> str:
    """The tables of ``pipeline.validate.Validation`` as text for the terminal."""
    used = matches[matches["used"]]
    shown = matches[~matches["used"] | (matches["distance_km"] > _HERE)]
    lines = [f"{len(used)} of {len(matches)} stations"]
    lines += ["", to_text(_matched(shown)), ""] if len(shown) else ["each is the cell of its own weather", ""]
    lines += [
        "medians over stations; less: mean difference to the first method (of bias: of its size), 95 % interval over "
        "tiles of stations"
    ]
    lines += [to_text(_summary_text(summary)), ""]
    if len(used) <= _SHOWN and len(scores):
        lines += ["each station, 95 % interval by blocks of days", to_text(_scores_text(scores)), ""]
    if len(collocation):
        lines += [
            "triple collocation with the satellite at 5 cm, nothing rescaled: random error [m3 m-3], medians over "
            "stations. θ learned from the satellite shares its errors, which then count as signal: read the rows of "
            "the a-priori parameters",
            to_text(_collocation_text(collocation)),
            "",
        ]
    return "\n".join([*lines, *notes])


_HERE = 0.1
"""Distance below which a station is its own cell [km]."""

_SHOWN = 3
"""Stations up to which each has rows of its own on the screen."""


def _matched(matches: pd.DataFrame) -> pd.DataFrame:
    shown = matches.assign(used=np.where(matches["used"], "yes", "no"))
    for name in ("distance_km", "elevation_difference", "sand_difference", "clay_difference"):
        shown[name] = [_number(value, 1) for value in matches[name]]
    return shown.drop(columns="name") if (shown["name"] == shown["station"]).all() else shown


def _summary_text(summary: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (depth, kind, method), part in summary.groupby(["depth", "kind", "method"], sort=False):
        row = {"method": method, "depth [cm]": f"{depth * 100:g}", "values": kind, "stations": part["stations"].max()}
        for score in part.itertuples():
            row[str(score.metric)] = _number(score.median, 3)
            row[f"less {score.metric}"] = _signed(score.less_first, score.low, score.high)
        rows.append(row | {"better r": _better(part, "r"), "better ubrmse": _better(part, "ubrmse")})
    return pd.DataFrame(rows).fillna("")


def _better(part: pd.DataFrame, metric: str) -> str:
    found = part[part["metric"] == metric]
    if found.empty or np.isnan(found["less_first"].iloc[0]):
        return ""
    return f"{found['better'].iloc[0]:g} of {found['stations'].iloc[0]}"


def _scores_text(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    keys = ["station", "depth", "kind", "method"]
    for (station, depth, kind, method), part in scores.groupby(keys, sort=False):
        first = part.iloc[0]
        row = {"method": method, "station": station, "depth [cm]": f"{depth * 100:g}", "layer": first["layer"]}
        row |= {"values": kind, "days": first["days"]}
        for score in part.itertuples():
            row[str(score.metric)] = f"{_number(score.value, 3)} ({_span(score.low, score.high)})"
        for score in part.itertuples():
            less = _signed(score.less_first, score.less_first_low, score.less_first_high)
            row[f"less {score.metric}"] = less
        rows.append(row)
    return pd.DataFrame(rows).fillna("")


def _signed(value: float, low: float, high: float) -> str:
    """A difference with its interval, where there are any."""
    if np.isnan(value):
        return ""
    return f"{value:+.3f}" + ("" if np.isnan(low) else f" ({low:+.3f} to {high:+.3f})")


def _collocation_text(collocation: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (method, kind, series), part in collocation.groupby(["method", "kind", "series"], sort=False):
        known = part[np.isfinite(part["error"])]
        rows.append(
            {
                "method": method,
                "values": kind,
                "series": series,
                "stations": f"{len(known)} of {len(part)}",
                "days": f"{part['days'].median():g}",
                "error": _number(known["error"].median(), 4),
                "interval": _span(known["low"].iloc[0], known["high"].iloc[0], 4) if len(known) == 1 else "",
                "r with truth": _number(known["r_truth"].median(), 2),
            }
        )
    return pd.DataFrame(rows)


def _number(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def _span(low: float, high: float, digits: int = 3) -> str:
    return "" if np.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"
