"""The cube: what goes in comes out, killed builds end the same, and nothing of the test period reaches a calibrator."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from data.simple_world import files_of, settings, simple_dataset, write
from paraformer.core.errors import DataError
from paraformer.core.log import Progress
from paraformer.core.parameters import PAPER_SET, ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.variables import FORCING
from paraformer.data.climate import CLIMATE
from paraformer.data.cube import build_cube, whole_cube
from paraformer.data.sources import cells
from paraformer.data.sources.cells import open_cells
from paraformer.data.views import calibration_view, describe_cube

SPACE = ParameterSpace.of(*PAPER_SET)
PRIOR = np.tile([0.2, 0.02, 10.0, 0.8, 12.0], (5, 1))


class Killed(Exception):
    pass


class KillAfter(Progress):
    """Stops the work after some steps of the task with a given description."""

    def __init__(self, description: str, steps: int) -> None:
        self.description, self.left = description, steps

    @contextmanager
    def task(self, description, total, *, unit="steps", done=0):
        def advance(steps=1, note=""):
            if description == self.description:
                self.left -= 1
                if self.left == 0:
                    raise Killed

        yield advance


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    return write(simple_dataset(), tmp_path_factory.mktemp("input") / "good.nc")


@pytest.fixture(scope="module")
def cube(good, tmp_path_factory) -> Cube:
    return build_cube(settings(good), tmp_path_factory.mktemp("cube") / "cube.zarr")


def test_values_arrive_unchanged(cube):
    source = simple_dataset().sel(cell=[3, 4, 7, 10, 11])
    np.testing.assert_array_equal(cube.cells, source["cell"].values)
    np.testing.assert_array_equal(cube.time, source["time"].values.astype("datetime64[D]"))
    for name in (*FORCING, "sm_smap"):
        assert cube.dataset[name].dtype == np.float32
        np.testing.assert_array_equal(cube.dataset[name].values, source[name].values)
    np.testing.assert_array_equal(cube.trained, [True, False, True, True, False])
    np.testing.assert_array_equal(cube.dataset["et_gleam"].values, source["et_gleam"].values)
    assert str(cube.period("train")) == "2015-04-01..2016-03-31"


def test_land_cover_is_one_hot_over_the_classes_of_trained_cells(cube):
    names = [name for name in cube.attribute_names if name.startswith("landcover")]
    assert names == ["landcover_igbp_5", "landcover_igbp_7", "landcover_igbp_10"]  # 12 occurs in an unseen cell only
    np.testing.assert_array_equal(cube.dataset["landcover_igbp_10"].values, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(cube.dataset["landcover_igbp"].values, [10, 10, 7, 5, 12])


def test_attributes_can_be_chosen(good, tmp_path):
    chosen = settings(good, attributes=("slope", "sand"), climate_attributes=False)
    found = build_cube(chosen, tmp_path / "cube.zarr")
    assert found.attribute_names == ("slope", "sand")


def test_no_attributes_at_all_is_refused(good, tmp_path):
    with pytest.raises(DataError, match="no attributes"):
        build_cube(settings(good, attributes=(), climate_attributes=False), tmp_path / "cube.zarr")


def test_opens_in_plain_xarray_with_cf_metadata(cube, tmp_path, good):
    path = tmp_path / "cube.zarr"
    build_cube(settings(good), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = xr.open_zarr(path)
    assert plain.attrs["Conventions"] == "CF-1.8"
    assert plain.attrs["title"] == "seven cells"
    assert plain.attrs["references"] == "made by formula"
    assert plain.attrs["input_file"] == "good.nc"
    assert len(plain.attrs["input_hash"]) == 32
    assert set(plain.coords) == {"cell", "time", "lat", "lon", "month"}
    assert plain["prcp"].chunks == ((2, 2, 1), (800,))
    assert plain["prcp"].attrs["units"] == "mm day-1"
    assert plain["sm_smap"].attrs["units"] == "m3 m-3"
    assert plain["prcp"].attrs["standard_name"] == "lwe_precipitation_rate"
    for variable in plain.data_vars.values():
        assert "long_name" in variable.attrs or variable.name == "slope"


@pytest.mark.parametrize(("stage", "steps"), [("checking input", 1), *(("building cube", k) for k in (1, 2, 3))])
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(good, tmp_path, stage, steps):
    whole, broken = tmp_path / "whole" / "cube.zarr", tmp_path / "broken" / "cube.zarr"
    build_cube(settings(good), whole)
    with pytest.raises(Killed):
        build_cube(settings(good), broken, KillAfter(stage, steps))
    assert not broken.exists()
    for stray in broken.parent.rglob("zarr.json"):  # what a kill inside zarr's own write leaves behind
        stray.with_suffix(".0123.partial").write_bytes(b"half")
        break
    build_cube(settings(good), broken)
    assert files_of(whole.parent) == files_of(broken.parent)


def test_a_resumed_build_does_not_write_finished_chunks_again(good, tmp_path):
    path = tmp_path / "cube.zarr"
    with pytest.raises(Killed):
        build_cube(settings(good), path, KillAfter("building cube", 2))
    first = tmp_path / ".cube.zarr.partial" / "prcp" / "c" / "0" / "0"
    before = first.stat().st_mtime_ns
    build_cube(settings(good), path)
    assert (path / "prcp" / "c" / "0" / "0").stat().st_mtime_ns == before


def test_a_chunked_store_is_read_chunk_by_chunk_and_gives_the_same_bytes(tmp_path, monkeypatch):
    """Two chunks of the cube lie in one of the input and are read together; a kill in between changes nothing."""
    store = tmp_path / "good.zarr"
    simple_dataset().to_zarr(store, encoding={name: {"chunks": (4, 100)} for name in FORCING}, zarr_format=2)
    chosen = settings(store)
    file = open_cells(store)
    assert file.together(2) == 4
    assert file.together(3) == 3
    monkeypatch.setattr(cells, "_BLOCK_BYTES", 8 * 8 * 800 * 2)
    assert file.together(2) == 2  # no more than the memory allows
    file.close()
    build_cube(chosen, tmp_path / "one" / "cube.zarr")
    monkeypatch.undo()
    with pytest.raises(Killed):
        build_cube(chosen, tmp_path / "two" / "cube.zarr", KillAfter("building cube", 1))
    build_cube(chosen, tmp_path / "two" / "cube.zarr")
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_a_finished_cube_is_reused_and_other_settings_replace_it(good, tmp_path):
    path = tmp_path / "cube.zarr"
    build_cube(settings(good), path)
    before = (path / "zarr.json").stat().st_mtime_ns
    build_cube(settings(good), path)
    assert (path / "zarr.json").stat().st_mtime_ns == before
    changed = build_cube(settings(good, climate_attributes=False), path)
    assert "climate_p_mean" not in changed.attribute_names


def test_changed_input_is_noticed_in_the_middle_of_a_build(tmp_path):
    source, path = tmp_path / "in.nc", tmp_path / "cube.zarr"
    write(simple_dataset(), source)
    with pytest.raises(Killed):
        build_cube(settings(source), path, KillAfter("building cube", 2))
    dataset = simple_dataset()
    dataset["tair"].values += 1
    write(dataset, source)
    found = build_cube(settings(source), path)
    np.testing.assert_array_equal(found.dataset["tair"].values, dataset["tair"].values[:5])


@pytest.mark.parametrize("size", [1, 3, 100])
def test_values_do_not_depend_on_the_chunk_size(good, cube, tmp_path, size):
    other = build_cube(settings(good, chunk_cells=size), tmp_path / "cube.zarr")
    for name in cube.dataset.variables:
        np.testing.assert_array_equal(cube.dataset[name].values, other.dataset[name].values)


def test_zarr_input_gives_the_same_cube(cube, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        simple_dataset().to_zarr(tmp_path / "in.zarr")
    other = build_cube(settings(tmp_path / "in.zarr"), tmp_path / "cube.zarr")
    for name in cube.dataset.variables:
        np.testing.assert_array_equal(cube.dataset[name].values, other.dataset[name].values)


def test_packed_input_is_unpacked(tmp_path):
    path = tmp_path / "packed.nc"
    packing = {"dtype": "i2", "scale_factor": 1e-4, "_FillValue": -32767}
    simple_dataset().to_netcdf(path, encoding={"sm_smap": packing})
    found = build_cube(settings(path), tmp_path / "cube.zarr")
    source = simple_dataset()["sm_smap"].values[:5]
    np.testing.assert_allclose(found.dataset["sm_smap"].values, source, atol=6e-5)


@pytest.mark.parametrize("steps", [2, 8])
def test_sub_daily_forcing_is_kept_beside_its_daily_mean(tmp_path, steps):
    source = simple_dataset(steps)
    found = build_cube(settings(write(source, tmp_path / "in.nc")), tmp_path / "cube.zarr").dataset
    assert found.sizes["time"] == 800
    np.testing.assert_allclose(found["step"].values, np.arange(steps) * 24 / steps)
    for name in FORCING:
        expected = source[name].values[:5].reshape(5, 800, steps)
        np.testing.assert_array_equal(found[f"{name}_sub"].values, expected)
        np.testing.assert_allclose(found[name].values, expected.mean(axis=2), rtol=2e-6, atol=1e-5)
        assert found[f"{name}_sub"].attrs["units"] == found[name].attrs["units"]
    seen = source["sm_smap"].values[:5].reshape(5, 800, steps)
    np.testing.assert_array_equal(found["sm_smap"].values, seen[:, :, 0])


def test_whole_cube_is_the_weather_alone(good, tmp_path):
    found = whole_cube(good)
    found.validate("in memory")
    np.testing.assert_array_equal(found.dataset["vp"].values, simple_dataset()["vp"].values)
    assert not found.trained.any()
    assert set(found.dataset.data_vars) == {*FORCING, "trained"}
    sub = whole_cube(write(simple_dataset(4), tmp_path / "sub.nc")).dataset
    assert sub["tair_sub"].shape == (7, 800, 4)


def test_calibration_view_is_the_training_period_of_trained_cells(cube):
    view = calibration_view(cube, SPACE, PRIOR)
    assert view.first_day == 0
    assert view.forcing.shape == (5, 366, 7)
    assert view.attributes.shape == (5, len(view.attribute_names))
    assert view.time[-1] == np.datetime64("2016-03-31")
    assert not view.mask[~view.trained].any()
    assert (view.observed[~view.mask] == 0).all()
    truth = simple_dataset()["sm_smap"].values[[0, 2, 3], :366]
    np.testing.assert_array_equal(view.mask[view.trained], np.isfinite(truth))


def test_calibration_view_knows_where_training_starts(good, tmp_path):
    later = settings(
        good, train={"start": "2016-06-01", "end": "2017-03-31"}, test={"start": "2015-06-01", "end": "2016-05-31"}
    )
    found = build_cube(later, tmp_path / "cube.zarr")
    view = calibration_view(found, SPACE, PRIOR)
    assert view.first_day == 427
    assert view.time[0] == np.datetime64("2016-06-01")
    np.testing.assert_array_equal(view.forcing, found.forcing()[:, 427 : 427 + 304])


@pytest.mark.parametrize(
    ("prior", "what"),
    [(PRIOR[:3], "shape"), (PRIOR * [1, 1, 10, 1, 1], "'dsmax', cell 3"), (PRIOR * np.nan, "out of bounds")],
)
def test_a_bad_prior_is_refused(cube, prior, what):
    with pytest.raises(DataError, match=what):
        calibration_view(cube, SPACE, prior)


def bytes_of(view, *, of_unseen_history: bool = True) -> dict[str, bytes]:
    """The view's bytes; the unseen cells' history, an input by design, can be left out."""
    fields = vars(view) | {f"reference {n}, {k}": v for n, r in view.references.items() for k, v in r._asdict().items()}
    found = {name: np.asarray(value).tobytes() for name, value in fields.items() if name != "references"}
    if not of_unseen_history:
        found |= {name: getattr(view, name)[view.trained].tobytes() for name in ("history", "history_mask")}
    return found


def test_poisoned_test_period_and_unseen_observations_do_not_reach_the_view(cube):
    """NaN or garbage in every value that no calibrator may see leaves the view the same, byte for byte.

    Of the unseen cells' observations only the history, an input, may change, and only inside the training period.
    """
    whole = calibration_view(cube, SPACE, PRIOR)
    for poison in (np.nan, 0.77):
        dataset = cube.dataset.load().copy(deep=True)
        for name in (*FORCING, "sm_smap"):
            dataset[name].values[:, 366:] = poison
        assert bytes_of(calibration_view(Cube(dataset), SPACE, PRIOR)) == bytes_of(whole)
        dataset["sm_smap"].values[~cube.trained] = poison
        view = calibration_view(Cube(dataset), SPACE, PRIOR)
        assert bytes_of(view, of_unseen_history=False) == bytes_of(whole, of_unseen_history=False)
        assert not view.observed[~cube.trained].any()
        assert not view.mask[~cube.trained].any()


def test_every_cell_can_be_a_target_for_a_search(cube):
    """A search fits each cell to its own observations of the training period."""
    view = calibration_view(cube, SPACE, PRIOR, every_cell=True)
    assert view.trained.all()
    np.testing.assert_array_equal(view.mask, np.isfinite(cube.dataset["sm_smap"].values[:, :366]))
    np.testing.assert_array_equal(view.observed, view.history)


def test_filled_observations_are_cut_to_the_training_period(cube):
    filled = np.random.default_rng(0).random((5, 800))
    np.testing.assert_array_equal(calibration_view(cube, SPACE, PRIOR, filled=filled).filled, filled[:, :366])


def test_a_poisoned_source_gives_the_same_attributes_and_view(good, tmp_path, cube):
    """The same from the file on: climate indices of the cube come from the training period's forcing alone."""
    dataset = simple_dataset()
    rng = np.random.default_rng(0)
    for name in FORCING:
        dataset[name].values[:, 366:] *= rng.uniform(0.5, 0.9, (7, 434)).astype("f4")
    dataset["sm_smap"].values[:, 366:] = 0.9
    dataset["sm_smap"].values[[1, 4]] = 0.9
    other = build_cube(settings(write(dataset, tmp_path / "in.nc")), tmp_path / "cube.zarr")
    assert other.attributes().tobytes() == cube.attributes().tobytes()
    views = (calibration_view(c, SPACE, PRIOR) for c in (other, cube))
    assert len({tuple(bytes_of(v, of_unseen_history=False).items()) for v in views}) == 1


