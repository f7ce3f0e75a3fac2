"""Where maps that have left their study come from: a run directory, a folder, or this package; and how they leave."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from paraformer import __version__
from paraformer.config import Study, load_study
from paraformer.core.errors import RunError, SettingsError, nearest
from paraformer.core.files import write_text
from paraformer.core.results import Results
from paraformer.core.run_files import is_run
from paraformer.learners.encoding import Encoding
from paraformer.learners.released import CARD, ReleasedMap, load_seeds
from paraformer.pipeline.kept_aside import error_by_region, error_of_observations, error_of_theta

README = "README.md"
"""The card in words, beside the weights."""


def packaged() -> dict[str, Path]:
    """Folders of the maps in this package, by name."""
    root = Path(str(resources.files("paraformer") / "maps"))
    return {path.parent.name: path.parent for path in sorted(root.glob(f"*/{CARD}"))}


def find_map(model: str, method: str | None = None) -> ReleasedMap:
    """The map that a user names.

    Args:
        model: a run directory, a folder that ``export_map`` wrote, or the name of a packaged map.
        method: a learner of the run; may be left out where there is only one.

    Raises:
        SettingsError: nothing of that name, or a method that does not belong to it.
        RunError: a run whose learner is not trained, or a damaged folder.
    """
    path, known = Path(model), packaged()
    if is_run(path):
        return map_of_run(path, method)
    if method is not None:
        raise SettingsError(f"--method {method}: '{model}' is no run directory, whose learners have names")
    if not (path / CARD).exists() and model not in known:
        hint = nearest(model, known) if known else ""
        raise SettingsError(f"{model}: no run directory, no folder of a map and no packaged map{hint}")
    return ReleasedMap.load(path if (path / CARD).exists() else known[model])


def folder_of(start: Path) -> Path:
    """Folder of the map that a learner starts from: one of ``export``, or a packaged one by its name.

    Raises:
        SettingsError: it is neither.
    """
    known = packaged()
    if (start / CARD).exists():
        return start
    if start.name in known and not start.exists():
        return known[start.name]
    if is_run(start):
        raise SettingsError(f"start_from: {start} is a run; 'paraformer export' makes a folder of one of its learners")
    hint = nearest(start.name, known) if known else ""
    raise SettingsError(f"start_from: {start}: no folder of 'paraformer export' and no packaged map{hint}")


def map_of_run(run: Path, method: str | None) -> ReleasedMap:
    """A trained learner of a run, all of its seeds, with its card.

    Raises:
        SettingsError: if the study has no such learner.
        RunError: if it is not trained.
    """
    results = Results(run)
    study = load_study(results.study_file)
    if method is None:
        if len(study.learners) != 1:
            raise SettingsError(f"{run}: name one of its learners with --method: {', '.join(study.learners)}")
        method = next(iter(study.learners))
    if method not in study.learners:
        raise SettingsError(f"{run}: no learner is called '{method}'{nearest(method, study.learners)}")
    folders = [results.seed_folder(method, seed) for seed in range(study.learner_seeds)]
    for folder in folders:
        if not (folder / "model.json").exists():
            raise RunError(f"{folder}: no trained map of '{method}' here; 'paraformer learn' trains it")
    start, cube = study.learners[method].start_from, results.cube
    encoding = Encoding.of(cube) if start is None else ReleasedMap.load(folder_of(start)).encoding.widened(cube)
    return ReleasedMap(load_seeds(folders), encoding, _card(study, results, method))


def export_map(run: Path, method: str | None, folder: Path, *, half: bool = False) -> ReleasedMap:
    """Write a trained learner of a run into a folder that can be copied anywhere; the map has the folder's name.

    Args:
        half: weights as 16-bit numbers: half the size, θ the same to about a thousandth of its range.

    Raises:
        RunError: if there is something of another kind in the folder; else as ``map_of_run``.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / CARD).exists():
        raise RunError(f"{folder}: holds other files; name a new folder for the map")
    found = map_of_run(run, method)
    card = {**found.card, "name": folder.resolve().name, "method": found.name}
    if (error := card["error"]) is not None:
        results = Results(run)
        seen = error_of_observations(load_study(results.study_file), results, found.name, error["shared"])
        card["error"] = {**error, "observations": seen}
    found = replace(found, card=card)
    folder.mkdir(parents=True, exist_ok=True)
    found.save(folder, half=half)
    write_text(folder / README, f"# {found.name}\n```\n{describe_map(found)}\n```\n")
    return found


