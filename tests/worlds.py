"""Named miniature worlds: studies small enough to run the whole chain in seconds."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "parameters": ["infilt", "expt"],
    "data": {"source": "synthetic", "chunk_cells": 4, "synthetic": {"rows": 3, "columns": 4, "years": 2}},
    "process": {"spin_up": {"days": 60, "cycles": 1}, "threads": 1},
    "ensemble": {"common": 4, "own": 6, "held_out": 2, "chunk_cells": 4},
    "surrogate": {
        "anchors": 4,
        "hidden": 8,
        "embedding": 4,
        "warm_up": 5,
        "window": 20,
        "cells_per_batch": 4,
        "sets_per_cell": 2,
        "training": {"steps": 12, "checkpoint_steps": 4, "schedule": {"warm_up": 2}},
    },
    "gap_filling": {
        "hidden": 4,
        "warm_up": 10,
        "window": 40,
        "cells_per_batch": 4,
        "members": 1,
        "training": {"steps": 6, "checkpoint_steps": 2},
    },
    "references": {
        "seeds": 2,
        "direct": {
            "hidden": 4,
            "warm_up": 10,
            "window": 40,
            "cells_per_batch": 4,
            "members": 1,
            "training": {"steps": 6, "checkpoint_steps": 2},
        },
    },
    "learners": {
        "ParaFormer_Z": {
            "network": {
                "name": "paraformer_z",
                "width": 8,
                "heads": 2,
                "layers": 1,
                "feed_forward": 8,
                "history_days": 80,
            },
            "observations": "both",
            "window": 60,
            "cells_per_batch": 4,
            "training": {"steps": 6, "checkpoint_steps": 2, "schedule": {"warm_up": 1}},
        },
        "ParaFormer_A": {
            "network": {"name": "paraformer_a", "width": 8, "heads": 2, "layers": 1, "feed_forward": 8},
            "window": 60,
            "cells_per_batch": 4,
            "training": {"steps": 6, "checkpoint_steps": 2, "schedule": {"warm_up": 1}},
        },
        "FFN_A": {
            "network": {"name": "ffn_a", "hidden": 8},
            "window": 60,
            "cells_per_batch": 4,
            "training": {"steps": 6, "checkpoint_steps": 2, "schedule": {"warm_up": 1}},
        },
    },
    "learner_seeds": 2,
    "searches": {
        "SCE-UA": {"name": "sceua", "budget": 24, "checkpoint_seconds": 0},
        "Latin hypercube": {"name": "random", "budget": 10, "model": "surrogate"},
    },
    "report": {"formats": ["png"], "dpi": 50},
}
"""Twelve cells, two years, two parameters: every stage runs, nothing is learned well."""


def write_study(folder: Path, *, base: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Write a study file; ``changes`` use ``__`` for dots: ``data__path="x.nc"``."""
    content = copy.deepcopy(TINY if base is None else base)
    for dotted, value in changes.items():
        *parents, last = dotted.split("__")
        node = content
        for parent in parents:
            node = node.setdefault(parent, {})
        if value is None:
            node.pop(last, None)
        else:
            node[last] = value
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path
