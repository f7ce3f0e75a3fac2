"""Every reference of compiled VIC-5 in the shared data: which files it covers, how we run it, how far apart we are.

``vic run`` means the command line itself: ``paraformer vic run GLOBAL_PARAM`` on the reference's own global parameter
file. ``library`` means ``simulate``; it is used where a reference has no global parameter file that our driver reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple
from unittest import mock

import netCDF4
import numpy as np
from typer.testing import CliRunner

from golden.comparison import Difference, history_gaps, rounding, state_gaps, summarise, values_of
from golden.vic_runs import COMPARED, LAYERS, RUNS, TILE_FORCING, Run, load, write_tile_forcing
from paraformer.cli import app
from paraformer.process.vic import files
from paraformer.process.vic.disaggregation import disaggregate
from paraformer.process.vic.driver.history import HISTORY
from paraformer.process.vic.outputs import OUTPUTS
from paraformer.process.vic.parameters import CellParameters
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import Simulation, simulate

Way = Literal["vic run", "library", "refused"]
VIC5, ENERGY, CONUS = "reference/vic5", "reference/vic5_energy", "data/conus/vic5"
ENERGY_BITS = 38
"""Bits of the mantissa that the history files of the energy data set keep."""
INPUTS = (
    f"{VIC5}/README.md",
    f"{VIC5}/TIMING.md",
    *(
        f"{VIC5}/stehekin/{n}"
        for n in (
            "domain.nc",
            "params.nc",
            "tiles_domain.nc",
            "tiles_params.nc",
            "forcing_10days.*.nc",
            "forcing_syn.*.nc",
        )
    ),
    *(
        f"{VIC5}/walnutgulch/{n}"
        for n in (
            "domain.nc",
            "params_L2015.nc",
            "params_MOD_IGBP.nc",
            "tiles_domain.nc",
            "tiles_params.nc",
            "forcing.*.nc",
        )
    ),
    *(f"{ENERGY}/{n}" for n in ("README.md", "make_inputs.py", "inputs/*", "*/trace_*")),
    *(
        f"{CONUS}/{n}"
        for n in (
            "domain.nc",
            "params_[AB].nc",
            "state_[AB].nc",
            "forcing/forcing.*.nc",
            "nldas_mosaic_lai_by_umd_class.csv",
        )
    ),
)
"""Files that hold no result of compiled VIC-5 (or only the inside of single steps) and no global parameter file."""
THETA = {
    "infilt": "infilt",
    "ds": "Ds",
    "dsmax": "Dsmax",
    "ws": "Ws",
    "expt_1": "expt1",
    "expt_2": "expt2",
    "expt_3": "expt3",
    "depth_2": "depth2",
}
PERTURBED = ("OUT_EVAP", "OUT_RUNOFF", "OUT_BASEFLOW", "OUT_SOIL_MOIST")


class Result(NamedTuple):
    """Differences of one file of a reference."""

    name: str  # e.g. "stehekin/syn_3h"
    kind: Literal["daily", "sub-daily", "state"]
    size: str
    differences: dict[str, Difference]


class Reference(NamedTuple):
    """One run (or family of runs) of compiled VIC-5."""

    name: str
    way: Way
    covers: tuple[str, ...]  # files, relative to the shared data
    measure: Callable[[Path, Path], list[Result]]  # shared data, empty folder -> results
    remark: str = ""


def left_out(names: Iterable[str], references: Iterable[Reference]) -> list[str]:
    """Files of the shared data that are neither an input nor covered by a reference."""
    known = {name for reference in references for name in reference.covers}
    return sorted(n for n in names if n not in known and not any(fnmatch(n, pattern) for pattern in INPUTS))


def shared_files(shared: Path) -> list[str]:
    """All files of compiled VIC-5 in the shared data, relative to it."""
    paths = (path for folder in (VIC5, ENERGY, CONUS) for path in (shared / folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(shared).as_posix() for path in paths)


def run_command(path: Path, **environment: str | Path) -> tuple[list[Path], str]:
    """``paraformer vic run PATH``: the files it wrote, and what it said when it refused."""
    done = CliRunner().invoke(
        app, ["vic", "run", str(path), "--quiet"], env={name: str(value) for name, value in environment.items()}
    )
    if done.exit_code != 0:
        return [], str(done.exception)
    return [Path(line) for line in done.stdout.splitlines()[:-1]], ""


def _require_run(path: Path, **environment: str | Path) -> list[Path]:
    written, problem = run_command(path, **environment)
    if problem:
        raise AssertionError(f"{path}: {problem}")
    return written


def _files_result(
    name: str, kind: Literal["daily", "sub-daily", "state"], ours: Path, theirs: Path, bits: int = 52
) -> Result:
    gaps = state_gaps(ours, theirs) if kind == "state" else history_gaps(ours, theirs)
    gaps = {variable: gap for variable, gap in gaps.items() if variable.startswith(("OUT_", "STATE_"))}
    size = " x ".join(str(n) for n in next(iter(gaps.values())).shape[-2:]) + " grid"
    if kind != "state":
        size = f"{len(next(iter(gaps.values())))} records, {size}"
    with netCDF4.Dataset(theirs) as dataset:
        found = {
            n: summarise(gap, dataset[n].units or "1", rounding(n, values_of(dataset, n), bits))
            for n, gap in gaps.items()
        }
    return Result(name, kind, size, found)


def _image_run(run: Run, shared: Path, work: Path) -> list[Result]:
    """One reference run of the image driver by its own global parameter file."""
    if run.tiles:
        write_tile_forcing(run, shared, work)
    folder = run.folder(shared)
    written = _require_run(folder / "global" / f"{run.name}.txt", **run.environment(shared, work))
    bits = ENERGY_BITS if run.data == "vic5_energy" else 52
    results = []
    for path in written:
        stream = path.name.split(".")[0]
        kind = {"daily": "daily", "sub": "sub-daily", "subdaily": "sub-daily", "state": "state"}[stream]
        theirs = folder / f"{run.name}.{path.name if stream == 'state' else kind.replace('-', '') + '.nc'}"
        if run.data == "vic5" or theirs.exists():
            results.append(_files_result(_name(run), kind, path, theirs, bits))  # type: ignore[arg-type]
    return results


def _name(run: Run) -> str:
    return f"{run.site if run.data == 'vic5' else 'energy'}/{run.name}"


def _covers(run: Run, shared: Path) -> tuple[str, ...]:
    """Files of a run by name; which of them exist is seen from its global parameter file.

    Of the energy data set some were not stored.
    """
    stem = f"reference/{run.data}/{run.site}"
    found = run.read(shared)
    names = [f"{stem}/global/{run.name}.txt", f"{stem}/{run.name}.daily.nc"]
    if len(found.streams) > 1:
        names.append(f"{stem}/{run.name}.subdaily.nc")
    if found.state is not None:
        names.append(f"{stem}/{run.name}.{found.state.path.name}")
    return tuple(name for name in names if run.data == "vic5" or (shared / name).exists())


def _other_energy_runs(shared: Path) -> list[str]:
    """Files of the runs of the energy data set that are none of ``RUNS``: other modes than this model has."""
    ours = {(run.site, run.name) for run in RUNS.values() if run.data == "vic5_energy"}
    found = []
    for path in (shared / ENERGY).rglob("*"):
        site, _, file = path.relative_to(shared / ENERGY).as_posix().partition("/")
        name = file.removeprefix("global/").split(".")[0]
        if (site, name) not in ours and (shared / ENERGY / site / "global" / f"{name}.txt").exists():
            found.append(path.relative_to(shared).as_posix())
    return sorted(found)


def _energy_refused(shared: Path, work: Path) -> list[Result]:
    """Every other run of the energy data set is refused, and the options that make it one are named."""
    for site in TILE_FORCING:
        write_tile_forcing(Run("tiles", site), shared, work)
    for name in _other_energy_runs(shared):
        if "/global/" in name:
            path = shared / name
            _, problem = run_command(path, **Run("", "", "vic5_energy").environment(shared, work))
            inputs = path.stem.endswith("_nl2") and path.stem.startswith("wb")
            assert problem, f"{name} ran"
            assert inputs or (str(path) in problem and " is not supported" in problem), f"{name}: {problem}"
    return []


def link_sample(shared: Path, work: Path) -> None:
    """The data of VIC's Stehekin sample where the sample's global parameter file looks for them."""
    for source, target in (
        ("domain.nc", "parameters/domain.stehekin.20151028.nc"),
        ("params.nc", "parameters/Stehekin_test_params_20160327.nc"),
        ("forcing_10days.1949.nc", "forcings/Stehekin_image_test.forcings_10days.1949.nc"),
    ):
        link = work / "image" / "Stehekin" / target
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(shared / VIC5 / "stehekin" / source)


def _sample_stehekin(shared: Path, work: Path) -> list[Result]:
    """VIC's sample as it is; its output is float32, the reference (the same run) float64."""
    link_sample(shared, work)
    (ours,) = _require_run(
        shared / VIC5 / "samples_global" / "sample_image_stehekin.global.txt", VIC_SAMPLE_DATA=work, OUT=work
    )
    theirs = shared / VIC5 / "stehekin" / "s10_hourly.daily.nc"
    found = {}
    with netCDF4.Dataset(ours) as a, netCDF4.Dataset(theirs) as b:
        for name in sorted({n for n in a.variables if n.startswith("OUT_")} & set(b.variables)):
            reference = values_of(b, name)
            gap = np.abs(values_of(a, name) - reference)
            found[name] = summarise(gap, b[name].units, 2.0**-24 * np.abs(reference) + 1e-10)
        size = f"{len(a['time'])} records, {len(a['lat'])} x {len(a['lon'])} grid"
    return [Result("samples/stehekin", "daily", size, found)]


