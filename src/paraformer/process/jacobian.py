"""Central differences of a forward model's series with respect to θ, in unit coordinates, all cells at once.

Cells are independent and θ is short, so 2p runs beside the one in the middle give every cell its Jacobian.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import ModelError, SettingsError, nearest
from paraformer.core.parameters import ParameterSpace

STEP = 1e-4
"""Default step h, unit coordinates: where truncation and noise of VIC cross (decision record 0009)."""

LARGEST_STEP = 0.25
"""The one-sided formula reaches 2h from a bound and must stay inside the other."""


EVERY_DAY = slice(None)


class Linearisation(NamedTuple):
    """Series and their slopes at θ: name -> array. Slopes are per unit coordinate."""

    value: dict[str, Float[np.ndarray, "cell set day"]]
    slope: dict[str, Float[np.ndarray, "cell set day parameter"]]


class Stencil(NamedTuple):
    """Points beside u, and the weights that make a slope of the values there.

    Nodes 2i and 2i + 1 belong to parameter i; its slope is ``weight[0] f(u) + weight[1] f(2i) + weight[2] f(2i + 1)``.
    """

    nodes: Float[np.ndarray, "*point node parameter"]
    weight: Float[np.ndarray, "*point parameter 3"]


def stencil(u: Float[np.ndarray, "*point parameter"], steps: Float[np.ndarray, " parameter"]) -> Stencil:
    """Nodes of second-order differences that stay inside [0, 1].

    Inside, the central difference (f(u + h) - f(u - h)) / 2h, error h² f''' / 6; within h of a bound the one-sided
    ±(-3 f(u) + 4 f(u ± h) - f(u ± 2h)) / 2h, error h² f''' / 3 (Abramowitz & Stegun 1964, 25.3.4-5).

    Args:
        u: unit coordinates in [0, 1].
        steps: h of each parameter, at most ``LARGEST_STEP``.
    """
    size = u.shape[-1]
    side = np.where(u - steps < 0.0, 1.0, np.where(u + steps > 1.0, -1.0, 0.0))
    central = side == 0.0
    first = np.where(central, 1.0, side) * steps
    second = np.where(central, -1.0, 2.0 * side) * steps
    shift = np.stack([first, second], axis=-1)[..., None] * np.eye(size)[:, None, :]  # [point, parameter, 2, parameter]
    nodes = (u[..., None, None, :] + shift).reshape(*u.shape[:-1], 2 * size, size)
    weight = np.stack([-3.0 * side, np.where(central, 1.0, 4.0 * side), np.where(central, -1.0, -side)], axis=-1)
    return Stencil(nodes, weight / (2.0 * steps)[:, None])


def linearise(
    model: ForwardModel,
    u: Float[np.ndarray, "cell set parameter"],
    steps: Float[np.ndarray, " parameter"],
    outputs: Sequence[str],
    value: Mapping[str, Float[np.ndarray, "cell set day"]] | None = None,
    days: slice = EVERY_DAY,
) -> Linearisation:
    """Run every set of every cell and its nodes in one call of the model: 2p + 1 runs a set, 2p with ``value`` given.

    Args:
        u: unit coordinates in [0, 1].
        steps: h of each parameter.
        value: the outputs at ``u`` on those days, if they are known.
        days: days of the model's time axis to return.

    Raises:
        ModelError: if an output is not offered, or a slope is not finite, naming output, cell, parameter and day.
    """
    cells, sets, size = u.shape
    nodes, weight = stencil(u, steps)
    points = nodes if value is not None else np.concatenate([u[:, :, None], nodes], axis=2)
    theta = inside(model.parameters, points.reshape(cells, -1, size))
    found = model.simulate(theta, outputs)
    values, slopes = {}, {}
    for name in outputs:
        series = found[name][:, :, days].astype(np.float64).reshape(cells, sets, points.shape[2], -1)
        middle = series[:, :, 0] if value is None else np.asarray(value[name], dtype=np.float64)
        beside = series[:, :, -2 * size :].reshape(cells, sets, size, 2, -1)
        slope = weight[..., :1] * middle[:, :, None] + weight[..., 1:2] * beside[..., 0, :]
        slope += weight[..., 2:] * beside[..., 1, :]
        _require_finite(name, slope, model.parameters)
        values[name], slopes[name] = middle, np.moveaxis(slope, 2, 3)
    return Linearisation(values, slopes)


def inside(space: ParameterSpace, u: Float[np.ndarray, "*point parameter"]) -> Float[np.ndarray, "*point parameter"]:
    """Physical θ at unit coordinates, free of the rounding that would leave the bounds."""
    return space.clip(space.from_unit(u))


def steps_of(space: ParameterSpace, step: float | Mapping[str, float]) -> Float[np.ndarray, " parameter"]:
    """Step h of each parameter from one number, or from numbers by name (``STEP`` where a name is left out).

    Raises:
        SettingsError: unknown parameter, or a step that is not in (0, ``LARGEST_STEP``].
    """
    by_name = step if isinstance(step, Mapping) else dict.fromkeys(space.names, step)
    for name, h in by_name.items():
        if name not in space.names:
            raise SettingsError(f"gradient step: unknown parameter '{name}'{nearest(name, space.names)}")
        if not 0.0 < h <= LARGEST_STEP:
            raise SettingsError(f"gradient step of '{name}' is {h:g}; it must be above 0 and at most {LARGEST_STEP}")
    return np.array([by_name.get(name, STEP) for name in space.names])


def _require_finite(name: str, slope: np.ndarray, space: ParameterSpace) -> None:
    if not np.isfinite(slope).all():
        cell, member, parameter, day = (int(i) for i in np.argwhere(~np.isfinite(slope))[0])
        raise ModelError(
            f"gradient of '{name}' to '{space.names[parameter]}' is not finite: cell at position {cell}, set {member}, "
            f"day {day}"
        )
