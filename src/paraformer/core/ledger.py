"""The ledger of an unfinished stage: the content of every file that it has written, so that damage is noticed.

A stage that is done lists its files in ``stage.json``. Until then each write adds a line to a hidden file of the
stage's folder. Whoever goes on after a kill proves the files against it, and makes the damaged ones again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from paraformer.core.hashing import hash_path, is_hidden

LEDGER = ".ledger"
MARK = "stage.json"


def enter(written: Iterable[tuple[Path, Path]]) -> None:
    """Add files to the ledger of the stage they belong to; nothing outside a run directory.

    A line is written before its file takes its place, so that a kill in between leaves a line too many, never one too
    few.

    Args:
        written: where each file or folder is now, and where it is going to be.
    """
    for now, place in written:
        stage = _stage_of(place)
        if stage is None:
            continue
        files = [now] if now.is_file() else _under(now)
        lines = [json.dumps([_name(place / file.relative_to(now), stage), hash_path(file)]) + "\n" for file in files]
        with (stage / LEDGER).open("a", encoding="utf-8") as ledger:
            ledger.write("".join(lines))


def enter_chunk(store: Path, chunk: int) -> None:
    """Add the files of one chunk along the first axis of every array of a zarr store to the ledger."""
    parts = [array / str(chunk) for array in sorted(store.glob("*/c"))]
    enter((part, part) for part in parts if part.exists())


def enter_store(store: Path) -> None:
    """Add every file of a zarr store that there is so far to the ledger."""
    enter([(store, store)])


def damaged(stage: Path) -> list[Path]:
    """Files of an unfinished stage that are not as they were written; of a zarr store, the store as a whole."""
    found: dict[Path, None] = {}
    for name, hashes in _entries(stage).items():
        file = stage / name
        if file.is_file() and hash_path(file) not in hashes:
            found[_whole(file, stage)] = None
    return list(found)


def _entries(stage: Path) -> dict[str, set[str]]:
    """Every content that a file may have: that of its last write, or of the one before if a kill came in between."""
    found: dict[str, list[str]] = {}
    ledger = stage / LEDGER
    for line in ledger.read_text(encoding="utf-8", errors="replace").splitlines() if ledger.exists() else ():
        try:
            name, content = json.loads(line)
        except ValueError:  # the line that a kill cut short, or a damaged one: its file is not proved
            continue
        found.setdefault(name, []).append(content)
    return {name: set(hashes[-2:]) for name, hashes in found.items()}


def _whole(file: Path, stage: Path) -> Path:
    """The store that a file belongs to, or the file itself."""
    stores = [p for p in file.parents if stage in p.parents and (p / "zarr.json").exists()]
    return stores[-1] if stores else file


def _stage_of(path: Path) -> Path | None:
    """The folder of the unfinished stage that a path lies in."""
    for folder in path.absolute().parents:
        if (folder / MARK).exists():
            return folder
    return None


def _name(file: Path, stage: Path) -> str:
    return file.absolute().relative_to(stage).as_posix()


def _under(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and not is_hidden(p))
