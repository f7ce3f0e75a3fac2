"""Atomic writes and content hashes: a file is either the old one or the whole new one, never half."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paraformer.core.errors import ParaformerError, RunError
from paraformer.core.faults import cannot_grow, refusal

_JOURNAL = ".journal.json"


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
    """Remove a file or folder, whether or not it is there."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()


def journal_of(path: Path) -> Path:
    """Hidden file beside ``path`` that remembers which parts of it are done; no part of any content hash."""
    return path.with_name(f".{path.name}{_JOURNAL}")


def is_journal(path: Path) -> bool:
    """Whether ``path`` is a journal, not a result."""
    return path.name.startswith(".") and path.name.endswith(_JOURNAL)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys sorted, so that equal values give equal bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, default=str) + "\n")


def hash_bytes(*parts: bytes) -> str:
    """Short content hash (BLAKE2b, 128 bit, hex)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Hash of a JSON-like value, independent of key order."""
    return hash_bytes(json.dumps(value, sort_keys=True, default=str).encode())


def hash_path(path: Path, *, without: tuple[str, ...] = ()) -> str:
    """Content hash of a file, or of a folder's files with their relative names, less the names in ``without``.

    Raises:
        RunError: if the path does not exist.
    """
    if not path.exists():
        raise RunError(f"{path}: does not exist")
    digest = hashlib.blake2b(digest_size=16)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and not is_journal(p))
    for file in files:
        name = file.relative_to(path).as_posix()
        if name in without:
            continue
        digest.update(name.encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
