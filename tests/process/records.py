"""Single records of the model's structured types, for direct tests of flux functions."""

from __future__ import annotations

from typing import Any

import numpy as np


def record(dtype: np.dtype, **values: Any) -> Any:
    """One record of zeros with some fields set; compiled functions and plain Python take it alike."""
    made = np.zeros(1, dtype=dtype).view(np.recarray)[0]
    for name, value in values.items():
        made[name] = value
    return made
