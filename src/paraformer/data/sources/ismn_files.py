"""International Soil Moisture Network: downloads of the archive, read with its own library ``ismn`` (extra ``insitu``).

Both layouts of the archive, header + values and CEOP, as a folder or as the zip file itself. Stamps are UTC. Values
whose flag is ``G`` (good) are kept, all others dropped and counted (Dorigo et al. 2013, doi 10.2136/vzj2012.0097).

Source: Dorigo et al. 2021, doi 10.5194/hess-25-5749-2021; https://ismn.earth.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import xarray as xr

from paraformer.core.errors import DataError, SettingsError
from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.data.sources.granules import reading
from paraformer.data.stations import Probe, daily_means, stations_dataset

GOOD = "G"
"""The flag of values that are kept; others may stand with it, separated by commas, and drop the value."""


def read_ismn(path: Path) -> xr.Dataset:
    """Soil moisture of all stations of a download (``data.stations``).

    Args:
        path: folder or zip file as the archive gives it.

    Raises:
        SettingsError: the library ``ismn`` is not installed.
        DataError: nothing of the archive there, or values that no soil has.
    """
    try:
        from ismn.interface import ISMN_Interface
    except ImportError as error:
        raise SettingsError(f"{path}: reading ISMN needs ismn: pip install 'paraformer[insitu]'") from error
    dropped: Counter[str] = Counter()
    probes: list[Probe] = []
    with TemporaryDirectory() as work, reading(path), _silent():
        archive = ISMN_Interface(str(path), meta_path=work, parallel=False, temp_root=work)
        for network, station, sensor in archive.collection.iter_sensors(variable="soil_moisture"):
            probes.append(_probe(path, network.name, station, sensor, dropped))
    if not probes:
        raise DataError(f"{path}: no soil moisture of ISMN (*_sm_*.stm)")
    attrs = {
        "title": "Soil moisture of the International Soil Moisture Network",
        "source": f"ISMN: {', '.join(sorted({p.station.split('/')[0] for p in probes}))}",
        "references": "Dorigo et al. 2021, doi 10.5194/hess-25-5749-2021",
        "day": "UTC",
    }
    return stations_dataset(probes, attrs, {"dropped": dict(dropped), "rules": {"flag": f"kept are {GOOD} alone"}})


def _probe(path: Path, network: str, station: Any, sensor: Any, dropped: Counter[str]) -> Probe:
    table = sensor.read_data()
    values = table["soil_moisture"].to_numpy(np.float64)
    flags = table["soil_moisture_flag"].astype(str).str.strip().to_numpy()
    good = flags == GOOD
    for flag, count in zip(*np.unique(flags[~good], return_counts=True), strict=True):
        dropped[str(flag)] += int(count)
    bad = good & ~((values >= 0) & (values <= 1))
    time = table.index.to_numpy()
    depth = sensor.depth
    if bad.any():
        at = int(np.argmax(bad))
        raise DataError(
            f"{path}: {network}/{station.name}, {depth.start:g} to {depth.end:g} m, {time[at]}: soil moisture "
            f"{values[at]:g} m3 m-3 flagged {GOOD}, expected 0 to 1"
        )
    days, means = daily_means(time, np.where(good, values, np.nan), _least(time))
    middle = (float(depth.start) + float(depth.end)) / 2
    sand, clay = (_fraction(sensor, name) for name in ("sand_fraction", "clay_fraction"))
    place = float(station.lat), float(station.lon)
    identifier = f"{network}/{station.name}"
    return Probe(identifier, str(station.name), *place, middle, days, means, float(station.elev), sand, clay)


def _least(time: np.ndarray) -> int:
    """Half of the values that a day of this series may have."""
    steps = np.diff(np.unique(time)).astype("timedelta64[s]").astype(float)
    return max(1, int(SECONDS_PER_DAY / np.median(steps)) // 2) if steps.size else 1


def _fraction(sensor: Any, name: str) -> float:
    """A share of the soil [%] that the archive gives for a sensor's depth; NaN where it gives none."""
    with contextlib.suppress(Exception):
        found = float(np.atleast_1d(sensor.metadata[name].val)[0])
        return found if 0 <= found <= 100 else float("nan")
    return float("nan")


@contextlib.contextmanager
def _silent() -> Any:
    """The library's progress bars and messages, unseen; its errors are raised all the same."""
    level = logging.root.manager.disable
    with open(os.devnull, "w") as nothing, contextlib.redirect_stdout(nothing), contextlib.redirect_stderr(nothing):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(level)