def _refused(path: str, words: str, shared: Path, work: Path) -> list[Result]:
    """A global parameter file outside the water-balance image driver is refused in the words given."""
    _, problem = run_command(shared / path, VIC_SAMPLE_DATA=work, OUT=work, CLASSIC_INPUT=work)
    assert words in problem, f"{path}: expected '{words}', got '{problem}'"
    return []


def write_parameter_set(shared: Path, member: int, path: Path) -> None:
    """Parameter file of one perturbed set of WalnutGulch."""
    folder = shared / VIC5 / "walnutgulch"
    with netCDF4.Dataset(folder / "ens_L2015_daily.nc") as dataset:
        theta = {ours: float(values_of(dataset, theirs)[member]) for ours, theirs in THETA.items()}
    theta = {name: value for name, value in theta.items() if np.isfinite(value)}
    domain = files.read_domain(folder / "domain.nc")
    values = np.tile(list(theta.values()), (len(domain.cell_lat), 1))
    files.write_parameters(folder / "params_L2015.nc", path, domain.cell_lat, domain.cell_lon, tuple(theta), values)


def eight_digits(reference: np.ndarray) -> np.ndarray:
    """Half a unit of the 8th significant digit, and what rounding adds to values near 0."""
    return 5e-8 * np.abs(reference) + 1e-8


