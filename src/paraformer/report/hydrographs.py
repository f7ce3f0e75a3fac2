"""Hydrographs inside a page: rain, observed and simulated soil moisture of as many cells as fit, each packed alone."""

from __future__ import annotations

from typing import Any

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
    """Hydrographs as values of JSON: ``blocks`` has a text for each of ``cells``, positions among the shown cells.

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
    blocks: list[str] = []
    for count in range(len(wanted), min(LINES, len(wanted)) - 1, -1):
        methods = wanted[:count]
        packed = _Packed.of(rain, seen, np.stack([found[name] for name in methods], axis=1))
        tried = [len(packed.block(i)) for i in range(min(_TRIED, len(taken)))]
        if sum(tried) / len(tried) * len(order) < 0.95 * budget:
            break
    used = 0
    for i in range(len(taken)):
        block = packed.block(i)
        used += len(block) + 12
        if used > budget:
            break
        blocks.append(block)
    return {
        "methods": methods,
        "start": str(cube.time[0].astype("datetime64[D]")),
        "days": len(cube.time),
        "specs": packed.specs(),
        "cells": taken[: len(blocks)].tolist(),
        "first": _first(results, explorer, taken[: len(blocks)], sites),
        "blocks": blocks,
        "note": _note(len(blocks), len(results.cube.cells), methods, wanted),
    }


class _Packed:
    """Series of the taken cells with one coding for all of them."""

    def __init__(self, parts: dict[str, np.ndarray], codings: dict[str, Coding]) -> None:
        self._parts, self._codings = parts, codings

    @classmethod
    def of(
        cls,
        rain: Float[np.ndarray, "cell time"],
        observed: Float[np.ndarray, "cell time"],
        series: Float[np.ndarray, "cell method time"],
    ) -> _Packed:
        parts = {"rain": rain, "observed": observed, "simulated": series}
        codings = {
            "rain": coding(np.append(rain, 0.0), RAIN),  # a day without rain is exactly 0
            "observed": coding(observed, MOISTURE),
            "simulated": coding(series, MOISTURE, series=True),
        }
        return cls(parts, codings)

    def block(self, cell: int) -> str:
        return compressed(b"".join(self._codings[name].encode(part[cell]) for name, part in self._parts.items()))

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
