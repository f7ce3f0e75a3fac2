"""``check`` reads a part of granules and tables: what is wrong in it is refused before any work, naming the file."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest

from data.sources.test_hydrodl import write_base
from paraformer.config import Study, load_study
from paraformer.core.errors import DataError, ParaformerError
from paraformer.pipeline import check_study
from paraformer.pipeline.parameters import make_parameters
from pipeline.granules import BOX, Region, write_region
from pipeline.test_granules import SMALL, TEMPLATE

DAYS = 10


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Granules of ten days, maps, and the parameter files made of them."""
    folder = tmp_path_factory.mktemp("region")
    write_region(folder, Region(BOX, "SPL3SMP", "MOD16A2GF", days=DAYS))
    make_parameters(_study(folder), folder / "run")
    return folder


def _study(folder: Path, *changes: str) -> Study:
    end = dt.date(2016, 6, DAYS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARAFORMER_DATA", str(folder))
        return load_study(
            TEMPLATE,
            (
                *SMALL,
                f"data.products.land.leaf_area.path={folder / 'leaf_area.tif'}",
                f"data.products.period={{start: 2016-06-01, end: {end}}}",
                "data.train={start: 2016-06-01, end: 2016-06-06}",
                f"data.test={{start: 2016-06-07, end: {end}}}",
                "evaluation={min_days: 3}",
                "searches={SCE-UA: {name: sceua, budget: 12, loss: {min_days: 3}}}",
                "process.spin_up={days: 3, cycles: 1}",
                "surrogate={anchors: 4, hidden: 6, embedding: 4, warm_up: 1, window: 3, sets_per_cell: 2}",
                "surrogate.training={steps: 4}",
                "learners={FFN_A: {network: {name: ffn_a, hidden: 6}, window: 3, training: {steps: 3}}}",
                *changes,
            ),
        )


def test_sound_granules_pass_and_what_was_read_is_said(region: Path) -> None:
    text = check_study(_study(region))
    assert ": ok as far as a part of 'products' shows" in text
    for line in (
        "forcing: the hours of 2016-06-01, 2016-06-05, 2016-06-10 read; names and lengths of the files of all hours",
        "soil moisture: 7 of 7 granules read",
        "evapotranspiration: 2 of 2 tiles read",
        "maps: read on 4 x 4 cells, 16 of which have all data",
        "building the cube reads and proves the rest",
    ):
        assert line in text


def _unit(path: Path) -> None:
    with netCDF4.Dataset(path, "r+") as file:
        file["Tair"].units = "degC"


def _values(path: Path) -> None:
    with netCDF4.Dataset(path, "r+") as file:
        file["LWdown"][:] = 9e5


def _clock(path: Path) -> None:
    with netCDF4.Dataset(path, "r+") as file:
        file["time"][0] = file["time"][0] + 1


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _water(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        values = file["Soil_Moisture_Retrieval_Data_AM/soil_moisture"]
        values[...] = np.where(values[...] > 0, 25.0, values[...])


def _other_group(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file.move("Soil_Moisture_Retrieval_Data_AM", "Soil_Moisture_Retrieval_Data")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (
            "nldas/*A20160601.0500.020.nc",
            _unit,
            r"A20160601.0500.020.nc: variable 'Tair' has unit 'degC', expected 'K'",
        ),
        (
            "nldas/*A20160605.0500.020.nc",
            _values,
            r"nldas: lwdown at cell \d+ .*2016-06-05.*: found \d.*, expected 20 to",
        ),
        (
            "nldas/*A20160610.2300.020.nc",
            _clock,
            r"A20160610.2300.020.nc: variable 'time' is .*, expected 2016-06-10T23",
        ),
        ("nldas/*A20160602.1100.020.nc", _cut, r"A20160602.1100.020.nc: "),
        (
            "nldas/*A20160603.0000.020.nc",
            Path.unlink,
            r"nldas: the hour 2016-06-03T00:00 is missing, expected file NLDAS",
        ),
        ("smap/*20160603*.h5", _water, r"20160603_\S+: variable 'soil_moisture', cell \d+, time .* found 25, expected"),
        ("smap/*20160604*.h5", _other_group, r"20160604_\S+: group 'Soil_Moisture_Retrieval_Data_AM' is missing"),
        ("mod16/*2016153*.hdf", _cut, r"2016153\S+: "),
        ("soil/sand_0-5cm_mean.tif", Path.unlink, r"sand_0-5cm_mean.tif: "),
    ],
)
def test_what_is_wrong_is_refused_naming_the_file(
    region: Path, file: str, change: Callable[[Path], object], words: str, tmp_path: Path
) -> None:
    """In a copy: the library of HDF4 does not open a path again at which it found a broken file."""
    copy = shutil.copytree(region, tmp_path / "region")
    (path,) = copy.glob(file)
    change(path)
    with pytest.raises(DataError, match=words) as refused:
        check_study(_study(copy))
    assert "\n" not in str(refused.value)
    assert "paraformer-check" not in str(refused.value)


def _moved(region: Path, folder: Path) -> Path:
    domain = Path(shutil.copy(str(_study(region).process.domain), folder / "domain.nc"))
    with netCDF4.Dataset(domain, "r+") as file:
        file["lon"][:] = file["lon"][:] + 5.0
    return domain


def test_parameter_files_of_other_cells_are_refused(region: Path, tmp_path: Path, caplog) -> None:
    """A sampling design leaves out cells that only the whole grid shows: there it is a warning."""
    domain = _moved(region, tmp_path)
    assert ": ok" in check_study(_study(region, f"process.domain={domain}"))
    assert "domain.nc: has none of the 16 cells that were looked at, first cell" in caplog.text
    blocks = "data.split={blocks: {degrees: 1, folds: 2}}"
    with pytest.raises(DataError, match=r"domain\.nc: no cell at the place of cell \d+"):
        check_study(_study(region, f"process.domain={domain}", blocks))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("data.attributes=[sand, slop]", r"variable 'slop' is missing; did you mean 'slope'"),
        (
            "data.split={variable: rolle, trained: [1], unseen: [2]}",
            r"no variable 'rolle', which data\.split names; found",
        ),
        ("process.vic={snow_steps_per_day: 24}", r"snow_steps_per_day is 24, but the forcing has 8 steps"),
    ],
)
def test_what_the_study_asks_of_the_data_is_there(region: Path, change: str, words: str) -> None:
    with pytest.raises(ParaformerError, match=words):
        check_study(_study(region, change))


