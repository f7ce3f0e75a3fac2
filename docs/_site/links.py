"""Links of the built site, offline: those inside must lead somewhere, those outside are listed. ``make docs`` runs it.

python docs/_site/links.py docs/_build/html
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

OUTSIDE = "external_links.txt"
"""List of links that leave the site, each with the pages that have it."""


class Page(HTMLParser):
    """What a page offers (anchors) and asks for (links, pictures, scripts, styles)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif name in ("href", "src") and value:
                self.links.add(value)


class Checked(NamedTuple):
    """Links of a site.

    Attributes:
        broken: a line each: page, link, and what is missing.
        outside: link -> pages that have it.
    """

    broken: list[str]
    outside: dict[str, list[str]]


def check(site: Path) -> Checked:
    """Follow every link of every page of a folder."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    broken: list[str] = []
    outside: dict[str, list[str]] = {}
    for path, page in pages.items():
        name = path.relative_to(site.resolve()).as_posix()
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                outside.setdefault(link, []).append(name)
            else:
                broken += [f"{name}: {link}: {fault}" for fault in _faults(path, link, pages)]
    return Checked(broken, {link: outside[link] for link in sorted(outside) if not link.startswith("data:")})


def _faults(path: Path, link: str, pages: dict[Path, Page]) -> Iterator[str]:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        yield "no such file"
    elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield "no such anchor"


def main(folder: str) -> int:
    site = Path(folder)
    found = check(site)
    lines = [f"{link}  {' '.join(pages)}" for link, pages in found.outside.items()]
    (site.parent / OUTSIDE).write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(*found.broken, sep="\n", end="\n" if found.broken else "")  # noqa: T201
    print(f"{len(found.broken)} broken links; {len(lines)} lead outside: {site.parent / OUTSIDE}")  # noqa: T201
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
