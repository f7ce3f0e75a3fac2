"""``validate``: soil moisture at stations, of the methods of a run, or of VIC on the stations' own weather."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from paraformer.config import load_study
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.files import write_csv
from paraformer.core.log import Progress, shown_progress
from paraformer.core.names import DEFAULT
from paraformer.core.netcdf import read_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.physics import MM_PER_M
from paraformer.core.results import Results
from paraformer.core.variables import OBSERVATIONS
from paraformer.data.cube import whole_cube
from paraformer.data.sources.cells import open_cells
from paraformer.data.sources.station_files import read_stations, station_variables
from paraformer.data.stations import WITHIN, match_stations
from paraformer.evaluation.collocation import COLLOCATION_COLUMNS, triple_collocation
from paraformer.evaluation.stations import Site, layer_of, score_sites, summarise_sites
from paraformer.learners.released import ReleasedMap
from paraformer.numerics.seasonal import moving_anomalies
from paraformer.pipeline.apply import predicted, wanted_by
from paraformer.pipeline.land import files_of
from paraformer.pipeline.released import find_map
from paraformer.pipeline.target import Target, Wanted, open_target
from paraformer.process.files import Places, ProcessFiles, land_at
from paraformer.report.stations import stations_text

LAYERS = ("soil_moisture_mean", "soil_moisture_2", "soil_moisture_3")
"""Outputs of VIC in site mode: layer 1 as the mean of the day, the others at its end."""

SATELLITE, STATION = "satellite", "station"
"""Series of triple collocation beside the model's."""


class Modelled(NamedTuple):
    """Soil moisture of some methods in some cells.

    Attributes:
        cells: identifiers [cell].
        days: datetime64[D] [time].
        counts: days that count [time].
        moisture: method -> layer -> [m3 m-3] [cell, time].
        thickness: method -> [m] [cell, layer]; without the methods of a model whose layers are not known.
        satellite: observations of the cells [m3 m-3] [cell, time], NaN where there are none; ``None`` without.
        notes: what a reader has to know.
    """

    cells: np.ndarray
    days: np.ndarray
    counts: np.ndarray
    moisture: Mapping[str, Mapping[int, Float[np.ndarray, "cell time"]]]
    thickness: Mapping[str, Float[np.ndarray, "cell layer"]]
    satellite: Float[np.ndarray, "cell time"] | None
    notes: tuple[str, ...] = ()


class Validation(NamedTuple):
    """What ``validate`` found; ``print`` shows it.

    Attributes:
        matches: stations and cells, ``data.stations.MATCH_COLUMNS``.
        scores: of every station, depth and method, ``evaluation.stations.SCORE_COLUMNS``.
        summary: over stations, ``evaluation.stations.SUMMARY_COLUMNS``.
        collocation: ``evaluation.collocation.COLLOCATION_COLUMNS``; without rows where there is no satellite, too few
            days, or no library for it.
        notes: what a reader has to know.
    """

    matches: pd.DataFrame
    scores: pd.DataFrame
    summary: pd.DataFrame
    collocation: pd.DataFrame
    notes: tuple[str, ...]

    def __str__(self) -> str:
        return stations_text(*self)


