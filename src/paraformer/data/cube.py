"""Build the Cube: from a checked input file to a CF-1.8 zarr store, cell chunk by cell chunk, resumable.

The store grows in a hidden folder beside its final place, with a journal of the chunks that are done, and is renamed
when it is whole. A build that was killed goes on after the last finished chunk; since every chunk depends on the input
alone, the result is the same, byte for byte, as that of an uninterrupted build.
"""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
import xarray as xr
import zarr
from jaxtyping import Float

from paraformer.core import conventions, ledger
from paraformer.core.errors import DataError
from paraformer.core.files import hash_json, hash_path, journal_of, write_json
from paraformer.core.log import Progress
from paraformer.core.proof import rounded
from paraformer.core.schema import Cube
from paraformer.core.variables import (
    ATTRIBUTES,
    CATEGORICAL,
    FORCING,
    REFERENCES,
    UNCERTAINTY,
    VOCABULARY,
    class_column,
    series_variable,
)
from paraformer.data.attributes import check_attributes
from paraformer.data.climate import CLIMATE, climate_indices
from paraformer.data.config import DataConfig
from paraformer.data.headers import check_header
from paraformer.data.igbp import IGBP_CLASSES
from paraformer.data.places import places_of, words_of
from paraformer.data.quality import Selection, check
from paraformer.data.sources.cells import open_cells
from paraformer.data.values import ValueProof

logger = logging.getLogger(__name__)

FORMAT = 1
"""Version of the cube's layout; a store of another version is built anew."""

_TOGETHER = 64
"""Cells of a file that are proved together."""

_CARRIED = ("title", "institution", "source", "references", "comment", "license", "quality")


class MoreAttributes(NamedTuple):
    """Attributes that another room knows of the cells.

    Attributes:
        of: cells, latitude and longitude [cell] to variables ``(cell)`` with their metadata.
        version: hash of what they are made of.
    """

    of: Callable[[np.ndarray, np.ndarray, np.ndarray], Mapping[str, Any]]
    version: str


def build_cube(
    config: DataConfig,
    path: Path,
    progress: Progress | None = None,
    inputs: Path | None = None,
    more: MoreAttributes | None = None,
) -> Cube:
    """Check the input file and write the cube of a study.

    Args:
        config: the data settings.
        path: the zarr store to make. A store there of the same input and settings is taken as it is, any other is
            replaced.
        inputs: the input file; ``None`` takes ``config.path`` (the built-in world has its file in the run directory).
        more: attributes that are not in the input file.

    Raises:
        DataError: the first problem of the input (``quality.check``).
    """
    progress = progress or Progress()
    selection = check(config, inputs, progress)
    try:
        input_hash = hash_path(selection.file.path)
        elsewhere = {"path", "synthetic", "products", "hydrodl", "streamflow"}  # what they hold is in the file
        settings = config.model_dump(mode="json", exclude=elsewhere, exclude_none=True)
        key = hash_json(
            {"format": FORMAT, "input": input_hash, "settings": settings} | ({"more": more.version} if more else {})
        )
        if _key_of(path) == key:
            journal_of(path).unlink(missing_ok=True)
        else:
            _build(config, selection, path, {"input_hash": input_hash, "cube_key": key}, more, progress)
    finally:
        selection.file.close()
    return Cube.open(path)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _key_of(path: Path) -> str:
    """Key of a finished store, empty if there is none."""
    try:
        return str(json.loads((path / "zarr.json").read_text())["attributes"]["cube_key"])
    except (OSError, ValueError, KeyError):
        return ""


