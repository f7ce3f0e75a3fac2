"""The import law of pyproject.toml holds, and the check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def lint(folder: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_rooms_obey_the_import_law() -> None:
    result = lint(REPOSITORY, REPOSITORY / "pyproject.toml")
    assert result.returncode == 0, result.stdout


def test_a_planted_import_breaks_the_law(tmp_path: Path) -> None:
    """A room that imports another room, in a miniature package under the same kind of contract, is found."""
    for room in ("data", "process"):
        (tmp_path / "planted" / room).mkdir(parents=True)
        (tmp_path / "planted" / room / "__init__.py").write_text("")
    (tmp_path / "planted" / "__init__.py").write_text("")
    (tmp_path / "planted" / "data" / "__init__.py").write_text("import planted.process\n")
    config = tmp_path / "contracts.toml"
    config.write_text(
        '[tool.importlinter]\nroot_package = "planted"\n[[tool.importlinter.contracts]]\n'
        'name = "blind rooms"\ntype = "layers"\ncontainers = ["planted"]\nlayers = ["data | process"]\n'
    )
    result = lint(tmp_path, config)
    assert result.returncode != 0
    assert "BROKEN" in result.stdout
