"""The explorable report: it holds what the results say, in one file of limited size, and no name becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from paraformer.core.results import TRUSTED_K
from paraformer.numerics.observe import Line, observe
from paraformer.pipeline.report_page import compared
from paraformer.report import explorer, study_page
from paraformer.report.colours import look
from paraformer.report.config import ReportConfig
from paraformer.report.hydrographs import hydrographs
from paraformer.report.rivals import Compared, interval_note, pairs, rivals, sentences
from report.embedded import arrays, content, decoded, inflated
from report.made_run import HOSTILE, LEVEL, METHODS, SPACE, Made, made_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made_run(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def comparison(made: Made) -> Compared:
    return compared(made)


@pytest.fixture(scope="module")
def page(made: Made, comparison: Compared) -> str:
    (made.directory / "figures").mkdir(exist_ok=True)
    (made.directory / "figures" / "map-infilt.png").write_bytes(b"")
    return study_page.page(made, comparison, ReportConfig(operator="cell_moments"), made.directory / "figures")


class Markup(HTMLParser):
    """Checks that tags nest, and collects elements and what is told inside them."""

    VOID = ("meta", "img", "input", "br")

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


@pytest.fixture(scope="module")
def markup(page: str) -> Markup:
    found = Markup()
    found.feed(page)
    return found


def test_the_page_is_one_well_formed_file_that_asks_for_nothing(page: str, markup: Markup) -> None:
    assert markup.stack == []
    assert len(page.encode()) <= study_page.MOST_BYTES
    assert not re.search(r"(https?:)?//[a-z0-9-]+\.[a-z]|@import|url\((?!#)", re.sub(r"[A-Za-z0-9+/=]{200,}", "", page))
    ids = [attrs["id"] for _, attrs in markup.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in markup.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base")
        assert "src" not in attrs or (attrs["src"] or "").startswith("data:"), attrs
        link = attrs.get("href")
        assert link is None or link.startswith("./") or link.removeprefix("#") in ids
        for name in ("aria-labelledby", "aria-describedby", "aria-controls"):
            assert all(part in ids for part in (attrs.get(name) or "").split())


def test_no_name_becomes_markup(page: str, markup: Markup) -> None:
    """The hostile name and note stand in tables, selectors, data and links, as text alone."""
    assert HOSTILE not in page
    assert sum(tag == "script" for tag, _ in markup.tags) == 2
    assert not any(tag == "img" or "onerror" in attrs for tag, attrs in markup.tags)
    assert HOSTILE in [attrs.get("data-method") for _, attrs in markup.tags], "it is there"
    assert HOSTILE in [method["name"] for method in content(page)["methods"]]
    assert "<b>" not in re.sub(r"<b>(Figure|Table) \d+\.</b>", "", page), "nor does the study's name"


def test_the_script_writes_text_alone() -> None:
    code = "".join(study_page.asset(name) for name in study_page.SCRIPTS)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|Function\(|fetch\(|import\(", code
    )


def test_embedded_numbers_are_those_of_the_results(made: Made, page: str) -> None:
    held = content(page)
    names, found = [method["name"] for method in held["methods"]], arrays(held)
    assert set(names) == {m.name for m in METHODS}
    assert names[0] == "default VIC"
    assert held["cells"]["id"] == [str(i) for i in made.cube.cells]
    np.testing.assert_allclose(found["lat"], made.cube.lat, atol=1e-4)
    np.testing.assert_allclose(found["height"], 1.0, atol=1e-4)
    for metric in held["metrics"]:
        for period in ("test", "train"):
            fields = made.score_fields(metric["name"], "cell_moments", period)
            expected = np.stack([fields[name] for name in names])
            if metric["name"] in ("nse", "kge"):
                expected = np.maximum(expected, explorer.LEAST)
            step = 0.5 * 10.0 ** -metric["decimals"]
            np.testing.assert_allclose(found[f"{metric['name']}/{period}"], expected, atol=step)
    fields = made.theta_fields()
    for i, p in enumerate(SPACE):
        value = found[f"{p.name}/value"]
        for at, name in enumerate(names):
            expected = (
                made.prior[:, i] if name == "default VIC" else fields[name][0][:, i] if name in fields else np.nan
            )
            np.testing.assert_allclose(value[at], expected, rtol=2e-3)
        np.testing.assert_allclose(found[f"{p.name}/prior"], made.prior[:, i], rtol=2e-3)


def test_intervals_are_of_the_posterior_else_of_the_seeds(made: Made, page: str) -> None:
    held = content(page)
    names, found = [method["name"] for method in held["methods"]], arrays(held)
    told = {method["name"]: method["interval"] for method in held["methods"]}
    assert told["FFN_A"] == f"{100 * LEVEL:g} % interval of the posterior"
    assert told["SCE-UA"] == "range of 2 seeds"
    assert told[HOSTILE] == told["default VIC"] == ""
    posterior, seeds = made.made_posterior, made.theta_fields()["SCE-UA"]
    trusted = posterior["pareto_k"].values <= TRUSTED_K
    for i, p in enumerate(SPACE):
        low, high, spread, unknown = (found[f"{p.name}/{part}"] for part in ("low", "high", "spread", "unknown"))
        own, search = names.index("FFN_A"), names.index("SCE-UA")
        np.testing.assert_allclose(low[own], posterior["theta_lower"].values[:, i], rtol=2e-3)
        np.testing.assert_allclose(high[search], seeds[..., i].max(axis=0), rtol=2e-3)
        np.testing.assert_array_equal(np.isnan(spread[own]), ~trusted)
        np.testing.assert_array_equal(unknown[own] == 0, trusted & (posterior["gain"].values[:, i] >= 0.5))
        wide = SPACE.to_unit(seeds).std(axis=0, ddof=1)[:, i] > explorer.SPREAD
        np.testing.assert_array_equal(unknown[search] == 1, wide)
        assert np.isnan(low[names.index(HOSTILE)]).all()


def test_hydrographs_are_the_observed_and_simulated_series(made: Made, page: str) -> None:
    held = content(page)["hydrographs"]
    assert sorted(held["cells"]) == list(range(36)), "all of them fit"
    assert set(held["methods"]) == {m.name for m in METHODS if m.kind != "reference"}
    values, mask = made.cube.observed()
    lines = made.cell_scores
    for cell, block in zip(held["cells"], held["blocks"], strict=True):
        data = inflated(block)
        found = {name: decoded(data, spec) for name, spec in held["specs"].items()}
        np.testing.assert_array_equal(np.isfinite(found["observed"]), mask[cell])
        np.testing.assert_allclose(found["observed"][mask[cell]], values[cell][mask[cell]], atol=6e-4)
        np.testing.assert_allclose(found["rain"], made.cube.dataset["prcp"].values[cell], atol=0.051)
        for row, name in enumerate(held["methods"]):
            first = int(np.flatnonzero(made.series["method"].values == name)[0])
            at = int(np.flatnonzero(lines["method"].values == name)[0])
            line = Line(*(lines[part].values[at, 1, cell] for part in ("gain", "offset")))
            expected = observe(made.series["soil_moisture"].values[first, cell].astype(float), line)
            np.testing.assert_allclose(found["simulated"][row], expected, atol=6e-4)


def test_hydrographs_that_do_not_fit_are_chosen_evenly_and_said(made: Made, comparison: Compared) -> None:
    shown = explorer.Explorer(made, comparison)
    blocks = sum(map(len, hydrographs(made, shown, (), 10_000_000)["blocks"]))
    held = hydrographs(made, shown, (), int(0.93 * blocks))
    assert len(held["methods"]) == 5
    assert len(held["cells"]) == 36
    assert "without " in held["note"]
    held = hydrographs(made, shown, (105, 113), blocks // 4)
    assert sum(map(len, held["blocks"])) <= blocks // 4
    assert held["cells"][:2] == [5, 13], "the sites of the study before all"
    assert held["first"] == 5
    assert 2 < len(held["cells"]) < 36
    assert f"{len(held['cells'])} of 36 cells have a hydrograph" in held["note"]
    errors = made.score_fields("rmse", "cell_moments")[made.recommended.method]
    ranks = sorted(np.argsort(np.argsort(errors))[held["cells"][2:]])
    assert max(np.diff([0, *ranks, 35])) <= 35 / len(ranks) + 7, "from the best to the worst"


def test_the_whole_page_keeps_to_the_limit(
    made: Made, comparison: Compared, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_page, "MOST_BYTES", len(page.encode()) - 20_000)
    text = study_page.page(made, comparison, ReportConfig(operator="cell_moments"), made.directory / "figures")
    assert len(page.encode()) - 60_000 < len(text.encode()) <= study_page.MOST_BYTES


def test_a_run_of_many_cells_stays_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "MOST_CELLS", 300)
    monkeypatch.setattr(explorer, "_FIELD_BYTES", 20_000)
    made = made_run(tmp_path, rows=20, columns=30, days=100)
    text = study_page.page(made, compared(made), ReportConfig(operator="cell_moments"), tmp_path)
    held = content(text)
    assert len(held["cells"]["id"]) == 300
    assert held["cells"]["id"][0] == "100"
    assert held["cells"]["id"][-1] == "699", "evenly over all"
    assert held["left_out"]
    assert [m["name"] for m in held["methods"]] == explorer.ranking(made)[: len(held["methods"])]
    assert HOSTILE not in text


def test_a_method_has_the_colour_of_its_name(page: str) -> None:
    for method in content(page)["methods"]:
        assert method["colour"] == look(method["name"]).colour


def test_rivals_are_chosen_in_the_training_period(made: Made) -> None:
    trained = made.summary.query("cells == 'trained' and metric == 'rmse' and operator == 'cell_moments'")
    errors = trained[trained["period"] == "train"].set_index("method")["mean"]
    own = rivals(made)
    assert own.recommended == errors[["FFN_A", HOSTILE]].idxmin(), "a learner before any search"
    assert own.ceiling == "true θ"
    assert own.search == "SCE-UA"
    assert (own.recommended, own.ceiling) in pairs(made)
    made.summary.loc[made.summary["period"] == "test", "mean"] *= -1
    del made.recommended
    assert rivals(made) == own
    made.summary.loc[made.summary["period"] == "test", "mean"] *= -1


def test_three_sentences_say_how_good_the_recommended_theta_is(made: Made, comparison: Compared) -> None:
    told = sentences(made, comparison)
    own = rivals(made)
    assert len(told) == 3
    assert told[0].startswith(
        "7 parameters of VIC (infilt, ds, dsmax, ws, expt, depth_1, ksat) were learned in 27 cells"
    )
    table = comparison.table.set_index(["method", "against", "cells"])
    row = table.loc[(own.recommended, "default VIC", "trained")]
    word = "lower" if row["difference"] < 0 else "higher"
    assert f"{row['value']:.4f} m3 m-3 in trained cells" in told[1]
    interval = f"[{row['low']:+.4f} to {row['high']:+.4f}]".replace("-", "−")
    assert f"{abs(row['difference']):.4f} {word} {interval} in trained cells" in told[1]
    assert "the ceiling" in told[2]


def test_intervals_have_the_widest_tiles_that_every_group_has(comparison: Compared, tmp_path: Path) -> None:
    found = comparison
    assert found.tile == 2.0
    assert np.isfinite(found.table["low"]).all()
    assert "tiles of 2 degrees" in interval_note(found)
    assert "too narrow" in interval_note(found)
    few = made_run(tmp_path, rows=2, columns=2)
    none = compared(few)
    assert none.table["low"].isna().all()
    assert interval_note(none).startswith("No interval is given: one needs cells in 8 tiles of 8 degrees")
    assert "[" not in sentences(few, none)[1]


def test_figures_and_tables_are_numbered_in_their_order(page: str) -> None:
    for kind in ("Figure", "Table"):
        numbers = [int(n) for n in re.findall(rf"<b>{kind} (\d+)\.</b>", page)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 4
    assert page.count('class="caption"') == page.count("<b>Table ")
    assert page.count("<figcaption") == page.count("<b>Figure ")


def test_units_are_written_in_one_way(page: str) -> None:
    prose = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.S)
    assert "m3 m-3" not in prose
    assert "m³ m⁻³" in prose


def test_the_table_of_scores_has_every_row_and_folds_those_without_theta(page: str, markup: Markup) -> None:
    rows = [attrs for tag, attrs in markup.tags if tag == "tr" and "data-method" in attrs]
    assert len(rows) == len(METHODS) * 2 * 2 * 2, "methods, cells, periods, operators"
    shown = [row for row in rows if "hidden" not in row]
    assert {(row["data-period"], row["data-operator"]) for row in shown} == {("test", "cell_moments")}
    folded = re.search(r'<tbody id="score-references" hidden>(.*?)</tbody>', page, re.S)
    assert set(re.findall(r'data-method="(.*?)"', folded[1])) == {"climatology", "direct LSTM"}
    assert "<small>seasonal course</small>" in folded[1], "what it is stands beside its name"


def test_files_to_take_are_named_relative_to_the_page(page: str, made: Made) -> None:
    links = re.findall(r'<a href="\./(.*?)">', page)
    assert {"tables/table2.csv", "scores/cells.nc", "study.yaml", "figures/map-infilt.png"} <= set(links)
    assert not any(str(made.directory) in link for link in links)


def test_a_run_without_a_scored_method_says_so(tmp_path: Path) -> None:
    made = made_run(tmp_path)
    made.methods = tuple(m for m in METHODS if m.kind in ("default", "reference"))
    made.made_theta = {}
    names = made.names()
    made.summary = made.summary[made.summary["method"].isin(names)]
    made.cell_scores = made.cell_scores.isel(row=np.isin(made.cell_scores["method"].values, names))
    text = study_page.page(made, compared(made), ReportConfig(operator="cell_moments"), tmp_path)
    assert "Recommended: none; no search or learner could be scored" in text
    assert content(text)["recommended"] is None


def test_coverage_is_told_in_words_and_decimals() -> None:
    covered = pd.DataFrame(
        {"method": ["m", "m"], "of": ["expt", "observed soil moisture"], "cells": "trained", "laplace": [1.0, np.nan]}
        | {"importance": [0.98765, 0.9], "n": [9, 1085], "crps": [np.nan, 0.024451], "error": [np.nan, 0.0384]}
    )
    told = study_page.coverage_table(covered)
    assert told.drop(columns=["method", "of", "cells"]).to_dict("list") == {
        "linear": ["1.00", "–"],
        "weighted draws": ["0.99", "0.90"],
        "values": [9, 1085],
        "CRPS": ["–", "0.0245"],
        "mean absolute error": ["–", "0.0384"],
    }
