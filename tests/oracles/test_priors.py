"""Priors against brute force, SciPy and Monte Carlo."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from registered.case import perturbed
from registered.models import DATA
from support.built import build_context
from support.chance import agrees

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.densities import AbstractLatentDensity, DiagonalGaussianDensity, Mixture, StandardNormalDensity, kl
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.posteriors import DiagonalGaussian, InverseAutoregressive
from lowerbound.priors import (
    AutoregressiveFlow,
    LearnedGaussian,
    MixtureOfGaussians,
    SplineFlow,
    VampPrior,
)

_KEY = jax.random.key(0)
_POINTS = jax.random.normal(jax.random.key(9), (6, 2))


def _no_posterior(encoder_input: jax.Array, condition: jax.Array | None) -> AbstractLatentDensity:
    raise AssertionError("this prior asks nothing of the posterior")


@eqx.filter_jit
def _log_probs(density: AbstractLatentDensity, points: jax.Array) -> jax.Array:
    return jax.vmap(density.log_prob)(points)


def _at_points(density: AbstractLatentDensity) -> np.ndarray:
    return np.asarray(_log_probs(density, _POINTS), np.float64)


def test_vamp_is_the_mixture_of_posteriors() -> None:
    """Equation 9, with SciPy's Gaussians and a linear encoder."""
    weight = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    pseudo_inputs = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)

    def recognise(u: jax.Array, condition: jax.Array | None) -> DiagonalGaussianDensity:
        return DiagonalGaussian(2).at((u @ jnp.asarray(weight)).reshape(2, 2))

    found = _at_points(VampPrior(2, pseudo_inputs).bind(recognise, None))
    params = (pseudo_inputs @ weight).reshape(5, 2, 2).astype(np.float64)
    each = scipy.stats.norm.logpdf(np.asarray(_POINTS)[:, None], params[:, 0], np.exp(0.5 * params[:, 1])).sum(axis=2)
    np.testing.assert_allclose(found, scipy.special.logsumexp(each, axis=1) - np.log(5), rtol=1e-5)
    # The negative control: one pseudo-input less is another density.
    fewer = _at_points(VampPrior(2, pseudo_inputs[:4]).bind(recognise, None))
    assert np.abs(fewer - found).max() > 0.01


def test_vamp_of_a_flow_keeps_the_networks_once() -> None:
    family = perturbed(InverseAutoregressive(2, 2, 8, context_dim=3, key=_KEY), _KEY)
    prior = VampPrior(2, jax.random.normal(jax.random.key(1), (4, 7)))

    def recognise(u: jax.Array, condition: jax.Array | None) -> Any:
        return family.at(u * (1 if condition is None else condition.sum()))

    bound = prior.bind(recognise, None)
    each = np.stack([_at_points(recognise(u, None)) for u in prior.pseudo_inputs])
    np.testing.assert_allclose(_at_points(bound), scipy.special.logsumexp(each, axis=0) - np.log(4), rtol=1e-5)
    # mu, the log-variance and the context of each component, and none of the flow's weights.
    own = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(bound.own, eqx.is_array)))
    assert own == 4 * family.param_shape[0]
    # Given a condition, the posteriors are those given the condition.
    assert np.abs(_at_points(prior.bind(recognise, jnp.array([2.0]))) - _at_points(bound)).max() > 0.01


def test_vamp_asks_the_encoder_once_for_all_draws() -> None:
    calls = 0

    def recognise(u: jax.Array, condition: jax.Array | None) -> DiagonalGaussianDensity:
        def count(u: np.ndarray) -> np.ndarray:
            nonlocal calls
            calls += 1
            return u

        return DiagonalGaussian(2).at(jax.pure_callback(count, u, u, vmap_method="expand_dims"))

    prior = VampPrior(2, jax.random.normal(_KEY, (3, 2, 2)))
    jax.block_until_ready(jax.jit(lambda zs: jax.vmap(prior.bind(recognise, None).log_prob)(zs))(_POINTS))
    assert calls == 1


def test_vamp_starts_from_standardised_examples() -> None:
    data = DATA["8-bit"]
    config = RunConfig.from_dict({"model": {"latent_dim": 2}, "prior": {"name": "vamp", "num_components": 60}})
    context = build_context(config, describe(data), _KEY, examples=data)
    prior = VampPrior.build(config.prior, context)
    standardised = np.asarray(context.input_transform.forward(data)).reshape(len(data), -1)
    assert prior.pseudo_inputs.shape == (60, *data.shape[1:])
    distances = np.abs(np.asarray(prior.pseudo_inputs).reshape(60, 1, -1) - standardised).max(axis=2)
    assert distances.min(axis=1).max() < 0.1
    # 60 of 50 examples: some come twice, and still they differ.
    assert len(np.unique(np.asarray(prior.pseudo_inputs).reshape(60, -1), axis=0)) == 60
    without = VampPrior.build(config.prior, build_context(config, describe(data), _KEY))
    assert float(jnp.std(without.pseudo_inputs)) == pytest.approx(1.0, abs=0.2)


