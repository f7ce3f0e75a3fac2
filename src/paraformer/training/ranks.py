"""Several processes, one batch: each computes its share of the samples, then all see the whole batch's result.

A loss computed from the gathered result is the same number in every process, and its gradient averaged over the
processes is that of one process with the whole batch, whatever the loss is (a root of a mean, a fitted line, ...):
the gradient that reaches a share is summed over the processes by the gather, and averaged by the network's wrapper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together; 1 without ``torch.distributed``."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def share(samples: int, rank: int) -> Int[np.ndarray, " part"]:
    """Positions of the samples of process ``rank``, in order; the last is repeated so that all shares are as long."""
    part = -(-samples // world_size())
    return np.minimum(np.arange(rank * part, (rank + 1) * part), samples - 1)


def gathered(part: Float[Tensor, " part *rest"], samples: int) -> Float[Tensor, " sample *rest"]:
    """The parts of all processes in the order of the batch, without the repeated samples; differentiable."""
    if world_size() == 1:
        return part
    return _Gather.apply(part)[:samples]


class _Gather(torch.autograd.Function):
    """All parts in the order of the ranks; backward, the sum over the processes of this part's gradient."""

    @staticmethod
    def forward(context: Any, part: Tensor) -> Tensor:
        parts = [torch.empty_like(part) for _ in range(world_size())]
        torch.distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total.chunk(world_size())[torch.distributed.get_rank()]
