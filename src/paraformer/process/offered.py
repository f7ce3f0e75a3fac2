"""What a study's process model takes and gives, as far as its settings tell: known before it is built."""

from __future__ import annotations

from paraformer.core.errors import SettingsError
from paraformer.core.parameters import ParameterSpace
from paraformer.core.variables import OUTPUTS
from paraformer.process.bucket import Bucket, require_bucket
from paraformer.process.config import ProcessConfig
from paraformer.process.vic.bounds import require_bounds
from paraformer.process.vic.outputs import OFFERED


def offered_outputs(config: ProcessConfig) -> tuple[str, ...]:
    """Outputs that an ensemble can hold; of a model of the user's own all that there are, until it is built."""
    if config.model in ("vic", "compiled"):
        return tuple(name for name in OFFERED if name in OUTPUTS)
    return Bucket.outputs if config.model == "bucket" else tuple(OUTPUTS)


def require_parameters(config: ProcessConfig, space: ParameterSpace) -> None:
    """Raise SettingsError unless the model has these parameters and takes every value inside their bounds.

    A model of the user's own says so itself, when it is built.
    """
    if config.model in ("vic", "compiled"):
        require_bounds(space)
    elif config.model == "bucket":
        require_bucket(space)


def require_device(config: ProcessConfig) -> None:
    """Raise SettingsError unless the device the process model runs on is there."""
    if config.device == "cuda":
        from paraformer.process.vic.cuda import require_gpu  # here, because it compiles for a GPU when it is loaded

        try:
            require_gpu()
        except SettingsError as error:
            raise SettingsError(f"process.{error}") from error