def test_vamp_without_pseudo_inputs_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"pseudo_inputs has shape \(0, 3\)"):
        VampPrior(2, np.zeros((0, 3)))


def test_a_mixture_of_equal_weights_needs_no_logits() -> None:
    components = jax.vmap(DiagonalGaussianDensity.clipped)(*jax.random.normal(_KEY, (2, 3, 2)))
    own, common = eqx.partition(components, eqx.is_array)
    equal, weighed, uneven = (Mixture(own, common, 3, logits) for logits in (None, jnp.zeros(3), jnp.array([1.0, 0.0, 0.0])))
    np.testing.assert_allclose(_at_points(equal), _at_points(weighed), rtol=1e-6)
    # The negative control: other weights.
    assert np.abs(_at_points(equal) - _at_points(uneven)).max() > 0.05


def test_mixture_is_scipys_and_its_components_start_apart() -> None:
    prior = MixtureOfGaussians(2, 4, key=_KEY)
    means = np.asarray(prior.means)
    apart = np.linalg.norm(means[:, None] - means, axis=2)[~np.eye(4, dtype=bool)]
    assert apart.min() > 0.05
    prior = perturbed(prior, _KEY)
    weights = scipy.special.log_softmax(np.asarray(prior.logits, np.float64))
    scales = np.exp(0.5 * np.asarray(prior.log_variances, np.float64))
    each = scipy.stats.norm.logpdf(np.asarray(_POINTS)[:, None], np.asarray(prior.means), scales).sum(axis=2)
    np.testing.assert_allclose(_at_points(prior.bind(_no_posterior, None)), np.log(np.exp(each + weights).sum(axis=1)), rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: LearnedGaussian(2, 8, condition_dim=3, key=_KEY),
        lambda: SplineFlow(2, 2, 8, num_bins=4, condition_dim=3, key=_KEY),
        lambda: AutoregressiveFlow(2, 2, 8, condition_dim=3, key=_KEY),
    ],
    ids=["learned-gaussian", "spline-flow", "autoregressive-flow"],
)
def test_conditional_priors_depend_on_the_condition(make: Any) -> None:
    prior = perturbed(make(), _KEY)
    one, other, again = (_at_points(prior.bind(_no_posterior, jnp.full(3, value))) for value in (1.0, -1.0, 1.0))
    assert np.abs(one - other).max() > 0.05
    np.testing.assert_array_equal(one, again)
    with pytest.raises(ConfigurationError, match="a condition of 3 numbers for each example, but none was given"):
        prior.bind(_no_posterior, None)


@pytest.mark.parametrize(
    "make", [lambda: SplineFlow(3, 2, 8, key=_KEY), lambda: AutoregressiveFlow(1, 2, 8, key=_KEY)], ids=["spline", "one-latent"]
)
def test_flows_without_a_condition_start_near_the_standard_normal(make: Any) -> None:
    prior = make()
    density = prior.bind(_no_posterior, None)
    z = jax.random.normal(_KEY, (prior.latent_dim,))
    assert float(density.log_prob(z)) == pytest.approx(float(StandardNormalDensity(prior.latent_dim).log_prob(z)), abs=1.0)
    assert density.sample(_KEY).shape == (prior.latent_dim,)


def _gaussian_and_prior() -> tuple[DiagonalGaussianDensity, DiagonalGaussianDensity]:
    posterior = DiagonalGaussian(2).at(jnp.array([[0.3, -1.0], [-1.0, 0.4]]))
    return posterior, DiagonalGaussianDensity(jnp.array([1.0, -0.5]), jnp.array([0.5, -0.7]))


def test_kl_to_a_learned_gaussian_is_that_of_the_draws() -> None:
    posterior, prior = _gaussian_and_prior()

    def one(key: jax.Array) -> jax.Array:
        z, log_posterior = posterior.sample_and_log_prob(key)
        return log_posterior - prior.log_prob(z)

    mean, error = mean_and_error(np.asarray(jax.jit(jax.vmap(one))(jax.random.split(_KEY, 20_000))))
    closed = kl(posterior, prior)
    assert closed is not None
    assert closed.shape == (2,)
    assert agrees(closed.sum(), mean, error)
    # The negative control: the KL the other way round.
    reverse = kl(prior, posterior)
    assert reverse is not None
    assert abs(float(reverse.sum()) - mean) > 10 * error


def test_kl_to_a_learned_gaussian_at_its_start_is_that_to_the_standard_normal() -> None:
    posterior, _ = _gaussian_and_prior()
    prior = LearnedGaussian(2, key=_KEY).bind(_no_posterior, None)
    closed, standard = kl(posterior, prior), kl(posterior, StandardNormalDensity(2))
    assert closed is not None
    assert standard is not None
    np.testing.assert_allclose(closed, standard, rtol=1e-6)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="num_components 0; both must be 1 or more"):
        MixtureOfGaussians(2, 0, key=_KEY)
    with pytest.raises(ConfigurationError, match="hidden_width 0"):
        LearnedGaussian(2, 0, key=_KEY)
