"""Autoencoders: what each adds to the loss, which numbers each term trains, and what they refuse."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import DATA, model_of
from support.chance import agrees

from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.errors import ConfigurationError
from lowerbound.models import SingleLayer, split_trained
from lowerbound.objectives import (
    ELBO,
    AbstractObjective,
    Autoencoder,
    DenoisingAutoencoder,
    LossRecord,
    RegularisedAutoencoder,
    SparseAutoencoder,
    WassersteinAutoencoder,
    check_needs,
)
from lowerbound.objectives.autoencoder import corrupted
from lowerbound.priors import MixtureOfGaussians

X = DATA["table"][:6]


def model() -> SingleLayer:
    """A deterministic code, and a prior with numbers of its own."""
    built = model_of("table-gaussian-standard", jax.random.key(0), posterior={"name": "deterministic"})
    assert isinstance(built, SingleLayer)
    return eqx.tree_at(lambda model: model.prior, built, MixtureOfGaussians(2, 3, key=jax.random.key(1)))


def codes(model: SingleLayer) -> jax.Array:
    return jax.vmap(lambda x: model.encode(Example(x)).mean)(jnp.asarray(X))


@eqx.filter_jit
def records(objectives: tuple[AbstractObjective, ...], model: SingleLayer) -> list[LossRecord]:
    return [one(model, Example(X), jax.random.key(0), jnp.int32(0)) for one in objectives]


def test_each_adds_its_penalty_and_reports_no_bound() -> None:
    objectives = (
        Autoencoder(),
        SparseAutoencoder(sparsity_weight=3.0),
        RegularisedAutoencoder(latent_weight=5.0, decoder_weight=0.1),
        DenoisingAutoencoder(noise=0.0),
        DenoisingAutoencoder(noise=0.5),
        WassersteinAutoencoder(),
    )
    plain, sparse, regularised, undisturbed, noisy, wae = records(objectives, model())
    for objective, record in zip(objectives, (plain, sparse, regularised, undisturbed, noisy, wae), strict=True):
        assert record.bound is None
        assert record.kl is None
        assert float(objective.kl_weight(jnp.int32(0))) == 0
    z = np.asarray(codes(model()), np.float64)
    decoder = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(split_trained(model().decoder)[0])]
    base = float(plain.loss)
    log_prior = jax.vmap(model().log_prior)(codes(model())).mean()
    assert base == pytest.approx(-float(plain.log_likelihood.mean() + log_prior), rel=1e-5)
    assert float(sparse.loss) - base == pytest.approx(3 * np.abs(z).sum(axis=1).mean(), rel=1e-3)
    of_decoder = sum((leaf**2).sum() for leaf in decoder)
    assert float(regularised.loss) - base == pytest.approx(2.5 * (z**2).sum(axis=1).mean() + 0.1 * of_decoder, rel=1e-3)
    assert float(undisturbed.loss) == pytest.approx(base, rel=1e-5)
    assert abs(float(noisy.loss) - base) > 1e-3


def test_the_prior_learns_from_the_codes_and_the_encoder_nothing_from_the_prior() -> None:
    start = model()

    @eqx.filter_jit
    def gradients(start: SingleLayer) -> tuple[Any, ...]:
        def loss(model: SingleLayer) -> Any:
            return Autoencoder()(model, Example(X), jax.random.key(0), jnp.int32(0)).loss

        def reconstruction(model: SingleLayer) -> Any:
            return -Autoencoder()(model, Example(X), jax.random.key(0), jnp.int32(0)).log_likelihood.mean()

        def of_prior(model: SingleLayer) -> Any:
            return -jax.vmap(model.log_prior)(codes(model)).mean()

        return tuple(eqx.filter_grad(function)(start) for function in (loss, reconstruction, of_prior))

    whole, reconstruction, of_prior = gradients(start)
    for mine, other in (
        (whole.encoder, reconstruction.encoder),
        (whole.decoder, reconstruction.decoder),
        (whole.prior, of_prior.prior),
    ):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), mine, other)
    largest = [max(np.abs(leaf).max() for leaf in jax.tree.leaves(tree)) for tree in (whole.prior, of_prior.encoder)]
    # The second is what would reach the encoder if the codes were not held.
    assert min(largest) > 1e-3


def test_noise_is_in_the_elements_own_deviations() -> None:
    scale = np.array([1.0, 100.0])
    x = jnp.asarray(np.random.default_rng(0).integers(0, 255, (20_000, 2)), jnp.uint8)
    noise = np.asarray(corrupted(x, Affine(shift=np.array([3.0, 7.0]), scale=scale), 0.3, jax.random.key(0))) - np.asarray(x)
    assert agrees(noise.std(axis=0) / (0.3 * scale), 1.0, 1 / np.sqrt(2 * len(noise)))
    assert agrees(noise.mean(axis=0) / scale, 0.0, 0.3 / np.sqrt(len(noise)))


def test_a_code_and_a_density_are_each_refused_where_they_do_not_fit() -> None:
    gaussian = model_of("table-gaussian-standard", jax.random.key(0))
    for objective in (Autoencoder(), DenoisingAutoencoder(), SparseAutoencoder(), RegularisedAutoencoder()):
        check_needs(objective, model())
        with pytest.raises(ConfigurationError, match=r"shrinking to 0; set posterior\.name=deterministic\. With this posterior"):
            check_needs(objective, gaussian)
    with pytest.raises(ConfigurationError, match=r"With it, objective\.name=autoencoder or wae-mmd works"):
        check_needs(ELBO(), model())
    check_needs(WassersteinAutoencoder(), model())
    check_needs(WassersteinAutoencoder(), gaussian)
    with pytest.raises(ConfigurationError, match=r"objective\.noise is -1\.0 \(a number\); expected a number >= 0"):
        DenoisingAutoencoder(noise=-1.0)
