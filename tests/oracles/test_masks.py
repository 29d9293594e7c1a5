"""Laws of the mask, and laws of single elements as sums; `test_verify.py` holds log p(x_observed, mask) to quadrature."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from registry import LIKELIHOODS
from support.chance import agrees

from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import element_shares, estimate_evidence, fill_holes
from lowerbound.evaluation.bidirectional import sandwich
from lowerbound.likelihoods import AbstractElementwise, Gaussian
from lowerbound.likelihoods.base import numpyro_promotion
from lowerbound.masks import SelfMasking
from lowerbound.models import SingleLayer
from lowerbound.objectives import ELBO, IWAE
from lowerbound.verification.linear_gaussian import TRUTH
from lowerbound.verification.masks import INTERCEPTS, PLACES, SLOPES, examples, model_with_mask, truth

_WITH_NODES = [name for name, make in LIKELIHOODS.items() if make().has_nodes.any()]


@pytest.mark.parametrize("objective", [ELBO(num_samples=2), IWAE(num_samples=200)], ids=lambda o: o.bound_name)
def test_the_bounds_of_objectives_are_bounds_and_reach_the_mask(objective: ELBO | IWAE) -> None:
    x, data = examples()
    batch, model = data.on_device(), model_with_mask()
    total = np.asarray([truth(x[row], np.asarray(data.observed)[row])[0] for row in range(len(x))])
    bounds = jax.jit(jax.vmap(lambda key: objective(model, batch, key, None).bound))(jax.random.split(jax.random.key(0), 100))
    mean, error = np.asarray(bounds.mean(axis=0)), np.asarray(bounds.std(axis=0)) / np.sqrt(100)
    assert (mean <= total + 5.5 * error + 1e-3).all()
    if objective.num_samples == 200:
        np.testing.assert_allclose(mean, total, atol=0.1)
    loss = jax.jit(jax.grad(lambda slope: objective(_with_slope(model, slope), batch, jax.random.key(1), None).loss))
    gradient = loss(jnp.asarray(SLOPES, jnp.float32))
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[list(PLACES)] != 0).all(), "each modelled element is seen"
    assert np.asarray(gradient)[5] == 0, "an element that is missing at random has no law"


def _with_slope(model: SingleLayer, slope: jax.Array) -> SingleLayer:
    return dataclasses.replace(model, mask=dataclasses.replace(model.mask, raw_slope=slope))


def test_what_is_withheld_says_nothing_of_the_mask() -> None:
    """The number is that of a model for which the withheld element is missing at random."""
    _, data = examples()
    kept = np.ones(data.x.shape, bool)
    kept[:, 1] = False
    without = dataclasses.replace(model_with_mask(), mask=SelfMasking(INTERCEPTS, SLOPES, tuple(p for p in PLACES if p != 1)))
    hidden = dataclasses.replace(data, observed=np.asarray(data.observed) & kept)
    withheld = estimate_evidence(model_with_mask(), data.showing(kept), 50).log_evidence
    np.testing.assert_allclose(withheld, estimate_evidence(without, hidden, 50).log_evidence, rtol=1e-6)
    assert not np.allclose(withheld, estimate_evidence(model_with_mask(), hidden, 50).log_evidence, atol=0.05)


def test_a_mask_that_does_not_look_at_values_leaves_their_law_as_it_was() -> None:
    _, data = examples()
    flat = model_with_mask(0 * SLOPES)
    of_mask = np.where(np.asarray(data.observed), scipy.special.log_expit(INTERCEPTS), scipy.special.log_expit(-INTERCEPTS))
    found, plain = (estimate_evidence(model, data, 100).log_evidence for model in (flat, TRUTH.model()))
    np.testing.assert_allclose(found, plain + of_mask[:, list(PLACES)].sum(axis=1), atol=1e-4)
    # What is missing has a share too: that of its mask.
    shares = element_shares(flat, data, num_draws=2)
    missing = ~np.asarray(data.observed) & np.isin(np.arange(6), PLACES)
    np.testing.assert_allclose(shares[missing], of_mask[missing], atol=1e-4)


def test_what_is_missing_is_filled_with_what_tends_to_be_missing() -> None:
    """Against sums over a fine grid, for one z; elements that are there are drawn as those that are there."""
    _, data = examples()
    model, example, z = model_with_mask(), data[1], jnp.asarray([0.4, -0.8])
    filling = jax.jit(jax.vmap(lambda key: model.fill(example.on_device(), z, key)))(jax.random.split(jax.random.key(0), 2000))
    grid = np.linspace(-9, 9, 4001)[:, None]
    values = np.asarray(TRUTH.weight @ np.asarray(z) + TRUTH.bias) + TRUTH.scale * grid
    sign = np.where(np.asarray(example.observed), 1, -1)
    masses = np.exp(-0.5 * grid**2) * np.where(np.arange(6) == 5, 1, scipy.special.expit(sign * (INTERCEPTS + SLOPES * values)))
    masses /= masses.sum(axis=0)
    mean = (masses * values).sum(axis=0)
    np.testing.assert_allclose(filling.mean[0], mean, atol=1e-4)
    spread = np.sqrt((masses * (values - mean) ** 2).sum(axis=0))
    assert agrees(np.asarray(filling.draw, np.float64).mean(axis=0), mean, 1.01 * spread / np.sqrt(2000))


def test_what_a_mask_cannot_answer_is_refused() -> None:
    _, data = examples()
    with pytest.raises(ConfigurationError, match=r"interval is given, but this model takes values to be missing because of what"):
        fill_holes(model_with_mask(), None, np.asarray(data.x), data, interval=0.9)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigurationError, match=r"examples that it makes would need one of it too.*--method ais"):
        sandwich(model_with_mask(), 2)


@pytest.mark.parametrize("name", _WITH_NODES)
def test_nodes_have_the_moments_and_the_draws_of_their_law(name: str) -> None:
    likelihood = LIKELIHOODS[name]()
    assert isinstance(likelihood, AbstractElementwise)
    params = 0.5 * jax.random.normal(jax.random.key(1), likelihood.param_shape)
    nodes, has_nodes = likelihood.nodes(params), likelihood.has_nodes
    masses = np.exp(np.asarray(nodes.log_mass, np.float64))
    np.testing.assert_allclose(masses.sum(axis=0)[has_nodes], 1, atol=1e-5)
    with numpyro_promotion():
        law = likelihood.elements(params)
        mean, variance = np.asarray(law.mean)[has_nodes], np.asarray(law.variance)[has_nodes]
    values = np.asarray(nodes.value, np.float64)
    found = (masses * values).sum(axis=0)
    np.testing.assert_allclose(found[has_nodes], mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose((masses * (values - found) ** 2).sum(axis=0)[has_nodes], variance, rtol=1e-3)
    draws = np.asarray(jax.vmap(nodes.draw)(jax.random.split(jax.random.key(2), 2000)), np.float64)[:, has_nodes]
    # A cell of 0.3 deviations adds less than 0.4 % to the variance.
    assert agrees(draws.mean(axis=0), mean, 1.01 * np.sqrt(variance / 2000) + 1e-6)


@pytest.mark.parametrize(("slope", "tolerance"), [(1.0, 1e-5), (5.0, 1e-5), (20.0, 0.04)])
def test_a_mean_of_a_logistic_function_is_that_of_quadrature(slope: float, tolerance: float) -> None:
    """To a relative error that grows as the function becomes a step."""
    for shift in (-2.0, 0.3, 1.5):
        exact, _ = scipy.integrate.quad(
            lambda t, shift=shift: scipy.stats.norm.pdf(t) * scipy.special.expit(slope * (t - shift)), -9, 9, epsabs=1e-12
        )
        nodes = Gaussian((1,), 1e-6).nodes(jnp.zeros((2, 1)))
        found = jax.nn.logsumexp(nodes.log_mass + jax.nn.log_sigmoid(slope * (nodes.value - shift)))
        assert abs(float(found) - np.log(exact)) < tolerance


def test_a_direction_holds_whatever_the_numbers_are() -> None:
    raw = jnp.linspace(-5, 5, 6)
    assert (SelfMasking(raw, raw, PLACES, "large").slope < 0).all()
    assert (SelfMasking(raw, raw, PLACES, "small").slope > 0).all()
    np.testing.assert_array_equal(SelfMasking(raw, raw, PLACES).slope, raw)
    assert not Example(np.zeros((1, 2))).showing(np.asarray([[True, False]])).observed[0, 1]  # pyright: ignore[reportOptionalSubscript]
