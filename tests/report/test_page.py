"""The page: one file, no external resource, everything escaped, figures embedded bit for bit."""

import base64
import re
from html.parser import HTMLParser

import pandas as pd
import pytest

from paraformer.core.errors import DataError
from paraformer.report.config import ReportConfig
from paraformer.report.figures import save_figure, score_cdfs
from paraformer.report.page import Section, render_page, write_page
from paraformer.report.tables import score_table
from report.results import cell_scores, summary

VOID = {"meta", "img"}


class Structure(HTMLParser):
    """Checks that tags nest, and collects attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href"):
                self.links.append(value)
            if name == "id":
                self.ids.append(value)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_self_contained(tmp_path):
    png = save_figure(score_cdfs(cell_scores()), tmp_path / "cdf", ReportConfig(formats=("png",), dpi=50))[0]
    sections = [
        Section("Scores <1>", "Text & more", [("Table", score_table(summary()))], [("CDFs", png)]),
        Section("Maps"),
    ]
    write_page(tmp_path / "report.html", "Study <x>", "lead", sections, {"seed": 3, "git": "<unknown>"})
    text = (tmp_path / "report.html").read_text()
    page = Structure()
    page.feed(text)
    assert page.open == []
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not re.search(r"https?://|@import|url\(|<script|<link", text)
    assert "Study &lt;x&gt;" in text
    assert "&lt;unknown&gt;" in text
    assert "Scores &lt;1&gt;" in text
    image = next(link for link in page.links if link.startswith("data:"))
    assert base64.b64decode(image.split(",")[1]) == png.read_bytes()


def test_a_missing_or_broken_figure_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: cannot read the figure"):
        render_page("t", "l", [Section("s", figures=[("f", tmp_path / "gone.png")])], {})
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"bad\.png: not a PNG file"):
        render_page("t", "l", [Section("s", figures=[("f", tmp_path / "bad.png")])], {})


@pytest.mark.parametrize(("rows", "folded"), [(60, 0), (61, 1)])
def test_a_long_table_is_folded(rows: int, folded: int) -> None:
    table = pd.DataFrame({"method": ["a"] * rows, "RMSE": ["0.1"] * rows})
    text = render_page("t", "l", [Section("S", tables=[("every operator", table)])], {})
    assert text.count("<details>") == text.count("</details>") == folded
    assert text.count("<td") == 2 * rows
    assert '<th class="number">RMSE</th>' in text
