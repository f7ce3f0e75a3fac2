"""A network of the user's own: made by a function that a study names, and held to what a head needs of it.

The function gets the number of attributes a cell has, the number of daily features (0 for a network that reads no
history) and the settings of the study. It returns a ``torch.nn.Module`` with

- ``width``: the number of features that it gives the head, and
- ``forward(attributes)`` or ``forward(attributes, history)``: normalised attributes [cell, attribute] and daily history
  [cell, day, feature] (``learners.inputs.HISTORY_FEATURES``) to features [cell, width].

Of a learner with ``attribute_dropout`` the second half of the attributes says which of the first are not known.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from paraformer.core.errors import ModelError, ParaformerError
from paraformer.core.own_code import find_factory, said, source_of
from paraformer.learners.config import HistoryConfig, OwnConfig, OwnHistoryConfig

KEY = "learners.network.name"

_CELLS = 3


def source_of_network(network: OwnConfig | OwnHistoryConfig) -> Path:
    """The file whose content decides what the network is; errors as ``core.own_code.find_factory``."""
    return source_of(network.name, network.module_folder, KEY)


def build_own_network(network: OwnConfig | OwnHistoryConfig, attributes: int, features: int) -> nn.Module:
    """The user's network, once tried on numbers, with no trace in the random streams of the training.

    Raises:
        SettingsError: if its module or function is not found.
        ModelError: if it fails, or what it returns does not keep the contract of this module.
    """
    factory = find_factory(network.name, network.module_folder, KEY)
    try:
        made = factory(attributes, features, **network.settings)
        if not isinstance(made, nn.Module):
            raise ModelError(f"{KEY}: {network.name} returned {type(made).__name__}, expected a torch.nn.Module")
        _require_contract(network, made, attributes, features)
    except ParaformerError:
        raise
    except Exception as error:
        raise ModelError(f"{KEY}: {network.name} failed ({said(error)})") from error
    return made


def _require_contract(network: OwnConfig | OwnHistoryConfig, made: nn.Module, attributes: int, features: int) -> None:
    width = getattr(made, "width", None)
    if not isinstance(width, int) or width < 1:
        raise ModelError(f"{KEY}: {network.name}: 'width' is {width!r}, expected the number of features of the head")
    given = [torch.zeros(_CELLS, attributes)]
    if isinstance(network, HistoryConfig):
        given.append(torch.zeros(_CELLS, network.history_days, features))
    training = made.training
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = made.eval()(*given)
    made.train(training)
    shape = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if shape != (_CELLS, width):
        raise ModelError(f"{KEY}: {network.name} gave {shape}, expected [cell, width] = ({_CELLS}, {width})")
