"""Yearly forcing files of VIC-5's image driver: cells found by place, the time axis proved, values proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from paraformer.core.errors import DataError
from paraformer.core.proof import Place, Proof, place_of
from paraformer.core.time import day_of_year, decode_times, month_of, require_steps
from paraformer.core.units import canonical
from paraformer.core.vic_variables import VIC_FORCING
from paraformer.process.vic.constants import SVP_A, SVP_B, SVP_C
from paraformer.process.vic.datasets import Dataset, open_dataset, read_variable, require_variable
from paraformer.process.vic.domain import Domain, GridNames, Located, locate
from paraformer.process.vic.forcing import Forcing

FORCING_NAMES: dict[str, str] = {
    "prcp": "prcp",
    "tair": "tas",
    "swdown": "dswrf",
    "lwdown": "dlwrf",
    "wind": "wind",
    "vp": "vp",
    "pres": "pres",
}
"""Variable names in forcing files, as in the VIC sample data; a study may give others."""

_PRESSURES, _ENERGIES = {"Pa", "hPa", "mbar", "mb", "bar"}, {"J m-2", "kJ m-2", "MJ m-2", "kW m-2", "kWh m-2"}
_OTHER_UNITS = {
    "prcp": {"m", "m s-1", "mm s-1", "kg m-2 s-1", "m day-1", "cm", "inch"},
    "tair": {"K", "deg K", "degF", "F"},
    "swdown": _ENERGIES,
    "lwdown": _ENERGIES,
    "wind": {"km h-1", "knot", "knots", "cm s-1"},
    "vp": _PRESSURES,
    "pres": _PRESSURES,
}
_RATES = {"mm day-1": 1, "mm h-1": 24}
"""Steps a day for which a rate is the sum of a step."""
_MOST_SATURATED, _SLIGHTLY_SATURATED = 3.0, 0.1  # times saturation, and kPa above that, which no weather has


def read_forcing(
    paths: Sequence[Path | str],
    domain: Domain,
    days: np.ndarray,
    steps_per_day: int,
    names: Mapping[str, str] = FORCING_NAMES,
) -> Forcing:
    """Forcing of the active cells on the given UTC days.

    Args:
        paths: files in time order, dims time, y, x; units as in VIC-5 (mm per step, degC, W m-2, kPa, m s-1).
        domain: active cells.
        days: consecutive days (datetime64[D]).
        steps_per_day: values a day.
        names: variable names in the files, for each field of ``Forcing``.

    Raises:
        DataError: as ``read_series``.
    """
    return as_forcing(read_series(paths, domain, days, steps_per_day, names), days)


def as_forcing(series: Mapping[str, Float[np.ndarray, "cell time"]], days: np.ndarray) -> Forcing:
    """``Forcing`` of the given days."""
    return Forcing(**series, month=month_of(days), day_of_year=day_of_year(days))


def read_series(
    paths: Sequence[Path | str],
    domain: Domain,
    days: np.ndarray,
    steps_per_day: int,
    names: Mapping[str, str],
    *,
    grid_names: GridNames = GridNames(),  # noqa: B008
    proof: Proof | None = None,
) -> dict[str, Float[np.ndarray, "cell time"]]:
    """As ``read_forcing``, for the variables in ``names`` only. Rows without an active cell are not read.

    Args:
        grid_names: names of the coordinates.
        proof: collects what is odd in a series that is read part by part; the caller finishes it.

    Raises:
        DataError: missing variable or cell; a time axis that is not UTC, of other steps, unsorted or with gaps; days
            the files do not hold; or a value no weather has: file, variable, cell, time, found and expected.
    """
    days, whole = days.astype("datetime64[D]"), proof or Proof("")
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    stamps: list[np.ndarray] = []
    for path in paths:
        whole.source = str(path)
        with open_dataset(path) as dataset:
            axis, located = _prove_axes(dataset, domain, steps_per_day, names, grid_names)
            inside = _inside(axis, days)
            if not inside.any():
                continue
            part = slice(int(inside.argmax()), int(inside.argmax() + inside.sum()))
            stamps.append(axis[part])
            read = {
                name: located.take(read_variable(dataset, variable, (part, located.rows)))
                for name, variable in names.items()
            }
        for name, values in _prove_values(read, names, axis[part], domain, whole).items():
            parts[name].append(values)
        if whole.refused or proof is None:
            whole.finish()
    _require_days(stamps, paths[0], days, steps_per_day)
    return {name: np.concatenate(values, axis=1) if len(values) > 1 else values[0] for name, values in parts.items()}


def require_series(
    path: Path | str,
    domain: Domain,
    days: np.ndarray,
    steps_per_day: int,
    names: Mapping[str, str],
    grid_names: GridNames = GridNames(),  # noqa: B008
) -> None:
    """Prove all of a file but its values, before a run that will read it days of work later.

    Raises:
        DataError: as ``read_series``.
    """
    with open_dataset(path) as dataset:
        axis, _ = _prove_axes(dataset, domain, steps_per_day, names, grid_names)
    _require_days([axis[_inside(axis, days)]], path, days, steps_per_day)


def _inside(axis: np.ndarray, days: np.ndarray) -> np.ndarray:
    return np.asarray((axis >= days[0]) & (axis < days[-1] + 1))


def _require_days(stamps: Sequence[np.ndarray], path: Path | str, days: np.ndarray, steps_per_day: int) -> None:
    """Raise unless the stamps are the steps of the days."""
    found = np.concatenate(stamps) if stamps else np.empty(0, dtype="datetime64[s]")
    expected = len(days) * steps_per_day
    if len(found) != expected:
        raise DataError(f"{path} ...: {len(found)} values from {days[0]} to {days[-1]}, expected {expected}")
    require_steps(found, steps_per_day, f"{path} ...")


def _prove_axes(
    dataset: Dataset, domain: Domain, steps_per_day: int, names: Mapping[str, str], grid_names: GridNames
) -> tuple[np.ndarray, Located]:
    """Time axis (datetime64[s]) and place of the cells; variables, dimensions and units are right."""
    time, path = require_variable(dataset, "time"), dataset.filepath()
    if time.ndim != 1:
        raise DataError(f"{path}: variable 'time' has dimensions {time.dimensions}, expected one")
    attributes = {name: time.getncattr(name) for name in time.ncattrs()}
    axis = require_steps(decode_times(time[:], attributes, source=path), steps_per_day, path)
    located = locate(dataset, domain, grid_names)
    expected, shape = (*time.dimensions, *located.dims), (len(axis), *located.shape)
    for name, variable in names.items():
        found = require_variable(dataset, variable)
        turned = set(found.dimensions) == set(expected) and found.dimensions != expected
        if turned or found.shape != shape:
            raise DataError(
                f"{path}: '{variable}' has dimensions {found.dimensions} of {found.shape}, expected {expected} of "
                f"{shape}"
            )
        _require_unit(path, variable, str(getattr(found, "units", "")), name, steps_per_day)
    return axis, located


def _require_unit(path: str, variable: str, unit: str, name: str, steps_per_day: int) -> None:
    """Refuse a unit that is known to be another; VIC's files spell the right ones in many ways, or not at all."""
    rate = name == "prcp" and canonical(unit) in _RATES and _RATES[canonical(unit)] != steps_per_day
    if rate or canonical(unit) in _OTHER_UNITS[name]:
        expected = f"mm per step of {steps_per_day} a day" if name == "prcp" else VIC_FORCING[name].unit
        raise DataError(f"{path}: '{variable}' has units '{unit}', expected {expected}")


def _prove_values(
    read: dict[str, np.ndarray], names: Mapping[str, str], stamps: np.ndarray, domain: Domain, proof: Proof
) -> dict[str, np.ndarray]:
    place, cells = place_of(domain.words, lambda step: str(stamps[step])), np.flatnonzero(domain.mask)
    found = {
        name: proof.values(VIC_FORCING[name], values, place, name=names[name], rows=cells)
        for name, values in read.items()
    }
    if {"tair", "vp"} <= set(found) and not proof.refused:
        _prove_vapour(found["tair"], found["vp"], names["vp"], place, proof)
    return found


def _prove_vapour(tair: np.ndarray, vp: np.ndarray, name: str, place: Place, proof: Proof) -> None:
    """Vapour pressure [kPa] against that of saturation; the model takes what is above it for saturated air."""
    most = SVP_A * np.exp(SVP_B * tair / (SVP_C + tair))
    proof.require(
        vp <= _MOST_SATURATED * most + _SLIGHTLY_SATURATED,
        lambda i: (
            f"{name} at {place(i)}: found {vp[i]:g} kPa, expected at most the {most[i]:.3g} kPa of saturation at "
            f"{tair[i]:g} degC; hPa or Pa?"
        ),
    )
