"""Run: the directory of one study. Each stage is done once, resumed when interrupted, redone when its inputs change.

Layout: ``study.yaml`` (resolved), ``manifest.json``, ``log.jsonl``, one folder a stage with ``stage.json`` beside its
artefacts, and ``stale/`` where a stage's earlier results wait in case the settings return to them. Everything but the
manifest and the log is the same, bit for bit, however often the work was interrupted.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from paraformer import __version__
from paraformer.core import ledger
from paraformer.core.errors import RunError
from paraformer.core.faults import explained
from paraformer.core.files import discard, write_json, write_text
from paraformer.core.hashing import hash_json, hash_path, is_hidden, is_journal, journal_of
from paraformer.core.log import JsonLinesHandler
from paraformer.core.run_files import MANIFEST, STUDY

logger = logging.getLogger(__name__)

NUMERICS = 1
"""Version of the numbers. It is raised by hand when the same settings and inputs give other numbers than before (beyond
the last bits that a machine decides), is part of every stage's key, and stands in CHANGELOG under "Changed numbers".
Golden values in ``tests/golden`` and ``tests/pipeline`` notice a change."""

_VERSIONED = ("numpy", "numba", "torch", "lightning-fabric", "xarray", "zarr", "scipy")


@dataclass(frozen=True)
class Stage:
    """A finished stage: its folder, the hash of what is in it, and the process-model runs it cost (cell x set)."""

    name: str
    path: Path
    hash: str
    runs: int


class Run:
    """One run directory, open for one process at a time.

    Args:
        directory: made if it does not exist.
        any_threads: whether unfinished training may go on with another number of threads than it was begun with, and
            end with other last bits.

    Raises:
        RunError: if the directory cannot be made or written, or another process holds it. Where the file system has no
            locks, a warning says so.
    """

    def __init__(self, directory: Path, *, any_threads: bool = False) -> None:
        self.directory, self.any_threads = directory, any_threads
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = (directory / ".lock").open("w")
        except OSError as error:
            raise RunError(f"{directory}: run directory is not writable ({error.strerror or error})") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise RunError(f"{directory}: another process is using this run directory") from error
        except OSError as error:  # some network file systems have no locks
            logger.warning(
                "%s: the file system cannot lock this run directory (%s); let no other process use it meanwhile",
                directory,
                error.strerror or error,
            )
        self._handler = JsonLinesHandler(directory / "log.jsonl")
        logging.getLogger("paraformer").addHandler(self._handler)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        logging.getLogger("paraformer").removeHandler(self._handler)
        self._lock.close()

    def record_study(self, text: str, facts: Mapping[str, Any]) -> None:
        """Write the resolved study and the facts of this start (seeds, input hashes, versions) to the manifest."""
        before = self._manifest()
        self._tell_other_version(before)
        write_text(self.directory / STUDY, text)
        manifest = before | {"versions": _versions(), "python": platform.python_version(), **facts}
        write_json(self.directory / MANIFEST, manifest)

    def _tell_other_version(self, manifest: Mapping[str, Any]) -> None:
        """Say that another version made what is here, and what becomes of it."""
        made = manifest.get("versions", {}).get("paraformer", __version__)
        if made != __version__:
            logger.info(
                "%s: a run of ParaFormer %s, and this is %s; what it makes otherwise is made anew, the earlier results "
                "are kept in %s",
                self.directory,
                made,
                __version__,
                self.directory / "stale",
            )

    def stage(
        self,
        name: str,
        *,
        settings: Any,
        inputs: Mapping[str, str],
        work: Callable[[Path], int],
        threads: int | None = None,
    ) -> Stage:
        """Return the finished stage, doing or finishing its work only where needed.

        A finished stage is proved first: every file has the content that it was written with, or the stage is set
        aside under ``stale/`` and made again. Of an unfinished one the damaged files are made again.

        Args:
            settings: JSON values that the result depends on.
            inputs: name -> content hash of everything the stage reads.
            work: fills the stage's folder (resuming from what it finds there) and returns the number of
                process-model runs the stage's result stands on.
            threads: number of threads, for work whose last bits depend on it.

        Raises:
            RunError: if a file cannot be written, or unfinished work was begun with another number of threads.
        """
        key = hash_json({"numerics": NUMERICS, "stage": name, "settings": settings, "inputs": dict(inputs)})
        path = self.directory / name
        self._make_room(name, key)
        found = _read_mark(path) or {}
        if found.get("complete"):
            logger.info("%s: up to date, reused", name)
            return Stage(name, path, found["hash"], found["runs"])
        begun = self._begin(path, key, found, threads)
        logger.info("%s: %s", name, "resuming" if found else "starting")
        wall, cpu = time.monotonic(), time.process_time()
        try:
            runs = work(path)
        except Exception as error:
            known = explained(error)
            if known is error or not (known or isinstance(error, OSError)):
                raise
            raise RunError(f"{path}: {name} stopped ({known or error}); run again to resume") from error
        finally:
            self._charge(name, key, time.monotonic() - wall, time.process_time() - cpu)
        for leftover in path.rglob(".*.tmp"):  # of a write that a kill cut short and that was not needed again
            discard(leftover)
        files = contents(path)
        done = begun | {"complete": True, "files": files, "hash": hash_json(files), "runs": runs}
        _write_mark(path, done)
        for hidden in [p for p in path.rglob(".*") if is_journal(p) or p.name == ledger.LEDGER]:
            hidden.unlink()
        self._charge(name, key, 0.0, 0.0, runs=runs, inputs=dict(inputs), hash=done["hash"], made_by=done["made_by"])
        logger.info("%s: done in %.1f s", name, time.monotonic() - wall)
        return Stage(name, path, done["hash"], runs)

    def _make_room(self, name: str, key: str) -> None:
        """Set aside results of other settings and damaged ones; bring back earlier results of these settings."""
        path, kept = self.directory / name, self.directory / "stale" / f"{name}-{key[:12]}"
        found = _read_mark(path)
        if found and found["key"] != key:
            self._set_aside(path, f"{name}-{found['key'][:12]}", "settings, inputs or version changed; earlier kept")
        elif found is None:
            self._set_aside(path, f"{name}-damaged", "its stage.json is damaged; set aside, made again")
        elif not found and path.exists() and any(p.is_file() and not is_hidden(p) for p in path.rglob("*")):
            raise RunError(f"{path}: holds files that are not of this run; move them away or choose another directory")
        if kept.exists() and not path.exists():
            kept.rename(path)
            logger.info("%s: earlier result for these settings restored", name)
        damaged = changed(path)
        if damaged:
            what = f"{damaged[0]} is not as it was written"
            self._set_aside(path, f"{name}-damaged", f"{what}; set aside, made again", logging.WARNING)

    def _set_aside(self, path: Path, name: str, why: str, level: int = logging.INFO) -> None:
        aside = _free(self.directory / "stale" / name)
        aside.parent.mkdir(parents=True, exist_ok=True)
        path.rename(aside)
        logger.log(level, "%s: %s in %s", path.relative_to(self.directory), why, aside)

    def _begin(self, path: Path, key: str, found: Mapping[str, Any], threads: int | None) -> dict[str, Any]:
        """Mark a stage as begun, or prove what an interrupted one left behind. Returns the mark."""
        begun = found.get("threads")
        if begun is not None and begun != threads and not self.any_threads:
            raise RunError(
                f"{path}: begun with {begun} threads, found {threads} now, and the last bits of trained networks "
                f"depend on their number; set OMP_NUM_THREADS={begun}, or go on all the same with --any-threads"
            )
        for bad in ledger.damaged(path) if found else ():
            logger.warning("%s: damaged since it was written; made again", bad)
            discard(bad)
            discard(journal_of(bad))
        maker = {"version": __version__, "git": _git_revision(), "numerics": NUMERICS, "threads": threads}
        makers = [*found.get("made_by", []), *([] if maker in found.get("made_by", []) else [maker])]
        _prepare(path)
        mark = {"key": key, "complete": False, "made_by": makers, "threads": begun or threads}
        _write_mark(path, mark)
        return mark

    def _manifest(self) -> dict[str, Any]:
        """What is known of the run; empty if there is no readable manifest, which the next start writes anew."""
        path = self.directory / MANIFEST
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}
        except (ValueError, OSError) as error:
            logger.warning("%s: not readable (%s); written anew", path, error)
            return {}

    def _charge(self, name: str, key: str, wall: float, cpu: float, **facts: Any) -> None:
        """Add the time spent on a stage to the manifest; time of interrupted attempts that could report is included."""
        with contextlib.suppress(RunError):
            manifest = self._manifest()
            entry = manifest.setdefault("stages", {}).setdefault(name, {})
            if entry.get("key") != key:
                entry.clear()
            entry |= {
                "key": key,
                "wall_s": round(entry.get("wall_s", 0.0) + wall, 2),
                "cpu_s": round(entry.get("cpu_s", 0.0) + cpu, 2),
                **facts,
            }
            write_json(self.directory / MANIFEST, manifest)


def _prepare(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: run directory is not writable ({error.strerror or error})") from error


def _free(path: Path) -> Path:
    number, candidate = 1, path
    while candidate.exists():
        candidate = path.with_name(f"{path.name}.{number}")
        number += 1
    return candidate


def contents(path: Path) -> dict[str, list[Any]]:
    """Size and content hash of every file of a stage, by its name in the folder; hidden files are no results."""
    files = (p for p in sorted(path.rglob("*")) if p.is_file() and not is_hidden(p) and p != path / ledger.MARK)
    return {p.relative_to(path).as_posix(): [p.stat().st_size, hash_path(p)] for p in files}


def changed(path: Path) -> list[str]:
    """Files of a finished stage that are missing or not as they were written; those that came later are no matter."""
    found = _read_mark(path)
    if not found or not found["complete"]:
        return []

    def same(file: Path, size: int, content: str) -> bool:
        return file.is_file() and file.stat().st_size == size and hash_path(file) == content

    return [name for name, (size, content) in found["files"].items() if not same(path / name, size, content)]


def _write_mark(path: Path, mark: Mapping[str, Any]) -> None:
    """Write ``stage.json`` with a hash of its own content."""
    write_json(path / ledger.MARK, {**mark, "seal": hash_json(dict(mark))})


def _read_mark(path: Path) -> dict[str, Any] | None:
    """What ``stage.json`` says; empty if there is none, ``None`` if it is damaged.

    Version 0.1 sealed nothing; no key of today is one of its keys.
    """
    try:
        mark = dict(json.loads((path / ledger.MARK).read_text(encoding="utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, OSError):
        return None
    if "seal" not in mark and "files" not in mark and "key" in mark:
        return {**mark, "complete": False}
    seal = mark.pop("seal", None)
    return mark if seal == hash_json(mark) else None


@cache
def _versions() -> dict[str, str]:
    found = {"paraformer": __version__}
    for name in _VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


@cache
def _git_revision() -> str:
    """Revision of the checkout the package runs from, with ``+changes`` if the tree differs; empty if installed."""
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        revision, status = (
            subprocess.run(
                ["git", "-C", str(here), *command],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
                env=environment,
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return revision + ("+changes" if status else "")
