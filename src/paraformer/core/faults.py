"""What the machine refuses: memory, disk space, permission, open files, threads.

Every library has words of its own for it (netCDF says "HDF error" for a full disk, and "Unknown file format" where
memory is exhausted). Here, and only here, they become one line. What is not recognised stays as it is: it may be a bug.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from paraformer.core.errors import ParaformerError, RunError

_REFUSALS = {
    errno.ENOSPC: "",
    errno.EDQUOT: "",
    errno.EFBIG: "larger than the file system or 'ulimit -f' allows",
    errno.EROFS: "",
    errno.EACCES: "",
    errno.EPERM: "",
    errno.EIO: "the disk or the network file system failed",
    errno.ESTALE: "the network file system lost the file",
    errno.ETIMEDOUT: "",
    errno.EMFILE: "raise it with 'ulimit -n'",
    errno.ENFILE: "",
    errno.ELOOP: "a link that leads to itself",
    errno.ENAMETOOLONG: "",
    errno.EAGAIN: "memory is exhausted, or the number of threads and processes that 'ulimit -u' allows",
}
"""Errors of the operating system that no code of ours can make, with what their own words leave open."""

_NO_MEMORY = (
    "bad_alloc",
    "failed to map segment",
    "allocate memory",
    "out of memory",
    "out_of_memory",
    "memory allocation",
)
_NO_THREADS = ("can't start new thread", "resource temporarily unavailable")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
"""What libraries repeat of the operating system's words in errors that have no number."""

_NETCDF_UNSURE = ("unknown file format", "hdf error")
"""What netCDF says, among others, for want of memory."""

_SPARE = 64 * 2**20
"""Memory [bytes] that a process can still get unless its memory is exhausted."""

_PROBE = 2**20
"""Bytes written to see whether a file can grow."""

_ADVICE = "fewer cells at a time need less: data.chunk_cells, ensemble.chunk_cells, training's cells_per_batch"


def explained(error: Exception) -> ParaformerError | None:
    """The error a user can act on; ``None`` for one that neither we nor the machine made, most likely a bug.

    An error of ours stays as it is, unless what led to it is exhausted memory: then its words mislead.
    """
    if (reason := _memory(error)) is not None:
        said = f"{error}: " if isinstance(error, ParaformerError) else ""
        return RunError(f"{said}memory is exhausted ({reason}); {_ADVICE}")
    if isinstance(error, ParaformerError):
        return error
    refused = refusal(error)
    return None if refused is None else RunError(refused)


def refusal(error: BaseException) -> str | None:
    """What the machine refused, naming the file if known; ``None`` where it refused nothing."""
    if (reason := _memory(error)) is not None:
        return f"memory is exhausted ({reason})"
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _REFUSALS:
            words, hint = os.strerror(cause.errno), _REFUSALS[cause.errno]  # HDF5 puts a page into ``strerror``
            file = f"{_name(cause.filename)}: " if cause.filename is not None else ""
            return f"{file}{words}" + (f"; {hint}" if hint else "")
        if isinstance(cause, RuntimeError) and str(cause).lower().startswith(_NO_THREADS):
            return f"{_first_line(cause)}; {_REFUSALS[errno.EAGAIN]}"
    text = " ".join(str(cause) for cause in _causes(error)).lower()
    return next((words for words in _FULL if words.lower() in text), None)


def cannot_open(path: Path) -> str | None:
    """Why a file cannot be opened; ``None`` if it can, so that what is wrong is inside.

    For libraries that say "no such file" of one that may not be read.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def cannot_grow(path: Path) -> str | None:
    """Why nothing can be added to a file, or to the folder of a store; ``None`` if something can. It is left longer.

    For what is thrown away: libraries that fail to write do not always say why.
    """
    file = path / ".probe" if path.is_dir() else path
    try:
        with file.open("ab") as stream:
            stream.write(b"\0" * _PROBE)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        return refusal(error)
    return None


def _memory(error: BaseException) -> str | None:
    for cause in _causes(error):
        text = str(cause).lower()
        said = isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno == errno.ENOMEM)
        if not said and isinstance(cause, OSError | RuntimeError | ImportError):
            said = any(words in text for words in _NO_MEMORY)
        unsure = "netcdf: " in text and any(words in text for words in _NETCDF_UNSURE)
        if said or (unsure and not _spare_memory()):
            return _first_line(cause)
    return None


def _spare_memory() -> bool:
    try:
        mmap.mmap(-1, _SPARE).close()
    except (OSError, MemoryError):
        return False
    return True


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that led to it, the first one last."""
    seen: set[int] = set()
    left: BaseException | None = error
    while left is not None and id(left) not in seen:
        seen.add(id(left))
        yield left
        left = left.__cause__ or (None if left.__suppress_context__ else left.__context__)


def _name(file: object) -> str:
    return os.fsdecode(file) if isinstance(file, str | bytes) else str(file)


def _first_line(what: object) -> str:
    return str(what).strip().split("\n")[0] or type(what).__name__
