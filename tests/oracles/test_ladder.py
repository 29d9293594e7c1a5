"""The ladder of the textbook: its first rung is principal component analysis, by scikit-learn's own numbers."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from sklearn.decomposition import PCA
from support.built import build_model

from lowerbound.assembly.build import build_objective
from lowerbound.config.catalogue import class_of
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import decode, posterior_means, reconstruction
from lowerbound.models import SingleLayer, split_trained
from lowerbound.networks import MLP
from lowerbound.recipes import load_recipe, recipe_names

RUNGS = [name for name in recipe_names() if name.startswith("textbook-")]
# Five directions that tell, of clearly different lengths, in twelve columns of one unit.
_RNG = np.random.default_rng(0)
X = (_RNG.normal(size=(300, 12)) @ np.diag([9, 7, 5, 3, 2, *[0.5] * 7]) @ np.linalg.qr(_RNG.normal(size=(12, 12)))[0] + 3).astype(
    np.float32
)
NEW = X[:50] + _RNG.normal(scale=0.3, size=(50, 12)).astype(np.float32)


def test_the_linear_autoencoder_is_principal_component_analysis() -> None:
    """The optimum of its own loss, by L-BFGS, spans the first principal directions: largest principal angle below one degree
    (in single precision), reconstruction errors the same to a thousandth, also on new rows."""
    config = load_recipe("textbook-linear").run_config().updated({"model": {"latent_dim": 3}})
    spec = describe(X)
    untrained = build_model(config, spec, jax.random.key(0), examples=X)
    assert isinstance(untrained, SingleLayer)
    objective = build_objective(config, 1, len(X))
    trained, rest = split_trained(untrained)
    start, unravel = jax.flatten_util.ravel_pytree(trained)
    data = Example(X)

    @jax.jit
    def loss(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
        def value(weights: jax.Array) -> jax.Array:
            return objective(eqx.combine(unravel(weights), rest), data, jax.random.key(1), jnp.int32(0), None, training=True).loss

        return jax.value_and_grad(value)(weights)

    weights = np.asarray(start, np.float64)
    for _ in range(3):
        # Single precision ends a line search early; from where it stopped the next one goes on.
        weights = scipy.optimize.minimize(
            lambda at: [np.asarray(part, np.float64) for part in loss(jnp.asarray(at, jnp.float32))],
            weights,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 500, "maxcor": 30, "ftol": 0.0, "gtol": 0.0},
        ).x
    model = eqx.combine(unravel(jnp.asarray(weights, jnp.float32)), rest)
    pca = PCA(3).fit(X)
    assert _largest_angle(untrained, pca) > 20, "the control: the start spans something else"
    assert _largest_angle(model, pca) < 1
    for rows in (X, NEW):
        ours = reconstruction(model, spec, Example(rows)).root_mean_square
        theirs = np.sqrt(np.mean(np.square(rows - pca.inverse_transform(pca.transform(rows)))))
        assert abs(ours - theirs) < 1e-3 * theirs, (ours, theirs)


def _largest_angle(model: SingleLayer, pca: PCA) -> float:
    """Between what the decoder's matrix spans in the user's units and the principal directions, in degrees."""
    assert isinstance(model.decoder, MLP)
    spanned = np.asarray(model.decoder.layers[-1].weight, np.float64) * np.reshape(model.transform.scale, -1)
    return float(np.degrees(scipy.linalg.subspace_angles(spanned.T, np.asarray(pca.components_).T)).max())


def test_a_reconstruction_error_is_counted_over_all_elements() -> None:
    config = load_recipe("textbook-linear").run_config().updated({"model": {"latent_dim": 2}})
    spec = describe(X)
    model = build_model(config, spec, jax.random.key(0), examples=X)
    found = reconstruction(model, spec, Example(X), split="train")
    means = decode(model, posterior_means(model, X))
    assert found.root_mean_square == pytest.approx(np.sqrt(np.mean((X - means) ** 2)), rel=1e-5)
    assert found.explained == pytest.approx(1 - np.sum((X - means) ** 2) / np.sum((X - X.mean(axis=0)) ** 2), rel=1e-4)
    assert found.to_json()["elbo_nats"] is None, "a reconstruction is no bound"
    with pytest.raises(ConfigurationError, match="counts every element of every example alike"):
        reconstruction(model, spec, Example(X, weight=np.ones(len(X))))


def test_every_rung_stands_on_the_one_before() -> None:
    configs = {name.removeprefix("textbook-"): load_recipe(name).run_config() for name in RUNGS}
    assert set(configs) == {"linear", "stacked", "denoising", "sparse", "variational"}
    assert configs["linear"].network.hidden_widths == ()
    assert {config.data.name for config in configs.values()} == {"digits"}
    assert len({config.network.hidden_widths for name, config in configs.items() if name != "linear"}) == 1
    bounded = {name: class_of("objective", config.objective.name).is_bound for name, config in configs.items()}
    assert [name for name, has in bounded.items() if has] == ["variational"]
