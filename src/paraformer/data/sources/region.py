"""A box on the globe."""

from __future__ import annotations

from pydantic import Field, model_validator

from paraformer.core.settings import Settings


class Region(Settings):
    """A latitude-longitude box [degree]; a cell belongs to it if its centre does."""

    south: float = Field(ge=-90, le=90, description="southern end [degree]")
    north: float = Field(ge=-90, le=90, description="northern end [degree]")
    west: float = Field(ge=-180, le=180, description="western end [degree]")
    east: float = Field(ge=-180, le=180, description="eastern end [degree]")

    @model_validator(mode="after")
    def _is_a_box(self) -> Region:
        if self.south >= self.north:
            raise ValueError(f"south ({self.south:g}) must be below north ({self.north:g})")
        if self.west >= self.east:
            raise ValueError(f"west ({self.west:g}) must be below east ({self.east:g}); the date line is not crossed")
        return self
