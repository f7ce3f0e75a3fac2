"""Settings of the report room."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from paraformer.core.settings import Distinct, Settings


class ReportConfig(Settings):
    """How results are shown."""

    formats: Annotated[tuple[Literal["png", "pdf"], ...], Distinct] = Field(
        default=("png", "pdf"), min_length=1, description="file formats of figures"
    )
    dpi: int = Field(default=150, ge=50, le=600, description="resolution of PNG figures")
    operator: Literal["raw", "global_linear", "cell_moments", "cell_lstsq"] = Field(
        default="raw", description="observation operator of Table 2, of the CDFs, scatter and score maps"
    )
    scatter: Literal["cells", "cell_days"] = Field(
        default="cells", description="points of the soil moisture scatter: means of the test period, or every day"
    )
    sites: tuple[int | str, ...] = Field(
        default=(), description="cells of the site series; none takes the quartiles of the leading method's NSE"
    )
