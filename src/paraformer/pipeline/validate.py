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
from paraformer.core.netcdf import read_dataset, write_dataset
from paraformer.core.parameters import ParameterSpace
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.core.variables import OBSERVATIONS
from paraformer.data.sources.station_files import read_stations, station_variables
from paraformer.data.stations import WITHIN, match_stations
from paraformer.evaluation.collocation import COLLOCATION_COLUMNS, triple_collocation
from paraformer.evaluation.stations import Site, layer_of, score_sites, summarise_sites
from paraformer.numerics.seasonal import moving_anomalies
from paraformer.pipeline.apply import predicted, wanted_by
from paraformer.pipeline.land import files_of
from paraformer.pipeline.released import find_map
from paraformer.pipeline.target import Target, Wanted, open_target
from paraformer.process.files import Places, ProcessFiles, land_at

LAYERS = ("soil_moisture_mean", "soil_moisture_2", "soil_moisture_3")
"""Outputs of VIC in site mode: layer 1 as the mean of the day, the others at its end."""

_MM = 1000.0

SATELLITE, STATION = "satellite", "station"
"""Series of triple collocation beside the model's."""


class Modelled(NamedTuple):
    """Soil moisture of some methods in some cells.

    Attributes:
        cube: cells and days.
        days: that count [time].
        moisture: method -> layer -> [m3 m-3] [cell, time].
        thickness: method -> [m] [cell, layer]; without the methods of a model whose layers are not known.
        satellite: observations of the cells [m3 m-3] [cell, time], NaN where there are none; ``None`` without.
        notes: what a reader has to know.
    """

    cube: Cube
    days: np.ndarray
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
        return describe_validation(self)


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
            format with the weather of stations and VIC's ``params.nc`` and ``domain.nc`` beside it, on all days of which
            VIC is run with its a-priori parameters and with θ of the ``models``.
        stations: USCRN files, an ISMN download, a netCDF file (``data.sources.station_files``) or such a dataset; without
            it, the variables ``sm_005``, ``sm_020``, ... of the file of cells.
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
        modelled = _of_run(source) if run else _of_cells(source, models, Path(work), shown_progress(quiet))
    matches = match_stations(found, modelled.cube, within, own=stations is None)
    if not matches["used"].any():
        nearest = matches.loc[matches["distance_km"].idxmin()]
        raise DataError(
            f"{source}: no station within {within:g} km of a cell; the nearest of {len(matches)}, "
            f"{nearest['station']}, is {nearest['distance_km']:.0f} km from cell {nearest['cell']}"
        )
    notes = list(modelled.notes)
    sites = list(_sites(found, modelled, matches, notes))
    scores = score_sites(iter(sites))
    matches = _unscored(matches, scores)
    collocation = _collocated(sites, modelled, matches, notes)
    notes.append(f"days of the stations: {found.attrs.get('day', 'not said')}; of VIC: UTC")
    validation = Validation(matches, scores, summarise_sites(scores), collocation, tuple(dict.fromkeys(notes)))
    if directory is not None:
        _write(validation, found, Path(directory))
    return validation


def _stations(source: Path, stations: str | Path | xr.Dataset | None) -> xr.Dataset:
    if isinstance(stations, xr.Dataset):
        return stations
    if stations is not None:
        return read_stations(stations)
    if source.suffix not in (".nc", ".nc4"):
        raise SettingsError(f"{source}: name the stations; only a netCDF file of cells may hold them itself")
    return station_variables(read_dataset(source), source)


def _of_run(directory: Path) -> Modelled:
    """Methods of a run in its test period, each seed of its own."""
    results = Results(directory)
    if not results.moisture or not results.judged:
        raise RunError(f"{directory}: no soil moisture was judged; 'paraformer run' does it")
    cube, series = results.cube, results.series
    days = cube.time
    counts = cube.period("test").mask(days)
    study = load_study(results.study_file)
    files = files_of(study, directory / "cube")
    prior = None
    if isinstance(files, ProcessFiles):
        prior = land_at(files, Places.of(cube), quiet=True).parameters.depth
    theta = results.theta
    several = pd.Series(series["method"].values).value_counts()
    moisture: dict[str, dict[int, np.ndarray]] = {}
    thickness: dict[str, np.ndarray] = {}
    for row, (method, seed) in enumerate(zip(series["method"].values, series["seed"].values, strict=True)):
        name = str(method) if several[method] == 1 else f"{method}, seed {seed}"
        own = {1: series["soil_moisture"][row].values.astype(np.float64)}
        if prior is not None:
            thickness[name] = _thickness(prior, theta, str(method), int(seed))
            for layer in (2, 3):
                if f"soil_moisture_{layer}" in series:
                    water = series[f"soil_moisture_{layer}"][row].values.astype(np.float64)
                    own[layer] = water / (thickness[name][:, layer - 1, None] * _MM)
        moisture[name] = own
    observed, mask = cube.observed()
    satellite = np.where(mask & counts, observed, np.nan)
    period = f"{cube.period('test')}, the test period; layers at the end of the UTC day"
    return Modelled(cube, counts, moisture, thickness, satellite, (f"methods of {directory}: {period}",))