def validate(
    source: str | Path,
    stations: str | Path | xr.Dataset | None = None,
    *,
    models: Sequence[str] = (),
    within: float = WITHIN,
    directory: str | Path | None = None,
    quiet: bool = True,
) -> Validation:
    """Soil moisture against stations: r, bias and ubRMSE with intervals, by depth, raw and of anomalies.

    Args:
        source: a run directory, whose methods are validated in the test period; or a file of cells in the input
            format with the weather of stations, VIC's ``params.nc`` and ``domain.nc`` beside it: VIC is run on all of
            its days with the a-priori parameters and with θ of the ``models``.
        stations: USCRN files, an ISMN download, a netCDF file (``data.sources.station_files``) or such a dataset;
            without it, the variables ``sm_005``, ``sm_020``, ... of the file of cells.
        models: trained maps that give θ, as ``apply`` takes them; of a file of cells only.
        within: largest distance of a station from the centre of its cell [km].
        directory: where ``stations.csv``, ``scores.csv``, ``summary.csv``, ``collocation.csv`` go; nowhere without.
        quiet: no progress.

    Returns:
        Tables, and what to tell of them.

    Raises:
        SettingsError: what does not go together, or a library that is missing.
        DataError: files that hold no stations, or no station near a cell.
        RunError: a run without judged soil moisture.
    """
    source = Path(source)
    if not within > 0:
        raise SettingsError(f"--within: found {within:g} km, expected more than 0")
    if not source.exists():
        raise DataError(f"{source}: no such file or folder; expected a run directory or a file of cells")
    run = (source / "manifest.json").exists()
    if run and models:
        raise SettingsError(f"{source}: a run has its own methods; --model goes with a file of cells")
    if run and stations is None:
        raise SettingsError(f"{source}: name the stations that the run is validated at")
    found = _stations(source, stations)
    with TemporaryDirectory() as work:
        target = None if run else _open(source, Path(work), shown_progress(quiet))
        cube = Results(source).cube if target is None else target.cube
        matches = match_stations(found, cube, within, own=stations is None)
        _require_any(matches, source, within)
        near = np.isin(cube.cells, matches.loc[matches["used"], "cell"])
        if target is None:
            modelled = _of_run(source, np.flatnonzero(near))
        else:
            modelled = _of_cells(target, [find_map(model) for model in models], Path(work), shown_progress(quiet))
    notes = list(modelled.notes)
    sites = list(_sites(found, modelled, matches, notes))
    scores = score_sites(iter(sites))
    matches = _unscored(matches, scores)
    collocation = _collocated(sites, modelled, matches, notes)
    notes.append(f"days of the stations: {found.attrs.get('day', 'not said')}; of VIC: UTC")
    validation = Validation(matches, scores, summarise_sites(scores), collocation, tuple(dict.fromkeys(notes)))
    if directory is not None:
        for name, file in FILES.items():
            write_csv(Path(directory) / file, getattr(validation, name))
    return validation


def _require_any(matches: pd.DataFrame, source: Path, within: float) -> None:
    if matches["used"].any():
        return
    nearest = matches.loc[matches["distance_km"].idxmin()]
    raise DataError(
        f"{source}: no station within {within:g} km of a cell; the nearest of {len(matches)}, {nearest['station']}, is "
        f"{nearest['distance_km']:.0f} km from cell {nearest['cell']}"
    )


def _stations(source: Path, stations: str | Path | xr.Dataset | None) -> xr.Dataset:
    if isinstance(stations, xr.Dataset):
        return stations
    if stations is not None:
        return read_stations(stations)
    if source.suffix not in (".nc", ".nc4"):
        raise SettingsError(f"{source}: name the stations; only a netCDF file of cells may hold them itself")
    return station_variables(read_dataset(source), source)


def _of_run(directory: Path, cells: np.ndarray) -> Modelled:
    """Methods of a run in its test period, each seed of its own, in the cells at some positions."""
    results = Results(directory)
    if not results.judged or not results.moisture:
        raise RunError(f"{directory}: no soil moisture was judged; 'paraformer run' does it")
    cube, series, theta = results.cube, results.series.isel(cell=cells), results.theta.isel(cell=cells)
    files, prior = files_of(load_study(results.study_file), directory / "cube"), None
    if isinstance(files, ProcessFiles):
        prior = land_at(files, Places.of(cube).select(cells), quiet=True).parameters.depth
    several = pd.Series(series["method"].values).value_counts()
    moisture: dict[str, dict[int, np.ndarray]] = {}
    thickness: dict[str, np.ndarray] = {}
    for row, (method, seed) in enumerate(zip(series["method"].values, series["seed"].values, strict=True)):
        name = str(method) if several[method] == 1 else f"{method}, seed {seed}"
        moisture[name] = {1: series["soil_moisture"][row].values.astype(np.float64)}
        if prior is None:
            continue
        found = np.flatnonzero((theta["method"].values == method) & (theta["seed"].values == seed))
        own = theta.isel(row=found[0]) if found.size else xr.Dataset()
        thickness[name] = _thickness(prior, {str(p): own[p].values for p in own.data_vars})
        for layer in (2, 3):
            if (output := f"soil_moisture_{layer}") in series:
                water = series[output][row].values.astype(np.float64)
                moisture[name][layer] = water / (thickness[name][:, layer - 1, None] * MM_PER_M)
    observed, mask = cube.observed()
    period = cube.period("test")
    told = f"methods of {directory}: {period}, the test period; every layer at the end of the UTC day"
    satellite = np.where(mask, observed, np.nan)[cells]
    return Modelled(cube.cells[cells], cube.time, period.mask(cube.time), moisture, thickness, satellite, (told,))


