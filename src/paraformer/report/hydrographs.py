"""Hydrographs inside a page: rain, observed and simulated series of as many places as fit, each packed alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.results import Results
from paraformer.report.explorer import Explorer
from paraformer.report.packing import Coding, coding, compressed
from paraformer.report.series import site_positions
from paraformer.report.simulated import simulated

MOISTURE, RAIN = 0.001, 0.1
"""To what soil moisture [m3 m-3] and rain [mm day-1] are rounded."""
LINES = 5
"""Lines shown at once."""
_LEAST_BYTES = 0.05
"""Bytes of a day of a line below which none has been seen."""
_TRIED = 8


def hydrographs(results: Results, explorer: Explorer, sites: tuple[int | str, ...], budget: int) -> dict[str, Any]:
    """Hydrographs of soil moisture as values of JSON: ``blocks`` has a text for each of ``cells``, positions among the
    shown cells.

    As many methods with θ as fit for every cell, never fewer than the five that matter most; where these do not fit,
    cells are taken evenly from the worst to the best, the sites that the study names before all.

    Args:
        budget: bytes that they may take.
    """
    order = _order(results, explorer, sites)
    wanted = [name for name in explorer.methods if name in _with_series(results)]
    cube = results.cube
    most = max(1, int(budget / (_LEAST_BYTES * len(cube.time) * min(LINES, len(wanted)))))
    taken = order[:most]
    at = explorer.cells[taken]
    found = {name: series[0] for name, series in simulated(results, results.operator, at, seeds=1)}
    observed, mask = (part[at] for part in cube.observed())
    seen = np.where(mask, observed, np.nan)
    rain = cube.dataset["prcp"].isel(cell=at).values.astype(np.float64)
    series = Series(rain, seen, {name: found[name] for name in wanted})
    held = packed(series, budget, len(order), lambda values, line: coding(values, MOISTURE, series=line))
    kept = taken[: len(held["blocks"])]
    return held | {
        "start": str(cube.time[0].astype("datetime64[D]")),
        "days": len(cube.time),
        "shown": [0, len(cube.time) - 1],
        "cells": kept.tolist(),
        "first": _first(results, explorer, kept, sites),
        "note": _note(len(kept), len(results.cube.cells), held["methods"], wanted),
    }


class Series(NamedTuple):
    """Daily series of places, NaN where there is none; those of a method under its name, what matters most first."""

    rain: Float[np.ndarray, "place time"]
    observed: Float[np.ndarray, "place time"]
    simulated: Mapping[str, Float[np.ndarray, "place time"]]


def packed(series: Series, budget: int, total: int, water: Callable[[np.ndarray, bool], Coding]) -> dict[str, Any]:
    """``methods`` and ``blocks``, a text a place, that fit into a budget, and how a block is read (``specs``).

    Args:
        budget: bytes.
        total: places that there are to be room for: methods beyond the fifth are left out where they would not fit.
        water: coding of observed values, and of lines (true).
    """
    wanted = list(series.simulated)
    for count in range(len(wanted), min(LINES, len(wanted)) - 1, -1):
        methods = wanted[:count]
        own = _Packed.of(series.rain, series.observed, np.stack([series.simulated[n] for n in methods], axis=1), water)
        tried = [len(own.block(i)) for i in range(min(_TRIED, len(series.rain)))]
        if sum(tried) / len(tried) * total < 0.95 * budget:
            break
    blocks: list[str] = []
    used = 0
    for i in range(len(series.rain)):
        block = own.block(i)
        used += len(block) + 12
        if used > budget:
            break
        blocks.append(block)
    return {"methods": methods, "specs": own.specs(), "blocks": blocks}


class _Packed:
    """Series of the taken places with one coding for all of them."""

    def __init__(self, parts: dict[str, np.ndarray], codings: dict[str, Coding]) -> None:
        self._parts, self._codings = parts, codings

    @classmethod
    def of(
        cls,
        rain: Float[np.ndarray, "place time"],
        observed: Float[np.ndarray, "place time"],
        series: Float[np.ndarray, "place method time"],
        water: Callable[[np.ndarray, bool], Coding],
    ) -> _Packed:
        parts = {"rain": rain, "observed": observed, "simulated": series}
        codings = {
            "rain": coding(np.append(rain, 0.0), RAIN),  # a day without rain is exactly 0
            "observed": water(observed, False),
            "simulated": water(series, True),
        }
        return cls(parts, codings)

    def block(self, place: int) -> str:
        return compressed(b"".join(self._codings[name].encode(part[place]) for name, part in self._parts.items()))

    def specs(self) -> dict[str, dict[str, Any]]:
        found, at = {}, 0
        for name, part in self._parts.items():
            how = self._codings[name]
            found[name] = {"shape": list(part.shape[1:]), "at": at, **how.spec()}
            at += int(np.prod(part.shape[1:])) * how.width
        return found


def _with_series(results: Results) -> set[str]:
    return set(results.series["method"].values.tolist())


def _scores(results: Results, explorer: Explorer) -> Float[np.ndarray, " shown"]:
    """RMSE of the test period of the recommended method in the shown cells."""
    fields = results.score_fields("rmse", results.operator)
    name = explorer.rivals.recommended or results.default
    return fields.get(name, np.full(len(results.cube.cells), np.nan))[explorer.cells]


def _order(results: Results, explorer: Explorer, sites: tuple[int | str, ...]) -> Int[np.ndarray, " shown"]:
    """Shown cells, those that are worth room first: any first part of them runs evenly from the worst to the best."""
    ranks = np.argsort(_scores(results, explorer), kind="stable")
    bits = max(1, len(ranks).bit_length())
    halving = sorted(range(len(ranks)), key=lambda i: int(format(i, f"0{bits}b")[::-1], 2))
    return np.array(list(dict.fromkeys([*_sites(results, explorer, sites), *ranks[halving].tolist()])), dtype=np.int64)


def _sites(results: Results, explorer: Explorer, sites: tuple[int | str, ...]) -> list[int]:
    places = site_positions(sites, results.cube.cells)
    return [int(np.flatnonzero(explorer.cells == place)[0]) for place in places if place in explorer.cells]


def _first(results: Results, explorer: Explorer, held: np.ndarray, sites: tuple[int | str, ...]) -> int:
    """The cell that the page opens with: the first site, else the one with the median score."""
    named = _sites(results, explorer, sites)
    if named:
        return named[0]
    scores = _scores(results, explorer)[held]
    return int(held[np.argsort(scores, kind="stable")[np.isfinite(scores).sum() // 2]]) if len(held) else 0


def _note(count: int, total: int, methods: list[str], wanted: list[str]) -> str:
    told = (
        f"All {total} cells have a hydrograph"
        if count == total
        else (
            f"{count} of {total} cells have a hydrograph, evenly from worst to best score of the recommended θ, "
            "so that the page stays below 3 MB"
        )
    )
    left = [name for name in wanted if name not in methods]
    return f"{told}; without {', '.join(left)}." if left else f"{told}."
