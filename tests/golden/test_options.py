"""Options of VIC's water-balance mode, each seen in the numbers a run of a global parameter file gives."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from paraformer.core.errors import SettingsError
from paraformer.process.vic import files
from paraformer.process.vic.driver.global_param import read_global_parameters
from paraformer.process.vic.driver.run import RunResult, run_global
from process.drop_in import MASK, N_DAY, global_file, make_world, read_history


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_world(tmp_path)
    return tmp_path


def _run(path: Path) -> RunResult:
    return run_global(read_global_parameters(path))


def _with(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_streams_of_different_frequencies_agree(world: Path) -> None:
    """Steps, days, weeks and the whole run in one go: sums add up, ends are the last, means are means."""
    variables = "".join(f"OUTVAR {name} * OUT_TYPE_DOUBLE\n" for name in ("OUT_EVAP", "OUT_SWE", "OUT_AIR_TEMP"))
    frequencies = {"step": "NSTEPS 1", "day": "NDAYS 1", "six": "NDAYS 6", "whole": "END"}
    streams = "".join(f"OUTFILE {name}\nAGGFREQ {how}\n{variables}" for name, how in frequencies.items())
    streams += "OUTFILE peak\nAGGFREQ NDAYS 6\nOUTVAR OUT_EVAP * OUT_TYPE_DOUBLE 1 AGG_TYPE_MAX\n"
    result = _run(global_file(world, model_steps=8, streams=streams))
    by_name = {path.name.split(".")[0]: path for path in result.history}
    assert set(by_name) == {*frequencies, "peak"}
    steps = {name: read_history(by_name["step"], name) for name in ("OUT_EVAP", "OUT_SWE", "OUT_AIR_TEMP")}
    assert len(steps["OUT_EVAP"]) == N_DAY * 8
    for name, length in (("day", 8), ("six", 48), ("whole", N_DAY * 8)):
        parts = {k: v.reshape(-1, length, v.shape[-1]) for k, v in steps.items()}
        path = by_name[name]
        np.testing.assert_allclose(read_history(path, "OUT_EVAP"), parts["OUT_EVAP"].sum(axis=1), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(read_history(path, "OUT_SWE"), parts["OUT_SWE"][:, -1])
        mean = parts["OUT_AIR_TEMP"].mean(axis=1)
        np.testing.assert_allclose(read_history(path, "OUT_AIR_TEMP"), mean, rtol=0, atol=1e-12)
    peaks = steps["OUT_EVAP"].reshape(-1, 48, steps["OUT_EVAP"].shape[-1]).max(axis=1)
    np.testing.assert_array_equal(read_history(by_name["peak"], "OUT_EVAP"), peaks)


def test_leaf_area_and_albedo_come_from_the_parameter_file_by_either_name(world: Path) -> None:
    """The image driver has no other library than the parameter file."""
    first = read_history(_run(global_file(world)).history[0], "OUT_EVAP")
    for key in ("LAI_SRC", "ALB_SRC", "FCAN_SRC"):
        path = _with(global_file(world, result=key), f"{key} FROM_VEGPARAM", f"{key} FROM_VEGLIB")
        np.testing.assert_array_equal(read_history(_run(path).history[0], "OUT_EVAP"), first, err_msg=key)
    path = _with(global_file(world), "LAI_SRC FROM_VEGPARAM", "LAI_SRC FROM_VEGHIST")
    with pytest.raises(SettingsError, match="LAI_SRC FROM_VEGHIST is not supported: set one of FROM_VEGPARAM"):
        read_global_parameters(path)


def test_canopy_fraction_from_default_closes_the_canopy(world: Path) -> None:
    """FROM_DEFAULT is fcanopy = 1 but for the library's last class (1e-4), whatever the parameter file says."""
    open_canopy = read_history(_run(global_file(world)).history[0], "OUT_EVAP")
    path = _with(global_file(world, result="closed"), "FCAN_SRC FROM_VEGPARAM", "FCAN_SRC FROM_DEFAULT")
    closed = read_history(_run(path).history[0], "OUT_EVAP")
    assert np.abs(closed - open_canopy).max() > 0.01
    with netCDF4.Dataset(world / "params.nc", "r+") as dataset:
        values = dataset["fcanopy"][:]
        values[:-1], values[-1] = 1.0, 1e-4
        dataset["fcanopy"][:] = np.ma.array(values, mask=~np.broadcast_to(MASK, values.shape))
    by_file = read_history(_run(global_file(world, result="by_file")).history[0], "OUT_EVAP")
    np.testing.assert_array_equal(by_file, closed)


