"""DIP on covariances worked by hand; the maximum mean discrepancy on pairs worked by hand and on laws where it is known."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.chance import agrees

from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.models import SingleLayer
from lowerbound.objectives import DIPVAEI, DIPVAEII, AbstractObjective, InfoVAE, LossRecord, WassersteinAutoencoder
from lowerbound.objectives.dip import covariance
from lowerbound.objectives.mmd import IMQ_SCALES, mmd
from lowerbound.verification.linear_gaussian import LinearGaussian, LinearNetwork

# Means 0; Cov with 1/B: [[1, 0.5], [0.5, 3.5]].
X = np.array([[1, 0], [-1, 0], [1, 1], [-1, -1], [1, 3], [-1, -3], [1, -2], [-1, 2]], np.float32)
COVARIANCE = np.array([[1.0, 0.5], [0.5, 3.5]])
VARIANCES = np.array([0.25, 0.5])


def model() -> SingleLayer:
    """q(z|x) = N(x, diag(1/4, 1/2))."""
    start = LinearGaussian.random(2, 2, orthogonal=True).model()
    log_variance = jnp.asarray(np.log(VARIANCES), jnp.float32)
    encoder = LinearNetwork(weight=jnp.eye(2), bias=jnp.zeros(2), log_spread=log_variance, in_shape=(2,), out_shape=(2, 2))
    return eqx.tree_at(lambda model: model.encoder, start, encoder)


@eqx.filter_jit
def records(objectives: tuple[AbstractObjective, ...]) -> list[LossRecord]:
    return [one(model(), Example(X), jax.random.key(0), jnp.int32(0)) for one in objectives]


def elbo_of(record: LossRecord) -> float:
    assert record.bound is not None
    assert record.kl is not None
    np.testing.assert_allclose(record.bound, record.log_likelihood - record.kl, rtol=1e-6)
    return float(record.bound.mean())


def test_dip_penalties_by_hand() -> None:
    np.testing.assert_allclose(covariance(jnp.asarray(X), Example(X)), COVARIANCE, rtol=1e-6)
    first, second = records((DIPVAEI(1, 3.0, 7.0), DIPVAEII(1, 3.0, 7.0)))
    # I: 3 (0.25 + 0.25) + 7 ((1 - 1)^2 + (3.5 - 1)^2); II: the diagonal is 1.25 and 4.
    assert float(first.loss) + elbo_of(first) == pytest.approx(3 * 0.5 + 7 * 6.25, rel=1e-5)
    assert float(second.loss) + elbo_of(second) == pytest.approx(3 * 0.5 + 7 * (0.0625 + 9), rel=1e-5)


def test_info_vae_and_wae_weigh_kl_and_mmd_as_they_say() -> None:
    objectives = (InfoVAE(alpha=0.0, mmd_weight=1.0), InfoVAE(alpha=0.25, mmd_weight=5.0), WassersteinAutoencoder(mmd_weight=4.0))
    as_elbo, info, wae = records(objectives)
    elbo = elbo_of(as_elbo)
    assert float(as_elbo.loss) == pytest.approx(-elbo, rel=1e-5)
    assert info.kl is not None
    kl, reconstruction = float(info.kl.mean()), float(info.log_likelihood.mean())
    discrepancy = (float(info.loss) + reconstruction - 0.75 * kl) / 4.25
    assert abs(discrepancy) > 0.1
    assert (float(wae.loss) + float(wae.log_likelihood.mean())) / 4.0 == pytest.approx(discrepancy, rel=1e-3)
    assert elbo_of(wae) == elbo_of(info) == elbo
    assert [float(one.kl_weight(jnp.int32(0))) for one in objectives] == [1.0, 0.75, 0.0]


def test_mmd_by_hand() -> None:
    """One latent, so C = 2; x = {0, 1}, y = {0, 3}: squared distances 1 | 9 | 0, 9, 1, 4."""
    x, y = jnp.array([[0.0], [1.0]]), jnp.array([[0.0], [3.0]])

    def expected(kernel: Any) -> float:
        return kernel(1) + kernel(9) - 2 * (kernel(0) + kernel(9) + kernel(1) + kernel(4)) / 4

    assert float(mmd(x, y, "rbf")) == pytest.approx(expected(lambda squared: np.exp(-squared / 2)), abs=1e-6)
    imq = expected(lambda squared: sum(2 * scale / (2 * scale + squared) for scale in IMQ_SCALES))
    assert float(mmd(x, y, "imq")) == pytest.approx(imq, abs=1e-5)
    assert float(mmd(x[:1], y[:1], "rbf")) == pytest.approx(-2.0)


def test_mmd_has_no_bias_and_is_zero_in_the_mean_for_equal_laws() -> None:
    """With x - y ~ N(d, 2 I), E exp(-|x - y|^2 / C) = (C / (C + 4))^(J/2) exp(-|d|^2 / (C + 4))."""
    size, dim, repeats = 10, 2, 4000
    rng = np.random.default_rng(0)
    x, y = (jnp.asarray(rng.normal(size=(repeats, size, dim)), jnp.float32) for _ in range(2))
    estimate = jax.jit(jax.vmap(lambda x, y: (mmd(x, y, "rbf"), mmd(x, y, "imq"), mmd(x + 1.0, y, "rbf"))))
    equal_rbf, equal_imq, shifted = (np.asarray(values) for values in estimate(x, y))
    for values in (equal_rbf, equal_imq):
        mean, error = mean_and_error(values)
        assert agrees(mean, 0.0, error)
        assert (values < 0).any()
    width = 2 * dim
    factor = (width / (width + 4)) ** (dim / 2)
    mean, error = mean_and_error(shifted)
    assert agrees(mean, 2 * factor * (1 - np.exp(-dim / (width + 4))), error)
    # The control: with each draw paired with itself too, (1 - E k) / n is added for each of the two laws.
    with_itself = equal_rbf + 2 * (1 - factor) / size
    assert mean_and_error(with_itself)[0] > 20 * mean_and_error(with_itself)[1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DIPVAEI(off_diagonal_weight=-1.0), r"objective.off_diagonal_weight is -1.0 \(a number\); expected"),
        (lambda: InfoVAE(alpha=1.5), r"objective.alpha is 1.5 \(a number\); expected a number <= 1."),
        (lambda: InfoVAE(alpha=-3.0, mmd_weight=2.0), "so mmd_weight must be at least 4"),
        (lambda: WassersteinAutoencoder(mmd_weight=-1.0), r"objective.mmd_weight is -1.0 \(a number\); expected a number >= 0"),
    ],
)
def test_bad_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
