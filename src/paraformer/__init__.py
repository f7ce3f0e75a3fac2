"""ParaFormer: learns the hidden parameters of land-surface hydrological models from satellite observations.

The public names (docs/python.md), loaded when first used, so that ``import paraformer`` is quick.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from paraformer.core.gone import renamed
from paraformer.core.lazy import lazily
from paraformer.core.system import require_system

__version__ = "0.2.0"

_PUBLIC = {
    "CalibrationData": "core.contracts",
    "Calibrated": "core.contracts",
    "Calibrator": "core.contracts",
    "Cube": "core.schema",
    "DifferentiableModel": "core.contracts",
    "Ensemble": "core.schema",
    "ForwardModel": "core.contracts",
    "LearnedMap": "learners.learned",
    "Learner": "learners.learn",
    "Parameter": "core.parameters",
    "ParameterSpace": "core.parameters",
    "ParaformerError": "core.errors",
    "Result": "pipeline.result",
    "Study": "config",
    "Surrogate": "surrogate.model",
    "VIC": "process.vic.model",
    "VICSettings": "process.vic.settings",
    "build_process": "process.build",
    "check": "pipeline.python",
    "describe": "pipeline.describe",
    "load_model": "pipeline.model",
    "run": "pipeline.python",
    "validate": "pipeline.validate",
}
_MODULES = {"vic": "pipeline.vic"}

__all__ = ["__version__", *sorted([*_PUBLIC, *_MODULES])]

_load = lazily(__name__, _PUBLIC, modules=_MODULES)


def __getattr__(name: str) -> Any:
    require_system()
    first, *more = renamed(name).split(".")
    return reduce(getattr, more, _load(first))


def __dir__() -> list[str]:
    return __all__
