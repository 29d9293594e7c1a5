"""A model's log-densities are about x in the user's own units, whatever happens inside."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from registry import CONFIGURATIONS, DATA, model_of
from support.built import build_model
from test_likelihoods import logistic_masses

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.evaluation import evaluate
from lowerbound.models import AbstractLatentVariableModel, BayesianDecoder, Draws, SemiSupervised, SingleLayer
from lowerbound.verification.whole import unit_scale

every_configuration = pytest.mark.parametrize("name", CONFIGURATIONS)


@eqx.filter_jit
def _compiled(model: AbstractLatentVariableModel, batch: jax.Array) -> tuple[jax.Array, jax.Array]:
    def one(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        terms = model.log_terms(Example(x), jax.random.key(1), Draws(3))
        return terms.log_likelihood, terms.log_weight

    return jax.vmap(one)(batch)


def _log_terms(model: AbstractLatentVariableModel, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log-likelihoods, log-weights) of each example with the same three draws; (n, 3) each, in float64."""
    log_likelihood, log_weight = _compiled(model, jnp.asarray(batch))
    return np.asarray(log_likelihood, np.float64), np.asarray(log_weight, np.float64)


def _model(name: str) -> SingleLayer | SemiSupervised:
    """The model of a configuration; of one with random weights, the model at their means."""
    model = model_of(name, jax.random.key(0))
    model = model.at_mean if isinstance(model, BayesianDecoder) else model
    assert isinstance(model, SingleLayer | SemiSupervised)
    return model


def _in_units(model: SingleLayer | SemiSupervised, factor: float) -> SingleLayer | SemiSupervised:
    """The same model for the same data, recorded in a unit that makes every number `factor` times as large."""

    def rescaled(transform: Affine) -> Affine:
        return Affine(transform.shift * factor, transform.scale * factor)

    if isinstance(model, SemiSupervised):
        layer = _in_units(model.given_class, factor)
        assert isinstance(layer, SingleLayer)
        return dataclasses.replace(model, given_class=layer)
    return dataclasses.replace(model, transform=rescaled(model.transform), input_transform=rescaled(model.input_transform))


@pytest.mark.parametrize("factor", [4.0, 2.54, 1e-3])
@every_configuration
def test_change_of_units(name: str, factor: float) -> None:
    """p(c x) = p(x) / c^D for a density; a probability does not know of units."""
    model = _model(name)
    data = DATA[CONFIGURATIONS[name][0]][:5].astype(np.float32)
    if "bernoulli" in name:
        # Its support is exactly {0, 1}, and only a power of two divides out without rounding.
        factor = 2.0 ** np.rint(np.log2(factor))
    expected_shift = -data[0].size * np.log(factor) if model.measure == "lebesgue" else 0.0
    before, after = _log_terms(model, data), _log_terms(_in_units(model, factor), data * np.float32(factor))
    shift = np.stack(after) - np.stack(before)
    np.testing.assert_allclose(shift, expected_shift, rtol=1e-6, atol=5e-4)


def test_change_of_units_when_the_model_is_built_anew() -> None:
    """Description, scaling, floor and first bias follow the data's unit, so that only the units of the density change."""
    data = DATA["table"]
    config = RunConfig.from_dict(CONFIGURATIONS["table-gaussian-standard"][1])
    scores = []
    for factor in (np.float32(1), np.float32(1000)):
        spec = describe(data * factor)
        scores.append(evaluate(build_model(config, spec, jax.random.key(0)), spec, data * factor, num_samples=20))
    shift = -data[0].size * np.log(1000)
    assert scores[1].elbo_nats - scores[0].elbo_nats == pytest.approx(shift, abs=2e-3)
    assert scores[1].log_evidence_nats - scores[0].log_evidence_nats == pytest.approx(shift, abs=2e-3)
    assert scores[1].kl_nats == pytest.approx(scores[0].kl_nats, abs=1e-4)
    assert scores[0].bits_per_dim is None


def test_figures_for_data_scaled_to_one_are_those_of_the_same_law_in_those_units() -> None:
    """The sign and the number of elements of D log(high - low), by SciPy."""
    assert [figure for figure in unit_scale() if not figure.is_right] == []


