"""The explorable part for gauges: their map, hydrographs and scores, with θ of their basins, in the form of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.core.results import Results
from paraformer.report.colours import RAIN, RAIN_TEXT, SITE
from paraformer.report.explorer import (
    LEAST,
    WORDS,
    add_lines,
    add_theta,
    markup,
    of_seeds,
    palettes,
    shown_method,
    shown_parameters,
)
from paraformer.report.hydrographs import Series, packed
from paraformer.report.packing import Coding, Pack, coding
from paraformer.report.rectangles import Cells
from paraformer.report.units import typeset

METRICS: tuple[dict[str, Any], ...] = (
    {"name": "kge", "label": "KGE", "unit": "1", "decimals": 2, "better": "high"},
    {"name": "nse", "label": "NSE", "unit": "1", "decimals": 2, "better": "high"},
    {"name": "log_nse", "label": "NSE of log flow", "unit": "1", "decimals": 2, "better": "high"},
    {"name": "r", "label": "correlation", "unit": "1", "decimals": 2, "better": "high"},
    {"name": "percent_bias", "label": "bias", "unit": "%", "decimals": 1, "better": "zero"},
    {"name": "high_flow", "label": "bias of high flow", "unit": "%", "decimals": 1, "better": "zero"},
    {"name": "low_flow", "label": "bias of low flow", "unit": "%", "decimals": 1, "better": "zero"},
)
"""Scores of a gauge: how they are written, and which values are better."""
PREFIX = "gauge-"
"""Before the names of all elements of this part."""
LEAST_FLOW, STEP = 1e-3, 0.004
"""Flow [m3 s-1] below which it is shown as this; to what its decimal logarithm is rounded: half a percent."""
_YEARS = 2
"""Years of the test period that are shown first, its last ones."""
_WORDS = WORDS | {
    "place": "gauge",
    "places": "gauges",
    "theta": "θ of the basin, mean over its cells",
    "water": "flow",
    "unit": "m³ s⁻¹",
    "unseen": "gauges that no method learned from have a dark rim",
    "observed": "#6f7780",
    "behind": True,
    "fromZero": True,
}
_PERIODS = ("test", "train")


class Gauges:
    """The explorable part for the gauges of a judged study.

    Attributes:
        methods: those with daily flow, those that matter most first; then those with scores alone.
    """

    def __init__(self, results: Results, leading: str | None) -> None:
        assert results.streamflow is not None
        assert results.discharge is not None
        self.results, self.leading = results, leading
        self.scores, self.series = results.streamflow, results.discharge
        self.names = [str(name) for name in self.series["gauge"].values]
        self.search = self._best_search()
        truth = results.names("truth")
        self.ceiling = truth[0] if truth else None
        with_flow = list(dict.fromkeys(self.series["method"].values.tolist()))
        first = [name for name in (results.default, leading, self.search, self.ceiling) if name in with_flow]
        self.with_flow = list(dict.fromkeys([*first, *with_flow]))
        self.methods = list(dict.fromkeys([*self.with_flow, *self.scores["method"].tolist()]))

    def markup(self) -> str:
        """The elements of the page."""
        rain = "Rain over the basin (bars from above) and daily" if self.results.basins is not None else "Daily"
        return markup(
            PREFIX,
            _WORDS,
            drawn="A dot is a gauge",
            series=f"{rain} flow at the chosen gauge: grey dots are observed, lines simulated with the θ of each "
            "method, mean over seeds.",
            rounded=f"Flow is rounded to half a percent, below {LEAST_FLOW:g} m3 s-1 to that.",
        )

    def content(self, budget: int) -> dict[str, Any]:
        """Everything the script needs, as values of JSON.

        Args:
            budget: bytes that hydrographs may take.
        """
        pack, results = Pack(), self.results
        trained = self.series["trained"].values.astype(bool)
        places = Cells(self.series["lat"].values, self.series["lon"].values, trained)
        nothing = np.zeros(len(self.names))
        for name, values in (("lat", places.lat), ("lon", places.lon), ("height", nothing), ("width", nothing)):
            pack.add(name, values, 1e-4)
        bases = self._add_theta(pack)
        self._add_scores(pack)
        methods = [shown_method(results, name, name in bases, bases.get(name, "")) for name in self.methods]
        return {
            "words": _WORDS,
            "study": results.name,
            "periods": {
                name: [str(getattr(results.cube.period(name), e)) for e in ("start", "end")] for name in _PERIODS
            },
            "default": results.default,
            "recommended": self.leading,
            "search": self.search,
            "ceiling": self.ceiling,
            "methods": methods,
            "left_out": [],
            "parameters": shown_parameters(results.space) if bases else [],
            "prior": False,
            "metrics": [m | {"unit": typeset(m["unit"])} for m in METRICS],
            "opens": f"score/{METRICS[0]['name']}",
            "cells": {
                "id": self.names,
                "trained": trained.astype(int).tolist(),
                "area": [float(f"{area:.4g}") for area in self.series["area_km2"].values],
            },
            "least": LEAST,
            "effect": [],
            "lines": add_lines(pack, places, nothing, nothing),
            "palettes": palettes(),
            "colours": {"rain": RAIN, "rain_text": RAIN_TEXT, "site": SITE},
            "arrays": pack.specs,
            "packed": pack.text(),
            "hydrographs": self._hydrographs(budget),
        }

    def _best_search(self) -> str | None:
        part = self.scores[(self.scores["period"] == "train") & (self.scores["cells"] == "trained")]
        middle = part.groupby("method")["kge"].median()
        found = [n for n in self.results.names("search") if n != self.leading and np.isfinite(middle.get(n, np.nan))]
        return max(found, key=lambda name: float(middle[name]), default=None)

    def _add_theta(self, pack: Pack) -> dict[str, str]:
        """θ of every basin, mean over its cells where the bounds are 0 and 1; method -> what its interval is."""
        space, shares = self.results.space, self.results.basins
        if shares is None:
            return {}
        used = shares.any(axis=0)
        shape = (len(self.methods), len(self.names), len(space))
        parts = {name: np.full(shape, np.nan) for name in ("value", "low", "high", "spread", "unknown")}
        bases = {}
        for name, cells in self.results.theta_fields().items():
            if name not in self.methods:
                continue
            at = self.methods.index(name)
            seeds = space.from_unit(shares[:, used] @ space.to_unit(cells[:, used]))
            parts["value"][at], bases[name] = seeds[0], ""
            if len(seeds) > 1:
                found = of_seeds(space, seeds)
                for part, values in zip(("low", "high", "spread", "unknown"), found, strict=True):
                    parts[part][at] = values
                bases[name] = f"range of {len(seeds)} seeds"
        if bases:
            add_theta(pack, space, parts)
        return bases

    def _add_scores(self, pack: Pack) -> None:
        for metric in METRICS:
            for period in _PERIODS:
                part = self.scores[self.scores["period"] == period]
                wide = part.pivot_table(index="method", columns="gauge", values=metric["name"], dropna=False)
                values = wide.reindex(index=self.methods, columns=self.names).to_numpy(dtype=np.float64)
                if metric["better"] == "high":
                    values = np.maximum(values, LEAST)
                pack.add(f"{metric['name']}/{period}", values, 0.1 * 10.0 ** -metric["decimals"])

    def _hydrographs(self, budget: int) -> dict[str, Any]:
        """Gauges are few: those that do not fit are the last ones."""
        days = self.series["time"].values.astype("datetime64[D]")
        observed = _shown(self.series["observed"].values)
        lines = {name: _shown(self._flow(name)) for name in self.with_flow}
        held = packed(Series(self._rain(days), observed, lines), budget, len(self.names), _coded)
        test = np.flatnonzero(self.results.cube.period("test").mask(days))
        count = len(held["blocks"])
        return held | {
            "start": str(days[0]),
            "days": len(days),
            "shown": [max(int(test[0]), int(test[-1]) - 365 * _YEARS + 1), int(test[-1])]
            if len(test)
            else [0, len(days) - 1],
            "cells": list(range(count)),
            "first": self._first(count),
            "note": ""
            if count == len(self.names)
            else f"{count} of {len(self.names)} gauges have a hydrograph, so that the page stays below 3 MB.",
        }

    def _flow(self, method: str) -> Float[np.ndarray, "gauge time"]:
        """Mean over seeds [m3 s-1]."""
        rows = np.flatnonzero(self.series["method"].values == method)
        return np.asarray(self.series["simulated"].values[rows].astype(np.float64).mean(axis=0))

    def _rain(self, days: np.ndarray) -> Float[np.ndarray, "gauge time"]:
        """Rain over every basin [mm day-1]; NaN where the run does not say which cells it has."""
        cube, shares = self.results.cube, self.results.basins
        found = np.full((len(self.names), len(days)), np.nan)
        if shares is not None:
            here = np.isin(days, cube.time.astype("datetime64[D]"))
            at = np.searchsorted(cube.time.astype("datetime64[D]"), days[here])
            found[:, here] = shares @ cube.dataset["prcp"].values.astype(np.float64)[:, at]
        return found

    def _first(self, count: int) -> int:
        """The gauge with the median KGE of the method that leads."""
        part = self.scores[
            (self.scores["period"] == "test") & (self.scores["method"] == (self.leading or self.results.default))
        ]
        kge = part.groupby("gauge")["kge"].mean().reindex(self.names[:count])
        order = np.argsort(kge.to_numpy(), kind="stable")
        return int(order[np.isfinite(kge).sum() // 2]) if count else 0


def _shown(flow: np.ndarray) -> Float[np.ndarray, "gauge time"]:
    return np.maximum(flow.astype(np.float64), LEAST_FLOW)


def _coded(values: np.ndarray, line: bool) -> Coding:
    return coding(values, STEP, log=True, series=line)
