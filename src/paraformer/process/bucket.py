"""A toy land model with a closed-form solution: one linear reservoir per cell.

It shows all that a process model must offer (``core.contracts``), with gradients, and serves as the truth in tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from jaxtyping import Float

from paraformer.core.contracts import DifferentiableModel
from paraformer.core.errors import DataError, ModelError, SettingsError, nearest
from paraformer.core.parameters import Parameter, ParameterSpace

BUCKET_PARAMETERS = ParameterSpace(
    (
        Parameter(
            name="residence",
            lower=1.0,
            upper=60.0,
            unit="day",
            transform="log",
            meaning="mean residence time of water in the bucket",
        ),
        Parameter(name="depth", lower=50.0, upper=500.0, unit="mm", transform="log", meaning="depth of the bucket"),
        Parameter(name="residual", lower=0.02, upper=0.2, unit="m3 m-3", meaning="moisture of the drained soil"),
    )
)
"""All three act on soil moisture in their own way, so that a twin experiment can find each of them."""


def require_bucket(parameters: ParameterSpace) -> None:
    """Raise SettingsError unless these are the bucket's parameters, with bounds that it can run with."""
    if parameters.names != BUCKET_PARAMETERS.names:
        wanted, found = ", ".join(BUCKET_PARAMETERS.names), ", ".join(parameters.names)
        raise SettingsError(f"parameters: the bucket has {wanted}, in this order; found {found}")
    for parameter in parameters:
        low, high = parameter.physical_bounds
        if low < 0 or (low == 0 and parameter.name != "residual") or (high > 1 and parameter.name == "residual"):
            expected = "0 to 1" if parameter.name == "residual" else "above 0"
            raise SettingsError(f"parameters: '{parameter.name}': found {low:g} to {high:g}, expected {expected}")


class Bucket(DifferentiableModel):
    """A linear reservoir of storage S [mm] under precipitation P [mm day-1], constant within each day.

    dS/dt = P - S/τ has the exact solution over one day Δt (Nash 1957, the linear reservoir)

        S(t + Δt) = S(t) e^(-Δt/τ) + P τ (1 - e^(-Δt/τ)),

    and moisture is ``residual + S / depth`` at the end of the day. Outflow is ``P - ΔS/Δt``, so the balance closes to
    rounding. The run starts from the steady state of the mean precipitation, S(0) = mean(P) τ. Storage has no upper
    limit: with one there would be no closed form.

    Args:
        precipitation: daily precipitation [mm day-1] [cell, time].
        time: UTC days (datetime64[D]) [time].
        prior: a-priori parameters, physical units [cell, parameter]; ``None`` takes the middle of every range.
        parameters: the same three with other bounds.

    Raises:
        SettingsError: if there are other parameters.
        DataError: if precipitation is negative or not finite, or a shape does not fit.
    """

    parameters: ParameterSpace = BUCKET_PARAMETERS
    outputs: tuple[str, ...] = ("soil_moisture", "baseflow")
    differentiable = True

    def __init__(
        self,
        precipitation: Float[np.ndarray, "cell time"],
        time: np.ndarray,
        prior: Float[np.ndarray, "cell parameter"] | None = None,
        parameters: ParameterSpace = BUCKET_PARAMETERS,
    ) -> None:
        require_bucket(parameters)
        self.parameters = parameters
        if precipitation.shape[1] != time.size:
            raise DataError(f"bucket: precipitation has {precipitation.shape[1]} days, the time axis {time.size}")
        if not (np.isfinite(precipitation) & (precipitation >= 0)).all():
            raise DataError("bucket: precipitation must be finite and not negative")
        middle = self.parameters.from_unit(np.full((len(precipitation), len(self.parameters)), 0.5))
        self.precipitation = np.asarray(precipitation, dtype=np.float64)
        self.time = time
        self._prior = middle if prior is None else prior
        self.parameters.require_inside(self._prior)
        self.runs = 0

    @property
    def n_cells(self) -> int:
        return len(self.precipitation)

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori parameters, physical units."""
        return self._prior

    def select(self, cells: np.ndarray) -> Bucket:
        """The same model for a subset of its cells (integer positions)."""
        return Bucket(self.precipitation[cells], self.time, self._prior[cells], self.parameters)

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Run every set of every cell; ``None`` runs the a-priori parameters (one set).

        Raises:
            ModelError: if an output is not offered.
            DataError: if θ has the wrong shape or leaves its bounds.
        """
        for name in outputs:
            if name not in self.outputs:
                raise ModelError(f"bucket offers no output '{name}'{nearest(name, self.outputs)}")
        theta = self._prior[:, None] if theta is None else theta
        if len(theta) != self.n_cells:
            raise DataError(f"bucket: theta has {len(theta)} cells, expected {self.n_cells}")
        self.parameters.require_inside(theta)
        self.runs += theta.shape[0] * theta.shape[1]
        residence, depth, residual = (theta[..., i] for i in range(3))
        found = _series(self.precipitation[:, None], residence, depth, residual)
        return {name: found[name] for name in outputs}

    def respond(
        self, u: Any, cells: Any, start: int, length: int, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, Any]:
        """Differentiable series of a batch; the bucket runs from its first day, so the warm-up is exact.

        Args:
            u: unit coordinates, float Tensor [batch, parameter].
            cells: positions of the batch's cells, long Tensor [batch].
            start: first day of the window.
            length: number of days.
            outputs: of ``soil_moisture`` [m3 m-3] and ``baseflow`` [mm day-1], those that are wanted.

        Returns:
            name -> Tensor [batch, length].
        """
        xp = array_namespace(u)
        chosen = self.precipitation[np.asarray(cells), :]
        precipitation = xp.asarray(chosen, dtype=u.dtype, device=u.device)
        residence, depth, residual = (p.from_unit(u[:, i]) for i, p in enumerate(self.parameters))
        self.runs += len(chosen)
        found = _series(precipitation, residence, depth, residual, stop=start + length)
        return {name: found[name][:, start:] for name in outputs}


def _series(
    precipitation: Float[Any, "*run time"], residence: Any, depth: Any, residual: Any, stop: int | None = None
) -> dict[str, Any]:
    """Daily series [..., time] of runs whose parameters have the shape [...], up to day ``stop``."""
    xp = array_namespace(precipitation)
    keep = xp.exp(-1.0 / residence)
    storage = xp.mean(precipitation, axis=-1) * residence
    moisture, outflow = [], []
    for day in range(precipitation.shape[-1] if stop is None else stop):
        rain = precipitation[..., day]
        after = storage * keep + rain * residence * (1.0 - keep)
        moisture.append(residual + after / depth)
        outflow.append(rain - (after - storage))
        storage = after
    return {"soil_moisture": xp.stack(moisture, axis=-1), "baseflow": xp.stack(outflow, axis=-1)}
