"""Every kind of bad input is refused in one line that names file, variable, cell and time: one planted fault a test."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from data.simple_world import CELLS, simple_dataset, write
from data.simple_world import settings as settings_for
from paraformer.core.errors import DataError
from paraformer.data.quality import check, equals


def refused(
    tmp_path: Path, plant: Callable[[xr.Dataset], xr.Dataset | None], *parts: str, steps: int = 1, **changes
) -> str:
    """Plant a fault, check, and return the message, which must be one line with the file and all ``parts``."""
    dataset = simple_dataset(steps)
    planted = plant(dataset)
    path = write(dataset if planted is None else planted, tmp_path / "bad.nc")
    with pytest.raises(DataError) as caught:
        check(settings_for(path, **changes))
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message, message
    return message


def set_value(name: str, cell: int, day: int, value: float) -> Callable[[xr.Dataset], None]:
    def plant(dataset: xr.Dataset) -> None:
        dataset[name].values[cell, day] = value

    return plant


def test_a_good_file_passes_and_keeps_the_right_cells(tmp_path):
    selection = check(settings_for(write(simple_dataset(), tmp_path / "good.nc")))
    np.testing.assert_array_equal(selection.cells, [3, 4, 7, 10, 11])
    np.testing.assert_array_equal(selection.trained, [True, False, True, True, False])
    assert selection.attributes == ("sand", "clay", "elevation", "landcover_igbp")
    assert selection.references == ("et_gleam",)


def test_without_a_split_every_cell_is_trained(tmp_path):
    selection = check(settings_for(write(simple_dataset(), tmp_path / "good.nc"), split=None, select={}))
    assert selection.trained.all()
    np.testing.assert_array_equal(selection.cells, CELLS)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.nc: file does not exist"):
        check(settings_for(tmp_path / "nowhere.nc"))


@pytest.mark.parametrize("format", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_truncated_classic_netcdf_does_not_read_as_zeros(tmp_path, format):
    path = tmp_path / "short.nc"
    simple_dataset().drop_vars("split").to_netcdf(path, format=format)
    check(settings_for(path, split=None))
    content = path.read_bytes()
    path.write_bytes(content[:-200])
    with pytest.raises(DataError, match=rf"short\.nc: incomplete: found {len(content) - 200} bytes, expected"):
        check(settings_for(path, split=None))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_truncated_netcdf(tmp_path, share):
    path = write(simple_dataset(), tmp_path / "short.nc")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"short\.nc: incomplete: found \d+ bytes, expected \d+"):
        check(settings_for(path))


def test_corrupt_netcdf_body(tmp_path):
    encoding = {"tair": {"fletcher32": True, "chunksizes": (7, 800)}}
    path = tmp_path / "corrupt.nc"
    simple_dataset().to_netcdf(path, encoding=encoding)
    content = bytearray(path.read_bytes())
    needle = simple_dataset()["tair"].values.astype("<f4").tobytes()[:64]
    at = content.index(needle)
    content[at : at + 4] = b"\xff\x00\xff\x00"
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"corrupt\.nc: variable 'tair' cannot be read; .*truncated or corrupt"):
        check(settings_for(path))


@pytest.mark.parametrize(("content", "found"), [(b"", "an empty file"), (b"<html>not found</html>", "first bytes")])
def test_a_file_of_another_kind(tmp_path, content, found):
    path = tmp_path / "page.nc"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"page\.nc: not a netCDF file: found {found}"):
        check(settings_for(path))


def test_a_folder_that_is_no_zarr_store(tmp_path):
    (tmp_path / "store.zarr").mkdir()
    with pytest.raises(DataError, match=r"store\.zarr: cannot be read"):
        check(settings_for(tmp_path / "store.zarr"))


@pytest.mark.parametrize("name", ["vp", "sm_smap", "lat", "split", "qc"])
def test_missing_variable(tmp_path, name):
    refused(tmp_path, lambda d: d.drop_vars(name), f"variable '{name}' is missing")


def test_missing_variable_names_the_nearest(tmp_path):
    refused(tmp_path, lambda d: d.rename(prcp="prec"), "variable 'prcp' is missing; did you mean 'prec'?")


def test_missing_dimension(tmp_path):
    refused(tmp_path, lambda d: d.rename(cell="site"), "dimension 'cell' is missing")


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("tair", "K", "degC"),
        ("prcp", "mm s-1", "mm day-1"),
        ("vp", "Pa", "kPa"),
        ("sm_smap", "%", "m3 m-3"),
        ("bulk_is_sand", "1", "%"),
        ("et_gleam", "mm day-1", "mm month-1"),
    ],
)
def test_wrong_unit_is_refused_by_name(tmp_path, name, unit, expected):
    name = "sand" if name == "bulk_is_sand" else name

    def plant(dataset):
        dataset[name].attrs["units"] = unit

    refused(tmp_path, plant, f"variable '{name}' has unit '{unit}', expected '{expected}'")


@pytest.mark.parametrize(
    ("name", "unit"), [("prcp", "mm/d"), ("tair", "celsius"), ("swdown", "W/m^2"), ("sand", "percent")]
)
def test_other_spellings_of_the_same_unit_pass(tmp_path, name, unit):
    dataset = simple_dataset()
    dataset[name].attrs["units"] = unit
    check(settings_for(write(dataset, tmp_path / "good.nc")))


def test_missing_unit(tmp_path):
    refused(tmp_path, lambda d: d["wind"].attrs.clear(), "variable 'wind' has no attribute 'units', expected 'm s-1'")


def test_wrong_dims(tmp_path):
    refused(tmp_path, lambda d: d.assign(tair=d["tair"].T), "variable 'tair' has dims ('time', 'cell')", "expected")
    refused(tmp_path, lambda d: d.assign(pres=d["pres"][:, 0].drop_vars("time")), "variable 'pres' has dims ('cell',)")


def test_wrong_type(tmp_path):
    text = ("cell", np.array(["a"] * 7), {"units": "%"})
    refused(tmp_path, lambda d: d.assign(sand=text), "variable 'sand' has type", "expected numbers")


def test_time_gap(tmp_path):
    refused(
        tmp_path, lambda d: d.isel(time=np.r_[0:100, 101:800]), "time gap: found 2015-07-11T00:00:00 after 2015-07-09"
    )


def test_duplicate_time(tmp_path):
    refused(tmp_path, lambda d: d.isel(time=np.r_[0:100, 99:800]), "duplicate time 2015-07-09")


def test_time_backwards(tmp_path):
    refused(tmp_path, lambda d: d.isel(time=np.r_[0:100, 98, 101:800]), "time runs backwards 2015-07-08")


@pytest.mark.parametrize("calendar", ["360_day", "noleap", "365_day", "julian"])
def test_other_calendars_are_refused_by_name(tmp_path, calendar):
    def plant(dataset):
        numbers = ("time", np.arange(800), {"units": "days since 2015-04-01", "calendar": calendar})
        return dataset.assign_coords(time=numbers)

    refused(tmp_path, plant, "variable 'time'", f"calendar '{calendar}'")


def test_time_without_units(tmp_path):
    refused(tmp_path, lambda d: d.assign_coords(time=np.arange(800)), "variable 'time' has units ''")


def test_odd_step(tmp_path):
    def plant(dataset):
        return dataset.assign_coords(time=dataset["time"].values[0] + np.arange(800) * np.timedelta64(5, "h"))

    refused(tmp_path, plant, "variable 'time' steps by 18000 s")


def test_sub_daily_gap_and_partial_days(tmp_path):
    gap = "time gap: found 2015-04-03T18:00:00 after 2015-04-03T06:00:00"
    refused(tmp_path, lambda d: d.isel(time=np.r_[0:10, 11:1600]), gap, steps=4)
    refused(tmp_path, lambda d: d.isel(time=slice(1, None)), "sub-daily time starts at 2015-04-01T06:00:00", steps=4)
    refused(tmp_path, lambda d: d.isel(time=slice(0, -1)), "inside a day: found 3 steps, expected 4", steps=4)


def test_duplicate_cells(tmp_path):
    refused(tmp_path, lambda d: d.assign_coords(cell=[3, 4, 7, 4, 11, 12, 20]), "duplicate cell 4 at positions 1 and 3")


@pytest.mark.parametrize("kind", ["i4", "f8"])
def test_whole_numbers_of_any_type_are_identifiers(tmp_path, kind):
    dataset = simple_dataset().assign_coords(cell=CELLS.astype(kind))
    path = tmp_path / "good.nc"
    dataset.to_netcdf(path, encoding={"cell": {"_FillValue": np.array(-1, kind)}})
    found = check(settings_for(path))
    np.testing.assert_array_equal(found.cells, [3, 4, 7, 10, 11])
    assert found.cells.dtype == np.int64


def test_cells_that_are_not_integers(tmp_path):
    refused(
        tmp_path,
        lambda d: d.assign_coords(cell=CELLS + 0.5),
        "variable 'cell' at position 0 is 3.5; expected integer identifiers",
    )


@pytest.mark.parametrize(("name", "value"), [("lat", 91.0), ("lon", -181.0), ("lat", np.nan), ("lat", -9999.0)])
def test_position_off_the_globe(tmp_path, name, value):
    def plant(dataset):
        dataset[name].values[2] = value

    what = {"lat": "latitude of cell 7 (lat", "lon": "longitude of cell 7 (lat 35, lon"}[name]
    refused(tmp_path, plant, f"{what} {value:g}", f"found {value:g}, expected -")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["prcp", "tair", "pres"])
def test_forcing_that_is_not_finite(tmp_path, name, value):
    found = "missing or not a number" if np.isnan(value) else f"found {value:g}"
    where = f"{name} at cell 11 (lat 40, lon -93.33333), 2017-03-01: {found}"
    refused(tmp_path, set_value(name, 4, 700, value), where)


@pytest.mark.parametrize(
    ("name", "value", "parts"),
    [
        ("tair", 288.2, ("found 288.2 degC, expected -90 to 60 degC", "Kelvin")),
        ("prcp", -1.0, ("found -1 mm day-1, expected 0 to 2000 mm day-1",)),
        ("prcp", -9999.0, ("a fill value that the file does not declare",)),
        ("swdown", -0.5, ("expected 0 to 600 W m-2",)),
        ("pres", 101325.0, ("Pa?",)),
        ("pres", 1013.0, ("hPa?",)),
        ("sm_smap", 25.0, ("found 25 m3 m-3, expected 0 to 1 m3 m-3", "percent")),
        ("sm_smap", np.inf, ("found inf m3 m-3, expected 0 to 1 m3 m-3",)),
    ],
)
def test_value_outside_its_range(tmp_path, name, value, parts):
    refused(tmp_path, set_value(name, 1, 6, value), f"{name} at cell 4 (lat 32.5, lon -113.3333), 2015-04-07:", *parts)


def test_sub_daily_fault_names_the_hour(tmp_path):
    refused(
        tmp_path, set_value("vp", 0, 9, np.nan), "vp at cell 3 (lat 30, lon -120), 2015-04-03T06:00: missing", steps=4
    )


def test_faults_in_cells_that_are_left_out_do_not_matter(tmp_path):
    dataset = simple_dataset()
    dataset["tair"].values[5:] = np.nan
    dataset["sand"].values[6] = np.nan
    check(settings_for(write(dataset, tmp_path / "good.nc")))


@pytest.mark.parametrize(("name", "value"), [("sand", np.nan), ("elevation", np.inf), ("clay", 140.0), ("clay", -1.0)])
def test_bad_attribute(tmp_path, name, value):
    def plant(dataset):
        dataset[name].values[3] = value

    what = "missing or not a number" if np.isnan(value) else f"found {value:g} {'m' if name == 'elevation' else '%'}"
    refused(tmp_path, plant, f"{name} at cell 10 (lat 37.5, lon -100): {what}")


def test_attribute_that_is_not_there(tmp_path):
    refused(tmp_path, lambda d: None, "variable 'slop' is missing; did you mean 'slope'?", attributes=("slop",))


def test_bad_reference(tmp_path):
    refused(
        tmp_path,
        set_value("et_gleam", 3, 6, 999.0),
        "et_gleam at cell 10 (lat 37.5, lon -100), month 7: found 999 mm month-1",
    )


def test_reference_of_a_short_year(tmp_path):
    refused(tmp_path, lambda d: d.isel(month=slice(0, 11)), "variable 'et_gleam': dimension 'month' has length 11")


def test_unknown_split_value(tmp_path):
    split = {"trained": "train", "unseen": "neighbor"}
    found = refused(tmp_path, lambda d: None, "variable 'split'", "split value 'neighbor'", split=split)
    assert re.search(r"found excluded, neighbour, train$", found)


def test_labels_and_numbers_are_compared_as_text_if_either_is():
    assert equals(np.array([0, 1]), "1").tolist() == [False, True]
    assert equals(np.array(["0", "1"]), 1).tolist() == [False, True]
    assert equals(np.array([0.0, 1.0]), 1).tolist() == [False, True]


def by_rows(dataset: xr.Dataset, rows: object, columns: object) -> xr.Dataset:
    return dataset.assign(row=("cell", np.array(rows)), col=("cell", np.array(columns)))


def test_a_design_goes_by_the_rows_and_columns_of_the_file(tmp_path):
    """Corners of squares of 2 by 2; the latitudes of these cells alone are no grid. Whole numbers may be floating."""
    columns = [0, 1, 2, 0, 1, 0, 1]
    for number, rows in enumerate(([0, 0, 0, 1, 1, 2, 2], [0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0])):
        path = write(by_rows(simple_dataset(), rows, columns), tmp_path / f"{number}.nc")
        found = check(settings_for(path, split={"design": "S2"}, select={}))
        assert found.cells[found.trained].tolist() == [CELLS[0], CELLS[2], CELLS[5]]


@pytest.mark.parametrize("name", ["row", "col"])
@pytest.mark.parametrize("rows", [[0, 0, 0, 1, 1, 2, 2.5], ["a", "b", "c", "d", "e", "f", "g"]])
def test_rows_that_are_no_whole_numbers(tmp_path, name, rows):
    whole = [0, 0, 0, 1, 1, 2, 2]
    given = {"row": whole, "col": [0, 1, 2, 0, 1, 0, 1], name: rows}
    message = f"variable '{name}' holds values that are not whole numbers"
    refused(tmp_path, lambda d: by_rows(d, given["row"], given["col"]), message, split={"design": "S2"}, select={})


def test_unknown_selected_value(tmp_path):
    refused(tmp_path, lambda d: None, "variable 'qc': no cell has the selected value 7; found 0, 1", select={"qc": 7})


def test_no_trained_cell(tmp_path):
    refused(tmp_path, lambda d: None, "no trained cell is left of 7 cells", select={"split": "neighbour"})


def test_no_observation_in_the_training_period(tmp_path):
    def plant(dataset):
        dataset["sm_smap"].values[[0, 2, 3], :366] = np.nan

    refused(tmp_path, plant, "variable 'sm_smap' has no observation of a trained cell", "2015-04-01..2016-03-31")


def test_a_single_observation_in_the_training_period_is_enough(tmp_path):
    dataset = simple_dataset()
    dataset["sm_smap"].values[:, :366] = np.nan
    dataset["sm_smap"].values[2, 365] = 0.2
    check(settings_for(write(dataset, tmp_path / "good.nc")))


def test_observations_of_two_overpasses_a_day(tmp_path):
    refused(
        tmp_path,
        set_value("sm_smap", 0, 2, 0.2),
        "sm_smap at cell 3 (lat 30, lon -120), 2015-04-01T00:00: found 2 observations on one day",
        steps=4,
    )


def test_period_outside_the_file(tmp_path):
    late = {"start": "2016-04-01", "end": "2018-03-31"}
    refused(tmp_path, lambda d: None, "test period 2016-04-01..2018-03-31 is not inside", test=late)


def test_the_built_in_world_must_be_written_first():
    from paraformer.data.config import DataConfig

    with pytest.raises(DataError, match="has to be written"):
        check(DataConfig(source="synthetic"))


def test_daily_stamps_at_noon_and_longitudes_to_360_are_fine(tmp_path):
    dataset = simple_dataset()
    dataset = dataset.assign_coords(time=dataset["time"].values + np.timedelta64(12, "h"))
    dataset["lon"] = dataset["lon"] % 360
    selection = check(settings_for(write(dataset, tmp_path / "noon.nc")))
    assert str(selection.file.days[0]) == "2015-04-01"
    assert selection.file.steps == 1
