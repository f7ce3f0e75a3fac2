"""Digest of the model's code: every change of code is seen wherever it is imported, comments and docstrings are not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from paraformer.process.vic import jit

PACKAGE = Path(jit.__file__).parents[2]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Digest:
    """Digest of three small modules: ``first`` imports ``second`` in a function, ``other`` stands alone."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(jit, "__file__", str(tmp_path / "a" / "b" / "c" / "jit.py"))
    found = Digest(folder)
    found.write("first", 'X = 1\n\n\ndef f():\n    """Text."""\n    from package.second import g\n\n    return g()\n')
    found.write("second", "from package import third as x\n\n\ndef g():\n    return 2.0\n")
    found.write("third", "class A:\n    y = 1\n")
    found.write("other", "Z = 1\n")
    return found


class Digest:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.py").write_text(text)

    def __call__(self) -> int:
        return jit.code_digest("package", "package.first")


@pytest.mark.parametrize(
    "text",
    [
        'X = 1\n\n\ndef f():\n    """Another text."""\n    from package.second import g\n\n    return g()\n',
        '"""Module."""\nX = 1\n"""About X."""\ndef f():\n    # why\n    from package.second import g\n'
        "    return (g())\n",
    ],
)
def test_words_and_layout_do_not_count(digest: Digest, text: str) -> None:
    before = digest()
    digest.write("first", text)
    assert digest() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("first", "X = 2\n\n\ndef f():\n    from package.second import g\n\n    return g()\n"),
        ("first", 'X = "1"\n\n\ndef f():\n    from package.second import g\n\n    return g()\n'),
        ("second", "from package import third as x\n\n\ndef g():\n    return 2.0000000000000004\n"),
        ("third", "class A:\n    y = -1\n"),
    ],
)
def test_every_change_of_code_counts(digest: Digest, name: str, text: str) -> None:
    before = digest()
    digest.write(name, text)
    assert digest() != before


def test_a_module_that_is_not_imported_does_not_count(digest: Digest) -> None:
    before = digest()
    digest.write("other", "Z = 2\n")
    assert digest() == before


def test_every_kernel_is_in_the_digest_and_no_file_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(jit, "_code", lambda tree: read.append(ast.dump(tree)) or "")
    jit.source_digest()
    folder = PACKAGE / "process" / "vic"
    compiled = {path.stem for path in folder.glob("*.py") if "@compiled" in path.read_text()}
    assert len(compiled) > 15
    found = {path.stem for path in folder.glob("*.py") if ast.dump(ast.parse(path.read_text())) in read}
    assert compiled <= found
    assert {"constants", "column", "parameters", "simulate"} <= found
    assert not {"files", "domain", "state_files", "model", "disaggregation"} & found
