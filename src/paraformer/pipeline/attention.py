"""``attention``: what a learner of a finished run looks at, from the maps it left behind."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from paraformer.config import Study, load_study
from paraformer.core.contracts import Attention, CalibrationData
from paraformer.core.errors import DataError, RunError, SettingsError, nearest
from paraformer.core.files import write_csv
from paraformer.core.results import Results
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.data.gapfill import open_filled
from paraformer.data.views import calibration_view
from paraformer.learners.attended import attended, has_attention
from paraformer.learners.learned import LearnedMap
from paraformer.report.attention import (
    CAVEAT,
    Regions,
    attention_figure,
    attention_table,
    attention_text,
    quarters,
    thirds,
)
from paraformer.report.figures import save_figure
from paraformer.report.rectangles import Cells


class Seen(NamedTuple):
    """What a learner of a run looks at, and where: what its figure and tables are made of."""

    method: str
    attention: Attention
    seeds: int
    cells: Cells
    regions: Regions

    @property
    def title(self) -> str:
        seeds = f"{self.seeds} seeds" if self.seeds > 1 else "one seed"
        windows = f"; windows end on {', '.join(map(str, self.attention.ends))}" if len(self.attention.ends) else ""
        return f"What {self.method} attends to ({seeds}{windows})"

    def figure(self) -> Figure:
        return attention_figure(self.attention, self.regions, self.cells, title=self.title)

    def table(self) -> pd.DataFrame:
        return attention_table(self.attention, self.regions)


def attention_of(study: Study, results: Results, method: str, by: str | None = None) -> Seen:
    """Attention of all seeds of a learner of a run.

    Args:
        by: variable of the cube whose low, middle and high thirds are the regions; by default four quarters.

    Raises:
        SettingsError: if the study has no such learner, or it has no attention.
        RunError: if the learner has not been trained in this run.
        DataError: if the cube has no such variable of cells.
    """
    maps, data = trained_maps(study, results, method)
    cube = results.cube
    regions = quarters(cube.lat, cube.lon) if by is None else thirds(_variable(cube, by), by)
    where = Cells(cube.lat, cube.lon, cube.trained)
    return Seen(method, attended(maps, data), len(maps), where, regions)


def trained_maps(study: Study, results: Results, method: str) -> tuple[list[LearnedMap], CalibrationData]:
    """The maps of all seeds of a learner with attention, and the inputs they read of the cells of the run.

    The a-priori θ in the data is the middle of the range, since attention reads none.

    Raises:
        SettingsError, RunError: as ``attention_of``.
    """
    _require_attention(study, method)
    learner = study.learners[method]
    folders = [results.seed_folder(method, seed) for seed in range(study.learner_seeds)]
    for folder in folders:
        if not (folder / "model.json").exists():
            raise RunError(f"{folder}: no trained map of '{method}' here; 'paraformer learn' trains it")
    cube = results.cube
    filled = None if learner.observations == "masked" else open_filled(results.folder("gap_filling"))
    middle = np.tile(study.space.from_unit(np.full(len(study.space), 0.5)), (len(cube.cells), 1))
    data = calibration_view(cube, study.space, middle, filled=filled)
    return [LearnedMap.load(folder, study.space) for folder in folders], data


def describe_attention(run: Path, method: str, by: str | None = None, out: Path | None = None) -> str:
    """Write figure and table of a learner's attention, and return what to tell the user.

    Args:
        run: directory of a run whose learners are trained.
        out: folder of ``<method>.csv`` and the figure; ``attention`` in the run directory by default.

    Raises:
        RunError: if ``run`` is not a run directory, or as ``attention_of``.
    """
    results = Results(run)
    study = load_study(results.study_file)
    seen, folder = attention_of(study, results, method, by), out or run / "attention"
    write_csv(folder / f"{method}.csv", seen.table())
    written = save_figure(seen.figure(), folder / method, study.report)
    lines = [f"{seen.title}; 1 is even attention"]
    for of, table in attention_text(seen.attention, seen.regions).items():
        lines += ["", to_text(table.rename(columns={"input": of}))]
    return "\n".join([*lines, "", CAVEAT, "", *(str(path) for path in (folder / f"{method}.csv", *written))])


def _require_attention(study: Study, method: str) -> None:
    able = [name for name, learner in study.learners.items() if has_attention(learner)]
    if method not in study.learners:
        raise SettingsError(f"no learner is called '{method}'{nearest(method, able or study.learners)}")
    if method not in able:
        network = study.learners[method].network.name
        others = f"; with attention: {', '.join(able)}" if able else ""
        raise SettingsError(f"learner '{method}': its network '{network}' has no attention{others}")


def _variable(cube: Cube, name: str) -> np.ndarray:
    variables = [str(v) for v in cube.dataset.data_vars if cube.dataset[v].dims == ("cell",)]
    if name not in variables:
        raise DataError(f"no variable '{name}' with one value a cell{nearest(name, variables)}")
    return cube.dataset[name].values.astype(np.float64)
