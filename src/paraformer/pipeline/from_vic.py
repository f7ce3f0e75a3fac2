"""A VIC run as a study: its weather and soil in the simple input format, with observations to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
import yaml
from jaxtyping import Float

from paraformer.config import load_study
from paraformer.core.conventions import LATITUDE, LONGITUDE, WRITTEN, days_since, described
from paraformer.core.errors import DataError, SettingsError, nearest
from paraformer.core.files import atomic_path, write_text
from paraformer.core.grid import match_cells
from paraformer.core.netcdf import read_dataset
from paraformer.core.physics import saturation_vapour_pressure
from paraformer.core.proof import Proof
from paraformer.core.units import same_unit
from paraformer.core.variables import FORCING, series_variable
from paraformer.data.sources.time_axis import STEPS_PER_DAY
from paraformer.learners.config import ParaFormerZConfig
from paraformer.pipeline.check import check_study
from paraformer.pipeline.target import known_attributes
from paraformer.process.vic.driver.global_param import GlobalParameters, read_global_parameters
from paraformer.process.vic.driver.inputs import read_days, read_run_land
from paraformer.process.vic.files import Domain, GridNames, read_parameters

OBSERVED = "sm_obs"
_YEAR = 365
_PATCH = ParaFormerZConfig().patch


@dataclass(frozen=True)
class Moisture:
    """Observed soil moisture of a file.

    Attributes:
        path: netCDF with latitude, longitude and time, on a grid or a list of cells.
        variable: its name in the file; ``None`` where one variable alone has the unit m3 m-3.
    """

    path: Path
    variable: str | None = None


def new_from_vic(global_param: Path, folder: Path, template: Path, moisture: Moisture | None) -> str:
    """Write ``inputs.nc`` and ``study.yaml`` for the cells and days of a VIC run, and check them.

    Returns:
        What to tell the user.

    Raises:
        SettingsError: a run whose steps or names a study cannot have.
        DataError: files that do not fit, values that no weather, soil or plant has, or observations of other places.
    """
    run = read_global_parameters(global_param)
    _require_usable(run)
    land = read_run_land(run, with_state=False)
    _require_bands(run, land.domain)
    attributes = known_attributes(land.parameters)
    observed = None if moisture is None else _observed(moisture, land.domain, run.days)
    _write_inputs(folder / "inputs.nc", run, land.domain, attributes, observed)
    write_text(folder / "study.yaml", _study(template, run, folder.resolve().name, list(attributes)))
    written = [
        f"{folder / 'inputs.nc'}: {len(land.domain.cell_lat)} cells, {run.days[0]} to {run.days[-1]}, "
        f"{run.settings.snow_steps_per_day} steps a day",
        f"{folder / 'study.yaml'}",
        "",
    ]
    if observed is None:
        return "\n".join([*written, *_without_observations(global_param, folder)])
    try:
        found = check_study(load_study(folder / "study.yaml"))
    except (SettingsError, DataError) as error:
        found = f"to be mended in the study or the file, as 'paraformer check' finds: {error}"
    return "\n".join([*written, found])


def _without_observations(global_param: Path, folder: Path) -> list[str]:
    return [
        f"{OBSERVED} in inputs.nc is empty: there is nothing to learn from yet. Fill it [m3 m-3], or begin anew with "
        "--observations FILE.nc;",
        f"then: paraformer check {folder / 'study.yaml'}",
        f"without observations: paraformer apply MODEL {global_param}",
    ]


def _require_usable(run: GlobalParameters) -> None:
    """Raise for what a study would read otherwise than the run."""
    steps = run.settings.snow_steps_per_day
    if steps not in STEPS_PER_DAY:
        raise SettingsError(f"{run.path}: SNOW_STEPS_PER_DAY {steps}; a study takes {STEPS_PER_DAY[1:]}")
    names, usual = run.grid_names, GridNames()
    if (names.lat, names.lon, names.mask) != (usual.lat, usual.lon, usual.mask):
        found = f"{names.lat}, {names.lon}, {names.mask}"
        raise SettingsError(f"{run.path}: DOMAIN_TYPE names {found}; a study reads lat, lon, mask")
    if run.canopy_source != "FROM_VEGPARAM":
        raise SettingsError(f"{run.path}: FCAN_SRC {run.canopy_source}; a study reads FROM_VEGPARAM")
    if run.n_day < 2:
        raise SettingsError(f"{run.path}: a run of {run.n_day} day; a study needs days to learn from and to judge on")


def _require_bands(run: GlobalParameters, domain: Domain) -> None:
    """Raise if the run has one snow band where a study reads several of the file."""
    if run.snow_bands:
        return
    bands = read_parameters(run.parameters, domain, names=run.grid_names, quiet=True).n_band
    if bands > 1:
        raise SettingsError(f"{run.path}: SNOW_BAND FALSE; a study reads the {bands} bands of {run.parameters}")


def _observed(moisture: Moisture, domain: Domain, days: np.ndarray) -> Float[np.ndarray, "cell time"]:
    """Observed soil moisture of the cells and days, NaN where there is none [m3 m-3]."""
    path = moisture.path
    try:
        dataset = read_dataset(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable netCDF file ({error})") from error
    values = dataset[_variable(dataset, moisture)]
    lat, lon = _places(dataset, path)
    if "time" not in values.dims or "time" not in dataset.coords:
        raise DataError(f"{path}: variable '{values.name}' has dims {values.dims}, expected 'time' among them")
    around = [str(dim) for dim in values.dims if dim != "time"]
    stacked = values.transpose(*around, "time").values.reshape(-1, dataset.sizes["time"]).astype(np.float64)
    if lat.ndim == 1 and len(around) == 2:
        order = [around.index(str(axis.dims[0])) for axis in (dataset[n] for n in _names(dataset, path))]
        mesh = np.meshgrid(lat, lon, indexing="ij")
        lat, lon = (m if order == [0, 1] else m.T for m in mesh)
    if lat.size != len(stacked):
        raise DataError(f"{path}: {lat.size} places, but {len(stacked)} series of '{values.name}'")
    here = match_cells(domain.cell_lat, domain.cell_lon, lat.ravel(), lon.ravel(), source=str(path))
    of = dataset["time"].values.astype("datetime64[D]")
    twice = np.flatnonzero(np.diff(np.sort(of)) == np.timedelta64(0, "D"))
    if twice.size:
        raise DataError(f"{path}: {np.sort(of)[twice[0]]} has more than one time, expected one value a day")
    found = np.full((len(here), len(days)), np.nan)
    inside = np.isin(of, days)
    found[:, np.searchsorted(days, of[inside])] = stacked[here][:, inside]
    if not np.isfinite(found).any():
        raise DataError(f"{path}: no value of '{values.name}' in the cells from {days[0]} to {days[-1]}")
    return found


def _variable(dataset: xr.Dataset, moisture: Moisture) -> str:
    if moisture.variable is not None:
        if moisture.variable not in dataset:
            hint = nearest(moisture.variable, map(str, dataset.data_vars))
            raise DataError(f"{moisture.path}: variable '{moisture.variable}' is missing{hint}")
        return moisture.variable
    found = [
        str(name)
        for name, variable in dataset.data_vars.items()
        if "time" in variable.dims and same_unit(str(variable.attrs.get("units", "")), "m3 m-3")
    ]
    if len(found) != 1:
        raise DataError(
            f"{moisture.path}: {len(found)} variables along time with the unit m3 m-3 ({', '.join(found) or 'none'}), "
            "expected one; name it with --variable"
        )
    return found[0]


def _names(dataset: xr.Dataset, path: Path) -> tuple[str, str]:
    """Names of latitude and longitude."""
    found = []
    for names in (("lat", "latitude"), ("lon", "longitude")):
        there = [name for name in names if name in dataset.variables]
        if not there:
            raise DataError(f"{path}: no variable {' or '.join(names)}")
        found.append(there[0])
    return found[0], found[1]


def _places(dataset: xr.Dataset, path: Path) -> tuple[np.ndarray, np.ndarray]:
    lat, lon = (dataset[name].values.astype(np.float64) for name in _names(dataset, path))
    return lat, lon


def _write_inputs(
    path: Path,
    run: GlobalParameters,
    domain: Domain,
    attributes: dict[str, Any],
    observed: np.ndarray | None,
) -> None:
    """Write the input file, the weather of one year after the other, as VIC takes it: never above saturation."""
    steps, cells = run.settings.snow_steps_per_day, len(domain.cell_lat)
    years, proof = run.days.astype("datetime64[Y]"), Proof("")
    with atomic_path(path) as temporary, netCDF4.Dataset(temporary, "w") as file:
        file.setncatts({**WRITTEN, "title": f"Weather and soil of {run.path.name}", "source": str(run.path.name)})
        file.createDimension("cell", cells)
        file.createDimension("time", run.n_day * steps)
        static = {
            "cell": (np.arange(cells, dtype=np.int32), {"long_name": "cell identifier"}),
            "lat": (domain.cell_lat, LATITUDE),
            "lon": (domain.cell_lon, LONGITUDE),
        }
        known = {name: (values, about) for name, (_, values, about) in attributes.items()}
        for name, (values, about) in {**static, **known}.items():
            variable = file.createVariable(name, values.dtype, ("cell",))
            variable.setncatts(about)
            variable[:] = values
        time = file.createVariable("time", "f8", ("time",))
        encoding = days_since(run.days[0])
        time.setncatts({"units": encoding["units"], "calendar": encoding["calendar"], "standard_name": "time"})
        time[:] = np.arange(run.n_day * steps) / steps
        series = {
            name: file.createVariable(name, "f8", ("cell", "time"), zlib=True, chunksizes=(1, run.n_day * steps))
            for name in (*FORCING, OBSERVED)
        }
        for name, variable in series.items():
            variable.setncatts({**described(series_variable(name)), "coordinates": "lat lon"})
        for year in np.unique(years):
            days = np.flatnonzero(years == year)
            forcing = read_days(run, domain, run.days[days], proof)
            part = slice(days[0] * steps, (days[-1] + 1) * steps)
            saturation = saturation_vapour_pressure(forcing.tair, ice=True)
            taken = {"prcp": forcing.prcp * steps, "vp": np.minimum(forcing.vp, saturation)}  # mm a step to mm a day
            for name in FORCING:
                series[name][:, part] = taken.get(name, getattr(forcing, name))
        values = np.full((cells, run.n_day * steps), np.nan)
        if observed is not None:
            values[:, ::steps] = observed
        series[OBSERVED][:] = values
    proof.finish()


def _study(template: Path, run: GlobalParameters, name: str, attributes: list[str]) -> str:
    """The study, from its template: the first half of the days is learned from, in years where there are several."""
    days, half = run.days, _half(run.days)
    settings = run.settings.model_dump(mode="json")
    state = "" if run.initial_state is None else f"  initial_state: {_quoted(run.initial_state)}\n"
    values = {
        "name": name,
        "attributes": ", ".join(attributes),
        "train_start": days[0],
        "train_end": days[half - 1],
        "test_start": days[half],
        "test_end": days[-1],
        "parameters": _quoted(run.parameters),
        "domain": _quoted(run.domain),
        "state": state,
        "settings": "{" + ", ".join(f"{key}: {value}" for key, value in settings.items()) + "}",
        "spin_up": min(_YEAR, half),
        "history": min(_YEAR, half) // _PATCH * _PATCH,
    }
    text = template.read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def _half(days: np.ndarray) -> int:
    """Days to learn from: the first half of the years, by the calendar, or of the days where there is one year."""
    years = int((days[-1] - days[0] + 1) / np.timedelta64(_YEAR, "D"))
    if years < 2:
        return len(days) // 2
    month = days[0].astype("datetime64[M]")
    end = (month + 12 * ((years + 1) // 2)).astype("datetime64[D]") + (days[0] - month.astype("datetime64[D]"))
    return min(int((end - days[0]).astype(int)), len(days) - 1)


def _quoted(path: Path) -> str:
    """A path as YAML has it."""
    return yaml.safe_dump(str(path.resolve()), default_style='"', width=10_000).strip()
