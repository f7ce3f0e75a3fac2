"""Memory, time and throughput of building a cube from granules, as JSON:

``python benchmarks/cube_stream.py [--months 1 3] [--grid ease2_9km] [--append] [--folder DIR] [--out FILE]``

Writes granules of the published structure for the longest span asked for (hourly NLDAS_FORA0125_H over its whole grid
of 224 x 464 cells, daily SPL3SMP_E at 9 km over the conterminous United States, both from 2016-01-01), then builds the
cube of each number of months through the stage that a study uses (``data.source: products``), each in a process of its
own, whose peak memory is stated. ``--append`` builds longer spans on the cached months of the shorter ones, so that
each build reads the new months only. Beside it: how fast the same files are read by plain ``read``, on a warm page
cache for both, since a cache cannot be dropped without privileges. Hours repeat 37 template files of noise, days three;
no two days have the same mean, so that neither granules nor cube compress better than noise does. Real SMAP granules
are larger: they hold more datasets than are read here.

``--folder`` keeps granules between calls; without it everything goes to a temporary folder. A month takes about 1.1 GB.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from data.sources.nldas_files import LAT, LON, write_hour
from data.sources.smap_granules import Overpass, write_granule
from paraformer.core.grid import ease2_global

FIRST = np.datetime64("2016-01-01", "D")
REGION = {"south": 25.0, "north": 53.0, "west": -125.0, "east": -67.0}
SWATHS = 3
TEMPLATES = 37
BLOCK = 1 << 22


def days_of(months: int) -> int:
    """Days of the first months from ``FIRST``."""
    return int((FIRST.astype("datetime64[M]") + months).astype("datetime64[D]").astype(int) - FIRST.astype(int))


def land() -> np.ndarray:
    """Where NLDAS-2 has forcing [lat, lon]: all but the corners in three seas, three quarters of the grid."""
    lat, lon = np.meshgrid(LAT, LON, indexing="ij")
    pacific, atlantic = lon < -124.5 + 0.35 * np.maximum(42 - lat, 0) * (lat < 42), lon > -81 + 0.75 * (lat - 25)
    gulf = (lat < 29.5) & (lon > -97.5) & (lon < -82.5)
    return ~(pacific | atlantic | gulf)


def write_weather(folder: Path, days: int) -> None:
    """Hourly files of the days and the first hour after them, from templates, each hour with its own time."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, known, places = np.random.default_rng(0), land(), (len(LAT), len(LON))
    made: list[Path] = []
    for hour in range(TEMPLATES):
        sun = max(np.sin(np.pi * (hour % 24 - 12) / 12), 0.0)
        noise = {name: rng.standard_normal(places) for name in ("Tair", "Qair", "PSurf", "Wind_E", "Rainf", "LWdown")}
        values = {
            "Tair": 280 + 6 * sun + noise["Tair"],
            "Qair": np.abs(0.006 + 0.0005 * noise["Qair"]),
            "PSurf": 9e4 + 300 * noise["PSurf"],
            "Wind_E": 3 + noise["Wind_E"],
            "SWdown": 600.0 * sun,
            "Rainf": np.maximum(noise["Rainf"] - 1.5, 0.0),
            "LWdown": 300 + 5 * noise["LWdown"],
        }
        values = {name: np.where(known, np.round(value, 4), -9999.0) for name, value in values.items()}
        values |= {name: np.where(known, value, -9999.0) for name, value in (("Wind_N", -2.0), ("CAPE", 0.0))}
        made.append(write_hour(folder, FIRST.astype("datetime64[h]") + hour, values))
    for hour in range(TEMPLATES, 24 * days + 1):
        stamp = FIRST.astype("datetime64[h]") + hour
        text = str(stamp)
        path = folder / f"NLDAS_FORA0125_H.A{text[:10].replace('-', '')}.{text[11:13]}00.020.nc"
        if path.exists():
            continue
        shutil.copyfile(made[hour % TEMPLATES], path)
        with netCDF4.Dataset(path, "r+") as file:
            since = (stamp - np.datetime64("1979-01-01T00", "h")) / np.timedelta64(1, "h")
            file["time"][0], file["time_bnds"][0] = since, [since - 1, since]


