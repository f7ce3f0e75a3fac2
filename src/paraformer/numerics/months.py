"""Totals of calendar months from daily series."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from paraformer.core.time import DAYS_OF_MONTH


def monthly_operator(time: np.ndarray, least_days: int = 20) -> Float[np.ndarray, "day month"]:
    """Matrix that turns a daily series [mm day-1] into totals of the twelve mean calendar months [mm month-1].

    A month's total is the mean of its days, whatever year they are of, times its length, so that a period that is not
    made of whole years weighs every month alike.

    Args:
        time: days (datetime64) [day].

    Raises:
        ValueError: naming the first month of which there are fewer than ``least_days`` days.
    """
    month = time.astype("datetime64[M]").astype(int) % 12
    days = np.bincount(month, minlength=12)
    if (days < least_days).any():
        short = int(np.argmax(days < least_days))
        raise ValueError(f"month {short + 1} has {days[short]} days of the {least_days} that a total needs")
    return (month[:, None] == np.arange(12)) * (DAYS_OF_MONTH / days)
