"""Verbs of VIC-5 alone, by its own files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from paraformer.cli.app import Quiet, example, family, show
from paraformer.cli.interrupt import interruptible
from paraformer.core.log import shown_progress

vic = family(
    "vic",
    "VIC-5 by its own files: run a global parameter file, convert inputs between its two drivers.",
    "vic run global_param.txt",
)
GlobalFile = Annotated[Path, typer.Argument(metavar="GLOBAL_PARAM", help="VIC-5 global parameter file")]


@vic.command("run", epilog=example("vic run global_param.txt --threads 4"))
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

    with interruptible("interrupted; the same command begins anew"):
        result = vic_alone.run(
            global_param,
            strict=strict,
            water_balance=water_balance,
            threads=threads,
            ignore_routing=ignore_routing,
            progress=shown_progress(quiet),
        )
    for path in (*result.history, *([result.state] if result.state else [])):
        show(str(path))
    show(
        f"{result.n_cell} cells, {result.n_day} days, largest water balance error of a step "
        f"{result.max_abs_water_error:.1e} mm"
    )


@vic.command("convert", epilog=example("vic convert global_param.txt image"))
def vic_convert(
    global_param: GlobalFile,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="where the new files go")],
    quiet: Quiet = False,
) -> None:
    """Classic driver's text inputs -> image driver's netCDF inputs, or back: GLOBAL_PARAM says which it is."""
    from paraformer.process.vic.driver.convert import convert

    done = convert(global_param, folder.absolute(), progress=shown_progress(quiet))
    show(f"{done.n_cell} cells, {done.n_day} days: {done.global_param}")