def _perturbed(shared: Path, work: Path) -> list[Result]:
    """Every stored parameter set, each by a parameter file of its own and the reference's global parameter file."""
    folder = shared / VIC5 / "walnutgulch"
    gaps: dict[str, list[np.ndarray]] = {name: [] for name in PERTURBED}
    allowed: dict[str, list[np.ndarray]] = {name: [] for name in PERTURBED}
    with netCDF4.Dataset(folder / "ens_L2015_daily.nc") as dataset:
        expected = {name: values_of(dataset, name) for name in PERTURBED}
    n_set = len(expected["OUT_EVAP"])
    for member in range(n_set):
        write_parameter_set(shared, member, work / "set.nc")
        (ours,) = _require_run(
            folder / "global" / "ens_L2015_daily.txt", REF=shared / VIC5, OUT=work, PARAMS_OF_SET=work / "set.nc"
        )
        with netCDF4.Dataset(ours) as dataset:
            for name in PERTURBED:
                gaps[name].append(np.abs(values_of(dataset, name) - expected[name][member]))
                allowed[name].append(eight_digits(expected[name][member]))
    size = f"{n_set} sets, {len(expected['OUT_EVAP'][0])} records, 15 cells"
    found = {n: summarise(np.stack(gaps[n]), "mm", np.stack(allowed[n])) for n in PERTURBED}
    return [Result("walnutgulch/ens_L2015_daily", "daily", size, found)]


