"""``check``: everything that can be wrong before any work, found in seconds."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent
from typing import NamedTuple

import numpy as np

from paraformer.config import Study
from paraformer.core.errors import DataError, ModelError, SettingsError
from paraformer.core.grid import cell_words, have_partner
from paraformer.core.log import warnings_alone
from paraformer.core.time import Period
from paraformer.data.quality import Selection, check_values
from paraformer.data.sources.cells import CellsFile
from paraformer.data.summary import input_table
from paraformer.learners.config import OwnConfig, OwnHistoryConfig
from paraformer.numerics.comparable import comparable
from paraformer.numerics.scores import accumulate, finish
from paraformer.pipeline.advice import suits
from paraformer.pipeline.consistent import Extent, least_days, require_consistent, require_fits, require_outputs
from paraformer.pipeline.folds import require_folds
from paraformer.pipeline.small_world import MOST_ROWS, small_world
from paraformer.process.files import Places, ProcessFiles, process_files, require_files, require_steps
from paraformer.process.vic.files import read_domain
from paraformer.search.config import OwnSearchConfig

logger = logging.getLogger(__name__)

_ATTRIBUTES = 7
"""Attributes that a network of the user's own is tried with."""

_MOST_TO_BUILD = 5_000_000
"""Cell-days of data on which a model of the user's own is built to see whether it keeps the contract."""


def check_study(study: Study) -> str:
    """Read data and parameter files and say what the study would run on.

    Raises:
        SettingsError: a setting that contradicts another, the data or the process model's limits, or names a process
            model that does not keep the contract.
        DataError: the first problem of the data, naming file, variable, cell and time.
    """
    require_consistent(study)
    try:
        _try_networks(study)
        return _checked(study)
    except ModelError as error:
        raise SettingsError(str(error)) from error


def _try_networks(study: Study) -> None:
    """Build every network and calibrator of the user's own once; any number of attributes must do."""
    for search in study.searches.values():
        if isinstance(search, OwnSearchConfig):
            search.calibrator().make()
    for learner in study.learners.values():
        if not learner.has_gradient:
            learner.own_calibrator().make()
        elif isinstance(learner.network, OwnConfig | OwnHistoryConfig):
            from paraformer.learners.networks import ParameterMap  # here, for it loads torch

            ParameterMap(learner, _ATTRIBUTES, len(study.space))


def _checked(study: Study) -> str:
    """What there is to check in files and worlds."""
    if study.data.source == "synthetic":
        _check_world(study)
        return f"study {study.name}: the built-in world needs no files; settings are valid"
    if study.data.source != "cells":
        return _check_part(study)
    checked = _check_cells(study, None, {})
    selection, trained = checked.selection, int(checked.selection.trained.sum())
    sets = 1 + study.ensemble.common + study.ensemble.own if study.emulated else 0
    runs = len(selection.cells) * sets
    judged = any(name.startswith("et_") for name in selection.references)
    missing = "" if judged else "; without evapotranspiration (et_...) Table 3 and Figure 9 will be left out"
    return (
        f"study {study.name}: ok\n"
        f"  {len(selection.cells)} cells of {checked.in_file} in the file, {trained} trained and "
        f"{len(selection.cells) - trained} unseen\n"
        f"  train {study.data.train}, test {study.data.test}\n"
        f"  {', '.join(p.name for p in study.parameters)}: {runs} process-model runs in the ensemble\n"
        f"  searches: {', '.join(study.searches) or 'none'}, {study.search_seeds} seed(s)\n"
        f"  learners: {', '.join(study.learners) or 'none'}, {study.learner_seeds} seed(s)\n"
        f"  references: {', '.join(selection.references) or 'none'}{missing}\n"
        f"{indent(checked.table, '  ')}{checked.advice}"
    )


def _check_world(study: Study) -> None:
    """Check a built-in world, which has no files of the user's that messages could name."""
    with warnings_alone(), small_world(study) as world:
        folder = world.files["domain"].parent
        try:
            _check_cells(study, world.inputs, world.files)
        except (DataError, SettingsError) as error:
            raise type(error)(str(error).replace(f"{folder}/", "the built-in world's ")) from error


