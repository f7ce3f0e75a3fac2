"""History files as VIC-5's image driver writes them. A file is complete, or it is not there."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from paraformer.core.files import atomic_path
from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.process.vic.driver.aggregate import Records
from paraformer.process.vic.driver.global_param import GlobalParameters
from paraformer.process.vic.driver.history import HISTORY
from paraformer.process.vic.driver.streams import OutputStream
from paraformer.process.vic.files import Domain, grid_dims, open_dataset, write_grid

logger = logging.getLogger(__name__)
_CELL_METHODS = {"sum": "sum", "mean": "mean", "end": "end", "begin": "beg", "max": "maximum", "min": "minimum"}
_FILL = {"f4": np.float32(9.969209968386869e36), "f8": 9.969209968386869e36, "i4": -2147483647}
_PER_DAY = {"seconds": SECONDS_PER_DAY, "minutes": 1440.0, "hours": 24.0, "days": 1.0}
_DAYS_BEFORE_GREGORIAN = 2  # 0001-01-01 of the mixed calendar is two days before that of the proleptic one
ORIGIN = np.datetime64("0001-01-01", "D")


class HistoryFiles:
    """The files of one stream, opened one after the other as records come in; a context.

    Args:
        stream: variables, format and how often a new file begins.
        edges: steps at which records begin, and the end of the last one.
        run: period, calendar and folder.
        domain: grid and active cells.
    """

    def __init__(self, stream: OutputStream, edges: np.ndarray, run: GlobalParameters, domain: Domain) -> None:
        self.stream, self.edges, self.run, self.domain = stream, edges, run, domain
        per_day = run.settings.model_steps_per_day
        self._file_of = stream.file_of(edges, run.first_day, run.n_day, per_day)
        self._stack = ExitStack()
        self._dataset: Any = None
        self._current = -1
        self._in_file = 0
        self.paths: list[Path] = []

    def __enter__(self) -> HistoryFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def write(self, records: Records) -> None:
        """Append records; they may lie in several files."""
        n = len(records.values[0])
        for file in np.unique(self._file_of[records.first : records.first + n]):
            inside = np.flatnonzero(self._file_of[records.first : records.first + n] == file)
            if file != self._current:
                self._next_file(int(file), records.first + int(inside[0]))
            self._append(records, slice(int(inside[0]), int(inside[-1]) + 1))

    def _append(self, records: Records, part: slice) -> None:
        edges = self.edges[records.first + part.start : records.first + part.stop + 1]
        times = self._time(edges)
        at = slice(self._in_file, self._in_file + part.stop - part.start)
        self._dataset["time"][at] = times[:-1]
        self._dataset["time_bnds"][at] = np.stack([times[:-1], times[1:]], axis=1)
        for variable, values in zip(self.stream.variables, records.values, strict=True):
            full = np.full(
                (at.stop - at.start, values.shape[1], *self.domain.mask.shape),
                _FILL[variable.type],
                dtype=variable.type,
            )
            full[:, :, self.domain.mask] = values[part]
            layered = HISTORY[variable.name].layered
            self._dataset[variable.name][at] = full if layered else full[:, 0]
        self._in_file = at.stop

    def _time(self, steps: np.ndarray) -> np.ndarray:
        days = steps / self.run.settings.model_steps_per_day + int((self.run.first_day - ORIGIN).astype(int))
        if self.run.calendar != "proleptic_gregorian":
            days = days + _DAYS_BEFORE_GREGORIAN
        return days * _PER_DAY[self.run.time_unit]

    def _next_file(self, file: int, record: int) -> None:
        self._stack.close()
        path = self.run.result_directory / f"{self.stream.prefix}.{self._date_of(record)}.nc"
        temporary = self._stack.enter_context(atomic_path(path))
        self._dataset = self._stack.enter_context(open_dataset(temporary, "w", self.stream.format))
        self._define()
        self._current, self._in_file = file, 0
        self.paths.append(path)
        logger.debug("writing %s", path)

    def _date_of(self, record: int) -> str:
        """First date of a file, as exact as its records are."""
        per_day = self.run.settings.model_steps_per_day
        step = int(self.edges[record])
        day = str(self.run.first_day + step // per_day)
        exact = f"{day}-{step % per_day * (int(SECONDS_PER_DAY) // per_day):05d}"
        return exact[: len(self.stream.frequency.date_format)]

    def _define(self) -> None:
        dataset, names = self._dataset, self.run.grid_names
        write_grid(dataset, self.domain, names)
        dataset.createDimension("nlayer", 3)
        dataset.createDimension("time", None)
        dataset.createDimension("nv", 2)
        for name, dims, standard_name in (("time", ("time",), "time"), ("time_bnds", ("time", "nv"), "time_bounds")):
            time = dataset.createVariable(name, "f8", dims)
            time.standard_name = standard_name
            time.units = f"{self.run.time_unit} since 0001-01-01 00:00:00"
            time.calendar = self.run.calendar
        dataset["time"].bounds = "time_bnds"
        packed = {"zlib": True, "complevel": self.stream.compression, "shuffle": True} if self._compressed() else {}
        for variable in self.stream.variables:
            about = HISTORY[variable.name]
            dims = ("time", *(("nlayer",) if about.layered else ()), *grid_dims(self.domain, names))
            put = dataset.createVariable(variable.name, variable.type, dims, fill_value=_FILL[variable.type], **packed)
            put.long_name = variable.name.removeprefix("OUT_").lower()
            put.standard_name, put.units, put.description = about.standard_name, about.unit, about.description
            put.cell_methods = f"time: {_CELL_METHODS[variable.aggregation]}"
        dataset.title = "VIC history file"
        dataset.source = "ParaFormer, VIC-5 in water-balance mode"
        dataset.Conventions = "CF-1.6"
        dataset.water_balance = self.run.settings.water_balance
        dataset.global_parameter_file = self.run.text
        if self.stream.missing:
            dataset.not_computed = " ".join(self.stream.missing)

    def _compressed(self) -> bool:
        return self.stream.compression > 0 and self.stream.format.startswith("NETCDF4")
