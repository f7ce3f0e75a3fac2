"""``judge``: θ of any origin, judged by the process model on the cells, days and observations of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.config import Study
from paraformer.core.contracts import ForwardModel
from paraformer.core.errors import DataError, SettingsError
from paraformer.core.files import write_csv
from paraformer.core.grid import cell_words, match_cells
from paraformer.core.log import Progress
from paraformer.core.names import DEFAULT, require_names
from paraformer.core.netcdf import read_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.evaluation.gauges import Flow, benchmarks, score_flow
from paraformer.numerics.scores import METRICS, MIN_DAYS, accumulate, finish
from paraformer.pipeline.land import files_of
from paraformer.pipeline.run import run_study
from paraformer.pipeline.streamflow import basins_of, gauge_set, read_river, read_routing
from paraformer.process.build import build_process
from paraformer.process.executor import Executor, open_executor
from paraformer.process.files import ProcessFiles
from paraformer.process.own import ModelFiles
from paraformer.process.recipe import ProcessRecipe, chunked
from paraformer.report.streamflow import flow_table

FlowRow = tuple[ForwardModel, Float[np.ndarray, "cell parameter"] | None, Path | None]
"""Model, θ (none: its a-priori parameters) and the file that θ is from."""


def judge_rows(
    model: ForwardModel,
    cube: Cube,
    thetas: Mapping[str, Float[np.ndarray, "cell parameter"]],
    period: str,
    min_days: int = MIN_DAYS,
) -> pd.DataFrame:
    """Raw scores of soil moisture in every cell: the a-priori parameters as they are, and each θ.

    Args:
        model: on the cells and days of ``cube``.
        period: ``train`` or ``test``.
        min_days: observed days a cell needs to be scored.

    Returns:
        A row a method and cell: cell, lat, lon, trained, method, days (observed), and a column a metric of
        ``numerics.scores.METRICS``; NaN in cells with fewer observed days.
    """
    series = {DEFAULT: model.simulate(None, ("soil_moisture",))["soil_moisture"][:, 0]}
    if thetas:
        stacked = np.stack(list(thetas.values()), axis=1)
        found = model.simulate(stacked, ("soil_moisture",))["soil_moisture"]
        series |= {name: found[:, i] for i, name in enumerate(thetas)}
    return pd.concat(
        [_scored(name, values, cube, period, min_days) for name, values in series.items()], ignore_index=True
    )


def _scored(
    method: str, simulated: Float[np.ndarray, "cell time"], cube: Cube, period: str, min_days: int
) -> pd.DataFrame:
    days = cube.period(period).mask(cube.time)
    observed, mask = cube.observed()
    mask = mask[:, days]
    scores = finish(accumulate(simulated[:, days], observed[:, days], mask), min_days=min_days)
    place = {"cell": cube.cells, "lat": cube.lat, "lon": cube.lon, "trained": cube.trained}
    return pd.DataFrame({**place, "method": method, "days": mask.sum(axis=1), **scores.values})


def to_rows(cells: pd.DataFrame) -> pd.DataFrame:
    """Table for people: the mean over scored cells, and how many there are; trained and unseen cells apart."""
    rows = []
    for (method, trained), part in cells.groupby(["method", "trained"], sort=False):
        known = part[np.isfinite(part["rmse"])]
        group = ("trained" if trained else "unseen") if cells["trained"].any() else "all"
        means = {metric: f"{known[metric].mean():.4f}" if len(known) else "–" for metric in METRICS}
        rows.append({"method": method, "cells": group, **means, "scored": f"{len(known)} of {len(part)}"})
    return pd.DataFrame(rows)


def judge_thetas(study: Study, directory: Path, thetas: Sequence[Path], progress: Progress | None = None) -> str:
    """Judge θ from files on the test period of a study, and write ``judged/cells.csv`` in its run directory.

    Args:
        directory: run directory; its cube is made if it is not there.
        thetas: netCDF files with one variable a parameter along ``cell`` (as ``theta.nc``), or VIC parameter files.

    Returns:
        What to tell the user: the rows of the files beside default VIC and the searches and learners that the run has
        judged already.

    Raises:
        SettingsError: two files of one name, or a VIC file where the process model is another.
        DataError: a file that does not hold θ of these cells, or values outside the bounds of the study.
    """
    names = _names(thetas)
    until = "cube" if study.data.streamflow is None else "streamflow"
    run_study(study, directory, until=until, progress=progress or Progress())
    results = Results(directory)
    cube, store = results.cube, results.cube_store
    files = files_of(study, results.folder("cube"))
    fields, whole = {}, {}
    for name, path in names.items():
        if is_parameter_file(path):
            if not isinstance(files, ProcessFiles):
                raise SettingsError(
                    f"{path}: a VIC parameter file, but the study's process model is {study.process.model}"
                )
            whole[name] = replace(files, parameters=path)
        else:
            fields[name] = read_given_theta(path, study.space, cube)
    least = study.evaluation.min_days
    told = []
    if study.data.streamflow is not None:
        with open_executor(study.process.executor) as executor:
            default = _model(study, cube, store, files, executor)
            rows: dict[str, FlowRow] = {DEFAULT: (default, None, None)}
            rows |= {n: (default, fields[n], names[n]) for n in fields}
            rows |= {n: (_model(study, cube, store, other, executor), None, names[n]) for n, other in whole.items()}
            table = _judge_flow(study, directory, cube, rows)
        write_csv(directory / "judged" / "streamflow.csv", table)
        where = directory / "judged" / "streamflow.csv"
        told.append(
            f"Flow at gauges, test period, medians over gauges:\n{to_text(flow_table(table))}\n\ngauges: {where}"
        )
        if not study.moisture:
            return told[0]
    with open_executor(study.process.executor) as executor:
        parts = [judge_rows(_model(study, cube, store, files, executor), cube, fields, "test", least)]
        for name, other in whole.items():
            alone = judge_rows(_model(study, cube, store, other, executor), cube, {}, "test", least)
            parts.append(alone.assign(method=name))
    table = pd.concat([*parts, *_finished(results, cube)], ignore_index=True)
    write_csv(directory / "judged" / "cells.csv", table)
    head = f"{cube.period('test')}, raw, mean over cells; the verdict of {study.process.model} itself"
    moisture = f"{head}\n\n{to_text(to_rows(table))}\n\ncells: {directory / 'judged' / 'cells.csv'}"
    return "\n\n".join([moisture, *told])


def _judge_flow(
    study: Study,
    directory: Path,
    cube: Cube,
    rows: Mapping[str, FlowRow],
) -> pd.DataFrame:
    """Scores of flow of each row; a ``routing.nc`` beside its file has the times of travel, else the river's count."""
    river = read_river(Results(directory).folder("streamflow"))
    basins = basins_of(study, river)
    gauges, tables = gauge_set(river, basins, cube), []
    for name, (model, theta, path) in rows.items():
        water = model.simulate(None if theta is None else theta[:, None], ("runoff", "baseflow"))
        runoff, baseflow = (water[part][:, 0].astype(np.float64) for part in ("runoff", "baseflow"))
        routing = None if path is None or basins.parameters is None else read_routing(path.parent, basins)
        tables.append(score_flow(gauges, Flow(name, -1, basins.flows(runoff, baseflow, routing)), gauges.mask))
    tables += [score_flow(gauges, flow, known) for flow, known in benchmarks(gauges)]
    return pd.concat(tables, ignore_index=True)


