"""Triple collocation finds errors that were put in, and says where its model does not hold."""

import sys

import numpy as np
import pytest

from paraformer.core.errors import SettingsError
from paraformer.evaluation.collocation import triple_collocation

ERRORS = {"station": 0.02, "satellite": 0.04, "model": 0.03}


def made(days: int = 1500, seed: int = 0) -> dict[str, np.ndarray]:
    """One signal in three scales, each with an error of its own."""
    random = np.random.default_rng(seed)
    signal = 0.06 * random.standard_normal(days)
    scale = {"station": (0.2, 1.0), "satellite": (0.1, 0.5), "model": (0.3, 1.4)}
    return {k: a + b * signal + ERRORS[k] * random.standard_normal(days) for k, (a, b) in scale.items()}


@pytest.fixture
def pytesmo() -> None:
    pytest.importorskip("pytesmo", reason="the library pytesmo (extra insitu) is not installed")


def test_errors_are_found_in_the_series_own_scales(pytesmo: None) -> None:
    found = triple_collocation(made(), np.ones(1500, bool))
    for name, error in ERRORS.items():
        assert found[name].error == pytest.approx(error, rel=0.1)
        assert found[name].low < error < found[name].high
        signal = 0.06 * {"station": 1.0, "satellite": 0.5, "model": 1.4}[name]
        assert found[name].r_truth == pytest.approx(1 / np.sqrt(1 + (error / signal) ** 2), abs=0.03)
        assert found[name].snr_db == pytest.approx(20 * np.log10(signal / error), abs=1.0)


def test_days_that_do_not_count_are_not_read(pytesmo: None) -> None:
    series, mask = made(), np.ones(1500, bool)
    mask[700:900] = False
    spoilt = {name: np.where(mask, values, np.nan) for name, values in series.items()}
    found = triple_collocation(spoilt, mask)
    assert found["model"].error == pytest.approx(ERRORS["model"], rel=0.1)


def test_shared_errors_are_taken_for_signal(pytesmo: None) -> None:
    """The planted fault: a model that repeats the satellite's errors looks better than it is."""
    series = made()
    shared = 0.04 * np.random.default_rng(9).standard_normal(1500)
    found = triple_collocation(
        {k: v + (shared if k != "station" else 0) for k, v in series.items()}, np.ones(1500, bool)
    )
    assert found["satellite"].error < np.hypot(0.04, 0.04) * 0.95
    assert found["station"].error > ERRORS["station"] * 1.3


def test_no_common_signal_has_no_error(pytesmo: None) -> None:
    series = made()
    found = triple_collocation(series | {"model": -series["model"]}, np.ones(1500, bool))
    assert all(np.isnan(one.error) for one in found.values())
    assert triple_collocation(series, np.arange(1500) < 49) == {}, "49 days are too few"


def test_without_the_library_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytesmo.metrics", None)
    with pytest.raises(SettingsError, match=r"triple collocation needs pytesmo: pip install 'paraformer\[insitu\]'"):
        triple_collocation(made(), np.ones(1500, bool))
