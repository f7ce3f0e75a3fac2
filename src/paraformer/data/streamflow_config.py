"""Settings of streamflow: where observed flow and river are, which days count, which times of travel are learned."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from paraformer.core.errors import nearest
from paraformer.core.parameters import ROUTING_PARAMETERS, Parameter, ParameterSpace
from paraformer.core.settings import Distinct, Settings

GAUGE = "{gauge}"
"""Stands for the name of the gauge in the name of a file of one gauge."""

CHANNEL = ("velocity", "velocity_exponent", "diffusivity")

_SIGNED = ("velocity_exponent",)
"""Parameters of routing that may be 0 or below."""


class StreamflowConfig(Settings):
    """Daily flow at gauges, and the river that carries the cells' runoff to them.

    The built-in world has a river of its own. Else without a ``network`` each cell is a basin with a gauge of its own:
    its area is the variable ``area_km2`` of the input file, its name the variable ``gauge_id`` if there is one, and
    there is no channel.
    """

    network: Path | None = Field(
        default=None, description="river network with gauges ('paraformer network make'); none: each cell is a basin"
    )
    observed: Path | None = Field(
        default=None,
        description="netCDF file of all gauges, or of each gauge a file with {gauge} in its name (USGS, GRDC, Caravan, "
        "CAMELS, CSV); none: a variable of data.path, each cell a basin",
    )
    variable: str | None = Field(
        default=None, description="variable of flow in a netCDF file; none takes the one with a known name"
    )
    drop: Annotated[tuple[str, ...], Distinct] = Field(
        default=(), description="quality marks of the source whose days do not count, such as 'P' or 'A:e' of USGS"
    )
    warm_up: int = Field(default=365, ge=0, description="first days of the data that do not count, at every gauge")
    routing: tuple[Parameter, ...] | None = Field(
        default=None,
        description="parameters of routing that are learned with θ, one of each a basin; none: velocity, of basins of "
        "one cell runoff_delay and runoff_shape; an empty list learns none",
    )

    @field_validator("routing", mode="before")
    @classmethod
    def _names_stand_for_the_catalogue(cls, value: Any) -> Any:
        if not isinstance(value, list | tuple):
            return value
        found = []
        for entry in value:
            name = entry if isinstance(entry, str) else entry.get("name") if isinstance(entry, dict) else entry.name
            if name not in ROUTING_PARAMETERS:
                raise ValueError(f"unknown parameter '{name}'{nearest(str(name), ROUTING_PARAMETERS)}")
            found.append(ROUTING_PARAMETERS[name] if isinstance(entry, str) else entry)
        return found

    @model_validator(mode="after")
    def _parameters_have_an_effect(self) -> StreamflowConfig:
        names = [parameter.name for parameter in self.routing or ()]
        channel = set(CHANNEL) & set(names)
        if len(set(names)) < len(names):
            raise ValueError("routing: a parameter occurs twice")
        for parameter in self.routing or ():
            if parameter.name not in _SIGNED and not parameter.physical_bounds[0] > 0:
                raise ValueError(f"routing: the lower bound of '{parameter.name}' must be above 0")
        for kind in ("runoff", "baseflow"):
            if f"{kind}_shape" in names and f"{kind}_delay" not in names and self.network is None and not channel:
                raise ValueError(f"routing: '{kind}_shape' has no effect without '{kind}_delay'")
        return self

    @model_validator(mode="after")
    def _flow_is_somewhere(self) -> StreamflowConfig:
        if self.network is not None and self.observed is None:
            raise ValueError("'observed' is missing: daily flow at the gauges of the network")
        return self

    def require_channel(self) -> None:
        """Raise ValueError if a parameter of channels is learned where basins of one cell have none."""
        channel = [parameter.name for parameter in self.routing or () if parameter.name in CHANNEL]
        if channel and self.network is None:
            raise ValueError(f"streamflow.routing: '{channel[0]}' has no effect without a network: basins of one cell")

    @property
    def learned(self) -> tuple[Parameter, ...]:
        """The parameters of routing that searches and learners find."""
        if self.routing is not None:
            return self.routing
        names = ("runoff_delay", "runoff_shape") if self.network is None else ("velocity",)
        return tuple(ROUTING_PARAMETERS[name] for name in names)

    @property
    def space(self) -> ParameterSpace | None:
        """The same as a space; ``None`` where none is learned."""
        return ParameterSpace(self.learned) if self.learned else None
