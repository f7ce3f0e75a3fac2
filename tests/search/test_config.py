"""Settings: what is refused, and what θ depends on."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from paraformer.search.config import KalmanConfig, LevenbergConfig, RandomConfig, SCEUAConfig, SearchConfig
from paraformer.search.search import SEARCHES

BUILT_IN = (SCEUAConfig, RandomConfig, LevenbergConfig, KalmanConfig)
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
    assert {config.model_fields["name"].default for config in BUILT_IN} == set(SEARCHES)
    for config in BUILT_IN:
        undescribed = {n for n, f in config.model_fields.items() if not f.description} - {"name", "loss", "flow"}
        assert not undescribed


def test_only_settings_without_an_influence_on_theta_are_left_out() -> None:
    speed = {"runs_together", "checkpoint_seconds"}
    moisture, flow = SCEUAConfig(), SCEUAConfig(targets="streamflow")
    assert set(moisture.model_dump()) - set(moisture.numerical()) == speed | {"targets", "find", "flow"}
    assert set(flow.model_dump()) - set(flow.numerical()) == speed | {"loss"}


def test_an_error_in_place_of_a_weight_wants_inference() -> None:
    asked = {"streamflow": {}, "evapotranspiration": {"reference": ["et_obs"], "error": 75}}
    told = r"'targets.evapotranspiration.error' applies beside 'loss.inference' only; give 'weight'"
    with pytest.raises(ValidationError, match=told):
        LevenbergConfig.model_validate({"targets": asked})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"targets": {"streamflow": {"weight": -1}}}, "greater than 0"),
        ({"targets": {"streamflow": {"wieght": 1}}}, "wieght"),
        ({"targets": "stream"}, "'soil_moisture' or 'streamflow'"),
        ({"name": "kalman", "targets": {"streamflow": {}}}, "an inversion is of soil moisture"),
    ],
)
def test_a_mistake_is_told_in_the_form_of_the_targets_that_was_given(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as refused:
        ADAPTER.validate_python({"name": "levenberg", **given})
    assert refused.value.error_count() == 1
