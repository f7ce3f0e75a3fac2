"""The Sphinx extension: fills the marks of pages before they are read, and makes the navigation of the front page."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

from _site import commands, settings, vocabulary
from _site import python as public

FILLED: dict[str, Callable[[], str]] = {
    "settings": settings.page,
    "command line": commands.page,
    "python": public.page,
    "variables": vocabulary.page,
}
"""Mark ``<!-- filled by the site: NAME -->`` of a page -> what stands there."""

COPIED = {
    "../CONTRIBUTING.md": "CONTRIBUTING.md",
    "../CHANGELOG.md": "CHANGELOG.md",
    "../CODE_OF_CONDUCT.md": "CODE_OF_CONDUCT.md",
    "../src/paraformer/maps/README.md": "maps.md",
    "../src/paraformer/maps/LICENSE.md": "maps_licence.md",
}
"""Pages of the project outside docs/ that the site shows, too, and the names of their copies."""

_MARK = re.compile(r"^(?:In the repository .*\n\n)?<!-- filled by the site: (.+?) -->$", re.MULTILINE)
"""With the line before it, for readers who see no site."""
_LINK = re.compile(r"\]\(([^)\s#]+\.md)(#[^)\s]*)?\)")


def sections(front: str) -> Iterator[tuple[str, list[str]]]:
    """Title and pages of every section of the front page, pages in the order in which it links them."""
    for part in re.split(r"^## ", front, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        pages = [shown(target).removesuffix(".md") for target, _ in _LINK.findall(body)]
        if pages:
            yield title.strip(), list(dict.fromkeys(pages))


def shown(target: str) -> str:
    """Where a link of a page of docs/ leads on the site: the copy, for a page outside of it."""
    return f"_copied/{COPIED[target]}" if target in COPIED else target


def navigation(pages: Iterator[str] | list[str], caption: str = "") -> str:
    """A table of contents that is seen at the side alone."""
    options = f":caption: {caption}\n" if caption else ""
    return "\n".join(["", "```{toctree}", f"{options}:hidden:", "", *pages, "```", ""])


def copy_pages(app: Any, config: Any) -> None:
    """Put pages of elsewhere where Sphinx finds them, with links that lead from there to the same."""
    docs = Path(app.srcdir)
    (docs / "_copied").mkdir(exist_ok=True)
    for source, name in COPIED.items():
        text = (docs / source).read_text(encoding="utf-8")
        text = _LINK.sub(lambda link, at=source: f"]({from_copy(at, link[1])}{link[2] or ''})", text)  # type: ignore[misc]
        (docs / "_copied" / name).write_text(f"---\norphan: true\n---\n\n{text}", encoding="utf-8")


def from_copy(source: str, target: str) -> str:
    """A link of a page outside docs/, as the page's copy has to write it."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), target))
    inside = posixpath.relpath({"SECURITY.md": "docs/security.md"}.get(path, path), "docs")
    return COPIED.get(inside, f"../{inside}")


def fill(app: Any, page: str, content: list[str]) -> None:
    """Replace marks by what the code says; give the front page and the records their navigation."""
    text = _MARK.sub(lambda mark: FILLED[mark[1]](), content[0])
    if page == app.config.root_doc:
        text += "".join(navigation(pages, title) for title, pages in sections(text))
    if page == "decisions/README":
        records = sorted(path.stem for path in (Path(app.srcdir) / "decisions").glob("[0-9]*.md"))
        text += navigation(records)
    if not page.startswith("_copied/"):
        text = _LINK.sub(lambda link: f"]({up(page, link[1])}{link[2] or ''})", text)
    content[0] = text


def up(page: str, target: str) -> str:
    """A link of a page, to the copy where there is one."""
    above = "../" * page.count("/")
    return above + shown(target.removeprefix(above)) if target.startswith(above) else target


def plain_property(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """A colon in the first line of a property is no type, which napoleon takes it for: it looks at one line."""
    if what == "property":
        lines.insert(0, "")


def first_page(app: Any, error: Exception | None) -> None:
    """The front page is what a folder's address opens."""
    if error is None and app.builder.format == "html":
        out = Path(app.outdir)
        shutil.copyfile(out / f"{app.config.root_doc}.html", out / "index.html")


_NAMED = {
    'role="heading"><span class="caption-text">': 'role="heading" aria-level="2"><span class="caption-text">',
    '<aside class="sidebar-drawer">': '<aside class="sidebar-drawer" aria-label="Pages">',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
}
"""What the theme leaves out for who reads by ear or by keyboard: levels, names, boxes that can be scrolled."""


def named(page: str) -> str:
    """A page of the site with it."""
    for found, better in _NAMED.items():
        page = page.replace(found, better)
    return page


def name_parts(app: Any, error: Exception | None) -> None:
    """``named`` for every page that was written."""
    for path in Path(app.outdir).rglob("*.html") if error is None else ():
        before = path.read_text(encoding="utf-8")
        after = named(before)
        if after != before:
            path.write_text(after, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.add_lexer("usage", TextLexer)
    app.connect("config-inited", copy_pages)
    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", plain_property, priority=400)  # before napoleon
    app.connect("build-finished", name_parts, priority=400)  # before the first page is copied
    app.connect("build-finished", first_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
