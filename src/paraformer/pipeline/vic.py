"""VIC alone in Python: a global parameter file, or cells and weather as datasets. ``paraformer.vic``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np

from paraformer.core.conventions import WRITTEN, axes, described
from paraformer.core.errors import DataError, ModelError, nearest
from paraformer.core.lazy import deferred
from paraformer.core.log import Progress, shown_progress
from paraformer.core.netcdf import open_later
from paraformer.core.parameters import VIC_PARAMETERS, Parameter, ParameterSpace
from paraformer.core.physics import SECONDS_PER_DAY
from paraformer.core.variables import OUTPUTS
from paraformer.process.vic.driver.discharge import read_places
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import RunResult, run_global
from paraformer.process.vic.settings import VICSettings
from paraformer.routing.router import parameter_router
from paraformer.routing.rvic import read_parameter_file, warn_of_vic

if TYPE_CHECKING:
    import xarray as xr

    from paraformer.pipeline.model import Data
else:
    xr = deferred("xarray")

__all__ = ["VICRun", "run", "simulate"]


class VICRun(RunResult):
    """What a run of a global parameter file wrote."""

    def open(self) -> dict[str, xr.Dataset]:
        """History of every output stream by its name, all files of it, read when computed with."""
        found: dict[str, list[Path]] = {}
        for path in self.history:
            found.setdefault(path.name.split(".")[0], []).append(path)
        return {name: xr.concat([open_later(p) for p in paths], "time") for name, paths in found.items()}


def run(
    global_param: str | Path,
    *,
    strict: bool = False,
    water_balance: Literal["vic", "conserving"] = "vic",
    threads: int | None = None,
    ignore_routing: bool = False,
    quiet: bool = False,
    progress: Progress | None = None,
) -> VICRun:
    """Run a global parameter file of VIC-5's image driver: same inputs, same history and state files.

    Args:
        global_param: the file.
        strict: whether an output variable that is not computed is an error.
        water_balance: repeat every loss of water of VIC-5, or close the balance (``conserving``).
        threads: CPU threads; ``None`` uses all.
        ignore_routing: pass over ROUT_PARAM, as a VIC built with the routing stub.
        quiet: no progress.
        progress: where progress goes instead.

    Returns:
        Paths of the files (``history``, ``state``), the largest water balance error [mm], and ``open()``.

    Raises:
        SettingsError, DataError: naming file, line, variable, cell and time of what is wrong.
        RunError: if a file cannot be written.
    """
    read = read_global_parameters(global_param, water_balance=water_balance, ignore_routing=ignore_routing)
    router = None
    if read.routing is not None:
        file, places = read_parameter_file(read.routing), read_places(read)
        router = parameter_router(file, places.lat, places.lon, places.area, source=places.source)
        warn_of_vic(file, SECONDS_PER_DAY / read.settings.model_steps_per_day)
    shown = progress or shown_progress(quiet)
    return VICRun(**vars(run_global(read, strict=strict, threads=threads, progress=shown, router=router)))


def simulate(
    params: Data,
    domain: Data,
    forcing: Data,
    theta: xr.Dataset | None = None,
    *,
    outputs: Sequence[str] = ("soil_moisture", "evapotranspiration", "runoff", "baseflow", "swe"),
    settings: VICSettings | None = None,
    spin_up_days: int = 0,
    spin_up_cycles: int = 0,
    threads: int | None = None,
) -> xr.Dataset:
    """Daily series of VIC in water-balance mode.

    Args:
        params, domain: VIC-5 image-driver parameters and domain, as datasets or files; cells are found by their places.
        forcing: the seven forcings ``(cell, time)`` with ``lat, lon (cell)``, daily or sub-daily, names and units of
            docs/input_format.md, as a dataset or file.
        theta: parameters to replace those of ``params``: variables ``(cell)`` named as in docs/method.md section 2, in
            the order of the forcing's cells, physical units.
        outputs: names of the series (``core.variables.OUTPUTS`` and VIC's other daily outputs).
        settings: time steps and water balance.
        spin_up_days, spin_up_cycles: first days of the forcing that are run so often before.
        threads: CPU threads; ``None`` uses all.

    Returns:
        A variable an output ``(cell, time)``, units in the attributes.

    Raises:
        DataError: files that do not fit each other, values that no weather, soil or plant has, θ outside its bounds.
        ModelError: an output that there is not.
        SettingsError: time steps that do not fit the forcing.
    """
    from paraformer.data.cube import whole_cube
    from paraformer.pipeline.model import as_file
    from paraformer.process.build import build_process
    from paraformer.process.config import ProcessConfig, SpinUp
    from paraformer.process.files import ProcessFiles

    spin_up = SpinUp(days=spin_up_days, cycles=spin_up_cycles)
    with TemporaryDirectory() as folder:
        names = {"params": params, "domain": domain, "forcing": forcing}
        files = {name: as_file(data, Path(folder) / f"{name}.nc") for name, data in names.items()}
        cube = whole_cube(files["forcing"])
        space, values = (ParameterSpace.of("infilt"), None) if theta is None else _theta(theta, len(cube.cells))
        config = ProcessConfig(vic=settings or VICSettings(), spin_up=spin_up, threads=threads)
        model = build_process(config, space, cube, ProcessFiles(files["params"], files["domain"]))
    for name in outputs:
        if name not in model.outputs:
            raise ModelError(f"VIC has no output '{name}'{nearest(name, model.outputs)}")
    found = model.simulate(values, outputs)
    series = {name: (("cell", "time"), values[:, 0], _attributes(name)) for name, values in found.items()}
    attributes = {**WRITTEN, "title": "Daily series by VIC"}
    return xr.Dataset(series, axes(cube.cells, cube.lat, cube.lon, cube.time), attributes)


def _theta(theta: xr.Dataset, cells: int) -> tuple[ParameterSpace, np.ndarray]:
    """Parameters that a dataset holds, and their values [cell, 1, parameter]; others of its variables are not read."""
    names = [name for name in VIC_PARAMETERS if name in theta]
    if not names:
        raise DataError(f"theta: no variable is a parameter; expected some of {', '.join(VIC_PARAMETERS)}")
    for name in names:
        if theta[name].shape != (cells,):
            raise DataError(f"theta: '{name}' has shape {theta[name].shape}, expected [cell] = ({cells},)")
    values = np.stack([np.asarray(theta[name].values, dtype=np.float64) for name in names], axis=-1)
    return ParameterSpace(_bounded(theta[name], VIC_PARAMETERS[name]) for name in names), values[:, None]


def _bounded(values: xr.DataArray, known: Parameter) -> Parameter:
    """A parameter with the bounds that a study had it in, where the values say so."""
    if "valid_range" not in values.attrs:
        return known
    low, high = (float(bound) for bound in values.attrs["valid_range"])
    return known.model_copy(update={"lower": low, "upper": high, "scale": 1.0})


def _attributes(name: str) -> dict[str, str]:
    from paraformer.process.vic.outputs import OUTPUTS as OF_VIC

    if name in OUTPUTS:
        return described(OUTPUTS[name])
    unit = OF_VIC[name].unit if name in OF_VIC else "m3 m-3"
    return {"units": unit, "long_name": name.replace("_", " ")}
