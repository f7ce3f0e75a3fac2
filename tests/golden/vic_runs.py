"""Runs of compiled VIC-5 in the shared reference data: what went in, what came out, and how to compare."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np

from paraformer.process.vic import files
from paraformer.process.vic.driver.global_param import GlobalParameters, read_global_parameters
from paraformer.process.vic.forcing import Forcing
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.simulate import Simulation, simulate

COMPARED = {
    "OUT_PREC": "precipitation",
    "OUT_RAINF": "rainfall",
    "OUT_SNOWF": "snowfall",
    "OUT_EVAP": "evapotranspiration",
    "OUT_RUNOFF": "runoff",
    "OUT_BASEFLOW": "baseflow",
    "OUT_INFLOW": "inflow",
    "OUT_SWE": "swe",
    "OUT_SNOW_DEPTH": "snow_depth",
    "OUT_SNOW_COVER": "snow_cover",
    "OUT_SNOW_MELT": "snow_melt",
    "OUT_SNOW_CANOPY": "canopy_snow",
    "OUT_WDEW": "canopy_water",
    "OUT_TRANSP_VEG": "transpiration",
    "OUT_EVAP_BARE": "bare_soil_evaporation",
    "OUT_EVAP_CANOP": "canopy_evaporation",
    "OUT_SUB_SNOW": "snow_sublimation",
    "OUT_SUB_CANOP": "canopy_sublimation",
    "OUT_ASAT": "saturated_area",
    "OUT_WATER_ERROR": "water_error",
}
LAYERS = ("soil_moisture_1", "soil_moisture_2", "soil_moisture_3")


DataSet = Literal["vic5", "vic5_energy"]


@dataclass(frozen=True)
class Run:
    """One reference run: its global parameter file says the rest."""

    name: str
    site: str
    data: DataSet = "vic5"

    def folder(self, shared: Path) -> Path:
        """Its global parameter file and its results."""
        return shared / "reference" / self.data / self.site

    def inputs(self, shared: Path) -> Path:
        """Grids and forcing, which both data sets share."""
        return shared / "reference" / "vic5" / self.site

    def read(self, shared: Path, output: Path = Path("unused"), **environment: str) -> GlobalParameters:
        """The global parameter file as it is; ``output`` is for results, and for the forcing of single tiles."""
        path = self.folder(shared) / "global" / f"{self.name}.txt"
        return read_global_parameters(path, environment={**self.environment(shared, output), **environment})

    def environment(self, shared: Path, output: Path) -> dict[str, str]:
        """What the global parameter files of the reference take from the environment."""
        here = shared / "reference"
        return {
            "REF": str(here / "vic5"),
            "HERE": str(here / "vic5_energy"),
            "OUT": str(output),
            "TILEFORC": str(output),
        }

    @property
    def tiles(self) -> bool:
        """Whether each pseudo-cell is one tile of cell [1, 0], all with that cell's forcing."""
        return self.name.startswith("tiles") or (self.data == "vic5_energy" and self.name not in WHOLE_SITE)


WHOLE_SITE = ("allvars_wb", "allvars_wb_MODIGBP")
"""Runs of the energy data set that are not of single tiles."""
TILE_FORCING = {"stehekin": ("forcing_syn.", "ste."), "walnutgulch": ("forcing.", "wal.")}
_TWICE = (Run("tiles_daily", "stehekin"), Run("wb_rz2", "stehekin", "vic5_energy"))
"""Runs of a name that the other site has, too."""
RUNS = {
    f"{run.site}_{run.name}" if run in _TWICE else run.name: run
    for run in (
        *(
            Run(name, "stehekin")
            for name in ("s10_hourly", "s10_daily", "syn_daily", "syn_3h", "tiles_daily", "tiles_3h")
        ),
        *(Run(name, "walnutgulch") for name in ("L2015_daily", "L2015_3h", "MODIGBP_daily", "MODIGBP_3h")),
        Run("tiles_daily", "walnutgulch"),
        *(
            Run(name, "stehekin", "vic5_energy")
            for name in (
                "wb_lai0",
                "wb_lai0_daily",
                "wb_fcan0",
                "wb_AR_406_FULL",
                "wb_rz2",
                "allvars_wb",
                "allvars_wb_tiles",
                "allvars_wb_dailystep",
            )
        ),
        Run("wb_rz2", "walnutgulch", "vic5_energy"),
        Run("allvars_wb_MODIGBP", "walnutgulch", "vic5_energy"),
    )
}
"""Runs in water-balance mode with the options this model has. Those of the energy data set have overstory without
leaves in some months (``wb_lai0``, ``wb_fcan0``), two root zones (``wb_rz2``) and all output variables (``allvars``);
its other runs are refused."""