def _check_part(study: Study) -> str:
    """Check a part of granules or tables, and the model's files for the cells that it shows."""
    from paraformer.data.gather import source_hash  # here, for they load the readers of every product
    from paraformer.data.part_check import can_be_sampled, check_part

    require_parameter_files(study)
    files = process_files(study.process, {})
    source_hash(study.data)
    if not can_be_sampled(study.data):
        return f"study {study.name}: source '{study.data.source}' is there; building the cube checks its values"
    part = check_part(study.data)
    if isinstance(files, ProcessFiles):
        require_steps(part.steps, study.process.vic)
    places = Places(part.cells, part.lat, part.lon)
    split = study.data.split
    thinned = split is not None and (split.design or (split.blocks is not None and split.blocks.buffer_km > 0))
    if isinstance(files, ProcessFiles) and thinned:
        places = _in_domain(files, places)
    if len(places.cells) and study.data.days is not None:
        first, last = (np.datetime64(day, "D") for day in (study.data.days.start, study.data.days.end))
        days = np.arange(first, last + 1)
        require_files(study.process, files, places, days, study.space)
    said = "".join(f"  {line}\n" for line in part.said)
    return (
        f"study {study.name}: ok as far as a part of '{study.data.source}' shows\n{said}"
        "  building the cube reads and proves the rest"
    )


def _in_domain(files: ProcessFiles, places: Places) -> Places:
    """The cells that VIC's files have: which others a split leaves out shows on the whole grid alone."""
    domain = read_domain(files.domain)
    there = have_partner(places.lat, places.lon, domain.cell_lat, domain.cell_lon)
    if len(there) and not there.any():
        words = cell_words(places.lat, places.lon, places.cells)
        text = "%s: has none of the %d cells that were looked at, first %s; it may be that of another region"
        logger.warning(text, files.domain, len(there), words(0))
    return places.select(np.flatnonzero(there))


class Checked(NamedTuple):
    """A checked file: what a study uses of it, the cells it holds, a table of its contents, and what suits them."""

    selection: Selection
    in_file: int
    table: str
    advice: str


def _check_cells(study: Study, inputs: Path | CellsFile | None, given: Mapping[str, Path]) -> Checked:
    """Check a file of the simple format and what is to be done with it.

    Args:
        inputs: the file of the built-in world, or the world itself; ``None`` takes the study's file.
        given: VIC-5 files beside it.
    """
    selection, values = check_values(study.data, inputs)
    file = selection.file
    try:
        table = input_table(selection, values, study.data.observation)
        _require_attributes(study, selection)
        extent = _extent(study, selection)
        require_fits(study, extent)
        if extent.trained is not None:
            lat, lon = (file.static(name)[selection.position].astype(float) for name in ("lat", "lon"))
            require_folds(study, lat, lon, selection.trained)
        days = _observed_days(study, selection) if study.moisture else None
        _require_observed(study, selection, days)
        _require_comparable(study, selection)
        table = "\n".join([table, *_streamflow(study, selection)])
        _check_process(study, selection, given)
        if study.process.model not in ("vic", "compiled") and len(selection.cells) * len(file.days) <= _MOST_TO_BUILD:
            assert not isinstance(inputs, CellsFile)
            _try_model(study, inputs, given)
    finally:
        file.close()
    advice = "" if days is None else f"\n  {suits(days[selection.trained], study.evaluation.min_days)}"
    return Checked(selection, len(file.cells), table, advice)


def _extent(study: Study, selection: Selection) -> Extent:
    """What there is of the data; a large built-in world is seen in part."""
    first, last = (dt.date.fromisoformat(str(selection.file.days[i])) for i in (0, -1))
    world, cells = study.data.synthetic, len(selection.cells)
    if world is not None and max(world.rows, world.columns) > MOST_ROWS:
        return Extent(Period(start=first, end=last), world.rows * world.columns, None, selection.references)
    return Extent(Period(start=first, end=last), cells, int(selection.trained.sum()), selection.references)


def _require_observed(study: Study, selection: Selection, days: np.ndarray | None) -> None:
    """Some cells have as many observed days, of values that vary, as searches and scores ask for."""
    if days is None:
        return
    most = {"trained cell": int(days[selection.trained].max()), "cell": int(days.max())}
    least = {"evaluation.min_days": ("trained cell", study.evaluation.min_days)}
    least |= {key: ("cell", count) for key, count in least_days(study).items()}
    for key, (who, count) in least.items():
        if most[who] < count:
            raise SettingsError(f"{key}: {count}, but no {who} has more than {most[who]} observed days of training")


