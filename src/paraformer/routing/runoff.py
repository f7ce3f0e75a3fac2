"""Runoff and baseflow of any model, read block by block; discharge at gauges, written.

A record is the water of one step, whose stamp is its beginning, as VIC-5 writes it (or what its bounds say). Discharge
is the mean of the same step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import netCDF4
import numpy as np
from jaxtyping import Float

from paraformer.core.cf import decode
from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.files import atomic_path
from paraformer.core.grid import match_cells
from paraformer.core.log import Progress
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import MM_PER_M, SECONDS_PER_DAY, SECONDS_PER_HOUR
from paraformer.core.time import decode_times
from paraformer.core.units import canonical
from paraformer.routing.grids import LAT_NAMES, LON_NAMES, numbers_of
from paraformer.routing.network import Network
from paraformer.routing.router import LinearRouter

RUNOFF_NAMES = ("OUT_RUNOFF", "runoff", "Runoff", "surface_runoff", "mrros", "Qs", "total_runoff", "mrro")
BASEFLOW_NAMES = ("OUT_BASEFLOW", "baseflow", "Baseflow", "subsurface_runoff", "mrrob", "Qsb")
BLOCK_VALUES = 40_000_000
"""Values of runoff held at a time."""
_RATES = {
    "mm day-1": 1 / SECONDS_PER_DAY,
    "mm s-1": 1.0,
    "kg m-2 s-1": 1.0,
    "m s-1": MM_PER_M,
    "mm h-1": 1 / SECONDS_PER_HOUR,
    "m day-1": 1 / 86.4,
}


class Clock(NamedTuple):
    """Steps of a series: the beginning of each (UTC, datetime64[s]) and their length [s]."""

    begin: np.ndarray
    step: float


class RunoffFile:
    """A netCDF file of runoff and baseflow over (time, lat, lon), or over cells and time; a context.

    Args:
        path: the file.
        runoff, baseflow: variables; the usual names by default, a file without baseflow has total runoff.
    """

    def __init__(self, path: Path | str, runoff: str | None = None, baseflow: str | None = None) -> None:
        require_whole(path)
        self.path: Path | str = path
        try:
            self.dataset = netCDF4.Dataset(path)
        except OSError as error:
            raise DataError(f"{path}: not a readable netCDF file ({error})") from error
        try:
            self._understand(runoff, baseflow)
        except BaseException:
            self.dataset.close()
            raise

    def _understand(self, runoff: str | None, baseflow: str | None) -> None:
        self.runoff = self._variable((runoff,) if runoff else RUNOFF_NAMES)
        named = (baseflow,) if baseflow else BASEFLOW_NAMES
        lacking = baseflow is None and not any(name in self.dataset.variables for name in named)
        self.baseflow = None if lacking else self._variable(named)
        self.clock = self._clock()
        self.lat, self.lon, self.cells = self._places()
        self._scale = {id(v): self._factor(v) for v in (self.runoff, self.baseflow) if v is not None}

    def __enter__(self) -> RunoffFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dataset.close()

    def _variable(self, names: tuple[str, ...]) -> Any:
        for name in names:
            if name in self.dataset.variables:
                variable = self.dataset[name]
                variable.set_auto_maskandscale(False)
                return variable
        raise DataError(f"{self.path}: no variable {' or '.join(names)}{nearest(names[0], self.dataset.variables)}")

    def _clock(self) -> Clock:
        if "time" not in self.dataset.variables:
            raise DataError(f"{self.path}: no variable 'time'")
        time = self.dataset["time"]
        attributes = {name: time.getncattr(name) for name in time.ncattrs()}
        bounds = attributes.get("bounds")
        stamps = decode_times(np.asarray(time[...]), attributes, source=str(self.path)).astype("datetime64[s]")
        if bounds in self.dataset.variables:
            both = np.asarray(self.dataset[bounds][...])
            begin = decode_times(both[:, 0], attributes, source=str(self.path)).astype("datetime64[s]")
            end = decode_times(both[:, 1], attributes, source=str(self.path)).astype("datetime64[s]")
            steps = (end - begin).astype(np.int64)
            stamps = begin
        else:
            steps = np.diff(stamps).astype(np.int64)
        if not len(steps):
            raise DataError(f"{self.path}: one record without time bounds, so the step is unknown")
        step = int(steps[0])
        gaps = np.flatnonzero(np.diff(stamps).astype(np.int64) != step)
        if len(gaps) or (steps != step).any() or step <= 0:
            at = int(gaps[0]) if len(gaps) else int(np.argmax(steps != step))
            raise DataError(
                f"{self.path}: time steps differ: {stamps[at]} is followed by {stamps[min(at + 1, len(stamps) - 1)]}, "
                f"expected steps of {step} s"
            )
        return Clock(stamps, float(step))

    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Latitude and longitude of all places of the file, flattened, and identifiers where cells stand in a list."""
        dims = [name for name in self.runoff.dimensions if name != "time"]
        found = []
        for names in (LAT_NAMES, LON_NAMES):
            name = next((n for n in self.dataset.variables if n.lower() in names and self.dataset[n].ndim <= 2), None)
            if name is None:
                raise DataError(f"{self.path}: no coordinate {' or '.join(names)}")
            found.append((numbers_of(self.dataset[name]), self.dataset[name].dimensions))
        (lat, lat_dims), (lon, _) = found
        if len(dims) == 2 and lat.ndim == 1 and lon.ndim == 1:
            lon, lat = np.meshgrid(lon, lat) if dims.index(lat_dims[0]) == 0 else np.meshgrid(lon, lat, indexing="ij")
        cells = None
        if len(dims) == 1 and dims[0] in self.dataset.variables and self.dataset[dims[0]].dtype.kind in "iu":
            cells = np.asarray(self.dataset[dims[0]][...]).astype(np.int64)
        return lat.ravel(), lon.ravel(), cells

    def _factor(self, variable: Any) -> float:
        """What makes a variable mm a step."""
        unit = canonical(str(getattr(variable, "units", "")))
        if unit == "mm":
            if "mean" in str(getattr(variable, "cell_methods", "")):
                raise DataError(
                    f"{self.path}: '{variable.name}' is the mean of model steps in mm; write their sum (AGG_TYPE_SUM)"
                )
            return 1.0
        if unit == "m":
            return MM_PER_M
        if unit in _RATES:
            return _RATES[unit] * self.clock.step
        raise DataError(
            f"{self.path}: unit of '{variable.name}': found '{unit}', expected mm a step or {', '.join(_RATES)}"
        )

    def read(self, variable: Any, part: slice, cells: np.ndarray, network: Network) -> Float[np.ndarray, "cell time"]:
        """Steps of some places of the file [mm a step], proved.

        Raises:
            DataError: naming cell and time of a value that is missing, or below 0.
        """
        where: list[Any] = [slice(None)] * variable.ndim
        axis = variable.dimensions.index("time")
        where[axis] = part
        attributes = {name: variable.getncattr(name) for name in variable.ncattrs()}
        values = np.moveaxis(decode(np.asarray(variable[tuple(where)]), attributes), axis, -1)
        taken = np.ascontiguousarray(values.reshape(-1, values.shape[-1])[cells])
        bad = ~(taken >= -1e-6)
        if bad.any():
            cell, step = (int(i) for i in np.argwhere(bad)[0])
            raise DataError(
                f"{self.path}: '{variable.name}' of {network.words(cell)} at {self.clock.begin[part][step]}: found "
                f"{taken[cell, step]:g}, expected 0 or more ({int(bad.any(axis=1).sum())} such cells)"
            )
        factor = self._scale[id(variable)]
        return taken if factor == 1.0 else taken * taken.dtype.type(factor)

    def blocks(
        self, cells: np.ndarray, network: Network, least: int
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray | None]]:
        """Blocks of steps of the cells: where they are, runoff and baseflow."""
        n_time = len(self.clock.begin)
        size = max(BLOCK_VALUES // max(len(self.lat), 1), least, 1)
        for start in range(0, n_time, size):
            part = slice(start, min(start + size, n_time))
            runoff = self.read(self.runoff, part, cells, network)
            yield part, runoff, None if self.baseflow is None else self.read(self.baseflow, part, cells, network)


@runtime_checkable
class Waters(Protocol):
    """Runoff and baseflow in blocks of steps."""

    lat: np.ndarray
    lon: np.ndarray
    clock: Clock

    @property
    def path(self) -> Path | str: ...

    @property
    def cells(self) -> np.ndarray | None: ...

    def blocks(
        self, cells: np.ndarray, network: Network, least: int
    ) -> Iterator[tuple[slice, np.ndarray, np.ndarray | None]]: ...


def cells_of(file: Waters, network: Network) -> np.ndarray:
    """Place of each of the network's cells in a file: by identifier where both have the same ones, else by position.

    Raises:
        DataError: naming the first cell that is not there.
    """
    if file.cells is not None and np.isin(network.cells, file.cells).all():
        order = np.argsort(file.cells)
        return order[np.searchsorted(file.cells[order], network.cells)]
    return match_cells(network.lat, network.lon, file.lat, file.lon, source=str(file.path), words=network.words)


class Balance(NamedTuple):
    """Water of a routed series over all gauges [m3]."""

    given: float
    passed: float
    under_way: float

    @property
    def error(self) -> float:
        """What is lost, as a share of what was given."""
        return abs(self.given - self.passed - self.under_way) / self.given if self.given else 0.0


class Series(NamedTuple):
    """Discharge at the gauges.

    Attributes:
        discharge: [gauge, time] [m3 s-1].
        clock: its steps.
        balance: of the water.
    """

    discharge: Float[np.ndarray, "gauge time"]
    clock: Clock
    balance: Balance


def route_file(file: Waters, network: Network, router: LinearRouter, progress: Progress | None = None) -> Series:
    """Route a file block by block, from dry rivers.

    Args:
        file: runoff, whose step is the router's.
        network: cells, for places and messages.
        router: of the same cells.
    """
    if router.step != file.clock.step:
        raise SettingsError(
            f"{file.path}: steps of {file.clock.step:g} s, expected those of the router, {router.step:g} s"
        )
    cells = cells_of(file, network)
    found = np.zeros((len(router.gauges), len(file.clock.begin)))
    coming, given = np.zeros((len(router.gauges), router.lags)), 0.0
    weights = router.cell_weights()
    with (progress or Progress()).task("route", found.shape[1], unit="steps") as advance:
        for part, runoff, baseflow in file.blocks(cells, network, 4 * router.lags):
            found[:, part], coming = router.route(runoff, baseflow, coming)
            for water, weight in ((runoff, weights[0]), (baseflow, weights[-1])):
                given += 0.0 if water is None else float(weight @ water.sum(axis=1, dtype=np.float64))
            advance(part.stop - part.start)
    late = float(router.scale @ coming.sum(axis=1))
    return Series(found, file.clock, Balance(*(router.step * float(v) for v in (given, found.sum(), late))))


def local_days(series: Series, hours: float) -> Series:
    """Means over whole local calendar days, from steps that divide a day.

    Args:
        series: in UTC.
        hours: local standard time minus UTC, e.g. -7 in Denver [h].

    Raises:
        SettingsError: daily steps, which hold no local days, or an offset that is no number of steps.
    """
    step = series.clock.step
    per_day = SECONDS_PER_DAY / step
    if step >= SECONDS_PER_DAY or per_day != int(per_day) or (hours * SECONDS_PER_HOUR) % step:
        raise SettingsError(f"steps of {step:g} s hold no local days {hours:+g} h from UTC; route a shorter step")
    local = series.clock.begin + np.timedelta64(int(hours * SECONDS_PER_HOUR), "s")
    days = local.astype("datetime64[D]")
    whole, first, count = np.unique(days, return_index=True, return_counts=True)
    keep = count == int(per_day)
    if not keep.any():
        raise SettingsError("no whole local day in the series")
    means = np.stack([series.discharge[:, i : i + int(per_day)].mean(axis=1) for i in first[keep]], axis=1)
    return Series(means, Clock(whole[keep].astype("datetime64[s]"), SECONDS_PER_DAY), series.balance)


def write_discharge(
    series: Series, network: Network, model_area: np.ndarray, path: Path, method: str, offset_hours: float | None
) -> None:
    """Write discharge as a CF time series file.

    Args:
        series: the discharge.
        network: gauges.
        model_area: drainage areas of the gauges in the model [m2].
        path: the file.
        method: how it was routed.
        offset_hours: of local days from UTC [h]; ``None`` for UTC.

    Raises:
        RunError: if the file cannot be written.
    """
    gauges, step = network.gauges, np.timedelta64(int(series.clock.step), "s")
    since = np.datetime64("1970-01-01", "s")
    begin = (series.clock.begin - since).astype(np.float64) / SECONDS_PER_DAY
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(path))
        dataset = stack.enter_context(netCDF4.Dataset(temporary, "w", format="NETCDF4"))
        for name, size in (("gauge", len(gauges)), ("time", len(begin)), ("nv", 2)):
            dataset.createDimension(name, size)
        time = dataset.createVariable("time", "f8", ("time",))
        time.units, time.calendar, time.standard_name = "days since 1970-01-01 00:00:00", "standard", "time"
        time.bounds = "time_bnds"
        time.comment = (
            "beginning of the step"
            if offset_hours is None
            else (f"beginning of the local day, {offset_hours:+g} h from UTC")
        )
        time[:] = begin
        dataset.createVariable("time_bnds", "f8", ("time", "nv"))[:] = np.stack(
            [begin, begin + step.astype(np.float64) / SECONDS_PER_DAY], axis=1
        )
        dataset.createVariable("gauge", str, ("gauge",))[:] = np.array(gauges.names, dtype=object)
        dataset["gauge"].cf_role = "timeseries_id"
        for name, values, unit, text in (
            ("lat", gauges.lat, "degrees_north", "latitude as reported"),
            ("lon", gauges.lon, "degrees_east", "longitude as reported"),
            ("area_reported", gauges.reported_area, "m2", "drainage area as reported"),
            ("area_model", model_area, "m2", "drainage area in the network"),
        ):
            variable = dataset.createVariable(name, "f8", ("gauge",))
            variable.units, variable.long_name = unit, text
            variable[:] = values
        discharge = dataset.createVariable("discharge", "f8", ("gauge", "time"), zlib=True, complevel=4)
        discharge.units, discharge.long_name = "m3 s-1", "river discharge, mean of the step"
        discharge.standard_name = "water_volume_transport_in_river_channel"
        discharge.cell_methods, discharge.coordinates = "time: mean", "lat lon"
        discharge[:] = series.discharge
        dataset.Conventions, dataset.featureType = "CF-1.8", "timeSeries"
        dataset.title, dataset.source, dataset.method = "discharge", "ParaFormer", method
        dataset.network = network.source
