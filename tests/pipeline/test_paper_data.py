"""The paper's studies as they are shipped, on data of the paper's kind: granules of its products, and a generated world
on its grid. Periods, training and budgets are cut to what a test can wait for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from data.simple_world import files_of
from paraformer.config import Study, load_study
from paraformer.core.physics import EARTH_RADIUS
from paraformer.core.schema import Cube
from paraformer.data.sources.modis import SINUSOIDAL, tile_window
from paraformer.data.sources.nldas import GRID
from paraformer.pipeline import check_study, run_study
from paraformer.pipeline.parameters import make_parameters
from paraformer.pipeline.world import make_world
from pipeline.granules import BLOCKS, DAYS, FIRST, Region, write_region
from worlds import write_study

STUDIES = Path(__file__).parents[2] / "studies"
METHODS = ("SCE-UA", "FFN_A", "LSTM_Z", "ParaFormer_A", "ParaFormer_Z")
SEQUENCE = "{hidden: 4, warm_up: 2, window: 8, members: 1, training: {steps: 3}}"
SHORT = (
    "process.spin_up={days: 10, cycles: 1}",
    "process.threads=1",
    "ensemble={common: 4, own: 4, held_out: 2}",
    "surrogate={anchors: 0, hidden: 6, embedding: 4, warm_up: 2, window: 8, sets_per_cell: 2, training: {steps: 4}}",
    f"gap_filling={SEQUENCE}",
    f"references.direct={SEQUENCE}",
    "searches.SCE-UA.budget=24",
    "searches.SCE-UA.loss.min_days=5",
    "search_seeds=1",
    "learner_seeds=1",
    "evaluation.min_days=5",
    *(f"learners.{name}.window=8" for name in METHODS[1:]),
    *(f"learners.{name}.training={{steps: 2}}" for name in METHODS[1:]),
    *(f"learners.{name}.network.history_days=8" for name in ("LSTM_Z", "ParaFormer_Z")),
)


def _periods(days: int) -> tuple[str, ...]:
    train, test = (FIRST, FIRST + 15), (FIRST + 16, FIRST + days - 1)
    return tuple(f"data.{name}={{start: {a}, end: {b}}}" for name, (a, b) in (("train", train), ("test", test)))


def _granules(folder: Path, days: int) -> tuple[Study, Path]:
    """Granules of so many days, read by the template: its study, and the store of the paper's cells."""
    columns = np.broadcast_to(100 + np.arange(2400) // 24, (2400, 2400))
    write_region(folder, Region(BLOCKS, "SPL3SMP_E", "MOD16A2", days, columns))
    changes = (
        f"data.products.region={BLOCKS}",
        f"data.products.period={{start: {FIRST}, end: {FIRST + days - 1}}}",
        f"data.products.land.leaf_area.path={folder / 'leaf_area.tif'}",
        SHORT[0],
        SHORT[3],
        "evaluation.min_days=5",
        *_periods(days),
    )
    study = load_study(STUDIES / "paper_granules.yaml", changes)
    make_parameters(study, folder / "run")
    return study, folder / "run" / "cube" / "inputs.zarr"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that PARAFORMER_DATA names."""
    monkeypatch.setenv("PARAFORMER_DATA", str(tmp_path))
    return tmp_path


def test_granules_of_the_papers_products_become_the_cells_of_its_studies(data: Path) -> None:
    _, store = _granules(data, DAYS)
    with xr.open_zarr(store) as found:
        cells = found["cell"].values
        assert len(cells) == 16 * 16
        lat, lon = GRID.centres(cells // GRID.columns, cells % GRID.columns)
        np.testing.assert_allclose(found["lat"], lat)
        np.testing.assert_allclose(found["lon"], lon)
        assert 0.1 < float(found["sm_smap"].min()) < float(found["sm_smap"].max()) < 0.3
        by_column = found["sm_smap"].mean("time").values[np.argsort(lon, kind="stable")].reshape(16, 16).mean(axis=1)
        assert (np.diff(by_column[1:]) > 0).all()  # wetter in the east, as the 9 km cells
        east = np.deg2rad(lon) * EARTH_RADIUS * np.cos(np.deg2rad(lat))
        column = (east - tile_window(9, 5).x_edges[0]) / SINUSOIDAL.dx
        june = 0.1 * (100 + column / 24 - 0.5) / 8 * 30
        np.testing.assert_allclose(found["et_mod16"].sel(month=6), june, rtol=1e-3)
        assert "SPL3SMP_E version 5" in found.attrs["source"]
        assert "MOD16A2 version 6.1" in found.attrs["source"]
    for name, trained, unseen in (("paper_s4", 16, 0), ("paper_s8", 4, 4)):
        study = load_study(STUDIES / f"{name}.yaml", (f"data.path={store}", *_periods(DAYS), *SHORT))
        assert f"{trained + unseen} cells" in check_study(study)
        run_study(study, data / name, until="cube")
        cube = Cube.open(data / name / "cube" / "cube.zarr")
        assert (cube.trained.sum(), (~cube.trained).sum()) == (trained, unseen)


@pytest.mark.long
@pytest.mark.timeout(3600)  # nine thousand hourly files
def test_from_granules_to_table_3(data: Path) -> None:
    _, store = _granules(data, 381)
    study = load_study(STUDIES / "paper_s8.yaml", (f"data.path={store}", *_periods(381), *SHORT))
    run_study(study, data / "s8")
    moisture = pd.read_csv(data / "s8" / "scores" / "soil_moisture.csv")
    assert {"default VIC", *METHODS} <= set(moisture["method"])
    table = pd.read_csv(data / "s8" / "scores" / "evapotranspiration.csv").query("reference == 'et_mod16'")
    assert {"default VIC", *METHODS} <= set(table["method"])
    trained = table[(table["cells"] == "all") & (table["kind"] == "process model")]
    assert np.isfinite(trained[["rmse", "pcc", "nse"]]).all(axis=None)
    assert (data / "s8" / "tables" / "table3.md").exists()
    assert list((data / "s8" / "figures").glob("evapotranspiration-mod16-*"))


def test_the_generated_world_is_what_the_papers_studies_ask_for(data: Path) -> None:
    """The world of paper_world.yaml, smaller: its files, the periods of the paper, and a reference for Table 3."""
    world = load_study(STUDIES / "paper_world.yaml")
    assert world.data.synthetic is not None
    assert (world.data.train, world.data.test) == (
        load_study(STUDIES / "paper_s8.yaml").data.train,
        load_study(STUDIES / "paper_s8.yaml").data.test,
    )
    small = ("data.synthetic.rows=9", "data.synthetic.columns=17", "process.spin_up={days: 10, cycles: 1}")
    run_study(load_study(STUDIES / "paper_world.yaml", small), data / "world", until="cube")
    for name in ("params.nc", "domain.nc"):
        (data / "world" / "cube" / name).rename(data / name)
    inputs = ("data.path=" + str(data / "world" / "cube" / "inputs.nc"), "data.observation=sm_obs")
    for name, trained, unseen in (("paper_s4", 15, 0), ("paper_s8", 6, 6)):
        study = load_study(STUDIES / f"{name}.yaml", inputs)
        assert f"{trained + unseen} cells" in check_study(study)
        run_study(study, data / name, until="cube")
        cube = Cube.open(data / name / "cube" / "cube.zarr")
        assert (cube.trained.sum(), (~cube.trained).sum()) == (trained, unseen)
        assert "et_obs" in cube.dataset


def test_a_world_simulated_in_parts_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = load_study(write_study(tmp_path, data__synthetic__fluxes={}))
    assert make_world(study, tmp_path / "whole") == 12
    monkeypatch.setattr("paraformer.pipeline.world.TOGETHER", 5)
    assert make_world(study, tmp_path / "parts") == 12
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")
