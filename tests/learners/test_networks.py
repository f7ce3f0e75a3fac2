"""Networks against attention written out by hand and closed forms, heads at the prior, equivariance in cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from learners.toy import NETWORKS
from paraformer.learners.attention import EncoderLayer, MultiHeadAttention, position_code
from paraformer.learners.config import FFNConfig, LearnerConfig, LSTMZConfig, ParaFormerAConfig, ParaFormerZConfig
from paraformer.learners.head import Head
from paraformer.learners.inputs import HISTORY_FEATURES, Inputs
from paraformer.learners.networks import LEARNERS, ParameterMap, window_starts
from paraformer.learners.paraformer import ParaFormerA
from paraformer.learners.paraformer_z import ParaFormerZ


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attend(queries: np.ndarray, keys: np.ndarray, module: torch.nn.Module, heads: int) -> np.ndarray:
    """Post-norm residual attention of one cell in loops over heads and tokens (eqs. 5-7)."""
    attention, part = module.attention, queries.shape[1] // heads
    q, k, v = (
        tokens @ array(m.weight).T + array(m.bias)
        for tokens, m in ((queries, attention.query), (keys, attention.key), (keys, attention.value))
    )
    joined = np.zeros_like(queries)
    for head in range(heads):
        columns = slice(head * part, (head + 1) * part)
        for token in range(len(queries)):
            score = np.exp(q[token, columns] @ k[:, columns].T / np.sqrt(part))
            joined[token, columns] = (score / score.sum()) @ v[:, columns]
    return norm(queries + joined @ array(attention.output.weight).T + array(attention.output.bias))


def feed_forward(tokens: np.ndarray, module: torch.nn.Module) -> np.ndarray:
    first, last = module.layers[0], module.layers[2]
    inner = np.maximum(0, tokens @ array(first.weight).T + array(first.bias))
    return norm(tokens + inner @ array(last.weight).T + array(last.bias))


@pytest.mark.parametrize("pool", ["mean", "concatenate"])
@pytest.mark.parametrize("heads", [1, 2])
def test_paraformer_a_is_equations_4_to_8(heads: int, pool: str) -> None:
    """Loops over cells, heads and tokens in NumPy; layer norms start as the identity after normalising."""
    torch.manual_seed(0)
    config = ParaFormerAConfig(width=6, heads=heads, layers=1, feed_forward=5, dropout=0.3, pool=pool)
    network = ParaFormerA(config, attributes=4).double().eval()
    attributes = np.random.default_rng(0).normal(size=(3, 4))
    found = array(network(torch.as_tensor(attributes)))
    layer = network.layers[0]
    for cell in range(3):
        tokens = attributes[cell][:, None] * array(network.embedding.weight) + array(network.embedding.bias)
        out = feed_forward(attend(tokens, tokens, layer.attend, heads), layer.feed_forward)
        expected = out.mean(axis=0) if pool == "mean" else out.reshape(-1)
        assert np.allclose(found[cell], expected, atol=1e-12)


@pytest.mark.parametrize("pool", ["mean", "concatenate"])
@pytest.mark.parametrize("patch", [1, 3])
def test_paraformer_z_is_equations_9_to_12(patch: int, pool: str) -> None:
    torch.manual_seed(0)
    config = ParaFormerZConfig(width=6, heads=2, layers=2, feed_forward=5, history_days=12, patch=patch, pool=pool)
    network = ParaFormerZ(config, attributes=4, features=3).double().eval()
    random = np.random.default_rng(0)
    attributes, history = random.normal(size=(3, 4)), random.normal(size=(3, 12, 3))
    found = array(network(torch.as_tensor(attributes), torch.as_tensor(history)))
    for cell in range(3):
        patches = np.stack([history[cell, t : t + patch].reshape(-1) for t in range(0, 12, patch)])
        time = patches @ array(network.embed_time.weight).T + array(network.embed_time.bias)
        time = time + array(position_code(12 // patch, 6))
        for layer in network.encoder:
            time = feed_forward(attend(time, time, layer.attend, 2), layer.feed_forward)
        embedding = network.embed_attributes
        tokens = attributes[cell][:, None] * array(embedding.weight) + array(embedding.bias)
        asked = attend(tokens, tokens, network.attributes, 2)
        out = feed_forward(attend(asked, time, network.cross, 2), network.feed_forward)
        expected = out.mean(axis=0) if pool == "mean" else out.reshape(-1)
        assert np.allclose(found[cell], expected, atol=1e-12)


@pytest.mark.parametrize("width", [6, 7])
def test_the_position_code_is_its_closed_form(width: int) -> None:
    code = array(position_code(30, width))
    for t in range(30):
        for column in range(width):
            angle = t / 10000 ** ((column - column % 2) / width)
            assert code[t, column] == pytest.approx(np.cos(angle) if column % 2 else np.sin(angle), abs=1e-6)


def test_the_order_of_the_days_matters_and_that_of_the_attributes_does_not() -> None:
    """Without the position code attention could not tell one order of the days from another."""
    torch.manual_seed(0)
    config = ParaFormerZConfig(width=8, heads=2, feed_forward=5, history_days=12, patch=1, pool="mean")
    network = ParaFormerZ(config, attributes=4, features=3).double().eval()
    attributes, history = torch.randn(2, 4).double(), torch.randn(2, 12, 3).double()
    found = network(attributes, history)
    assert not torch.allclose(network(attributes, history.flip(1)), found, atol=1e-3)
    network.position.zero_()
    assert torch.allclose(network(attributes, history.flip(1)), network(attributes, history), atol=1e-12)
    found, order = network(attributes, history), torch.tensor([2, 0, 3, 1])
    embedding = network.embed_attributes
    embedding.weight.data, embedding.bias.data = embedding.weight.data[order], embedding.bias.data[order]
    assert torch.allclose(network(attributes[:, order], history), found, atol=1e-12)


def test_the_fused_kernel_and_the_written_out_attention_agree() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(12, 3, dropout=0.5).double().eval()
    queries, keys = torch.randn(4, 5, 12).double(), torch.randn(4, 9, 12).double()
    maps: list[torch.Tensor] = []
    assert torch.allclose(attention(queries, keys), attention(queries, keys, maps), atol=1e-12)
    assert maps[0].shape == (4, 3, 5, 9)
    assert torch.allclose(maps[0].sum(-1), torch.ones(4, 3, 5).double())
    layer = EncoderLayer(12, 3, 7, dropout=0.5).double().eval()
    assert torch.allclose(layer(keys), layer(keys, []), atol=1e-12)
    layer.train()
    assert not torch.allclose(layer(keys), layer(keys, []), atol=1e-3)  # dropout is on, in the fused kernel too


def inputs(name: str, cells: int, attributes: int) -> tuple[LearnerConfig, torch.Tensor, tuple[torch.Tensor, ...]]:
    """Small settings of a learner, attributes, and a history if it reads one."""
    config = LearnerConfig.model_validate({"network": NETWORKS[name]})
    days = getattr(config.network, "history_days", 0)
    history = (torch.randn(cells, days, len(HISTORY_FEATURES)).double(),) if days else ()
    return config, torch.randn(cells, attributes).double(), history


def test_the_last_day_is_the_nearest_to_the_state_of_lstm_z() -> None:
    """Attributes and every feature of every day reach θ; the recurrence runs forward in time."""
    torch.manual_seed(0)
    config, attributes, (history,) = inputs("lstm_z", 3, 4)
    network = ParameterMap(config, 4, 2).double().eval()
    attributes.requires_grad_(), history.requires_grad_()
    network.body(attributes, history).square().sum().backward()
    assert (attributes.grad != 0).all()
    assert (history.grad != 0).all()
    assert history.grad[:, -1].abs().mean() > 10 * history.grad[:, 0].abs().mean()


def test_theta_of_the_period_is_the_mean_over_even_windows() -> None:
    assert window_starts(366, 240, 4) == [0, 42, 84, 126]
    assert window_starts(240, 240, 4) == [0]
    assert window_starts(242, 240, 9) == [0, 1, 2]
    torch.manual_seed(0)
    config, attributes, _ = inputs("paraformer_z", 3, 4)
    network = ParameterMap(config, 4, 2).double().eval()
    torch.nn.init.normal_(network.head.linear.weight)
    history, prior = torch.randn(3, 50, len(HISTORY_FEATURES)).double(), torch.rand(3, 2).double()
    each = [network(attributes, prior, history[:, s : s + 20]) for s in (0, 15, 30)]
    assert torch.allclose(network.over_period(Inputs(attributes, history), prior), sum(each) / 3, atol=1e-12)


@pytest.mark.parametrize("kind", ["bounded", "linear"])
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_every_learner_starts_at_each_cells_prior(kind: str, name: str) -> None:
    prior = torch.tensor([[0.05, 0.5], [0.3, 0.95], [0.9, 0.2]]).double()
    config, attributes, history = inputs(name, 3, 4)
    network = ParameterMap(config.model_copy(update={"head": kind}), attributes=4, parameters=2).double()
    assert torch.allclose(network(attributes, prior, *history), prior, atol=1e-6)


@pytest.mark.parametrize("kind", ["bounded", "linear"])
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_from_the_middle_nothing_of_the_prior_reaches_theta(kind: str, name: str) -> None:
    """θ starts at the middle of every range, and is a function of the inputs alone whatever the weights."""
    torch.manual_seed(0)
    config, attributes, history = inputs(name, 3, 4)
    config = config.model_copy(update={"head": kind, "start": "middle"})
    network = ParameterMap(config, attributes=4, parameters=2).double().eval()
    one, other = torch.rand(3, 2).double(), torch.rand(3, 2).double()
    assert torch.equal(network(attributes, one, *history), torch.full((3, 2), 0.5).double())
    torch.nn.init.normal_(network.head.linear.weight, std=0.01)
    learned = network(attributes, one, *history)
    assert torch.equal(learned, network(attributes, other, *history))
    assert not torch.allclose(learned[0], learned[1])


def test_a_bounded_head_stays_inside_and_a_linear_one_may_leave() -> None:
    prior = torch.tensor([[0.0, 1.0]])
    for kind, inside in (("bounded", True), ("linear", False)):
        head = Head(3, 2, kind)
        torch.nn.init.constant_(head.linear.weight, 9.0)
        u = head(torch.ones(1, 3), prior)
        assert bool(((u >= 0) & (u <= 1)).all()) is inside
        assert torch.isfinite(u).all()


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_cells_are_independent(name: str) -> None:
    torch.manual_seed(0)
    config, attributes, history = inputs(name, 7, 5)
    network = ParameterMap(config, 5, 3).double().eval()
    torch.nn.init.normal_(network.head.linear.weight)
    prior = torch.rand(7, 3).double()
    whole = network(attributes, prior, *history)
    for cells in (torch.randperm(7), torch.tensor([2])):
        some = network(attributes[cells], prior[cells], *(h[cells] for h in history))
        assert torch.allclose(some, whole[cells], atol=1e-12)


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_gradients_of_the_map_are_right(name: str) -> None:
    torch.manual_seed(0)
    config, attributes, history = inputs(name, 2, 3)
    network = ParameterMap(config, 3, 2).double().eval()
    torch.nn.init.normal_(network.head.linear.weight)
    prior = torch.rand(2, 2).double()
    given = tuple(t.requires_grad_() for t in (attributes, *history))
    assert torch.autograd.gradcheck(lambda a, *h: network(a, prior, *h), given)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": {"name": "ffn_a", "heads": 4}}, "heads"),
        ({"network": {"name": "transformer"}}, "ffn_a"),
        ({"network": {"name": "paraformer_a", "width": 10, "heads": 4}}, "not a multiple"),
        ({"windows": 3}, "windows"),
        ({"network": {"name": "ffn_a", "history_days": 240}}, "history_days"),
        ({"network": {"name": "lstm_z", "patch": 8}}, "patch"),
        ({"network": {"name": "paraformer_z", "patch": 7}}, "history_days 240 is not a multiple of patch 7"),
        ({"network": {"name": "paraformer_z", "width": 10, "heads": 4}}, "not a multiple of heads"),
        ({"network": {"name": "ffn_a"}, "observations": "filled"}, "'ffn_a' does not read"),
        ({"observations": "seamless"}, "'masked', 'filled' or 'both'"),
        ({"filled_weight": 0.5}, "'filled_weight' applies to observations 'both'"),
        ({"windows_per_batch": 3}, "'windows_per_batch' needs 'window'"),
        ({"start": "zero"}, "'prior' or 'middle'"),
        ({"training": {"steps": 9, "epochs": 2}}, "either 'steps' or 'epochs', found steps 9 and epochs 2"),
        ({"training": {"steps": None}}, "either 'steps' or 'epochs', found neither"),
        ({"training": {"epochs": 0}}, "greater than or equal to 1"),
        ({"periods": "own"}, "'periods: own' needs 'window'"),
        ({"periods": "own", "simulator": "process"}, "'periods: own' needs 'window'"),
        ({"network": {"name": "ffn_a"}, "window": 240, "history": "loss"}, "'ffn_a' does not read"),
        ({"network": {"name": "lstm_z"}, "history": "loss"}, r"\(240 days\), found no window"),
        ({"network": {"name": "lstm_z"}, "window": 60, "history": "loss"}, r"\(240 days\), found 60 days"),
    ],
)
def test_unknown_and_inapplicable_settings_are_errors(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LearnerConfig.model_validate(settings)


def test_through_the_process_model_windows_fall_away() -> None:
    given = {"window": 240, "periods": "own", "history": "loss", "windows_per_batch": 2, "training": {"epochs": 9}}
    refinement = {"simulator": "surrogate_then_process", "refinement": {"epochs": 2, "cells_per_batch": 5}}
    config = LearnerConfig.model_validate({"network": {"name": "lstm_z"}, **given, **refinement})
    then = config.refined()
    assert (then.window, then.periods, then.history, then.windows_per_batch) == (None, "shared", "random", 1)
    assert (config.epoch(18, 731), then.epoch(18, 731)) == (2, 4)
    assert (config.steps(18, 731), then.steps(18, 731)) == (18, 8)
    assert then.training.in_steps(then.epoch(18, 731)).steps == 8
    plain = LearnerConfig()
    assert plain.refined() is plain


def test_the_papers_sizes_are_the_defaults() -> None:
    paraformer, ffn = ParaFormerAConfig(), FFNConfig()
    assert (paraformer.width, paraformer.heads, paraformer.layers) == (128, 4, 2)
    assert ffn.hidden == 256
    history, lstm = ParaFormerZConfig(), LSTMZConfig()
    assert (history.width, history.heads, history.layers, history.history_days) == (256, 8, 2, 240)
    assert (lstm.hidden, lstm.dropout, lstm.history_days) == (256, 0.5, 240)
