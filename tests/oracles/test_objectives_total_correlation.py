"""Beta-TC: weights of stratified sampling by brute force, and the parts of the KL on laws whose parts are known."""

from __future__ import annotations

import itertools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.models import Draws, LogTerms, SingleLayer
from lowerbound.objectives import BetaTCVAE, total_correlation
from lowerbound.objectives.base import batch_terms, log_weight_of
from lowerbound.objectives.total_correlation import kl_parts, stratified_log_weights
from lowerbound.verification.linear_gaussian import LinearGaussian, LinearNetwork

LOG_VARIANCE, NUM_SAMPLES = -3.0, 100
X = np.random.default_rng(1).normal(size=(8, 2)).astype(np.float32)


def encoding_itself() -> SingleLayer:
    """q(z|x) = N(x, e^-3 I) in two dimensions."""
    model = LinearGaussian.random(2, 2, orthogonal=True).model()
    encoder = LinearNetwork(
        weight=jnp.eye(2),
        bias=jnp.zeros(2),
        log_spread=jnp.full(2, LOG_VARIANCE),
        in_shape=(2,),
        out_shape=(2, 2),
    )
    return eqx.tree_at(lambda model: model.encoder, model, encoder)


@eqx.filter_jit
def terms_of(x: jax.Array) -> LogTerms:
    return batch_terms(encoding_itself(), Example(x), jax.random.key(0), Draws(NUM_SAMPLES))


def test_the_weights_give_the_aggregate_in_the_mean_over_all_batches() -> None:
    densities, own = np.random.default_rng(0).uniform(0.1, 3.0, size=6), 2
    exact = densities.mean()

    def mean_and_spread(weights: np.ndarray) -> tuple[float, float]:
        """Over all ordered batches that hold `own`, each as likely as any other."""
        size = len(weights)
        estimates = [
            weights[batch.index(own)] @ densities[list(batch)] for batch in itertools.permutations(range(6), size) if own in batch
        ]
        return float(np.mean(estimates)), float(np.std(estimates))

    for size in (2, 3, 4, 6):
        weights = np.exp(stratified_log_weights(size, 6).astype(np.float64))
        mean, spread = mean_and_spread(weights)
        assert mean == pytest.approx(exact, rel=1e-6)
        # The paper's own weights, with their M = size - 1: the same mean, and no less noise.
        others = size - 1
        stratified = np.full((size, size), 1 / others)
        for row in range(size):
            stratified[row, row] = 1 / 6
            stratified[row, (row + 1) % size] = (6 - others) / (6 * others)
        paper_mean, paper_spread = mean_and_spread(stratified)
        assert paper_mean == pytest.approx(exact, rel=1e-6)
        assert spread <= paper_spread + 1e-6
        # The controls: 1/N down the first column, as in the published program; and minibatch weighted sampling.
        published = np.full((size, size), 1 / others)
        published[:, 0] = 1 / 6
        published[:, 1] = (6 - others) / (6 * others)
        published[size - 2, 0] = (6 - others) / (6 * others)
        if size in (3, 4):
            assert abs(mean_and_spread(published)[0] - exact) > 0.01
        assert abs(mean_and_spread(np.full((size, size), 1 / (6 * size)))[0] - exact) > 0.1