def _thickness(
    prior: Float[np.ndarray, "cell layer"], theta: Mapping[str, Float[np.ndarray, " cell"]]
) -> Float[np.ndarray, "cell layer"]:
    """Thickness of the layers [m]: the a-priori one, but for what θ changes."""
    layers = range(prior.shape[1])
    return np.stack([theta.get(f"depth_{layer + 1}", prior[:, layer]) for layer in layers], axis=1)


def _open(path: Path, work: Path, progress: Progress, found: ReleasedMap | None = None) -> Target:
    """Cells of a file, with what a map has to be given."""
    if path.suffix in (".yaml", ".yml", ".txt"):
        raise SettingsError(f"{path}: expected a run directory or a file of cells; 'paraformer run' makes a run")
    wanted = Wanted((), "", False) if found is None else wanted_by(found)
    return open_target(path, wanted, (None, None), work, progress)


def _of_cells(target: Target, maps: Sequence[ReleasedMap], work: Path, progress: Progress) -> Modelled:
    """VIC on the weather of a file: its a-priori parameters, and θ of each map."""
    names, path, cube = [found.name for found in maps], target.source, target.cube
    if len(set(names)) < len(names):
        raise SettingsError(f"--model: two maps are called '{max(names, key=names.count)}'")
    assert isinstance(target.files, ProcessFiles)  # of a file of cells
    prior = land_at(target.files, Places.of(cube), quiet=True).parameters.depth
    thickness = {DEFAULT: prior}
    moisture = {DEFAULT: _run(target, ParameterSpace.of("infilt"), None, prior)}
    for found in maps:
        own = _open(path, work, progress, found)
        theta = predicted(found, own)[1].theta
        thickness[found.name] = _thickness(prior, dict(zip(found.parameters.names, theta.T, strict=True)))
        moisture[found.name] = _run(own, found.parameters, theta, thickness[found.name])
    told = f"VIC on the weather of {path}, {cube.period('train')}; layer 1: mean of the day, layers 2 and 3: its end"
    counts = np.ones(len(cube.time), dtype=bool)
    return Modelled(cube.cells, cube.time, counts, moisture, thickness, _satellite(path), (told,))


def _run(
    target: Target,
    space: ParameterSpace,
    theta: Float[np.ndarray, "cell parameter"] | None,
    thickness: Float[np.ndarray, "cell layer"],
) -> dict[int, Float[np.ndarray, "cell time"]]:
    """Volumetric moisture of each layer."""
    assert target.model is not None
    found = target.model(space).simulate(None if theta is None else theta[:, None], LAYERS)
    series = [found[name][:, 0].astype(np.float64) for name in LAYERS]
    return {1: series[0]} | {k: series[k - 1] / (thickness[:, k - 1, None] * MM_PER_M) for k in (2, 3)}


def _satellite(path: Path) -> np.ndarray | None:
    """The first satellite's observations of a file of cells, if there are any."""
    cells = open_cells(path)
    there = set(map(str, cells.dataset.variables))
    cells.close()
    for name in OBSERVATIONS:
        if name in there:
            observed, mask = whole_cube(path, (), name).observed()
            return np.where(mask, observed, np.nan).astype(np.float64)
    return None


