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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from paraformer.core.arrays import Array, Arrays
from paraformer.core.cf import decode, decoded_type
from paraformer.core.errors import DataError, nearest
from paraformer.core.lazy import deferred
from paraformer.core.netcdf import interrupt_later
from paraformer.core.netcdf_header import require_whole
from paraformer.core.proof import rounded
from paraformer.core.variables import FORCING, Variable, series_variable
from paraformer.data.sources.time_axis import time_axis

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = deferred("xarray")

_BLOCK_BYTES = 256 * 2**20
_NETCDF_KINDS = (b"CDF", b"\x89HDF")


@dataclass(frozen=True)
class CellsFile:
    """An open file of the simple format whose axes have been checked; values are read on demand.

    Attributes:
        path: the file or store.
        dataset: numbers as they are stored, nothing loaded.
        cells: identifiers [cell].
        days: UTC days, datetime64[D] [day].
        steps: steps of the ``time`` axis a day.
    """

    path: Path
    dataset: xr.Dataset | Arrays
    cells: Int[np.ndarray, " cell"]
    days: np.ndarray
    steps: int
    _complete: set[str] = field(default_factory=set)

    def close(self) -> None:
        with interrupt_later():
            self.dataset.close()

    def variable(self, name: str) -> xr.DataArray | Array:
        """A variable that must be there, with all its chunks; raises DataError naming it and the nearest name."""
        if name not in self.dataset.variables:
            valid = map(str, self.dataset.variables)
            raise DataError(f"{self.path}: variable '{name}' is missing{nearest(name, valid)}")
        variable = self.dataset[name]
        if not isinstance(variable, Array) and self.path.is_dir() and name not in self._complete:
            from paraformer.data.sources.zarr_store import require_chunks

            with _reading(self.path, name):
                require_chunks(self.path, variable, gaps_at_ends=name not in FORCING, words=self._words)
            self._complete.add(name)
        return variable

    def dtype(self, name: str) -> np.dtype:
        """Type of a variable's values, as far as none is missing."""
        variable = self.variable(name)
        return decoded_type(variable.dtype, variable.attrs)

    def static(self, name: str) -> np.ndarray:
        """Values [cell] of a static variable; text comes back as ``str``."""
        variable = self.variable(name)
        if variable.dims != ("cell",):
            raise DataError(f"{self.path}: variable '{name}' has dims {variable.dims}, expected ('cell',)")
        values = self._decoded(variable)
        if values.dtype.kind == "S":
            return np.char.decode(values, "utf-8")
        return values.astype(str) if values.dtype.kind in "OUT" else values

    def series(self, name: str, position: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some day step"]:
        """Values of a variable ``(cell, time)`` for some cells (ascending positions), steps folded into days.

        What rounding put outside the range of the variable is set to its end.
        """
        return rounded(self.series_variable(name), self.unrounded(name, position))

    def unrounded(self, name: str, position: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some day step"]:
        """``series`` with the values that the file holds."""
        return self._rows(name, position).reshape(len(position), len(self.days), self.steps)

    def stored(self, name: str, position: Int[np.ndarray, " some"]) -> np.ndarray:
        """Numbers of a variable ``(cell, time)`` as they are stored, packed or not [some, time]."""
        return self._rows(name, position, packed=True)

    def series_variable(self, name: str) -> Variable:
        """The entry of the vocabulary for a forcing or observation, of a day or of a step as the file has them."""
        known = series_variable(name)
        return known if self.steps == 1 else known.of_step()

    def reference(self, name: str, position: Int[np.ndarray, " some"]) -> Float[np.ndarray, "some ..."]:
        """Values of a variable ``(cell, month)``, January first, or ``(cell)`` for some cells (ascending positions)."""
        values = self._rows(name, position)
        return values[:, self.months()] if values.ndim == 2 else values

    def months(self) -> Int[np.ndarray, " month"]:
        """Position of each calendar month on the axis ``month``, January first.

        Raises:
            DataError: the axis has coordinates that are not the months 1 to 12.
        """
        length = self.dataset.sizes["month"]
        if "month" not in self.dataset.variables:
            return np.arange(length)
        values = self._decoded(self.variable("month"))
        if sorted(values.ravel().tolist()) != list(range(1, length + 1)) or length != 12:
            found = ", ".join(str(value) for value in values.ravel()[:12])
            raise DataError(f"{self.path}: variable 'month' is {found}; expected the months 1 to 12, each once")
        return np.argsort(values)

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

    def _rows(self, name: str, position: np.ndarray, *, packed: bool = False) -> np.ndarray:
        first = int(position[0])
        part = self.variable(name).isel(cell=slice(first, int(position[-1]) + 1))
        return (self._stored(part) if packed else self._decoded(part))[position - first]

    def _stored(self, variable: xr.DataArray | Array) -> np.ndarray:
        with _reading(self.path, str(variable.name)):
            return variable.load().values

    def _decoded(self, variable: xr.DataArray | Array) -> np.ndarray:
        return _meant(self.path, variable, self._stored(variable))

    def _words(self, dim: str, first: int, last: int) -> str:
        """Cells or days from one position to another, once the axes have been read."""
        if dim == "cell" and self.cells.size:
            return f"cells {self.cells[first]} to {self.cells[last]}"
        if dim == "time" and self.days.size:
            return f"{self.days[first // self.steps]} to {self.days[last // self.steps]}"
        return ""


def open_cells(path: Path) -> CellsFile:
    """Open a file of the simple format and check its axes.

    Raises:
        DataError: missing, truncated or foreign file, or as ``cells_of``.
    """
    return cells_of(_open(path), path)


def cells_of(dataset: xr.Dataset | Arrays, path: Path) -> CellsFile:
    """What a file of the simple format holds, with its axes checked; closed if they are refused.

    Args:
        path: the file, or what messages call it.

    Raises:
        DataError: missing dimension or axis variable; a chunk of an axis that is not there; a time axis as
            ``time_axis`` refuses it; identifiers that are not distinct whole numbers.
    """
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
        axes = CellsFile(path, dataset, np.empty(0, np.int64), np.empty(0, "datetime64[D]"), 1)
        days, steps = time_axis(dataset, _axis(axes, "time"), str(path))
        return CellsFile(path, dataset, _identifiers(_axis(axes, "cell"), path), days, steps)
    except BaseException:
        dataset.close()
        raise


def _open(path: Path) -> xr.Dataset:
    if not path.exists():
        raise DataError(f"{path}: file does not exist")
    with _reading(path):
        if path.is_dir():
            from paraformer.data.sources.zarr_store import open_store

            return open_store(path)
        if not path.is_file():
            raise DataError(f"{path}: not a regular file; expected netCDF-3, netCDF-4 or a zarr store")
        with path.open("rb") as file:
            head = file.read(8)
        if not head.startswith(_NETCDF_KINDS):
            found = "an empty file" if not head else f"first bytes {head!r}"
            raise DataError(f"{path}: not a netCDF file: found {found}, expected netCDF-3, netCDF-4 or a zarr store")
        require_whole(path)
        return xr.open_dataset(path, engine="netcdf4", decode_times=False, mask_and_scale=False)


def _axis(file: CellsFile, name: str) -> np.ndarray:
    """Values of an axis."""
    variable = file.variable(name)
    if variable.dtype.kind not in "iuf":
        raise DataError(f"{file.path}: variable '{name}' has type {variable.dtype}, expected numbers")
    with _reading(file.path, name):
        values = variable.values
    return _meant(file.path, variable, values)


def _meant(path: Path, variable: xr.DataArray | Array, values: np.ndarray) -> np.ndarray:
    """Stored values of a variable decoded; an attribute that cannot be obeyed is named."""
    try:
        return decode(values, variable.attrs)
    except ValueError as error:
        raise DataError(f"{path}: variable '{variable.name}': {error}") from error


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


def _identifiers(cells: np.ndarray, path: Path) -> np.ndarray:
    whole = np.isfinite(cells) & (cells == np.rint(cells))
    if not whole.all():
        at = int(np.argmin(whole))
        raise DataError(f"{path}: variable 'cell' at position {at} is {cells[at]}; expected integer identifiers")
    values, counts = np.unique(cells, return_counts=True)
    if (counts > 1).any():
        twice = values[counts > 1][0]
        where = np.flatnonzero(cells == twice)[:2]
        raise DataError(f"{path}: duplicate cell {twice:.0f} at positions {where[0]} and {where[1]}")
    return cells.astype(np.int64)