def _observed_days(study: Study, selection: Selection) -> np.ndarray:
    """Observed days of the training period of every cell; 0 where the observation does not vary [cell]."""
    file, train, name = selection.file, study.data.train.mask(selection.file.days), study.data.observation or ""
    size, parts = file.together(study.data.chunk_cells), []
    for start in range(0, len(selection.cells), size):
        values = file.series(name, selection.position[start : start + size])[:, train]
        values = values.reshape(len(values), -1).astype(np.float64)  # one step of a day is observed at most
        mask = np.isfinite(values)
        statistics = accumulate(np.where(mask, values, 0.0), np.where(mask, values, 0.0), mask)
        parts.append(np.where(finish(statistics, min_days=1).scored["rmse"], statistics.days, 0))
    return np.concatenate(parts)


def _require_attributes(study: Study, selection: Selection) -> None:
    if not (selection.attributes or study.data.climate_attributes or study.data.land_attributes):
        raise SettingsError(
            f"data.attributes: {selection.file.path} has none of the vocabulary, and climate_attributes is off; "
            "θ has to be learned from something"
        )


def _require_comparable(study: Study, selection: Selection) -> None:
    """References of the targets vary over the cells: of learners over those trained, of searches over all."""
    trained = selection.position[selection.trained]
    asked = [(f"learners.{key}", each.targets, trained) for key, each in study.learners.items()]
    asked += [(f"searches.{key}", each.others, selection.position) for key, each in study.searches.items()]
    for key, targets, cells in asked:
        for target, config in {} if targets is None else targets.chosen.items():
            for name in config.reference:
                values = selection.file.reference(name, cells)
                comparable(f"{key}.targets.{target}", config, name, values.reshape(len(cells), -1))


def _streamflow(study: Study, selection: Selection) -> list[str]:
    """The river and its gauges as they will be read, in a few lines; nothing without streamflow, and of the built-in
    world, whose river is made with it.

    Raises:
        DataError: as ``streamflow.open_river``.
        SettingsError: no gauge that may be learned from has as many days as a search asks for.
    """
    if study.data.streamflow is None or study.data.source == "synthetic":
        return []
    from paraformer.pipeline.streamflow import flow_lines, open_river, warn_of_water  # xarray and numba take seconds

    file, kept = selection.file, selection.position
    lat, lon = (file.static(name)[kept].astype(float) for name in ("lat", "lon"))
    river = open_river(study, Places(np.asarray(selection.cells), lat, lon), file.days)
    rain = file.series("prcp", kept).mean(axis=2, dtype=np.float64)
    return flow_lines(study, river, warn_of_water(river, rain), selection.trained, file.days)


def _check_process(study: Study, selection: Selection, given: Mapping[str, Path]) -> None:
    """Parameter files of the cells, and the bounds of θ against what they hold."""
    file, kept = selection.file, selection.position
    places = Places(np.asarray(selection.cells), *(file.static(name)[kept].astype(float) for name in ("lat", "lon")))
    files = process_files(study.process, given)
    if isinstance(files, ProcessFiles):
        require_steps(file.steps, study.process.vic)
    require_files(study.process, files, places, file.days, study.space)


def _try_model(study: Study, inputs: Path | None, given: Mapping[str, Path]) -> None:
    """Build the model on the study's cells and days, and let it run one of them."""
    from paraformer.data.cube import build_cube  # here, for VIC is checked without being built
    from paraformer.process.build import build_process

    with warnings_alone(), TemporaryDirectory() as folder:
        cube = build_cube(study.data, Path(folder) / "cube.zarr", inputs=inputs)
        model = build_process(study.process, study.space, cube, process_files(study.process, given))
        require_outputs(study, model.outputs)


def require_parameter_files(study: Study) -> None:
    """Raise before any work if a study of granules has no parameter files for VIC, saying how they are made.

    Raises:
        SettingsError: the study does not say where they are.
        DataError: a file does not exist.
    """
    if study.data.products is None or study.process.model != "vic":
        return
    makes = study.data.products.land is not None
    for name, path in (("parameters", study.process.parameters), ("domain", study.process.domain)):
        if path is None:
            told = "where 'paraformer parameters STUDY' is to write what it makes of data.products.land"
            raise SettingsError(f"process.{name} is missing: {told if makes else 'VIC needs it'}")
        if not path.exists():
            told = "'paraformer parameters STUDY' makes it of data.products.land"
            other = "make it yourself, or give maps in data.products.land and run 'paraformer parameters STUDY'"
            raise DataError(f"{path}: no such file (process.{name}); {told if makes else other}")
