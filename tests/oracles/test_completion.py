"""Held-out counts given others, against the same law by quadrature over one latent."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model
from support.chance import agrees, differs

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import Completion, Defensive, completion

GIVEN, HELD_OUT = np.array([6, 1, 0, 1]), np.array([3, 0, 2, 1])
WEIGHTS, BIASES = np.array([1.5, -1.0, 0.4, -0.2]), np.array([0.2, 0.5, -0.4, 0.1])
COPIES = 300


def built(likelihood: str = "multinomial") -> Any:
    """One latent, proportions softmax(WEIGHTS z + BIASES), and an encoder that says q = N(0, 1) or nearly so."""
    data = np.random.default_rng(0).poisson(2.0, (50, 4)).astype(np.int64)
    config = RunConfig.from_dict(
        {
            "model": {"latent_dim": 1},
            "network": {"hidden_widths": [4], "decoder_widths": []},
            "likelihood": {"name": likelihood},
        }
    )
    model = build_model(config, describe(data), jax.random.key(0))
    if likelihood != "multinomial":
        return model
    layer = model.decoder.layers[-1]
    numbers = jnp.asarray(WEIGHTS, jnp.float32).reshape(layer.weight.shape), jnp.asarray(BIASES, jnp.float32)
    return eqx.tree_at(lambda model: (model.decoder.layers[-1].weight, model.decoder.layers[-1].bias), model, numbers)


def by_quadrature(given: np.ndarray, held_out: np.ndarray) -> tuple[float, float]:
    """(sum_d x_d log E[p_d | given], log E[prod_d p_d^x_d | given]) on a fine grid of z."""
    z = np.linspace(-9, 9, 20_001)
    logits = z[:, None] * WEIGHTS + BIASES
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    law = np.exp(log_p @ given - z**2 / 2)
    law /= law.sum()
    return float(held_out @ np.log(law @ np.exp(log_p))), float(np.log(law @ np.exp(log_p @ held_out)))


def of_copies(num_samples: int, **options: Any) -> Completion:
    return completion(built(), np.tile(GIVEN, (COPIES, 1)), np.tile(HELD_OUT, (COPIES, 1)), num_samples=num_samples, **options)


@pytest.mark.parametrize("proposal", [None, Defensive(0.3)])
def test_both_predictive_laws_are_those_of_quadrature(proposal: Defensive | None) -> None:
    """Self-normalised weights of K samples are biased by about their relative variance over K, here below 0.002 nats."""
    found = of_copies(1000, proposal=proposal)
    for values, truth in zip((found.word_by_word, found.together), by_quadrature(GIVEN, HELD_OUT), strict=True):
        assert agrees(values.mean(), truth, values.std(ddof=1) / np.sqrt(COPIES), slack=0.002, num_draws=COPIES)
    # The control: one draw has no weight to correct q with.
    alone = of_copies(1)
    for values, truth in zip((alone.word_by_word, alone.together), by_quadrature(GIVEN, HELD_OUT), strict=True):
        assert differs(values.mean(), truth, values.std(ddof=1) / np.sqrt(COPIES))


def test_a_completion_without_words_is_certain_and_counts_are_added_up() -> None:
    found = completion(built(), np.stack([GIVEN, GIVEN]), np.stack([HELD_OUT, np.zeros(4, int)]), num_samples=50)
    assert found.num_words.tolist() == [6, 0]
    assert found.word_by_word[1] == pytest.approx(0.0, abs=1e-5)
    assert found.together[1] == pytest.approx(0.0, abs=1e-5)
    assert found.perplexity == pytest.approx(np.exp(-found.word_by_word[0] / 6), rel=1e-4)
    assert found.perplexity_together == pytest.approx(np.exp(-found.together[0] / 6), rel=1e-4)
    # Without any held-out word both weights are those given the given counts.
    assert found.effective_sample_size[1] == pytest.approx(found.effective_sample_size_together[1], rel=1e-4)


def test_an_example_gives_the_same_numbers_however_many_come_with_it() -> None:
    given = np.random.default_rng(1).poisson(2.0, (90, 4))
    few, many = (completion(built(), given[:count], given[:count], num_samples=40) for count in (3, 90))
    np.testing.assert_allclose(few.together, many.together[:3], rtol=1e-5)
    assert len(many.num_words) == 90
    assert len(set(np.round(many.together, 4))) > 40


def test_what_cannot_be_completed_is_refused_with_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"completion is about words.*counts given their total"):
        completion(built("poisson"), GIVEN[None], HELD_OUT[None])
    with pytest.raises(DataError, match=r"held_out has shape \(1, 3\), but the given counts have \(1, 4\)"):
        completion(built(), GIVEN[None], HELD_OUT[None, :3])
    with pytest.raises(DataError, match="held_out holds numbers below 0 or NaN"):
        completion(built(), GIVEN[None], -HELD_OUT[None])
    with pytest.raises(ConfigurationError, match="num_samples"):
        completion(built(), GIVEN[None], HELD_OUT[None], num_samples=0)
