"""A miniature holdout: 12 cells, two years, noisy observations of a seasonal course with gaps."""

import numpy as np
import pandas as pd

from paraformer.evaluation.config import EvaluationConfig
from paraformer.evaluation.holdout import Holdout
from paraformer.evaluation.score import aggregate, score_cells

DAYS = np.arange("2015-01-01", "2017-01-01", dtype="datetime64[D]")


def holdout(seed: int = 0, cells: int = 12) -> Holdout:
    random = np.random.default_rng(seed)
    shape = (cells, DAYS.size)
    season = 0.05 * np.cos(2 * np.pi * np.arange(DAYS.size) / 365.25 + random.random((cells, 1)))
    observed = 0.15 + 0.02 * np.arange(cells)[:, None] + season + 0.02 * random.standard_normal(shape)
    mask = random.random(shape) < 0.4
    return Holdout(
        cells=np.arange(100, 100 + cells),
        lat=30 + np.arange(cells) // 4 * 1.0,
        lon=-100 + np.arange(cells) % 4 * 1.0,
        observed=np.where(mask, observed, 0.0),
        mask=mask,
        trained=np.arange(cells) % 3 > 0,
        train_days=np.arange(DAYS.size) < 365,
        test_days=np.arange(DAYS.size) >= 365,
    )


def simulation(of: Holdout, seed: int = 1) -> np.ndarray:
    """Biased, damped and noisy, and finite everywhere."""
    random = np.random.default_rng(seed)
    season = 0.03 * np.cos(2 * np.pi * np.arange(DAYS.size) / 365.25 + random.random((len(of.cells), 1)))
    return 0.3 + season + 0.02 * random.standard_normal(of.mask.shape)


def score_method(method: str, seed: int, simulated: np.ndarray, of: Holdout, config: EvaluationConfig) -> pd.DataFrame:
    """Score table of one method and seed."""
    return aggregate(score_cells(method, seed, simulated, of, config))