def test_bits_per_dim_of_levels_do_not_know_of_units() -> None:
    data = DATA["8-bit"]
    model = model_of("8-bit-discretized-logistic", jax.random.key(0))
    assert isinstance(model, SingleLayer)
    scores = [
        evaluate(_in_units(model, factor), describe(data), data.astype(np.float32) * np.float32(factor), num_samples=20)
        for factor in (1.0, 4.0)
    ]
    assert scores[0].bits_per_dim == pytest.approx(scores[1].bits_per_dim, abs=1e-6)
    assert scores[0].bits_per_dim == pytest.approx(-scores[0].log_evidence_nats / (6 * np.log(2)))


@pytest.mark.parametrize(
    ("kind", "likelihood"),
    [
        ("8-bit", {"name": "gaussian"}),
        ("8-bit", {"name": "gaussian", "mean": "sigmoid"}),
        ("8-bit", {"name": "discretized-logistic"}),
        ("binary", {"name": "bernoulli"}),
    ],
)
def test_likelihood_sums_or_integrates_to_one_over_the_users_values(kind: str, likelihood: dict[str, Any]) -> None:
    """Two pixels, so that every possible example can be met."""
    rng = np.random.default_rng(0)
    data = rng.integers(60, 190, (50, 1, 2)).astype(np.uint8) if kind == "8-bit" else rng.integers(0, 2, (50, 1, 2))
    config = RunConfig.from_dict({"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "likelihood": likelihood})
    model = build_model(config, describe(data), jax.random.key(0))
    # An encoder that ignores x draws the same z for every x; then p(x|z) is one density.
    model = eqx.tree_at(lambda model: model.encoder.layers[0].weight, model, replace_fn=jnp.zeros_like)
    axis = {"gaussian": np.arange(-400, 660, 4.0), "discretized-logistic": np.arange(256), "bernoulli": np.arange(2)}
    values = axis[likelihood["name"]].astype(np.float32)
    grid = np.stack(np.meshgrid(values, values, indexing="ij"), -1).reshape(-1, 1, 2)
    masses = np.exp(_log_terms(model, grid)[0])
    total = masses.sum(axis=0) * float(values[1] - values[0]) ** 2
    assert total.shape == (3,)
    np.testing.assert_allclose(total, 1.0, atol=2e-5)


@every_configuration
def test_a_decoder_that_ignores_z_says_what_scipy_says_of_the_data(name: str) -> None:
    """With no weights in its last layer a fresh decoder stands for independent variables of the data's mean and deviation."""
    kind, config = CONFIGURATIONS[name]
    data, spec = DATA[kind], describe(DATA[kind])
    model = _model(name)
    model = eqx.tree_at(lambda model: model.decoder_params.layers[-1].weight, model, replace_fn=jnp.zeros_like)
    batch = data[:5]
    found, _ = _log_terms(model, batch)
    mean, std = np.reshape(spec.mean, spec.event_shape), np.reshape(spec.std, spec.event_shape)
    likelihood = config.get("likelihood", {}).get("name", "gaussian")
    if likelihood == "gaussian":
        each = scipy.stats.norm.logpdf(batch, mean, std)
    elif likelihood == "bernoulli":
        each = scipy.stats.bernoulli.logpmf(batch, mean)
    else:
        masses = [logistic_masses(m, np.sqrt(3) / np.pi * s, 0, 255, 256) for m, s in zip(mean.ravel(), std.ravel(), strict=True)]
        each = np.log(np.stack(masses)[np.arange(batch[0].size), batch.reshape(5, -1)])
    expected = each.reshape(5, -1).sum(axis=1)
    np.testing.assert_allclose(found, np.broadcast_to(expected[:, None], found.shape), rtol=1e-5, atol=1e-4)
    assert np.ptp(expected) > 0.1


def test_draws_of_8_bit_data_are_whole_numbers() -> None:
    model = model_of("8-bit-discretized-logistic", jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), 2000)
    draws = np.asarray(eqx.filter_jit(jax.vmap(lambda key: model.decode_draw(model.sample_latent(key), key)))(keys))
    assert (draws == np.rint(draws)).all()
    assert draws.min() == 0
    assert draws.max() == 255
    assert len(np.unique(draws)) > 200
