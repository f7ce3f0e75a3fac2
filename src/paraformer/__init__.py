"""ParaFormer: learns the hidden parameters of land-surface hydrological models from satellite observations.

The public names, loaded when first used, so that ``import paraformer`` is quick.
"""

from __future__ import annotations

from paraformer.core.lazy import lazily

__version__ = "0.1.0"

_PUBLIC = {
    "CalibrationData": "core.contracts",
    "Calibrator": "core.contracts",
    "Cube": "core.schema",
    "DifferentiableModel": "core.contracts",
    "Ensemble": "core.schema",
    "ForwardModel": "core.contracts",
    "LearnedMap": "learners.learn",
    "Learner": "learners.learn",
    "Parameter": "core.parameters",
    "ParameterField": "core.schema",
    "ParameterSpace": "core.parameters",
    "ParaformerError": "core.errors",
    "Results": "core.results",
    "Study": "config",
    "Surrogate": "surrogate.model",
    "VIC": "process.vic.model",
    "VICSettings": "process.vic.settings",
    "build_process": "process.build",
    "check_study": "pipeline.check",
    "describe": "pipeline.describe",
    "load_study": "config",
    "run_study": "pipeline.run",
}

__all__ = ["__version__", *sorted(_PUBLIC)]


__getattr__ = lazily(__name__, _PUBLIC)


def __dir__() -> list[str]:
    return __all__
