"""The report in a browser: what it draws, how it is used by pointer and keyboard, on a telephone and on paper.

Structure is compared, not pixels. ``make test-long`` installs Chromium and axe-core where it may; elsewhere these tests
are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paraformer.pipeline.report_page import compared
from paraformer.report import study_page
from paraformer.report.config import ReportConfig
from paraformer.report.figures import save_figure, score_cdfs
from paraformer.report.page import Section, write_page
from paraformer.report.tables import score_table
from report.browser import Browser, require_browser
from report.made_flow import made_flow
from report.made_run import HOSTILE, METHODS, SPACE, Made, made_run
from report.results import cell_scores, summary

pytestmark = pytest.mark.long
WIDE, TELEPHONE = 1400, 420
A4 = 711
"""Pixels between the margins of a page of paper."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    made = made_run(tmp_path_factory.mktemp("made"))
    (made.directory / "figures").mkdir()
    page = study_page.page(made, compared(made), ReportConfig(operator="cell_moments"), made.directory / "figures")
    (made.directory / "report.html").write_text(page)
    return made


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    require_browser()
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture
def report(browser: Browser, made: Made) -> Browser:
    browser.open(made.directory / "report.html", WIDE)
    return browser


def plain_page(folder: Path) -> Path:
    """A page as ``describe --html`` and ``paper`` write it."""
    png = save_figure(score_cdfs(cell_scores()), folder / "cdf", ReportConfig(formats=("png",), dpi=50))[0]
    sections = [
        Section("Scores", "Text", [("Table", score_table(summary()))], [("CDFs", png)]),
        Section("More", tables=[("long", score_table(summary()).sample(90, replace=True, random_state=0))]),
    ]
    write_page(folder / "page.html", "Cube", "lead", sections, {"seed": 3})
    return folder / "page.html"


