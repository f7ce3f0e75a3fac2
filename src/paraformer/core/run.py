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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from paraformer.core.errors import RunError
from paraformer.core.faults import explained
from paraformer.core.files import discard, hash_json, hash_path, is_journal, write_json, write_text
from paraformer.core.log import JsonLinesHandler

logger = logging.getLogger(__name__)

_VERSIONED = ("paraformer", "numpy", "numba", "torch", "lightning-fabric", "xarray", "zarr", "scipy")


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

    Raises:
        RunError: if the directory cannot be made or written, or another process holds it. Where the file system has no
            locks, a warning says so.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
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
        """Write the resolved study and the facts of this start (versions, seeds, input hashes) to the manifest."""
        write_text(self.directory / "study.yaml", text)
        manifest = self._manifest()
        manifest |= {"versions": _versions(), "git": _git_revision(), "python": platform.python_version(), **facts}
        write_json(self.directory / "manifest.json", manifest)

    def stage(self, name: str, *, settings: Any, inputs: Mapping[str, str], work: Callable[[Path], int]) -> Stage:
        """Return the finished stage, doing or finishing its work only where needed.

        Args:
            settings: JSON-like settings the result depends on.
            inputs: name -> content hash of everything the stage reads.
            work: fills the stage's folder (resuming from what it finds there) and returns the number of
                process-model runs the stage's result stands on.
        """
        key = hash_json({"stage": name, "settings": settings, "inputs": dict(inputs)})
        path = self.directory / name
        self._make_room(name, key)
        mark = path / "stage.json"
        found = _read_json(mark)
        if found.get("complete"):
            if damaged := _changed(found.get("sizes", {}), _sizes(path)):
                self._set_damaged_aside(name, damaged)
                found = {}
            else:
                logger.info("%s: up to date, reused", name)
                return Stage(name, path, found["hash"], found["runs"])
        _prepare(path)
        write_json(mark, {"key": key, "complete": False})
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
        done: dict[str, Any] = {
            "key": key,
            "complete": True,
            "hash": hash_path(path, without=("stage.json",)),
            "sizes": _sizes(path),
            "runs": runs,
        }
        write_json(mark, done)
        for journal in [p for p in path.rglob(".*") if is_journal(p)]:
            journal.unlink()
        self._charge(name, key, 0.0, 0.0, runs=runs, inputs=dict(inputs), hash=done["hash"])
        logger.info("%s: done in %.1f s", name, time.monotonic() - wall)
        return Stage(name, path, done["hash"], runs)

    def _make_room(self, name: str, key: str) -> None:
        """Set aside results of other settings; bring back earlier results of these settings."""
        path, stale = self.directory / name, self.directory / "stale"
        found = _read_json(path / "stage.json").get("key")
        if found == key:
            return
        if path.exists() and found is not None:
            aside = _free(stale / f"{name}-{found[:12]}")
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
            logger.info("%s: settings or inputs changed; earlier result kept in %s", name, stale)
        elif path.exists():
            raise RunError(f"{path}: holds files that are not of this run; move them away or choose another directory")
        kept = stale / f"{name}-{key[:12]}"
        if kept.exists():
            kept.rename(path)
            logger.info("%s: earlier result for these settings restored", name)

    def _set_damaged_aside(self, name: str, file: str) -> None:
        """A finished stage has lost what it would resume from, so it is done anew; what is left of it is kept."""
        aside = _free(self.directory / "stale" / f"{name}-damaged")
        aside.parent.mkdir(parents=True, exist_ok=True)
        (self.directory / name).rename(aside)
        logger.warning(
            "%s: %s was lost or changed after the stage had ended; it is done anew, the rest is kept in %s",
            self.directory / name,
            file,
            aside,
        )

    def _manifest(self) -> dict[str, Any]:
        return _read_json(self.directory / "manifest.json")

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
            write_json(self.directory / "manifest.json", manifest)


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


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError) as error:
        raise RunError(f"{path}: not readable ({error}); move the file away to start this part anew") from error


def _files(path: Path) -> Iterator[Path]:
    return (p for p in sorted(path.rglob("*")) if p.is_file() and p != path / "stage.json" and not is_journal(p))


def _sizes(path: Path) -> dict[str, int]:
    """Size of every file of a stage: cheap proof that nothing is missing or cut short."""
    return {p.relative_to(path).as_posix(): p.stat().st_size for p in _files(path)}


def _changed(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """The first file that is missing, has come, or has another size; empty if there is none."""
    return min((name for name, _ in before.items() ^ now.items()), default="")


def _versions() -> dict[str, str]:
    found = {}
    for name in _VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


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
