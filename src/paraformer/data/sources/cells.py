"""The project's simple input format: one CF netCDF file or zarr store with dims ``cell, time``.

==================  ===============  =================================================================
variable            dims             content
==================  ===============  =================================================================
cell                cell             integer identifiers, each once
time                time             UTC days, or UTC steps of 24/k hours from midnight; no gap
lat, lon            cell             [degree]
prcp ... pres       cell, time       the seven forcings of ``core.variables.FORCING``, never NaN
an observation      cell, time       e.g. ``sm_smap``; NaN where there is none
attributes          cell             static; those of ``core.variables.ATTRIBUTES`` or others; never NaN
references          cell, month      optional, ``core.variables.REFERENCES``: climatologies of
                                     evapotranspiration; signatures of runoff have no month
labels              cell             optional, any name: quality flags, split labels
==================  ===============  =================================================================

Every variable of the vocabulary states its unit (``units``) in one of the spellings of ``core.units``. A sub-daily file
has k = 2, 3, 4, 6, 8, 12 or 24 steps a day; a stamp is the beginning of its step; precipitation stays a rate
[mm day-1], so that the daily value of every forcing is the mean of its steps; an observation may occur once a day. The
full description is ``docs/input_format.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from jaxtyping import Float, Int

from paraformer.core.errors import DataError, nearest
from paraformer.core.netcdf import interrupt_later
from paraformer.core.time import require_daily
from paraformer.core.variables import FORCING

_STANDARD_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_STEPS_PER_DAY = (1, 2, 3, 4, 6, 8, 12, 24)
_BLOCK_BYTES = 256 * 2**20
_NETCDF_KINDS = (b"CDF", b"\x89HDF")


@dataclass(frozen=True)
class CellsFile:
    """An open file of the simple format whose axes have been checked; values are read on demand.

    Attributes:
        path: the file or store.
        dataset: undecoded time, scale factors and fill values applied, nothing loaded.
        cells: identifiers [cell].
        days: UTC days, datetime64[D] [day].
        steps: steps of the ``time`` axis a day.
    """

    path: Path
    dataset: xr.Dataset
    cells: Int[np.ndarray, " cell"]
    days: np.ndarray
    steps: int

    def close(self) -> None:
        with interrupt_later():
            self.dataset.close()

    def variable(self, name: str) -> xr.DataArray:
        """A variable that must be there; raises DataError naming it and the nearest name."""
        if name not in self.dataset.variables:
            valid = map(str, self.dataset.variables)
            raise DataError(f"{self.path}: variable '{name}' is missing{nearest(name, valid)}")
        return self.dataset[name]

    def static(self, name: str) -> np.ndarray:
        """Values [cell] of a static variable; text comes back as ``str``."""
        variable = self.variable(name)
        if variable.dims != ("cell",):
            raise DataError(f"{self.path}: variable '{name}' has dims {variable.dims}, expected ('cell',)")
        values = self._read(variable)
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8")
        return values.astype(str) if values.dtype.kind in "OU" else values

    def series(self, name: str, position: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some day step"]:
        """Values of a variable ``(cell, time)`` for some cells (ascending positions), steps folded into days."""
        return self._rows(name, position).reshape(len(position), len(self.days), self.steps)

    def reference(self, name: str, position: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some ..."]:
        """Values of a variable ``(cell, month)`` or ``(cell)`` for some cells (ascending positions)."""
        return self._rows(name, position)

    def together(self, cells: int) -> int:
        """How many cells to take at a time: ``cells``, or as many times that as a chunk of the file holds.

        So no chunk of a large store is read twice, and a block of all series stays below ``_BLOCK_BYTES``.
        """
        chunks = next(
            (
                v.encoding.get("chunks") or v.encoding.get("chunksizes")
                for v in (self.dataset[name] for name in FORCING if name in self.dataset.variables)
            ),
            None,
        )
        held = int(chunks[0]) // cells if chunks else 1
        most = _BLOCK_BYTES // (8 * (len(FORCING) + 1) * len(self.days) * self.steps * cells)
        return cells * max(1, min(held, most))

    def _rows(self, name: str, position: np.ndarray) -> np.ndarray:
        first = int(position[0])
        rows = self._read(self.variable(name).isel(cell=slice(first, int(position[-1]) + 1)))
        return rows[position - first]

    def _read(self, variable: xr.DataArray) -> np.ndarray:
        with _reading(self.path, str(variable.name)):
            return variable.load().values


def open_cells(path: Path) -> CellsFile:
    """Open a file of the simple format and check its axes.

    Raises:
        DataError: missing, truncated or foreign file; missing dimension or axis variable; non-standard calendar;
            duplicate, missing or unordered times; a step that does not divide the day; identifiers that are not
            distinct integers.
    """
    dataset = _open(path)
    try:
        for dim in ("cell", "time"):
            if dim not in dataset.sizes:
                raise DataError(f"{path}: dimension '{dim}' is missing; found {', '.join(map(str, dataset.sizes))}")
            if dim not in dataset.variables:
                raise DataError(f"{path}: variable '{dim}' is missing")
            if dataset[dim].dims != (dim,):
                raise DataError(f"{path}: variable '{dim}' has dims {dataset[dim].dims}, expected ('{dim}',)")
            if dataset.sizes[dim] == 0:
                raise DataError(f"{path}: dimension '{dim}' has length 0")
        days, steps = _time_axis(dataset, path)
        return CellsFile(path, dataset, _identifiers(dataset, path), days, steps)
    except BaseException:
        dataset.close()
        raise


def _open(path: Path) -> xr.Dataset:
    if not path.exists():
        raise DataError(f"{path}: file does not exist")
    with _reading(path):
        if path.is_dir():
            return xr.open_dataset(path, engine="zarr", decode_times=False, chunks=None)
        with path.open("rb") as file:
            head = file.read(8)
        if not head.startswith(_NETCDF_KINDS):
            found = "an empty file" if not head else f"first bytes {head!r}"
            raise DataError(f"{path}: not a netCDF file: found {found}, expected netCDF-3, netCDF-4 or a zarr store")
        return xr.open_dataset(path, engine="netcdf4", decode_times=False)


@contextmanager
def _reading(path: Path, name: str = "") -> Iterator[None]:
    """Turn whatever a file library raises into one line that names the file (and the variable)."""
    try:
        with interrupt_later():
            yield
    except DataError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
        what = f"variable '{name}' cannot be read" if name else "cannot be read"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: {what}; the file may be truncated or corrupt ({reason})") from error


def _time_axis(dataset: xr.Dataset, path: Path) -> tuple[np.ndarray, int]:
    """UTC days and steps a day."""
    time = dataset["time"]
    calendar = str(time.attrs.get("calendar", "standard")).lower()
    if calendar not in _STANDARD_CALENDARS:
        raise DataError(
            f"{path}: variable 'time' has calendar '{calendar}'; expected one of {', '.join(_STANDARD_CALENDARS)}"
        )
    if "since" not in str(time.attrs.get("units", "")):
        found = time.attrs.get("units", "no units")
        raise DataError(f"{path}: variable 'time' has {found!r}; expected units 'days since YYYY-MM-DD'")
    with _reading(path, "time"):
        stamps = xr.decode_cf(dataset[["time"]])["time"].values.astype("datetime64[s]")
    if np.isnat(stamps).any():
        raise DataError(f"{path}: variable 'time' holds a missing date at position {int(np.argmax(np.isnat(stamps)))}")
    step = np.diff(stamps).astype(np.int64)
    for bad, what in ((step == 0, "duplicate time"), (step < 0, "time runs backwards")):
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(f"{path}: {what} {stamps[at + 1]} at position {at + 1}, after {stamps[at]}")
    seconds = int(np.median(step)) if step.size else 86400
    if 86400 % seconds or 86400 // seconds not in _STEPS_PER_DAY:
        raise DataError(
            f"{path}: variable 'time' steps by {seconds} s; expected 24 h / k with k one of {_STEPS_PER_DAY}"
        )
    steps = 86400 // seconds
    if steps == 1:
        require_daily(stamps, str(path))
        return stamps.astype("datetime64[D]"), 1
    return _whole_days(stamps, step, seconds, path), steps


def _whole_days(stamps: np.ndarray, step: np.ndarray, seconds: int, path: Path) -> np.ndarray:
    """Days of a sub-daily axis without gaps that starts and ends with the day."""
    wrong = step != seconds
    if wrong.any():
        at = int(np.argmax(wrong))
        expected = stamps[at] + np.timedelta64(seconds, "s")
        raise DataError(f"{path}: time gap after {stamps[at]}: found {stamps[at + 1]}, expected {expected}")
    if stamps[0] != stamps[0].astype("datetime64[D]"):
        raise DataError(f"{path}: sub-daily time starts at {stamps[0]}; expected the day's first step, 00:00 UTC")
    steps = 86400 // seconds
    if len(stamps) % steps:
        raise DataError(
            f"{path}: sub-daily time ends at {stamps[-1]}, inside a day: found {len(stamps) % steps} steps, "
            f"expected {steps}"
        )
    return stamps[::steps].astype("datetime64[D]")


def _identifiers(dataset: xr.Dataset, path: Path) -> np.ndarray:
    with _reading(path, "cell"):
        cells = dataset["cell"].values
    if cells.dtype.kind not in "iu":
        raise DataError(f"{path}: variable 'cell' has type {cells.dtype}; expected integer identifiers")
    values, counts = np.unique(cells, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        where = np.flatnonzero(cells == twice)[:2]
        raise DataError(f"{path}: duplicate cell {twice} at positions {where[0]} and {where[1]}")
    return cells.astype(np.int64)
