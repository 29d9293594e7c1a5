"""Gradient estimators against a brute-force gradient: quadrature of the bound, differenced, on a model with one latent."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Float
from support.chance import agrees, differs

from lowerbound.data.examples import Example
from lowerbound.densities import AbstractLatentDensity, Space
from lowerbound.models import SingleLayer
from lowerbound.objectives import CIWAE, ELBO, IWAE, PIWAE, AbstractObjective
from lowerbound.priors import AbstractPrior
from lowerbound.verification.linear_gaussian import LinearGaussian, LinearNetwork

TRUTH = LinearGaussian.random(3, 1, orthogonal=True, seed=1)
X = TRUTH.draw(1, seed=8)[0]
WRONG = {"mean_shift": 0.3, "variance_factor": 2.0}
NUM_DRAWS = 20_000
PSEUDO_INPUT = np.array([0.4, -1.0, 2.0], np.float32)
# The numbers that are differentiated: (encoder bias, log-variance, the first decoder weight, log-scale of the noise).
ENCODER, DECODER = (0, 1), (2, 3)
Numbers = Float[Array, " four"]


class PseudoInput(AbstractPrior):
    """p(z) = q(z|u) for one fixed input u: a VampPrior of one component, all of whose numbers are the encoder's."""

    latent_dim: int = eqx.field(static=True)
    pseudo_input: np.ndarray
    stopped: bool = eqx.field(static=True, default=False)
    space: ClassVar[Space] = "euclidean"
    is_made_of_posterior: ClassVar[bool] = True

    @classmethod
    def build(cls, config: Any, context: Any) -> AbstractPrior:
        raise NotImplementedError  # no configuration names it

    def bind(self, recognise: Any, condition: Array | None) -> AbstractLatentDensity:
        density = recognise(jnp.asarray(self.pseudo_input), condition)
        return jax.tree.map(jax.lax.stop_gradient, density) if self.stopped else density


def model_at(start: SingleLayer, numbers: Numbers) -> SingleLayer:
    encoder, decoder = start.encoder, start.decoder
    assert isinstance(encoder, LinearNetwork)
    assert isinstance(decoder, LinearNetwork)
    return eqx.tree_at(
        lambda model: (model.encoder.bias, model.encoder.log_spread, model.decoder.weight, model.decoder.log_spread),
        start,
        (numbers[:1], numbers[1:2], decoder.weight.at[0, 0].set(numbers[2]), numbers[3]),
    )


def numbers_of(model: SingleLayer) -> np.ndarray:
    encoder, decoder = model.encoder, model.decoder
    assert isinstance(encoder, LinearNetwork)
    assert isinstance(decoder, LinearNetwork)
    parts = (encoder.bias[0], encoder.log_spread[0], decoder.weight[0, 0], decoder.log_spread)
    return np.array([float(part) for part in parts])


def normal(z: np.ndarray, mean: Any, log_variance: Any) -> np.ndarray:
    return -0.5 * ((z - mean) ** 2 * np.exp(-log_variance) + log_variance + np.log(2 * np.pi))


def exact_bounds(model: SingleLayer, numbers: np.ndarray) -> dict[str, float]:
    """(ELBO, IWAE_2) at these numbers, by quadrature over z and over pairs of z, written with NumPy alone."""
    bias, log_variance, weight, log_scale = numbers
    direction = np.asarray(model.encoder.weight, np.float64)[0]  # pyright: ignore[reportAttributeAccessIssue]
    weights = np.asarray(model.decoder.weight, np.float64)[:, 0].copy()  # pyright: ignore[reportAttributeAccessIssue]
    weights[0] = weight
    mean = direction @ X.astype(np.float64) + bias
    z = np.linspace(mean - 9 * np.exp(0.5 * log_variance), mean + 9 * np.exp(0.5 * log_variance), 601)
    log_q = normal(z, mean, log_variance)
    decoded = z[:, None] * weights + np.asarray(model.decoder.bias, np.float64)  # pyright: ignore[reportAttributeAccessIssue]
    log_likelihood = normal(X, decoded, 2 * log_scale).sum(axis=1)
    if isinstance(model.prior, PseudoInput):
        log_prior = normal(z, direction @ model.prior.pseudo_input.astype(np.float64) + bias, log_variance)
    else:
        log_prior = normal(z, 0.0, 0.0)
    log_weight = log_likelihood + log_prior - log_q
    mass = np.exp(log_q) * (z[1] - z[0])
    pairs = np.logaddexp(log_weight[:, None], log_weight) - np.log(2)
    return {"elbo": float(mass @ log_weight), "iwae": float(mass @ pairs @ mass)}


def exact_gradient(name: str, bound: str) -> np.ndarray:
    """Central differences of `exact_bounds`."""
    model, step = MODELS[name], 1e-4
    numbers = numbers_of(model)
    differences = [
        exact_bounds(model, numbers + step * unit)[bound] - exact_bounds(model, numbers - step * unit)[bound]
        for unit in np.eye(4)
    ]
    return np.array(differences) / (2 * step)


