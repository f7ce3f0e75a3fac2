"""The report of a study of streamflow alone: its first screen says what its table says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paraformer.report import streamflow, study_page
from paraformer.report.config import ReportConfig
from paraformer.report.flow_screen import flow_sentences, leading, median_interval
from paraformer.report.gauges import LEAST_FLOW, PREFIX, STEP
from report.embedded import arrays, content, decoded, inflated
from report.made_flow import MadeFlow, made_flow


@pytest.fixture
def flow(tmp_path: Path) -> MadeFlow:
    return made_flow(tmp_path)


def test_the_page_has_first_screen_tables_figures_and_files(flow: MadeFlow) -> None:
    figures, config = flow.directory / "figures", ReportConfig(formats=("png",), dpi=50)
    figures.mkdir()
    streamflow.draw(flow, config, figures)
    page = study_page.page(flow, None, config, figures)
    assert len(page.encode()) < study_page.MOST_BYTES
    assert page.count("<img") == 2, "of the first screen, and flow-duration curves; the others are explored"
    assert [int(n) for n in re.findall(r"<b>Figure (\d+)\.</b>", page)] == [1, 2, 3, 4, 5]
    assert "trained (9 of 9)" in page
    assert "unseen (3 of 3)" in page
    assert {"scores/streamflow.csv", "scores/discharge.nc", "study.yaml"} <= set(re.findall(r'href="\./(.*?)"', page))
    assert "m3 s-1" not in page


def test_pictures_that_do_not_fit_stay_beside_the_page(flow: MadeFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    figures, config = flow.directory / "figures", ReportConfig(formats=("png",), dpi=50)
    figures.mkdir()
    streamflow.draw(flow, config, figures)
    monkeypatch.setattr(streamflow, "_PICTURE_BYTES", 10)
    page = study_page.page(flow, None, config, figures)
    assert page.count("<img") == 1, "the one of the first screen"
    assert page.count('href="./figures/') == len(streamflow.CAPTIONS)


def test_gauges_are_explored_with_flow_rain_scores_and_parameters(flow: MadeFlow) -> None:
    """What the script reads is what the results hold, to half a percent of flow."""
    held = content(study_page.page(flow, None, ReportConfig(), flow.directory), PREFIX)
    methods, hydrographs = [method["name"] for method in held["methods"]], held["hydrographs"]
    assert methods == ["default VIC", "FFN_A", "SCE-UA", "seasonal flow"], "those that matter most first"
    assert hydrographs["methods"] == methods[:3]
    assert held["cells"]["id"] == [f"{i:02d}" for i in range(12)]
    found = arrays(held)
    np.testing.assert_allclose(found["kge/test"][1], 0.5 + 0.01 * np.arange(12), atol=0.006)
    np.testing.assert_allclose(found["infilt/value"][1], flow.theta_fields()["FFN_A"][0][:, 0], rtol=1e-3)
    assert np.isnan(found["infilt/value"][0]).all(), "a-priori θ is not among these results"
    assert flow.discharge is not None
    for gauge in (0, 7):
        data = inflated(hydrographs["blocks"][gauge])
        rain, observed, lines = (decoded(data, hydrographs["specs"][n]) for n in ("rain", "observed", "simulated"))
        flows = flow.discharge.isel(gauge=gauge)
        for shown, true in ((observed, flows["observed"]), (lines[1], flows["simulated"][2])):
            np.testing.assert_allclose(shown, np.maximum(true, LEAST_FLOW), rtol=2.4 * STEP / 2 + 1e-4)
        np.testing.assert_allclose(rain, flow.cube.dataset["prcp"].values[gauge], atol=0.051)


def test_without_basins_there_is_neither_rain_nor_a_parameter(flow: MadeFlow) -> None:
    flow.basins = None
    page = study_page.page(flow, None, ReportConfig(), flow.directory)
    held = content(page, PREFIX)
    assert held["parameters"] == []
    assert "Rain over the basin" not in page
    data = inflated(held["hydrographs"]["blocks"][0])
    assert np.isnan(decoded(data, held["hydrographs"]["specs"]["rain"])).all()


def test_shares_of_a_basin_are_by_area_inside_it(flow: MadeFlow) -> None:
    """Gauges and cells of the river's file stand in another order than those of the results."""
    cells = flow.cube.cells[::-1]
    river = xr.Dataset(
        {
            "area": ("cell", np.full(12, 50.0) + 50.0 * (np.arange(12) == 0)),
            "pair_gauge": ("pair", [0, 1, 1]),
            "pair_cell": ("pair", cells[[3, 0, 1]]),
            "fraction": ("pair", [1.0, 0.5, 1.0]),
        },
        {"cell": cells, "gauge": ["05", "02"]},
    )
    (flow.directory / "streamflow").mkdir()
    river.to_netcdf(flow.directory / "streamflow" / "network.nc")
    del flow.basins
    shares = flow.basins
    assert shares is not None
    assert shares[5].tolist() == [float(cell == 8) for cell in range(12)]
    np.testing.assert_allclose(shares[2, [11, 10]], 0.5, err_msg="half of a cell twice as large, and a whole one")
    assert shares[[0, 1, 3, 4]].sum() == 0


def test_gauges_beyond_the_limit_are_left_out_and_counted(flow: MadeFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = study_page.page(flow, None, ReportConfig(), flow.directory)
    blocks = sum(map(len, content(whole, PREFIX)["hydrographs"]["blocks"]))
    monkeypatch.setattr(study_page, "MOST_BYTES", len(whole.encode()) - blocks // 2 + study_page._SPARE)
    page = study_page.page(flow, None, ReportConfig(), flow.directory)
    held = content(page, PREFIX)["hydrographs"]
    assert 4 <= len(held["blocks"]) < 8
    assert held["note"].startswith(f"{len(held['blocks'])} of 12 gauges")
    assert len(page.encode()) <= study_page.MOST_BYTES


def test_three_sentences_say_what_leads_and_by_how_much(flow: MadeFlow) -> None:
    assert leading(flow) == "FFN_A", "a learner before any search"
    learned, good, rest = flow_sentences(flow, "FFN_A")
    assert "2 parameters of the process model (infilt, ds) were learned from daily flow at 9 gauges" in learned
    assert "at 3 gauges that no method learned from" in learned
    assert "its median KGE is 0.56 at trained gauges and 0.54 at unseen gauges: 0.30 higher" in good
    assert "0.10 lower [−0.10 to −0.10] at trained gauges" in rest
    assert "than SCE-UA, the search by the training period" in rest
    assert "0.40 higher" in rest


def test_the_interval_of_a_median_holds_it_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(2), 0
    for _ in range(2000):
        _, low, high = median_interval(random.lognormal(size=31))
        held += low <= 1.0 <= high
    assert 0.94 < held / 2000 < 0.985
    assert np.isnan(median_interval(np.arange(5.0))[1]), "too few"
    assert np.isnan(median_interval(np.array([]))[0])
