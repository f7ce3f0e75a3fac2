"""Velocity of reaches by a power law of the area they drain, v = velocity (A / A_ref)^exponent.

Down a river velocity grows with discharge, and so with area, by a small power (Leopold & Maddock 1953, USGS
Professional Paper 252, exponent m = 0.1 downstream).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from paraformer.core.physics import M2_PER_KM2
from paraformer.routing.network import Network

if TYPE_CHECKING:  # routing alone needs no torch, which takes seconds to load
    from torch import Tensor

REFERENCE_AREA = 1000.0 * M2_PER_KM2
"""A_ref [m2], the same for every river: a law then means the same in each basin, whatever gauges it has, and a map can
carry it to one without a gauge. With a basin's own area a gauge farther down would give the same river other numbers.
1000 km2 lies in the middle of gauged basins, so that velocity and exponent of one are less alike than with 1 km2."""


def relative_area(network: Network) -> Float[np.ndarray, " cell"]:
    """A / A_ref of each cell [1]; 1 where no water comes from, so that a reach of no area has a velocity."""
    area = network.drained_area
    return np.where(area > 0.0, area, REFERENCE_AREA) / REFERENCE_AREA


def reach_velocity(network: Network, velocity: float | None, exponent: float | None) -> Float[np.ndarray, " cell"]:
    """Velocity of the flood wave in each cell's reach [m s-1].

    Args:
        velocity: at A_ref [m s-1]; ``None`` takes the network's own of each cell.
        exponent: of A / A_ref; ``None`` or 0 is one velocity.
    """
    base = network.velocity if velocity is None else np.full(network.n_cell, velocity)
    return base if exponent is None else base * relative_area(network) ** exponent


def reach_velocity_of(network: Network, velocity: Tensor | None, exponent: Tensor | None) -> Tensor | None:
    """``reach_velocity`` in torch, with gradients to both; ``None`` where neither is given.

    Args:
        velocity, exponent: one number each.
    """
    import torch

    if exponent is None:
        return None if velocity is None else velocity.expand(network.n_cell)
    base = torch.from_numpy(network.velocity).to(exponent) if velocity is None else velocity
    return base * torch.from_numpy(relative_area(network)).to(exponent) ** exponent