def _thickness(prior: np.ndarray, theta: xr.Dataset, method: str, seed: int) -> np.ndarray:
    """Thickness of the layers [m] [cell, layer] of a row: the a-priori one, but for what θ changes."""
    found = prior.copy()
    row = np.flatnonzero((theta["method"].values == method) & (theta["seed"].values == seed))
    for layer in range(found.shape[1]):
        if row.size and f"depth_{layer + 1}" in theta:
            found[:, layer] = theta[f"depth_{layer + 1}"].values[row[0]]
    return found


def _of_cells(path: Path, models: Sequence[str], work: Path, progress: Progress) -> Modelled:
    """VIC on the weather of a file: its a-priori parameters, and θ of each map."""
    if path.suffix in (".yaml", ".yml", ".txt"):
        raise SettingsError(f"{path}: expected a run directory or a file of cells; 'paraformer run' makes a run")
    maps = [find_map(model) for model in models]
    names = [found.name for found in maps]
    if len(set(names)) < len(names):
        raise SettingsError(f"--model: two maps are called '{max(names, key=names.count)}'")
    target = open_target(path, Wanted((), "", False), (None, None), work, progress)
    prior = land_at(_files(path, target), Places.of(target.cube), quiet=True).parameters.depth
    moisture = {DEFAULT: _run(target, ParameterSpace.of("infilt"), None, prior)}
    thickness = {DEFAULT: prior}
    for found in maps:
        wanted = wanted_by(found)
        own = open_target(path, wanted, (None, None), work, progress)
        _, applied = predicted(found, own)
        depths = prior.copy()
        for layer in range(depths.shape[1]):
            if f"depth_{layer + 1}" in found.parameters.names:
                depths[:, layer] = applied.theta[:, found.parameters.names.index(f"depth_{layer + 1}")]
        thickness[found.name] = depths
        moisture[found.name] = _run(own, found.parameters, applied.theta, depths)
    cube = target.cube
    told = f"VIC on the weather of {path}, {cube.period('train')}; layer 1: mean of the day, layers 2 and 3: its end"
    counts = np.ones(len(cube.time), dtype=bool)
    return Modelled(cube, counts, moisture, thickness, _satellite(path), (told,))


def _files(path: Path, target: Target) -> ProcessFiles:
    if not isinstance(target.files, ProcessFiles):
        raise SettingsError(f"{path}: VIC's params.nc and domain.nc are needed beside it")
    return target.files


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
    return {1: series[0]} | {k: series[k - 1] / (thickness[:, k - 1, None] * _MM) for k in (2, 3)}


def _satellite(path: Path) -> np.ndarray | None:
    """The first satellite's observations of a file of cells, if there are any."""
    dataset = read_dataset(path) if path.suffix in (".nc", ".nc4") else xr.open_zarr(path)
    for name in OBSERVATIONS:
        if name in dataset:
            return dataset[name].values.astype(np.float64)
    return None


def _sites(stations: xr.Dataset, modelled: Modelled, matches: pd.DataFrame, notes: list[str]) -> Iterator[Site]:
    """What is compared at each depth of each station that is used, on the days of the model."""
    days = modelled.cube.time.astype("datetime64[D]")
    their = stations["time"].values.astype("datetime64[D]")
    _, mine, others = np.intersect1d(days, their, return_indices=True)
    at_cell = {int(cell): i for i, cell in enumerate(modelled.cube.cells)}
    deep: dict[float, set[str]] = {}
    for i, match in enumerate(matches.itertuples()):
        if not match.used:
            continue
        cell = at_cell[int(match.cell)]
        for k, depth in enumerate(stations["depth"].values.astype(float)):
            observed = np.full(len(days), np.nan)
            observed[mine] = stations["soil_moisture"].values[i, k, others]
            observed[~modelled.days] = np.nan
            layers, simulated = {}, {}
            for method, own in modelled.moisture.items():
                known = modelled.thickness.get(method)
                layer = (1 if depth <= 0.05 + 1e-6 else None) if known is None else layer_of(depth, known[cell])
                if layer in own:
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
    at_cell = {int(cell): i for i, cell in enumerate(modelled.cube.cells)}
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


