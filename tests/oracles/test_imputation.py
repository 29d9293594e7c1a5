"""Hidden elements against their law in closed form: of the linear-Gaussian model, and of one with classes."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
import scipy.special
from support.built import build_model
from support.chance import agrees

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import Amortised, Refined, impute
from lowerbound.evaluation.imputation import FEW_EFFECTIVE_SAMPLES, PROPOSAL
from lowerbound.verification.imputation import hidden_elements
from lowerbound.verification.linear_gaussian import TRUTH, LinearGaussian
from lowerbound.verification.semi_supervised import LabelledGaussians


def with_holes(x: np.ndarray, share: float, seed: int = 0) -> Example:
    observed = np.random.default_rng(seed).random(x.shape) > share
    return Example(np.where(observed, x, np.nan).astype(np.float32), observed=observed)


def test_hidden_elements_have_their_conditional_law() -> None:
    for figure in hidden_elements():
        assert figure.is_right, figure


def test_a_model_of_other_weights_is_found_wrong() -> None:
    """A control: the noise of the decoder is 1.5 times too small."""
    wrong = [figure for figure in hidden_elements(TRUTH.model(log_scale_error=float(np.log(1 / 1.5)))) if not figure.is_right]
    assert {figure.name.split(",")[0] for figure in wrong} >= {"spread of the draws"}


@pytest.mark.long
def test_the_whole_covariance_of_the_draws_and_every_mean() -> None:
    x = TRUTH.draw(8, seed=2)
    data = with_holes(x, 0.5)
    found = impute(TRUTH.model(), data, num_samples=3000, num_draws=1500)
    for row in range(len(x)):
        hidden = ~found.observed[row]
        mean, covariance = TRUTH.hidden(x[row], ~hidden)
        assert agrees(found.mean[row, hidden], mean, found.mean_error[row, hidden])
        draws = found.draws[:, row][:, hidden].astype(np.float64)
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        # Var of a sample covariance is (s_ii s_jj + s_ij^2) / n, at most twice scale^2 / n.
        error = scale * np.sqrt(2 / 1500 + 2 / found.effective_sample_size[row])
        assert agrees(np.cov(draws.T, bias=True).reshape(covariance.shape), covariance, error)


def test_an_example_gives_the_same_numbers_however_many_come_with_it() -> None:
    data = with_holes(TRUTH.draw(90, seed=3), 0.3)
    few, all_of_them = (impute(TRUTH.model(), rows, num_samples=50, num_draws=2) for rows in (data[:3], data))
    np.testing.assert_allclose(few.mean, all_of_them.mean[:3], rtol=1e-5)
    np.testing.assert_allclose(few.draws, all_of_them.draws[:, :3], rtol=1e-5)
    assert len(all_of_them) == 90
    assert not np.allclose(all_of_them.draws[0], all_of_them.draws[1])


def test_what_stands_in_a_hole_reaches_nothing() -> None:
    data = with_holes(TRUTH.draw(5, seed=4), 0.4)
    other = dataclasses.replace(data, x=np.where(np.asarray(data.observed), data.x, 1e9).astype(np.float32))
    first, second = (impute(TRUTH.model(), rows, num_samples=50, num_draws=1) for rows in (data, other))
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.draws, second.draws)


@pytest.mark.long
def test_an_example_that_the_encoder_misses_is_done_again_from_a_fitted_posterior() -> None:
    # An encoder that is eight of its deviations off, and far too sure.
    model = TRUTH.model(mean_shift=3.0, variance_factor=0.05)
    x = TRUTH.draw(4, seed=6)
    data = with_holes(x, 0.2)
    plain = impute(model, data, num_samples=100, proposal=Amortised())
    rescued = impute(model, data, num_samples=100)
    own = impute(model, data, num_samples=100, proposal=PROPOSAL)
    assert not plain.is_rescued.any()
    assert (own.effective_sample_size < FEW_EFFECTIVE_SAMPLES).sum() == rescued.is_rescued.sum() > 0
    assert (rescued.effective_sample_size[rescued.is_rescued] > 2 * own.effective_sample_size[rescued.is_rescued]).all()
    for row in np.flatnonzero(rescued.is_rescued):
        hidden = ~rescued.observed[row]
        truth, _ = TRUTH.hidden(x[row], ~hidden)
        # An effective size of ten and more shows its own error to a third.
        assert agrees(rescued.mean[row, hidden], truth, 1.5 * rescued.mean_error[row, hidden])


def labelled_truth(truth: LabelledGaussians, x: np.ndarray, observed: np.ndarray, *, is_weighted: bool = True) -> np.ndarray:
    """E[x_hidden|x_observed] of the mixture: the classes' conditional means, weighted by p(y|x_observed)."""
    log_probs, means = [], []
    for centre in truth.centres:
        part = LinearGaussian(truth.weight[observed], centre[observed], truth.scale)
        log_probs.append(part.log_evidence(x[observed]))
        means.append(LinearGaussian(truth.weight, centre, truth.scale).hidden(x, observed)[0])
    return np.asarray(scipy.special.softmax(np.asarray(log_probs) * is_weighted) @ np.asarray(means))


def test_a_label_that_is_not_known_is_summed_over_with_its_weight_given_the_observed() -> None:
    truth = LabelledGaussians.random(3, 5, 2, seed=1)
    x, _ = truth.draw(6, seed=2)
    data = with_holes(x, 0.4, seed=1)
    found = impute(truth.model(), data, num_samples=3000)
    blunt = []
    for row in range(len(x)):
        hidden = ~found.observed[row]
        error = found.mean_error[row, hidden]
        assert agrees(found.mean[row, hidden], labelled_truth(truth, x[row], ~hidden), error)
        blunt.append(not agrees(found.mean[row, hidden], labelled_truth(truth, x[row], ~hidden, is_weighted=False), error))
    # A control: without the classes' weights the mean is another one.
    assert sum(blunt) >= 3


def test_a_likelihood_that_ties_elements_is_refused() -> None:
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    config = RunConfig.from_dict({"likelihood": {"name": "low-rank-gaussian"}, "network": {"hidden_widths": [4]}})
    model = build_model(config, describe(x), jax.random.key(0))
    with pytest.raises(ConfigurationError, match=r"ties the elements of an example together.*are independent given z"):
        impute(model, with_holes(x, 0.2), num_samples=10)
    with pytest.raises(ConfigurationError, match="num_samples is 0"):
        impute(TRUTH.model(), with_holes(TRUTH.draw(3, seed=0), 0.2), num_samples=0)
    assert impute(TRUTH.model(), with_holes(TRUTH.draw(3, seed=0), 0.2), num_samples=10, proposal=Refined(5)).num_samples == 10