def _build(
    config: DataConfig,
    selection: Selection,
    path: Path,
    hashes: Mapping[str, str],
    more: MoreAttributes | None,
    progress: Progress,
) -> None:
    """Write the chunks that are not there yet, then move the store to its place."""
    journal, partial = journal_of(path), _partial(path)
    done = _done(journal, partial, hashes["cube_key"])
    if done < 0:
        shutil.rmtree(partial, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        template, encoding = _template(config, selection, hashes, more)
        template.to_zarr(partial, mode="w", compute=False, consolidated=False, zarr_format=3, encoding=encoding)
        ledger.enter_store(partial)
        write_json(journal, {"key": hashes["cube_key"], "chunks": 0})
        done = 0
    for left_over in partial.rglob("*.partial"):  # what a killed process was writing
        left_over.unlink()
    n_cells, size = len(selection.position), config.chunk_cells
    step = selection.file.together(size) // size
    with progress.task("building cube", n_cells, unit="cells", done=min(done * size, n_cells)) as advance:
        for chunk in range(done, -(-n_cells // size), step):
            cells = slice(chunk * size, min((chunk + step) * size, n_cells))
            dataset = xr.Dataset(_series_of(config, selection, cells) | _climate_of(config, selection, cells))
            dataset.to_zarr(partial, region={"cell": cells}, consolidated=False, zarr_format=3)
            for done_now in {0, *range(chunk, chunk + step)}:  # chunk 0 is the only one of some variables
                ledger.enter_chunk(partial, done_now)
            write_json(journal, {"key": hashes["cube_key"], "chunks": chunk + step})
            advance(cells.stop - cells.start)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Consolidated metadata")
        zarr.consolidate_metadata(zarr.storage.LocalStore(partial))
    if path.exists():
        shutil.rmtree(path)
    partial.rename(path)
    journal.unlink(missing_ok=True)
    logger.info("%s: %d cells, %d days", path, n_cells, len(selection.file.days))


def _done(journal: Path, partial: Path, key: str) -> int:
    """Number of chunks already written for this key, -1 if the build has to start anew."""
    try:
        found = json.loads(journal.read_text())
    except (OSError, ValueError):
        return -1
    return int(found["chunks"]) if found.get("key") == key and (partial / "zarr.json").is_file() else -1


def _template(
    config: DataConfig, selection: Selection, hashes: Mapping[str, str], more: MoreAttributes | None
) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    """The store without its series: coordinates, static variables, metadata, and how each variable is chunked."""
    file, n_cells = selection.file, len(selection.position)
    chunk = min(config.chunk_cells, n_cells)
    static = _static_variables(selection)
    if more is not None:
        lat, lon = (file.static(name)[selection.position] for name in ("lat", "lon"))
        known = more.of(selection.cells, lat.astype(np.float64), lon.astype(np.float64))
        static = _joined(static, {n: (dims, v, {**a, "role": "attribute"}) for n, (dims, v, a) in known.items()})
    series: dict[str, Any] = {}
    for name, (dims, dtype, attrs) in _series_layout(config, selection).items():
        lengths = {"cell": n_cells, "time": len(file.days), "step": file.steps}
        shape = tuple(lengths[d] for d in dims)
        series[name] = (dims, da.zeros(shape, dtype=dtype, chunks=(chunk, *shape[1:])), attrs)
    attributes = [name for name, entry in static.items() if entry[2].get("role") == "attribute"]
    climate: dict[str, Any] = {}
    if config.climate_attributes:
        for name, (unit, meaning) in CLIMATE.items():
            attrs = {"units": unit, "long_name": f"{meaning}, {config.train}", "role": "attribute"}
            climate[name] = (("cell",), da.zeros(n_cells, dtype=np.float64, chunks=n_cells), attrs)
            attributes.append(name)
    if not attributes:
        raise DataError(f"{file.path}: no attributes: the file has none of the vocabulary and none is configured")
    coords = _coordinates(selection)
    variables = _joined(static, series, climate)
    _joined(coords, variables)
    about = _global_attributes(config, selection, hashes, attributes)
    dataset = conventions.conventional(xr.Dataset(variables, coords, about))
    days = file.days
    encoding: dict[str, dict[str, Any]] = {"time": conventions.days_since(days[0]) | {"chunks": (len(days),)}}
    gappy = (*_observed(config, selection), *selection.references)
    for key, value in dataset.variables.items():
        name = str(key)
        if "cell" in value.dims and name != "cell":
            size = chunk if "time" in value.dims else n_cells
            encoding[name] = {"chunks": (size, *value.shape[1:])}
        if value.dtype.kind == "f":
            encoding.setdefault(name, {})["_FillValue"] = np.nan if name in gappy else None
    return dataset, encoding


def _coordinates(selection: Selection) -> dict[str, Any]:
    file, position = selection.file, selection.position
    lat, lon = (file.static(name)[position] for name in ("lat", "lon"))
    coords: dict[str, Any] = dict(conventions.axes(selection.cells, lat, lon, file.days))
    if any("month" in VOCABULARY[name].dims for name in selection.references):
        coords["month"] = ("month", np.arange(1, 13, dtype=np.int32), {"long_name": "calendar month"})
    if file.steps > 1:
        hours = np.arange(file.steps) * (24.0 / file.steps)
        coords["step"] = ("step", hours, {"units": "hours", "long_name": "beginning of the step, hours of the UTC day"})
    return coords


def _global_attributes(
    config: DataConfig, selection: Selection, hashes: Mapping[str, str], attributes: list[str]
) -> dict[str, Any]:
    """Provenance and what the other rooms need to know; no dates of making, so that equal inputs give equal bytes."""
    given = selection.file.dataset.attrs
    return {
        "featureType": "timeSeries",
        **{name: str(given[name]) for name in _CARRIED if name in given},
        "input_file": selection.file.path.name,
        **hashes,
        "observation": config.observation or "",
        "attributes": attributes,
        "train_start": str(config.train.start),
        "train_end": str(config.train.end),
        "test_start": str(config.test.start),
        "test_end": str(config.test.end),
    }


def _static_variables(selection: Selection) -> dict[str, tuple[Any, np.ndarray, dict[str, Any]]]:
    """Attributes (raw units; land cover also one-hot over the classes of trained cells), references, ``trained``."""
    file, position = selection.file, selection.position
    split = {"trained": (("cell",), selection.trained, {"long_name": "observations of the cell may be learned from"})}
    found: dict[str, tuple[Any, np.ndarray, dict[str, Any]]] = {}
    for name in selection.attributes:
        values = file.static(name)[position].astype(np.float64)
        values = rounded(ATTRIBUTES[name], values) if name in ATTRIBUTES else values
        attrs = _metadata(selection, name)
        if name != CATEGORICAL:
            found = _joined(found, {name: (("cell",), values, {**attrs, "role": "attribute"})})
            continue
        found = _joined(found, {name: (("cell",), values.astype(np.int32), attrs)})
        for k in np.unique(values[selection.trained]).astype(int):
            attrs = {"units": "1", "long_name": f"cell is {IGBP_CLASSES[k]} (IGBP class {k})", "role": "attribute"}
            found = _joined(found, {class_column(int(k)): (("cell",), (values == k).astype(np.float64), attrs)})
    references = {
        name: (
            REFERENCES[name].dims,
            rounded(REFERENCES[name], file.reference(name, position)),
            _metadata(selection, name),
        )
        for name in selection.references
    }
    return _joined(split, found, references)


def _joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Variables of all parts; none may take the name of another.

    Raises:
        DataError: naming a variable that two parts have.
    """
    found: dict[str, Any] = {}
    for part in parts:
        twice = found.keys() & part.keys()
        if twice:
            raise DataError(f"the cube cannot hold two variables named '{min(twice)}'; rename that of the input")
        found |= part
    return found


def _metadata(selection: Selection, name: str) -> dict[str, Any]:
    """CF attributes of a variable: the vocabulary's, and the file's own comment and source."""
    given = selection.file.dataset[name].attrs
    keys = ("long_name", "units", "comment", "source", "references", "origin", "method")
    carried = {key: str(given[key]) for key in keys if key in given}
    known = VOCABULARY.get(name)
    if known is None:
        return carried
    attrs = carried | conventions.described(known)
    if "long_name" in carried and carried["long_name"] != known.long_name:
        attrs["source_long_name"] = carried["long_name"]
    return attrs


def _observed(config: DataConfig, selection: Selection) -> tuple[str, ...]:
    """The observation, and its standard error if the file has it; nothing in a study of streamflow alone."""
    if config.observation is None:
        return ()
    error = f"{config.observation}{UNCERTAINTY}"
    return (config.observation, *((error,) if error in selection.file.dataset.variables else ()))


def _series_layout(
    config: DataConfig, selection: Selection
) -> dict[str, tuple[tuple[str, ...], np.dtype, dict[str, Any]]]:
    """Dims, type and metadata of every variable with a time axis."""
    file = selection.file
    layout: dict[str, tuple[tuple[str, ...], np.dtype, dict[str, Any]]] = {}
    for name in (*FORCING, *_observed(config, selection)):
        attrs, dtype = _metadata(selection, name), file.dtype(name)
        dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
        cell_methods = {"cell_methods": "time: mean"} if name in FORCING else {}
        layout[name] = (("cell", "time"), dtype, attrs | cell_methods)
        if name in FORCING and file.steps > 1:
            sub = {key: value for key, value in attrs.items() if key != "cell_methods"}
            sub["long_name"] = f"{sub.get('long_name', name)}, mean of each step of the day"
            layout[f"{name}_sub"] = (("cell", "time", "step"), dtype, sub)
    return layout


def _series_of(config: DataConfig, selection: Selection, cells: slice) -> dict[str, Any]:
    """Series of some kept cells, as they go into the store."""
    file, position = selection.file, selection.position[cells]
    found: dict[str, Any] = {}
    for name, (dims, dtype, _) in _series_layout(config, selection).items():
        if name.endswith("_sub") and "step" in dims:
            continue
        values = file.series(name, position)
        if name not in FORCING:
            found[name] = (dims, _of_the_day(values).astype(dtype))
            continue
        daily = values[:, :, 0] if file.steps == 1 else values.mean(axis=2, dtype=np.float64)
        found[name] = (dims, daily.astype(dtype))
        if file.steps > 1:
            found[f"{name}_sub"] = (("cell", "time", "step"), values.astype(dtype))
    return found


def _of_the_day(values: Float[np.ndarray, "cell day step"]) -> Float[np.ndarray, "cell day"]:
    """The one observation of each day, NaN where there is none."""
    seen = np.isfinite(values)
    total = np.where(seen, values, 0.0).sum(axis=2)
    return np.where(seen.any(axis=2), total, np.nan)


def _climate_of(config: DataConfig, selection: Selection, cells: slice) -> dict[str, Any]:
    """Climate indices of some kept cells, from the days of the training period alone."""
    if not config.climate_attributes:
        return {}
    file, position = selection.file, selection.position[cells]
    train = config.train.mask(file.days)
    forcing = {name: file.series(name, position)[:, train].astype(np.float64).mean(axis=2) for name in FORCING}
    indices = climate_indices(forcing, file.days[train])
    return {name: (("cell",), values) for name, values in indices.items()}


def whole_cube(path: Path, attributes: Sequence[str] = (), observation: str = "", *, climate: bool = False) -> Cube:
    """A file of the simple format as a cube in memory: all of its cells and days, none of them trained.

    Both periods of the cube are all days. For runs of the process model that need the weather alone, and for maps that
    are applied to cells which no study describes.

    Args:
        attributes: static variables to take, in raw units.
        observation: variable to take as the observation; empty takes none.
        climate: add the climate indices of all days.

    Raises:
        DataError: a file that is not of the format, or values that no weather, soil or plant has.
    """
    file = open_cells(path)
    try:
        places_of(file)
        position = np.arange(len(file.cells))
        words, days = words_of(file), np.ones(len(file.days), dtype=bool)
        for name in (*FORCING, *((observation,) if observation else ())):
            check_header(file, series_variable(name))
        check_attributes(file, position, tuple(attributes), words)
        ValueProof(file, position, words, observation, (), (days, days)).run(_TOGETHER, Progress())
        selection = Selection(file, position, np.ones(len(position), dtype=bool), tuple(attributes), ())
        variables: dict[str, Any] = dict(_static_variables(selection))
        series = {name: file.series(name, position) for name in FORCING}
        for name, values in series.items():
            daily = values[:, :, 0] if file.steps == 1 else values.mean(axis=2, dtype=np.float64)
            variables[name] = (("cell", "time"), daily)
            if file.steps > 1:
                variables[f"{name}_sub"] = (("cell", "time", "step"), values)
        if observation:
            variables[observation] = (("cell", "time"), _of_the_day(file.series(observation, position)))
        if climate:
            daily = {name: variables[name][1].astype(np.float64) for name in FORCING}
            variables |= climate_variables(daily, file.days)
        coords = _coordinates(selection)
    finally:
        file.close()
    return in_memory(variables, coords, observation)


def climate_variables(forcing: Mapping[str, np.ndarray], days: np.ndarray) -> dict[str, Any]:
    """Climate indices as variables of a cube; arguments as ``climate.climate_indices``."""
    indices = climate_indices(forcing, days)
    return {name: (("cell",), values, {"units": CLIMATE[name][0]}) for name, values in indices.items()}


def in_memory(variables: Mapping[str, Any], coords: Mapping[str, Any], observation: str = "") -> Cube:
    """A cube of cells that no study describes: none is trained, both periods are all days."""
    first, last = str(coords["time"][1][0])[:10], str(coords["time"][1][-1])[:10]
    periods = {"train_start": first, "train_end": last, "test_start": first, "test_end": last}
    attributes = [name for name, entry in variables.items() if len(entry) > 2 and entry[2].get("role") == "attribute"]
    attrs = {"observation": observation, "attributes": attributes, **periods}
    untrained = {"trained": (("cell",), np.zeros(len(coords["cell"][1]), dtype=bool))}
    return Cube(xr.Dataset({**variables, **untrained}, coords, attrs))