def _sites(stations: xr.Dataset, modelled: Modelled, matches: pd.DataFrame, notes: list[str]) -> Iterator[Site]:
    """What is compared at each depth of each station that is used, on the days of the model."""
    days = modelled.days.astype("datetime64[D]")
    their = stations["time"].values.astype("datetime64[D]")
    _, mine, others = np.intersect1d(days, their, return_indices=True)
    at_cell = {int(cell): i for i, cell in enumerate(modelled.cells)}
    deep: dict[float, set[str]] = {}
    for i, match in enumerate(matches.itertuples()):
        if not match.used:
            continue
        cell = at_cell[int(match.cell)]
        for k, depth in enumerate(stations["depth"].values.astype(float)):
            observed = np.full(len(days), np.nan)
            observed[mine] = stations["soil_moisture"].values[i, k, others]
            observed[~modelled.counts] = np.nan
            layers: dict[str, int] = {}
            simulated: dict[str, np.ndarray] = {}
            for method, own in modelled.moisture.items():
                known = modelled.thickness.get(method)
                layer = (1 if depth <= 0.05 + 1e-6 else None) if known is None else layer_of(depth, known[cell])
                if layer is not None and layer in own:
                    layers[method], simulated[method] = layer, own[layer][cell]
            if len(simulated) < len(modelled.moisture):
                if np.isfinite(observed).any():
                    deep.setdefault(depth, set()).update(set(modelled.moisture) - set(simulated))
                continue
            yield Site(str(match.station), *_place(stations, i), depth, observed, simulated, layers)
    for depth, methods in sorted(deep.items()):
        notes.append(
            f"{depth * 100:g} cm is left out: the layer that holds it is not among the series of "
            f"{', '.join(sorted(methods))}; a run keeps it with ensemble.outputs: [..., soil_moisture_2, "
            "soil_moisture_3]"
        )


def _place(stations: xr.Dataset, station: int) -> tuple[float, float]:
    return float(stations["lat"].values[station]), float(stations["lon"].values[station])


def _unscored(matches: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Matches with a reason where a station has no score at any depth."""
    matches = matches.copy()
    without = matches["used"] & ~matches["station"].isin(scores["station"])
    matches.loc[without, "reason"] = "too few days with values of the station and of all methods"
    matches["used"] &= ~without
    return matches


def _collocated(sites: list[Site], modelled: Modelled, matches: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Triple collocation of station, satellite and each method in layer 1, at the shallowest depth of a station."""
    rows: list[tuple[Any, ...]] = []
    if modelled.satellite is None:
        return pd.DataFrame(rows, columns=list(COLLOCATION_COLUMNS))
    at_cell = {int(cell): i for i, cell in enumerate(modelled.cells)}
    of = {m.station: at_cell[int(m.cell)] for m in matches.itertuples()}
    done: set[str] = set()
    for site in sites:
        if site.depth > 0.05 + 1e-6 or site.station in done:
            continue
        satellite = modelled.satellite[of[site.station]]
        mask = np.isfinite(site.observed) & np.isfinite(satellite)
        mask &= np.isfinite(np.stack(list(site.simulated.values()))).all(axis=0)
        three = np.stack([site.observed, satellite, *site.simulated.values()])
        for kind in ("raw", "anomaly"):
            values, days = (three, mask) if kind == "raw" else moving_anomalies(three, mask)
            for i, method in enumerate(site.simulated):
                series = {STATION: values[0], SATELLITE: values[1], "model": values[2 + i]}
                try:
                    found = triple_collocation(series, days)
                except SettingsError as error:
                    notes.append(str(error))
                    return pd.DataFrame(rows, columns=list(COLLOCATION_COLUMNS))
                rows += [(site.station, method, kind, name, int(days.sum()), *one) for name, one in found.items()]
        done.add(site.station)
    return pd.DataFrame(rows, columns=list(COLLOCATION_COLUMNS))


FILES = {"matches": "stations.csv", "scores": "scores.csv", "summary": "summary.csv", "collocation": "collocation.csv"}
"""Table of a validation -> its file."""
