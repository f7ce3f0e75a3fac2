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
from paraformer.report.units import typeset, typeset_text
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
        Section("Maps", files=[("all <maps>", "figures/a b?.png"), ("none", "javascript:alert(1)")]),
    ]
    write_page(tmp_path / "report.html", "Study <x>", "lead", sections, {"seed": 3, "git": "<unknown>"})
    text = (tmp_path / "report.html").read_text()
    page = Structure()
    page.feed(text)
    assert page.open == []
    assert all(link.startswith(("#", "./", "data:image/png;base64,")) for link in page.links)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert not re.search(r"https?://|@import|url\(|<script|<link", text)
    assert "Study &lt;x&gt;" in text
    assert {"./figures/a%20b%3F.png", "./javascript%3Aalert%281%29"} <= set(page.links), "paths beside the page alone"
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


@pytest.mark.parametrize(("rows", "folded"), [(40, 0), (41, 1)])
def test_a_long_table_is_folded(rows: int, folded: int) -> None:
    table = pd.DataFrame({"method": ["a"] * rows, "RMSE": ["0.1"] * rows})
    text = render_page("t", "l", [Section("S", tables=[("every operator", table)])], {})
    assert text.count("<details>") == text.count("</details>") == folded
    assert text.count("<td") == 2 * rows
    assert '<th scope="col" class="number">RMSE</th>' in text


def test_a_wide_table_goes_on_below_with_its_first_column() -> None:
    """So that none is cut on paper."""
    table = pd.DataFrame({"method": ["a"], **{f"c{i}": [f"0.{i:02d}"] for i in range(30)}})
    text = render_page("t", "l", [Section("S", tables=[("scores", table)])], {})
    heads = [re.findall(r"<th [^>]*>(.*?)</th>", part) for part in re.findall(r"<thead>(.*?)</thead>", text)]
    assert all(head[0] == "method" and len(head) <= 16 for head in heads)
    assert [name for head in heads for name in head[1:]] == list(table.columns[1:])
    assert re.findall(r"<b>(Table \d\.)</b> (scores[a-z, ]*)<", text) == [
        ("Table 1.", "scores"),
        ("Table 2.", "scores, continued"),
    ]


def test_a_wide_table_is_cut_between_products() -> None:
    """Longer words leave room for fewer columns; those of a product stay together."""
    told = {f"{product} {score}": ["0.903 ± 0.054"] for product in ("MOD16", "FLUXCOM", "ERA5") for score in "abcdef"}
    table = pd.DataFrame({"method": ["a"], "mean": ["1"], **told, "W" * 200: ["1"]})
    text = render_page("t", "l", [Section("S", tables=[("scores", table)])], {})
    heads = [re.findall(r"<th [^>]*>(.*?)</th>", part) for part in re.findall(r"<thead>(.*?)</thead>", text)]
    assert [len(head) for head in heads] == [8, 7, 7, 2]
    assert {name.split()[0] for name in heads[0][1:]} == {"mean", "MOD16"}
    assert {name.split()[0] for name in heads[1][1:]} == {"FLUXCOM"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RMSE 0.04 m3 m-3, gap", "RMSE 0.04 m³ m⁻³, gap"),
        ("780 mm year-1 and 3 mm day-1.", "780 mm year⁻¹ and 3 mm day⁻¹."),
        ("W m-2", "W m⁻²"),
        ("kg m-2 s-1", "kg m⁻² s⁻¹"),
        (
            "S8NG of 2015-04-01, LSTM_Z-3, methods m3, s-1 and K2",
            "S8NG of 2015-04-01, LSTM_Z-3, methods m3, s-1 and K2",
        ),
        ("cell 12 of 30 days", "cell 12 of 30 days"),
        ("KGE -0.41, [-1 to -.5], 2-3, p-1", "KGE −0.41, [−1 to −.5], 2-3, p-1"),
    ],
)
def test_units_inside_a_text_are_raised(text: str, shown: str) -> None:
    assert typeset_text(text) == shown


@pytest.mark.parametrize(
    ("unit", "shown"), [("1", "–"), ("", "–"), ("mm day-1", "mm day⁻¹"), ("m3 m-3", "m³ m⁻³"), ("degC", "degC")]
)
def test_a_unit_in_brackets(unit: str, shown: str) -> None:
    assert typeset(unit) == shown
