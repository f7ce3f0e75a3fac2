"""A whole study on Dask workers, one of which is killed on the way, writes what the same study writes in here."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster

from paraformer.config import Study, load_study
from paraformer.core.files import hash_path
from paraformer.core.log import Advance, Progress
from paraformer.pipeline import run_study
from worlds import write_study

STAGES = ("cube", "ensemble", "surrogate", "parameters/FFN_A", "parameters/SCE-UA", "parameters/Levenberg", "scores")
SEARCHES = {
    "SCE-UA": {"name": "sceua", "budget": 16, "checkpoint_seconds": 0},
    "Levenberg": {"name": "levenberg", "budget": 18, "checkpoint_seconds": 0},
}


def study_of(folder: Path, executor: dict[str, Any]) -> Study:
    """Twelve cells in chunks of four, one learner and two searches on the process model."""
    folder.mkdir()
    path = write_study(
        folder,
        gap_filling=None,
        references=None,
        searches=SEARCHES,
        learner_seeds=1,
        learners__ParaFormer_Z=None,
        learners__ParaFormer_A=None,
        process__executor=executor,
    )
    return load_study(path)


def hashes(run: Path) -> dict[str, str]:
    return {name: hash_path(run / name) for name in STAGES}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    run_study(study_of(folder / "study", {"name": "local"}), folder / "run", until="scores")
    return folder / "run"


class Killer(Progress):
    """Kills the busiest worker in the middle of the ensemble, and again in the middle of a search."""

    fatal = ("process model: ensemble", "search: sceua")

    def __init__(self, client: Client) -> None:
        self.client = client
        self.killed: list[str] = []

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        def advance(steps: int = 1, note: str = "") -> None:
            if description in self.fatal and description not in self.killed:
                self.killed.append(description)
                processing = self.client.processing()
                busiest = max(processing, key=lambda worker: len(processing[worker]))
                os.kill(self.client.run(os.getpid, workers=[busiest])[busiest], signal.SIGKILL)

        yield advance


@pytest.mark.long
def test_a_study_on_workers_that_die_gives_the_files_of_a_study_in_here(local: Path, tmp_path: Path) -> None:
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        killer = Killer(client)
        study = study_of(tmp_path / "study", {"name": "dask", "scheduler": cluster.scheduler_address})
        run_study(study, tmp_path / "run", until="scores", progress=killer)
        used = client.run(lambda: len(sys.modules["paraformer.process.recipe"]._kept.models))
    assert killer.killed == [*Killer.fatal]
    assert hashes(tmp_path / "run") == hashes(local)
    manifests = [json.loads((run / "manifest.json").read_text())["stages"] for run in (tmp_path / "run", local)]
    keys, runs = ([{name: found[what] for name, found in m.items()} for m in manifests] for what in ("key", "runs"))
    assert keys[0] == keys[1], "where a study runs is no part of its keys"
    assert runs[0] == runs[1]
    assert any(used.values()), "chunks stay on workers between calls"


def test_a_finished_local_study_is_reused_on_workers_without_any(local: Path, tmp_path: Path) -> None:
    """No scheduler is asked for where no stage has work."""
    study = study_of(tmp_path / "study", {"name": "dask", "scheduler": "tcp://127.0.0.1:1", "patience": 0.1})
    before = hashes(local)
    run_study(study, local, until="scores")
    assert hashes(local) == before
