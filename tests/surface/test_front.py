"""What stands about the project outside its pages: version, citation, addresses, the README of the package index."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from typing import Any

import yaml

import paraformer
from docs.snippets import ROOT, snippets

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
REQUIRED = {
    "article": {"author", "title", "journal", "year", "volume", "pages", "doi"},
    "software": {"author", "title", "version"},
}


def bibtex(text: str) -> dict[str, dict[str, str]]:
    """Entries of a BibTeX file: key -> fields and ``type``. Braces are balanced, fields parted by commas.

    Raises:
        ValueError: where it is not BibTeX.
    """
    entries: dict[str, dict[str, str]] = {}
    at = 0
    while rest := text[at:].strip():
        at = len(text) - len(text[at:].lstrip())
        head = re.match(r"@(\w+)\{(\w+),", rest)
        if head is None:
            raise ValueError(f"no entry begins here: {rest[:40]!r}")
        fields, at = {"type": head[1]}, at + head.end()
        while not (end := re.match(r"\s*\}", text[at:])):
            field = re.match(r"\s*(\w+)\s*=\s*(?=\{)", text[at:])
            if field is None:
                raise ValueError(f"{head[2]}: no field begins here: {text[at : at + 40]!r}")
            at += field.end()
            fields[field[1]], at = _braced(text, at)
            comma = re.match(r"\s*,", text[at:])
            if comma is None and not re.match(r"\s*\}", text[at:]):
                raise ValueError(f"{head[2]}: no comma after '{field[1]}'")
            at += comma.end() if comma else 0
        entries[head[2]], at = fields, at + end.end()
    return entries


def _braced(text: str, start: int) -> tuple[str, int]:
    depth = 0
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[start + 1 : at], at + 1
    raise ValueError("a brace is not closed")


def test_one_version() -> None:
    (entry,) = snippets("bibtex")
    assert CITATION["version"] == paraformer.__version__
    assert bibtex(entry.text)["paraformer"]["version"] == paraformer.__version__
    assert "version" in PROJECT["dynamic"]


def test_bibtex_is_valid_and_says_what_the_citation_file_says() -> None:
    (entry,) = snippets("bibtex")
    entries = bibtex(entry.text)
    for key, fields in entries.items():
        assert set(fields) >= REQUIRED[fields["type"]], key
        assert all(value.isascii() for value in fields.values()), key
    told = {fields["doi"]: fields for fields in entries.values() if "doi" in fields}
    for reference in CITATION["references"]:
        fields = told.pop(reference["doi"])
        assert fields["title"].replace("{", "").replace("}", "") == reference["title"]
        assert int(fields["year"]) == reference["year"]
        authors = [f"{a['family-names']}, {a['given-names']}" for a in reference["authors"]]
        assert fields["author"] == " and ".join(authors)
    assert not told


def test_wrong_bibtex_is_seen() -> None:
    wrong = ("@a{k, title = {x}", "@a{k, title = {x} year = {1}}", "@a{k, title {x}}", "a{k}", "@a{k, title = {x}} y")
    for text in wrong:
        try:
            found: Any = bibtex(text)
        except ValueError:
            continue
        raise AssertionError(f"{text!r} passed as {found}")


def test_citation_file_has_what_its_format_requires() -> None:
    assert set(CITATION) >= {"cff-version", "message", "title", "authors", "version", "type", "license"}
    assert all(set(r) >= {"type", "title", "authors"} for r in CITATION["references"])


def test_the_readme_of_the_package_index_leads_nowhere_relative() -> None:
    spec = importlib.util.spec_from_file_location("project_setup", ROOT / "setup.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    links = re.findall(r"\]\(([^)\s]+)\)", module.long_description())
    assert links
    assert all(re.match(r"https://|#", link) for link in links)
    address = PROJECT["urls"]["Repository"]
    shown = module.absolute("![a](b.png) [c](d.md#e) [f](#g) [h](https://x.org)", address)
    assert shown == f"![a]({address}/raw/HEAD/b.png) [c]({address}/blob/HEAD/d.md#e) [f](#g) [h](https://x.org)"


def test_the_readme_is_short_and_its_pictures_are_small() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 120
    pictures = re.findall(r"!\[[^\]]+\]\(([^)\s]+)\)", readme)
    assert pictures
    assert sum((ROOT / picture).stat().st_size for picture in pictures) < 1_000_000
