"""Settings of the report room."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ReportConfig(BaseModel):
    """How results are shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    formats: tuple[Literal["png", "pdf"], ...] = Field(
        default=("png", "pdf"), min_length=1, description="file formats of figures"
    )
    dpi: int = Field(default=150, ge=50, le=600, description="resolution of PNG figures")
    operator: Literal["raw", "global_linear", "cell_moments", "cell_lstsq"] = Field(
        default="raw", description="observation operator of Table 2, of the CDFs, scatter and score maps"
    )