def write_moisture(folder: Path, days: int) -> None:
    """A granule a day, three swath patterns in turn; each with the time of its own overpasses."""
    folder.mkdir(parents=True, exist_ok=True)
    grid, rng = ease2_global(9), np.random.default_rng(1)
    rows, columns = grid.box(**REGION)
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    window = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
    local = np.linspace(REGION["west"], REGION["east"], shape[1]) / 15
    overpass = np.round((6.0 - local) * 3.6e6).astype("timedelta64[ms]") + np.zeros((shape[0], 1), "timedelta64[ms]")
    made: list[Path] = []
    for day in range(days):
        stamp = FIRST + day
        if day < SWATHS:
            stripe = (np.arange(shape[1]) // 40 + day) % SWATHS > 0
            moisture = np.round(0.2 + 0.05 * rng.standard_normal(shape), 4).clip(0.02, 0.6).astype(np.float32)
            moisture[:, ~stripe] = -9999.0
            flags = (rng.random(shape) < 0.3).astype(np.uint16)
            content = Overpass(
                rows.start,
                columns.start,
                stamp.astype("datetime64[ms]") + overpass,
                moisture,
                flags,
                np.zeros(shape, np.uint16),
            )
            made.append(write_granule(folder, "SPL3SMP_E", str(stamp), content))
            continue
        name = made[0].name.replace(str(FIRST).replace("-", ""), str(stamp).replace("-", ""))
        if (folder / name).exists():
            continue
        shutil.copyfile(made[day % SWATHS], folder / name)
        with h5py.File(folder / name, "r+") as file:
            times = file["Soil_Moisture_Retrieval_Data_AM/tb_time_seconds"]
            times[window] = times[window] + 86400.0 * (day - day % SWATHS)


def study_of(folder: Path, months: int, options: argparse.Namespace) -> dict[str, Any]:
    """Settings of a study of the first months."""
    last = FIRST + days_of(months) - 1
    middle = FIRST + days_of(months) // 2
    period = {"start": str(FIRST), "end": str(last)}
    cache = folder / ("cache" if options.append else f"cache-{months}")
    return {
        "name": f"stream-{months}",
        "data": {
            "source": "products",
            "chunk_cells": options.chunk_cells,
            "train": {"start": str(FIRST), "end": str(middle - 1)},
            "test": {"start": str(middle), "end": str(last)},
            "products": {
                "grid": options.grid,
                "region": REGION,
                "period": period,
                "cache": str(cache),
                "forcing": {"folder": str(folder / "nldas"), "steps": options.steps},
                "observation": {"folder": str(folder / "smap"), "product": "SPL3SMP_E", "overpass": "am"},
                "regrid": {"cache": str(folder / "weights")},
            },
        },
    }


def build(settings: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Build the cube of a study in this process; what it took."""
    from paraformer.config import Study
    from paraformer.core.schema import Cube
    from paraformer.pipeline import run_study

    start, cpu = time.perf_counter(), time.process_time()
    run_study(Study.model_validate(settings), directory, until="cube")
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    cube = Cube.open(directory / "cube" / "cube.zarr")
    return {
        "cells": len(cube.cells),
        "days": len(cube.time),
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "written_mb": round(sum(f.stat().st_size for f in directory.rglob("*") if f.is_file()) / 1e6),
    }


def raw_read(paths: list[Path]) -> float:
    """Seconds that plain reads of the files take; the second of two passes, so that the page cache is warm."""
    for _ in range(2):
        start = time.perf_counter()
        for path in paths:
            with path.open("rb", buffering=0) as file:
                while file.read(BLOCK):
                    pass
    return time.perf_counter() - start


def measure(folder: Path, months: int, options: argparse.Namespace) -> dict[str, Any]:
    """One build in a process of its own, beside the plain reading of its granules."""
    first, last = FIRST, FIRST + days_of(months)
    inside = {str(day).replace("-", "") for day in np.arange(first, last)}
    files = [
        p
        for p in sorted(folder.glob("*/*"))
        if p.suffix in (".nc", ".h5") and any(part[-8:] in inside for part in p.name.replace("_R", ".").split("."))
    ]
    size, plain = sum(p.stat().st_size for p in files), raw_read(files)
    directory = folder / f"run-{months}"
    shutil.rmtree(directory, ignore_errors=True)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        row = pool.submit(build, study_of(folder, months, options), directory).result()
    shutil.rmtree(directory)
    return {
        "months": months,
        "granules": len(files),
        "read_mb": round(size / 1e6),
        "build_mb_per_s": round(size / 1e6 / row["wall_s"], 2),
        "raw_read_mb_per_s": round(size / 1e6 / plain),
        **row,
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, nargs="+", default=[1, 3])
    parser.add_argument("--grid", choices=["ease2_9km", "ease2_36km", "nldas"], default="ease2_9km")
    parser.add_argument("--steps", type=int, choices=[1, 8, 24], default=1, help="steps a day that the cube keeps")
    parser.add_argument("--chunk-cells", type=int, default=1024, help="cells that the cube holds together")
    parser.add_argument("--append", action="store_true", help="each build goes on from the months of the last one")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        start = time.perf_counter()
        days = days_of(max(options.months))
        write_weather(folder / "nldas", days)
        write_moisture(folder / "smap", days)
        result = {
            "grid": options.grid,
            "steps": options.steps,
            "append": options.append,
            "granules_written_in_s": round(time.perf_counter() - start, 1),
            "load_average": os.getloadavg()[0],
            "builds": [],
        }
        for months in sorted(options.months):
            result["builds"].append(measure(folder, months, options))
            sys.stderr.write(json.dumps(result["builds"][-1]) + "\n")
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
