"""Settings of the data room: what is filled in, what is refused."""

from __future__ import annotations

import datetime as dt

import pytest
from pydantic import ValidationError

from data.simple_world import PERIODS
from paraformer.data.config import DataConfig, SyntheticConfig


def test_the_built_in_world_fills_in_its_layout():
    config = DataConfig(source="synthetic", synthetic={"years": 4, "start": "2010-10-01"})
    assert config.observation == "sm_obs"
    assert str(config.train) == "2010-10-01..2013-09-30"
    assert str(config.test) == "2013-10-01..2014-09-30"
    assert config.split is not None
    assert config.split.trained == ("train",)
    assert config.split.unseen == ("neighbour",)


@pytest.mark.parametrize(
    "given", [{"source": "synthetic"}, {"source": "synthetic", "synthetic": {"rows": 3}}, {"path": "a.nc", **PERIODS}]
)
def test_resolved_settings_read_back_the_same(given):
    config = DataConfig(**given)
    assert DataConfig(**config.model_dump(mode="json")) == config


def test_one_label_stands_for_a_list():
    config = DataConfig(path="a.nc", split={"trained": 1, "unseen": [2, 3]}, **PERIODS)
    assert config.split is not None
    assert config.split.trained == (1,)


@pytest.mark.parametrize(
    ("given", "key", "message"),
    [
        ({"path": "a.nc", "periode": 1, **PERIODS}, ("periode",), "Extra inputs"),
        ({"path": "a.nc"}, ("train",), "required"),
        ({**PERIODS}, (), "path is missing"),
        ({"path": "a.nc", "synthetic": {}, **PERIODS}, (), "synthetic applies"),
        ({"source": "synthetic", "path": "a.nc"}, (), "path applies"),
        ({"source": "synthetic", "synthetic": {"noise": -1}}, ("synthetic", "noise"), "greater than or equal"),
        ({"source": "synthetic", "synthetic": {"rowz": 3}}, ("synthetic", "rowz"), "Extra inputs"),
        ({"source": "synthetic", "synthetic": {"start": "2016-02-29"}}, ("synthetic",), "29 February"),
        ({"path": "a.nc", "train": PERIODS["train"], "test": PERIODS["train"]}, (), "overlap"),
        ({"path": "a.nc", "split": {"trained": "a", "unseen": "a"}, **PERIODS}, ("split",), "both trained and unseen"),
        ({"path": "a.nc", "attributes": ["sand", "sand"], **PERIODS}, ("attributes",), "twice"),
    ],
)
def test_wrong_settings_are_refused_at_their_key(given, key, message):
    with pytest.raises(ValidationError) as caught:
        DataConfig(**given)
    first = caught.value.errors()[0]
    assert first["loc"] == key
    assert message in first["msg"]


def test_a_leap_year_ends_where_the_next_begins():
    world = SyntheticConfig(start=dt.date(2015, 3, 1), years=2)
    assert str(world.train) == "2015-03-01..2016-02-29"
    assert str(world.test) == "2016-03-01..2017-02-28"
