"""What the explorable part of a report holds: cells, fields of every method, scores, colours, lines of the map.

``report.gauges`` holds the same of gauges; both are shown by ``markup`` and the script of ``assets``.
"""

from __future__ import annotations

from string import Template
from typing import Any

import matplotlib
import numpy as np
import xarray as xr
from jaxtyping import Float, Int
from matplotlib.colors import to_hex

from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.core.results import TRUSTED_K, Results
from paraformer.report.colours import RAIN, RAIN_TEXT, SITE, look
from paraformer.report.geography import Extent, lines_inside
from paraformer.report.packing import Pack
from paraformer.report.page import asset, escaped
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
_AFTER = ", after the line that the study's operator fits to the training period"
_PERIODS = ("test", "train")
_COLOURS = 33
WORDS: dict[str, Any] = {
    "place": "cell",
    "places": "cells",
    "theta": "θ of this cell",
    "water": "soil moisture",
    "unit": "m³ m⁻³",
    "unseen": "unseen cells are outlined where there is room",
    "observed": "#222",
    "behind": False,
    "fromZero": False,
}
"""What the script says of places and series, and how it draws the observed one."""

_DASHES = {"-": "", "--": "6 3", "-.": "6 3 1.5 3", ":": "1.5 3"}


def markup(prefix: str, words: dict[str, Any], **told: str) -> str:
    """The elements that the script fills.

    Args:
        prefix: before the names of all elements.
        words: as ``WORDS``.
        told: ``drawn``, how places are drawn; ``series``, what the hydrograph shows; ``rounded``, to what.
    """
    names = {"p": prefix, "Place": words["place"].capitalize(), "place": words["place"], "places": words["places"]}
    return Template(asset("explorer.html")).substitute(names | {key: escaped(text) for key, text in told.items()})


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

    def markup(self) -> str:
        """The elements of the page."""
        after = "" if self.results.operator == "raw" else _AFTER
        return markup(
            "",
            WORDS,
            drawn="Each cell is drawn at its true size",
            series="Rain (bars from above) and soil moisture of the chosen cell: dots are observed, lines simulated "
            f"with the θ of each method{after}, first seed.",
            rounded="Values are rounded to 0.001 m3 m-3 and 0.1 mm.",
        )

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
        lines = add_lines(pack, cells, height, width)
        return {
            "study": self.results.name,
            "operator": self.results.operator,
            "periods": {name: [str(cube.period(name).start), str(cube.period(name).end)] for name in _PERIODS},
            "default": self.results.default,
            "recommended": self.rivals.recommended,
            "search": self.rivals.search,
            "ceiling": self.rivals.ceiling,
            "methods": [
                shown_method(self.results, name, name in bases or name == self.results.default, bases.get(name, ""))
                for name in self.methods
            ],
            "parameters": shown_parameters(self.space),
            "prior": True,
            "metrics": [m | {"unit": typeset(m["unit"])} for m in METRICS],
            "cells": {"id": [str(i) for i in cube.cells[here]], "trained": cells.trained.astype(int).tolist()},
            "least": LEAST,
            "effect": _effect(self.compared, self.methods, self.results.default),
            "lines": lines,
            "palettes": palettes(),
            "colours": {"rain": RAIN, "rain_text": RAIN_TEXT, "site": SITE},
            "words": WORDS,
            "arrays": pack.specs,
            "packed": pack.text(),
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
                low[at], high[at], spread[at], unknown[at] = of_seeds(space, seeds)
                bases[name] = f"range of {len(seeds)} seeds"
        add_theta(pack, space, {"value": value, "low": low, "high": high, "spread": spread, "unknown": unknown})
        for i, p in enumerate(space):
            pack.add(f"{p.name}/prior", results.prior[here, i], _step(p), log=p.transform == "log")
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


def shown_method(results: Results, name: str, theta: bool, interval: str) -> dict[str, Any]:
    """A method as the page knows it: its look, whether it has θ, and what its interval of θ is."""
    kind = next((method.kind for method in results.methods if method.name == name), "reference")
    own = look(name)
    dash = _DASHES.get(own.dash, "6 1.5 1.5 1.5") if isinstance(own.dash, str) else "6 1.5 1.5 1.5"
    return {"name": name, "kind": kind, "colour": own.colour, "dash": dash, "theta": theta, "interval": interval}


def shown_parameters(space: ParameterSpace) -> list[dict[str, Any]]:
    """Parameters as the page knows them."""
    return [
        {"name": p.name, "meaning": p.meaning, "unit": typeset(p.unit), "log": p.transform == "log"}
        | dict(zip(("lower", "upper"), p.physical_bounds, strict=True))
        for p in space
    ]


def of_seeds(
    space: ParameterSpace, seeds: Float[np.ndarray, "seed place parameter"]
) -> tuple[Float[np.ndarray, "place parameter"], ...]:
    """Ends of the range over seeds, standard deviation where the bounds are 0 and 1, and 1 where it is too large."""
    spread = space.to_unit(seeds).std(axis=0, ddof=1)
    return seeds.min(axis=0), seeds.max(axis=0), spread, (spread > SPREAD).astype(np.float64)


def add_theta(pack: Pack, space: ParameterSpace, parts: dict[str, Float[np.ndarray, "method place parameter"]]) -> None:
    """θ (``value``) with its interval (``low``, ``high``), ``spread``, and 1 where it is ``unknown``."""
    for i, p in enumerate(space):
        for part, values in parts.items():
            step = {"spread": 0.002, "unknown": 1.0}.get(part, _step(p))
            log = p.transform == "log" and part in ("value", "low", "high")
            pack.add(f"{p.name}/{part}", values[..., i], step, log=log)


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


def add_lines(pack: Pack, cells: Cells, height: np.ndarray, width: np.ndarray) -> dict[str, list[int]]:
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


def palettes() -> dict[str, list[str]]:
    """Colours of every kind of field, from low to high."""
    names = {"value": "viridis", "change": "PuOr_r", "gain": "PRGn", "spread": "YlOrRd"}
    return {kind: _palette(name) for kind, name in names.items()}


def _palette(name: str) -> list[str]:
    return [to_hex(colour) for colour in matplotlib.colormaps[name](np.linspace(0, 1, _COLOURS))]
