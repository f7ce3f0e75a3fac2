"""The report of a study of streamflow alone: its first screen says what its table says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml

from paraformer.core.method import Method
from paraformer.core.parameters import VIC_PARAMETERS, ParameterSpace
from paraformer.core.results import Results
from paraformer.report import streamflow, study_page
from paraformer.report.config import ReportConfig
from paraformer.report.flow_screen import flow_sentences, leading, median_interval
from report.made_run import _cube

METHODS = (
    Method("default VIC", "default", 1, 1, 0, "a-priori parameters"),
    Method("SCE-UA", "search", 1, 1, 900, "a search at each gauge"),
    Method("FFN_A", "learner", 1, 1, 300, "a network <i>"),
)
SPACE = ParameterSpace([VIC_PARAMETERS[name] for name in ("infilt", "ds")])
KGE = {"default VIC": 0.2, "SCE-UA": 0.6, "FFN_A": 0.5, "seasonal flow": 0.1}
SCORES = ("kge", "r", "alpha", "beta", "nse", "log_nse", "percent_bias", "high_flow", "low_flow", "peak_days", "lag")


class MadeFlow(Results):
    """Results of flow without files but the manifest and the study."""

    moisture = False

    def theta_fields(self) -> dict[str, np.ndarray]:
        return {m.name: SPACE.from_unit(np.full((1, 12, 2), 0.5)) for m in METHODS[1:]}


@pytest.fixture
def flow(tmp_path: Path) -> MadeFlow:
    """12 gauges, every fourth unseen; KGE of a gauge is that of its method and 0.01 more from gauge to gauge."""
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({"name": "rivers", "learner_seeds": 1, "learners": {}}))
    (tmp_path / "manifest.json").write_text('{"seed": 3}')
    made = MadeFlow(tmp_path)
    made.methods, made.space, made.cross_validation, made.recovery = METHODS, SPACE, None, None
    made.cube = _cube(np.random.default_rng(0), 3, 4, 400)
    gauges = [f"{i:02d}" for i in range(12)]
    rows = [
        {"gauge": name, "lat": 40.0 + i, "lon": -90.0 - i, "area_km2": 100.0, "method": method, "seed": -1}
        | {"period": period, "cells": "trained" if i % 4 else "unseen"}
        | dict.fromkeys(SCORES, 0.5)
        | {"kge": kge + 0.01 * i}
        for i, name in enumerate(gauges)
        for method, kge in KGE.items()
        for period in ("train", "test")
    ]
    made.streamflow = pd.DataFrame(rows)
    time = made.cube.time.astype("datetime64[ns]")
    values = np.random.default_rng(1).gamma(1.0, 3.0, (3, 12, len(time))).astype(np.float32)
    made.discharge = xr.Dataset(
        {"simulated": (("row", "gauge", "time"), values), "observed": (("gauge", "time"), values[0])},
        {"method": ("row", [m.name for m in METHODS]), "seed": ("row", [-1, 0, 0])}
        | {"gauge": gauges, "time": time, "area_km2": ("gauge", np.full(12, 100.0))},
    )
    return made


def test_the_page_has_first_screen_tables_figures_and_files(flow: MadeFlow) -> None:
    figures, config = flow.directory / "figures", ReportConfig(formats=("png",), dpi=50)
    figures.mkdir()
    streamflow.draw(flow, config, figures)
    page = study_page.page(flow, None, config, figures)
    assert len(page.encode()) < study_page.MOST_BYTES
    assert page.count("<img") == len(streamflow.CAPTIONS), "each figure once"
    assert [int(n) for n in re.findall(r"<b>Figure (\d+)\.</b>", page)] == [1, 2, 3, 4]
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
