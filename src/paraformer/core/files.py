"""Atomic writes: a file is either the old one or the whole new one, never half, and the stage's ledger knows it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paraformer.core import ledger
from paraformer.core.errors import ParaformerError, RunError
from paraformer.core.faults import cannot_grow, refusal
from paraformer.core.hashing import hash_bytes, hash_json, hash_path, is_journal, journal_of

if TYPE_CHECKING:  # tables take half a second to load, and running VIC needs none
    import pandas as pd

__all__ = [
    "atomic_path",
    "discard",
    "hash_bytes",
    "hash_json",
    "hash_path",
    "is_journal",
    "journal_of",
    "write_csv",
    "write_json",
    "write_text",
]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Context that gives a temporary path beside ``path`` and renames it into place when the block succeeds.

    Raises:
        RunError: if the folder is not writable or the disk is full, whichever library says so in whichever words,
            naming the file; the old file stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_file():
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        ledger.enter([(temporary, path)])
        os.replace(temporary, path)
    except Exception as error:
        reason = _why_not_written(error, temporary)
        discard(temporary)
        if reason is None:
            raise
        raise RunError(f"{path}: cannot write ({reason})") from error
    except BaseException:
        discard(temporary)
        raise


def _why_not_written(error: Exception, temporary: Path) -> str | None:
    """What kept a file from being written; ``None`` where something else than the machine went wrong."""
    if isinstance(error, ParaformerError) and str(temporary) not in str(error):
        return None
    reason = refusal(error) or cannot_grow(temporary)
    if reason is None and isinstance(error, OSError):
        reason = error.strerror or str(error)
    return None if reason is None else reason.removeprefix(f"{temporary}: ")


def discard(path: Path) -> None:
    """Remove a file or folder, whether or not it is there; what zarr still writes into it is waited for."""
    _let_zarr_end()
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def _let_zarr_end() -> None:
    """Return when zarr has nothing more to write.

    It writes chunks at once, raises the first error, and lets the other chunks go on; each makes the folder anew.
    """
    threads = sys.modules.get("zarr.core.sync")
    if threads is None or threads.loop[0] is None:
        return

    async def others() -> None:
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(tasks)

    threads.sync(others())


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table atomically; the same table gives the same bytes, compressed (``.gz``) or not."""
    compression: Any = {"method": "gzip", "mtime": 0} if path.suffix == ".gz" else None
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, compression=compression)
