"""Verbs about a whole study: is it right, what will it cost, run it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from paraformer.cli.app import STUDY, AnyThreads, Directory, Overrides, Quiet, StudyFile, load_study, show, verb
from paraformer.cli.stages import run_until


@verb(STUDY, "new vic my_study --global global_param.txt")
def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="vic, products, own-model, own-learner or basins")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the files go; it must be empty")],
    global_param: Annotated[
        Path | None, typer.Option("--global", metavar="GLOBAL_PARAM", help="vic: the run whose cells the study has")
    ] = None,
    observations: Annotated[
        Path | None, typer.Option("--observations", metavar="FILE", help="vic: soil moisture to learn from (netCDF)")
    ] = None,
    variable: Annotated[
        str | None, typer.Option("--variable", help="of that file, if several have the unit m3 m-3")
    ] = None,
) -> None:
    """A folder to begin from: a study, and what it needs, made from your VIC run or a template."""
    from paraformer.pipeline.from_vic import Moisture
    from paraformer.pipeline.new import new as begin

    moisture = None if observations is None else Moisture(observations, variable)
    show(begin(kind, folder, global_param, moisture))


@verb(STUDY, "check my.yaml")
def check(study: StudyFile, overrides: Overrides = None) -> None:
    """Read study, data and parameter files and name the first problem, before any work."""
    from paraformer.pipeline import check_study

    show(check_study(load_study(study, overrides)))


@verb(STUDY, "plan my.yaml --cells 10000 --cores 64")
def plan(
    study: StudyFile,
    overrides: Overrides = None,
    cells: Annotated[int | None, typer.Option("--cells", help="plan for so many cells instead")] = None,
    cores: Annotated[int | None, typer.Option("--cores", help="say what so many cores make of it")] = None,
) -> None:
    """Runs, time, memory and disk of every stage, measured on a few cells, before anything starts."""
    from paraformer.pipeline.plan import plan_study

    show(plan_study(load_study(study, overrides), cells=cells).to_text(cores))


@verb(STUDY, "run my.yaml --set learner_seeds=4")
def run(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """The whole chain: each stage once, resumed where it was interrupted, reused where nothing changed."""
    run_until("report", load_study(study, overrides), directory, quiet, any_threads)


@verb(STUDY, "demo --directory runs/demo")
def demo(overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """The whole chain on the built-in world, whose true parameters are known."""
    with resources.as_file(resources.files("paraformer") / "studies" / "demo.yaml") as path:
        run_until("report", load_study(path, overrides), directory, quiet)
