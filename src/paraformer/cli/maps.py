"""Verbs that carry parameters to other cells: a trained map applied, exported, listed; parameters of anyone judged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paraformer.cli.app import MAPS, Directory, Overrides, Quiet, StudyFile, load_study, show, verb
from paraformer.cli.interrupt import RESUMES, interruptible
from paraformer.core.log import shown_progress


@verb(MAPS, "apply runs/demo my.yaml --judge")
def apply(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="a run directory, a folder of 'export', or a name that 'models' lists"),
    ],
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="a study, a file of cells, or a VIC global parameter file")
    ],
    method: Annotated[
        str | None, typer.Option("--method", help="learner of the run directory, if it has several")
    ] = None,
    directory: Annotated[
        Path | None, typer.Option("--directory", "-d", help="where results go; runs/<target>-by-<map> by default")
    ] = None,
    parameters: Annotated[
        Path | None, typer.Option("--parameters", help="VIC parameter file of a file of cells; params.nc beside it")
    ] = None,
    domain: Annotated[
        Path | None, typer.Option("--domain", help="VIC domain file of a file of cells; domain.nc beside it")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="run the process model and score θ by the observations of the cells")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """A trained map -> parameters of other cells: params.nc, theta.nc, and where to doubt them. Nothing is trained."""
    from paraformer.pipeline.apply import Order, apply_map
    from paraformer.pipeline.released import find_map

    found = find_map(model, method)
    where = directory or Path("runs") / f"{target.stem}-by-{found.name}"
    show(apply_map(found, Order(target, (parameters, domain), judge), where, shown_progress(quiet)))


@verb(MAPS, "export runs/demo maps/mine --method FFN_A")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory whose learners are trained")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the map goes, to be copied anywhere")],
    method: Annotated[str | None, typer.Option("--method", help="learner of the run, if it has several")] = None,
    half: Annotated[bool, typer.Option("--half", help="weights of 16 bits: half the size")] = False,
) -> None:
    """A trained learner -> a folder that 'apply' takes on any machine, without the run it comes from."""
    from paraformer.pipeline.released import describe_map, export_map

    show(f"{describe_map(export_map(run, method, folder, half=half))}\n{folder}")


@verb(MAPS, "models")
def models() -> None:
    """The maps that come with this installation: what they read, and what they were trained on."""
    from paraformer.pipeline.released import describe_packaged

    show(describe_packaged())


@verb(MAPS, "judge my.yaml --theta theta.nc")
def judge(
    study: StudyFile,
    theta: Annotated[
        list[Path], typer.Option("--theta", metavar="FILE", help="theta.nc or a VIC parameter file; may be repeated")
    ],
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
) -> None:
    """Parameters from anywhere -> scores: the process model runs them on the cells and test period of a study."""
    from paraformer.pipeline.judge import judge_thetas

    chosen = load_study(study, overrides)
    where = directory or Path("runs") / chosen.name
    with interruptible(RESUMES):
        text = judge_thetas(chosen, where, theta, shown_progress(quiet))
    show(text)
