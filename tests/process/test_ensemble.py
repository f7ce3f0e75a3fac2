"""Archive of runs: the model's own values, resumed chunk by chunk to the same bytes, and nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

from paraformer.core.errors import ModelError
from paraformer.core.files import hash_path, journal_of
from paraformer.core.log import Advance, Progress
from paraformer.core.run import Run, Stage
from paraformer.process import ensemble as ensemble_module
from paraformer.process.bucket import Bucket
from paraformer.process.ensemble import Sets, run_sets

DAYS = np.arange("2015-04-01", "2015-05-01", dtype="datetime64[D]")
AXES = {"cell": np.arange(7) + 10, "time": DAYS, "lat": np.linspace(30, 40, 7), "lon": np.linspace(-100, -90, 7)}


def bucket() -> Bucket:
    return Bucket(np.random.default_rng(0).exponential(3.0, (7, DAYS.size)), DAYS)


def sets() -> Sets:
    return Sets(Bucket.parameters.from_unit(np.random.default_rng(1).random((7, 3, 3))))


class StopAfter(Progress):
    """Interrupts after so many chunks."""

    def __init__(self, chunks: int) -> None:
        self.left = chunks

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        def advance(steps: int = 1, note: str = "") -> None:
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        yield advance


def archive(
    path: Path, progress: Progress | None = None, model: Bucket | _Counting | None = None, chunk_cells: int = 3
) -> int:
    return run_sets(
        model or bucket(),
        sets(),
        path,
        outputs=("soil_moisture", "baseflow"),
        axes=AXES,
        chunk_cells=chunk_cells,
        progress=progress or Progress(),
    )


def stage(directory: Path, progress: Progress | None = None) -> Stage:
    def work(path: Path) -> int:
        return archive(path / "runs.zarr", progress)

    with Run(directory) as run:
        return run.stage("ensemble", settings={}, inputs={}, work=work)


def test_archive_holds_the_models_own_values(tmp_path: Path) -> None:
    assert archive(tmp_path / "runs.zarr") == 21
    found = xr.open_zarr(tmp_path / "runs.zarr", consolidated=False)
    direct = bucket().simulate(sets().theta, ("soil_moisture", "baseflow"))
    for name, values in direct.items():
        np.testing.assert_array_equal(found[name].values, values.astype(np.float32))
    np.testing.assert_array_equal(found["cell"].values, AXES["cell"])
    assert found["soil_moisture"].attrs["units"] == "m3 m-3"


def test_a_set_is_read_without_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores read set by set: together they read the archive once, not once for every set."""
    archive(tmp_path / "runs.zarr")
    read: list[int] = []
    get = zarr.storage.LocalStore.get

    async def counted(*args: Any, **options: Any) -> Any:
        found = await get(*args, **options)
        read.append(0 if found is None else len(found))
        return found

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    series = xr.open_zarr(tmp_path / "runs.zarr", consolidated=False)["soil_moisture"]
    read.clear()
    for one in range(3):
        _ = series[:, one].values
    stored = sum(file.stat().st_size for file in (tmp_path / "runs.zarr/soil_moisture/c").rglob("*") if file.is_file())
    index = 3 * (16 * 3 + 4)  # of a file: where each of 3 sets is, 16 bytes, and a checksum; it is read with every set
    assert len(list((tmp_path / "runs.zarr/soil_moisture/c").glob("*"))) == 3
    assert stored - index <= sum(read) <= stored + 2 * index


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_an_interrupted_archive_goes_on_to_the_same_bytes(tmp_path: Path, chunks: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        archive(tmp_path / "a" / "runs.zarr", StopAfter(chunks))
    cut_short = tmp_path / "a" / "runs.zarr" / "soil_moisture" / "c" / "2" / "0" / "0.0f1e.partial"
    cut_short.parent.mkdir(parents=True, exist_ok=True)
    cut_short.write_bytes(b"half a chunk")
    rest = _Counting()
    archive(tmp_path / "a" / "runs.zarr", model=rest)
    archive(tmp_path / "b" / "runs.zarr")
    assert rest.cells == 7 - min(3 * chunks, 7)
    assert hash_path(tmp_path / "a") == hash_path(tmp_path / "b")


@pytest.mark.parametrize("chunk_cells", [1, 4, 50])
def test_a_resumed_archive_keeps_its_own_chunks(tmp_path: Path, chunk_cells: int) -> None:
    """Chunks of another size would overlap those that are done, and leave cells between them that are never run."""
    with pytest.raises(KeyboardInterrupt):
        archive(tmp_path / "a" / "runs.zarr", StopAfter(1))
    rest = _Counting()
    archive(tmp_path / "a" / "runs.zarr", model=rest, chunk_cells=chunk_cells)
    archive(tmp_path / "b" / "runs.zarr")
    assert rest.cells == 4
    assert hash_path(tmp_path / "a") == hash_path(tmp_path / "b")


def test_chunks_done_in_any_order_are_remembered(tmp_path: Path) -> None:
    """As on a cluster, where the second chunk may be finished before the first."""
    with pytest.raises(KeyboardInterrupt):
        run_sets(
            bucket(),
            sets(),
            tmp_path / "a" / "runs.zarr",
            outputs=("soil_moisture", "baseflow"),
            axes=AXES,
            chunk_cells=2,
            progress=StopAfter(2),
            executor=_Backwards(),
        )
    journal = json.loads(journal_of(tmp_path / "a" / "runs.zarr").read_text())
    assert journal == {"chunk_cells": 2, "done": [[2, 3]]}
    rest = _Counting()
    archive(tmp_path / "a" / "runs.zarr", model=rest)
    archive(tmp_path / "b" / "runs.zarr", chunk_cells=2)
    assert rest.cells == 4
    assert hash_path(tmp_path / "a") == hash_path(tmp_path / "b")


def test_sets_in_blocks_give_the_same_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive(tmp_path / "a" / "runs.zarr")
    monkeypatch.setattr(ensemble_module, "WORKING_BYTES", 1)
    blocks = _Counting()
    archive(tmp_path / "b" / "runs.zarr", model=blocks)
    assert blocks.cells == 7 * 3, "one set at a time"
    assert hash_path(tmp_path / "a") == hash_path(tmp_path / "b")
    with pytest.raises(ModelError, match=r"baseflow is not finite, cell 11, set 1, day 5"):
        archive(tmp_path / "c" / "runs.zarr", model=_Broken())


def test_a_kill_between_the_last_chunk_and_the_stages_mark_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        stage(tmp_path / "a", StopAfter(3))
    finished = stage(tmp_path / "a", StopAfter(1))  # one more chunk would interrupt it
    assert finished.hash == stage(tmp_path / "b").hash
    assert not [p for p in (tmp_path / "a").rglob("*") if p.name.endswith(".journal.json")]


def test_a_value_that_is_not_finite_names_output_cell_set_and_day(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"baseflow is not finite, cell 14, set 2, day 5"):
        archive(tmp_path / "runs.zarr", model=_Broken())


class _Counting:
    """The bucket, counting the cells it runs."""

    def __init__(self, at: np.ndarray | None = None, owner: _Counting | None = None) -> None:
        self.inner = bucket() if at is None else bucket().select(at)
        self.owner = owner or self
        self.cells = 0
        self.parameters, self.outputs, self.differentiable, self.runs = Bucket.parameters, Bucket.outputs, True, 0

    @property
    def n_cells(self) -> int:
        return self.inner.n_cells

    def select(self, cells: np.ndarray) -> _Counting:
        return type(self)(cells, self.owner)

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.owner.cells += self.n_cells
        return self.inner.simulate(theta, outputs)


class _Broken(_Counting):
    """NaN in one value of the second chunk."""

    def simulate(self, theta: np.ndarray | None, outputs: Sequence[str]) -> dict[str, np.ndarray]:
        found = super().simulate(theta, outputs)
        if self.owner.cells > 3:
            found["baseflow"][1, -1, 5] = np.nan
        return found


class _Backwards:
    """Runs the last job first."""

    remote = False

    def run(self, function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        return (function(*job) for job in reversed(list(jobs)))


class Moves(Progress):
    """Every step of a bar."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.total = 0

    @contextmanager
    def task(self, description: str, total: int, *, unit: str = "steps", done: int = 0) -> Iterator[Advance]:
        self.total = total

        def advance(steps: int = 1, note: str = "") -> None:
            self.steps.append(steps)

        yield advance


def test_the_bar_moves_with_every_chunk(tmp_path: Path) -> None:
    moves = Moves()
    archive(tmp_path / "runs.zarr", moves, chunk_cells=3)
    assert moves.steps == [9, 9, 3]
    assert moves.total == 21
