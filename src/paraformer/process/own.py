"""A forward model of the user's own: imported by name, built on a study's cells and days, held to the contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from paraformer.core.contracts import DifferentiableModel, ForwardModel
from paraformer.core.errors import DataError, ModelError, ParaformerError, nearest
from paraformer.core.files import hash_path
from paraformer.core.own_code import find_factory, said, source_of
from paraformer.core.parameters import ParameterSpace
from paraformer.core.schema import Cube
from paraformer.core.variables import OUTPUTS
from paraformer.process.config import ProcessConfig

Factory = Callable[[ParameterSpace, Cube, Mapping[str, Path]], Any]
"""``factory(space, cube, files) -> model``: the study's parameters, its cells and days, and the files it names."""

_ATTRIBUTES = ("parameters", "outputs", "differentiable", "runs", "n_cells", "select", "simulate")
_GRADIENT = ("time", "respond")
_SOURCE = "process.model"


@dataclass(frozen=True)
class ModelFiles:
    """What a model that is not VIC depends on: files by name, among them the source of the user's own module."""

    named: tuple[tuple[str, Path], ...]
    parameters: Path | None = None  # a VIC-5 parameter file that θ can be written into

    def hashes(self) -> dict[str, str]:
        """Content hash of each file."""
        return {name: hash_path(path) for name, path in self.named}


def model_files(config: ProcessConfig, given: Mapping[str, Path]) -> ModelFiles:
    """The files of a model of the user's own, with the source of its module as ``process.model``.

    Args:
        given: files of the study's data that every model may read.

    Raises:
        SettingsError: if the module or its factory is not found.
        DataError: if a file does not exist.
    """
    named = {**given}
    for name in ("parameters", "domain", "initial_state"):
        if getattr(config, name) is not None:
            named[name] = getattr(config, name)
    named |= config.files or {}
    for name, path in named.items():
        if not path.exists():
            raise DataError(f"{path}: no such file (process.files.{name})")
    if ":" in config.model:
        _factory(config)
        named[_SOURCE] = source_of(config.model, config.module_folder, _SOURCE)
    return ModelFiles(tuple(sorted(named.items())))


def _factory(config: ProcessConfig) -> Factory:
    """The function that ``process.model`` names (``core.own_code.find_factory``)."""
    return find_factory(config.model, config.module_folder, _SOURCE)


def build_own(config: ProcessConfig, space: ParameterSpace, cube: Cube, files: ModelFiles) -> ForwardModel:
    """The user's model on the cells and days of a cube; one cell is run once, to see that its series can be used.

    Raises:
        SettingsError: if the module or its factory is not found.
        ModelError: if it fails, or what it returns does not keep the contract (``core.contracts.ForwardModel``).
    """
    factory = _factory(config)
    try:
        model = factory(space, cube, {name: path for name, path in files.named if name != _SOURCE})
        require_contract(model, config.model, space, cube)
        model = (OwnDifferentiable if model.differentiable else OwnModel)(model)
        series = model.select(np.array([0])).simulate(None, ("soil_moisture",))["soil_moisture"]
    except ParaformerError:
        raise
    except Exception as error:
        raise ModelError(f"process.model: {config.model} failed ({said(error)})") from error
    expected = (1, 1, len(cube.time))
    if np.shape(series) != expected:
        raise ModelError(
            f"process.model: {config.model} gives a series of shape {np.shape(series)} for one cell and "
            f"one parameter set, expected [cell, set, time] = {expected}"
        )
    return model


