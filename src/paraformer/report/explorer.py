"""What the explorable part of a report holds: cells, fields of every method, scores, colours, lines of the map."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.colors import to_hex

from paraformer.core.parameters import Parameter
from paraformer.core.results import TRUSTED_K, Results
from paraformer.report.colours import RAIN, RAIN_TEXT, SITE, look
from paraformer.report.geography import Extent, lines_inside
from paraformer.report.packing import Pack
from paraformer.report.rectangles import Cells, true_rectangles
from paraformer.report.rivals import Compared, rivals
from paraformer.report.units import typeset

METRICS: tuple[dict[str, Any], ...] = (
    {"name": "rmse", "label": "RMSE", "unit": "m3 m-3", "decimals": 4, "better": "low"},
    {"name": "pcc", "label": "PCC", "unit": "1", "decimals": 3, "better": "high"},
    {"name": "nse", "label": "NSE", "unit": "1", "decimals": 2, "better": "high"},
    {"name": "ubrmse", "label": "ubRMSE", "unit": "m3 m-3", "decimals": 4, "better": "low"},
    {"name": "kge", "label": "KGE", "unit": "1", "decimals": 3, "better": "high"},
    {"name": "bias", "label": "bias", "unit": "m3 m-3", "decimals": 4, "better": "zero"},
)
"""Scores of a cell: how they are written, and which values are better."""
LEAST = -50.0
"""NSE and KGE below this are stored as this."""
HALF = 0.5
"""Share of the prior variance that observations must take away for a parameter to be called identified."""
SPREAD = 0.1
"""Standard deviation over seeds, as a share of the parameter's range, above which it is not called identified."""

MOST_CELLS = 20_000
_FIELD_BYTES = 1_200_000
_PERIODS = ("test", "train")
_COLOURS = 33
_DASHES = {"-": "", "--": "6 3", "-.": "6 3 1.5 3", ":": "1.5 3"}


class Explorer:
    """The explorable part of a report.

    Attributes:
        methods: shown ones, those that matter most first.
        left_out: methods that would not fit into the page.
        cells: positions of the shown cells.
    """

    def __init__(self, results: Results, compared: Compared) -> None:
        self.results, self.compared = results, compared
        self.rivals = rivals(results)
        self.space = results.space
        self.cells: Int[np.ndarray, " shown"] = _thinned(len(results.cube.cells))
        ranked = ranking(results)
        per_method = len(self.cells) * (5 * len(self.space) + 2 * len(METRICS))
        fit = max(2, int(_FIELD_BYTES / (1.4 * per_method)))
        self.methods, self.left_out = ranked[:fit], ranked[fit:]

    def content(self) -> dict[str, Any]:
        """Everything but hydrographs, as values of JSON; arrays under ``arrays``, as ``packing`` stores them."""
        pack = Pack()
        cube, here = self.results.cube, self.cells
        cells = Cells(cube.lat[here], cube.lon[here], cube.trained[here])
        height, width = true_rectangles(cells, _side(self.results))
        for name, values in (("lat", cells.lat), ("lon", cells.lon), ("height", height), ("width", width)):
            pack.add(name, values, 1e-4)
        bases = self._add_theta(pack)
        self._add_scores(pack)
        lines = _add_lines(pack, cells, height, width)
        parameters = [
            {"name": p.name, "meaning": p.meaning, "unit": typeset(p.unit), "log": p.transform == "log"}
            | dict(zip(("lower", "upper"), p.physical_bounds, strict=True))
            for p in self.space
        ]
        return {
            "study": self.results.name,
            "operator": self.results.operator,
            "periods": {name: [str(cube.period(name).start), str(cube.period(name).end)] for name in _PERIODS},
            "default": self.results.default,
            "recommended": self.rivals.recommended,
            "search": self.rivals.search,
            "ceiling": self.rivals.ceiling,
            "methods": [self._method(name, bases) for name in self.methods],
            "parameters": parameters,
            "metrics": [m | {"unit": typeset(m["unit"])} for m in METRICS],
            "cells": {"id": [str(i) for i in cube.cells[here]], "trained": cells.trained.astype(int).tolist()},
            "least": LEAST,
            "effect": _effect(self.compared, self.methods, self.results.default),
            "lines": lines,
            "palettes": {
                "value": _palette("viridis"),
                "change": _palette("PuOr_r"),
                "gain": _palette("PRGn"),
                "spread": _palette("YlOrRd"),
            },
            "colours": {"rain": RAIN, "rain_text": RAIN_TEXT, "site": SITE},
            "arrays": pack.specs,
            "packed": pack.text(),
        }

    def _method(self, name: str, bases: dict[str, str]) -> dict[str, Any]:
        (found,) = (method for method in self.results.methods if method.name == name)
        own = look(name)
        dash = _DASHES.get(own.dash, "6 1.5 1.5 1.5") if isinstance(own.dash, str) else "6 1.5 1.5 1.5"
        return {
            "name": name,
            "kind": found.kind,
            "colour": own.colour,
            "dash": dash,
            "theta": name in bases or name == self.results.default,
            "interval": bases.get(name, ""),
        }

    def _add_theta(self, pack: Pack) -> dict[str, str]:
        """θ with its interval and spread, and where it is not identified; method -> what its interval is."""
        results, here, space = self.results, self.cells, self.space
        fields, shape = results.theta_fields(), (len(self.methods), len(here), len(space))
        value, low, high, spread, unknown = (np.full(shape, np.nan) for _ in range(5))
        bases: dict[str, str] = {}
        for at, name in enumerate(self.methods):
            if name == results.default:
                value[at] = results.prior[here]
            if name not in fields:
                continue
            seeds = fields[name][:, here]
            value[at], bases[name] = seeds[0], ""
            if name in results.posteriors:
                posterior = results.posterior(name).isel(cell=here)
                low[at], high[at], spread[at], unknown[at] = _posterior(posterior)
                bases[name] = f"{100 * posterior.attrs['level']:g} % interval of the posterior"
            elif len(seeds) > 1:
                low[at], high[at] = seeds.min(axis=0), seeds.max(axis=0)
                spread[at] = space.to_unit(seeds).std(axis=0, ddof=1)
                unknown[at] = spread[at] > SPREAD
                bases[name] = f"range of {len(seeds)} seeds"
        for i, p in enumerate(space):
            step, log = _step(p), p.transform == "log"
            for part, values in (("value", value), ("low", low), ("high", high)):
                pack.add(f"{p.name}/{part}", values[..., i], step, log=log)
            pack.add(f"{p.name}/prior", results.prior[here, i], step, log=log)
            pack.add(f"{p.name}/spread", spread[..., i], 0.002)
            pack.add(f"{p.name}/unknown", unknown[..., i], 1.0)
        return bases

    def _add_scores(self, pack: Pack) -> None:
        for metric in METRICS:
            for period in _PERIODS:
                fields = self.results.score_fields(metric["name"], self.results.operator, period)
                nothing = np.full(len(self.results.cube.cells), np.nan)
                values = np.stack([fields.get(name, nothing)[self.cells] for name in self.methods])
                if metric["name"] in ("nse", "kge"):
                    values = np.maximum(values, LEAST)
                pack.add(f"{metric['name']}/{period}", values, 0.1 * 10.0 ** -metric["decimals"])