def _card(study: Study, results: Results, method: str) -> dict[str, Any]:
    """What a user of the map has to know, from the study that trained it and judged it."""
    cube = results.cube
    data = cube.dataset.attrs
    return {
        "name": method,
        "study": study.name,
        "paraformer": __version__,
        "parameters": list(study.space.names),
        "observation": study.data.observation,
        "trained_cells": int(cube.trained.sum()),
        "period": str(cube.period("train")),
        "data": {key: str(data[key]) for key in ("title", "source", "references", "license") if key in data},
        "process": study.process.model,
        "scores": _scores(results, method),
        "kept_aside": error_by_region(study, results, method),
        "error": error_of_theta(study, results, method),
    }


def _scores(results: Results, method: str) -> list[dict[str, Any]]:
    """Raw RMSE of the test period, of the map's θ and of the a-priori one, the mean over seeds; empty if not judged."""
    if not results.judged:
        return []
    table = results.summary
    wanted = (table["metric"] == "rmse") & (table["operator"] == "raw") & (table["period"] == "test")
    table = table[wanted & table["method"].isin((method, results.default))]
    columns = ["method", "cells", "mean", "std", "seeds", "n_scored"]
    return [{key: _plain(row[key]) for key in columns} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    """A number or text as JSON has it: 6 digits, nothing for what is not a number."""
    if isinstance(value, float):
        return None if value != value else float(f"{value:.6g}")
    return value


def describe_map(found: ReleasedMap) -> str:
    """A map in words, a fact a line."""
    card = found.card
    reads = f"attributes and {found.history_days} days of history" if found.reads_history else "attributes"
    lacks = "any of them may be unknown" if found.may_lack else "all of them are needed"
    lines = [
        f"{found.name}: {', '.join(found.parameters.names)}",
        f"reads {reads}: {', '.join(found.encoding.variables)}; {lacks}",
        f"trained on {card.get('trained_cells', '?')} cells, {card.get('period', '?')} ({card.get('study', '?')}, "
        f"{sum(len(m.members) for m in found.seeds)} networks)",
    ]
    lines += [
        f"raw RMSE {row['mean']:.4f} m3 m-3 ({row['method']}, {row['cells']} cells, test period)"
        for row in card.get("scores", ())
        if row["mean"] is not None
    ]
    lines += [
        f"raw RMSE {row['rmse']:.4f} m3 m-3 in {row['cells']} cells kept aside: {row['region']} (training period)"
        for row in card.get("kept_aside", ())
    ]
    if (error := card.get("error")) is not None:
        held = ", ".join(f"{name} {share:.0%}" for name, share in error["coverage"].items())
        lines.append(f"90 % intervals of θ hold what {error['search']} finds in cells kept aside: {held}")
        if (seen := error.get("observations")) is not None:
            lines.append(
                f"90 % intervals of soil moisture, from those of θ and {seen['error']:.3f} m3 m-3 of the process "
                f"model's own, hold {seen['coverage']:.0%} of {seen['days']:,} observed days there"
            )
    return "\n".join(lines + [f"{key}: {value}" for key, value in dict(card.get("data", {})).items()])


def describe_packaged() -> str:
    """All packaged maps, or how to make one."""
    maps = packaged()
    if not maps:
        return "this installation holds no maps; 'paraformer export RUN METHOD FOLDER' makes one of your own run"
    return "\n\n".join(describe_map(ReleasedMap.load(folder)) for folder in maps.values())
