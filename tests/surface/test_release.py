"""What is released: one version everywhere, archives that hold all a user needs, one line where it cannot run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import paraformer
from paraformer.pipeline.new import KINDS

ROOT = Path(__file__).resolve().parents[2]
BUILD = "from setuptools import build_meta; import sys; build_meta.build_{what}(sys.argv[1])"
SMALL = (
    "data.synthetic={rows: 3, columns: 4, years: 2}",
    "ensemble={common: 4, own: 6, held_out: 2}",
    "surrogate={anchors: 4, hidden: 8, embedding: 4, warm_up: 5, window: 20, training: {steps: 2}}",
    "searches.SCE-UA.budget=20",
    *(
        f"learners.{name}.training={{steps: 2, schedule: {{warm_up: 1}}}}"
        for name in ("FFN_A", "ParaFormer_A", "ParaFormer_Z")
    ),
)
"""The demo with everything it does, and nothing that takes long."""


def test_the_version_is_one() -> None:
    version = paraformer.__version__
    for name, found in {
        "CITATION.cff": r"^version: (.+)$",
        "docs/citing.md": r"version = \{(.+)\}",
        "CHANGELOG.md": r"^## (\S+)",
    }.items():
        match = re.search(found, (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert match is not None
        assert match[1] == version, name


def test_where_it_cannot_run_it_says_so_in_one_line() -> None:
    """Windows has no ``fcntl``: the command line, and Python at the first name that is used."""
    without = "import sys; sys.modules['fcntl'] = None; sys.argv = ['paraformer', 'run', 'my.yaml']; "
    line = r"ParaFormer runs on Linux, and \w+ lacks 'fcntl'; on Windows use WSL\n$"
    shell = subprocess.run(
        [sys.executable, "-c", f"{without}from paraformer.cli import main; main()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shell.returncode == 5
    assert re.fullmatch(f"error: {line}", shell.stderr)
    library = subprocess.run(
        [sys.executable, "-c", f"{without}import paraformer as pf; pf.run"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(f"RunError: {line}", library.stderr)
    assert "fcntl halted" not in library.stderr


def build(source: Path, what: str, folder: Path) -> Path:
    """``sdist`` or ``wheel`` of a folder, with the setuptools that are here."""
    folder.mkdir()
    code = BUILD.format(what=what)
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=source, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the repository as a clone has them, links among them."""
    folder = tmp_path_factory.mktemp("clone") / "paraformer"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    return folder


@pytest.mark.long
def test_wheel_and_sdist_are_installed_and_run_the_demo(checkout: Path, tmp_path: Path) -> None:
    """The wheel is built from the sdist, which so is seen to be whole; its dependencies are those that are here."""
    sdist = build(checkout, "sdist", tmp_path / "sdist")
    assert sdist.name == f"paraformer-{paraformer.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    wheel = build(unpacked, "wheel", tmp_path / "wheel")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    here = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src/paraformer").rglob("*") if p.is_file()}
    assert {name for name in here if "__pycache__" not in name and not name.endswith(".pyc")} <= names

    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv/bin/python"
    own = Path(subprocess.run([python, "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip())
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (own / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (tmp_path / "empty").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(tmp_path / "venv/bin/paraformer"), *words],
            cwd=tmp_path / "empty",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run("--version") == f"paraformer {paraformer.__version__}\n"
    options = [word for setting in SMALL for word in ("--set", setting)]
    told = run("demo", "--directory", "run", "--quiet", *options)
    assert "Recommended: " in told
    assert (tmp_path / "empty/run/report.html").stat().st_size > 100_000
    for kind in sorted(set(KINDS) - {"vic"}):
        run("new", kind, kind)
    whence = "import paraformer; print(paraformer.__file__)"
    found = subprocess.run([python, "-c", whence], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert Path(found.stdout.strip()).is_relative_to(own)


WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"