def write_tile_forcing(run: Run, shared: Path, output: Path) -> None:
    """Forcing files in which every pseudo-cell of a tile run has the forcing of cell [1, 0]."""
    source, target = TILE_FORCING[run.site]
    grid = files.read_domain(run.inputs(shared) / "tiles_domain.nc")
    for path in sorted(run.inputs(shared).glob(f"{source}*.nc")):
        with netCDF4.Dataset(path) as theirs, netCDF4.Dataset(output / path.name.replace(source, target), "w") as ours:
            files.write_grid(ours, grid)
            ours.createDimension("time", len(theirs["time"]))
            for name, variable in theirs.variables.items():
                if variable.dimensions[0] != "time":
                    continue
                dims = ("time",) if variable.ndim == 1 else ("time", "lat", "lon")
                copy = ours.createVariable(name, variable.dtype, dims)
                copy.setncatts({k: variable.getncattr(k) for k in ("units", "calendar") if k in variable.ncattrs()})
                copy[:] = variable[:] if variable.ndim == 1 else np.repeat(variable[:, 1:2, :1], grid.mask.size, axis=2)


@dataclass(frozen=True)
class Case:
    """Inputs of a run as arrays, and where its results are."""

    run: Run
    settings: GlobalParameters
    folder: Path
    domain: files.Domain
    parameters: CellParameters
    forcing: Forcing

    def simulate(self, outputs: tuple[str, ...], **options: Any) -> Simulation:
        """Run our model as compiled VIC was run."""
        return simulate(self.parameters, self.forcing, self.settings.settings, outputs=outputs, **options)


def load(run: Run, shared: Path) -> Case:
    """Read the inputs of a reference run."""
    folder, inputs, found = run.folder(shared), run.inputs(shared), run.read(shared)
    domain = files.read_run_cells(found.parameters, files.read_domain(found.domain))
    parameters = files.read_parameters(found.parameters, domain, canopy_source=found.canopy_source)
    grid = files.read_domain(inputs / "domain.nc") if run.tiles else domain
    names = found.forcing[0].names
    prefix = str(inputs / TILE_FORCING[run.site][0]) if run.tiles else found.forcing[0].prefix
    paths = [f"{prefix}{year}.nc" for year in np.unique(found.days.astype("datetime64[Y]"))]
    forcing = files.read_forcing(paths, grid, found.days, found.settings.forcing_steps_per_day, names)
    if run.tiles:
        forcing = forcing.select([int(grid.mask[:1].sum())] * parameters.n_cell)
    return Case(run, found, folder, domain, parameters, forcing)


def read_results(path: Path, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Results of compiled VIC [cell, time] under our output names."""
    with netCDF4.Dataset(path) as dataset:
        found = {
            ours: np.ma.filled(dataset[theirs][:], np.nan)[:, mask].T
            for theirs, ours in COMPARED.items()
            if theirs in dataset.variables
        }
        liquid = "OUT_SOIL_MOIST" if "OUT_SOIL_MOIST" in dataset.variables else "OUT_SOIL_LIQ"  # there is no ice
        moisture = np.ma.filled(dataset[liquid][:], np.nan)
    return found | {name: moisture[:, layer][:, mask].T for layer, name in enumerate(LAYERS)}


def read_days(path: Path, first_day: np.datetime64) -> np.ndarray:
    """Days since the first one that a daily history file holds."""
    with netCDF4.Dataset(path) as dataset:
        first = netCDF4.date2num(
            first_day.astype("datetime64[s]").astype(object), dataset["time"].units, dataset["time"].calendar
        )
        return np.round(np.asarray(dataset["time"][:]) - first).astype(np.int64)


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
