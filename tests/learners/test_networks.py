"""ParaFormer_A against attention written out by hand, heads at the prior, equivariance in cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from paraformer.learners.config import FFNConfig, LearnerConfig, ParaFormerAConfig
from paraformer.learners.head import Head
from paraformer.learners.learn import LEARNERS, ParameterMap
from paraformer.learners.paraformer import ParaFormerA


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize("pool", ["mean", "concatenate"])
@pytest.mark.parametrize("heads", [1, 2])
def test_paraformer_a_is_equations_4_to_8(heads: int, pool: str) -> None:
    """Loops over cells, heads and tokens in NumPy; layer norms start as the identity after normalising."""
    torch.manual_seed(0)
    config = ParaFormerAConfig(width=6, heads=heads, layers=1, feed_forward=5, dropout=0.3, pool=pool)
    network = ParaFormerA(config, attributes=4).double().eval()
    attributes = np.random.default_rng(0).normal(size=(3, 4))
    found = array(network(torch.as_tensor(attributes)))
    layer, part = network.layers[0], 6 // heads
    attention = layer.attention
    for cell in range(3):
        tokens = attributes[cell][:, None] * array(network.embedding.weight) + array(network.embedding.bias)
        q, k, v = (
            tokens @ array(m.weight).T + array(m.bias) for m in (attention.query, attention.key, attention.value)
        )
        joined = np.zeros((4, 6))
        for head in range(heads):
            columns = slice(head * part, (head + 1) * part)
            for token in range(4):
                score = np.exp(q[token, columns] @ k[:, columns].T / np.sqrt(part))
                joined[token, columns] = (score / score.sum()) @ v[:, columns]
        attended = norm(tokens + joined @ array(attention.output.weight).T + array(attention.output.bias))
        first, last = layer.feed_forward[0], layer.feed_forward[2]
        inner = np.maximum(0, attended @ array(first.weight).T + array(first.bias))
        out = norm(attended + inner @ array(last.weight).T + array(last.bias))
        expected = out.mean(axis=0) if pool == "mean" else out.reshape(-1)
        assert np.allclose(found[cell], expected, atol=1e-12)


@pytest.mark.parametrize("kind", ["bounded", "linear"])
@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_starts_at_each_cells_prior(kind: str, name: str) -> None:
    prior = torch.tensor([[0.05, 0.5], [0.3, 0.95], [0.9, 0.2]])
    config = LearnerConfig.model_validate({"network": {"name": name}, "head": kind})
    network = ParameterMap(config, attributes=4, parameters=2)
    assert torch.allclose(network(torch.randn(3, 4), prior), prior, atol=1e-6)


def test_a_bounded_head_stays_inside_and_a_linear_one_may_leave() -> None:
    prior = torch.tensor([[0.0, 1.0]])
    for kind, inside in (("bounded", True), ("linear", False)):
        head = Head(3, 2, kind)
        torch.nn.init.constant_(head.linear.weight, 9.0)
        u = head(torch.ones(1, 3), prior)
        assert bool(((u >= 0) & (u <= 1)).all()) is inside
        assert torch.isfinite(u).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_cells_are_independent(name: str) -> None:
    torch.manual_seed(0)
    network = ParameterMap(LearnerConfig.model_validate({"network": {"name": name}}), 5, 3).double().eval()
    torch.nn.init.normal_(network.head.linear.weight)
    attributes, prior = torch.randn(7, 5).double(), torch.rand(7, 3).double()
    order = torch.randperm(7)
    whole = network(attributes, prior)
    assert torch.allclose(network(attributes[order], prior[order]), whole[order], atol=1e-12)
    assert torch.allclose(network(attributes[2:3], prior[2:3]), whole[2:3], atol=1e-12)


@pytest.mark.parametrize("name", LEARNERS)
def test_gradients_of_the_map_are_right(name: str) -> None:
    torch.manual_seed(0)
    network = ParameterMap(LearnerConfig.model_validate({"network": {"name": name}}), 3, 2).double().eval()
    torch.nn.init.normal_(network.head.linear.weight)
    prior = torch.rand(2, 2).double()
    attributes = torch.randn(2, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda a: network(a, prior), attributes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": {"name": "ffn_a", "heads": 4}}, "heads"),
        ({"network": {"name": "transformer"}}, "ffn_a"),
        ({"network": {"name": "paraformer_a", "width": 10, "heads": 4}}, "not a multiple"),
        ({"windows": 3}, "windows"),
        ({"validation": 0.2}, "go together"),
    ],
)
def test_unknown_and_inapplicable_settings_are_errors(settings: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LearnerConfig.model_validate(settings)


def test_the_papers_sizes_are_the_defaults() -> None:
    paraformer, ffn = ParaFormerAConfig(), FFNConfig()
    assert (paraformer.width, paraformer.heads, paraformer.layers) == (128, 4, 2)
    assert ffn.hidden == 256