def test_snow_bands_off_is_one_band_at_the_height_of_the_cell(world: Path) -> None:
    with_bands = read_history(_run(global_file(world)).history[0], "OUT_SWE")
    path = _with(global_file(world, result="flat"), "SNOW_BAND TRUE", "SNOW_BAND FALSE")
    assert np.abs(read_history(_run(path).history[0], "OUT_SWE") - with_bands).max() > 0.1
    domain = files.read_domain(world / "domain.nc")
    assert files.read_parameters(world / "params.nc", domain, snow_bands=False).n_band == 1


def test_the_values_of_a_single_band_are_not_read(world: Path) -> None:
    """As in VIC-5: SNOW_BAND TRUE with one band is SNOW_BAND FALSE, whatever AreaFract, elevation and Pfactor are."""
    with netCDF4.Dataset(world / "params.nc") as old, netCDF4.Dataset(world / "one.nc", "w") as new:
        for name, dimension in old.dimensions.items():
            new.createDimension(name, 1 if name == "snow_band" else len(dimension))
        for name, variable in old.variables.items():
            fill = getattr(variable, "_FillValue", None)
            kept = variable[:1] + 300.0 if variable.dimensions[0] == "snow_band" else variable[:]
            new.createVariable(name, variable.dtype, variable.dimensions, fill_value=fill)[:] = kept
    flat = _with(global_file(world, result="flat"), "params.nc", "one.nc")
    expected = read_history(_run(_with(flat, "SNOW_BAND TRUE", "SNOW_BAND FALSE")).history[0], "OUT_SWE")
    found = read_history(_run(_with(global_file(world), "params.nc", "one.nc")).history[0], "OUT_SWE")
    np.testing.assert_array_equal(found, expected)


def test_a_mask_that_leaves_cells_out_changes_no_other_cell(world: Path) -> None:
    whole = read_history(_run(global_file(world)).history[0], "OUT_EVAP")
    with netCDF4.Dataset(world / "domain.nc", "r+") as domain, netCDF4.Dataset(world / "params.nc", "r+") as parameters:
        domain["mask"][0, 0] = 0
        parameters["run_cell"][0, 0] = 0
    result = _run(global_file(world, result="subset"))
    assert result.n_cell == 2
    with netCDF4.Dataset(result.history[0]) as dataset:
        values = dataset["OUT_EVAP"][:]
    assert np.ma.getmaskarray(values)[:, 0, 0].all()
    np.testing.assert_array_equal(np.asarray(values[:, [0, 1], [1, 1]]), whole[:, 1:])


@pytest.mark.parametrize(
    ("key", "only", "others"),
    [
        ("AERO_RESIST_CANSNOW", "AR_406_FULL", ("AR_406", "AR_406_LS", "AR_410")),
        ("SNOW_DENSITY", "DENS_BRAS", ("DENS_SNTHRM",)),
        ("GRND_FLUX_TYPE", "GF_410", ("GF_406",)),
        ("BASEFLOW", "ARNO", ("NIJSSEN2001",)),
        ("RC_MODE", "RC_JARVIS", ("RC_PHOTO",)),
    ],
)
def test_the_one_choice_is_the_default_and_others_are_refused(
    key: str, only: str, others: tuple[str, ...], world: Path
) -> None:
    first = read_history(_run(global_file(world)).history[0], "OUT_EVAP")
    named = _run(global_file(world, extra=f"{key} {only}", result="named"))
    np.testing.assert_array_equal(read_history(named.history[0], "OUT_EVAP"), first)
    for other in others:
        with pytest.raises(SettingsError, match=f"{key} {other} is not supported: set {key} {only}"):
            read_global_parameters(global_file(world, extra=f"{key} {other}"))
