"""Views of a finished Cube: what a calibrator may see of it, and a summary for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from paraformer.core.contracts import CalibrationData, GaugedFlow
from paraformer.core.errors import DataError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING
from paraformer.data.references import references_of


def calibration_view(
    cube: Cube,
    space: ParameterSpace,
    prior: Float[np.ndarray, "cell parameter"],
    *,
    every_cell: bool = False,
    filled: Float[np.ndarray, "cell time"] | None = None,
    references: Sequence[str] = (),
) -> CalibrationData:
    """All that a calibrator may see of a cube: the training period, and as targets observations of trained cells.

    Args:
        prior: a-priori θ of the cube's cells, physical units, inside the bounds of ``space``.
        every_cell: take every cell as trained, for a search that fits each cell to its own observations.
        filled: gap-filled observations of the whole time axis [m3 m-3].
        references: variables of the cube that are learned from beside soil moisture.

    Raises:
        DataError: if the prior has the wrong shape or leaves its bounds, or an attribute or forcing is not finite.
    """
    prior = np.asarray(prior, dtype=np.float64)
    expected = (len(cube.cells), len(space))
    if prior.shape != expected:
        raise DataError(f"a-priori theta has shape {prior.shape}, expected [cell, parameter] = {expected}")
    space.require_inside(prior, cube.cells.tolist())
    days = np.flatnonzero(cube.period("train").mask(cube.time))
    view = Cube(cube.dataset.isel(time=slice(int(days[0]), int(days[-1]) + 1)))
    history, history_mask = view.observed()
    trained = np.ones(len(view.cells), dtype=bool) if every_cell else view.trained
    mask = history_mask & trained[:, None]
    attributes, forcing = view.attributes(), view.forcing()
    for what, values in (("attribute", attributes), ("forcing", forcing)):
        if not np.isfinite(values).all():
            at = np.argwhere(~np.isfinite(values))[0]
            name = (view.attribute_names if what == "attribute" else tuple(FORCING))[at[-1]]
            raise DataError(f"cube: {what} '{name}', cell {view.cells[at[0]]}: not finite in the training period")
    return CalibrationData(
        cells=view.cells,
        time=view.time,
        attributes=attributes,
        attribute_names=view.attribute_names,
        forcing=forcing,
        observed=np.where(mask, history, 0.0),
        mask=mask,
        trained=trained,
        prior=prior,
        first_day=int(days[0]),
        history=history,
        history_mask=history_mask,
        filled=None if filled is None else filled[:, int(days[0]) : int(days[-1]) + 1],
        latitude=view.lat,
        longitude=view.lon,
        references=references_of(view, references, trained),
    )


def learned_from(data: CalibrationData, cells: Bool[np.ndarray, " cell"]) -> CalibrationData:
    """The same data with fewer trained cells: the others are as unseen ones, whose observations are inputs alone."""
    references = {name: each._replace(known=each.known & cells[:, None]) for name, each in data.references.items()}
    mask = data.mask & cells[:, None]
    observed = np.where(mask, data.observed, 0.0)
    kept: dict[str, Any] = {"trained": data.trained & cells, "mask": mask, "observed": observed}
    if data.streamflow is not None:
        kept["streamflow"] = _learned_flow(data.streamflow, cells)
    return replace(data, references=references, **kept)


def _learned_flow(flow: GaugedFlow, cells: Bool[np.ndarray, " cell"]) -> GaugedFlow:
    """Flow at the gauges of basins all of whose cells are learned from."""
    may = np.zeros(len(flow.basins.gauge_names), dtype=bool)
    for gauges, own in zip(flow.basins.gauges, flow.basins.cells, strict=True):
        may[gauges] = cells[own].all()
    mask = flow.mask & may[:, None]
    return GaugedFlow(flow.basins, np.where(mask, flow.observed, 0.0), mask)


def describe_cube(cube: Cube) -> dict[str, Any]:
    """Facts about a cube for people: cells, periods, coverage and range of every variable."""
    dataset, trained = cube.dataset, cube.trained
    values, mask = cube.observed()
    facts: dict[str, Any] = {
        "title": str(dataset.attrs.get("title", "")),
        "input": f"{dataset.attrs.get('input_file', '')} {dataset.attrs.get('input_hash', '')}".strip(),
        "cells": {"all": len(trained), "trained": int(trained.sum()), "unseen": int((~trained).sum())},
        "time": f"{cube.time[0]}..{cube.time[-1]}",
        "latitude": [float(cube.lat.min()), float(cube.lat.max())],
        "longitude": [float(cube.lon.min()), float(cube.lon.max())],
        "steps_per_day": int(dataset.sizes.get("step", 1)),
        "observation": dataset.attrs["observation"],
    }
    for name in ("train", "test"):
        inside = cube.period(name).mask(cube.time)
        observed = mask[:, inside]
        facts[name] = {
            "period": str(cube.period(name)),
            "observed_share_trained": _share(observed[trained]),
            "observed_share_unseen": _share(observed[~trained]),
            "cells_without_observation": int((~observed.any(axis=1)).sum()),
        }
    ranges = {name: dataset[name].values for name in (*FORCING, *cube.attribute_names)}
    if mask.any():
        ranges[dataset.attrs["observation"]] = values[mask]
    facts["ranges"] = {
        name: {
            "min": float(v.min()),
            "mean": float(v.mean(dtype=np.float64)),
            "max": float(v.max()),
            "unit": str(dataset[name].attrs.get("units", "")),
        }
        for name, v in ranges.items()
        if v.size
    }
    estimated = estimated_forcing(cube)
    return facts | ({"estimated": estimated} if estimated else {})


def estimated_forcing(cube: Cube) -> dict[str, str]:
    """How each forcing was made that is marked as estimated."""
    marks = {name: cube.dataset[name].attrs for name in FORCING}
    return {name: str(a.get("method", "")) for name, a in marks.items() if a.get("origin") == "estimated"}


def _share(flags: np.ndarray) -> float:
    return round(float(flags.mean()), 4) if flags.size else 0.0
