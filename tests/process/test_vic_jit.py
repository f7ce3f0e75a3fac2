"""Compiled code and its cache.

Every change of code is seen wherever it is imported, comments and docstrings are not. The model runs without the cache.
"""

from __future__ import annotations

import ast
import errno
import logging
from collections.abc import Callable
from pathlib import Path

import numba
import pytest
from numba.core import caching

from paraformer.process.vic import jit

pytestmark = pytest.mark.filterwarnings("ignore::numba.core.errors.NumbaPerformanceWarning")

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


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for compiled code."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def twice() -> Callable[[float], float]:
    """A small entry point, as a process that starts anew compiles it or takes it from the cache."""

    def function(x: float) -> float:
        return 2.0 * x

    return jit.entry_point(function)


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.suffix in (".nbi", ".nbc"))


def test_compiled_code_is_kept(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paraformer"):
        assert twice()(3.0) == 6.0
    assert caplog.messages == ["compiling VIC, once (about 25 s)"]
    caplog.clear()
    assert [path.suffix for path in kept(cache)] == [".nbc", ".nbi"]
    again = twice()
    with caplog.at_level(logging.INFO, "paraformer"):
        assert again(3.0) == 6.0
    assert sum(again.stats.cache_hits.values()) == 1  # type: ignore[attr-defined]
    assert not caplog.records


def test_nowhere_to_keep_it_is_said_and_the_model_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As with a home and an installation that are read-only."""

    def refuse(self: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    assert twice()(3.0) == 6.0
    assert "NUMBA_CACHE_DIR names another folder" in caplog.text


def test_a_full_disk_keeps_nothing_and_the_model_runs(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: object, name: str, data: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", refuse)
    assert twice()(3.0) == 6.0
    assert "is not kept ([Errno 28] No space left on device); NUMBA_CACHE_DIR names another folder" in caplog.text


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_is_kept_and_damaged_is_compiled_anew(cache: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    assert twice()(3.0) == 6.0
    (damaged,) = (path for path in kept(cache) if path.suffix == suffix)
    damaged.write_bytes(damaged.read_bytes()[:20])
    with caplog.at_level(logging.WARNING):
        assert twice()(3.0) == 6.0
    assert "is not readable" in caplog.text
    caplog.clear()
    assert twice()(3.0) == 6.0
    assert not caplog.records, "kept again"