def _finished(results: Results, cube: Cube) -> list[pd.DataFrame]:
    """Searches and learners of the run that were judged on the same cells, the mean over seeds."""
    if not results.judged or not np.array_equal(results.cell_scores["cell"].values, cube.cells):
        return []
    days = cube.observed()[1][:, cube.period("test").mask(cube.time)].sum(axis=1)
    place = {"cell": cube.cells, "lat": cube.lat, "lon": cube.lon, "trained": cube.trained}
    fields = {metric: results.score_fields(metric, "raw") for metric in METRICS}
    methods = results.names("search", "learner", "history learner")
    nothing = np.full(len(cube.cells), np.nan)
    return [
        pd.DataFrame({**place, "method": name, "days": days, **{m: fields[m].get(name, nothing) for m in METRICS}})
        for name in methods
    ]


def _names(thetas: Sequence[Path]) -> dict[str, Path]:
    """Rows of the files: their names, with the folder's where two are alike."""
    stems = [path.stem for path in thetas]
    alike = len(set(map(str.casefold, stems))) < len(stems)
    names = [f"{path.absolute().parent.name} {path.stem}" if alike else path.stem for path in thetas]
    try:
        require_names(("--theta", name) for name in names)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return dict(zip(names, thetas, strict=True))


def _model(study: Study, cube: Cube, store: Path, files: ProcessFiles | ModelFiles, executor: Executor) -> ForwardModel:
    """The process model on all cells and days of the cube, chunk by chunk."""
    if isinstance(files, ProcessFiles):
        return chunked(ProcessRecipe(study.process, study.space, store, files), executor, study.ensemble.chunk_cells)
    model = build_process(study.process, study.space, cube, files)
    return chunked(model, executor, study.ensemble.chunk_cells) if executor.remote else model


def is_parameter_file(path: Path) -> bool:
    """Whether a netCDF file is a parameter file of VIC-5 and no field of θ.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with xr.open_dataset(path, decode_times=False) as dataset:
            return "run_cell" in dataset.variables
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error


def read_given_theta(path: Path, space: ParameterSpace, cube: Cube) -> Float[np.ndarray, "cell parameter"]:
    """θ of the cells of a cube from a file of any origin, found by latitude and longitude, or by ``cell`` without them.

    Raises:
        DataError: a parameter or a cell that is missing, or a value outside the bounds.
    """
    dataset = read_dataset(path)
    for name in space.names:
        if name not in dataset:
            raise DataError(f"{path}: variable '{name}' is missing; found {', '.join(map(str, dataset.data_vars))}")
        if dataset[name].dims != ("cell",):
            raise DataError(f"{path}: variable '{name}' has dims {dataset[name].dims}, expected ('cell',)")
    theta = np.stack([dataset[name].values.astype(np.float64) for name in space.names], axis=-1)
    theta = theta[_positions(dataset, path, cube)]
    try:
        space.require_inside(theta, cube.cells.tolist())
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return theta


def _positions(dataset: xr.Dataset, path: Path, cube: Cube) -> np.ndarray:
    """Where the cells of the cube stand in the file."""
    if {"lat", "lon"} <= set(map(str, dataset.variables)):
        words = cell_words(cube.lat, cube.lon, cube.cells)
        lat, lon = dataset["lat"].values, dataset["lon"].values
        return match_cells(cube.lat, cube.lon, lat, lon, source=str(path), words=words)
    if "cell" not in dataset.variables:
        raise DataError(f"{path}: holds neither 'lat' and 'lon' nor 'cell'; expected one of them to find cells by")
    order = {int(cell): i for i, cell in enumerate(dataset["cell"].values)}
    missing = [int(cell) for cell in cube.cells if int(cell) not in order]
    if missing:
        raise DataError(f"{path}: cell {missing[0]} is missing ({len(missing)} of {len(cube.cells)} cells)")
    return np.array([order[int(cell)] for cell in cube.cells])
