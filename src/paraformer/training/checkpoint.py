"""Checkpoints: typed, self-describing, written atomically, refused when they belong to other work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from paraformer.core.errors import RunError
from paraformer.core.faults import cannot_open
from paraformer.core.files import atomic_path, hash_json, write_json
from paraformer.core.parameters import ParameterSpace

FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """Everything an interrupted training needs to go on to the same bits.

    Attributes:
        identity: what is trained: settings, seed, hashes of the parameter space and of the data.
        step: steps done. The random streams of step k derive from (seed, k), so this is the random state, too.
        weights, average: weights, and their moving average (empty without one).
        optimiser: its state. The learning rate is a function of the step.
    """

    identity: dict[str, Any]
    step: int
    weights: dict[str, torch.Tensor]
    average: dict[str, torch.Tensor]
    optimiser: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write atomically: a kill leaves the old checkpoint whole."""
    with atomic_path(path) as temporary:
        torch.save(
            {"format": FORMAT, **{k: getattr(checkpoint, k) for k in Checkpoint.__dataclass_fields__}}, temporary
        )


def load_checkpoint(path: Path, identity: Mapping[str, Any]) -> Checkpoint | None:
    """Read the checkpoint at ``path``; ``None`` if there is none.

    Raises:
        RunError: if it is not readable or was made with other settings, data or parameters.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content.pop("format")
    except Exception as error:
        if (reason := cannot_open(path)) is not None:
            raise RunError(f"{path}: cannot read the checkpoint ({reason})") from error
        raise RunError(f"{path}: not a readable checkpoint ({error}); remove it to start anew") from error
    if found != FORMAT:
        raise RunError(f"{path}: checkpoint format {found}, this version reads {FORMAT}; remove it to start anew")
    checkpoint = Checkpoint(**content)
    require_same(path, checkpoint.identity, identity)
    return checkpoint


def space_hash(space: ParameterSpace) -> str:
    """Hash of a parameter space: names, bounds, units and transforms."""
    return hash_json([p.model_dump() for p in space])


def require_same(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise RunError naming the first key in which a stored identity differs from the expected one."""
    if hash_json(found) == hash_json(expected):
        return
    for key in sorted(set(found) | set(expected)):
        if hash_json(found.get(key)) != hash_json(expected.get(key)):
            was, now = _short(found.get(key)), _short(expected.get(key))
            raise RunError(f"{path}: made with another '{key}' (found {was}, expected {now})")


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= 200 else f"{text[:200]}..."


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write named tensors as safetensors, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, temporary)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read named tensors; raises RunError if the file is missing or damaged."""
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: not readable ({cannot_open(path) or error})") from error


def save_description(path: Path, description: Mapping[str, Any]) -> None:
    """Write what a model is (settings, names, statistics, hashes) as JSON, atomically."""
    write_json(path, dict(description))


def load_description(path: Path) -> dict[str, Any]:
    """Read a model's description; raises RunError if it is missing or damaged."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: not readable ({error})") from error
