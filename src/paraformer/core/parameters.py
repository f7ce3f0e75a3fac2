"""ParameterSpace: the parameters to learn, as data. Names, units, bounds, transforms, and the map to the unit cube.

Physical values θ [cell ... parameter] live in the process model, files and maps. Networks and searches work in *unit
coordinates* u, in which every parameter runs over [0, 1] on its own scale (linear, or logarithmic for parameters that
span decades): docs/method.md section 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator

from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.html import card
from paraformer.core.settings import Settings


class Parameter(Settings):
    """One parameter of a process model.

    ``scale`` divides the physical value before it is compared with the bounds: the paper's Table 1 states some bounds
    in scaled units (Li & Lu 2023, Table 1); 1 means physical units.
    """

    name: str = Field(description="of the parameter, as the process model calls it")
    lower: float = Field(description="lower bound, in units of scale")
    upper: float = Field(description="upper bound, in units of scale")
    unit: str = Field(default="1", description="physical unit")
    transform: Literal["linear", "log"] = Field(
        default="linear", description="scale on which it is searched: linear, or logarithmic for what spans decades"
    )
    scale: float = Field(default=1.0, gt=0, description="what bounds are multiplied by to be in the physical unit")
    meaning: str = Field(default="", description="what it is, for tables and figures")

    @field_validator("name")
    @classmethod
    def _name_is_that_of_a_variable(cls, value: str) -> str:
        if not value.isidentifier() or value in ("cell", "lat", "lon"):
            raise ValueError("expected letters, digits and _, as in names of variables, and no coordinate")
        return value

    @model_validator(mode="after")
    def _bounds_are_ordered(self) -> Parameter:
        if not self.lower < self.upper:
            raise ValueError(f"parameter '{self.name}': lower bound {self.lower} is not below upper bound {self.upper}")
        if self.transform == "log" and self.lower <= 0:
            raise ValueError(f"parameter '{self.name}': a log transform needs a lower bound above 0, got {self.lower}")
        low, high = self.physical_bounds
        span = high - low if self.transform == "linear" else high / low if low > 0 else math.inf
        if not (low < high and math.isfinite(span)):
            raise ValueError(f"parameter '{self.name}': bounds times scale, {low} to {high}, are too wide or too close")
        return self

    @property
    def physical_bounds(self) -> tuple[float, float]:
        """Bounds in physical units (``lower * scale``, ``upper * scale``)."""
        return self.lower * self.scale, self.upper * self.scale

    @property
    def attributes(self) -> dict[str, Any]:
        """What a file says of the variable that holds its values (CF)."""
        return {"units": self.unit, "long_name": self.meaning or self.name, "valid_range": list(self.physical_bounds)}

    def from_unit(self, u: Any) -> Any:
        """Map unit coordinates to physical values; works on any array type that has ``*``, ``+`` and ``**``."""
        low, high = self.physical_bounds
        if self.transform == "log":
            return low * (high / low) ** u
        return low + (high - low) * u

    def to_unit(self, value: Any) -> Any:
        """Map physical values [unit] to unit coordinates (NumPy)."""
        low, high = self.physical_bounds
        if self.transform == "log":
            return np.log(np.asarray(value) / low) / np.log(high / low)
        return (np.asarray(value) - low) / (high - low)


VIC_PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            name="infilt",
            lower=0.001,
            upper=0.9,
            transform="log",
            meaning="shape of the variable infiltration capacity curve",
        ),
        Parameter(
            name="ds",
            lower=0.0001,
            upper=1.0,
            transform="log",
            meaning="fraction of Dsmax at which non-linear baseflow begins",
        ),
        Parameter(
            name="dsmax",
            lower=0.1,
            upper=50.0,
            unit="mm day-1",
            transform="log",
            meaning="maximum velocity of baseflow",
        ),
        Parameter(
            name="ws",
            lower=0.1,
            upper=1.0,
            meaning="fraction of maximum soil moisture at which non-linear baseflow begins",
        ),
        Parameter(name="expt", lower=4.0, upper=30.0, meaning="exponent of the Brooks-Corey drainage of all layers"),
        Parameter(name="expt_1", lower=4.0, upper=30.0, meaning="exponent of the Brooks-Corey drainage of layer 1"),
        Parameter(name="depth_1", lower=0.03, upper=0.3, unit="m", transform="log", meaning="thickness of layer 1"),
        Parameter(
            name="ksat",
            lower=0.05,
            upper=20.0,
            transform="log",
            meaning="multiplier of the a-priori saturated hydraulic conductivity of all layers",
        ),
        Parameter(
            name="canopy_gap",
            lower=0.05,
            upper=2.0,
            transform="log",
            meaning="multiplier of the a-priori bare fraction between plants (1 - fcanopy)",
        ),
        Parameter(
            name="wcr",
            lower=0.2,
            upper=3.0,
            transform="log",
            meaning="multiplier of the a-priori moisture between wilting and critical point of all layers",
        ),
    )
}
"""Parameters a study may name without spelling out their bounds (docs/method.md section 2; bounds physical)."""

ROUTING_PARAMETERS: dict[str, Parameter] = {
    p.name: p
    for p in (
        Parameter(
            name="velocity", lower=0.1, upper=5.0, unit="m s-1", transform="log", meaning="velocity of the flood wave"
        ),
        Parameter(
            name="velocity_exponent",
            lower=-0.5,
            upper=0.5,
            meaning="exponent of upstream area over 1000 km2 in the velocity of the flood wave",
        ),
        Parameter(
            name="diffusivity",
            lower=20.0,
            upper=20000.0,
            unit="m2 s-1",
            transform="log",
            meaning="diffusivity of the flood wave",
        ),
        Parameter(
            name="runoff_delay",
            lower=1.0,
            upper=480.0,
            unit="h",
            transform="log",
            meaning="mean time of surface runoff on the hillslope",
        ),
        Parameter(
            name="runoff_shape",
            lower=0.5,
            upper=10.0,
            transform="log",
            meaning="shape of the gamma distribution of that time",
        ),
        Parameter(
            name="baseflow_delay",
            lower=1.0,
            upper=2400.0,
            unit="h",
            transform="log",
            meaning="mean time of baseflow on the hillslope",
        ),
        Parameter(
            name="baseflow_shape",
            lower=0.5,
            upper=10.0,
            transform="log",
            meaning="shape of the gamma distribution of that time",
        ),
    )
}
"""Parameters of routing that a study may name, one of each a basin (docs/streamflow.md). Where none of ``baseflow_...``
is named, the hillslope of surface runoff is that of baseflow too. ``velocity_exponent`` spreads ``velocity``, or that
of the network, over reaches: ``routing.reaches``."""

PAPER_SET = ("infilt", "ds", "dsmax", "ws", "expt")
"""The five parameters of the paper's Table 1."""


