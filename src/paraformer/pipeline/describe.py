"""``describe``: what a cube, a run directory or a study file holds, as text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from paraformer.config import load_study
from paraformer.core.errors import DataError, RunError
from paraformer.core.results import Results
from paraformer.core.run_files import is_run
from paraformer.core.schema import Cube
from paraformer.core.text_table import to_text
from paraformer.data.views import describe_cube
from paraformer.report.study_page import tables


def describe(path: str | Path) -> str:
    """Text about a path, whatever of the three it is.

    Raises:
        DataError: if it is none of them.
    """
    path = Path(path)
    if path.is_file() and path.suffix in (".yaml", ".yml"):
        study = load_study(path)
        return study.to_yaml()
    if is_run(path):
        return _describe_run(path)
    if path.is_dir():
        return yaml.safe_dump(_plain(describe_cube(Cube.open(path))), sort_keys=False)
    raise DataError(f"{path}: not a cube, a run directory or a study file")


def _describe_run(path: Path) -> str:
    results = Results(path)
    manifest = results.manifest
    lines = [f"run {path}", f"seed {manifest.get('seed')}, made by {'; '.join(results.made_by) or 'nobody yet'}"]
    for name, stage in manifest.get("stages", {}).items():
        state = _read(results.folder(name) / "stage.json")
        word = "done" if state.get("complete") else "unfinished"
        lines.append(f"  {name:28s} {word:10s} {stage.get('wall_s', 0):8.1f} s wall  {stage.get('runs', 0):8d} runs")
    if _read(results.folder("scores") / "stage.json").get("complete"):
        lines += ["", _scores(results)]
    return "\n".join(lines)


def _scores(results: Results) -> str:
    """The score table; of a run of an earlier version, what to do."""
    try:
        return to_text(tables(results))
    except RunError as error:
        return str(error)


def _read(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _plain(value: Any) -> Any:
    """The same with plain Python numbers, for YAML."""
    return json.loads(json.dumps(value, default=lambda v: v.item() if hasattr(v, "item") else str(v)))