def classic_simulation(shared: Path) -> Simulation:
    """The 10 days of Stehekin with the two rules of the classic driver.

    It keeps the soil file's elevation if that is within 1 m of the bands' mean, and gives bare soil other heights.
    """
    case = load(RUNS["s10_hourly"], shared)
    bands = case.parameters.mean_elevation()
    elevation = np.where(np.abs(bands - case.parameters.elev) <= 1.0, case.parameters.elev, bands)
    bare = case.parameters.bare[:, :, None]
    rough = case.parameters.rough[:, None, None]
    parameters = case.parameters._replace(
        veg_rough=np.where(bare, rough, case.parameters.veg_rough),
        displacement=np.where(bare, rough * 0.667 / 0.123, case.parameters.displacement),
        wind_h=np.where(case.parameters.bare, 10.0, case.parameters.wind_h),
    )
    with mock.patch.object(CellParameters, "mean_elevation", return_value=elevation):
        return simulate(parameters, case.forcing, case.settings.settings, outputs=tuple(OUTPUTS))


def _classic(shared: Path, work: Path) -> list[Result]:
    case = load(RUNS["s10_hourly"], shared)
    ours = classic_simulation(shared).outputs
    with netCDF4.Dataset(case.folder / "classic_s10_hourly.daily.nc") as dataset:
        here = case.domain.find(dataset["lat"][:], dataset["lon"][:])
        pairs = {
            theirs: (values_of(dataset, theirs), ours[name][here, 0].T)
            for theirs, name in COMPARED.items()
            if theirs in dataset.variables
        }
        moisture = np.stack([ours[name][here, 0].T for name in LAYERS], axis=1)
        pairs["OUT_SOIL_MOIST"] = (values_of(dataset, "OUT_SOIL_MOIST"), moisture)
        found = {n: summarise(np.abs(a - b), HISTORY[n].unit) for n, (a, b) in sorted(pairs.items())}
    return [Result("stehekin/classic_s10_hourly", "daily", f"10 records, {len(here)} cells", found)]


def _packed(
    name: str, size: str, stored: netCDF4.Dataset, pairs: dict[str, tuple[np.ndarray, np.ndarray]], relative: float
) -> Result:
    """Differences of values packed into int16: half a packing step, and a part of the value, say nothing."""
    found = {}
    for variable, (ours, theirs) in pairs.items():
        allowed = 0.505 * stored[variable].scale_factor + relative * np.abs(theirs)
        found[variable] = summarise(np.abs(ours - theirs), stored[variable].units, allowed)
    return Result(name, "daily", size, found)


REAL = {
    "sm1": "OUT_SOIL_MOIST",
    "sm2": "OUT_SOIL_MOIST",
    "sm3": "OUT_SOIL_MOIST",
    "evap": "OUT_EVAP",
    "runoff": "OUT_RUNOFF",
    "baseflow": "OUT_BASEFLOW",
    "swe": "OUT_SWE",
    "evap_canop": "OUT_EVAP_CANOP",
    "transp_veg": "OUT_TRANSP_VEG",
    "evap_bare": "OUT_EVAP_BARE",
}


