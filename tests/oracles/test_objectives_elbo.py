"""What the ELBO's loss does to its KL term, each on numbers worked by hand."""

from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.models import SingleLayer
from lowerbound.objectives import ELBO, AbstractObjective, LossRecord, WarmUp
from lowerbound.verification.linear_gaussian import LinearGaussian, LinearNetwork

# q(z|x) = N(x, I): KL_j = x_j^2 / 2, so by example and latent [[2, 0.5], [8, 0], [0, 0.02]].
X = np.array([[2.0, 1.0], [-4.0, 0.0], [0.0, 0.2]], np.float32)
KL = np.array([2.5, 8.0, 0.02])


def model() -> SingleLayer:
    start = LinearGaussian.random(2, 2, orthogonal=True).model()
    encoder = LinearNetwork(weight=jnp.eye(2), bias=jnp.zeros(2), log_spread=jnp.zeros(2), in_shape=(2,), out_shape=(2, 2))
    return eqx.tree_at(lambda model: model.encoder, start, encoder)


@eqx.filter_jit
def records(objectives: tuple[AbstractObjective, ...], step: jax.Array) -> list[LossRecord]:
    return [one(model(), Example(X), jax.random.key(0), step) for one in objectives]


def cost(record: LossRecord) -> float:
    """What the loss adds to minus the reconstruction; the report stays the ELBO whatever it is."""
    assert record.kl is not None
    assert record.bound is not None
    np.testing.assert_allclose(record.kl, KL, rtol=1e-5)
    np.testing.assert_allclose(record.bound, record.log_likelihood - record.kl, rtol=1e-6)
    return float(record.loss) + float(record.log_likelihood.mean())


def test_costs_by_hand() -> None:
    objectives = (
        ELBO(),
        ELBO(beta=4.0),
        ELBO(beta=4.0, warmup_steps=8),
        ELBO(free_nats=1.0),
        ELBO(free_nats=1.0, beta=0.5),
        ELBO(capacity_nats=4.0, beta=10.0),
        ELBO(capacity_nats=4.0, capacity_steps=8, beta=10.0),
    )
    plain, beta, warm, free, free_beta, capacity, rising = (cost(record) for record in records(objectives, jnp.int32(1)))
    mean = KL.mean()
    assert plain == pytest.approx(mean, rel=1e-5)
    assert beta == pytest.approx(4 * mean, rel=1e-5)
    assert warm == pytest.approx(4 * 2 / 8 * mean, rel=1e-5)
    # Batch means of the two latents: 10/3, which is above the nat, and 0.52/3, which is not. Held against each example's own
    # KL_j the sum would be (3 + 9 + 2) / 3; against each example's sum, (2.5 + 8 + 1) / 3.
    assert free == pytest.approx(10 / 3 + 1, rel=1e-5)
    assert free_beta == pytest.approx(0.5 * (10 / 3 + 1), rel=1e-5)
    # |2.5 - 4|, |8 - 4|, |0.02 - 4|; the distance of the batch's mean would be 0.49. At step 1 of 8 the target is 1.
    assert capacity == pytest.approx(10 * (1.5 + 4 + 3.98) / 3, rel=1e-4)
    assert rising == pytest.approx(10 * (1.5 + 7 + 0.98) / 3, rel=1e-4)


def test_a_latent_with_nats_left_gets_no_gradient_from_the_kl() -> None:
    @eqx.filter_jit
    def gradients(objectives: tuple[ELBO, ...]) -> list[jax.Array]:
        def loss(model: SingleLayer, objective: ELBO) -> jax.Array:
            return objective(model, Example(X), jax.random.key(0), jnp.int32(0)).loss

        return [eqx.filter_grad(loss)(model(), one).encoder.bias for one in objectives]

    free, without, plain = gradients((ELBO(free_nats=1.0), ELBO(beta=0.0), ELBO()))
    # The KL's gradient by the means is x in the mean over the batch.
    np.testing.assert_allclose(plain - without, X.mean(axis=0), atol=1e-4)
    np.testing.assert_allclose(free - without, [X[:, 0].mean(), 0.0], atol=1e-4)


def test_warm_up_courses() -> None:
    steps = jnp.arange(10)
    linear, cyclical = (jax.vmap(WarmUp(4, course))(steps) for course in ("linear", "cyclical"))
    np.testing.assert_allclose(linear, [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(cyclical, [0.5, 1, 1, 1, 0.5, 1, 1, 1, 0.5, 1])
    assert math.isclose(float(ELBO(beta=3.0, warmup_steps=4).kl_weight(jnp.int32(0))), 0.75)


def test_settings_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="both replace the KL in the loss; set one to 0"):
        ELBO(free_nats=1.0, capacity_nats=1.0)
    with pytest.raises(ConfigurationError, match=r"set objective\.gradient=plain"):
        ELBO(gradient="stl", free_nats=1.0)
    with pytest.raises(ConfigurationError, match=r"objective\.name=iwae"):
        ELBO(gradient="dreg")
