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
        default="raw", description="observation operator of the CDFs and score maps"
    )
    scatter: Literal["cells", "cell_days"] = Field(
        default="cells", description="points of the soil moisture scatter: means of the test period, or every day"
    )
    sites: tuple[int | str, ...] = Field(
        default=(), description="cells of the site series; none takes the quartiles of the leading method's NSE"
    )
