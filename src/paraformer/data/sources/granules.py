"""Files of an archive (granules): whether a file is what its name says before it is opened, and errors that name it.

A download that went wrong leaves an empty file, half a file, or the web page of a login in place of data. All three
carry the right name; here they are told apart by their first bytes and by the length that HDF5 states of itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paraformer.core.errors import DataError
from paraformer.core.netcdf_header import require_whole

logger = logging.getLogger(__name__)

Format = Literal["HDF5", "HDF4", "netCDF"]
OnBad = Literal["refuse", "leave_out"]

QUARANTINE = "quarantine"
"""Folder, beside the files of an archive, of what a download brought that is no data; readers pass it over."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_SIGNATURES: dict[Format, tuple[bytes, ...]] = {
    "HDF5": (_HDF5,),
    "HDF4": (b"\x0e\x03\x13\x01",),
    "netCDF": (_HDF5, b"CDF\x01", b"CDF\x02", b"CDF\x05"),
}
_A: dict[Format, str] = {"HDF5": "an HDF5", "HDF4": "an HDF4", "netCDF": "a netCDF"}
_OTHERS = {b"PK\x03\x04": "a zip archive, which is to be unpacked", b"GRIB": "a GRIB file, order netCDF"}
"""What comes under the name of a data file at times."""


@dataclass(frozen=True)
class Unusable:
    """A file that was left out, and why."""

    path: Path
    reason: str


def fault_of(path: Path, expected: Format) -> str:
    """Why a file cannot be read as the expected format, as far as its first bytes and length show; empty if it may."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        return f"cannot be opened ({error.strerror or error})"
    if not size:
        return "empty file (0 bytes)"
    if head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page instead of data (was the download logged in?)"
    other = next((what for mark, what in _OTHERS.items() if head.startswith(mark)), "")
    if other:
        return f"not {_A[expected]} file but {other}"
    if not head.startswith(_SIGNATURES[expected]):
        return f"not {_A[expected]} file: first bytes {head[:8]!r}"
    try:
        require_whole(path)
    except DataError as error:
        return str(error).removeprefix(f"{path}: ")
    return ""


def usable(paths: Iterable[Path], expected: Format, on_bad: OnBad) -> tuple[list[Path], list[Unusable]]:
    """Sort files into those that look sound and those that do not.

    Raises:
        DataError: the first file that does not, with ``on_bad="refuse"``.
    """
    good: list[Path] = []
    bad: list[Unusable] = []
    for path in paths:
        reason = fault_of(path, expected)
        if not reason:
            good.append(path)
        elif on_bad == "refuse":
            raise DataError(f"{path}: {reason}")
        else:
            bad.append(left_out(path, reason))
    return good, bad


def left_out(path: Path, reason: str) -> Unusable:
    """Log that a file is left out, and say so."""
    logger.warning("%s: left out: %s", path, reason)
    return Unusable(path, reason)


def granules_in(folder: Path, pattern: str) -> list[Path]:
    """Files below a folder, sub-folders included, whose names match; none of a quarantine, and nothing hidden.

    Raises:
        DataError: the folder does not exist or is none.
    """
    found = []
    for path in sorted(folder_of(folder).rglob(pattern)):
        inside = path.relative_to(folder).parts
        if path.is_file() and QUARANTINE not in inside[:-1] and not any(part.startswith(".") for part in inside):
            found.append(path)
    return found


def evenly(total: int, count: int) -> list[int]:
    """Positions of at most ``count`` of ``total`` files, the first and the last among them."""
    return [int(k) for k in np.unique(np.linspace(0, total - 1, min(count, total)).round())] if total else []


def folder_of(folder: Path) -> Path:
    """The folder, if it is one.

    Raises:
        DataError: it does not exist or is no folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'folder does not exist'}")
    return folder


@contextmanager
def reading(path: Path, name: str = "") -> Iterator[None]:
    """Turn whatever a file library raises into one line that names the file (and the variable).

    Raises:
        DataError: in place of the library's own error.
    """
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # HDF4 and HDF5 libraries raise types of their own
        what = f"variable '{name}' cannot be read" if name else "cannot be read"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: {what}; the file may be truncated or corrupt ({reason})") from error


@contextmanager
def open_hdf4(path: Path) -> Iterator[Any]:
    """A file of HDF4, open.

    Raises:
        DataError: it cannot be opened, or the library that reads HDF4 is not installed.
    """
    try:
        from pyhdf.SD import SD  # an extra: only the readers of MODIS tiles need HDF4
    except ImportError as error:
        raise DataError(f"{path}: reading HDF4 needs pyhdf: pip install 'paraformer[nasa]'") from error
    with reading(path):
        store = SD(str(path))
    try:
        yield store
    finally:
        store.end()
