"""Verbs of the stages, in the order in which the water flows; each also does what comes before it and is not done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paraformer.cli.app import (
    STAGES,
    AnyThreads,
    Directory,
    Overrides,
    Quiet,
    StudyFile,
    load_study,
    show,
    verb,
)
from paraformer.cli.interrupt import RESUMES, interruptible
from paraformer.core.log import shown_progress

if TYPE_CHECKING:
    from paraformer.config import Study


def run_until(stage: str, study: Study, directory: Path | None, quiet: bool, any_threads: bool = False) -> None:
    """Run a study up to a stage and show what it tells."""
    from paraformer.pipeline import run_study

    where = directory or Path("runs") / study.name
    with interruptible(RESUMES):
        summary = run_study(study, where, until=stage, progress=shown_progress(quiet), any_threads=any_threads)
    show(summary)


@verb(STAGES, "fetch my.yaml --estimate")
def fetch(
    study: StudyFile,
    overrides: Overrides = None,
    estimate: Annotated[bool, typer.Option("--estimate", help="say what there is to fetch, and stop")] = False,
    threads: Annotated[int, typer.Option("--threads", min=1, max=16, help="files at a time")] = 4,
    quiet: Quiet = False,
) -> None:
    """NASA archives -> the granules that the study reads and that are not in its folders yet; resumes after a kill."""
    from paraformer.data.download import Policy
    from paraformer.pipeline.fetch import fetch as fetch_files
    from paraformer.pipeline.fetch import plan_fetch

    plan = plan_fetch(load_study(study, overrides))
    show(plan.to_text())
    if estimate:
        return
    with interruptible(RESUMES):
        text = fetch_files(plan, Policy(threads=threads), shown_progress(quiet))
    show(text)


@verb(STAGES, "parameters my.yaml")
def parameters(
    study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False
) -> None:
    """Maps of soil, land cover and terrain -> a-priori params.nc and domain.nc, where the study says they are."""
    from paraformer.pipeline.parameters import make_parameters

    chosen = load_study(study, overrides)
    where = directory or Path("runs") / chosen.name
    with interruptible(RESUMES):
        text = make_parameters(chosen, where, shown_progress(quiet))
    show(text)


@verb(STAGES, "cube my.yaml")
def cube(study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """Raw files -> cube: daily forcing, observations and attributes of every cell."""
    run_until("cube", load_study(study, overrides), directory, quiet)


@verb(STAGES, "fill my.yaml")
def fill(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Observations -> seamless series: gaps filled by an LSTM, scored on days hidden from it."""
    run_until("gap_filling", load_study(study, overrides), directory, quiet, any_threads)


@verb(STAGES, "simulate my.yaml")
def simulate(study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """Cube -> ensemble: many parameter sets of every cell through the process model."""
    run_until("ensemble", load_study(study, overrides), directory, quiet)


@verb(STAGES, "emulate my.yaml")
def emulate(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Ensemble -> surrogate: a differentiable LSTM that answers as the process model does, and its audit."""
    run_until("surrogate", load_study(study, overrides), directory, quiet, any_threads)


@verb(STAGES, "learn my.yaml")
def learn(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Observations -> parameters: every learner of the study, every seed, through the frozen surrogate."""
    run_until("parameters", load_study(study, overrides), directory, quiet, any_threads)


@verb(STAGES, "evaluate my.yaml")
def evaluate(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Parameters -> scores: the process model itself judges every parameter field."""
    run_until("scores", load_study(study, overrides), directory, quiet, any_threads)


@verb(STAGES, "report my.yaml")
def report(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Scores -> tables, figures and one page that opens offline."""
    run_until("report", load_study(study, overrides), directory, quiet, any_threads)