@pytest.fixture(scope="module")
def flow_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a study of streamflow alone."""
    flow = made_flow(tmp_path_factory.mktemp("flow"))
    (flow.directory / "report.html").write_text(study_page.page(flow, None, ReportConfig(), flow.directory))
    return flow.directory / "report.html"


@pytest.mark.parametrize("width", [WIDE, TELEPHONE])
@pytest.mark.parametrize("kind", ["report", "flow", "page"])
def test_axe_finds_nothing_and_nothing_is_asked_for(
    browser: Browser, made: Made, flow_report: Path, tmp_path: Path, width: int, kind: str
) -> None:
    pages = {"report": made.directory / "report.html", "flow": flow_report}
    browser.open(pages[kind] if kind in pages else plain_page(tmp_path), width)
    browser.value("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    if kind == "report":
        browser.value("document.getElementById('score-fold').click()")
    found = [(one["impact"], one["id"], [node["html"] for node in one["nodes"]]) for one in browser.violations()]
    assert found == []
    assert browser.asked_for() == []
    assert browser.value("document.documentElement.scrollWidth") <= width, "nothing sticks out"
    assert browser.value("typeof window.caught") == "undefined", "no name was run"
    assert [e for e in browser.events if e.get("method") == "Runtime.exceptionThrown"] == []


def test_axe_would_find_a_fault(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<html><body><img src='data:,'><p style='color:#ccc'>pale</p></body></html>")
    browser.open(path, WIDE)
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {one["id"] for one in browser.violations()}


def subpaths(browser: Browser, selector: str) -> int:
    """Separate pieces of all paths that a selector finds."""
    return int(
        browser.value(f"[...document.querySelectorAll('{selector}')].map((p) => p.getAttribute('d')).join('')").count(
            "M"
        )
    )


def choose(browser: Browser, control: str, value: str) -> None:
    browser.value(
        f"(() => {{ const one = document.getElementById('{control}'); one.value = {value!r}; "
        "for (const kind of ['input', 'change']) one.dispatchEvent(new Event(kind, {bubbles: true})); "
        "return new Promise((done) => setTimeout(() => done(true), 60)); })()"
    )


def text(browser: Browser, selector: str) -> str:
    return str(browser.value(f"document.querySelector('{selector}').textContent"))


def column(browser: Browser, number: int) -> list[str]:
    """Text of a column of the rows of scores that are shown, folded ones left out."""
    return list(
        browser.value(
            "[...document.getElementById('scores').tBodies[0].rows].filter((row) => !row.hidden)"
            f".map((row) => row.cells[{number}].textContent)"
        )
    )


def test_map_and_hydrograph_draw_every_cell_and_line(report: Browser, made: Made) -> None:
    assert subpaths(report, "#map .cells") == 36
    assert subpaths(report, "#map .unseen") == 9
    assert report.value("document.querySelectorAll('#map .state').length") == 1, "lines of the states"
    assert report.value("document.querySelectorAll('#hydrograph .line').length") == 4
    assert report.value("document.querySelectorAll('#hydrograph .train, #hydrograph .test').length") == 2
    cell = int(report.value("document.getElementById('cell').value"))
    _, mask = made.cube.observed()
    assert subpaths(report, "#hydrograph .observed") == mask[cell].sum()
    assert subpaths(report, "#hydrograph .rain") == (made.cube.dataset["prcp"].values[cell] >= 0.05).sum()
    drawn = report.value("document.querySelectorAll('#effect circle').length")
    assert drawn == 2 * (len([m for m in METHODS if m.kind != "reference"]) - 1), "trained and unseen"


def test_what_is_read_on_the_page_is_in_the_results(report: Browser, made: Made) -> None:
    """The browser decodes θ and scores as they are."""
    fields = made.theta_fields()
    options = report.value("[...document.getElementById('method').options].map((one) => one.text)")
    for cell in (0, 17, 35):
        choose(report, "cell", str(cell))
        for name in ("SCE-UA", HOSTILE):
            choose(report, "method", str(options.index(name)))
            for i, p in enumerate(SPACE):
                choose(report, "variable", f"value/{p.name}")
                value = float(re.search(rf": {p.name} ([\d.]+)", text(report, "#map-readout"))[1])
                assert value == pytest.approx(fields[name][0][cell, i], rel=6e-3)
            choose(report, "variable", "score/rmse")
            value = float(re.search(r": RMSE ([\d.]+)", text(report, "#map-readout"))[1])
            assert value == pytest.approx(made.score_fields("rmse", "cell_moments")[name][cell], abs=1e-4)
    choose(report, "cell", "0")
    choose(report, "variable", "score/nse")
    assert "below −50.00" in text(report, "#map-readout")


def test_the_map_answers_to_the_keyboard(report: Browser) -> None:
    choose(report, "cell", "10")
    report.value("document.getElementById('map').focus()")
    steps = {"ArrowRight": 11, "ArrowUp": 20, "ArrowLeft": 19, "ArrowDown": 10}
    for key, cell in steps.items():
        report.press(key)
        assert report.value("document.getElementById('cell').value") == str(cell)
    assert text(report, "#cell-title").startswith("Cell 110, 37°N")
    before = report.value("document.querySelector('#map .cells').getBBox().width")
    report.press("+")
    assert report.value("document.querySelector('#map .cells').getBBox().width") > before


def test_a_click_on_the_map_chooses_the_nearest_cell(report: Browser) -> None:
    choose(report, "cell", "0")
    point = report.value(
        "(() => { document.getElementById('map').scrollIntoView(); const svg = document.querySelector('#map svg');"
        " const box = svg.getBoundingClientRect();"
        " return [box.left + 0.5 * box.width, box.top + 0.5 * box.height]; })()"
    )
    for kind in ("mousePressed", "mouseReleased"):
        report.send("Input.dispatchMouseEvent", type=kind, x=point[0], y=point[1], button="left", clickCount=1)
    chosen = int(report.value("document.getElementById('cell').value"))
    assert chosen in (12, 13, 14, 21, 22, 23)


def test_the_hydrograph_is_enlarged_and_moved(report: Browser) -> None:
    report.value("document.getElementById('hydrograph').focus()")
    assert text(report, "#day-readout") == "2015-04-01 to 2016-05-04"
    for key, shown in (
        ("+", "2015-07-10 to 2016-01-25"),
        ("ArrowRight", "2015-09-15 to 2016-04-01"),
        ("Home", "2015-04-01 to 2016-05-04"),
    ):
        report.press(key)
        assert text(report, "#day-readout") == shown
    report.value("document.querySelector('[data-days=test]').click()")
    assert text(report, "#day-readout") == "2015-10-18 to 2016-05-04"


def test_five_lines_at_most(report: Browser) -> None:
    boxes = "[...document.querySelectorAll('#lines input')]"
    report.value(f"{boxes}.find((box) => !box.checked).click()")
    assert report.value(f"{boxes}.filter((box) => box.checked).length") == 5
    assert report.value(f"{boxes}.filter((box) => !box.checked).every((box) => box.disabled)")
    report.value(f"{boxes}.find((box) => box.checked).click()")
    assert not report.value(f"{boxes}.some((box) => box.disabled)")
    assert report.value("document.querySelectorAll('#distribution .chosen').length") == 4


def test_not_identified_cells_are_hatched_and_said(report: Browser, made: Made) -> None:
    options = report.value("[...document.getElementById('method').options].map((one) => one.text)")
    choose(report, "method", str(options.index("FFN_A")))
    choose(report, "variable", "value/expt")
    gain, k = made.made_posterior["gain"].values[:, SPACE.names.index("expt")], made.made_posterior["pareto_k"].values
    assert subpaths(report, "#map .hatched") == int((~((gain >= 0.5) & (k <= 0.7))).sum())
    assert "less than half" in text(report, "#map-legend")
    report.value("document.getElementById('shade').click()")
    assert subpaths(report, "#map .hatched") == 0
    choose(report, "method", str(options.index(HOSTILE)))
    assert "not known" in text(report, "#map-legend")


def test_the_table_is_sorted_filtered_folded_and_linked(report: Browser) -> None:
    head = "document.querySelectorAll('#scores thead button')[2]"
    report.value(f"{head}.click()")
    up = [float(value.partition("±")[0]) for value in column(report, 2)]
    assert up == sorted(up)
    report.value(f"{head}.click()")
    assert report.value(f"{head}.parentElement.getAttribute('aria-sort')") == "descending"
    assert [float(value.partition("±")[0]) for value in column(report, 2)] == up[::-1]
    choose(report, "score-cells", "unseen")
    assert all(value.startswith("unseen") for value in column(report, 1))
    choose(report, "score-filter", "sce")
    assert len(column(report, 0)) == 2, "SCE-UA and its θ carried to neighbours"
    choose(report, "score-period", "train")
    assert len(column(report, 0)) == 2
    choose(report, "score-filter", "")
    assert report.value("document.getElementById('score-references').hidden")
    report.value("document.getElementById('score-fold').click()")
    assert not report.value("document.getElementById('score-references').hidden")
    report.value("[...document.querySelectorAll('#scores button.name')].find((b) => b.textContent === 'FFN_A').click()")
    assert report.value("document.getElementById('method').selectedOptions[0].text") == "FFN_A"
    assert report.value("document.querySelectorAll('#scores tr.chosen').length") == 8


def test_every_control_is_reached_by_the_keyboard_and_named(report: Browser) -> None:
    seen = set()
    report.value("document.body.focus()")
    for _ in range(400):
        report.send("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        report.send("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        identity = report.value("document.activeElement.id || document.activeElement.textContent.slice(0, 30)")
        seen.add(identity)
        if report.value("document.activeElement === document.body") and len(seen) > 20:
            break
    assert {"method", "variable", "cell", "shade", "map", "hydrograph", "score-period", "score-filter"} <= seen


@pytest.mark.parametrize("width", [WIDE, TELEPHONE])
@pytest.mark.parametrize("kind", ["report", "flow", "page"])
def test_on_paper_nothing_is_cut(
    browser: Browser, made: Made, flow_report: Path, tmp_path: Path, width: int, kind: str
) -> None:
    pages = {"report": made.directory / "report.html", "flow": flow_report}
    browser.open(pages[kind] if kind in pages else plain_page(tmp_path), width)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", browser.printed())) <= 8
    browser.send("Emulation.setEmulatedMedia", media="print")
    browser.send("Emulation.setDeviceMetricsOverride", width=A4, height=1000, deviceScaleFactor=1, mobile=False)
    try:
        out = browser.value(
            "[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > "
            f"{A4} + 1 && one.getClientRects().length && !one.closest('svg')).map((one) => one.outerHTML.slice(0, 120))"
        )
        hidden = browser.value(
            "[...document.querySelectorAll('.scroll')]"
            ".filter((one) => getComputedStyle(one).overflowX !== 'visible').length"
        )
    finally:
        browser.send("Emulation.setEmulatedMedia", media="")
    assert out == []
    assert hidden == 0


def test_drawings_are_made_anew_for_paper(browser: Browser, made: Made) -> None:
    """Printed from a telephone they would else be enlarged, letters and all."""
    browser.open(made.directory / "report.html", TELEPHONE)
    widths = (
        "['effect', 'map', 'hydrograph'].map((id) => document.querySelector(`#${id} svg`).viewBox.baseVal.width - "
        "document.getElementById(id).dataset.paper)"
    )
    browser.value("window.dispatchEvent(new Event('beforeprint'))")
    assert browser.value(widths) == [0, 0, 0]
    browser.value("window.dispatchEvent(new Event('afterprint'))")
    assert browser.value(widths) != [0, 0, 0]


def test_gauges_are_explored_as_cells_are(browser: Browser, flow_report: Path) -> None:
    browser.open(flow_report, WIDE)
    assert subpaths(browser, "#gauge-map .cells") == 12
    assert subpaths(browser, "#gauge-map .unseen") == 3
    assert browser.value("document.querySelectorAll('#gauge-hydrograph .line').length") == 3
    assert browser.value("document.querySelectorAll('#gauge-hydrograph .rain').length") == 1
    assert browser.value("document.querySelectorAll('#gauge-hydrograph .test').length") == 1
    choose(browser, "gauge-cell", "7")
    assert text(browser, "#gauge-cell-title") == "Gauge 07, 47°N 97°W, 100 km², trained"
    assert ": KGE 0.57 (FFN_A)" in text(browser, "#gauge-map-readout")
    browser.value("document.getElementById('gauge-hydrograph').focus()")
    browser.press("Home")
    assert text(browser, "#gauge-day-readout") == "2015-04-01 to 2016-05-04"
    browser.press("+")
    assert text(browser, "#gauge-day-readout") == "2015-07-10 to 2016-01-25"
    choose(browser, "gauge-variable", "value/infilt")
    assert "infilt" in text(browser, "#gauge-map-caption")


def test_a_browser_that_cannot_inflate_says_so(browser: Browser, made: Made) -> None:
    page = (made.directory / "report.html").read_text()
    path = made.directory / "old.html"
    path.write_text(page.replace('"use strict";', '"use strict"; delete window.DecompressionStream;', 1))
    with pytest.raises(RuntimeError, match="they need a browser of 2023 or later"):
        browser.open(path, WIDE)


def test_drawings_follow_the_width(browser: Browser, made: Made) -> None:
    """So that letters keep their size on a telephone."""

    def widths() -> dict[str, Any]:
        return dict(
            browser.value(
                "Object.fromEntries(['effect', 'map', 'hydrograph'].map((id) => [id, "
                "document.querySelector(`#${id} svg`).getBoundingClientRect().width / "
                "document.querySelector(`#${id} svg`).viewBox.baseVal.width]))"
            )
        )

    for width in (WIDE, TELEPHONE):
        browser.open(made.directory / "report.html", width)
        np.testing.assert_allclose(list(widths().values()), 1.0, atol=0.05)
