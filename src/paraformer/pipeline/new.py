"""``new``: a folder to begin from, of one of the kinds of study there are. The templates come with the package."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

from paraformer.core.errors import RunError, SettingsError, nearest
from paraformer.pipeline.from_vic import Moisture, new_from_vic

KINDS = {
    "vic": "the cells of a VIC global parameter file",
    "products": "a region from granules and maps: SMAP, NLDAS-2, MODIS, SoilGrids",
    "own-model": "a process model of your own, on the built-in world",
    "own-learner": "a network of your own, on the built-in world",
    "basins": "basins of Caravan or CAMELS-US, one cell a gauge",
}
"""Kinds by their name on the command line: folders of ``templates``."""


def new(kind: str, folder: Path, global_param: Path | None = None, moisture: Moisture | None = None) -> str:
    """Fill a new folder with what a study of a kind begins from.

    Args:
        kind: one of ``KINDS``.
        folder: made; it must be empty.
        global_param: of kind ``vic``: the global parameter file.
        moisture: of kind ``vic``: the observations to learn from, if there are any yet.

    Returns:
        What to tell the user: the files, and what to do next.

    Raises:
        SettingsError: an unknown kind, or options that do not belong to it.
        DataError: files of the VIC run, or observations, that cannot be used.
        RunError: the folder holds something.
    """
    if kind not in KINDS:
        raise SettingsError(f"no kind of study '{kind}'{nearest(kind, KINDS)}")
    if kind == "vic" and global_param is None:
        raise SettingsError("new vic: name the run with --global GLOBAL_PARAM")
    if kind != "vic" and (global_param is not None or moisture is not None):
        raise SettingsError(f"--global and --observations belong to kind 'vic', not to '{kind}'")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: is there already and not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    if global_param is not None:
        return new_from_vic(global_param, folder, template(kind) / "study.yaml", moisture)
    for path in sorted(template(kind).iterdir()):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    studies = sorted(folder.glob("*.yaml"))
    written = [f"{path}" for path in sorted(folder.iterdir())]
    return "\n".join([f"{KINDS[kind]}:", *written, "", *(f"next: paraformer check {path}" for path in studies)])


def template(kind: str) -> Path:
    """Folder of a kind of study in this package."""
    return Path(str(resources.files("paraformer") / "templates" / kind))
