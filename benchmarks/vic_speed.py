"""Time of VIC per cell-year, as JSON: ``python benchmarks/vic_speed.py [--shared ../shared] [--out FILE]``.

The case is the 310 real cells, three years, steps 1/8/24, or the committed WalnutGulch slice repeated where the shared
reference data is absent. Machines differ and are shared, so every time is also given over that of a reference loop of
one cell-year's worth of powers (24 runoff steps x 2 layers x 2 powers x 365 days) on the same machine: compiled VIC-5
took 4.5 ms a cell-year on the real cells (2 vCPU AMD EPYC), of which the loop is the part nobody can avoid.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from paraformer.process.vic import files
from paraformer.process.vic.forcing import SERIES, Forcing
from paraformer.process.vic.jit import compiled
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate

COMPILED_VIC_MS = 4.5  # per cell-year, one core of the machine named above
ROOT = Path(__file__).resolve().parents[1]


@compiled
def reference_loop(cell_years: int) -> float:
    """The powers of Brooks-Corey drainage, and nothing else."""
    total = 0.0
    for _ in range(cell_years):
        moisture = 30.0
        for _ in range(365 * 24 * 2):
            moisture += 1e-4 - moisture * 1e-9
            total += moisture - (moisture**-9.5 + 1e-16) ** (1.0 / -9.5)
    return total


def best_of(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Smallest wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


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


def measure(parameters: CellParameters, forcing: Forcing, case: str) -> dict[str, object]:
    cell_years = parameters.n_cell * forcing.n_day / 365.25

    def per_cell_year(p: CellParameters, f: Forcing, steps: int, threads: int) -> dict[str, float]:
        settings = VICSettings(model_steps_per_day=steps)
        outputs = ("soil_moisture_1", "evapotranspiration", "runoff", "baseflow", "swe")
        n = cell_years * p.n_cell / parameters.n_cell
        wall, cpu = best_of(lambda: simulate(p, f, settings, outputs=outputs, threads=threads), 3)
        return {"wall_ms": 1000 * wall / n, "cpu_ms": 1000 * cpu / n}

    start = time.perf_counter()
    simulate(parameters.select([0]), forcing.select([0]).select_days(0, 2), VICSettings())
    first_call = time.perf_counter() - start
    reference_loop(1)
    loop = 1000 * best_of(lambda: reference_loop(100), 3)[1] / 100
    warm = forcing._replace(tair=np.minimum(forcing.tair + 60.0, 55.0))
    some = np.arange(0, parameters.n_cell, 5)
    one, two = (per_cell_year(parameters, forcing, 1, threads) for threads in (1, 2))
    snow_free = per_cell_year(parameters, warm, 1, 1)
    return {
        "case": case,
        "unit": "milliseconds per cell-year",
        "load_average_before": os.getloadavg()[0],
        "first_call_s": first_call,
        "reference_loop_ms": loop,
        "one_thread": one,
        "two_threads": two,
        "speed_up_of_two_threads": one["wall_ms"] / two["wall_ms"],
        "never_snow": snow_free,
        "three_hourly_steps": per_cell_year(parameters.select(some), forcing.select(some), 8, 1),
        "over_reference_loop": one["cpu_ms"] / loop,
        "compiled_vic_ms": COMPILED_VIC_MS,
        "compiled_vic_over_ours": COMPILED_VIC_MS / one["cpu_ms"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    has_shared = (options.shared / "data").exists()
    result = measure(*(real_cells(options.shared) if has_shared else committed_cells()))
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
