"""Verbs of rivers: networks made, checked and drawn; runoff routed to gauges."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from paraformer.cli.app import RIVERS, Quiet, example, family, show, verb
from paraformer.core.log import shown_progress

network = family(
    "network",
    "River networks: made from flow directions, segments or a table of basins, checked, drawn.",
    "network make directions.tif river.nc",
)
NetworkFile = Annotated[Path, typer.Argument(metavar="NETWORK", help="network file, or an RVIC parameter file")]


@network.command("make", epilog=example("network make directions.tif river.nc --gauges gauges.csv"))
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
        codes,
        variable,
        velocity,
        diffusivity,
        length,
        sinuosity,
        area,
        fraction,
        gauges,
        search,
        (runoff_delay, runoff_shape, baseflow_delay, baseflow_shape),
        box,
        upscale,
        ends_outside,
        crs,
    )
    show(make_network(river, out, recipe))


@network.command("check", epilog=example("network check river.nc"))
def network_check(file: NetworkFile) -> None:
    """Name the first fault of a network, or say what it holds: cells, gauges with both areas, times of travel."""
    from paraformer.routing.command import check_network

    show(check_network(file))


@network.command("map", epilog=example("network map river.nc river.png"))
def network_map(
    file: NetworkFile, out: Annotated[Path, typer.Argument(metavar="FIGURE", help="png, pdf or svg")]
) -> None:
    """Draw a network: rivers, as wide as what drains through them, and gauges."""
    from paraformer.routing.describe import draw_network
    from paraformer.routing.files import read_network

    draw_network(read_network(file), out)
    show(str(out))


@network.command("rvic", epilog=example("network rvic river.nc domain.nc uh.csv rout_param.nc"))
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
    show(make_rvic(file, domain, box, out, options))


@verb(RIVERS, "route fluxes.nc river.nc --out discharge.nc")
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
    show(route_runoff(runoff, file, out, options, shown_progress(quiet)))
