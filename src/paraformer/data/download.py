"""Downloads that survive: resumed where they stopped, checked before they count, retried with patience.

A file grows as ``<name>.part`` beside its place and is moved there when it is whole and opens as what its name says. A
kill or a lost connection leaves the part, and the next start asks the server for the rest (HTTP Range). What arrives
complete but is no data (a login page, a damaged file) goes to the folder ``quarantine``, never to the readers. Login is
not done here: the session brings it, and nothing of it is logged.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.log import Progress
from paraformer.data.sources.granules import QUARANTINE, Format, Unusable, fault_of, reading

logger = logging.getLogger(__name__)

CHUNK = 2**14
"""Bytes that are written together; a lost connection costs at most so many."""

_MARGIN = 2.0
"""Times a size that the catalogue states in rounded megabytes; a file may be so long."""
_LONGEST = 2**32
"""Bytes of a file whose size nobody states; no granule of the products is nearly so long."""

_REFUSED = {401, 403}
_GONE = {404, 410}
_LONGEST_WAIT = 120.0
"""Seconds; a server that asks for a longer pause is asked again after this."""


@runtime_checkable
class Session(Protocol):
    """What is used of ``requests.Session``."""

    def get(self, url: str, **options: Any) -> Any: ...


@dataclass(frozen=True)
class Remote:
    """A file to fetch.

    Attributes:
        url: where it is.
        path: where it goes.
        format: what it must be.
        size: bytes, 0 if not known.
        exact: whether ``size`` is exact, so that the file must have it.
        checksum: algorithm and value in hex, as ``md5:...``, checked once when the file has come; empty if not known.
    """

    url: str
    path: Path
    format: Format
    size: int = 0
    exact: bool = False
    checksum: str = ""

    @property
    def part(self) -> Path:
        """The growing file."""
        return self.path.with_name(f"{self.path.name}.part")


@dataclass(frozen=True)
class Policy:
    """How patient a download is.

    Attributes:
        threads: files at a time.
        tries: how often a file is asked for before it is given up; a try that brought bytes does not count.
        wait: seconds before the second try; doubled for each further one, unless the server says how long.
        timeout: seconds without a byte after which a connection counts as lost.
        sleep: waits, for tests to replace.
    """

    threads: int = 4
    tries: int = 5
    wait: float = 2.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Outcome:
    """What became of the files.

    Attributes:
        done: fetched now.
        failed: given up, and why.
        quarantined: what came but was no data, where it lies now, and why.
    """

    done: list[Path] = field(default_factory=list)
    failed: list[Unusable] = field(default_factory=list)
    quarantined: list[Unusable] = field(default_factory=list)


def missing(remotes: Sequence[Remote]) -> list[Remote]:
    """The files that are not there yet, or not as what their name says."""
    return [remote for remote in remotes if not remote.path.exists() or _fault(remote, remote.path)]


def bytes_left(remotes: Sequence[Remote]) -> int:
    """Bytes still to come, as far as sizes are known."""
    return sum(max(0, remote.size - _length(remote.part)) for remote in remotes)


def download(remotes: Sequence[Remote], session: Session, policy: Policy, progress: Progress | None = None) -> Outcome:
    """Fetch the files that are not there; an unusable one of the same name goes to the quarantine first.

    Raises:
        SettingsError: the server refuses the login; nothing more is asked for.
        RunError: the disk is full or a folder cannot be written.
        KeyboardInterrupt: after the running requests have stopped; what came so far is kept.
    """
    outcome = Outcome()
    wanted = missing(remotes)
    for remote in wanted:
        if remote.path.exists():
            _quarantine(remote, remote.path, _fault(remote, remote.path), outcome)
    _require_space(wanted)
    stop = threading.Event()
    with (progress or Progress()).task("fetching", len(wanted), unit="files") as advance:

        def work(remote: Remote) -> None:
            if stop.is_set():
                return
            try:
                _fetch(remote, session, policy, outcome, stop)
            except BaseException:
                stop.set()
                raise
            advance()

        with ThreadPoolExecutor(max_workers=policy.threads) as pool:
            futures = [pool.submit(work, remote) for remote in wanted]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(cancel_futures=True)
                raise
    return outcome


def _require_space(remotes: Sequence[Remote]) -> None:
    """Refuse to start what the disk cannot hold."""
    for folder in {remote.path.parent for remote in remotes}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{folder}: cannot be made ({error.strerror or error})") from error
        needed = bytes_left([remote for remote in remotes if remote.path.parent == folder])
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise RunError(f"{folder}: {needed / 1e9:.1f} GB are to come, but the disk has {free / 1e9:.1f} GB left")


def _fetch(remote: Remote, session: Session, policy: Policy, outcome: Outcome, stop: threading.Event) -> None:
    """One file, tried until it is whole and sound or the patience is at its end."""
    reason, tries, wait = "", 0, policy.wait
    while tries < policy.tries and not stop.is_set():
        before = _length(remote.part)
        reason, pause = _attempt(remote, session, policy, stop)
        if stop.is_set():
            return
        if not reason:
            fault = _fault(remote, remote.part) or _sum_fault(remote)
            if not fault:
                os.replace(remote.part, remote.path)
                outcome.done.append(remote.path)
                return
            reason, pause = fault, None
            _quarantine(remote, remote.part, fault, outcome)
        elif reason.startswith("gone"):
            break
        tries, wait = (0, policy.wait) if _length(remote.part) > before else (tries + 1, wait)
        if tries < policy.tries:
            logger.info("%s: %s; trying again", remote.path.name, reason)
            policy.sleep(min(wait if pause is None else pause, _LONGEST_WAIT))
            wait *= 2
    outcome.failed.append(Unusable(remote.path, reason))


def _attempt(remote: Remote, session: Session, policy: Policy, stop: threading.Event) -> tuple[str, float | None]:
    """One request; why it failed, empty if all bytes are there, and the pause that the server asks for."""
    if remote.part.is_symlink():
        raise RunError(f"{remote.part}: is a link; expected a file, remove it")
    offset = _length(remote.part)
    if remote.exact and offset and offset == remote.size:
        return "", None
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    try:
        with contextlib.closing(
            session.get(remote.url, headers=headers, stream=True, timeout=policy.timeout)
        ) as answer:
            status = int(answer.status_code)
            if status in _REFUSED:
                raise SettingsError(_refusal(remote, status))
            if status in _GONE:
                return f"gone from the archive (HTTP {status})", None
            if status == 416:  # the part is no beginning of the file that is there now
                remote.part.unlink(missing_ok=True)
                return "the archive has another file of that name (HTTP 416)", 0.0
            if status not in (200, 206):
                return f"HTTP {status}", _retry_after(answer)
            if offset and "html" in str(answer.headers.get("Content-Type", "")):
                return "a web page instead of data (was the download logged in?)", None  # the part stays
            resumed = status == 206 and _begins_at(answer, offset)
            if status == 206 and not resumed:
                remote.part.unlink(missing_ok=True)
                return "the server sent another range than asked for", None
            begin = offset if resumed else 0
            stated = int(answer.headers.get("Content-Length") or 0)
            longest = _longest(remote, begin + stated if stated else 0)
            if begin + stated > longest or not _save(remote, answer, resumed, longest, stop):
                remote.part.unlink(missing_ok=True)
                return f"the server sends more than the {longest} bytes that the file may have", None
            expected = begin + stated
    except OSError as error:  # all that requests raises
        return f"connection lost ({type(error).__name__})", None
    found = _length(remote.part)
    if found < expected:
        return f"connection lost after {found} of {expected} bytes", None
    return "", None


def _longest(remote: Remote, announced: int) -> int:
    """Bytes that a file may have: as the catalogue says, else as the server announces."""
    if remote.exact and remote.size:
        return remote.size
    if remote.size:
        return int(_MARGIN * remote.size) + 2**20
    return min(announced or _LONGEST, _LONGEST)


def _save(remote: Remote, answer: Any, resumed: bool, longest: int, stop: threading.Event) -> bool:
    """Append the answer to the part, or begin it anew; whether it stayed within ``longest`` bytes."""
    with _open(remote.part, "ab" if resumed else "wb") as file:
        length = _length(remote.part) if resumed else 0
        for chunk in answer.iter_content(CHUNK):
            length += len(chunk)
            if length > longest:
                return False
            try:
                file.write(chunk)
            except OSError as error:
                raise RunError(f"{remote.part}: cannot write ({error.strerror or error})") from error
            if stop.is_set():
                return True
    return True


def _open(path: Path, mode: str) -> Any:
    """Open a file for writing, never through a link: it may lead out of the folder, or to a file of somebody else."""
    try:
        return open(path, mode, opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o666))
    except OSError as error:
        if path.is_symlink():
            raise RunError(f"{path}: is a link; expected a file, remove it") from error
        raise RunError(f"{path}: cannot write ({error.strerror or error})") from error


def _begins_at(answer: Any, offset: int) -> bool:
    """Whether the range that came is the one that was asked for; a server that does not say is believed."""
    stated = str(answer.headers.get("Content-Range", f"bytes {offset}-"))
    return stated.replace("bytes", "").strip().startswith(f"{offset}-")


def _retry_after(answer: Any) -> float | None:
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "")))
    except ValueError:
        return None


def _refusal(remote: Remote, status: int) -> str:
    host = remote.url.split("/")[2] if remote.url.count("/") > 2 else remote.url
    if status == 401:
        return f"{host}: login refused (HTTP 401); see 'Logging in' in docs/data_sources.md"
    return f"{host}: access refused (HTTP 403); the account may have to accept the archive's terms at Earthdata Login"


def _fault(remote: Remote, path: Path) -> str:
    """Why a whole file is no data, empty if it is."""
    fault = fault_of(path, remote.format)
    found = _length(path)
    if not fault and remote.exact and found != remote.size:
        fault = f"{found} bytes, expected {remote.size}"
    return fault or _opening_fault(path, remote.format)


def _sum_fault(remote: Remote) -> str:
    """Whether what came is not what the catalogue has summed up."""
    name, _, value = remote.checksum.partition(":")
    if not value:
        return ""
    with remote.part.open("rb") as file:
        found = hashlib.file_digest(file, name).hexdigest()
    return "" if found == value.lower() else f"checksum {name} {found}, expected {value.lower()}"


def _opening_fault(path: Path, expected: Format) -> str:
    try:
        with reading(path):
            if expected == "HDF5":
                import h5py

                with h5py.File(path) as file:
                    return "" if len(file) else "an HDF5 file without content"
            try:
                from pyhdf.SD import SD
            except ImportError:  # the readers say so when they are asked
                return ""
            store = SD(str(path))
            names = store.datasets()
            store.end()
            return "" if names else "an HDF4 file without content"
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")


def _quarantine(remote: Remote, path: Path, fault: str, outcome: Outcome) -> None:
    """Move what is no data out of the readers' way."""
    place = remote.path.parent / QUARANTINE / f"{remote.path.name}.bad"
    place.parent.mkdir(exist_ok=True)
    os.replace(path, place)
    logger.warning("%s: %s; moved to %s", remote.path.name, fault, place)
    outcome.quarantined.append(Unusable(place, fault))


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
