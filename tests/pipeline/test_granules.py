"""From granules and maps in folders to the score table, by the study template as it is shipped, in miniature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from paraformer.config import Study, load_study
from paraformer.core.errors import DataError, RunError, SettingsError
from paraformer.core.schema import Cube
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.cite import cite
from paraformer.pipeline.cube_page import write_cube_page
from paraformer.pipeline.parameters import make_parameters
from paraformer.process.files import Places, land_at, parameter_files
from paraformer.process.vic.settings import VICSettings
from paraformer.process.vic.simulate import simulate
from pipeline.granules import BOX, Region, write_region
from process.miniature import make_forcing

TEMPLATE = Path(__file__).parents[2] / "studies" / "region_template.yaml"
SMALL = (
    f"data.products.region={BOX}",
    "data.products.period={start: 2016-06-01, end: 2016-06-30}",
    "data.train={start: 2016-06-01, end: 2016-06-16}",
    "data.test={start: 2016-06-17, end: 2016-06-30}",
    "data.split={design: S2NG}",
    "parameters=[infilt, expt]",
    "process.spin_up={days: 10, cycles: 1}",
    "process.threads=1",
    "ensemble={common: 4, own: 4, held_out: 2}",
    "evaluation={min_days: 5}",
    "surrogate={anchors: 4, hidden: 6, embedding: 4, warm_up: 2, window: 8, sets_per_cell: 2}",
    "surrogate.training={steps: 4}",
    "searches={SCE-UA: {name: sceua, budget: 12, loss: {min_days: 5}}}",
    "learner_seeds=1",
    "learners={FFN_A: {network: {name: ffn_a, hidden: 6}, window: 8, training: {steps: 3}}}",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("region")
    write_region(folder, Region(BOX, "SPL3SMP", "MOD16A2GF"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PARAFORMER_DATA", str(folder))
        return load_study(TEMPLATE, (*SMALL, f"data.products.land.leaf_area.path={folder / 'leaf_area.tif'}"))


@pytest.fixture(scope="module")
def finished(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    text = make_parameters(study, folder)
    assert "vegetation tiles a cell, soil by saxton_rawls" in text
    run_study(study, folder, until="scores")
    return folder


def test_the_template_needs_only_its_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PARAFORMER_DATA", raising=False)
    with pytest.raises(SettingsError, match=r"environment variable in '.*' is not set"):
        load_study(TEMPLATE)
    monkeypatch.setenv("PARAFORMER_DATA", str(tmp_path))
    assert load_study(TEMPLATE).data.source == "products"


def test_the_score_table_comes_out_at_the_other_end(finished: Path) -> None:
    scores = pd.read_csv(finished / "scores" / "soil_moisture.csv")
    assert {"default VIC", "SCE-UA", "FFN_A"} <= set(scores["method"])
    raw = scores[(scores["operator"] == "raw") & (scores["metric"] == "rmse") & (scores["period"] == "test")]
    assert set(raw["cells"]) == {"trained", "unseen"}
    assert np.isfinite(raw["mean"]).all()
    assert (raw["n_scored"] > 0).all()


def test_the_cube_holds_what_the_granules_and_maps_say(finished: Path) -> None:
    cube = Cube.open(finished / "cube" / "cube.zarr")
    data = cube.dataset
    assert len(cube.cells) == 8
    assert data.sizes["step"] == 8
    np.testing.assert_allclose(data["silt"] + data["sand"] + data["clay"], 100)
    assert (np.diff(data["sand"].values[np.argsort(cube.lon)]) > -0.2).all()  # sandier in the east, as the map
    assert float(data["capa"].min()) > 5
    assert set(data["landcover_igbp"].values) == {10}
    wet = data["prcp"].values > 1
    assert wet.any(axis=0).sum() == 5
    np.testing.assert_allclose(data["et_mod16"].sel(month=6), 15 / 8 * 30, rtol=1e-6)
    assert np.isnan(data["et_mod16"].sel(month=1)).all()
    for product in ("SPL3SMP version 8", "NLDAS_FORA0125_H", "MOD16A2GF"):
        assert product in data.attrs["source"]


def test_the_parameter_file_runs_in_vic_for_a_year_and_closes_the_water_balance(study: Study, finished: Path) -> None:
    cube = Cube.open(finished / "cube" / "cube.zarr")
    found = land_at(parameter_files(study.process), Places.of(cube)).parameters
    assert found.n_tile == 4
    assert found.bare.sum() == len(cube.cells)
    np.testing.assert_allclose(found.cv.sum(axis=1), 1.0)
    np.testing.assert_allclose((found.cv[..., None] * found.lai).sum(axis=1), np.tile(np.arange(1, 13) / 6, (8, 1)))
    forcing = make_forcing(found.n_cell, 365, temperature=8.0, first_day=1)
    outputs = ("evapotranspiration", "runoff", "soil_moisture_1")
    run = simulate(found, forcing, VICSettings(), outputs=outputs, threads=1)
    assert abs(run.max_abs_water_error).max() < 1e-6
    for values in run.outputs.values():
        assert np.isfinite(values).all()
    assert (run.outputs["evapotranspiration"].sum(axis=2) > 50).all()


def test_citations_name_products_versions_and_identifiers(finished: Path) -> None:
    text = cite(finished)
    for part in (
        "SPL3SMP version 8, doi:10.5067/OMHVSRGFX38O",
        "NASA National Snow and Ice Data Center",
        "10.5067/THUF4J1RLSYG",
        "MOD16A2GF version 6.1",
        "MCD12Q1 version 6.1",
        "raster soc_{depth}_mean.tif",
        "Li, K. and Lu, Y. (2023)",
        "Duan, Q.",
        "ParaFormer 0.",
    ):
        assert part in text
    assert cite(finished / "cube" / "cube.zarr").startswith("Data")
    with pytest.raises(DataError, match="no cube here"):
        cite(finished / "scores")


def test_a_page_about_the_cube(finished: Path, tmp_path: Path) -> None:
    page = tmp_path / "cube.html"
    assert "8 cells" in write_cube_page(finished / "cube" / "cube.zarr", page)
    text = page.read_text()
    assert text.count("data:image/png;base64") == 2
    for part in ("dropped: not recommended", "sm_smap", "0 to 2000", "10.5067/THUF4J1RLSYG", "days have no granule"):
        assert part in text


def test_another_file_is_not_replaced(study: Study, finished: Path, tmp_path: Path) -> None:
    """Our own files are renewed; a file of another origin stays, and the run says so before any work."""
    before = land_at(parameter_files(study.process), _places(finished)).parameters
    make_parameters(study, finished)
    after = land_at(parameter_files(study.process), _places(finished)).parameters
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)
    theirs = tmp_path / "params.nc"
    xr.Dataset({"infilt": ("x", [0.2])}).to_netcdf(theirs)
    other = study.model_copy(update={"process": study.process.model_copy(update={"parameters": theirs})})
    with pytest.raises(RunError, match="was not made by 'paraformer parameters'"):
        make_parameters(other, finished)


def test_missing_parameter_files_are_named_with_the_verb_before_any_work(study: Study, tmp_path: Path) -> None:
    """Whoever forgets 'paraformer parameters' hears of it at once, from 'check' as from 'run'."""
    gone = study.model_copy(update={"process": study.process.model_copy(update={"domain": tmp_path / "domain.nc"})})
    gone = gone.model_copy(update={"process": gone.process.model_copy(update={"parameters": tmp_path / "params.nc"})})
    for ask in (check_study, lambda asked: run_study(asked, tmp_path / "run")):
        with pytest.raises(DataError, match=r"params\.nc: no such file .*'paraformer parameters STUDY' makes it"):
            ask(gone)
    assert not (tmp_path / "run").exists()
    nowhere = study.model_copy(update={"process": study.process.model_copy(update={"parameters": None})})
    with pytest.raises(SettingsError, match=r"process\.parameters is missing: where 'paraformer parameters STUDY'"):
        check_study(nowhere)
    assert study.data.products is not None
    bare = study.data.model_copy(update={"products": study.data.products.model_copy(update={"land": None})})
    with pytest.raises(DataError, match=r"no such file .*give maps in data\.products\.land"):
        check_study(gone.model_copy(update={"data": bare}))


def _places(run: Path) -> Places:
    return Places.of(Cube.open(run / "cube" / "cube.zarr"))
