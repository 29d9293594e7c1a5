"""log p(X) of all examples from draws of weights and latents: against a quadrature, and what its record says.

The figures for Bayesian linear regression are among those of `lowerbound verify`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from jaxtyping import Array, Float
from support.chance import agrees, differs, not_above
from typing_extensions import override

from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import JointSampling, joint_evidence, joint_weights
from lowerbound.evaluation.joint_evidence import JointWeights, joint_record, judge_joint
from lowerbound.likelihoods import Gaussian
from lowerbound.models import BayesianDecoder, SingleLayer
from lowerbound.networks import AbstractNetwork
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal
from lowerbound.verification import linear_gaussian
from lowerbound.verification.bayesian_regression import TRUTH

NOISE = 0.5


class _Slope(AbstractNetwork):
    """(theta (z + 1), log s): one random weight, which is the slope."""

    slope: Float[Array, ""]
    condition_dim: ClassVar[int] = 0
    is_random_in_training: ClassVar[bool] = False

    @override
    def __call__(self, x: Array, *, condition: Any = None, key: Any = None) -> Array:
        return jnp.stack([self.slope * (x + 1), jnp.full(1, math.log(NOISE))])

    @override
    def with_output_bias(self, bias: np.ndarray) -> _Slope:
        return self


def _model(mean: float, std: float) -> BayesianDecoder:
    """q(theta) = N(mean, std^2) and a q(z|x) that is rather wide."""
    encoder = linear_gaussian.LinearNetwork((1,), (2, 1), jnp.full((1, 1), 0.4), jnp.zeros(1), jnp.zeros(1))
    unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
    decoder = _Slope((1,), (2, 1), slope=jnp.float32(mean))
    parts = encoder, DiagonalGaussian(1), StandardNormal(1), decoder, Gaussian((1,), 1e-6)
    return BayesianDecoder.around(SingleLayer(unchanged, unchanged, *parts), std)


X = np.asarray([[1.2], [0.4], [2.9], [1.7]], np.float32)


def _log_evidence() -> float:
    r"""log \int N(theta; 0, 1) \prod_n N(x_n; theta, theta^2 + s^2) dtheta, by quadrature."""

    def joint(theta: float) -> float:
        likelihoods = scipy.stats.norm.pdf(X[:, 0].astype(float), theta, math.hypot(theta, NOISE))
        return float(scipy.stats.norm.pdf(theta) * np.prod(likelihoods))

    return math.log(scipy.integrate.quad(joint, -12, 12, limit=200)[0])


def test_the_mean_weight_is_the_evidence_of_weights_and_latents_together() -> None:
    truth, sampling = _log_evidence(), JointSampling(num_weights=1000, num_samples=32)
    found = joint_weights(_model(0.9, 0.6), X, sampling)
    share = np.exp(found.log_weights - truth)
    error = share.std(ddof=1) / math.sqrt(len(share))
    assert error < 0.05
    assert agrees(share.mean(), 1.0, error)
    # Of an evidence that is half a nat off.
    assert differs(share.mean(), math.exp(0.5), error)
    # Three bounds, each above the one before.
    record = joint_record(_model(0.9, 0.6), found, 4, sampling)
    assert record.elbo_nats < record.single_draw_nats < record.log_evidence_nats
    assert not_above(record.single_draw_nats, truth / 4, record.single_draw_standard_error)
    assert agrees(record.log_evidence_nats, truth / 4, error / 4)
    assert record.monte_carlo_error == pytest.approx(error / 4, rel=0.1)
    assert record.is_enough


def test_a_record_by_hand() -> None:
    logs = np.log([1.0, 1.0, 2.0])
    found = JointWeights(logs, logs - 1, np.asarray([5.0, 7.0, 6.0]), not_finite=0)
    record = joint_record(TRUTH.model(), found, 2, JointSampling(3, 10))
    assert record.log_evidence_nats == pytest.approx(math.log(4 / 3) / 2)
    assert record.effective_sample_size == pytest.approx(16 / 6)
    assert record.monte_carlo_error == pytest.approx(math.sqrt(6 / 16 - 1 / 3) / 2)
    assert record.single_draw_nats == pytest.approx(math.log(2) / 6)
    assert record.elbo_nats == pytest.approx(math.log(2) / 6 - 0.5)
    assert (record.spread_nats, record.effective_samples_of_z) == (pytest.approx(logs.std(ddof=1)), 6.0)
    assert record.to_json()["given"] is None
    first = JointWeights(logs[:1], logs[:1] - 1, found.effective_sample_size[:1], 0)
    alone = joint_record(TRUTH.model(), first, 2, JointSampling(1, 10))
    assert (alone.monte_carlo_error, alone.to_json()["spread_nats"], alone.is_enough) == (None, None, False)


@pytest.mark.parametrize(
    ("draws", "effective", "not_finite", "words"),
    [
        (
            100,
            40.0,
            0,
            "100 draws of the weights are enough: effective sample size 40; log W of all 60 examples",
        ),
        (
            100,
            1.3,
            0,
            "100 draws of the weights are not enough: effective sample size 1.3; log W of all 60 examples",
        ),
        (100, 1.3, 0, "looser than it by an unknown number of nats. Take more draws of the weights (--weights 400) or of z"),
        (100, 40.0, 2, "2 weights of z were not finite: they count as 0, which lowers the bound."),
        (
            1,
            1.0,
            0,
            "1 draw of the weights is not enough: the number is a lower bound on log p(X) / N in expect",
        ),
    ],
)
def test_what_is_only_a_bound_is_called_one(draws: int, effective: float, not_finite: int, words: str) -> None:
    is_enough, verdict = judge_joint(JointSampling(draws, 50), effective, 1.5, 60, not_finite)
    assert words in verdict
    assert is_enough == ("are enough" in verdict)


def test_examples_that_weigh_nothing_are_left_out_and_other_weights_refused() -> None:
    model, sampling = TRUTH.model(shift=0.5), JointSampling(2, 1)
    weight = (np.arange(12) < 8).astype(np.float32)
    some = joint_weights(model, dataclasses.replace(TRUTH.examples, weight=weight), sampling)
    np.testing.assert_allclose(some.log_weights, joint_weights(model, TRUTH.examples[:8], sampling).log_weights, rtol=1e-6)
    assert joint_evidence(model, dataclasses.replace(TRUTH.examples, weight=weight), sampling).num_examples == 8
    with pytest.raises(ConfigurationError, match=r"an example has the weight 2; expected 0 or 1, because .* Give a row twice"):
        joint_weights(model, dataclasses.replace(TRUTH.examples, weight=2 * weight), sampling)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"weights of this model's decoder are numbers, .* --method importance"):
        joint_evidence(linear_gaussian.poor_model(), X)
    with pytest.raises(DataError, match="X is empty; expected at least one example"):
        joint_evidence(TRUTH.model(), Example(TRUTH.x[:0], TRUTH.conditions[:0]))
    with pytest.raises(ConfigurationError, match="JointSampling: num_weights is 0"):
        JointSampling(0)