def _write(validation: Validation, stations: xr.Dataset, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, file in FILES.items():
        write_csv(directory / file, getattr(validation, name))
    write_dataset(stations, directory / "stations.nc")


def describe_validation(validation: Validation) -> str:
    """The validation as text for the terminal."""
    matches, summary = validation.matches, validation.summary
    used = matches[matches["used"]]
    lines = [f"{len(used)} of {len(matches)} stations", "", to_text(_matched(matches)), ""]
    lines += ["medians over stations; less: mean difference to the first method, 95 % interval over tiles of stations"]
    lines += [to_text(_summary_text(summary)), ""]
    if len(used) <= _SHOWN and len(validation.scores):
        lines += ["each station, 95 % interval by blocks of days", to_text(_scores_text(validation.scores)), ""]
    if len(validation.collocation):
        lines += [
            "triple collocation with the satellite at 5 cm, nothing rescaled: random error [m3 m-3], medians over "
            "stations. θ learned from the satellite shares its errors, which then count as signal: read the rows of "
            "the a-priori parameters",
            to_text(_collocation_text(validation.collocation)),
            "",
        ]
    return "\n".join([*lines, *validation.notes])


_SHOWN = 3
"""Stations up to which each has rows of its own on the screen."""


def _matched(matches: pd.DataFrame) -> pd.DataFrame:
    shown = matches.assign(used=np.where(matches["used"], "yes", "no"))
    for name in ("distance_km", "elevation_difference", "sand_difference", "clay_difference"):
        shown[name] = [_number(value, 1) for value in matches[name]]
    return shown.drop(columns="name") if (shown["name"] == shown["station"]).all() else shown


def _summary_text(summary: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in summary.itertuples():
        interval = "" if np.isnan(row.low) else f"{row.low:+.3f} to {row.high:+.3f}"
        better = "" if np.isnan(row.less_first) else f"{row.better:g} of {row.stations}"
        rows.append(
            {
                "method": row.method,
                "depth [cm]": f"{row.depth * 100:g}",
                "values": row.kind,
                "score": row.metric,
                "stations": row.stations,
                "median": _number(row.median, 3),
                "less": "" if np.isnan(row.less_first) else f"{row.less_first:+.3f}",
                "interval": interval,
                "p": _number(row.p, 4),
                "better at": better,
            }
        )
    return pd.DataFrame(rows)


def _scores_text(scores: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": scores["method"],
            "station": scores["station"],
            "depth [cm]": [f"{d * 100:g}" for d in scores["depth"]],
            "layer": scores["layer"],
            "values": scores["kind"],
            "score": scores["metric"],
            "days": scores["days"],
            "value": [_number(v, 3) for v in scores["value"]],
            "interval": [_span(low, high) for low, high in zip(scores["low"], scores["high"], strict=True)],
            "less": [_number(v, 3) for v in scores["less_first"]],
            "its interval": [
                _span(low, high)
                for low, high in zip(scores["less_first_low"], scores["less_first_high"], strict=True)
            ],
        }
    )


def _collocation_text(collocation: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (method, kind, series), part in collocation.groupby(["method", "kind", "series"], sort=False):
        known = part[np.isfinite(part["error"])]
        rows.append(
            {
                "method": method,
                "values": kind,
                "series": series,
                "stations": f"{len(known)} of {len(part)}",
                "days": f"{part['days'].median():g}",
                "error": _number(known["error"].median(), 4),
                "interval": _span(*known[["low", "high"]].to_numpy()[0], 4) if len(known) == 1 else "",
                "r with truth": _number(known["r_truth"].median(), 2),
            }
        )
    return pd.DataFrame(rows)


def _number(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def _span(low: float, high: float, digits: int = 3) -> str:
    return "" if np.isnan(low) else f"{low:.{digits}f} to {high:.{digits}f}"
