"""Learners with neighbours: where these are, which a cell may see, and what may never reach θ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from learners.toy import NAMES, SPACE, Waves, secretive_twin, small
from paraformer.core.contracts import CalibrationData
from paraformer.core.errors import DataError, RunError
from paraformer.core.grid import points
from paraformer.core.log import Progress
from paraformer.learners.attention import MultiHeadAttention
from paraformer.learners.config import LearnerConfig, ParaFormerNConfig
from paraformer.learners.inputs import History, Scaling, Surroundings
from paraformer.learners.learn import Learner
from paraformer.learners.learned import LearnedMap
from paraformer.learners.neighbours import NeighbourDraw, Places, TrainedPlaces, token_size
from paraformer.learners.networks import ParameterMap
from paraformer.learners.paraformer_n import ParaFormerN
from paraformer.learners.statistics import STATISTICS, history_statistics
from training.killing import KillAt, Killed

NETWORK = {
    "name": "paraformer_n",
    "neighbours": 3,
    "alike": 2,
    "width": 16,
    "heads": 2,
    "feed_forward": 32,
    "dropout": 0.1,
}


def settings(steps: int = 6, network: dict[str, object] | None = None, **changes: object) -> LearnerConfig:
    given = small("ffn_a", steps, **changes).model_dump(exclude={"network"})
    return LearnerConfig.model_validate({**given, "network": {**NETWORK, **(network or {})}})


def twin(cells: int = 24, smooth: bool = False) -> tuple[CalibrationData, np.ndarray]:
    """The twin whose attributes say nothing, at random places; with ``smooth`` the true θ varies slowly in space."""
    data, u = secretive_twin(cells)
    random = np.random.default_rng(5)
    lat, lon = random.uniform(30, 45, cells), random.uniform(-120, -80, cells)
    data = replace(data, latitude=lat, longitude=lon)
    if smooth:
        u = 0.5 + 0.35 * np.stack([np.sin(lat / 3), np.cos(lon / 5)], axis=-1)
        truth = Waves(cells).simulate(SPACE.from_unit(u)[:, None], ("soil_moisture",))["soil_moisture"][:, 0, 7:]
        history = np.where(data.history_mask, truth, 0.0)
        data = replace(data, history=history, observed=history * data.trained[:, None], filled=truth)
    return data, u


def learn(config: LearnerConfig, directory: Path, data: CalibrationData, seed: int = 0) -> LearnedMap:
    return Learner(config).learn(Waves(len(data.cells)), data, seed=seed, directory=directory, progress=Progress())


def theta(learned: LearnedMap, data: CalibrationData, history: bool = False) -> np.ndarray:
    given = History.of(data, "masked") if history else None
    return learned.predict(data.attributes, data.prior, data.attribute_names, given, Places.of(data))


def places(data: CalibrationData, **network: object) -> TrainedPlaces:
    config = settings(network=dict(network))
    return TrainedPlaces.fit(data, Scaling.fit(data, config), config)


def test_the_nearest_are_those_of_a_full_search_and_never_the_cell_itself() -> None:
    data, _ = twin(60)
    trained = np.flatnonzero(data.trained)
    found = places(data).nearest(Places.of(data), 5)
    at = points(*Places.of(data))
    for cell in range(60):
        away = np.linalg.norm(at[trained] - at[cell], axis=1)
        away[trained == cell] = np.inf
        np.testing.assert_array_equal(found[cell], np.argsort(away)[:5])


def test_the_most_alike_are_those_of_a_full_search_and_never_the_cell_itself() -> None:
    data, _ = twin(60)
    known, attributes = places(data), Scaling.fit(data, settings())(data.attributes, None).attributes
    found = known.alike(attributes, Places.of(data), 4)
    trained = np.flatnonzero(data.trained)
    for cell in range(60):
        differ = (attributes[trained] - attributes[cell]).norm(dim=1).numpy()
        differ[trained == cell] = np.inf
        np.testing.assert_array_equal(found[cell], np.argsort(differ)[:4])
    assert known.alike(attributes, Places.of(data), 0).shape == (60, 0)


def test_where_there_are_fewer_the_rest_is_missing() -> None:
    data, _ = twin(6)
    found = places(data).nearest(Places.of(data), 9)
    assert found.shape == (6, 9)
    assert ((found >= 0).sum(axis=1) == np.where(data.trained, data.trained.sum() - 1, data.trained.sum())).all()


def test_distance_and_bearing_are_those_of_the_sphere() -> None:
    """A cell at 40 N 100 W; neighbours a degree to the north, south, east and west."""
    data, _ = twin(5)
    data = replace(
        data,
        trained=np.array([True] * 4 + [False]),
        latitude=np.array([41.0, 39.0, 40.0, 40.0, 40.0]),
        longitude=np.array([-100.0, -100.0, -99.0, 259.0, -100.0]),
    )
    known = places(data)
    here = Places.of(data).select(np.array([4]))
    seen = known.around(torch.zeros(1, 3), here, np.arange(4)[None], 4)
    degree = 6371.0 * np.pi / 180 / 100
    np.testing.assert_allclose(seen.distance[0], degree * np.array([1, 1, *[np.cos(np.deg2rad(40))] * 2]), rtol=1e-4)
    log, sine, cosine, alike = seen.tokens[0, :, -4:].numpy().T
    assert (alike == 0).all()
    np.testing.assert_allclose(log, seen.distance[0].log(), rtol=1e-5)
    np.testing.assert_allclose(sine, [0, 0, 1, -1], atol=1e-4)
    np.testing.assert_allclose(cosine, [1, -1, 0, 0], atol=0.01)  # east is not along a parallel


def test_tokens_are_differences_and_statistics_of_the_neighbours() -> None:
    data, _ = twin()
    config = settings()
    scaling, known = Scaling.complete(data), places(data)
    inputs = scaling(data.attributes, History.of(data, "masked"))
    where, index = Places.of(data), places(data).nearest(Places.of(data), 3)
    seen = known.around(inputs.attributes, where, index, 2)  # the third as if chosen for its attributes
    assert inputs.history is not None
    trained = np.flatnonzero(data.trained)
    assert seen.tokens.shape == (24, 3, token_size(3, config.network))
    neighbour = int(trained[index[7, 1]])
    expected = torch.cat(
        [inputs.attributes[neighbour] - inputs.attributes[7], history_statistics(inputs.history[[neighbour]])[0]]
    )
    torch.testing.assert_close(seen.tokens[7, 1, : 3 + STATISTICS], expected)
    torch.testing.assert_close(seen.distance[:, 2], seen.tokens[:, 2, :3].norm(dim=-1))
    assert (seen.tokens[:, :, -1].numpy() == [0, 0, 1]).all()


def test_draws_drop_neighbours_and_keep_the_nearest_of_the_rest() -> None:
    data, _ = twin(90)
    known, cells = places(data), np.repeat(np.arange(60), 20)
    trained = known.where
    away = np.linalg.norm(points(*trained)[:, None] - points(*trained), axis=-1) / 100

    def drawn(**network: object) -> np.ndarray:
        return NeighbourDraw(known, settings(network=dict(network))).draw(cells, np.random.default_rng(0))

    every = drawn(neighbour_dropout=0.0, far=0.0)
    alike = known.alike(known.attributes, trained, 2)
    np.testing.assert_array_equal(every, np.concatenate([known.nearest(trained, 3), alike], axis=1)[cells])
    some = drawn(neighbour_dropout=0.5, far=0.0)
    for first in (0, 3):
        assert 0.4 < (some[:, first] != every[:, first]).mean() < 0.6
    far = drawn(neighbour_dropout=0.0, far=1.0, far_km=2000.0)
    distance = np.where(far >= 0, away[cells[:, None], far], np.inf)
    assert (np.diff(np.where(np.isfinite(distance), distance, 1e9)[:, :3], axis=1) >= 0).all()
    assert (distance[:, 3:] >= 1).mean() > 0.9  # cells that are alike are hidden, too, where they are near
    assert 6 < np.median(distance[:, 0]) < 14  # half of a radius drawn up to 20 units, and the next cell beyond
    assert (np.concatenate([every, some, far]) != np.tile(cells, 3)[:, None]).all()  # never the cell itself


def test_the_order_of_neighbours_does_not_matter_and_a_missing_one_is_not_read() -> None:
    torch.manual_seed(0)
    network = ParaFormerN(ParaFormerNConfig(width=8, heads=2, feed_forward=8), 3).eval()
    size = token_size(3, ParaFormerNConfig())
    seen = Surroundings(torch.randn(5, 4, size), torch.rand(5, 4), torch.rand(5, 4) < 0.7)
    attributes = torch.randn(5, 3)
    found = network(attributes, seen)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(network(attributes, Surroundings(*(part[:, order] for part in seen))), found)
    noise = seen._replace(tokens=torch.where(seen.there[..., None], seen.tokens, 99.0))
    torch.testing.assert_close(network(attributes, noise), found, rtol=0, atol=0)
    assert not torch.allclose(network(attributes, seen._replace(there=torch.ones(5, 4, dtype=torch.bool))), found)
    alone = network(attributes, seen._replace(there=torch.zeros(5, 4, dtype=torch.bool)))
    assert alone.isfinite().all()


def map_inputs(cells: int) -> tuple[ParameterMap, torch.Tensor, torch.Tensor, Surroundings]:
    torch.manual_seed(0)
    config = settings()
    network = ParameterMap(config, 3, 2).double().eval()
    seen = Surroundings(
        torch.randn(cells, 4, token_size(3, config.network)).double(),
        torch.rand(cells, 4).double(),
        torch.rand(cells, 4) < 0.7,
    )
    return network, torch.randn(cells, 3).double(), torch.rand(cells, 2).double(), seen


def test_it_starts_at_each_cells_prior_and_cells_are_independent() -> None:
    network, attributes, prior, seen = map_inputs(7)
    torch.testing.assert_close(network(attributes, prior, neighbours=seen), prior.clamp(0.01, 0.99))
    torch.nn.init.normal_(network.head.linear.weight)
    whole = network(attributes, prior, neighbours=seen)
    cells = torch.tensor([4, 2])
    some = network(attributes[cells], prior[cells], neighbours=Surroundings(*(part[cells] for part in seen)))
    torch.testing.assert_close(some, whole[cells], rtol=0, atol=1e-12)


def test_gradients_of_the_map_are_right() -> None:
    network, attributes, prior, seen = map_inputs(2)
    torch.nn.init.normal_(network.head.linear.weight)
    given = (attributes.requires_grad_(), seen.tokens.requires_grad_(), seen.distance.requires_grad_())
    assert torch.autograd.gradcheck(lambda a, t, d: network(a, prior, neighbours=Surroundings(t, d, seen.there)), given)


def test_a_neighbour_infinitely_far_is_as_good_as_none() -> None:
    torch.manual_seed(0)
    network = ParaFormerN(ParaFormerNConfig(width=8, heads=2, feed_forward=8), 3).eval()
    seen = Surroundings(
        torch.randn(5, 4, token_size(3, ParaFormerNConfig())),
        torch.full((5, 4), 1e5),
        torch.ones(5, 4, dtype=torch.bool),
    )
    attributes = torch.randn(5, 3)
    alone = network(attributes, seen._replace(there=torch.zeros(5, 4, dtype=torch.bool)))
    torch.testing.assert_close(network(attributes, seen), alone)


def test_attention_with_a_bias_is_the_softmax_of_both() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(6, 2, 0.0).double().eval()
    queries, keys = torch.randn(3, 4, 6).double(), torch.randn(3, 5, 6).double()
    bias = torch.randn(3, 2, 1, 5).double()
    bias[1, :, :, 2] = -torch.inf
    maps: list[torch.Tensor] = []
    written_out = attention(queries, keys, maps, bias)
    torch.testing.assert_close(attention(queries, keys, bias=bias), written_out)
    plain: list[torch.Tensor] = []
    attention(queries, keys, plain)
    torch.testing.assert_close(maps[0], torch.softmax(plain[0].log() + bias, dim=-1))
    assert (maps[0][1, :, :, 2] == 0).all()


def test_unseen_observations_never_matter_and_those_of_neighbours_do(tmp_path: Path) -> None:
    data, _ = twin()
    unseen, config = ~data.trained, settings()
    poisoned = replace(
        data,
        forcing=np.where(unseen[:, None, None], np.nan, data.forcing),
        history=np.where(unseen[:, None], np.nan, data.history),
        history_mask=data.history_mask | unseen[:, None],
    )
    clean, other = learn(config, tmp_path / "a", data), learn(config, tmp_path / "b", poisoned)
    assert (tmp_path / "a" / "model.json").read_bytes() == (tmp_path / "b" / "model.json").read_bytes()
    found = theta(clean, data)
    np.testing.assert_array_equal(theta(other, poisoned), found)
    one = np.arange(24) == np.flatnonzero(data.trained)[0]
    wetter = replace(data, history=data.history + 0.1 * (data.history_mask & one[:, None]))
    with pytest.raises(RunError, match="another 'data'"):
        learn(config, tmp_path / "a", wetter)
    assert not np.array_equal(theta(learn(config, tmp_path / "c", wetter), data), found)  # planted: it could be seen


def test_a_cells_own_observations_reach_its_theta_by_option_only(tmp_path: Path) -> None:
    """θ of a trained cell, too, is read from the others alone."""
    data, _ = twin()
    learned = learn(settings(), tmp_path / "a", data)
    assert learned.places is not None
    at = int(np.flatnonzero(data.trained)[0])
    statistics = learned.places.statistics.clone()
    statistics[0] += 1.0
    moved = LearnedMap(**{**vars(learned), "places": replace(learned.places, statistics=statistics)})
    before, after = theta(learned, data), theta(moved, data)
    np.testing.assert_array_equal(before[at], after[at])
    assert (before != after).any()
    own = learn(settings(network={"own_history": True}), tmp_path / "b", data)
    cell = int(np.flatnonzero(~data.trained)[0])
    mask = data.history_mask & (np.arange(24) == cell)[:, None]
    wetter = replace(data, history=data.history + 0.1 * mask)
    assert (theta(own, data, True)[cell] != theta(own, wetter, True)[cell]).any()
    with pytest.raises(DataError, match="reads the history of a cell"):
        theta(own, data)


def test_neighbours_tell_what_attributes_do_not(tmp_path: Path) -> None:
    """θ varies slowly in space and the attributes are noise: without neighbours half the range is all one can say."""
    data, u = twin(360, smooth=True)
    error = {}
    for name, network in (("with", {}), ("without", {"statistics": False})):
        config = settings(120, {**network, "dropout": 0.0, "neighbour_dropout": 0.1, "far": 0.0}, cells_per_batch=60)
        learned = learn(config, tmp_path / name, data)
        error[name] = np.abs(SPACE.to_unit(theta(learned, data)) - u)[~data.trained].mean()
    assert error["with"] < 0.5 * error["without"]


def test_a_training_killed_at_any_step_ends_with_the_same_bits(tmp_path: Path) -> None:
    data, _ = twin()
    training = {"steps": 4, "checkpoint_steps": 1, "checkpoint_seconds": None, "ema": 0.9, "validate_every": 2}
    config = settings(network={"own_history": True}, training=training, validation=0.25)
    whole = theta(learn(config, tmp_path / "whole", data), data, True)
    for step in range(1, 5):
        place = tmp_path / str(step)
        with pytest.raises(Killed):
            Learner(config).learn(Waves(24), data, seed=0, directory=place, progress=KillAt(step))
        resumed = Learner(config).calibrate(Waves(24), data, seed=0, directory=place, progress=Progress())
        np.testing.assert_array_equal(resumed, whole)


def test_a_stored_map_predicts_the_same_at_any_place_in_any_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = twin()
    learned = learn(settings(members=2), tmp_path, data)
    whole = theta(learned, data)
    read = LearnedMap.load(tmp_path, SPACE)
    np.testing.assert_array_equal(theta(read, data), whole)
    monkeypatch.setattr("paraformer.learners.learned._BATCH", 5)
    np.testing.assert_allclose(SPACE.to_unit(theta(read, data)), SPACE.to_unit(whole), atol=1e-6)
    order = np.arange(24)[::-1]
    found = read.predict(data.attributes[order], data.prior[order], NAMES, None, Places.of(data).select(order))
    np.testing.assert_allclose(SPACE.to_unit(found), SPACE.to_unit(whole[order]), atol=1e-6)
    maps = read.attention(data.attributes, NAMES, where=Places.of(data), member=1)
    assert {name: m.shape for name, m in maps.items()} == {"attribute": (24, 1, 2, 3, 3), "neighbour": (24, 2, 3, 6)}
    for weights in maps.values():
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    (tmp_path / "places.safetensors").unlink()
    with pytest.raises(RunError, match=r"places\.safetensors: not readable"):
        LearnedMap.load(tmp_path, SPACE)


def test_what_it_cannot_do_without_is_asked_for(tmp_path: Path) -> None:
    data, _ = twin()
    learned = learn(settings(), tmp_path / "a", data)
    with pytest.raises(DataError, match="say where the cells are"):
        learned.predict(data.attributes, data.prior, NAMES)
    with pytest.raises(DataError, match="needs latitude and longitude"):
        learn(settings(), tmp_path / "b", replace(data, latitude=None))
    trained = np.flatnonzero(data.trained)
    same = data.latitude.copy(), data.longitude.copy()
    for values in same:
        values[trained[3]] = values[trained[1]]
    with pytest.raises(DataError, match=f"trained cell {trained[1]} lies at the place of another"):
        learn(settings(), tmp_path / "c", replace(data, latitude=same[0], longitude=same[1]))
    alone = np.arange(24) == trained[0]
    with pytest.raises(DataError, match="needs two trained cells"):
        learn(settings(), tmp_path / "d", replace(data, trained=alone, mask=data.history_mask & alone[:, None]))
