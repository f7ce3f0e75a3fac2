"""Places of cells: degrees on the globe, two cells at one place named."""

from __future__ import annotations

import numpy as np
import pytest

from data.simple_world import settings as settings_for
from data.simple_world import simple_dataset, write
from paraformer.core.errors import DataError
from paraformer.data.headers import method_over
from paraformer.data.quality import check


def attributes(name, **given):
    return lambda d: d[name].attrs.update(given)


FAULTS = {
    "text": (
        lambda d: d.assign(lat=("cell", d["lat"].values.astype(str))),
        "variable 'lat' has type <U4, expected numbers",
    ),
    "radians": (attributes("lat", units="radians"), "variable 'lat' has unit 'radians', expected 'degrees_north'"),
    "radians that nobody states": (
        lambda d: d.assign({n: ("cell", np.deg2rad(d[n].values)) for n in ("lat", "lon")}),
        r"'lat' and 'lon' span 0\.5236 to 0\.7854 and -2\.094 to -1\.396: radians\?",
    ),
    "unit of the other": (attributes("lat", units="degrees_east"), "variable 'lat' has unit 'degrees_east'"),
    "name of the other": (attributes("lon", standard_name="latitude"), "variable 'lon' has standard_name 'latitude'"),
    "swapped": (
        lambda d: d.assign(lat=("cell", d["lon"].values), lon=("cell", d["lat"].values)),
        r"latitude of cell 3 \(lat -120, lon 30\): found -120, .*latitude and longitude swapped\?",
    ),
    "missing": (lambda d: d["lon"].values.__setitem__(2, np.nan), "longitude of cell 7 .*: found nan"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_place_that_is_none_is_refused(tmp_path, fault):
    plant, message = FAULTS[fault]
    dataset = simple_dataset()
    changed = plant(dataset)
    path = write(dataset if changed is None else changed, tmp_path / "in.nc")
    with pytest.raises(DataError, match=message):
        check(settings_for(path))


@pytest.mark.parametrize("unit", ["degree", "degrees", "degrees_N", None])
def test_spellings_of_degrees_are_fine(tmp_path, unit):
    dataset = simple_dataset()
    dataset["lat"].attrs = {} if unit is None else {"units": unit}
    check(settings_for(write(dataset, tmp_path / "in.nc")))


def test_cells_at_one_place_are_named(tmp_path, caplog):
    dataset = simple_dataset()
    dataset["lat"].values[3], dataset["lon"].values[3] = dataset["lat"].values[1], dataset["lon"].values[1] + 360
    check(settings_for(write(dataset, tmp_path / "in.nc")))
    assert "2 cells share their place with another, first cells 4, 10 at lat 32.5, lon -113.3333" in caplog.text


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("time: mean", "mean"),
        ("time: sum (interval: 1 hour)", "sum"),
        ("area: mean time: maximum", "maximum"),
        ("lat: lon: mean", ""),
        ("time: lat: mean", "mean"),
        ("time: mean (comment: time: sum before)", "mean"),
        ("", ""),
    ],
)
def test_the_method_over_time(text, method):
    assert method_over("time", text) == method


@pytest.mark.parametrize(
    ("name", "method"), [("prcp", "time: sum"), ("tair", "time: maximum"), ("sm_smap", "time: minimum")]
)
def test_a_value_that_is_no_mean_is_refused(tmp_path, name, method):
    dataset = simple_dataset()
    dataset[name].attrs["cell_methods"] = method
    with pytest.raises(DataError, match=rf"variable '{name}' has cell_methods '{method}', .*; expected 'time: mean'"):
        check(settings_for(write(dataset, tmp_path / "in.nc")))


@pytest.mark.parametrize(
    "months", [[10, 11, 12, *range(1, 10)], [*range(12, 0, -1)], [float(k) for k in range(1, 13)], None]
)
def test_months_are_read_by_their_values(tmp_path, months):
    """January's value is 1, February's 2, and so on, wherever they stand."""
    dataset = simple_dataset()
    order = np.arange(1, 13) if months is None else np.array(months)
    dataset["et_gleam"].values[:] = 10.0 + order
    if months is not None:
        dataset = dataset.assign_coords(month=order)
    selection = check(settings_for(write(dataset, tmp_path / "in.nc")))
    found = selection.file.reference("et_gleam", selection.position)
    np.testing.assert_array_equal(found, np.broadcast_to(10.0 + np.arange(1, 13), (5, 12)))
    selection.file.close()


@pytest.mark.parametrize("months", [range(12), [1, 1, *range(3, 13)], [15, *range(45, 400, 30)], list("JFMAMJJASOND")])
def test_months_that_are_none_are_refused(tmp_path, months):
    dataset = simple_dataset().assign_coords(month=np.array(list(months))[:12])
    with pytest.raises(DataError, match=r"variable 'month' is .*; expected the months 1 to 12, each once"):
        check(settings_for(write(dataset, tmp_path / "in.nc")))
