"""Verbs that read finished runs: what they hold, which method is better, what to cite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paraformer.cli.app import RESULTS, Quiet, show, verb


@verb(RESULTS, "describe runs/demo")
def describe(
    path: Annotated[Path, typer.Argument(help="a cube, a run directory or a study file")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="a page about a cube")] = None,
) -> None:
    """What a cube, a run or a study holds; of a cube also a page: coverage, ranges, what was dropped, odd cells."""
    from paraformer.pipeline.describe import describe as describe_path

    if html is None:
        show(describe_path(path))
        return
    from paraformer.pipeline.cube_page import write_cube_page

    show(write_cube_page(path, html))


@verb(RESULTS, "compare runs/demo --tile 1")
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="run directories, judged on the same cells")],
    metric: Annotated[str, typer.Option("--metric", help="rmse, pcc, nse, ubrmse, kge or bias")] = "rmse",
    operator: Annotated[str, typer.Option("--operator", help="observation operator of the scores")] = "raw",
    period: Annotated[str, typer.Option("--period", help="test or train")] = "test",
    against: Annotated[
        str | None, typer.Option("--against", metavar="METHOD", help="its namesake in the first RUN, else default VIC")
    ] = None,
    tile: Annotated[float, typer.Option("--tile", help="side of the tiles the bootstrap draws [degree]")] = 8.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.csv", help="write all columns here")] = None,
    flow: Annotated[
        bool, typer.Option("--flow", help="flow at gauges, by KGE; of studies without soil moisture always so")
    ] = False,
) -> None:
    """Scores of one run or several -> differences between methods, with interval and p-value over cells."""
    from paraformer.core.files import write_csv
    from paraformer.pipeline.compare import (
        Question,
        compare_flow,
        compare_runs,
        describe_comparison,
        describe_flow,
        without_moisture,
    )

    if flow or without_moisture(runs):
        table = compare_flow(runs, period, against)
        if out is not None:
            write_csv(out, table)
        show(describe_flow(table, period))
        return
    table = compare_runs(runs, Question(metric, operator, period, tile), against)
    if out is not None:
        write_csv(out, table)
    show(describe_comparison(table))


@verb(RESULTS, "validate runs/my stations/")
def validate(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="a run directory, or a file of cells with the weather of stations")
    ],
    stations: Annotated[
        Path | None,
        typer.Argument(
            metavar="STATIONS",
            help="USCRN files, an ISMN download, or a netCDF file; without it those in a file of cells",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="MODEL", help="a map whose θ VIC runs with in a file of cells; repeatable"),
    ] = None,
    within: Annotated[
        float, typer.Option("--within", help="largest distance of a station from the centre of its cell [km]")
    ] = 25.0,
    out: Annotated[Path | None, typer.Option("--out", metavar="FOLDER", help="write all tables here")] = None,
    quiet: Quiet = False,
) -> None:
    """Soil moisture at stations: r, bias, ubRMSE with intervals, by depth, raw and of anomalies; of a run's methods,
    or of VIC on the stations' own weather.
    """
    from paraformer.pipeline.validate import validate as validate_at

    show(str(validate_at(source, stations, models=model or (), within=within, directory=out, quiet=quiet)))


@verb(RESULTS, "attention runs/my ParaFormer_Z --by clay")
def attention(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory whose learners are trained")],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="a learner with attention, e.g. ParaFormer_Z")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="VARIABLE", help="regions by thirds of a variable of the cube")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="where table and figure go; RUN/attention by default")
    ] = None,
) -> None:
    """What a learner looks at: which attributes and which days before, by region; a table and a figure."""
    from paraformer.pipeline.attention import describe_attention

    show(describe_attention(run, method, by, out))


@verb(RESULTS, "assimilate runs/my ParaFormer_Z")
def assimilate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory, judged by VIC")],
    method: Annotated[
        str | None, typer.Argument(metavar="METHOD", help="whose θ stands beside default VIC; the recommended one")
    ] = None,
    offset: Annotated[
        bool,
        typer.Option(
            "--offset/--no-offset", help="whether an observation moves a lasting offset, too, or VIC's water alone"
        ),
    ] = True,
    members: Annotated[int, typer.Option("--members", help="of the ensemble of each cell")] = 24,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="where the tables go; RUN/assimilation by default")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Next-day soil moisture with and without a Kalman filter of observations, by default VIC and by a method's θ."""
    from paraformer.core.log import shown_progress
    from paraformer.pipeline.assimilate import assimilate as assimilate_run
    from paraformer.pipeline.assimilate import describe_assimilation

    folder = run / "assimilation" if out is None else out
    progress = shown_progress(quiet)
    table = assimilate_run(run, method, offset=offset, members=members, out=folder, progress=progress)
    show(describe_assimilation(table, folder))


@verb(RESULTS, "paper runs/paper_s4 runs/paper_s8")
def paper(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="runs/paper_s4 runs/paper_s8, or others")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="where page, tables and figure go")] = Path(
        "runs/paper"
    ),
    operator: Annotated[
        str | None,
        typer.Option("--operator", help="operator of the scores; that of the studies"),
    ] = None,
) -> None:
    """Runs on different cells -> their data sets side by side: the paper's Tables 2 and 3 and Figure 3 on one page."""
    from paraformer.pipeline.paper import write_paper

    show(write_paper(runs, out, operator))


@verb(RESULTS, "cite runs/my")
def cite(run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory or a cube")]) -> None:
    """What a paper that uses a run has to name: products with version, DOI and citation, models, software."""
    from paraformer.pipeline.cite import cite as cite_run

    show(cite_run(run))
