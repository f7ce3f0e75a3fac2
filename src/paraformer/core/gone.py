"""Settings and names that are gone: what a study or script of an earlier version is told."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_FIXED = "it has one value now, {}; leave it out"

GONE: dict[str, str] = {
    "data.location": "latitude and longitude gained nothing as attributes (decision 0004); leave it out",
    "learners.*.network.name: paraformer_n": "it gained nothing over 'paraformer_a' (decision 0020); take that, and "
    "'evaluation.transfers' to carry θ from the cells around",
    "learners.*.pretraining": "it gained nothing (decision 0022); leave it out",
    "learners.*.validation": "'cross_validation' keeps blocks of trained cells aside, for all learners (decision 0034)",
    "*.validate_every": "every training runs to its end; 'cross_validation' compares lengths (decision 0034)",
    "*.training.patience": "every training runs to its end; 'cross_validation' compares lengths (decision 0034)",
    "*.refinement.patience": "every training runs to its end; 'cross_validation' compares lengths (decision 0034)",
    "*.schedule.final": _FIXED.format("0"),
    "learners.*.loss.range_epsilon": _FIXED.format("the paper's 0.01"),
    "gap_filling.keep_observed": _FIXED.format("true"),
    "gap_filling.hidden_days": _FIXED.format("0.05"),
    "gap_filling.hidden_weeks": _FIXED.format("0.05"),
    "surrogate.mixtures": _FIXED.format("4"),
    "surrogate.response_weight": _FIXED.format("1"),
    "searches.*.evolution_steps": _FIXED.format("2p + 1"),
    "searches.*.least_slope": _FIXED.format("0.0001"),
    "searches.*.least_step": _FIXED.format("0.0001"),
    "evaluation.harmonics": _FIXED.format("2"),
    "evaluation.limits": "limits of the checklist are fixed (evaluation/checklist.py); leave it out",
    "data.synthetic.lost_frozen": _FIXED.format("0.9"),
}
"""Place of a setting (``*`` is any name), or place and value, and what replaces it."""


def what_replaces(place: str, value: Any) -> tuple[str, str] | None:
    """A setting that is gone, and what replaces it; ``None`` for any other.

    Args:
        place: of an unknown key, or of a group whose ``name`` is none of those there are.
        value: what stands there.
    """
    asked = f"{place}.name: {value['name']}" if isinstance(value, Mapping) and "name" in value else place
    for pattern, words in GONE.items():
        if fnmatchcase(place, pattern) or fnmatchcase(asked, pattern):
            return asked if ": " in pattern else place, words
    return None


RENAMED = {"run_study": "run", "check_study": "check", "load_study": "Study.load", "Results": "Result"}
"""Public names of an earlier version, and those that stand in their place; the old ones go with 0.3."""


def renamed(name: str) -> str:
    """The public name that is meant; an old one is told."""
    if name not in RENAMED:
        return name
    warnings.warn(f"paraformer.{name} is paraformer.{RENAMED[name]} now", DeprecationWarning, stacklevel=3)
    return RENAMED[name]
