"""Runs of compiled VIC-5 in the shared reference data: what went in, what came out, and how to compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from paraformer.process.vic import files
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Simulation, simulate

WALNUTGULCH_NAMES = {"prcp": "prec", "tair": "temp", "swdown": "shortwave", "lwdown": "longwave", "wind": "wind",
                     "vp": "vapor_pressure", "pres": "air_pressure"}  # fmt: skip
COMPARED = {
    "OUT_PREC": "precipitation", "OUT_RAINF": "rainfall", "OUT_SNOWF": "snowfall", "OUT_EVAP": "evapotranspiration",
    "OUT_RUNOFF": "runoff", "OUT_BASEFLOW": "baseflow", "OUT_INFLOW": "inflow", "OUT_SWE": "swe",
    "OUT_SNOW_DEPTH": "snow_depth", "OUT_SNOW_COVER": "snow_cover", "OUT_SNOW_MELT": "snow_melt",
    "OUT_SNOW_CANOPY": "canopy_snow", "OUT_WDEW": "canopy_water", "OUT_TRANSP_VEG": "transpiration",
    "OUT_EVAP_BARE": "bare_soil_evaporation", "OUT_EVAP_CANOP": "canopy_evaporation",
    "OUT_SUB_SNOW": "snow_sublimation", "OUT_SUB_CANOP": "canopy_sublimation", "OUT_ASAT": "saturated_area",
    "OUT_WATER_ERROR": "water_error",
}  # fmt: skip
LAYERS = ("soil_moisture_1", "soil_moisture_2", "soil_moisture_3")


@dataclass(frozen=True)
class Run:
    """One reference run; paths relative to the site's folder."""

    name: str
    site: str
    parameters: str
    forcing: tuple[str, ...]
    first_day: str
    n_day: int
    model_steps: int = 1
    snow_steps: int = 8
    canopy_source: files.CanopySource = "FROM_DEFAULT"
    domain: str = "domain.nc"
    same_forcing_everywhere: bool = False
    names: dict[str, str] = field(default_factory=lambda: files.FORCING_NAMES)

    @property
    def days(self) -> np.ndarray:
        return np.datetime64(self.first_day) + np.arange(self.n_day)

    @property
    def settings(self) -> VICSettings:
        return VICSettings(
            model_steps_per_day=self.model_steps, snow_steps_per_day=self.snow_steps, water_balance="vic"
        )


def _stehekin(name: str, model_steps: int, snow_steps: int, **other: Any) -> Run:
    ten_days = name.startswith("s10")
    return Run(
        name, "stehekin", other.pop("parameters", "params.nc"),
        ("forcing_10days.1949.nc",) if ten_days else ("forcing_syn.1970.nc", "forcing_syn.1971.nc"),
        "1949-01-01" if ten_days else "1970-01-01", 10 if ten_days else 730, model_steps, snow_steps, **other,
    )  # fmt: skip


def _walnutgulch(name: str, model_steps: int, parameters: str, **other: Any) -> Run:
    return Run(name, "walnutgulch", parameters, ("forcing.2008.nc",), "2008-01-01", 366, model_steps,
               names=WALNUTGULCH_NAMES, **other)  # fmt: skip


TILES: dict[str, Any] = {"parameters": "tiles_params.nc", "domain": "tiles_domain.nc", "same_forcing_everywhere": True}
RUNS = {
    run.name if run.name != "tiles_daily" else f"{run.site}_{run.name}": run
    for run in (
        _stehekin("s10_hourly", 24, 24),
        _stehekin("s10_daily", 1, 24),
        _stehekin("syn_daily", 1, 8),
        _stehekin("syn_3h", 8, 8),
        _stehekin("tiles_daily", 1, 8, **TILES),
        _stehekin("tiles_3h", 8, 8, **TILES),
        _walnutgulch("L2015_daily", 1, "params_L2015.nc"),
        _walnutgulch("L2015_3h", 8, "params_L2015.nc"),
        _walnutgulch("MODIGBP_daily", 1, "params_MOD_IGBP.nc", canopy_source="FROM_VEGPARAM"),
        _walnutgulch("MODIGBP_3h", 8, "params_MOD_IGBP.nc", canopy_source="FROM_VEGPARAM"),
        _walnutgulch("tiles_daily", 1, **TILES),
    )
}


@dataclass(frozen=True)
class Case:
    """Inputs of a run as arrays, and where its results are."""

    run: Run
    folder: Path
    domain: files.Domain
    parameters: CellParameters
    forcing: Forcing

    def simulate(self, outputs: tuple[str, ...], **options: Any) -> Simulation:
        """Run our model as compiled VIC was run."""
        return simulate(self.parameters, self.forcing, self.run.settings, outputs=outputs, **options)


def load(run: Run, shared: Path) -> Case:
    """Read the inputs of a reference run."""
    folder = shared / "reference" / "vic5" / run.site
    domain = files.read_domain(folder / run.domain)
    parameters = files.read_parameters(folder / run.parameters, domain, canopy_source=run.canopy_source)
    grid = files.read_domain(folder / "domain.nc")
    forcing = files.read_forcing([folder / f for f in run.forcing], grid, run.days, run.snow_steps, run.names)
    if run.same_forcing_everywhere:  # tiles of cell [1, 0]
        here = int(grid.mask[:1].sum())
        forcing = forcing.select([here] * parameters.n_cell)
    return Case(run, folder, domain, parameters, forcing)


def read_results(path: Path, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Results of compiled VIC [cell, time] under our output names."""
    with netCDF4.Dataset(path) as dataset:
        found = {
            ours: np.ma.filled(dataset[theirs][:], np.nan)[:, mask].T
            for theirs, ours in COMPARED.items()
            if theirs in dataset.variables
        }
        moisture = np.ma.filled(dataset["OUT_SOIL_MOIST"][:], np.nan)
    return found | {name: moisture[:, layer][:, mask].T for layer, name in enumerate(LAYERS)}


def differences(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Absolute differences [cell, time] of every variable of ``theirs``; set 0 of ours."""
    result = {}
    for name, reference in theirs.items():
        values = ours[name][:, 0] if ours[name].ndim == 3 else ours[name]
        assert values.shape == reference.shape, f"{name}: {values.shape} against {reference.shape}"
        assert np.isfinite(reference).all(), f"{name}: the reference has missing values"
        result[name] = np.abs(values - reference)
    return result


def exceedances(difference: dict[str, np.ndarray], tolerance: float) -> dict[str, float]:
    """Largest difference of every variable that exceeds the tolerance somewhere."""
    return {name: float(d.max()) for name, d in difference.items() if not d.max() <= tolerance}


def days_beyond(difference: dict[str, np.ndarray], tolerance: float) -> int:
    """Cell-days on which evapotranspiration or inflow differ by more than the tolerance (soil remembers longer)."""
    fluxes = [difference[name] for name in ("evapotranspiration", "inflow")]
    return int((np.max(fluxes, axis=0) > tolerance).sum())
