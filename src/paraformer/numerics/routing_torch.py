"""The routing operator as torch sees it: the same compiled code, with its transposed as the gradient.

On another device than the CPU arrays are copied there and back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from paraformer.numerics.routing import (
    Pairs,
    Response,
    convolve,
    convolve_transposed,
    ordinates_transposed,
    path_sums,
    path_sums_transposed,
)
from paraformer.numerics.unit_hydrograph import (
    TravelTimes,
    Window,
    unit_hydrographs,
    unit_hydrographs_transposed,
)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).numpy()


def _like(array: np.ndarray, tensor: Tensor) -> Tensor:
    return torch.from_numpy(array).to(tensor.device, tensor.dtype)


class _PathSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, pairs: Pairs) -> Tensor:
        ctx.pairs, ctx.n_cell = pairs, len(values)
        return _like(path_sums(_array(values), pairs), values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        return _like(path_sums_transposed(_array(gradient[0]), ctx.pairs, ctx.n_cell), gradient[0]), None


class _UnitHydrographs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, mean: Tensor, variance: Tensor, shape: Tensor, scale: Tensor, step: float, window: Window
    ) -> Tensor:
        ctx.times, ctx.step, ctx.window = TravelTimes(*map(_array, (mean, variance, shape, scale))), step, window
        return _like(unit_hydrographs(ctx.times, step, window), mean)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        found = unit_hydrographs_transposed(ctx.times, ctx.step, ctx.window, _array(gradient[0]))
        return *(_like(array, gradient[0]) for array in found), None, None


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, runoff: Tensor, ordinates: Tensor, pairs: Pairs, window: Window, weight: np.ndarray
    ) -> Tensor:
        ctx.pairs, ctx.runoff, ctx.response = pairs, _array(runoff), Response(_array(ordinates), window, weight)
        return _like(convolve(ctx.runoff, pairs, ctx.response), runoff)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradient: Tensor) -> Any:
        flow, by_runoff, by_ordinates = _array(gradient[0]), None, None
        if ctx.needs_input_grad[0]:
            by_runoff = _like(convolve_transposed(flow, len(ctx.runoff), ctx.pairs, ctx.response), gradient[0])
        if ctx.needs_input_grad[1]:
            by_ordinates = _like(ordinates_transposed(flow, ctx.runoff, ctx.pairs, ctx.response), gradient[0])
        return by_runoff, by_ordinates, None, None, None


def path_sums_of(values: Tensor, pairs: Pairs) -> Tensor:
    """``routing.path_sums``, differentiable: cells [cell] -> [pair]."""
    return _PathSums.apply(values, pairs)


def unit_hydrographs_of(
    mean: Tensor, variance: Tensor, shape: Tensor, scale: Tensor, step: float, window: Window
) -> Tensor:
    """``unit_hydrograph.unit_hydrographs``, differentiable in the times of travel: [pair] -> [pair, lag]."""
    return _UnitHydrographs.apply(mean, variance, shape, scale, step, window)


def convolve_of(runoff: Tensor, ordinates: Tensor, pairs: Pairs, window: Window, weight: np.ndarray) -> Tensor:
    """``routing.convolve``, differentiable in runoff [cell, time] and ordinates [pair, lag]: -> [gauge, time]."""
    return _Convolve.apply(runoff, ordinates, pairs, window, weight)
