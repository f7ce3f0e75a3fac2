"""``check``: everything that can be wrong before any work, found in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

import numpy as np

from paraformer.config import Study
from paraformer.core.errors import DataError, ModelError, SettingsError, nearest
from paraformer.data import check_values, input_table, source_hash
from paraformer.pipeline.verdict import PER_CELL
from paraformer.process.build import Places, process_files, require_files


def check_study(study: Study) -> str:
    """Read data and parameter files and say what the study would run on.

    Raises:
        SettingsError: a setting that contradicts another.
        DataError: the first problem of the data, naming file, variable, cell and time.
    """
    require_consistent(study)
    if study.data.source == "synthetic":
        if study.process.model != "vic":
            process_files(study.process, {})
        return f"study {study.name}: the built-in world needs no files; settings are valid"
    if study.data.source != "cells":
        require_parameter_files(study)
        source_hash(study.data)
        return f"study {study.name}: source '{study.data.source}' is there; building the cube checks its values"
    selection, values = check_values(study.data)
    trained = int(selection.trained.sum())
    file, kept = selection.file, selection.position
    places = Places(np.asarray(selection.cells), *(file.static(name)[kept].astype(float) for name in ("lat", "lon")))
    days = file.days
    table = input_table(selection, values, study.data.observation)
    file.close()
    require_files(study.process, process_files(study.process, {}), places, days, study.space.names)
    runs = len(selection.cells) * (1 + study.ensemble.common + study.ensemble.own)
    return (
        f"study {study.name}: ok\n"
        f"  {len(selection.cells)} cells, {trained} trained and {len(selection.cells) - trained} unseen\n"
        f"  train {study.data.train}, test {study.data.test}\n"
        f"  {', '.join(p.name for p in study.parameters)}: {runs} process-model runs in the ensemble\n"
        f"  searches: {', '.join(study.searches) or 'none'}, {study.search_seeds} seed(s)\n"
        f"  learners: {', '.join(study.learners) or 'none'}, {study.learner_seeds} seed(s)\n{indent(table, '  ')}"
    )


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


def require_offered(study: Study, outputs: Sequence[str]) -> None:
    """Raise ModelError naming the first output of the ensemble that the process model does not offer."""
    for name in study.ensemble.outputs:
        if name not in outputs:
            raise ModelError(
                f"ensemble.outputs: '{name}' is not offered by process.model '{study.process.model}', which offers "
                f"{', '.join(outputs)}; name those you need there and in surrogate.outputs"
            )


def require_consistent(study: Study) -> None:
    """Raise SettingsError where settings of different rooms contradict each other."""
    for name in study.surrogate.outputs:
        if name not in study.ensemble.outputs:
            hint = nearest(name, study.ensemble.outputs)
            raise SettingsError(f"surrogate.outputs: '{name}' is not in ensemble.outputs{hint}")
    if "soil_moisture" not in study.surrogate.outputs:
        raise SettingsError("surrogate.outputs: 'soil_moisture' is missing; it is what is learned from")
    transfers = study.evaluation.transfers
    if transfers is not None:
        sources = (*study.searches, PER_CELL)
        if transfers.source not in sources:
            hint = nearest(transfers.source, sources)
            raise SettingsError(f"evaluation.transfers.source: '{transfers.source}' is no search of the study{hint}")
    if study.surrogate.anchors > study.ensemble.common:
        raise SettingsError(
            f"surrogate.anchors ({study.surrogate.anchors}) exceeds ensemble.common ({study.ensemble.common})"
        )
