"""Observed daily flow of gauges on the days of a study: from one netCDF file, from files of each gauge, or from the
cells' own file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Bool, Float

from paraformer.core.errors import DataError, nearest
from paraformer.core.netcdf import read_dataset
from paraformer.core.netcdf_header import require_whole
from paraformer.core.physics import M2_PER_KM2, MM_PER_M, SECONDS_PER_DAY
from paraformer.core.units import canonical
from paraformer.data.gauge_files import M3_PER_FT3, MM_DAY_KM2, GaugeSeries, on_days, read_gauge_file
from paraformer.data.streamflow_config import GAUGE, StreamflowConfig

logger = logging.getLogger(__name__)

FLOW_NAMES = ("discharge", "streamflow", "q_obs", "q_obs_m3s", "runoff_mean", "QObs", "flow", "Q")
"""Names of flow in netCDF files: ours, Caravan's, GRDC's and others."""
_GAUGE_DIMS = ("gauge", "gauge_id", "id", "station", "basin", "cell")
_TIME_DIMS = ("time", "date")
_RATES = {"m3 s-1": 1.0, "ft3 s-1": M3_PER_FT3, "cfs": M3_PER_FT3, "L s-1": 1e-3, "l s-1": 1e-3}
_MOST_RATIO, _LEAST_RATIO = 1.5, 0.005
"""Flow over precipitation beyond which a unit or an area is suspected."""


class Gauge(NamedTuple):
    """A gauge whose flow is wanted: name, and drainage area [m2]."""

    name: str
    area: float


class ObservedFlow(NamedTuple):
    """Flow of gauges.

    Attributes:
        flow: mean of each day [m3 s-1], 0 where there is none.
        mask: days with an observation that counts.
    """

    flow: Float[np.ndarray, "gauge time"]
    mask: Bool[np.ndarray, "gauge time"]


def read_observed(
    config: StreamflowConfig, gauges: Sequence[Gauge], days: np.ndarray, inputs: Path | None = None
) -> ObservedFlow:
    """Observed flow on the days of a study.

    Args:
        config: where it is, which marks are dropped, and the days of warm-up.
        gauges: whose flow is wanted; depths of water are turned into flow by their areas.
        days: of the study (datetime64[D]) [time].
        inputs: the cells' own file, which holds the flow where no other does.

    Raises:
        DataError: a file, variable or gauge that is missing, an unknown unit, flow below 0, no day of a gauge.
    """
    if config.observed is not None and GAUGE in config.observed.name:
        flow = np.stack([_of_file(config, gauge, days) for gauge in gauges])
    else:
        path = config.observed or inputs
        assert path is not None
        flow = _of_netcdf(config, path, gauges, days)
    mask = np.isfinite(flow)
    mask[:, : config.warm_up] = False
    empty = [gauge.name for gauge, row in zip(gauges, mask, strict=True) if not row.any()]
    if len(empty) == len(gauges):
        raise DataError(f"{config.observed or inputs}: no flow on the days {days[0]}..{days[-1]} after the warm-up")
    if empty:
        logger.warning("no flow on the days of the study at %d gauges: %s", len(empty), ", ".join(empty[:5]))
    return ObservedFlow(np.where(mask, flow, 0.0), mask)


def warn_of_ratio(
    observed: ObservedFlow,
    gauges: Sequence[Gauge],
    precipitation: Float[np.ndarray, "gauge time"],
) -> Float[np.ndarray, " gauge"]:
    """Flow over precipitation on the observed days of every gauge; a warning of those that no basin has.

    Args:
        precipitation: mean of each basin [mm day-1].
    """
    area = np.array([gauge.area for gauge in gauges])
    rain = np.where(observed.mask, precipitation, 0.0).sum(axis=1)
    depth = observed.flow.sum(axis=1) * SECONDS_PER_DAY * MM_PER_M / area
    ratio = np.divide(depth, rain, out=np.full(len(gauges), np.nan), where=rain > 0)
    for gauge, found in zip(gauges, ratio, strict=True):
        if found > _MOST_RATIO or found < _LEAST_RATIO:
            logger.warning(
                "gauge %s: flow is %.3g of its basin's precipitation; another unit, or another area than %.4g km2?",
                gauge.name,
                found,
                gauge.area / M2_PER_KM2,
            )
    return ratio


def _of_file(config: StreamflowConfig, gauge: Gauge, days: np.ndarray) -> Float[np.ndarray, " time"]:
    """Flow of a gauge that has a file of its own."""
    assert config.observed is not None
    path = config.observed.with_name(config.observed.name.replace(GAUGE, gauge.name))
    if path.suffix in (".nc", ".nc4"):
        return _of_netcdf(config, path, [gauge], days)[0]
    return on_days(read_gauge_file(path, area_km2=gauge.area / M2_PER_KM2), days, frozenset(config.drop))


def _of_netcdf(
    config: StreamflowConfig, path: Path, gauges: Sequence[Gauge], days: np.ndarray
) -> Float[np.ndarray, "gauge time"]:
    """Flow of gauges from a netCDF file with one or all of them."""
    require_whole(path)
    try:
        dataset = xr.open_zarr(path) if path.is_dir() else read_dataset(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    variable = _variable(dataset, path, config.variable)
    time = next((dim for dim in _TIME_DIMS if dim in variable.dims), None)
    across = [str(dim) for dim in variable.dims if dim != time]
    if time is None or len(across) > 1 or (across and across[0] not in _GAUGE_DIMS):
        raise DataError(f"{path}: variable '{variable.name}' has dims {variable.dims}, expected (gauge, time)")
    stamps = dataset[time].values
    if stamps.dtype.kind != "M":
        raise DataError(f"{path}: variable '{time}' holds no dates")
    found = stamps.astype("datetime64[D]")
    if len(np.unique(found)) < len(found):
        twice = found[np.flatnonzero(np.diff(np.sort(found)).astype(np.int64) == 0)[0]]
        raise DataError(f"{path}: day {twice} stands twice; expected daily flow")
    rows = _rows(dataset, path, across[0], gauges) if across else np.zeros(len(gauges), np.int64)
    values = variable.transpose(*across, time).values.astype(np.float64).reshape(-1, len(found))
    marks = _marks(dataset, str(variable.name), across, time, values.shape)
    factor = _factors(variable, path, gauges)
    order = np.argsort(found)
    series = []
    for row, gauge, scale in zip(rows, gauges, factor, strict=True):
        flow = values[row]
        bad = flow < 0
        if bad.any():
            at = int(np.argmax(bad))
            raise DataError(
                f"{path}: {variable.name} of gauge {gauge.name} on {found[at]}: found {flow[at]:g}, expected 0 or more "
                "and a missing value where there is none"
            )
        one = GaugeSeries(gauge.name, found[order], scale * flow[order], marks[row][order], np.nan)
        series.append(on_days(one, days, frozenset(config.drop)))
    return np.stack(series)


def _variable(dataset: xr.Dataset, path: Path, wanted: str | None) -> xr.DataArray:
    if wanted is not None:
        if wanted not in dataset.data_vars:
            raise DataError(f"{path}: variable '{wanted}' is missing{nearest(wanted, map(str, dataset.data_vars))}")
        return dataset[wanted]
    name = next((name for name in FLOW_NAMES if name in dataset.data_vars), None)
    if name is None:
        shown = ", ".join(map(str, dataset.data_vars))
        raise DataError(f"{path}: no variable of flow ({', '.join(FLOW_NAMES)}), found {shown}; name it in 'variable'")
    return dataset[name]


def _rows(dataset: xr.Dataset, path: Path, dim: str, gauges: Sequence[Gauge]) -> np.ndarray:
    """Row of every gauge: by the names that the file gives its gauges."""
    named = [name for name in (dim, "gauge_id", "gauge_name") if name in dataset and dataset[name].dims == (dim,)]
    tables = [{str(value): row for row, value in enumerate(dataset[name].values)} for name in named]
    rows = []
    for gauge in gauges:
        row = next((table[gauge.name] for table in tables if gauge.name in table), None)
        if row is None:
            known = next(iter(tables), {})
            raise DataError(f"{path}: gauge '{gauge.name}' is missing{nearest(gauge.name, known)}")
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def _marks(dataset: xr.Dataset, name: str, across: Sequence[str], time: str, shape: tuple[int, ...]) -> np.ndarray:
    """Quality marks beside the flow, as text; empty where there are none."""
    for beside in (f"{name}_quality", f"{name}_qc", f"{name}_flag", "quality"):
        if beside in dataset and set(dataset[beside].dims) == {*across, time}:
            return dataset[beside].transpose(*across, time).values.astype(str).reshape(shape)
    return np.full(shape, "", dtype="U1")


def _factors(variable: xr.DataArray, path: Path, gauges: Sequence[Gauge]) -> Float[np.ndarray, " gauge"]:
    """Factor of every gauge from the file's unit to m3 s-1."""
    given = str(variable.attrs.get("units", variable.attrs.get("unit", "")))
    unit = canonical(given)
    if unit in _RATES:
        return np.full(len(gauges), _RATES[unit])
    if unit == "mm day-1":
        return np.array([MM_DAY_KM2 * gauge.area / M2_PER_KM2 for gauge in gauges])
    raise DataError(
        f"{path}: variable '{variable.name}' has unit '{given}', expected m3 s-1, ft3 s-1, L s-1 or mm day-1"
    )
