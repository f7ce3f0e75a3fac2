"""Figures of a run for a notebook or script: a map of a parameter or score, and the series of a cell."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from paraformer.core.cell_scores import chosen
from paraformer.core.errors import DataError, nearest
from paraformer.core.results import Results
from paraformer.numerics.observe import Line, observe
from paraformer.report.figures import METRIC_LABELS
from paraformer.report.maps import parameter_maps, score_maps
from paraformer.report.rectangles import Cells
from paraformer.report.series import Site, climate_of, shown_methods, site_positions, site_series


class Plots:
    """Figures of a run (matplotlib): a notebook shows them, ``savefig`` writes them.

    Args:
        results: of a judged run.
    """

    def __init__(self, results: Results) -> None:
        self.results = results

    def map(self, name: str, methods: Sequence[str] | None = None) -> Figure:
        """A parameter as each method found it beside the a-priori one, or a score of the test period in each cell.

        Args:
            name: of a parameter (mean over seeds in unit coordinates), or of a metric (mean over seeds).
            methods: those shown; ``None`` shows all.

        Raises:
            DataError: if there is no such parameter or metric, or no such method.
        """
        results, space = self.results, self.results.space
        if name in space.names:
            at = space.names.index(name)
            found = {method: space.mean(theta)[:, at] for method, theta in results.theta_fields().items()}
            fields = {"a priori": results.prior[:, at]} | _some(found, methods)
            return _shown(parameter_maps(fields, self._where, space.parameters[at]))
        if name in METRIC_LABELS:
            return _shown(score_maps(_some(results.score_fields(name, results.operator), methods), self._where, name))
        raise DataError(f"no parameter or metric '{name}'{nearest(name, (*space.names, *METRIC_LABELS))}")

    def series(self, cell: int | str, methods: Sequence[str] | None = None) -> Figure:
        """Soil moisture of one cell in the test period: observed, and simulated with θ of each method [m3 m-3].

        Args:
            cell: its identifier.
            methods: those shown; ``None`` shows default VIC, those of the paper's Figure 8 and the recommended one.

        Raises:
            SettingsError: if there is no such cell.
            DataError: if there is no such method.
        """
        cube = self.results.cube
        (at,) = site_positions((cell,), cube.cells)
        names = [name for name, _ in self._rows()]
        for method in methods or ():
            _require(method, names)
        first = self.results.recommended.method
        wanted = shown_methods(names, [first] if first else []) if methods is None else methods
        days = cube.period("test").mask(cube.time)
        observed = cube.dataset[cube.dataset.attrs["observation"]][at].values.astype(np.float64)[days]
        mask = np.isfinite(observed)
        group = "trained" if cube.trained[at] else "unseen"
        title = f"cell {cell} ({cube.lat[at]:.2f}, {cube.lon[at]:.2f}), {group}"
        rain = cube.dataset["prcp"][at].values[days].astype(np.float64)
        simulated = {method: self._simulated(method, at)[:, days] for method in wanted}
        site = Site(title, at, np.where(mask, observed, 0.0), mask, rain, simulated)
        return _shown(site_series(cube.time[days], [site], climate_of(cube, self._where)))

    @property
    def _where(self) -> Cells:
        cube = self.results.cube
        return Cells(cube.lat, cube.lon, cube.trained)

    def _rows(self) -> list[tuple[str, np.ndarray]]:
        """Methods with series, in the order of the tables, and their rows."""
        of = self.results.series["method"].values
        return [(name, np.flatnonzero(of == name)) for name in self.results.names() if (of == name).any()]

    def _simulated(self, method: str, at: int) -> np.ndarray:
        """Soil moisture of every seed in one cell as the study's operator shows it [seed, time]."""
        results = self.results
        series = results.series["soil_moisture"].isel(row=dict(self._rows())[method], cell=at)
        lines = chosen(results.cell_scores[["gain", "offset"]], {"operator": results.operator})
        own = lines["method"].values == method
        fitted = (lines[name].values[own, 0, at, None] for name in ("gain", "offset"))
        return np.stack(
            [observe(s, Line(*line)) for s, *line in zip(series.values.astype(float), *fitted, strict=True)]
        )


def _some(found: dict[str, np.ndarray], methods: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Those of the named methods, in their order."""
    for method in methods or ():
        _require(method, found)
    return found if methods is None else {method: found[method] for method in methods}


def _require(method: str, there: Iterable[str]) -> None:
    if method not in there:
        raise DataError(f"no method '{method}' here{nearest(method, there)}")


def _shown(figure: Figure) -> Figure:
    """The figure, which a notebook shows without pyplot's machinery."""
    figure._repr_png_ = partial(_png, figure)  # type: ignore[attr-defined]
    return figure


def _png(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=100)
    return written.getvalue()
