"""Threads of torch: the last bit of a matrix product depends on their number, so it must not change along the way.

numba's OpenMP pool sets the number for the whole process when it first starts: a run that has simulated before it
trains, and the same run resumed at the training, would end with different bits.
"""

from __future__ import annotations

import torch

_THREADS = torch.get_num_threads()
"""Torch's own choice (OMP_NUM_THREADS, else the cores), read when this module is imported."""


def settle_threads() -> None:
    """Give torch its own number of threads back, whatever another library has set since."""
    if torch.get_num_threads() != _THREADS:
        torch.set_num_threads(_THREADS)


def share_threads(processes: int) -> None:
    """Give this process its part of torch's own number of threads, at least one."""
    torch.set_num_threads(max(1, _THREADS // processes))
