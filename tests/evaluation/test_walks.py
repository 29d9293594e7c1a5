"""Walks through the latent space: which latent moves, where it goes, and along which path."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import decode, kl_by_latent, posterior_means
from lowerbound.evaluation.walks import interpolate, manifold, traverse
from lowerbound.models import AbstractLatentVariableModel

DATA = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)


def _model(**sections: dict[str, object]) -> AbstractLatentVariableModel:
    config = {"model": {"latent_dim": 3}, "network": {"hidden_widths": [8]}, **sections}
    return build_model(RunConfig.from_dict(config), describe(DATA), jax.random.key(0), examples=DATA)


def test_traversals_move_one_latent_through_the_priors_quantiles_in_the_order_of_their_kl() -> None:
    model = _model()
    found = traverse(model, DATA, num_columns=5)
    kl = kl_by_latent(model, DATA)
    assert kl is not None
    assert found.latents.tolist() == np.argsort(-kl).tolist()
    np.testing.assert_array_equal(found.carried, np.sort(kl)[::-1])
    np.testing.assert_allclose(found.values[0], scipy.stats.norm.ppf(np.linspace(0.02, 0.98, 5)), rtol=1e-6)
    base = posterior_means(model, DATA).mean(axis=0)
    moved = base.copy()
    moved[found.latents[1]] = found.values[1, 3]
    np.testing.assert_allclose(found.means[1, 3], decode(model, moved[None])[0], rtol=1e-5, atol=1e-6)
    # From the code of one example, and fewer latents.
    few = traverse(model, DATA, base=posterior_means(model, DATA[:1])[0], num_latents=2, num_columns=3)
    assert few.means.shape == (2, 3, 4)
    assert np.abs(few.means[:, 1] - found.means[:2, 2]).max() > 1e-4


def test_without_a_normal_prior_the_quantiles_are_those_of_the_codes_and_without_a_density_variance_orders() -> None:
    codes = posterior_means(model := _model(prior={"name": "vamp", "num_components": 3}), DATA)
    found = traverse(model, DATA, num_columns=3)
    assert not found.of_prior
    # The mean of all codes may decode to a blur: the others stay at a real code, the likeliest under the prior.
    likely = [float(model.log_prior(jnp.asarray(code))) for code in codes]
    assert found.example == int(np.argmax(likely))
    moved = codes[found.example].copy()
    moved[found.latents[0]] = found.values[0, 0]
    np.testing.assert_allclose(found.means[0, 0], decode(model, moved[None])[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.values[:, 1], np.median(codes, axis=0)[found.latents], rtol=1e-5)
    code = _model(posterior={"name": "deterministic"}, objective={"name": "autoencoder"})
    found = traverse(code, DATA, num_columns=3)
    assert found.carried_unit == "variance of the code"
    assert found.example is None, "about the mean, where the prior is normal"
    assert np.all(np.diff(found.carried) <= 0)


def test_the_grid_is_a_map_of_the_plane() -> None:
    model = _model(model={"latent_dim": 2})
    found = manifold(model, DATA, size=5)
    corner = np.array([[found.values[0, -1], found.values[1, 0]]])
    # Right and down.
    np.testing.assert_allclose(found.means[-1, -1], decode(model, corner)[0], rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigurationError, match="a grid shows two latents, and this model has 3"):
        manifold(_model(), DATA)


def test_paths_between_codes() -> None:
    a, b = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
    straight, arc = interpolate(a, b, 5, spherical=False), interpolate(a, b, 5, spherical=True)
    for path in (straight, arc):
        np.testing.assert_allclose(path[[0, -1]], [a, b], atol=1e-6)
    np.testing.assert_allclose(straight[2], [0.5, 0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(arc[2], [np.sqrt(0.5), np.sqrt(0.5), 0.0], atol=1e-6)
    # The arc keeps the length, which the straight line does not.
    np.testing.assert_allclose(np.linalg.norm(arc, axis=1), 1.0, atol=1e-6)
    assert np.linalg.norm(straight[2]) < 0.8
    np.testing.assert_allclose(interpolate(a, 3 * a, 3, spherical=True)[1], 2 * a, atol=1e-6)
    with pytest.raises(ConfigurationError, match="opposite"):
        interpolate(a, -a, 3, spherical=True)
    with pytest.raises(ConfigurationError, match=r"num_steps is 1 \(an integer\); expected an integer >= 2"):
        interpolate(a, b, 1, spherical=False)


def test_on_a_sphere_no_latent_moves_alone() -> None:
    model = _model(posterior={"name": "von-mises-fisher"}, prior={"name": "hyperspherical-uniform"})
    with pytest.raises(ConfigurationError, match=r"live on a sphere.*lowerbound interpolate RUN"):
        traverse(model, DATA)
