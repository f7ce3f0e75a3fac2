"""Command line: the verbs of the chain, in the order in which the water flows.

Exit codes: 0 done; 2 settings, 3 data, 4 model, 5 run directory or machine (disk, memory, permission), 130 interrupted
(run again to resume), 70 a bug.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from paraformer.core.errors import ParaformerError
from paraformer.core.faults import explained, refusal
from paraformer.core.log import Progress, shown_progress

if TYPE_CHECKING:  # torch takes seconds to load, and running VIC does not need it
    from paraformer.config import Study

app = typer.Typer(
    help="Learns the hidden parameters of land-surface hydrological models from satellite observations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="study file (YAML)")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="override a setting, e.g. learner_seeds=4")
]
Directory = Annotated[
    Path | None, typer.Option("--directory", "-d", help="run directory; runs/<study name> by default")
]
AnyThreads = Annotated[
    bool, typer.Option("--any-threads", help="go on with another number of threads than training was begun with")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="no progress, only results and errors")]


class Interrupted(ParaformerError):
    """The user pressed Ctrl-C; everything finished so far is kept."""

    exit_code = 130


@app.callback()
def _common(debug: Annotated[bool, typer.Option("--debug", help="show the full trace of an error")] = False) -> None:
    """Options before the verb."""
    os.environ["PARAFORMER_DEBUG"] = "1" if debug else os.environ.get("PARAFORMER_DEBUG", "")


class _Out(Console):
    """Where results are shown. A reader that leaves (``| head``) has read enough: the work is done all the same."""

    def on_broken_pipe(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _out() -> Console:
    """Plain width on files and pipes, so that tables are never cut."""
    return _Out(width=None if sys.stdout.isatty() else 160, highlight=False)


def _progress(quiet: bool) -> Progress:
    return shown_progress(quiet)


def load_study(path: Path, overrides: Sequence[str]) -> Study:
    """``config.load_study``, imported when a verb needs it."""
    from paraformer.config import load_study as load

    return load(path, overrides)


def _run_until(stage: str, study: Study, directory: Path | None, quiet: bool, any_threads: bool = False) -> None:
    from paraformer.pipeline import run_study

    where = directory or Path("runs") / study.name
    try:
        summary = run_study(study, where, until=stage, progress=_progress(quiet), any_threads=any_threads)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on where it stopped") from None
    _out().print(summary)


@app.command()
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
    _out().print(begin(kind, folder, global_param, moisture), soft_wrap=True)


@app.command()
def check(study: StudyFile, overrides: Overrides = None) -> None:
    """Read study, data and parameter files and name the first problem, before any work."""
    from paraformer.pipeline import check_study

    _out().print(check_study(load_study(study, overrides or ())))


@app.command()
def plan(
    study: StudyFile,
    overrides: Overrides = None,
    cells: Annotated[int | None, typer.Option("--cells", help="plan for so many cells instead")] = None,
    cores: Annotated[int | None, typer.Option("--cores", help="say what so many cores make of it")] = None,
) -> None:
    """Cells, runs, core-hours, memory and disk of every stage, measured on a few cells, before anything starts."""
    from paraformer.pipeline.plan import plan_study

    _out().print(plan_study(load_study(study, overrides or ()), cells=cells).to_text(cores), soft_wrap=True)


@app.command()
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

    plan = plan_fetch(load_study(study, overrides or ()))
    _out().print(plan.to_text(), soft_wrap=True)
    if estimate:
        return
    try:
        text = fetch_files(plan, Policy(threads=threads), _progress(quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on where it stopped") from None
    _out().print(text, soft_wrap=True)


@app.command()
def cube(study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """Raw files -> cube: daily forcing, observations and attributes of every cell."""
    _run_until("cube", load_study(study, overrides or ()), directory, quiet)


@app.command()
def parameters(
    study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False
) -> None:
    """Maps of soil, land cover and terrain -> a-priori params.nc and domain.nc, where the study says they are."""
    from paraformer.pipeline.parameters import make_parameters

    chosen = load_study(study, overrides or ())
    where = directory or Path("runs") / chosen.name
    try:
        text = make_parameters(chosen, where, _progress(quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on where it stopped") from None
    _out().print(text, soft_wrap=True)


@app.command()
def fill(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Observations -> seamless series: gaps filled by an LSTM, scored on days hidden from it."""
    _run_until("gap_filling", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def simulate(study: StudyFile, overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """Cube -> ensemble: many parameter sets of every cell through the process model."""
    _run_until("ensemble", load_study(study, overrides or ()), directory, quiet)


@app.command()
def emulate(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Ensemble -> surrogate: a differentiable LSTM that answers as the process model does, and its audit."""
    _run_until("surrogate", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def learn(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Observations -> parameters: every learner of the study, every seed, through the frozen surrogate."""
    _run_until("parameters", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def evaluate(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Parameters -> scores: the process model itself judges every parameter field."""
    _run_until("scores", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def report(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """Scores -> tables, figures and one page that opens offline."""
    _run_until("report", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def run(
    study: StudyFile,
    overrides: Overrides = None,
    directory: Directory = None,
    quiet: Quiet = False,
    any_threads: AnyThreads = False,
) -> None:
    """The whole chain: each stage once, resumed where it was interrupted, reused where nothing changed."""
    _run_until("report", load_study(study, overrides or ()), directory, quiet, any_threads)


@app.command()
def demo(overrides: Overrides = None, directory: Directory = None, quiet: Quiet = False) -> None:
    """The whole chain on the built-in world, whose true parameters are known."""
    with resources.as_file(resources.files("paraformer") / "studies" / "demo.yaml") as path:
        _run_until("report", load_study(path, overrides or ()), directory, quiet)


@app.command()
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
) -> None:
    """Scores of one run or several -> differences between methods, with interval and p-value over cells."""
    from paraformer.core.files import write_csv
    from paraformer.pipeline.compare import Question, compare_runs, describe_comparison

    table = compare_runs(runs, Question(metric, operator, period, tile), against)
    if out is not None:
        write_csv(out, table)
    _out().print(describe_comparison(table), soft_wrap=True)


@app.command()
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

    _out().print(write_paper(runs, out, operator), soft_wrap=True)


@app.command()
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

    _out().print(describe_attention(run, method, by, out), soft_wrap=True)


@app.command()
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
    _out().print(apply_map(found, Order(target, (parameters, domain), judge), where, _progress(quiet)), soft_wrap=True)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory whose learners are trained")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the map goes, to be copied anywhere")],
    method: Annotated[str | None, typer.Option("--method", help="learner of the run, if it has several")] = None,
) -> None:
    """A trained learner -> a folder that 'apply' takes on any machine, without the run it comes from."""
    from paraformer.pipeline.released import describe_map, export_map

    _out().print(f"{describe_map(export_map(run, method, folder))}\n{folder}", soft_wrap=True)


@app.command()
def models() -> None:
    """The maps that come with this installation: what they read, and what they were trained on."""
    from paraformer.pipeline.released import describe_packaged

    _out().print(describe_packaged(), soft_wrap=True)


@app.command()
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

    chosen = load_study(study, overrides or ())
    where = directory or Path("runs") / chosen.name
    try:
        text = judge_thetas(chosen, where, theta, _progress(quiet))
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command goes on where it stopped") from None
    _out().print(text, soft_wrap=True)


@app.command()
def describe(
    path: Annotated[Path, typer.Argument(help="a cube, a run directory or a study file")],
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE.html", help="a page about a cube")] = None,
) -> None:
    """What a cube, a run or a study holds; of a cube also a page: coverage, ranges, what was dropped, odd cells."""
    from paraformer.pipeline.describe import describe as describe_path

    if html is None:
        _out().print(describe_path(path), soft_wrap=True)
        return
    from paraformer.pipeline.cube_page import write_cube_page

    _out().print(write_cube_page(path, html), soft_wrap=True)


@app.command()
def cite(run: Annotated[Path, typer.Argument(metavar="RUN", help="a run directory or a cube")]) -> None:
    """What a paper that uses a run has to name: products with version, DOI and citation, models, software."""
    from paraformer.pipeline.cite import cite as cite_run

    _out().print(cite_run(run), soft_wrap=True)


vic = typer.Typer(
    help="VIC-5 by its own files: run a global parameter file, convert inputs between its two drivers.",
    no_args_is_help=True,
)
app.add_typer(vic, name="vic")
GlobalFile = Annotated[Path, typer.Argument(metavar="GLOBAL_PARAM", help="VIC-5 global parameter file")]


@vic.command("run")
def vic_run(
    global_param: GlobalFile,
    strict: Annotated[bool, typer.Option("--strict", help="an OUTVAR that is not computed is an error")] = False,
    water_balance: Annotated[
        Literal["vic", "conserving"], typer.Option(help="repeat every loss of water of VIC-5, or close the balance")
    ] = "vic",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all by default")] = None,
    ignore_routing: Annotated[
        bool, typer.Option("--ignore-routing", help="pass over ROUT_PARAM, as a VIC built with the routing stub")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Run a global parameter file of VIC-5's image driver: same inputs, same history and state files."""
    from paraformer.pipeline import vic as vic_alone

    try:
        result = vic_alone.run(
            global_param,
            strict=strict,
            water_balance=water_balance,
            threads=threads,
            ignore_routing=ignore_routing,
            progress=_progress(quiet),
        )
    except KeyboardInterrupt:
        raise Interrupted("interrupted; no half-written file is left") from None
    for path in (*result.history, *([result.state] if result.state else [])):
        _out().print(str(path), soft_wrap=True)
    _out().print(
        f"{result.n_cell} cells, {result.n_day} days, largest water balance error of a step "
        f"{result.max_abs_water_error:.1e} mm"
    )


@vic.command("convert")
def vic_convert(
    global_param: GlobalFile,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the new files go")],
    quiet: Quiet = False,
) -> None:
    """Classic driver's text inputs -> image driver's netCDF inputs, or back: GLOBAL_PARAM says which it is."""
    from paraformer.process.vic.driver.convert import convert

    done = convert(global_param, folder.absolute(), progress=_progress(quiet))
    _out().print(f"{done.n_cell} cells, {done.n_day} days: {done.global_param}", soft_wrap=True)


network = typer.Typer(
    help="River networks: made from flow directions, segments or a table of basins, checked, drawn.",
    no_args_is_help=True,
)
app.add_typer(network, name="network")
NetworkFile = Annotated[Path, typer.Argument(metavar="NETWORK", help="network file, or an RVIC parameter file")]


@network.command("make")
def network_make(
    river: Annotated[
        Path,
        typer.Argument(
            metavar="RIVER",
            help="flow directions (text grid, GeoTIFF, netCDF), mizuRoute's network (netCDF), the Lohmann program's "
            "control file, or a table of basins (CSV)",
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="NETWORK", help="the network's file (netCDF)")],
    codes: Annotated[
        Literal["vic", "arcinfo", "ldd", "nextxy"] | None,
        typer.Option("--codes", help="codes of the flow directions; needed where they could be of two kinds"),
    ] = None,
    variable: Annotated[str | None, typer.Option("--variable", help="variable of a netCDF file")] = None,
    gauges: Annotated[
        Path | None, typer.Option("--gauges", help="table: name, lat, lon, area_km2; a column cell keeps a cell")
    ] = None,
    search: Annotated[int, typer.Option("--search", min=0, help="cells around its own a gauge may be moved")] = 1,
    velocity: Annotated[str, typer.Option("--velocity", metavar="MAP", help="of the flood wave [m s-1]")] = "1.5",
    diffusivity: Annotated[str, typer.Option("--diffusivity", metavar="MAP", help="of it [m2 s-1]")] = "800",
    length: Annotated[
        str, typer.Option("--length", metavar="MAP", help="way through each cell [m]; else between the centres")
    ] = "",
    sinuosity: Annotated[float, typer.Option("--sinuosity", help="times the way between the centres")] = 1.0,
    area: Annotated[str, typer.Option("--area", metavar="MAP", help="of the cells [m2]; else on the sphere")] = "",
    fraction: Annotated[
        str, typer.Option("--fraction", metavar="MAP", help="part of each cell inside the gauges' basins")
    ] = "1",
    runoff_delay: Annotated[float, typer.Option("--runoff-delay", help="mean time to the channel [h]")] = 0.0,
    runoff_shape: Annotated[float, typer.Option("--runoff-shape", help="shape of its gamma distribution")] = 2.5,
    baseflow_delay: Annotated[float, typer.Option("--baseflow-delay", help="the same of baseflow [h]")] = 0.0,
    baseflow_shape: Annotated[float, typer.Option("--baseflow-shape", help="the same of baseflow")] = 2.5,
    box: Annotated[
        Path | None, typer.Option("--box", help="the Lohmann program's unit hydrograph of a cell, by day")
    ] = None,
    upscale: Annotated[int, typer.Option("--upscale", metavar="N", help="cells of N by N fine ones")] = 1,
    ends_outside: Annotated[bool, typer.Option("--ends-outside", help="rivers that leave the grid end there")] = False,
    crs: Annotated[str, typer.Option("--crs", help="projection of x and y in metres, e.g. EPSG:2154")] = "",
) -> None:
    """A river network from what you have. MAP is a number, or a map FILE or FILE::VARIABLE on the same grid."""
    from paraformer.routing.command import Recipe, make_network

    recipe = Recipe(
        codes, variable, velocity, diffusivity, length, sinuosity, area, fraction, gauges, search,
        (runoff_delay, runoff_shape, baseflow_delay, baseflow_shape), box, upscale, ends_outside, crs,
    )  # fmt: skip
    _out().print(make_network(river, out, recipe), soft_wrap=True)


@network.command("check")
def network_check(file: NetworkFile) -> None:
    """Name the first fault of a network, or say what it holds: cells, gauges with both areas, times of travel."""
    from paraformer.routing.command import check_network

    _out().print(check_network(file), soft_wrap=True)


@network.command("map")
def network_map(
    file: NetworkFile, out: Annotated[Path, typer.Argument(metavar="FIGURE", help="png, pdf or svg")]
) -> None:
    """Draw a network: rivers, as wide as what drains through them, and gauges."""
    from paraformer.routing.describe import draw_network
    from paraformer.routing.files import read_network

    draw_network(read_network(file), out)
    _out().print(str(out), soft_wrap=True)


@network.command("rvic")
def network_rvic(
    file: Annotated[Path, typer.Argument(metavar="NETWORK", help="network file with gauges")],
    domain: Annotated[Path, typer.Argument(metavar="DOMAIN", help="VIC's domain file: grid, area, frac")],
    box: Annotated[Path, typer.Argument(metavar="UH", help="unit hydrograph of a cell: lines of seconds and share")],
    out: Annotated[Path, typer.Argument(metavar="PARAMETERS", help="the parameter file (netCDF)")],
    step: Annotated[float, typer.Option("--step", help="OUTPUT_INTERVAL [s]")] = 86400.0,
    cell_days: Annotated[float, typer.Option("--cell-days", help="CELL_FLOWDAYS")] = 2.0,
    basin_days: Annotated[float, typer.Option("--basin-days", help="BASIN_FLOWDAYS")] = 50.0,
    subset_days: Annotated[float, typer.Option("--subset-days", help="SUBSET_DAYS")] = 10.0,
    constrain: Annotated[bool, typer.Option("--constrain", help="CONSTRAIN_FRACTIONS")] = False,
) -> None:
    """A parameter file as RVIC 1.1.1 makes it, for VIC-5's own routing (ROUT_PARAM); a warning says what it does."""
    from paraformer.routing.command import make_rvic
    from paraformer.routing.rvic import RvicOptions

    options = RvicOptions(cell_days, basin_days, step, subset_days, constrain)
    _out().print(make_rvic(file, domain, box, out, options), soft_wrap=True)


@app.command()
def route(
    runoff: Annotated[Path, typer.Argument(metavar="RUNOFF", help="runoff and baseflow of any model (netCDF)")],
    file: NetworkFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.nc", help="where discharge goes")] = Path("discharge.nc"),
    method: Annotated[
        Literal["exact", "composed", "lohmann", "lohmann_2015"],
        typer.Option("--method", help="exact mathematics (composed: for maps of velocity too), or a program's numbers"),
    ] = "exact",
    runoff_variable: Annotated[str | None, typer.Option("--runoff", metavar="VARIABLE", help="its name")] = None,
    baseflow_variable: Annotated[str | None, typer.Option("--baseflow", metavar="VARIABLE", help="its name")] = None,
    domain: Annotated[
        Path | None, typer.Option("--domain", help="domain file with areas, for an RVIC parameter file")
    ] = None,
    local_days: Annotated[
        float | None,
        typer.Option("--local-days", metavar="HOURS", help="daily means of local days, e.g. -7; needs shorter steps"),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Runoff and a river network -> discharge at its gauges, with the water's balance."""
    from paraformer.routing.command import RouteOptions, route_runoff

    options = RouteOptions(method, runoff_variable, baseflow_variable, domain, local_days)
    _out().print(route_runoff(runoff, file, out, options, _progress(quiet)), soft_wrap=True)


def main() -> None:
    """Entry point: one clear line and a non-zero exit code for every error; ``--debug`` shows the trace."""
    _settle_streams()
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package = logging.getLogger("paraformer")
    package.setLevel(logging.INFO)
    package.addHandler(handler)
    if {"-q", "--quiet"} & set(sys.argv):
        handler.setLevel(logging.WARNING)
    try:
        app()
    except Interrupted as error:
        _leave(str(error), error.exit_code)
    except Exception as error:
        known = explained(error)
        if known is None:
            _fail(f"unexpected error: {type(error).__name__}: {error} (a bug; --debug shows where)", 70)
        elif refusal(error) is None:
            _fail(f"error: {known}", known.exit_code)
        else:  # libraries that could not write or allocate may crash while the interpreter goes down
            _leave(f"error: {known}", known.exit_code)


def _settle_streams() -> None:
    """Show what the terminal's encoding lacks as question marks; print to nowhere where a stream was closed before."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  (for as long as we run)
        elif isinstance(stream, io.TextIOWrapper) and stream.errors != "backslashreplace":
            stream.reconfigure(errors="replace")


def _fail(line: str, code: int) -> None:
    _say(line)
    sys.exit(code)


def _leave(line: str, code: int) -> None:
    """End at once: interrupted storage threads and libraries that failed must do nothing more, nor complain.

    Nothing is lost: whatever a kill leaves behind, the next run takes up.
    """
    _say(line)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _say(line: str) -> None:
    if os.environ.get("PARAFORMER_DEBUG") == "1":
        logging.getLogger("paraformer").exception("trace")
    with contextlib.suppress(OSError):  # nobody may be listening any more
        print(line.replace("\n", " "), file=sys.stderr)  # noqa: T201
