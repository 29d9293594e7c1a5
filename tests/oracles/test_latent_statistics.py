"""The statistics of the doctor on laws whose value is known: mutual information, MMD, neighbours, predictive ranks."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
import scipy.stats
from support.chance import RATE, agrees, is_likely

from lowerbound.data.examples import Example
from lowerbound.data.transforms import Affine
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation.aggregate import aggregate_posterior
from lowerbound.evaluation.predictive import predictive_check
from lowerbound.evaluation.sensitivity import input_sensitivity
from lowerbound.evaluation.two_sample import mean_discrepancy, neighbour_agreement
from lowerbound.likelihoods import Gaussian
from lowerbound.models import Draws, SingleLayer
from lowerbound.networks import MLP
from lowerbound.posteriors import Deterministic
from lowerbound.priors import StandardNormal
from lowerbound.verification.linear_gaussian import LinearGaussian

TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
DATA = TRUTH.draw(1000, seed=1)
EXACT = TRUTH.model()


class TestMutualInformation:
    def test_of_the_linear_gaussian_model_is_its_closed_form(self) -> None:
        """I(x; z) = (1/2) log det(I + W'W / s^2) = 1.66 nats, far enough below log 1000 = 6.91; KL(q(z) || p(z)) = 0."""
        truth = 0.5 * np.linalg.slogdet(np.eye(2) + TRUTH.weight.T @ TRUTH.weight / TRUTH.scale**2)[1]
        estimate = aggregate_posterior(EXACT, DATA)
        assert 1.5 < truth < 0.5 * estimate.most_nats
        assert agrees(estimate.mutual_information_nats, truth, estimate.mutual_information_error, slack=0.03)
        assert estimate.mutual_information_error < 0.05
        assert abs(estimate.aggregate_kl_nats) < 0.1
        assert not estimate.is_saturated

    def test_and_the_aggregate_kl_add_up_to_the_mean_kl(self) -> None:
        shifted = TRUTH.model(mean_shift=1.0)
        estimate = aggregate_posterior(shifted, DATA)
        keys = jax.random.split(jax.random.key(5), len(DATA))
        kl = jax.vmap(lambda x, key: shifted.log_terms(Example(x), key, Draws(1)).kl)(DATA, keys)
        total = estimate.mutual_information_nats + estimate.aggregate_kl_nats
        error = math.hypot(estimate.mutual_information_error, estimate.aggregate_kl_error)
        assert agrees(total, kl.mean(), error)
        # Both latents' codes are off by 1: KL(N(1, 1) || N(0, 1)) = 1/2 for each.
        assert agrees(estimate.aggregate_kl_nats, 1.0, estimate.aggregate_kl_error, slack=0.05)

    @pytest.mark.parametrize("correlation", [0.0, 0.9])
    def test_the_total_correlation_of_a_gaussian_is_its_closed_form(self, correlation: float) -> None:
        """KL(N(m, C) || prod_j N(m_j, C_jj)) = -(1/2) log det of the correlations; x is about z's that depend on each other."""
        rng = np.random.default_rng(4)
        z = rng.multivariate_normal([0.5, 0.0], [[1, correlation], [correlation, 1]], size=4000)
        noise = TRUTH.scale * rng.standard_normal((4000, 6))
        x = (z @ TRUTH.weight.T + TRUTH.bias + noise).astype(np.float32)
        estimate = aggregate_posterior(EXACT, x)
        _, covariance = TRUTH.posterior(x[0])
        means = np.array([TRUTH.posterior(row)[0] for row in x])
        aggregate = np.cov(means.T) + covariance
        truth = -0.5 * np.linalg.slogdet(aggregate / np.sqrt(np.outer(np.diag(aggregate), np.diag(aggregate))))[1]
        # Of each latent by itself: KL(N(m_j, C_jj) || N(0, 1)).
        variances, centres = np.diag(aggregate), means.mean(axis=0)
        by_itself = 0.5 * np.sum(variances + centres**2 - 1 - np.log(variances))
        assert estimate.num_examples == 4000
        assert estimate.total_correlation_nats is not None
        assert estimate.total_correlation_error is not None
        assert estimate.dimension_wise_kl_nats is not None
        assert estimate.dimension_wise_kl_error is not None
        assert agrees(estimate.total_correlation_nats, truth, estimate.total_correlation_error, slack=0.01)
        assert agrees(estimate.dimension_wise_kl_nats, by_itself, estimate.dimension_wise_kl_error, slack=0.01)
        parts = estimate.total_correlation_nats + estimate.dimension_wise_kl_nats
        assert parts == pytest.approx(estimate.aggregate_kl_nats, abs=1e-5)
        assert (truth > 0.1) == (correlation > 0)

    def test_cannot_exceed_log_n(self) -> None:
        """A posterior a million times too narrow tells all examples apart: log N is what N of them can show."""
        estimate = aggregate_posterior(TRUTH.model(variance_factor=1e-12), DATA)
        assert estimate.mutual_information_nats == pytest.approx(math.log(1000), abs=1e-4)
        assert estimate.is_saturated

    def test_of_a_code_that_ignores_its_example_is_nothing(self) -> None:
        blind = LinearGaussian(np.zeros((6, 2)), TRUTH.bias, 1.0).model()
        estimate = aggregate_posterior(blind, DATA)
        assert abs(estimate.mutual_information_nats) < 1e-4
        assert abs(estimate.aggregate_kl_nats) < 1e-4

    def test_does_not_exist_for_a_deterministic_code(self) -> None:
        unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
        key = jax.random.key(0)
        encoder, decoder = (MLP(*shapes, hidden_widths=(), key=key) for shapes in (((6,), (2,)), ((2,), (2, 6))))
        parts = Deterministic(2), StandardNormal(2), decoder, Gaussian((6,), 1e-6)
        with pytest.raises(
            ConfigurationError, match=r"neither q\(z\|x\) nor p\(x\) is a density.*posterior\.name=diagonal-gaussian"
        ):
            aggregate_posterior(SingleLayer(unchanged, unchanged, encoder, *parts), DATA)


class TestTwoSamples:
    def test_of_equal_laws_differ_by_chance_alone(self) -> None:
        """Each test at its 5 % level errs in about 5 of 100 pairs of samples; MMD^2 is 0 on average."""
        rng = np.random.default_rng(0)
        pairs = [rng.standard_normal((2, 40, 3)) for _ in range(100)]
        for statistic in (mean_discrepancy, neighbour_agreement):
            tests = [statistic(*pair, num_permutations=99) for pair in pairs]
            assert is_likely(float(scipy.stats.binom.sf(sum(test.p_value <= 0.05 for test in tests) - 1, 100, 0.05)))
            values = np.array([test.value - test.expected for test in tests])
            assert agrees(values.mean(), 0.0, values.std(ddof=1) / 10, num_draws=len(values))

    def test_of_shifted_laws_are_told_apart(self) -> None:
        rng = np.random.default_rng(1)
        x, y = rng.standard_normal((2, 200, 3))
        for statistic in (mean_discrepancy, neighbour_agreement):
            same, shifted = statistic(x, y), statistic(x, y + 1)
            assert shifted.p_value == 1 / 500
            assert shifted.value > same.value + 0.05

    def test_discrepancy_is_that_of_its_definition(self) -> None:
        rng = np.random.default_rng(2)
        x, y = rng.standard_normal((7, 2)), rng.standard_normal((5, 2)) + 0.5
        points = np.concatenate([x, y])
        distances = np.linalg.norm(points[:, None] - points[None], axis=-1)
        width = np.median(distances[np.triu_indices(12, 1)])
        kernel = np.exp(-(distances**2) / (2 * width**2))
        within_x = (kernel[:7, :7].sum() - 7) / 42
        within_y = (kernel[7:, 7:].sum() - 5) / 20
        assert mean_discrepancy(x, y).value == pytest.approx(within_x + within_y - 2 * kernel[:7, 7:].mean(), abs=1e-9)

    def test_neighbours_of_separate_clouds_are_all_of_their_own(self) -> None:
        rng = np.random.default_rng(3)
        x = rng.standard_normal((30, 2))
        assert neighbour_agreement(x, x + 100).value == 1.0

    def test_of_other_lengths_are_refused(self) -> None:
        with pytest.raises(DataError, match=r"shapes \(3, 2\) and \(3, 4\) cannot be compared; expected two or more points"):
            mean_discrepancy(np.zeros((3, 2)), np.zeros((3, 4)))


class TestPredictiveRanks:
    def test_of_the_true_model_are_uniform(self) -> None:
        check = predictive_check(EXACT, DATA)
        # What chance brings a distance to as often as a number to 5.5 standard errors (Massart 1990).
        assert (check.distance < math.sqrt(math.log(2 / RATE) / (2 * len(DATA)))).all()
        assert np.abs(check.rank_spread - 1).max() < 0.25
        assert agrees(check.dispersion, 1.0, 0.09)
        assert check.num_directions == 0

    @pytest.mark.parametrize(("log_scale_error", "is_wider"), [(-0.7, False), (0.7, True)])
    def test_of_a_wrong_scale_are_not(self, log_scale_error: float, is_wider: bool) -> None:
        """A decoder whose scale is half, or twice, what it should be: the data scatter 4 times too much, or a quarter."""
        check = predictive_check(TRUTH.model(log_scale_error=log_scale_error), DATA)
        assert (check.distance > check.critical_distance).all()
        # Over other seeds it varies by 7 to 9 percent.
        assert agrees(check.dispersion / math.exp(-2 * log_scale_error), 1.0, 0.09)
        assert ((check.rank_spread < 0.8) if is_wider else (check.rank_spread > 1.2)).all()

    def test_recorded_values_are_compared_as_recorded(self) -> None:
        """Values rounded to whole numbers, wider than the noise: without the same rounding of what is drawn, ranks pile up."""
        rounded = np.round(DATA)
        assert predictive_check(EXACT, rounded, step=1.0).overall_distance < predictive_check(EXACT, rounded).overall_distance

    def test_residuals_tell_how_many_latents_are_missing(self) -> None:
        """Six factors in the data, two in the model: four directions are left in the residuals."""
        weight = LinearGaussian.random(12, 6, orthogonal=True).weight
        strong = LinearGaussian(3 * weight / np.linalg.norm(weight, axis=0), np.zeros(12), 0.5)
        data = strong.draw(500, seed=2)
        small = LinearGaussian(strong.weight[:, :2], strong.bias, float(np.sqrt(0.25 + (strong.weight[:, 2:] ** 2).sum() / 12)))
        assert predictive_check(small.model(), data).num_directions == 4
        assert predictive_check(strong.model(), data).num_directions == 0


def test_sensitivity_is_the_norm_of_the_encoders_columns() -> None:
    """The encoder is linear, V x + c, so s_d = std_d |V_d|; the last element is made deaf."""
    weight = TRUTH.weight.copy()
    weight[-1] = 0
    model, std = LinearGaussian(weight, TRUTH.bias, 0.7).model(), np.arange(1.0, 7.0)
    columns = np.linalg.norm(np.asarray(getattr(model.encoder, "weight")), axis=0)  # noqa: B009
    found = input_sensitivity(model, DATA, std)
    # One random direction for each example: by 6 percent.
    assert agrees(found[:-1] / (std * columns)[:-1], 1.0, 0.06)
    assert found[-1] == 0
