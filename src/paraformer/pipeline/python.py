"""The verbs in Python: ``paraformer.run`` and ``paraformer.check``, on a study or its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from paraformer.config import Study, load_study
from paraformer.core.errors import SettingsError
from paraformer.core.log import Progress, shown_progress
from paraformer.pipeline.check import check_study
from paraformer.pipeline.result import Result
from paraformer.pipeline.run import run_study


def run(
    study: Study | str | Path,
    directory: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    until: str = "report",
    any_threads: bool = False,
    quiet: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Run a study: each stage once, resumed where it was interrupted, reused where nothing changed.

    Args:
        study: the study, or its file.
        directory: of the run, made if needed; ``runs/<name of the study>`` by default.
        overrides: settings to change, as ``learner_seeds=4`` (of a file).
        until: the last stage, as ``cube``, ``ensemble``, ``surrogate``, ``parameters``, ``scores``, ``report``.
        any_threads: go on with another number of threads than training was begun with.
        quiet: no progress; else a bar in a terminal or notebook, log lines elsewhere.
        progress: where progress goes instead.

    Returns:
        The run as one object; ``print`` shows its tables.

    Raises:
        ParaformerError: one clear line; everything computed so far is kept.
    """
    chosen = _study(study, overrides)
    where = Path("runs") / chosen.name if directory is None else Path(directory)
    run_study(chosen, where, until=until, progress=progress or shown_progress(quiet), any_threads=any_threads)
    return Result(where)


def check(study: Study | str | Path, *, overrides: Sequence[str] = ()) -> str:
    """Read study, data and parameter files, and say what the study would run on, before any work.

    Args:
        study: the study, or its file.
        overrides: settings to change, as ``learner_seeds=4`` (of a file).

    Raises:
        SettingsError, DataError: the first problem, naming file, key or variable, cell and time.
    """
    return check_study(_study(study, overrides))


def _study(given: Study | str | Path, overrides: Sequence[str]) -> Study:
    if not isinstance(given, Study):
        return load_study(given, overrides)
    if overrides:
        raise SettingsError("overrides change the settings of a study file; of a Study, use model_copy(update=...)")
    return given
