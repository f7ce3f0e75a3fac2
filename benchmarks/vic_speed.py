"""CPU time of VIC per cell-year and per column-year, as JSON: ``python benchmarks/vic_speed.py [--cases W S F R]
[--shared ../shared] [--out FILE]``. A column is a vegetation tile in an elevation band. The cases, daily model steps:

- ``W``: Walnut Gulch L2015, 15 cells repeated to 120, 2008, 2.6 tiles a cell, almost no snow; steps 1/8/24.
- ``S``: Stehekin with synthetic forcing, 16 cells, 1970-71, 24.75 columns a cell, snow most of the year; steps 1/8/24.
- ``F``: like Findley Lake (its own files are not stored): the Stehekin cell nearest to its height, the three largest
  tiles in one band, the same forcing cut into hours; steps 1/24/24.
- ``R``: the 310 real cells, three years, one tile a cell; steps 1/8/24.

Without the shared reference data the committed Walnut Gulch slice is the only case (``slice``).

Time is CPU time of the process on one thread, the least of several repetitions: start it with ``taskset -c 0`` on a
quiet core. The compiled times are those stated for VIC 5.1.0, ``-O3 -march=native``, on a 2 vCPU AMD EPYC: physics
only (its timer around ``vic_run``), while ours include derived forcing, derived parameters and the gathering of daily
output, not reading files. Machines differ, so the processor is named, and every time is also given over that of a
reference loop of one column-year's powers (24 runoff steps x 2 layers x 2 powers x 365 days) on the same machine.

Where the time goes is found by settings alone: a run with 4 instead of 24 runoff steps gives the share of drainage and
baseflow; a run in weather 60 K warmer gives the share of snow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from llvmlite.binding import get_host_cpu_name

from paraformer.process.vic import files
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.forcing import SERIES, Forcing
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate

ROOT = Path(__file__).resolve().parents[1]
FINDLEY_ELEVATION = 1240.0  # [m]
OUTPUTS = ("soil_moisture_1", "evapotranspiration", "runoff", "baseflow", "swe")


class Case(NamedTuple):
    """What is run, and how long compiled VIC-5 took [ms of physics per cell-year], if that is known."""

    parameters: CellParameters
    forcing: Forcing
    settings: VICSettings
    compiled_ms: float | None


@compiled
def reference_loop(column_years: int) -> float:
    """The powers of Brooks-Corey drainage, and nothing else."""
    total = 0.0
    for _ in range(column_years):
        moisture = 30.0
        for _ in range(365 * 24 * 2):
            moisture += 1e-4 - moisture * 1e-9
            total += moisture - (moisture**-9.5 + 1e-16) ** (1.0 / -9.5)
    return total


def least_of(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Smallest wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def _reference(shared: Path, site: str, run: str, *, snow_bands: bool = True) -> tuple[CellParameters, Forcing]:
    """Inputs of a run of the reference data, by its global parameter file."""
    folder = shared / "reference" / "vic5"
    found = read_global_parameters(
        folder / site / "global" / f"{run}.txt", environment={"REF": str(folder), "OUT": "unused"}
    )
    domain = files.read_run_cells(found.parameters, files.read_domain(found.domain))
    parameters = files.read_parameters(
        found.parameters, domain, canopy_source=found.canopy_source, snow_bands=snow_bands
    )
    paths = [found.forcing[0].path(int(str(year))) for year in np.unique(found.days.astype("datetime64[Y]"))]
    steps = found.settings.forcing_steps_per_day
    return parameters, files.read_forcing(paths, domain, found.days, steps, found.forcing[0].names)


def walnut_gulch(shared: Path) -> Case:
    parameters, forcing = _reference(shared, "walnutgulch", "L2015_daily")
    repeat = np.tile(np.arange(parameters.n_cell), 8)
    return Case(parameters.select(repeat), forcing.select(repeat), VICSettings(), 5.4)


def stehekin(shared: Path) -> Case:
    return Case(*_reference(shared, "stehekin", "syn_daily"), VICSettings(), 116.0)


def like_findley_lake(shared: Path) -> Case:
    parameters, forcing = _reference(shared, "stehekin", "syn_daily", snow_bands=False)
    nearest = [int(np.abs(parameters.elev - FINDLEY_ELEVATION).argmin())]
    parameters, forcing = parameters.select(nearest), forcing.select(nearest)
    third = np.sort(parameters.cv, axis=1)[:, -3:-2]
    hourly = {name: np.repeat(getattr(forcing, name), 3, axis=1) for name in SERIES}
    hourly["prcp"] = hourly["prcp"] / 3.0
    parameters = parameters._replace(cv=np.where(parameters.cv >= third, parameters.cv, 0.0))
    return Case(parameters, forcing._replace(**hourly), VICSettings(snow_steps_per_day=24), 35.0)


def real_cells(shared: Path) -> tuple[CellParameters, Forcing, str]:
    folder = shared / "data" / "conus" / "vic5"
    domain = files.read_domain(folder / "domain.nc")
    parameters = files.read_parameters(folder / "params_B.nc", domain, snow_bands=False)
    days = np.arange("2015-04-01", "2018-04-01", dtype="datetime64[D]")
    paths = sorted((folder / "forcing").glob("*.nc"))
    return parameters, files.read_forcing(paths, domain, days, 8), "310 real cells, 3 years"


def committed_cells() -> tuple[CellParameters, Forcing, str]:
    with np.load(ROOT / "tests" / "golden" / "data" / "walnutgulch.npz") as arrays:

        def fields(prefix: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(prefix): arrays[k] for k in arrays.files if k.startswith(prefix)}

        parameters = CellParameters(**fields("L2015_daily/parameters/"))
        forcing = Forcing(**fields("forcing/"))
    forcing = forcing._replace(**{name: getattr(forcing, name).astype(np.float64) for name in SERIES})
    repeat = np.tile(np.arange(parameters.n_cell), 100)
    return parameters.select(repeat), forcing.select(repeat), "WalnutGulch slice repeated to 200 cells, 1 year"


def on_real_cells(shared: Path) -> Case:
    return Case(*real_cells(shared)[:2], VICSettings(), 4.5)


def on_slice(shared: Path) -> Case:
    return Case(*committed_cells()[:2], VICSettings(), None)


CASES: dict[str, Callable[[Path], Case]] = {
    "W": walnut_gulch,
    "S": stehekin,
    "F": like_findley_lake,
    "R": on_real_cells,
    "slice": on_slice,
}


def measure(case: Case, loop_ms: float, repeats: int) -> dict[str, object]:
    """Times of one case [ms], and where they go."""
    parameters, forcing, settings, compiled_ms = case
    cell_years = parameters.n_cell * forcing.n_day / 365.25
    columns = float((parameters.column_weight() > 0).sum() / parameters.n_cell)

    def per_cell_year(weather: Forcing, how: VICSettings) -> float:
        work = lambda: simulate(parameters, weather, how, outputs=OUTPUTS, threads=1)  # noqa: E731
        return 1000 * least_of(work, repeats)[1] / cell_years

    warm = forcing._replace(tair=np.minimum(forcing.tair + 60.0, 55.0))
    whole = per_cell_year(forcing, settings)
    few = per_cell_year(forcing, settings.model_copy(update={"runoff_steps_per_day": 4}))
    found: dict[str, object] = {
        "cells": parameters.n_cell,
        "days": forcing.n_day,
        "columns_per_cell": columns,
        "steps": [settings.model_steps_per_day, settings.snow_steps_per_day, settings.runoff_steps_per_day],
        "ms_per_cell_year": whole,
        "ms_per_column_year": whole / columns,
        "over_reference_loop": whole / columns / loop_ms,
        "share_of_drainage_and_baseflow": (whole - few) * 24 / 20 / whole,
        "share_of_snow": 1 - per_cell_year(warm, settings) / whole,
    }
    if compiled_ms is not None:
        found |= {"compiled_vic_ms_per_cell_year": compiled_ms, "compiled_vic_over_ours": compiled_ms / whole}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cases", nargs="+", choices=list(CASES))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    chosen = options.cases or (["W", "S", "F", "R"] if (options.shared / "data").exists() else ["slice"])
    start = time.perf_counter()
    one = on_slice(options.shared)
    simulate(one.parameters.select([0]), one.forcing.select([0]).select_days(0, 2), VICSettings())
    first_call = time.perf_counter() - start
    reference_loop(1)
    loop = 1000 * least_of(lambda: reference_loop(100), options.repeats)[1] / 100
    result = {
        "processor": get_host_cpu_name(),
        "compiled_vic": "VIC 5.1.0, gcc 12.2 -O3 -march=native, physics only, 2 vCPU AMD EPYC",
        "method": f"CPU time of one thread, least of {options.repeats}",
        "load_average_before": os.getloadavg()[0],
        "first_call_s": first_call,
        "reference_loop_ms": loop,
        "cases": {name: measure(CASES[name](options.shared), loop, options.repeats) for name in chosen},
    }
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
