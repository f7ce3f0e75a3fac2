"""Files of a search: arrays with the identity of the work in one safetensors file, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from paraformer.core.errors import RunError
from paraformer.core.faults import cannot_open
from paraformer.core.files import atomic_path
from paraformer.training.checkpoint import require_same

FORMAT = 1


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], identity: Mapping[str, Any]) -> None:
    """Write named arrays; equal arrays and identity give equal bytes."""
    text = json.dumps({"format": FORMAT, "identity": identity}, sort_keys=True, default=str)
    with atomic_path(path) as temporary:
        save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, temporary, metadata={"search": text})


def load_arrays(path: Path, identity: Mapping[str, Any]) -> dict[str, np.ndarray] | None:
    """Read what ``save_arrays`` wrote; ``None`` if there is no such file.

    Raises:
        RunError: if the file is damaged, of another format, or belongs to other work.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            content = json.loads((file.metadata() or {})["search"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        if (reason := cannot_open(path)) is not None:
            raise RunError(f"{path}: cannot read the search ({reason})") from error
        raise RunError(f"{path}: not a readable search ({error}); remove it to start anew") from error
    if content["format"] != FORMAT:
        raise RunError(
            f"{path}: search format {content['format']}, this version reads {FORMAT}; remove it to start anew"
        )
    require_same(path, content["identity"], identity)
    return arrays