def test_the_poison_would_be_seen_inside_the_training_period(cube):
    """The gate itself: a change on one training day of one trained cell does change the view."""
    dataset = cube.dataset.load().copy(deep=True)
    dataset["sm_smap"].values[0, 3] = 0.5
    assert bytes_of(calibration_view(Cube(dataset), SPACE, PRIOR)) != bytes_of(calibration_view(cube, SPACE, PRIOR))
    dataset["prcp"].values[0, 3] = np.nan
    with pytest.raises(DataError, match="forcing 'prcp', cell 3: not finite"):
        calibration_view(Cube(dataset), SPACE, PRIOR)


def test_describe(cube):
    facts = describe_cube(cube)
    assert facts["cells"] == {"all": 5, "trained": 3, "unseen": 2}
    assert facts["time"] == "2015-04-01..2017-06-08"
    assert facts["train"]["observed_share_trained"] == pytest.approx(1 / 3, abs=0.01)
    assert facts["ranges"]["pres"] == {"min": 95.0, "mean": 95.0, "max": 95.0, "unit": "kPa"}
    assert set(CLIMATE) <= set(facts["ranges"])


@hypothesis_settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(7)), size=st.integers(1, 8))
def test_cells_do_not_influence_each_other(tmp_path, cube, order, size):
    """Any order of cells in the file and any chunking give each cell the same values."""
    source = write(simple_dataset().isel(cell=list(order)), tmp_path / "shuffled.nc")
    found = build_cube(settings(source, chunk_cells=size), tmp_path / "shuffled.zarr").dataset.sortby("cell")
    for name in ("prcp", "sm_smap", "sand", "climate_aridity", "climate_p_seasonality", "trained", "lat"):
        np.testing.assert_array_equal(found[name].values, cube.dataset[name].values)


def test_standard_errors_and_marks_of_estimates_arrive_and_are_proved(tmp_path):
    data = simple_dataset()
    seen = np.isfinite(data["sm_smap"])
    data["sm_smap_uncertainty"] = xr.full_like(data["sm_smap"], 0.03).where(seen)
    data["sm_smap_uncertainty"].attrs = {"units": "m3 m-3"}
    data["wind"].attrs |= {"origin": "estimated", "method": "constant 3 m s-1"}
    found = build_cube(settings(write(data, tmp_path / "a.nc")), tmp_path / "cube.zarr").dataset
    np.testing.assert_array_equal(np.isfinite(found["sm_smap_uncertainty"]), np.isfinite(found["sm_smap"]))
    assert found["wind"].attrs["method"] == "constant 3 m s-1"
    assert describe_cube(Cube(found))["estimated"] == {"wind": "constant 3 m s-1"}
    data["sm_smap_uncertainty"] = data["sm_smap_uncertainty"].fillna(-9999.0)
    with pytest.raises(DataError, match=r"sm_smap_uncertainty at cell .*: found -9999 m3 m-3, expected 0 to 1"):
        build_cube(settings(write(data, tmp_path / "b.nc")), tmp_path / "other.zarr")
