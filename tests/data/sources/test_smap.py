"""SMAP level 3: exact values from granules built after the products' user guides (see ``smap_granules``)."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from pydantic import ValidationError

from data.sources.smap_granules import FLOAT, INDEX, overpass, write_granule
from paraformer.core.errors import DataError
from paraformer.core.grid import ease2_global
from paraformer.data.sources.config import SURFACE_BITS, SmapConfig
from paraformer.data.sources.smap import find_smap, read_smap, utc_of_j2000

REGION = {"south": 39.0, "north": 40.0, "west": -106.0, "east": -105.0}


def config(folder: Path, **changes) -> SmapConfig:
    given = {
        "folder": folder,
        "product": "SPL3SMP_E",
        "overpass": "am",
        "region": REGION,
        "period": {"start": "2016-05-01", "end": "2016-05-04"},
    }
    return SmapConfig(**(given | changes))


def box(kilometres: int = 9) -> tuple[int, int, tuple[int, int]]:
    """First row and column of the region, and its size."""
    grid = ease2_global(kilometres)
    rows, columns = grid.box(**REGION)
    return rows.start, columns.start, (rows.stop - rows.start, columns.stop - columns.start)


def moisture_of(dataset) -> np.ndarray:
    return dataset["sm_smap"].values


def test_seconds_since_j2000_are_terrestrial_time():
    """TT - UTC = 32.184 s + (TAI - UTC); J2000 is noon of 2000-01-01 in TT (IERS conventions)."""
    for utc, tai in (
        ("2015-06-30T23:59:59", 35),
        ("2015-07-01T00:00:00", 36),
        ("2016-12-31T23:59:59", 36),
        ("2017-01-01T00:00:00", 37),
        ("2020-02-29T12:00:00", 37),
        ("2000-01-01T12:00:00", 32),
    ):
        moment = np.datetime64(utc, "ms")
        seconds = (moment - np.datetime64("2000-01-01T12:00:00", "ms")) / np.timedelta64(1, "s") + tai + 32.184
        assert utc_of_j2000(np.array([seconds]))[0] == moment


@pytest.mark.parametrize(("product", "kilometres", "release"), [("SPL3SMP_E", 9, "18290"), ("SPL3SMP", 36, "19240")])
def test_exact_values_places_and_days(tmp_path, product, kilometres, release):
    row, column, shape = box(kilometres)
    values = np.linspace(0.05, 0.45, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    values[0, 0] = FLOAT
    write_granule(
        tmp_path, product, "2016-05-02", overpass(row, column, shape, "2016-05-02T12:58:00", values), release=release
    )
    write_granule(
        tmp_path, product, "2016-05-04", overpass(row, column, shape, "2016-05-04T13:00:00", 0.3), release=release
    )
    found = read_smap(config(tmp_path, product=product))
    grid = ease2_global(kilometres)
    at_row, at_column = np.mgrid[row : row + shape[0], column : column + shape[1]]
    np.testing.assert_array_equal(found["cell"], (at_row * grid.columns + at_column).ravel())
    lat, lon = grid.centres(at_row.ravel(), at_column.ravel())
    np.testing.assert_array_equal(found["lat"], lat)
    np.testing.assert_array_equal(found["lon"], lon)
    expected = np.full((lat.size, 4), np.nan, np.float32)
    expected[:, 1], expected[:, 3] = values.ravel(), 0.3
    expected[0, 1] = np.nan
    np.testing.assert_array_equal(moisture_of(found), expected)
    assert found["sm_smap"].attrs["units"] == "m3 m-3"
    report = json.loads(found.attrs["quality"])
    assert report["days_without_granule"] == ["2016-05-01", "2016-05-03"]
    assert report["retrievals"] == 2 * lat.size - 1 == report["kept"]
    assert "doi:10.5067/" in found.attrs["source"]


def test_an_overpass_belongs_to_its_utc_day_not_to_the_name(tmp_path):
    """Evening overpasses of the Americas pass UTC midnight while the file keeps the name of the local day."""
    row, column, shape = box()
    times = overpass(row, column, shape, "2016-05-02T23:59:59.500")
    times.time[1:] = np.datetime64("2016-05-03T00:00:00.500")
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", pm=times)
    found = np.isfinite(moisture_of(read_smap(config(tmp_path, overpass="pm")))).reshape(*shape, 4)
    assert found[0, :, 1].all()
    assert found[1:, :, 2].all()
    assert found.sum() == shape[0] * shape[1]


def test_of_two_overpasses_on_one_day_the_one_nearer_six_o_clock_stays(tmp_path):
    row, column, shape = box()
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", overpass(row, column, shape, "2016-05-02T13:02:00", 0.1))
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-03", overpass(row, column, shape, "2016-05-02T12:10:00", 0.2))
    assert np.nanmax(moisture_of(read_smap(config(tmp_path)))) == np.float32(0.1)
    later = overpass(row, column, shape, "2016-05-02T14:10:00", 0.3)
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-01", later)
    assert np.nanmax(moisture_of(read_smap(config(tmp_path)))) == np.float32(0.1)


def test_morning_and_evening_are_never_mixed(tmp_path):
    row, column, shape = box()
    morning = overpass(row, column, shape, "2016-05-02T13:00:00", 0.1)
    evening = overpass(row, column, shape, "2016-05-02T23:30:00", 0.4)
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", morning, evening)
    for which, value in (("am", 0.1), ("pm", 0.4)):
        seen = moisture_of(read_smap(config(tmp_path, overpass=which)))
        assert set(seen[np.isfinite(seen)]) == {np.float32(value)}
    with pytest.raises(ValidationError, match="overpass"):
        SmapConfig(
            folder=tmp_path, product="SPL3SMP_E", region=REGION, period={"start": "2016-05-01", "end": "2016-05-04"}
        )


def test_quality_rules(tmp_path):
    row, column, shape = box()
    flags = overpass(row, column, shape, "2016-05-02T13:00:00")
    flat = flags.retrieval_qual_flag.ravel()
    flat[:5] = [0, 0b1000, 0b0001, 0b0111, INDEX]  # good; freeze/thaw failed only; not recommended; failed; fill
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", flags)
    recommended = np.isfinite(moisture_of(read_smap(config(tmp_path)))).any(axis=1).sum()
    retrieved = np.isfinite(moisture_of(read_smap(config(tmp_path, quality="retrieved")))).any(axis=1).sum()
    n = shape[0] * shape[1]
    assert (recommended, retrieved) == (n - 3, n - 2)


@pytest.mark.parametrize("name", list(SURFACE_BITS))
def test_each_surface_flag_has_the_bit_of_the_user_guide(tmp_path, name):
    """User guides, surface_flag: bits 0 to 11 in the order of SURFACE_BITS; only the named one is dropped."""
    row, column, shape = box(36)
    flags = overpass(row, column, shape, "2016-05-02T13:00:00")
    assert flags.surface_flag.size >= 6
    flags.surface_flag.ravel()[0] = 1 << list(SURFACE_BITS).index(name)
    flags.surface_flag.ravel()[1] = 0xFFF & ~(1 << list(SURFACE_BITS).index(name))
    flags.surface_flag.ravel()[2] = INDEX
    write_granule(tmp_path, "SPL3SMP", "2016-05-02", flags)
    found = read_smap(config(tmp_path, product="SPL3SMP", exclude=(name,)))
    assert found.sizes["cell"] == flags.surface_flag.size - 2
    assert json.loads(found.attrs["quality"])[f"dropped: {name}"] == 2


def test_bits_by_name():
    assert SURFACE_BITS["static_water"] == 0
    assert SURFACE_BITS["precipitation"] == 4
    assert SURFACE_BITS["frozen_model"] == 8
    assert SURFACE_BITS["dense_vegetation"] == 10


def test_algorithm_and_water_are_settings(tmp_path):
    row, column, shape = box()
    write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", overpass(row, column, shape, "2016-05-02T13:00:00", 0.2))
    assert np.nanmax(moisture_of(read_smap(config(tmp_path, algorithm="scav")))) == pytest.approx(0.25)
    with pytest.raises(DataError, match=r"no SPL3SMP_E retrieval passes the rules"):
        read_smap(config(tmp_path, maximum_water=0.005))
    assert read_smap(config(tmp_path, maximum_water=0.02))["water_share"].values.max() == np.float32(0.01)


def test_newest_count_supersedes_and_releases_are_not_mixed(tmp_path):
    row, column, shape = box()
    for count, value in ((1, 0.1), (2, 0.2)):
        content = overpass(row, column, shape, "2016-05-02T13:00:00", value)
        write_granule(tmp_path, "SPL3SMP_E", "2016-05-02", content, count=count)
    files, bad = find_smap(config(tmp_path))
    assert [file.count for file in files] == [2]
    assert "superseded" in bad[0].reason
    assert np.nanmax(moisture_of(read_smap(config(tmp_path)))) == np.float32(0.2)
    write_granule(
        tmp_path, "SPL3SMP_E", "2016-05-03", overpass(row, column, shape, "2016-05-03T13:00:00"), release="19240"
    )
    with pytest.raises(DataError, match=r"20160503_R19240_001.h5: release R19240 differs from R18290"):
        find_smap(config(tmp_path))


FAULTS = {
    "empty": (lambda content: b"", r"empty file \(0 bytes\)"),
    "page": (lambda content: b"\n<!DOCTYPE html><html>Earthdata Login</html>", "a web page instead of data"),
    "foreign": (lambda content: b"GRIB" + content, "not an HDF5 file"),
    "half": (lambda content: content[: len(content) // 2], r"incomplete: found \d+ bytes, expected \d+"),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_bad_downloads_are_one_error_or_left_out(tmp_path, fault):
    row, column, shape = box(36)
    good = overpass(row, column, shape, "2016-05-02T13:00:00")
    write_granule(tmp_path, "SPL3SMP", "2016-05-02", good)
    bad = write_granule(tmp_path, "SPL3SMP", "2016-05-03", good)
    spoil, message = FAULTS[fault]
    bad.write_bytes(spoil(bad.read_bytes()))
    with pytest.raises(DataError, match=rf"20160503_R18290_001.h5: {message}"):
        read_smap(config(tmp_path, product="SPL3SMP"))
    found = read_smap(config(tmp_path, product="SPL3SMP", on_bad="leave_out"))
    report = json.loads(found.attrs["quality"])
    assert list(report["left_out"]) == [bad.name]
    assert "2016-05-03" in report["days_without_granule"]
    assert np.isfinite(moisture_of(found)[:, 1]).all()


def test_damage_inside_a_file_names_the_variable(tmp_path):
    row, column, shape = box(36)
    path = write_granule(tmp_path, "SPL3SMP", "2016-05-02", overpass(row, column, shape, "2016-05-02T13:00:00"))
    content = bytearray(path.read_bytes())
    with h5py.File(path, "r") as file:
        dataset = file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"]
        chunk = dataset.id.get_chunk_info(0)
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"20160502_R18290_001.h5: variable 'soil_moisture' cannot be read"):
        read_smap(config(tmp_path, product="SPL3SMP"))


def test_wrong_structure_place_value_and_time(tmp_path):
    row, column, shape = box(36)
    path = write_granule(tmp_path, "SPL3SMP", "2016-05-02", overpass(row, column, shape, "2016-05-02T13:00:00"))
    original = path.read_bytes()
    group = "Soil_Moisture_Retrieval_Data_AM"

    def refused(change, message):
        path.write_bytes(original)
        with h5py.File(path, "r+") as file:
            change(file)
        with pytest.raises(DataError, match=message):
            read_smap(config(tmp_path, product="SPL3SMP"))

    def put(name, value):
        def change(file):
            file[group][name][row, column] = value

        return change

    def rename(file):
        file.move(f"{group}/surface_flag", f"{group}/surface_flags")

    cell = row * 964 + column
    refused(rename, r"dataset 'surface_flag' is missing; did you mean 'surface_flags'\?")
    refused(lambda file: file.move(group, "Soil_Moisture_Retrieval_Data_MORNING"), r"group '.*_AM' is missing")
    refused(put("EASE_row_index", row + 1), rf"the cell in row {row}, column {column} says it is row {row + 1}")
    refused(put("soil_moisture", 20.0), rf"'soil_moisture', cell {cell}, time 2016-05-02: found 20, expected \[0, 1\]")
    refused(put("tb_time_seconds", 0.0), rf"'tb_time_seconds', cell {cell}: found 0 s since J2000")


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"no usable SPL3SMP_E granule for 2016-05-01..2016-05-04"):
        read_smap(config(tmp_path))
    with pytest.raises(DataError, match=r"nowhere: folder does not exist"):
        read_smap(config(tmp_path / "nowhere"))
    row, column, shape = box(36)
    write_granule(tmp_path, "SPL3SMP", "2016-05-02", overpass(row, column, shape, "2016-05-02T13:00:00"))
    with pytest.raises(DataError, match="no usable SPL3SMP_E granule"):
        read_smap(config(tmp_path))


@pytest.mark.parametrize("ending", ["_HEGOUT.h5", "_HEGOUT.nc", "_subsetted.h5", ".h5.nc4", "_Soil_Moisture_AM.tif"])
def test_a_subset_in_place_of_a_granule_is_named(tmp_path, ending):
    row, column, shape = box(36)
    good = overpass(row, column, shape, "2016-05-02T13:00:00")
    whole = write_granule(tmp_path, "SPL3SMP", "2016-05-02", good)
    standard = config(tmp_path, product="SPL3SMP")
    reference = read_smap(standard)
    beside = whole.with_name(whole.name.removesuffix(".h5") + ending)
    for name in (beside.name, f"{whole.name}.xml", f"{whole.name}.dmrpp", f"{whole.name}.part"):
        (tmp_path / name).write_bytes(b"never read")
    assert read_smap(standard).identical(reference)  # the whole granule of the day is there
    other = write_granule(tmp_path, "SPL3SMP", "2016-05-03", good)
    subset = other.rename(other.with_name(other.name.removesuffix(".h5") + ending))
    with pytest.raises(DataError, match=rf"{subset.name}: a subset or converted copy of a granule; expected the whole"):
        read_smap(standard)
    report = json.loads(read_smap(config(tmp_path, product="SPL3SMP", on_bad="leave_out")).attrs["quality"])
    assert list(report["left_out"]) == [subset.name]
