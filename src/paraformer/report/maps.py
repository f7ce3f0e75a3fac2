"""Maps of parameters, of what learning changed in them, of how far they are known, and of scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from paraformer.core.errors import DataError
from paraformer.core.parameters import Parameter, ParameterSpace
from paraformer.report.figures import METRIC_LABELS
from paraformer.report.map_panels import Scale, draw_fields
from paraformer.report.rectangles import Cells
from paraformer.report.units import typeset


def parameter_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]], cells: Cells, parameter: Parameter, *, shared: bool = True
) -> Figure:
    """One parameter as each method found it, colours logarithmic where the parameter is (Figures 5 and 6 of the paper).

    Args:
        fields: method -> physical values [cell].
        cells: positions.
        parameter: its name, unit, transform and meaning label the figure.
        shared: one colour scale for all methods shows who finds more; a scale each shows the pattern of each.
    """
    title = f"{parameter.name}: {parameter.meaning}" if parameter.meaning else parameter.name
    if shared:
        return draw_fields(fields, cells, _parameter_scale(_finite(fields), parameter), title)
    return draw_fields(fields, cells, [_parameter_scale(_finite({n: v}), parameter) for n, v in fields.items()], title)


def residual_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]],
    prior: Float[np.ndarray, " cell"],
    cells: Cells,
    parameter: Parameter,
) -> Figure:
    """Each method's parameter less the a-priori one, both signs (the paper's Figure 7 is ``raised_maps``).

    Logarithmic parameters are compared by their ratio, as a decimal logarithm: +1 is ten times the a-priori value.
    """
    label = f"{parameter.name} less a priori [{typeset(parameter.unit)}]"
    residuals = {name: values - prior for name, values in fields.items()}
    if parameter.transform == "log":
        label = f"log₁₀({parameter.name} / a priori)"
        residuals = {name: np.log10(values / prior) for name, values in fields.items()}
    high, beyond = _reach(residuals)
    scale = Scale(Normalize(-high, high), "PuOr_r", label, "both" if beyond else "neither")
    return draw_fields(residuals, cells, scale, f"{parameter.name}: what learning changed")


def raised_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]],
    prior: Float[np.ndarray, " cell"],
    cells: Cells,
    parameter: Parameter,
) -> Figure:
    """Each method's parameter less the a-priori one where that is 0 or more (Figure 7 of the paper).

    In the parameter's own unit, also of logarithmic ones.
    """
    residuals = {name: values - prior for name, values in fields.items()}
    shown = {name: np.where(residual >= 0, residual, np.nan) for name, residual in residuals.items()}
    high, beyond = _reach(shown)
    label = f"{parameter.name} less a priori [{typeset(parameter.unit)}]"
    scale = Scale(Normalize(0, high), "YlOrRd", label, "max" if beyond else "neither")
    title = f"{parameter.name} less its a-priori value, where that is 0 or more"
    return draw_fields(shown, cells, scale, title, absent="less than a priori")


def spread_maps(
    theta: Float[np.ndarray, "seed cell parameter"], cells: Cells, space: ParameterSpace, *, method: str
) -> Figure:
    """Standard deviation over seeds of each parameter in each cell: where it is wide, the data do not identify θ.

    In unit coordinates, in which a random θ would have 0.29, the end of the colour scale.

    Raises:
        DataError: if there are fewer than two seeds.
    """
    if len(theta) < 2:
        raise DataError(f"no spread to draw: {method} has one seed")
    spread = space.to_unit(theta).std(axis=0, ddof=1)
    scale = Scale(Normalize(0, 12**-0.5), "magma_r", "standard deviation [share of range]", "max")
    fields = {name: spread[:, i] for i, name in enumerate(space.names)}
    return draw_fields(fields, cells, scale, f"Spread of {method} over {len(theta)} seeds")


def gain_maps(gain: Float[np.ndarray, "cell parameter"], cells: Cells, space: ParameterSpace, *, method: str) -> Figure:
    """Share of each parameter's prior variance that the observations of a cell take away: 0 says they do not see it.

    NaN is drawn as such: a cell whose posterior is not to be trusted would show a gain near 1 of everything.
    """
    scale = Scale(Normalize(0, 1), "viridis", "1 - posterior / prior variance", "min")
    fields = {name: gain[:, i] for i, name in enumerate(space.names)}
    return draw_fields(fields, cells, scale, f"What soil moisture says of each parameter, around {method}")


def score_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]], cells: Cells, metric: str, *, title: str = ""
) -> Figure:
    """One metric of each cell per method, on one colour scale; NaN is an unscored cell and drawn as such.

    Errors (RMSE, ubRMSE) run from 0 to their 98th percentile, bias symmetrically about 0, PCC from 0 and NSE and KGE
    from -1 to 1; colour bars show with an arrow that values lie outside.
    """
    high, _ = _reach(fields)
    scales = {
        "pcc": Scale(Normalize(0, 1), "viridis", METRIC_LABELS["pcc"], "min"),
        "nse": Scale(Normalize(-1, 1), "viridis", METRIC_LABELS["nse"], "min"),
        "kge": Scale(Normalize(-1, 1), "viridis", METRIC_LABELS["kge"], "min"),
        "bias": Scale(Normalize(-high, high), "RdBu", METRIC_LABELS["bias"], "both"),
    }
    scale = scales.get(metric) or Scale(Normalize(0, high), "cividis_r", METRIC_LABELS[metric], "max")
    return draw_fields(fields, cells, scale, title or f"{METRIC_LABELS[metric].split(' [')[0]} of each cell")


def difference_maps(
    fields: Mapping[str, Float[np.ndarray, " cell"]],
    reference: Float[np.ndarray, " cell"],
    cells: Cells,
    metric: str,
    *,
    reference_name: str,
) -> Figure:
    """Each method's metric less the reference's; blue is better than the reference, whatever the metric's direction."""
    differences = {name: values - reference for name, values in fields.items()}
    high, _ = _reach(differences)
    colours = "RdBu_r" if metric in ("rmse", "ubrmse") else "RdBu"
    label = METRIC_LABELS[metric]
    scale = Scale(Normalize(-high, high), colours, f"Δ {label}", "both")
    better = "blue is better" if metric != "bias" else "blue is wetter"
    return draw_fields(differences, cells, scale, f"{label.split(' [')[0]} less that of {reference_name} ({better})")


def _parameter_scale(values: np.ndarray, parameter: Parameter) -> Scale:
    """From the least to the greatest value; over the bounds where all are the same."""
    low, high = (float(values.min()), float(values.max())) if values.size else parameter.physical_bounds
    if high <= low * (1 + 1e-9):
        low, high = parameter.physical_bounds
    norm = LogNorm(low, high) if parameter.transform == "log" else Normalize(low, high)
    return Scale(norm, "viridis", f"{parameter.name} [{typeset(parameter.unit)}]", "neither")


def _reach(fields: Mapping[str, np.ndarray]) -> tuple[float, bool]:
    """The 98th percentile of absolute values, 1 where it is 0, for an end of a colour scale; whether any lie beyond."""
    values = np.abs(_finite(fields))
    high = float(np.percentile(values, 98)) if values.size else 1.0
    return high or 1.0, bool(values.size and values.max() > high)


def _finite(fields: Mapping[str, np.ndarray]) -> np.ndarray:
    values = np.concatenate([np.asarray(v, dtype=float).ravel() for v in fields.values()]) if fields else np.empty(0)
    return values[np.isfinite(values)]
