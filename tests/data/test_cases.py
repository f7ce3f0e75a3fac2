"""Inputs on which the program once went wrong in silence: each is refused in one line, warned of, or read rightly."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from data.simple_world import files_of
from paraformer.config import load_study
from paraformer.core.errors import DataError
from paraformer.data.cube import build_cube
from paraformer.data.quality import check
from paraformer.data.sources.config import NldasConfig
from paraformer.data.sources.nldas import read_nldas

pytestmark = pytest.mark.shared

REFUSED = {
    "inputs/attr_cellmethods_sum": "variable 'prcp' has cell_methods 'time: sum'",
    "inputs/lat_str": "variable 'lat' has type <U4",
    "inputs/lat_units_rad": "variable 'lat' has unit 'radians'",
    "inputs/lc_0": "landcover_igbp at cell 3 .*: found 0, expected 1 to 17",
    "inputs/lc_frac": r"landcover_igbp at cell 0 .*: found 10\.5, expected a whole number",
    "inputs/packed_overflow_tair": "tair at cell 0 .*2015-04-03: the packed number overflows its type int16",
    "inputs/prcp_m_values": r"prcp: found 0\.88 mm year-1 in the mean of all cells",
    "inputs/sw_kwh": "swdown, mean shortwave radiation at cell 0",
    "inputs/time_zone_attr": "the time zone 'America/Denver' in 'time_zone', expected UTC",
    "inputs/time_zone_min": "the time zone '-0600' in 'units', expected UTC",
    "inputs/time_zone_name": "the time zone 'EST' in 'units', expected UTC",
    "inputs/vp_above_sat": r"vp at cell 0 .*2015-04-11: found 5 kPa, expected at most the 0\.1246 kPa of saturation",
    "studies/landcover_half": r"landcover_igbp at cell 3 .*: found 10\.5",
    "studies/latlon_swapped": "latitude of cell 0 .*latitude and longitude swapped",
    "studies/nc3_trunc_obs": "incomplete: found 191160 bytes, expected 197008",
    "studies/zarr_missing_obs_chunk": "'sm_obs': 1 of 2 chunks are not in the store, first sm_obs/c/1/0 .cells 4 to 7",
}
SAID = {
    "inputs/cells_dup_place": "2 cells share their place with another, first cells 0, 12",
    "inputs/time_jitter": "stamps up to 9 s beside their step are set to it",
    "studies/valid_range_attr": "outside the valid range that the file states (valid_min 0.02, valid_max 0.6)",
    "studies/no_obs_cell": "no observation in the training period 2015-04-01..2016-03-31 in 1 trained cells: 1",
}
SOUND = ("studies/attr_tiny", "studies/month_wateryear", "inputs/_base", "studies/_base")


@pytest.fixture
def case(shared: Path):
    def settings(name: str):
        return load_study(shared / "cases" / name / "study.yaml").data

    return settings


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_is_refused_in_one_line(case, name):
    with pytest.raises(DataError, match=REFUSED[name]) as caught:
        check(case(name))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SAID)
def test_a_case_is_warned_of(case, caplog, name):
    check(case(name)).file.close()
    assert SAID[name] in caplog.text


@pytest.mark.parametrize("name", SOUND)
def test_a_case_is_sound(case, caplog, name):
    with caplog.at_level(logging.WARNING, logger="paraformer"):
        check(case(name)).file.close()
    assert not caplog.text


def test_other_spellings_of_the_same_input_give_the_same_cube(case, tmp_path):
    """Format 2 of zarr with fill value 0, and identifiers with a fill value: values and static files to the byte."""
    cubes = {
        name: build_cube(case(f"studies/{name}"), tmp_path / name)
        for name in ("_base", "zarr2_fill0", "cell_ids_float")
    }
    base = files_of(tmp_path / "_base")
    for name in ("zarr2_fill0", "cell_ids_float"):
        found = files_of(tmp_path / name)
        assert found.keys() == base.keys()
        assert not [key for key in base if not key.endswith("zarr.json") and found[key] != base[key]]
        assert cubes[name].attribute_names == cubes["_base"].attribute_names


def test_a_water_year_is_read_by_the_values_of_its_months(case, tmp_path):
    cube = build_cube(case("studies/month_wateryear"), tmp_path / "cube.zarr")
    january_to_june = [6.0, 9.2, 18.0, 30.0, 42.0, 50.8]
    np.testing.assert_allclose(cube.dataset["et_gleam"].values[0, :6], january_to_june, atol=0.02)


def test_values_outside_the_valid_range_are_no_observations(case, tmp_path):
    values = build_cube(case("studies/valid_range_attr"), tmp_path / "cube.zarr").dataset["sm_obs"].values
    assert np.nanmax(values) <= np.float32(0.6)
    assert np.nanmin(values) >= np.float32(0.02)


@pytest.mark.parametrize("name", ["quarantine_by_download", "sidecar_nc.xml", "nc_and_SUB", "units_caret"])
def test_granules_beside_others_are_read(shared, caplog, name):
    region = {"south": 36.0, "north": 38.0, "west": -100.0, "east": -98.0}
    day = {"start": "2015-04-01", "end": "2015-04-01"}
    found = read_nldas(NldasConfig(folder=shared / "cases" / "granules" / name, region=region, period=day))
    assert float(found["tair"].mean()) == pytest.approx(11.84, abs=0.01)
    assert ("1 hours are there twice" in caplog.text) == (name == "nc_and_SUB")