class ParameterSpace:
    """An ordered set of parameters with bounds and transforms.

    Args:
        parameters: the parameters, in the order of the last axis of every θ array.

    Raises:
        SettingsError: if a name occurs twice or the space is empty.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = tuple(parameters)
        if not self.parameters:
            raise SettingsError("parameters: the parameter space is empty")
        names = [p.name for p in self.parameters]
        for name in names:
            if names.count(name) > 1:
                raise SettingsError(f"parameters: '{name}' occurs twice")

    @classmethod
    def of(cls, *names: str) -> ParameterSpace:
        """Build a space from names in the catalogue ``VIC_PARAMETERS`` with their default bounds."""
        for name in names:
            if name not in VIC_PARAMETERS:
                raise SettingsError(f"parameters: unknown parameter '{name}'{nearest(name, VIC_PARAMETERS)}")
        return cls(VIC_PARAMETERS[name] for name in names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(p.name for p in self.parameters)

    @property
    def lower(self) -> Float[np.ndarray, " parameter"]:
        """Lower bounds, physical units."""
        return np.array([p.physical_bounds[0] for p in self.parameters])

    @property
    def upper(self) -> Float[np.ndarray, " parameter"]:
        """Upper bounds, physical units."""
        return np.array([p.physical_bounds[1] for p in self.parameters])

    def __len__(self) -> int:
        return len(self.parameters)

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ParameterSpace) and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.parameters)

    def __repr__(self) -> str:
        return f"ParameterSpace({', '.join(self.names)})"

    def _repr_html_(self) -> str:
        facts = {}
        for p in self:
            low, high = p.physical_bounds
            facts[p.name] = f"{low:g} to {high:g} {p.unit}, {p.transform}; {p.meaning or p.name}"
        return card(f"{len(self)} parameters", facts)

    def from_unit(self, u: Float[np.ndarray, "*n parameter"]) -> Float[np.ndarray, "*n parameter"]:
        """Unit coordinates -> physical values."""
        u = np.asarray(u, dtype=np.float64)
        return np.stack([p.from_unit(u[..., i]) for i, p in enumerate(self.parameters)], axis=-1)

    def to_unit(self, theta: Float[np.ndarray, "*n parameter"]) -> Float[np.ndarray, "*n parameter"]:
        """Physical values -> unit coordinates; values outside the bounds give coordinates outside [0, 1]."""
        theta = np.asarray(theta, dtype=np.float64)
        return np.stack([p.to_unit(theta[..., i]) for i, p in enumerate(self.parameters)], axis=-1)

    def mean(self, theta: Float[np.ndarray, "one *n parameter"]) -> Float[np.ndarray, "*n parameter"]:
        """Mean over the first axis in unit coordinates, physical values inside the bounds: one θ of several."""
        return self.clip(self.from_unit(np.clip(self.to_unit(theta).mean(axis=0), 0.0, 1.0)))

    def clip(self, theta: Float[np.ndarray, "*n parameter"]) -> Float[np.ndarray, "*n parameter"]:
        """Clamp physical values to the bounds."""
        return np.clip(theta, self.lower, self.upper)

    def require_inside(self, theta: Float[np.ndarray, "*n parameter"], cells: Sequence[Any] | None = None) -> None:
        """Raise unless every θ lies inside its bounds.

        Raises:
            DataError: naming the first parameter, cell and value outside, or the first NaN.
        """
        theta = np.asarray(theta)
        if theta.shape[-1] != len(self):
            raise DataError(f"theta has {theta.shape[-1]} parameters on its last axis; {self!r} has {len(self)}")
        slack = 1e-9 * (self.upper - self.lower)
        bad = ~((theta >= self.lower - slack) & (theta <= self.upper + slack))
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            parameter = self.parameters[where[-1]]
            low, high = parameter.physical_bounds
            index = where[0] if len(where) > 1 else 0
            cell = cells[index] if cells is not None else index
            raise DataError(
                f"theta out of bounds: parameter '{parameter.name}', cell {cell}: "
                f"found {theta[where]:g}, expected {low:g} to {high:g} [{parameter.unit}]"
            )
