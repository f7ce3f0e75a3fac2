"""One root seed, named derived streams: the same name always gives the same stream, whatever else has been drawn."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(root: int, *names: str | int) -> int:
    """Return a 63-bit seed that depends on the root seed and the names alone.

    >>> derive_seed(0, "ensemble") == derive_seed(0, "ensemble") != derive_seed(0, "surrogate")
    True
    """
    text = "/".join([str(root), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(root: int, *names: str | int) -> np.random.Generator:
    """NumPy random stream derived from the root seed and the names."""
    return np.random.Generator(np.random.PCG64(derive_seed(root, *names)))