HYDRODL = """
name: base
parameters:
  - {name: residence, lower: 2, upper: 50}
  - {name: depth, lower: 50, upper: 500}
  - {name: residual, lower: 0.01, upper: 0.1}
data:
  source: hydrodl
  observation: sm_smap
  hydrodl:
    folder: FOLDER
    subset: CONUSv4f1
    period: {start: 2015-04-01, end: 2017-03-31}
    elevation: FOLDER/elevation.csv
  split: {blocks: {degrees: 5, folds: 2}}
  train: {start: 2015-04-01, end: 2016-03-31}
  test: {start: 2016-04-01, end: 2017-03-31}
process: {model: bucket}
ensemble: {outputs: [soil_moisture]}
surrogate: {outputs: [soil_moisture]}
learners: {FFN_A: {network: {name: ffn_a}, training: {steps: 3}}}
"""


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("2016/TMP_2_FORA.csv", "293.51329,", "10.0,", r"base: tair at cell 0 .*: found -263"),
        ("2015/APCP_FORA.csv", "0.1,", "oops,", r"2015/APCP_FORA.csv: not a table of numbers"),
        ("", "", "", ""),
        ("const/Sand.csv", "40.0", "140.0", r"sand at cell 0 .*: found 140 %, expected 0 to 100 %"),
    ],
)
def test_a_data_base_of_tables(tmp_path: Path, file: str, old: str, new: str, words: str) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    root, path = write_base(folder), tmp_path / "study.yaml"
    path.write_text(HYDRODL.replace("FOLDER", str(folder)))
    if not words:
        said = check_study(load_study(path))
        assert "2015-04-01 to 2016-03-31 and 2016-04-01 to 2017-03-31 read" in said
        return
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=words):
        check_study(load_study(path))
