"""Results: what a run leaves behind, as one object. Nothing else but ``core.run_files`` knows how it is laid out.

The stages ``verdict`` and ``scores`` write, this reads, and only what is asked for: pandas, xarray and the files are
loaded then. A *row* of the tables is one method and seed. Names of the files are in ``core.run_files``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float, Int

from paraformer import __version__
from paraformer.core.cell_scores import chosen, long_table, require_cell_scores
from paraformer.core.conventions import WRITTEN, axes, short
from paraformer.core.errors import DataError, RunError
from paraformer.core.method import Kind, Method, method_of
from paraformer.core.names import DEFAULT
from paraformer.core.recommended import Recommendation, best_kept_aside, least_error
from paraformer.core.run_files import (
    ANNUAL,
    AUDIT,
    CELLS,
    CHECKLIST,
    CROSS_VALIDATION,
    CUBE,
    DEFAULT_RUNS,
    DISCHARGE,
    ENSEMBLE,
    EVAPOTRANSPIRATION,
    GAP,
    MANIFEST,
    METHODS,
    PARAMS,
    PARETO,
    RECOVERY,
    RIVER,
    ROUNDS,
    RUNS,
    SCORES,
    SIGNATURES,
    STREAMFLOW,
    STREAMFLOW_KEPT,
    STUDY,
    SUMMARY,
    THETA,
    is_run,
    opened,
    read_csv,
    read_json_table,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from paraformer.core.parameters import ParameterSpace
    from paraformer.core.schema import Cube

TRUSTED_K = 0.7
"""Largest Pareto k at which weighted draws may be trusted (Vehtari et al. 2024, J. Mach. Learn. Res. 25(72))."""


class Results:
    """The results of one run.

    Args:
        directory: of the run.

    Raises:
        RunError: if it is not the directory of a run. What is asked for and is not there is a RunError, too.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        if not is_run(self.directory):
            raise RunError(f"{directory}: no manifest.json here; this is not the directory of a run")

    # -- what was run

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, input hashes, and cost of every stage."""
        path = self.directory / MANIFEST
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: not readable ({error})") from error

    @property
    def made_by(self) -> tuple[str, ...]:
        """Version and git revision of ParaFormer that made the stages, each once, in the order of the stages."""
        makers = [maker for stage in self.manifest.get("stages", {}).values() for maker in stage.get("made_by", ())]
        told = (f"{maker['version']}, {maker['git'] or 'installed package'}" for maker in makers)
        return tuple(dict.fromkeys(told))

    @property
    def study_file(self) -> Path:
        """The resolved study file."""
        return self.directory / STUDY

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The resolved study file as plain values: names, seeds, and how results are shown."""
        import yaml

        path = self.study_file
        try:
            return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise RunError(f"{path}: not readable ({error})") from error

    @property
    def name(self) -> str:
        """Of the study."""
        return str(self.settings["name"])

    @property
    def operator(self) -> str:
        """The observation operator that the study shows its scores under."""
        return str((self.settings.get("report") or {}).get("operator", "raw"))

    @property
    def cube_store(self) -> Path:
        """Where the cube is."""
        return self.folder("cube") / CUBE

    @cached_property
    def cube(self) -> Cube:
        """Forcing, observations and attributes of the cells."""
        from paraformer.core.schema import Cube

        return Cube.open(self.cube_store)

    def folder(self, stage: str) -> Path:
        """Folder of a stage."""
        return self.directory / stage

    def seed_folder(self, method: str, seed: int = 0) -> Path:
        """Folder of a seed of a search or learner: its θ, and of a learner its map."""
        return self.directory / "parameters" / method / f"seed-{seed}"

    def parameter_file(self, method: str, seed: int | None = None) -> Path:
        """File with θ of a search or learner: for VIC its parameter file, else θ alone.

        Args:
            seed: one of its seeds; ``None`` for the mean over all of them, in unit coordinates.
        """
        folder = self.seed_folder(method, seed or 0)
        if seed is None and (folder.parent / THETA).exists():  # not in runs that an earlier version has begun
            folder = folder.parent
        return folder / PARAMS if (folder / PARAMS).exists() else folder / THETA

    # -- methods

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Every method, in the order of the tables."""
        table = self._table(METHODS)
        try:
            return tuple(method_of(row) for row in table.to_dict("records"))
        except (KeyError, ValueError, TypeError) as error:
            raise RunError(f"{self.folder('scores') / METHODS}: not a table of methods ({error!r})") from error

    def names(self, *kinds: Kind) -> list[str]:
        """Names of the methods of some kinds, of all without any, in the order of the tables."""
        return [method.name for method in self.methods if not kinds or method.kind in kinds]

    @property
    def default(self) -> str:
        """Name of the row of the a-priori parameters."""
        return DEFAULT

    @cached_property
    def recommended(self) -> Recommendation:
        """Which method to take and why: by blocks of trained cells kept aside where the study compares learners so,
        else by the training period, never by the test period."""
        kept = self.cross_validation
        if kept is not None and len(kept):
            return best_kept_aside(kept)
        if not self.moisture:
            return Recommendation(None, "Recommended: none; methods of flow are compared at the gauges, in the table.")
        return least_error(self.training_rmse("learner", "history learner"), self.training_rmse("search"))

    def training_rmse(self, *kinds: Kind) -> dict[str, float]:
        """RMSE of the training period in trained cells with the study's operator [m3 m-3], of methods of some kinds
        that were scored."""
        table = self.summary
        wanted = (table["cells"] == "trained") & (table["period"] == "train") & (table["metric"] == "rmse")
        means = table[wanted & (table["operator"] == self.operator)].set_index("method")["mean"]
        return {name: float(means[name]) for name in self.names(*kinds) if np.isfinite(means.get(name, np.nan))}

    # -- scores

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Statistics of soil moisture's scores over cells, a line a seed, ``core.schema.SCORE_COLUMNS``."""
        return self._table(SCORES)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """The same over seeds: ``method, operator, cells, period, metric, mean, std, min, max, median, seeds, ...``."""
        return self._table(SUMMARY)

    @cached_property
    def cell_scores(self) -> xr.Dataset:
        """Scores of every cell, read when computed with.

        As ``core.cell_scores``, with ``gain`` and ``offset (row, operator, cell)`` of the line that the operator
        fitted; ``seed`` is -1 where a method has none. Attributes: ``min_days`` a cell needs to be scored;
        ``surrogate``, the folder of the one that was judged; ``left_out``, why there is no evapotranspiration.
        """
        path = self._scored(CELLS)
        found = opened(path)
        require_cell_scores(found, str(path))
        return found

    def cell_table(
        self,
        *,
        operator: str | Sequence[str] | None = None,
        period: str | None = None,
        metric: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Scores of every cell as a long table, ``core.schema.CELL_COLUMNS``, rows in the order of the tables.

        Args:
            operator, period, metric: the one or those that are wanted; all without. One that was not scored has no
                line.
        """
        wanted = {"operator": operator, "period": period, "metric": metric}
        return long_table(chosen(self.cell_scores, wanted))

    def score_fields(self, metric: str, operator: str, period: str = "test") -> dict[str, Float[np.ndarray, " cell"]]:
        """Method -> score of each cell, mean over seeds, NaN where one is not scored; methods with any score."""
        part = chosen(self.cell_scores, {"operator": operator, "period": period, "metric": metric})
        if not part["score"].size:
            raise DataError(f"{self.directory}: no score '{metric}' with operator '{operator}' in the {period} period")
        values, of = part["score"].values[:, 0, 0, 0], part["method"].values
        means = {name: values[of == name].mean(axis=0) for name in self.names()}
        return {name: mean for name, mean in means.items() if np.isfinite(mean).any()}

    @cached_property
    def surrogate_gap(self) -> pd.DataFrame:
        """Scores of the same θ by the process model and by the surrogate, a line a seed."""
        return self._table(GAP)

    @cached_property
    def checklist(self) -> pd.DataFrame:
        """What a careful reader looks at before believing a score: ``check, method, subject, ..., passed, message``."""
        return self._table(CHECKLIST)

    @cached_property
    def evapotranspiration(self) -> pd.DataFrame | None:
        """Scores of annual evapotranspiration over cells; ``None`` where none was judged."""
        return self._optional(EVAPOTRANSPIRATION)

    @cached_property
    def annual_evapotranspiration(self) -> xr.Dataset | None:
        """Annual totals ``total (row, cell)`` [mm year-1], ``kind, method, seed`` of a row; ``None`` without any."""
        return opened(path) if (path := self.folder("scores") / ANNUAL).exists() else None

    @cached_property
    def signatures(self) -> pd.DataFrame | None:
        """Scores of fluxes against signatures and truth; ``None`` where there is nothing to compare with."""
        return self._optional(SIGNATURES)

    @cached_property
    def pareto(self) -> pd.DataFrame | None:
        """Soil moisture against every other variable, and which methods make the Pareto front
        (``evaluation.trade_off.COLUMNS``); ``None`` where no other variable was judged."""
        return self._optional(PARETO)

    @cached_property
    def recovery(self) -> pd.DataFrame | None:
        """Found against true θ; ``None`` where the truth is not known."""
        return self._optional(RECOVERY)

    @cached_property
    def rounds(self) -> pd.DataFrame | None:
        """Surrogate gap and response by refine round; ``None`` without rounds."""
        return self._optional(ROUNDS)

    @cached_property
    def cross_validation(self) -> pd.DataFrame | None:
        """Learners on blocks of trained cells kept aside; ``None`` where the study does not compare them so."""
        return self._optional(CROSS_VALIDATION)

    # -- streamflow

    @property
    def moisture(self) -> bool:
        """Whether soil moisture was judged; a study of streamflow alone has no tables of it."""
        return (self.folder("scores") / SCORES).exists() or not (self.folder("scores") / STREAMFLOW).exists()

    @cached_property
    def streamflow(self) -> pd.DataFrame | None:
        """Scores of flow at every gauge (``evaluation.gauges.FLOW_COLUMNS``); ``None`` where no flow was judged."""
        path = self.folder("scores") / STREAMFLOW
        return read_csv(path, {"gauge": str}) if path.exists() else None

    @cached_property
    def streamflow_kept(self) -> pd.DataFrame | None:
        """The same of basins kept aside: each learner where it did not learn, and default VIC through the times of
        travel that the learner gives there; ``None`` without."""
        path = self.folder("scores") / STREAMFLOW_KEPT
        return read_csv(path, {"gauge": str}) if path.exists() else None

    @cached_property
    def discharge(self) -> xr.Dataset | None:
        """Daily flow ``simulated (row, gauge, time)`` and ``observed (gauge, time)`` [m3 s-1], NaN on days that do not
        count; ``method`` and ``seed`` of a row; ``None`` where no flow was judged."""
        return opened(path) if (path := self.folder("scores") / DISCHARGE).exists() else None

    @cached_property
    def basins(self) -> Float[np.ndarray, "gauge cell"] | None:
        """Share of the drainage area of every gauge of ``discharge`` that lies in each cell of the cube; ``None`` where
        the run holds no river."""
        from paraformer.core.netcdf import read_dataset

        path = self.folder("streamflow") / RIVER
        if self.discharge is None or not path.exists():
            return None
        river = read_dataset(path)
        area = dict(zip(river["cell"].values.tolist(), river["area"].values.tolist(), strict=True))
        rows = {str(name): i for i, name in enumerate(self.discharge["gauge"].values)}
        columns = {cell: i for i, cell in enumerate(self.cube.cells.tolist())}
        gauges = [str(name) for name in river["gauge"].values]
        found = np.zeros((len(rows), len(columns)))
        pairs = (river[name].values.tolist() for name in ("pair_gauge", "pair_cell", "fraction"))
        for gauge, cell, fraction in zip(*pairs, strict=True):
            if gauges[gauge] in rows:
                found[rows[gauges[gauge]], columns[cell]] += fraction * area[cell]
        return found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9)

    # -- θ and series

    @cached_property
    def space(self) -> ParameterSpace:
        """The parameters that were learned."""
        from paraformer.core.schema import parameter_space_from_json

        return parameter_space_from_json(self._archive(RUNS).attrs["parameter_space"])

    @cached_property
    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """A-priori θ inside the bounds, physical values: where learning begins."""
        from paraformer.core.schema import Ensemble

        ensemble = Ensemble.open(self.folder("ensemble") / ENSEMBLE)
        (first,) = np.flatnonzero(ensemble.kind == "prior")
        return ensemble.theta[:, first]

    @cached_property
    def theta(self) -> xr.Dataset:
        """θ that was judged, a variable a parameter ``(row, cell)``, physical values, CF attributes.

        ``theta.sel({"method": "ParaFormer_Z"})`` are the rows of a method, one a seed.
        """
        import xarray as xr

        archive = self._archive(RUNS)
        found = archive["theta"].values
        variables = {p.name: (("row", "cell"), found[:, :, i].T, p.attributes) for i, p in enumerate(self.space)}
        coords = axes(*(archive[name].values for name in ("cell", "lat", "lon"))) | _rows(archive)
        attributes = {**WRITTEN, "title": f"Parameters of study {self.name}"}
        return _by_row(xr.Dataset(variables, coords, attributes))

    def theta_fields(self) -> dict[str, Float[np.ndarray, "seed cell parameter"]]:
        """Method -> θ of every seed, physical values, in the order of the tables."""
        archive = self._archive(RUNS)
        theta, of = archive["theta"].values, np.array(archive.attrs["methods"])
        return {name: theta[:, of == name].swapaxes(0, 1) for name in self.names() if (of == name).any()}

    @cached_property
    def series(self) -> xr.Dataset:
        """Daily series of the process model with every row's θ ``(row, cell, time)``, read when computed with.

        ``series.sel({"method": "ParaFormer_Z"})`` are the rows of a method, one a seed; units stand in the attributes.
        """
        import xarray as xr

        parts = []
        for name in (DEFAULT_RUNS, RUNS):
            archive = self._archive(name)
            outputs = [str(v) for v in archive.data_vars if archive[v].dims == ("cell", "set", "time")]
            series = archive[outputs].drop_vars(("set", "method", "seed"), errors="ignore")
            part = series.rename_dims(set="row").assign_coords(_rows(archive))
            parts.append(part.transpose("row", "cell", "time"))
        joined = xr.concat(parts, "row", coords="minimal", compat="override", combine_attrs="override")
        joined.attrs = {**WRITTEN, "title": f"Daily series of study {self.name} by the process model"}
        return _by_row(joined)

    def series_of(
        self, output: str, cells: Int[np.ndarray, " chosen"] | None = None, *, seeds: int | None = None
    ) -> Iterator[tuple[str, Float[np.ndarray, "seed chosen time"]]]:
        """Each method with θ and one of its series, as float64, in the order of the tables.

        Args:
            cells: positions of the cells that are wanted; all without.
            seeds: how many, the first ones; all without.
        """
        series, of = self.series[output], self.series["method"].values
        wanted = slice(None) if cells is None else cells
        for name in self.names():
            rows = np.flatnonzero(of == name)[:seeds]
            if rows.size:
                yield name, series[rows][:, wanted].values.astype(np.float64)

    # -- surrogate and uncertainty

    @cached_property
    def surrogate(self) -> Path:
        """Folder of the surrogate that was judged: the last one, where there were refine rounds."""
        return self.directory / str(self.cell_scores.attrs["surrogate"])

    @cached_property
    def audit(self) -> pd.DataFrame:
        """The surrogate against the process model on θ that it has not learned from."""
        return read_json_table(self.surrogate / "audit.json")

    @cached_property
    def audit_learned(self) -> pd.DataFrame:
        """The same near the θ that searches and learners found; without rows where there are none."""
        return read_json_table(self.folder("verdict") / AUDIT)

    @cached_property
    def response(self) -> pd.DataFrame:
        """Change of soil moisture between two held-out θ of a cell, by both models [m3 m-3]."""
        return read_csv(self.surrogate / "response.csv")

    @property
    def posteriors(self) -> tuple[str, ...]:
        """Methods whose θ has a posterior around it; empty where the study asks for none."""
        return tuple((self.settings.get("uncertainty") or {}).get("methods", ()))

    def posterior(self, method: str) -> xr.Dataset:
        """Posterior of θ in every cell around what a method found."""
        from paraformer.core.netcdf import read_dataset

        path = self.folder("uncertainty") / f"{method}.nc"
        try:
            return read_dataset(path)
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: not a readable posterior ({error})") from error

    def uncertainty(self, table: Literal["identifiability", "coverage", "targets"]) -> pd.DataFrame | None:
        """A table of the posteriors; ``None`` where there is none of this name."""
        path = self.folder("uncertainty") / f"{table}.csv"
        return read_csv(path) if path.exists() else None

    # -- files

    @property
    def judged(self) -> bool:
        """Whether the run has come to its scores."""
        return any((self.folder("scores") / name).exists() for name in (METHODS, SCORES))

    def _scored(self, name: str) -> Path:
        """A file of the folder ``scores``."""
        path = self.folder("scores") / name
        if path.exists():
            return path
        made = self.manifest.get("versions", {}).get("paraformer", __version__)
        if made != __version__ and (self.folder("scores") / SCORES).exists():
            raise RunError(
                f"{path}: no such file; '{self.directory}' is a run of ParaFormer {made}, and this is {__version__}: "
                f"'paraformer run STUDY --directory {self.directory}' makes it anew, and keeps the earlier results"
            )
        if self.judged:
            raise RunError(
                f"{path}: no such file; the scores are of an earlier version, and 'paraformer evaluate STUDY "
                f"--directory {self.directory}' makes them anew from the runs that are there"
            )
        raise RunError(f"{path}: no such file; '{self.directory}' is not the directory of an evaluated run")

    def _table(self, name: str) -> pd.DataFrame:
        return read_csv(self._scored(name))

    def _optional(self, name: str) -> pd.DataFrame | None:
        return read_csv(path) if (path := self.folder("scores") / name).exists() else None

    def _archive(self, name: str) -> xr.Dataset:
        """An archive of process-model runs that were judged."""
        import xarray as xr

        path = self.folder("verdict") / name
        try:
            return xr.open_zarr(path, consolidated=False)
        except Exception as error:
            raise RunError(f"{path}: not a readable archive of runs ({error})") from error


def _rows(archive: xr.Dataset) -> dict[str, tuple[str, Any, Any]]:
    """Method and seed of each row of an archive of runs."""
    return {
        "method": ("row", np.array(archive.attrs.get("methods", [DEFAULT]), dtype=object), {"long_name": "method"}),
        "seed": (
            "row",
            short(np.array(archive.attrs.get("seeds", [-1]))),
            {"long_name": "seed, -1 where there is none"},
        ),
    }


def _by_row(dataset: xr.Dataset) -> xr.Dataset:
    """The same, whose rows are found by method and by seed."""
    return dataset.set_xindex("method").set_xindex("seed")
