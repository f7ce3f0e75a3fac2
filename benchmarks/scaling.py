"""Wall time of an ensemble on threads of one process and on Dask workers, as JSON:

``python benchmarks/scaling.py [STUDY] [--threads 1 2] [--workers 1 2] [--repeat 1] [--set KEY=VALUE] [--out FILE]``

Makes the cube of a study once (the built-in world's by default), then the same ensemble on each number of threads of
this process and on each number of worker processes with one thread each; the least wall time of the repetitions counts.
The default takes about four minutes. Workers are started, and the model is compiled, before the clock runs; how long
workers take to start is stated. Exits with 1 if two archives differ by a byte. Wall times mean something on an idle
machine only: the load average is stated.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEMO = Path(__file__).resolve().parents[1] / "src" / "paraformer" / "studies" / "demo.yaml"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?", default=DEMO)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=1, help="runs of each kind, of which the fastest counts")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


class Ensemble:
    """The ensemble of a study, to be made again and again."""

    def __init__(self, study: Any, folder: Path) -> None:
        from paraformer.pipeline import run_study
        from paraformer.process.files import ProcessFiles, parameter_files

        run_study(study, folder, until="cube")
        made = folder / "cube"
        synthetic = study.data.source == "synthetic"
        self.files = (
            ProcessFiles(made / "params.nc", made / "domain.nc") if synthetic else parameter_files(study.process)
        )
        self.study, self.folder, self.store = study, folder, made / "cube.zarr"
        self.count = 0

    def make(self, executor: Any, threads: int, sets_per_cell: int | None = None) -> tuple[float, str]:
        """Wall time [s] and hash of the archive."""
        from paraformer.core.files import hash_path
        from paraformer.core.log import Progress
        from paraformer.core.schema import Cube
        from paraformer.process.ensemble import Sets, ensemble_sets, run_sets
        from paraformer.process.recipe import ProcessRecipe

        study, config = self.study, self.study.ensemble
        process = study.process.model_copy(update={"threads": threads})
        recipe = ProcessRecipe(process, study.space, self.store, self.files)
        sets = ensemble_sets(config, study.space, study.space.clip(recipe.prior()), study.seed)
        if sets_per_cell is not None and sets.theta is not None:
            sets = Sets(sets.theta[:, :sets_per_cell])
        self.count += 1
        path = self.folder / f"{self.count}.zarr"
        start = time.perf_counter()
        run_sets(
            recipe,
            sets,
            path,
            outputs=config.outputs,
            axes=Cube.open(self.store).axes,
            chunk_cells=config.chunk_cells,
            progress=Progress(),
            executor=executor,
        )
        return time.perf_counter() - start, hash_path(path)


@contextmanager
def opened(kind: str, count: int) -> Iterator[tuple[Any, int, float]]:
    """An executor, the threads of each of its processes, and the seconds it took to start."""
    from paraformer.process.config import DaskExecutor, LocalExecutor
    from paraformer.process.executor import open_executor

    start = time.perf_counter()
    local = kind == "threads"
    with open_executor(LocalExecutor() if local else DaskExecutor(workers=count)) as executor:
        if not local:
            executor.client.wait_for_workers(count)  # type: ignore[attr-defined]
        yield executor, count if local else 1, time.perf_counter() - start


def measure(ensemble: Ensemble, kind: str, counts: Sequence[int], repeat: int) -> list[dict[str, Any]]:
    rows = []
    for count in counts:
        load = os.getloadavg()[0]
        with opened(kind, count) as (executor, threads, started):
            ensemble.make(executor, threads, sets_per_cell=1)  # compiles, opens, fills caches
            sys.stderr.write(f"{kind} {count}: started, load average {load:.2f}\n")
            found = [ensemble.make(executor, threads) for _ in range(repeat)]
        sys.stderr.write(f"{kind} {count}: {', '.join(f'{wall:.1f}' for wall, _ in found)} s\n")
        rows.append(
            {
                kind: count,
                "wall_s": round(min(wall for wall, _ in found), 2),
                "every_wall_s": [round(wall, 2) for wall, _ in found],
                "start_s": round(started, 1),
                "load_average_before": round(load, 2),
                "hashes": sorted({h for _, h in found}),
            }
        )
    return rows


def main() -> None:
    options = arguments()
    most = max([1, *options.threads])
    os.environ["NUMBA_NUM_THREADS"] = str(most)  # before numba starts; a run takes at most ``process.threads`` of them
    from paraformer.config import load_study

    study = load_study(options.study, options.overrides)
    with tempfile.TemporaryDirectory() as folder:
        ensemble = Ensemble(study, Path(folder))
        rows = [
            row
            for kind in ("threads", "workers")
            for row in measure(ensemble, kind, getattr(options, kind), options.repeat)
        ]
    hashes = {found for row in rows for found in row.pop("hashes")}
    for row in rows:
        row["speed_up"] = round(rows[0]["wall_s"] / row["wall_s"], 2)
    config = study.ensemble
    result = {
        "study": study.name,
        "sets": 1 + config.common + config.own,
        "chunk_cells": config.chunk_cells,
        "cores": os.cpu_count(),
        "rows": rows,
        "archives_are_the_same": len(hashes) == 1,
    }
    text = json.dumps(result, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    sys.stdout.write(text + "\n")
    sys.exit(len(hashes) != 1)


if __name__ == "__main__":
    main()