@eqx.filter_jit
def _gradients(objective: AbstractObjective, model: SingleLayer, numbers: Numbers, keys: Array) -> Float[Array, "draws four"]:
    def loss(numbers: Numbers, key: Array) -> Array:
        batch = Example(jnp.asarray(X)[None])
        return objective(model_at(model, numbers), batch, key, jnp.int32(0), training=True).loss

    return jax.vmap(jax.grad(loss), (None, 0))(numbers, keys)


MODELS = {
    "wrong": TRUTH.model(**WRONG),
    "exact": TRUTH.model(),
    **{
        name: eqx.tree_at(lambda model: model.prior, TRUTH.model(**WRONG), PseudoInput(1, PSEUDO_INPUT, stopped))
        for name, stopped in (("shared", False), ("cut", True))
    },
}


@functools.cache
def gradients(objective: AbstractObjective, name: str) -> np.ndarray:
    """Independent gradients of the bound, (draws, 4); one program for all models of one structure."""
    model = MODELS[name]
    keys = jax.random.split(jax.random.key(3), NUM_DRAWS)
    return -np.asarray(_gradients(objective, model, jnp.asarray(numbers_of(model), jnp.float32), keys), np.float64)


def errors_in_deviations(draws: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The difference of the mean from `exact`, in standard errors (plus float32's rounding)."""
    error = draws.std(axis=0) / np.sqrt(len(draws)) + 1e-4
    return (draws.mean(axis=0) - exact) / error


@pytest.mark.parametrize(
    ("objective", "bound"),
    [
        (ELBO(), {"elbo": 1.0}),
        (ELBO(gradient="stl"), {"elbo": 1.0}),
        (IWAE(2), {"iwae": 1.0}),
        (IWAE(2, "dreg"), {"iwae": 1.0}),
        (CIWAE(2, 0.3, "dreg"), {"elbo": 0.3, "iwae": 0.7}),
    ],
    ids=["elbo-plain", "elbo-stl", "iwae-plain", "iwae-dreg", "ciwae-dreg"],
)
def test_estimator_agrees_with_the_brute_force_gradient(objective: AbstractObjective, bound: dict[str, float]) -> None:
    exact = np.sum([weight * exact_gradient("wrong", name) for name, weight in bound.items()], axis=0)
    draws = gradients(objective, "wrong")
    assert agrees(errors_in_deviations(draws, exact), 0.0, 1.0)
    # The control: the gradient of the other bound is seen.
    other = exact_gradient("wrong", "elbo" if "iwae" in bound else "iwae")
    assert differs(np.abs(errors_in_deviations(draws, other)).max(), 0.0, 1.0)


def test_stl_of_several_importance_weights_is_biased_for_the_encoder_alone() -> None:
    """v_k in place of v_k^2 (Tucker et al. 2019, section 3): what makes dreg's agreement mean something."""
    errors = errors_in_deviations(gradients(IWAE(2, "stl"), "wrong"), exact_gradient("wrong", "iwae"))
    assert np.abs(errors[list(ENCODER)]).max() > 20
    assert agrees(errors[list(DECODER)], 0.0, 1.0)


def test_dreg_has_less_noise_for_the_encoder_and_leaves_the_decoder_alone() -> None:
    plain, dreg = gradients(IWAE(2), "wrong"), gradients(IWAE(2, "dreg"), "wrong")
    assert np.all(dreg.std(axis=0)[list(ENCODER)] < 0.8 * plain.std(axis=0)[list(ENCODER)])
    np.testing.assert_allclose(dreg[:, list(DECODER)], plain[:, list(DECODER)], rtol=1e-3, atol=1e-3)


def test_piwae_gives_the_encoder_the_gradient_of_a_group_and_the_decoder_that_of_all() -> None:
    errors = errors_in_deviations(gradients(PIWAE(2, 3, "dreg"), "wrong"), exact_gradient("wrong", "iwae"))
    assert agrees(errors[list(ENCODER)], 0.0, 1.0)
    assert differs(np.abs(errors[list(DECODER)]).max(), 0.0, 1.0)


@pytest.mark.parametrize(
    ("objective", "bound"), [(IWAE(2, "dreg"), "iwae"), (ELBO(gradient="stl"), "elbo")], ids=["iwae-dreg", "elbo-stl"]
)
def test_a_prior_that_shares_the_encoder_keeps_its_own_part_of_the_gradient(objective: AbstractObjective, bound: str) -> None:
    assert agrees(errors_in_deviations(gradients(objective, "shared"), exact_gradient("shared", bound)), 0.0, 1.0)
    if bound == "iwae":
        # The control: the same prior, whose gradient is cut off.
        assert differs(np.abs(errors_in_deviations(gradients(objective, "cut"), exact_gradient("shared", bound))).max(), 0.0, 1.0)


def test_at_the_exact_posterior_stl_and_dreg_have_no_variance_and_plain_has() -> None:
    deviation = {
        name: gradients(objective, "exact").std(axis=0)[list(ENCODER)].max()
        for name, objective in {"stl": ELBO(gradient="stl"), "dreg": IWAE(2, "dreg"), "plain": ELBO()}.items()
    }
    assert deviation["stl"] < 1e-4
    assert deviation["dreg"] < 1e-4
    assert deviation["plain"] > 0.1
