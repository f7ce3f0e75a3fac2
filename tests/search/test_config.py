"""Settings: what is refused, and what θ depends on."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from paraformer.search.config import RandomConfig, SCEUAConfig, SearchConfig
from paraformer.search.search import SEARCHES

ADAPTER: TypeAdapter[SCEUAConfig | RandomConfig] = TypeAdapter(SearchConfig)


def test_the_name_decides_which_settings_apply() -> None:
    assert isinstance(ADAPTER.validate_python({"name": "sceua", "complexes": 3}), SCEUAConfig)
    assert isinstance(ADAPTER.validate_python({"name": "random", "budget": 3}), RandomConfig)
    for wrong in ({"name": "random", "complexes": 3}, {"name": "sceua", "ngs": 3}, {"name": "annealing"}):
        with pytest.raises(ValidationError):
            ADAPTER.validate_python(wrong)


def test_an_operator_that_couples_cells_is_refused() -> None:
    with pytest.raises(ValidationError, match="couples them; a search is cell by cell"):
        ADAPTER.validate_python({"name": "sceua", "loss": {"operator": "global_linear"}})


def test_every_search_is_registered_and_every_setting_described() -> None:
    for config in (SCEUAConfig, RandomConfig):
        assert config().name in SEARCHES
        undescribed = {n for n, f in config.model_fields.items() if not f.description} - {"name", "loss"}
        assert not undescribed


def test_only_settings_without_an_influence_on_theta_are_left_out() -> None:
    assert set(SCEUAConfig().model_dump()) - set(SCEUAConfig().numerical()) == {"runs_together", "checkpoint_seconds"}
