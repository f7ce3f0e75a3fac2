"""Arrays of numpy as what networks take."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def to_tensor(values: np.ndarray) -> Tensor:
    """Float32 tensor of an array, of its own memory layout."""
    return torch.as_tensor(np.ascontiguousarray(values, dtype=np.float32))