def ranking(results: Results) -> list[str]:
    """Methods in the order in which they are worth room: those of the first screen, then by the training period."""
    own, errors = rivals(results), results.training_rmse()
    first = [name for name in (results.default, own.recommended, own.search, own.ceiling) if name is not None]
    with_theta = [m.name for m in results.methods if m.kind != "reference"]
    rest = sorted(with_theta, key=lambda name: errors.get(name, np.inf)) + results.names("reference")
    return list(dict.fromkeys([*first, *rest]))


def _posterior(posterior: xr.Dataset) -> tuple[Float[np.ndarray, "cell parameter"], ...]:
    """Ends of the interval, standard deviation where the bounds are 0 and 1, and 1 where θ is not identified."""
    parts = [posterior[f"{name}"].transpose("cell", "parameter").values for name in ("theta_lower", "theta_upper")]
    trusted = (posterior["pareto_k"].values <= TRUSTED_K)[:, None]
    spread, gain = (posterior[name].transpose("cell", "parameter").values for name in ("unit_std", "gain"))
    return parts[0], parts[1], np.where(trusted, spread, np.nan), (~(trusted & (gain >= HALF))).astype(np.float64)


def _step(parameter: Parameter) -> float:
    """To what a parameter is rounded: a thousandth of itself on logarithmic scales, else 1 / 20000 of its range."""
    low, high = parameter.physical_bounds
    return 4e-4 if parameter.transform == "log" else (high - low) / 20_000


def _side(results: Results) -> int:
    """Rows and columns of the block of which the study's design takes one cell; 1 without a design."""
    design = str(((results.settings.get("data") or {}).get("split") or {}).get("design") or "")
    digits = design.removeprefix("S").removesuffix("NG")
    return int(digits) if digits.isdecimal() else 1


def _thinned(count: int) -> Int[np.ndarray, " shown"]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_CELLS)).round().astype(np.int64))


def _effect(compared: Compared, methods: list[str], default: str) -> list[dict[str, Any]]:
    """Rows of the first figure: every shown method against the a-priori parameters."""
    table = compared.table[compared.table["against"] == default]
    columns = ["method", "cells", "n_cells", "value", "difference", "low", "high"]
    rows = table[table["method"].isin(methods)][columns].to_dict("records")
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]


def _add_lines(pack: Pack, cells: Cells, height: np.ndarray, width: np.ndarray) -> dict[str, list[int]]:
    """Coasts, borders and states around the cells; kind -> number of points of each of its lines."""
    margin = 0.08 * max(float(np.ptp(cells.lat)), float(np.ptp(cells.lon)), 1.0)
    extent = Extent(
        float((cells.lon - width).min()) - margin,
        float((cells.lon + width).max()) + margin,
        float((cells.lat - height).min()) - margin,
        float((cells.lat + height).max()) + margin,
    )
    found = {}
    for kind in ("coast", "border", "state"):
        pieces = lines_inside(kind, extent)
        if pieces:
            pack.add(f"line/{kind}", np.concatenate(pieces), 0.01)
            found[kind] = [len(piece) for piece in pieces]
    return found


def _palette(name: str) -> list[str]:
    return [to_hex(colour) for colour in matplotlib.colormaps[name](np.linspace(0, 1, _COLOURS))]