def require_contract(model: Any, name: str, space: ParameterSpace, cube: Cube) -> None:
    """Raise ModelError naming the first point in which ``model`` is no forward model of the study."""
    kind = type(model).__name__
    for attribute in _ATTRIBUTES:
        if not hasattr(model, attribute):
            raise ModelError(f"process.model: {name} returned {kind}, no forward model: it has no '{attribute}'")
    for attribute in _GRADIENT if model.differentiable else ():
        if not hasattr(model, attribute):
            raise ModelError(f"process.model: {name} returned {kind}, which is differentiable but has no '{attribute}'")
    if model.parameters != space:
        raise ModelError(
            f"process.model: {name} has {model.parameters!r}, the study {space!r}; names, bounds, units "
            "and transforms must be the same"
        )
    if model.n_cells != len(cube.cells):
        raise ModelError(f"process.model: {name} has {model.n_cells} cells, the study {len(cube.cells)}")
    for output in model.outputs:
        if output not in OUTPUTS:
            raise ModelError(f"process.model: {name} offers an unknown output '{output}'{nearest(output, OUTPUTS)}")
    if "soil_moisture" not in model.outputs:
        raise ModelError(
            f"process.model: {name} offers no output 'soil_moisture', which is what is learned from; it "
            f"offers {', '.join(model.outputs) or 'nothing'}"
        )


class OwnModel(ForwardModel):
    """A model of the user's own under the whole contract: what it leaves out is as the contract has it."""

    differentiable = False

    def __init__(self, model: Any) -> None:
        self.model = model
        self.parameters: ParameterSpace = model.parameters
        self.outputs: tuple[str, ...] = tuple(model.outputs)

    @property
    def n_cells(self) -> int:
        return int(self.model.n_cells)

    @property
    def runs(self) -> int:
        """As the model counts them."""
        return int(self.model.runs)

    @runs.setter
    def runs(self, count: int) -> None:
        self.model.runs = count

    def description(self) -> Any:
        """Its ``description``, a value or a method, or else the name of its class."""
        return _value(self.model, "description", type(self.model).__name__)

    def prior(self) -> Float[np.ndarray, "cell parameter"]:
        """Its ``prior``, an array or a method, or else the middle of every range.

        Raises:
            ModelError: if it has another shape or is not finite.
        """
        given = _value(self.model, "prior", None)
        if given is None:
            return super().prior()
        prior, expected = np.asarray(given, dtype=np.float64), (self.n_cells, len(self.parameters))
        if prior.shape != expected or not np.isfinite(prior).all():
            raise ModelError(
                f"{type(self.model).__name__}: the a-priori θ has shape {prior.shape} or is not finite; expected "
                f"[cell, parameter] = {expected}"
            )
        return prior

    def select(self, cells: np.ndarray) -> OwnModel:
        """The same model for a subset of its cells (integer positions); it counts its own runs."""
        return type(self)(self.model.select(cells))

    def simulate(
        self, theta: Float[np.ndarray, "cell set parameter"] | None, outputs: Sequence[str]
    ) -> dict[str, Float[np.ndarray, "cell set time"]]:
        """Its own ``simulate``."""
        return self.model.simulate(theta, outputs)


class OwnDifferentiable(OwnModel, DifferentiableModel):
    """The same with a gradient."""

    differentiable = True

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.time: np.ndarray = model.time

    @property
    def runs_per_gradient(self) -> int:
        """As the model says, or one."""
        return int(_value(self.model, "runs_per_gradient", 1))

    def to(self, target: Any) -> OwnDifferentiable:
        """Move the model, if it can be moved."""
        if hasattr(self.model, "to"):
            self.model.to(target)
        return self

    def respond(
        self, u: Any, cells: Any, start: Any, length: int, outputs: Sequence[str] = ("soil_moisture",)
    ) -> dict[str, Any]:
        """Its own ``respond``; a model of soil moisture alone need not know of outputs."""
        asked = {} if tuple(outputs) == ("soil_moisture",) else {"outputs": outputs}
        return self.model.respond(u, cells, start, length, **asked)


def _value(model: Any, name: str, otherwise: Any) -> Any:
    """An attribute of a user's object, or what its method gives; ``otherwise`` where there is neither."""
    found = getattr(model, name, otherwise)
    return found() if callable(found) else found