def test_of_the_whole_data_the_parts_are_those_of_the_aggregate_itself() -> None:
    """With the batch all the data nothing is estimated but the expectation over the draws: NumPy says the same."""
    terms = terms_of(jnp.asarray(X))
    z = np.asarray(terms.z, np.float64)
    squared = (z[:, :, None] - X) ** 2 * np.exp(-LOG_VARIANCE)
    by_latent = -0.5 * (squared + LOG_VARIANCE + np.log(2 * np.pi))
    own = np.stack([by_latent[i, :, i].sum(axis=-1) for i in range(8)])
    joint = logsumexp(by_latent.sum(axis=-1), axis=2) - np.log(8)
    product = (logsumexp(by_latent, axis=2) - np.log(8)).sum(axis=-1)
    prior = -0.5 * (z**2 + np.log(2 * np.pi)).sum(axis=-1)
    parts = kl_parts(Example(X), terms, 8)
    assert float(parts.mutual_information) == pytest.approx((own - joint).mean(), abs=1e-4)
    assert float(parts.total_correlation) == pytest.approx((joint - product).mean(), abs=1e-4)
    assert float(parts.by_latent) == pytest.approx((product - prior).mean(), abs=1e-4)
    # The control: another number of examples is another law.
    assert float(kl_parts(Example(X), terms, 100).mutual_information) != pytest.approx((own - joint).mean(), abs=0.1)


def test_known_laws_have_their_total_correlation_and_mutual_information() -> None:
    """Far corners: a square is a product, with 2 log 2 nats about x; a diagonal has log 2 of each."""
    square = np.array([[4, 4], [4, -4], [-4, 4], [-4, -4]] * 2, np.float32)
    parts = kl_parts(Example(square), terms_of(jnp.asarray(square)), 8)
    assert float(parts.total_correlation) == pytest.approx(0.0, abs=1e-4)
    assert float(parts.mutual_information) == pytest.approx(2 * math.log(2), abs=1e-4)
    diagonal = square[[0, 3] * 4]
    parts = kl_parts(Example(diagonal), terms_of(jnp.asarray(diagonal)), 8)
    assert float(parts.total_correlation) == pytest.approx(math.log(2), abs=1e-4)
    assert float(parts.mutual_information) == pytest.approx(math.log(2), abs=1e-4)


def test_the_loss_weighs_the_parts_and_with_equal_weights_is_minus_the_elbo() -> None:
    terms = terms_of(jnp.asarray(X))
    parts = kl_parts(Example(X), terms, 20)
    reconstruction = float(terms.log_likelihood.mean())
    weights = BetaTCVAE(num_examples=20, num_samples=NUM_SAMPLES, alpha=0.5, beta=3.0, gamma=2.0)
    plain = BetaTCVAE(num_examples=20, num_samples=NUM_SAMPLES, beta=1.0)

    @eqx.filter_jit
    def losses(objectives: tuple[BetaTCVAE, ...]) -> list[jax.Array]:
        return [one(encoding_itself(), Example(X), jax.random.key(0), jnp.int32(0)).loss for one in objectives]

    weighted, equal = losses((weights, plain))
    expected = 0.5 * parts.mutual_information + 3 * parts.total_correlation + 2 * parts.by_latent
    assert float(weighted) == pytest.approx(float(expected) - reconstruction, rel=1e-5)
    assert float(equal) == pytest.approx(-float(log_weight_of(terms).mean()), rel=1e-5)
    assert float(weights.kl_weight(jnp.int32(0))) == 3.0


def test_a_batch_of_one_has_no_mutual_information_and_no_nan() -> None:
    parts = kl_parts(Example(X), jax.tree.map(lambda array: array[:1], terms_of(jnp.asarray(X))), 20)
    assert float(parts.mutual_information) == pytest.approx(0.0, abs=1e-5)
    assert np.isfinite([float(part) for part in parts]).all()


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="it needs 2 training examples or more"):
        BetaTCVAE(num_examples=1)
    with pytest.raises(ConfigurationError, match=r"objective.gamma is -1.0 \(a number\); expected a number >= 0"):
        BetaTCVAE(num_examples=10, gamma=-1.0)


def test_a_large_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = terms_of(jnp.asarray(X))
    at_once = kl_parts(Example(X), terms, 20)
    # Three examples at a time, and a rest of two.
    monkeypatch.setattr(total_correlation, "MOST_NUMBERS_AT_ONCE", 3 * terms.z.size)
    np.testing.assert_allclose(kl_parts(Example(X), terms, 20), at_once, rtol=1e-5)
