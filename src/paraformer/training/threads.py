"""Threads of torch: the last bit of a matrix product depends on their number, so it must not change along the way.

numba's OpenMP pool sets the number for the whole process when it first starts: a run that has simulated before it
trains, and the same run resumed at the training, would end with different bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_THREADS = torch.get_num_threads()
"""Torch's own choice (OMP_NUM_THREADS, else the cores), read when this module is imported."""


def own_threads() -> int:
    """Torch's own number of threads, on which the last bits of a training depend."""
    return _THREADS


def settle_threads() -> None:
    """Give torch its own number of threads back, whatever another library has set since."""
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)


def share_threads(processes: int) -> None:
    """Give this process its part of torch's own number of threads, at least one."""
    torch.set_num_threads(max(1, _THREADS // processes))


@contextmanager
def no_denormals() -> Iterator[None]:
    """Context in which this thread takes numbers below 1e-38 for zero: gradients that vanish over the days of an LSTM
    get there, and processors calculate with such numbers many times slower. No weight feels so small a step."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
