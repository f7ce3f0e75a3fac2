"""The site: navigation, what the code fills in, links; all of it built, tutorials executed, by ``test-long``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import paraformer
from docs import snippets
from paraformer.cli import app
from paraformer.core.variables import VOCABULARY
from surface.test_surface import every_command

DOCS = snippets.ROOT / "docs"
PAGES = [page.relative_to(DOCS).as_posix() for page in snippets.PAGES if page.is_relative_to(DOCS)]


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    """The site's own modules."""
    sys.path.insert(0, str(DOCS))
    try:
        yield importlib.import_module("_site.extension")
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def links(site: Any) -> Any:
    return importlib.import_module("_site.links")


def test_every_page_is_in_the_navigation(site: Any) -> None:
    listed = [page for _, pages in site.sections((DOCS / "README.md").read_text(encoding="utf-8")) for page in pages]
    records = [page for page in PAGES if re.match(r"decisions/\d", page)]
    assert len(listed) == len(set(listed))
    assert {f"{page}.md" for page in listed if not page.startswith("_")} == {*PAGES} - {"README.md", *records}


def test_links_of_pages_of_elsewhere_lead_from_their_copies_to_the_same(site: Any) -> None:
    assert site.from_copy("../CONTRIBUTING.md", "docs/extend/flux.md") == "../extend/flux.md"
    assert site.from_copy("../CONTRIBUTING.md", "CODE_OF_CONDUCT.md") == "CODE_OF_CONDUCT.md"
    assert site.from_copy("../CODE_OF_CONDUCT.md", "SECURITY.md") == "../security.md"
    assert site.from_copy("../src/paraformer/maps/README.md", "../../../docs/apply.md") == "../apply.md"
    assert site.up("extend/flux", "../../CONTRIBUTING.md") == "../_copied/CONTRIBUTING.md"
    assert site.up("apply", "../src/paraformer/maps/README.md") == "_copied/maps.md"


def test_marks_are_filled_by_what_the_code_says(site: Any) -> None:
    marks = {}
    for page in PAGES:
        for mark in re.findall("^<!-- filled by the site: (.+?) -->$", (DOCS / page).read_text("utf-8"), re.MULTILINE):
            marks[mark] = site.FILLED[mark]()
    assert set(marks) == set(site.FILLED)
    for words, _ in every_command(typer.main.get_command(app)):
        assert not words or f"`paraformer {' '.join(words)}`" in marks["command line"]
    for name in paraformer.__all__:
        assert name == "__version__" or re.search(rf"(:: |``paraformer\.){name}\b", marks["python"])
    for name in VOCABULARY:
        assert f"| `{name}` |" in marks["variables"]
    assert "| `spin_up` | [group](#settings-spinup) |" in marks["settings"]
    for text in marks.values():
        for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table[:200]


def test_every_link_of_the_settings_leads_to_a_group(site: Any) -> None:
    text = site.FILLED["settings"]()
    assert set(re.findall(r"\(#([\w-]+)\)", text)) <= set(re.findall(r"^\(([\w-]+)\)=$", text, re.MULTILINE))


def test_a_dead_link_is_seen(links: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "html"
    folder.mkdir()
    (folder / "a.html").write_text('<p id="here"><a href="#here">1</a><a href="b.html#there">2</a><img src="c.png">')
    (folder / "b.html").write_text('<a name="there"></a><a href="a.html">3</a><a href="https://example.org/x">4</a>')
    (folder / "c.png").write_bytes(b"")
    assert links.main(str(folder)) == 0
    assert (tmp_path / links.OUTSIDE).read_text() == "https://example.org/x  b.html\n"
    (folder / "b.html").write_text("")
    (folder / "c.png").unlink()
    assert links.main(str(folder)) == 1
    told = capsys.readouterr().out
    assert "a.html: b.html#there: no such anchor" in told
    assert "a.html: c.png: no such file" in told


@pytest.mark.long
@pytest.mark.timeout(3600)  # six tutorials, each a run of minutes
@pytest.mark.skipif(importlib.util.find_spec("myst_nb") is None, reason="needs the extra 'docs'")
def test_the_site_is_built_without_a_warning(links: Any, tmp_path: Path) -> None:
    """Anew, no tutorial kept from before; no proxy leads out."""
    out = tmp_path / "html"
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "trees")]
    command += ["-D", f"nb_execution_cache_path={tmp_path / 'cache'}", str(DOCS), str(out)]
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **nowhere})
    assert done.returncode == 0, done.stderr
    assert links.check(out).broken == []
    built = {path.relative_to(out).with_suffix(".md").as_posix() for path in out.rglob("*.html")}
    assert {*PAGES} <= built
    assert 'class="output' in (out / "tutorials/calibrate.html").read_text(encoding="utf-8")


def test_what_the_theme_leaves_out_is_named_once(site: Any) -> None:
    caption = '<p class="caption" role="heading"><span class="caption-text">How-to</span></p>'
    named = site.named(f'<aside class="sidebar-drawer">{caption}</aside><pre></pre>')
    assert 'role="heading" aria-level="2"' in named
    assert '<aside class="sidebar-drawer" aria-label="Pages">' in named
    assert '<pre tabindex="0">' in named
    assert site.named(named) == named
