"""Content hashes of values, files and folders, and which files of a folder are results."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from paraformer.core.errors import RunError

_JOURNAL = ".journal.json"


def journal_of(path: Path) -> Path:
    """Hidden file beside ``path`` that remembers which parts of it are done; no part of any content hash."""
    return path.with_name(f".{path.name}{_JOURNAL}")


def is_journal(path: Path) -> bool:
    """Whether ``path`` is a journal, not a result."""
    return path.name.startswith(".") and path.name.endswith(_JOURNAL)


def is_hidden(path: Path) -> bool:
    """Whether ``path`` is a hidden file: a journal, a ledger, or what a file manager leaves behind; never a result."""
    return path.name.startswith(".")


def hash_bytes(*parts: bytes) -> str:
    """Short content hash (BLAKE2b, 128 bit, hex)."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Hash of a JSON value, independent of key order.

    Raises:
        TypeError: for anything that JSON does not know: its text would not say all of it (a long array's does not).
    """
    return hash_bytes(json.dumps(value, sort_keys=True).encode())


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