def _real_cells(version: str, shared: Path, work: Path) -> list[Result]:
    """310 real cells, 3 years, started from a state of compiled VIC-5."""
    folder = shared / CONUS
    (ours,) = _require_run(folder / f"global_default_{version}.txt", DATA=folder, FORCING=folder / "forcing", OUT=work)
    mask = files.read_domain(folder / "domain.nc").mask
    with netCDF4.Dataset(ours) as a, netCDF4.Dataset(folder / f"default_{version}.nc") as b:
        pairs = {}
        for stored, name in REAL.items():
            values = values_of(a, name)
            values = values[:, int(stored[2:]) - 1] if stored.startswith("sm") else values
            pairs[stored] = (values[:, mask].T, values_of(b, stored))
        return [_packed(f"conus/default_{version}", "310 cells, 1096 days", b, pairs, 0.0)]


def ensemble_of_real_cells(shared: Path, members: slice) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Some sets of the ensemble of the 310 cells: ours and compiled VIC-5's [cell, set, day], names as stored.

    θ is the same for all cells; each run starts with given moisture and repeats a year before the three recorded ones.
    """
    folder = shared / CONUS
    domain = files.read_domain(folder / "domain.nc")
    parameters = files.read_parameters(folder / "params_B.nc", domain, snow_bands=False)
    days = np.arange("2014-04-01", "2018-04-01", dtype="datetime64[D]")
    forcing = files.read_forcing(sorted((folder / "forcing").glob("*.nc")), domain, days, 8)
    moisture = files.read_state(folder / "state_B.nc", parameters, domain)["moisture"][:, 0, 0]
    names = {"sm1": "soil_moisture_1", "et": "evapotranspiration", "runoff": "runoff", "baseflow": "baseflow"}
    with netCDF4.Dataset(folder / "ensemble_B.nc") as dataset:
        theta = np.stack([values_of(dataset, n)[members] for n in ("infilt", "Ds", "Dsmax", "Ws", "expt")], axis=-1)
        theirs = {stored: np.moveaxis(values_of(dataset, stored)[members], 0, 1) for stored in names}
    result = simulate(
        parameters._replace(init_moist=moisture),
        forcing,
        VICSettings(water_balance="vic"),
        theta=np.broadcast_to(theta, (len(moisture), *theta.shape)),
        theta_names=("infilt", "ds", "dsmax", "ws", "expt"),
        outputs=tuple(names.values()),
    )
    ours = {
        stored: result.outputs[name][:, :, 365:] / (100.0 if stored == "sm1" else 1.0) for stored, name in names.items()
    }
    return ours, theirs


def _ensemble(shared: Path, work: Path) -> list[Result]:
    """All sets; the archive was rounded twice, to about 11 bits and then to int16."""
    pairs: dict[str, tuple[list[np.ndarray], list[np.ndarray]]] = {}
    with netCDF4.Dataset(shared / CONUS / "ensemble_B.nc") as dataset:
        n_set = len(dataset["infilt"])
        for first in range(0, n_set, 4):
            ours, theirs = ensemble_of_real_cells(shared, slice(first, first + 4))
            for name in ours:
                both = pairs.setdefault(name, ([], []))
                both[0].append(ours[name])
                both[1].append(theirs[name])
        joined = {n: (np.concatenate(a, axis=1), np.concatenate(b, axis=1)) for n, (a, b) in pairs.items()}
        return [_packed("conus/ensemble_B", f"{n_set} sets, 310 cells, 1096 days", dataset, joined, 2.0**-11)]


def _disaggregation(shared: Path, work: Path) -> list[Result]:
    """Forcing compiled VIC-5 was given, made anew from the daily values; stored as float32."""
    folder = shared / "data" / "conus"
    days = np.arange("2015-04-01", "2018-04-01", dtype="datetime64[D]")
    domain = files.read_domain(folder / "vic5" / "domain.nc")
    expected = files.read_forcing(sorted((folder / "vic5" / "forcing").glob("*.nc")), domain, days, 8)
    unit = {
        "prcp": "mm",
        "tair": "degC",
        "swdown": "W m-2",
        "lwdown": "W m-2",
        "wind": "m s-1",
        "vp": "kPa",
        "pres": "kPa",
    }
    with netCDF4.Dataset(folder / "conus_smap_nldas.nc") as dataset:
        daily = np.stack([values_of(dataset, n)[:, : len(days)] for n in unit], axis=-1)
        lat, lon = values_of(dataset, "lat"), values_of(dataset, "lon")
    ours = disaggregate(daily, lat, lon, days, 8)
    found = {}
    for name in unit:
        theirs = getattr(expected, name)
        allowed = 2.0**-23 * np.abs(theirs) + 2.0**-24 * np.abs(theirs).max()
        found[name] = summarise(np.abs(getattr(ours, name) - theirs), unit[name], allowed)
    return [Result("conus/forcing", "sub-daily", f"310 cells, {len(days)} days x 8", found)]


REMARKS = {
    "wb_lai0": "overstory without leaves from November to February",
    "wb_lai0_daily": "the same, daily step",
    "wb_fcan0": "overstory with fcanopy 0 in January and February, 0.7 after",
    "allvars_wb_MODIGBP": "partial canopy",
}


def references(shared: Path) -> list[Reference]:
    """Every reference, in the order of the report."""
    samples = f"{VIC5}/samples_global"
    classic = f"{samples}/sample_classic_stehekin.global.txt"
    walnut = f"{samples}/sample_image_walnut.global.txt"
    found = [
        Reference(_name(run), "vic run", _covers(run, shared), partial(_image_run, run), REMARKS.get(run.name, ""))
        for run in RUNS.values()
    ]
    others = tuple(_other_energy_runs(shared))
    return [
        *found,
        Reference(
            "energy/others",
            "refused",
            others,
            _energy_refused,
            f"{sum('/global/' in name for name in others)} runs: energy balance, frozen soil, other options this model "
            "lacks, two layers",
        ),
        Reference(
            "walnutgulch/ens_L2015_daily",
            "vic run",
            (f"{VIC5}/walnutgulch/global/ens_L2015_daily.txt", f"{VIC5}/walnutgulch/ens_L2015_daily.nc"),
            _perturbed,
            "16 perturbed θ and the file as it is, each by its own parameter file",
        ),
        Reference(
            "samples/stehekin",
            "vic run",
            (f"{samples}/sample_image_stehekin.global.txt",),
            _sample_stehekin,
            "VIC's sample as it is, against stehekin/s10_hourly",
        ),
        Reference(
            "conus/default_A",
            "vic run",
            (f"{CONUS}/global_default_A.txt", f"{CONUS}/default_A.nc"),
            partial(_real_cells, "A"),
            "starts from a state file of VIC-5",
        ),
        Reference(
            "conus/default_B",
            "vic run",
            (f"{CONUS}/global_default_B.txt", f"{CONUS}/default_B.nc"),
            partial(_real_cells, "B"),
            "starts from a state file of VIC-5",
        ),
        Reference(
            "conus/ensemble_B",
            "library",
            (f"{CONUS}/global_ensemble.txt", f"{CONUS}/ensemble_B.nc"),
            _ensemble,
            "its parameter files are not stored; 16 θ in one call",
        ),
        Reference("conus/forcing", "library", (), _disaggregation, "daily forcing cut into 3 h, no run of VIC"),
        Reference(
            "stehekin/classic_s10_hourly",
            "library",
            (f"{VIC5}/stehekin/global/classic_s10_hourly.txt", f"{VIC5}/stehekin/classic_s10_hourly.daily.nc"),
            _classic,
            "text inputs are not stored; netCDF inputs with the classic driver's rules",
        ),
        Reference(
            "samples/classic_stehekin",
            "refused",
            (classic,),
            partial(_refused, classic, "make an image-driver one with 'vic convert'"),
            "a file of the classic driver: `vic convert` first",
        ),
        Reference(
            "samples/walnut",
            "refused",
            (walnut,),
            partial(_refused, walnut, "set FULL_ENERGY FALSE"),
            "`FULL_ENERGY TRUE` is no water-balance run",
        ),
    ]
