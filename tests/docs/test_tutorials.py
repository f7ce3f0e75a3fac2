"""Tutorials before the site executes them (``test_site``): commands, studies and Python that there are."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import yaml

from docs.snippets import ROOT, Snippet, commands, snippets_of
from docs.test_snippets import parse
from paraformer.config import load_study
from paraformer.core.errors import ParaformerError

FOLDER = ROOT / "docs/tutorials"
TUTORIALS = sorted(FOLDER.glob("*.md"))
HERE_DOCUMENT = re.compile(r"^cat > (\S+) <<END\n(.*?)^END$", re.MULTILINE | re.DOTALL)


def cells(page: Path) -> list[Snippet]:
    return [s for s in snippets_of(page.read_text(encoding="utf-8"), page.name) if s.language == "cell"]


def content(cell: Snippet) -> str:
    """A cell without its options."""
    text = re.sub(r"\A---\n.*?^---\n", "", cell.text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\A(:\S+: .*\n)+", "", text)


def files(text: str) -> list[tuple[str, str]]:
    """Name and content of the files that a cell writes."""
    if text.startswith("%%writefile "):
        first, _, rest = text.partition("\n")
        return [(first.split()[1], rest)]
    return HERE_DOCUMENT.findall(text)


def check_python(text: str) -> None:
    """It can be compiled, and what it imports is there."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names)
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)


def check_shell(text: str) -> None:
    """Commands of the program are such as its parser takes."""
    text = HERE_DOCUMENT.sub("", text.partition("\n")[2])
    for words in commands(text):
        if words[0] == "paraformer":
            parse(words[1 : words.index(">") if ">" in words else None])


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_cells_are_what_there_is(page: Path, tmp_path: Path) -> None:
    if "IPython" in page.read_text(encoding="utf-8"):
        pytest.importorskip("IPython", reason="the tutorial shows a picture in a notebook; needs the extra 'docs'")
    for text in map(content, cells(page)):
        if text.startswith("%%bash"):
            check_shell(text)
        elif not text.startswith("%%"):
            check_python(text)
        for name, written in files(text):
            if name.endswith(".py"):
                check_python(written)
            if name.endswith(".yaml"):
                path = tmp_path / Path(name).name
                path.write_text(written, encoding="utf-8")
                load_study(path)


@pytest.mark.parametrize("text", ["%%bash\nparaformer walk my.yaml", "%%bash\nparaformer run my.yaml --quickly"])
def test_a_wrong_command_is_seen(text: str) -> None:
    with pytest.raises(Exception, match=r"."):
        check_shell(text)


def test_a_wrong_name_or_study_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        check_python("from paraformer import walk")
    ((name, written),) = files("%%bash\ncat > my.yaml <<END\nname: my\ndata: {source: synthetic}\nlerners: {}\nEND\n")
    (tmp_path / name).write_text(written)
    with pytest.raises(ParaformerError, match="lerners"):
        load_study(tmp_path / name)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_needs_nothing_but_the_installation(page: Path) -> None:
    """A notebook as text, in the kernel that every installation has; no file of elsewhere, no network."""
    text = page.read_text(encoding="utf-8")
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["jupytext"]["text_representation"]["format_name"] == "myst"
    assert head["kernelspec"]["name"] == "python3"
    for cell in map(content, cells(page)):
        assert not re.search(r"shared|https?:|\.\./|studies/|PARAFORMER_DATA", cell)


def test_every_tutorial_is_on_the_front_page() -> None:
    front = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\(tutorials/(\w+)\.md\)", front)) == [page.stem for page in TUTORIALS]
