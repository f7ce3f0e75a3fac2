"""Damage and kills: what is not as it was written is noticed and made again, and no kill makes a run stick."""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from paraformer.core import ledger
from paraformer.core.errors import RunError
from paraformer.core.faults import explained
from paraformer.core.files import journal_of, write_json, write_text
from paraformer.core.hashing import hash_json
from paraformer.core.run import Run, Stage

PARTS = 3


def make(path: Path) -> int:
    """Files one after the other, going on from those that are there: work as every stage does it."""
    for part in range(PARTS):
        file = path / f"part-{part}.txt"
        if not file.exists():
            write_text(file, f"content of part {part}")
    write_json(path / "deep" / "facts.json", {"parts": PARTS})
    return 5


def finish(directory: Path, work: Callable[[Path], int] = make, setting: int = 1) -> Stage:
    with Run(directory) as run:
        return run.stage("ensemble", settings={"a": setting}, inputs={}, work=work)


def flip(file: Path, at: int = -1) -> None:
    """Turn one bit of a file; its size stays."""
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["part-1.txt", "deep/facts.json", "stage.json"])
def test_one_flipped_bit_of_a_finished_stage_is_noticed_and_healed(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = finish(tmp_path)
    flip(sound.path / name, at=len((sound.path / name).read_bytes()) // 2)
    with caplog.at_level(logging.INFO, logger="paraformer"):
        healed = finish(tmp_path)
    assert healed == sound
    assert (healed.path / "part-1.txt").read_text() == "content of part 1"
    assert "set aside, made again" in caplog.text
    assert (tmp_path / "stale" / "ensemble-damaged").is_dir()


def test_a_result_that_was_damaged_while_it_was_set_aside_is_not_brought_back(tmp_path: Path) -> None:
    sound = finish(tmp_path)
    finish(tmp_path, setting=2)
    (kept,) = (tmp_path / "stale").iterdir()
    flip(kept / "part-0.txt")
    assert finish(tmp_path) == sound
    assert (tmp_path / "ensemble" / "part-0.txt").read_text() == "content of part 0"


def test_a_damaged_file_of_unfinished_work_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def stop(path: Path) -> int:
        make(path)
        raise KeyboardInterrupt

    sound = finish(tmp_path / "sound")
    with pytest.raises(KeyboardInterrupt):
        finish(tmp_path / "hurt", stop)
    flip(tmp_path / "hurt" / "ensemble" / "part-2.txt")
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        assert finish(tmp_path / "hurt").hash == sound.hash
    assert "part-2.txt: damaged since it was written; made again" in caplog.text


def test_a_damaged_chunk_takes_its_store_and_the_journal_with_it(tmp_path: Path) -> None:
    (tmp_path / "stage").mkdir()
    write_json(tmp_path / "stage" / ledger.MARK, {})
    store = tmp_path / "stage" / "runs.zarr"
    array = zarr.create_group(store).create_array("runoff", shape=(4, 3), chunks=(2, 3), dtype="f4")
    ledger.enter_store(store)
    for chunk in range(2):
        array[2 * chunk : 2 * chunk + 2] = np.arange(6).reshape(2, 3) + chunk + 1
        ledger.enter_chunk(store, chunk)
        write_json(journal_of(store), {"chunks": chunk + 1})
    assert ledger.damaged(tmp_path / "stage") == []
    flip(store / "runoff" / "c" / "1" / "0")
    assert ledger.damaged(tmp_path / "stage") == [store]


def test_a_damaged_manifest_does_not_stop_a_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    finish(tmp_path)
    (tmp_path / "manifest.json").write_text("{ half")
    finish(tmp_path, setting=2)
    assert "ensemble" in json.loads((tmp_path / "manifest.json").read_text())["stages"]
    assert "not readable" in caplog.text


def test_what_json_does_not_know_has_no_hash() -> None:
    with pytest.raises(TypeError):
        hash_json({"cells": np.arange(5000)})  # as text, two long arrays with equal ends are the same


class Killed(BaseException):
    """Stands for a kill: nothing that comes after it reaches the disk."""


class Killer:
    """Lets so many file operations through, then none."""

    def __init__(self, after: int) -> None:
        self.left = after

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in (
            (os, "replace"),
            (os, "fsync"),
            (Path, "mkdir"),
            (Path, "open"),
            (Path, "rename"),
            (Path, "unlink"),
            (Path, "write_text"),
        ):
            monkeypatch.setattr(owner, name, self._counted(getattr(owner, name)))

    def _counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **named: Any) -> Any:
            if self.left <= 0:
                raise Killed
            self.left -= 1
            return operation(*given, **named)

        return counted


def operations(tmp_path: Path) -> int:
    """File operations of a whole stage, its earlier result of other settings set aside."""
    finish(tmp_path / "count", setting=2)
    with pytest.MonkeyPatch.context() as patch:
        killer = Killer(10**6)
        killer.watch(patch)
        finish(tmp_path / "count")
    return 10**6 - killer.left


def test_a_kill_at_any_file_operation_is_gone_on_from(tmp_path: Path) -> None:
    expected, total = finish(tmp_path / "sound").hash, operations(tmp_path)
    assert total > 30
    for after in range(total):
        directory = tmp_path / f"killed-{after}"
        finish(directory, setting=2)
        with pytest.MonkeyPatch.context() as patch:
            Killer(after).watch(patch)
            with pytest.raises(Killed):
                finish(directory)
        assert finish(directory).hash == expected, f"killed after {after} file operations"


class FullDisk(Killer):
    """Refuses one file operation that needs space."""

    refused = False

    def _counted(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        needs_space = operation.__name__ != "unlink"

        def counted(*given: Any, **named: Any) -> Any:
            reads = operation.__name__ == "open" and (given[1:2] or ("r",))[0] in ("r", "rb")
            if reads or not needs_space:
                return operation(*given, **named)
            self.left -= 1
            if self.left == -1:
                self.refused = True
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return operation(*given, **named)

        return counted


def test_a_full_disk_at_any_file_operation_is_one_line_and_gone_on_from(tmp_path: Path) -> None:
    """What stops a stage is said; what the run can do without (its manifest) stops nothing."""
    expected, after, said = finish(tmp_path / "sound").hash, 0, 0
    while True:
        directory = tmp_path / f"full-{after}"
        finish(directory, setting=2)
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(after)
            disk.watch(patch)
            try:
                finish(directory)
            except (RunError, OSError) as error:
                known = explained(error)
                assert known is not None
                assert "No space left on device" in str(known)
                assert "\n" not in str(known)
                said += 1
        assert finish(directory).hash == expected, f"full at file operation {after}"
        if not disk.refused:
            break
        after += 1
    assert said > 20
