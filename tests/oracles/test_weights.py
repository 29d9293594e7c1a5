"""Whatever is a mean over examples is one by weight: a row of weight 2 is the row twice, and one of weight 0 is not there."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lowerbound.config.sections import TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import AnnealedEstimate, Annealing, anneal, annealed_estimate, inference_gap
from lowerbound.evaluation.aggregate import aggregate_posterior
from lowerbound.evaluation.bidirectional import sandwich_record
from lowerbound.evaluation.estimates import BoundCurve, importance_estimate, median
from lowerbound.evaluation.evidence import EvidenceEstimate
from lowerbound.evaluation.latents import kl_by_latent
from lowerbound.evaluation.sensitivity import input_sensitivity
from lowerbound.objectives import BetaTCVAE
from lowerbound.training import Trainer
from lowerbound.verification.linear_gaussian import TRUTH, poor_model

WEIGHT = np.array([2.0, 1.0, 0.0, 3.0], np.float32)
COPIES = np.repeat(np.arange(4), WEIGHT.astype(int))
X = TRUTH.draw(4, seed=3)
NUM_SAMPLES = 100
# A copy in a list has draws of its own, and a weight has not: from the weights the Monte Carlo error is not that of copies.
OF_DRAWS = {"monte_carlo_error"}


def of_examples(rows: np.ndarray) -> EvidenceEstimate:
    """What importance sampling might say of some of four examples."""
    rng = np.random.default_rng(0)
    shapes = ((4,), (4,), (4,), (4,), (4,), (4,), (4, 7))
    columns = [rng.uniform(1, 20, shape) for shape in shapes]
    columns[3], columns[4] = np.array([3.0, 9.0, 5.0, 12.0]), np.zeros(4, int)
    return EvidenceEstimate(*(column[rows] for column in columns))


def annealed(rows: np.ndarray, weight: np.ndarray | None = None, seed: int = 0) -> AnnealedEstimate:
    rng = np.random.default_rng(seed)
    return AnnealedEstimate(rng.normal(size=(4, 5))[rows], rng.uniform(size=4)[rows], np.ones((4, 2))[rows], weight)


def assert_same(weighted: Any, copies: Any, unweighted: Any, but: set[str] = OF_DRAWS) -> None:
    """Two records say the same, but for how many rows there were; the control without weights says something else."""
    found, expected, other = (dataclasses.asdict(each) for each in (weighted, copies, unweighted))
    differs = []
    for name in found.keys() - but - {"num_examples", "verdict"}:
        if isinstance(found[name], float):
            assert found[name] == pytest.approx(expected[name], rel=1e-5), name
            differs.append(found[name] != pytest.approx(other[name], rel=1e-3))
        else:
            assert found[name] == expected[name], name
    assert any(differs)


def test_medians_are_those_of_copies() -> None:
    values = np.random.default_rng(1).normal(size=9)
    for weight in np.random.default_rng(2).integers(0, 4, (20, 9)):
        assert median(values, weight.astype(float)) == np.median(np.repeat(values, weight))


def test_importance_sampling_and_its_median_effective_sample_size() -> None:
    kept = WEIGHT > 0

    def record(rows: np.ndarray, weight: np.ndarray | None = None) -> Any:
        estimate = of_examples(rows)
        return importance_estimate(estimate, BoundCurve.of(estimate, NUM_SAMPLES, weight), TRUTH.model(), "q", weight)

    weighted = record(np.flatnonzero(kept), WEIGHT[kept].astype(np.float64))
    assert_same(weighted, record(COPIES), record(np.arange(4)))
    assert (weighted.effective_sample_size, record(np.flatnonzero(kept)).effective_sample_size) == (10.5, 9.0)


def test_inference_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    def say(model: Any, data: Example, *args: Any, **options: Any) -> EvidenceEstimate:
        return of_examples(np.asarray(data.x)[:, 0].astype(int))

    monkeypatch.setattr(sys.modules["lowerbound.evaluation.inference_gap"], "estimate_evidence", say)
    numbered = np.arange(4, dtype=np.float32)[:, None]
    weighted, copies, unweighted = (
        inference_gap(TRUTH.model(), data, num_samples=NUM_SAMPLES)
        for data in (Example(numbered, weight=WEIGHT), numbered[COPIES], numbered)
    )
    assert_same(weighted, copies, unweighted)


def test_annealing_from_one_side_and_from_both() -> None:
    settings, model = Annealing(2, 5, 1), poor_model()
    everything = np.arange(4)
    cases = (everything, WEIGHT), (COPIES, None), (everything, None)
    weighted, copies, unweighted = (annealed_estimate(annealed(*case), settings, model) for case in cases)
    assert_same(weighted, copies, unweighted)
    weighted, copies, unweighted = (sandwich_record(model, settings, annealed(*case), annealed(*case, seed=1)) for case in cases)
    assert_same(weighted, copies, unweighted)
    # What annealing finds of each example keeps its weight.
    found = anneal(model, Example(X, weight=WEIGHT), Annealing(2, 2, 1))
    assert found.log_weights.shape == (4, 2)
    assert found.weight is not None
    np.testing.assert_array_equal(found.weight, WEIGHT)


def test_the_aggregate_posterior(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example has the same noise, so that a copy is a copy in everything."""
    split = jax.random.split

    def same(key: Any, num: Any = 2) -> Any:
        return jnp.broadcast_to(key, (num,)) if num in (3, 4, 6) else split(key, num)

    monkeypatch.setattr(jax.random, "split", same)
    model = poor_model()
    weighted, copies, unweighted = (aggregate_posterior(model, data) for data in (Example(X, weight=WEIGHT), X[COPIES], X))
    assert_same(weighted, copies, unweighted, {"most_nats"})
    # Copies cannot be told apart: three rows with shares 1/3, 1/6 and 1/2 show their entropy at most.
    assert weighted.most_nats == pytest.approx(np.log(3) / 3 + np.log(6) / 6 + np.log(2) / 2)
    assert copies.most_nats == pytest.approx(np.log(6))


def test_the_kl_of_each_latent_and_what_the_encoder_listens_to() -> None:
    model, weight = poor_model(), np.array([1.0, 1.0, 0.0, 0.0], np.float32)
    kl, expected = kl_by_latent(model, Example(X, weight=WEIGHT)), kl_by_latent(model, X[COPIES])
    assert kl is not None
    assert expected is not None
    np.testing.assert_allclose(kl, expected, rtol=1e-5)
    assert not np.allclose(kl, np.asarray(kl_by_latent(model, X)), rtol=1e-3)
    # The random directions of the first two rows are the same, however many come after them.
    found = input_sensitivity(model, Example(X, weight=weight), np.ones(6))
    np.testing.assert_allclose(found, input_sensitivity(model, X[:2], np.ones(6)), rtol=1e-5)
    assert not np.allclose(found, input_sensitivity(model, X, np.ones(6)), rtol=1e-3)


def test_an_objective_made_for_another_number_of_examples_than_the_weights_sum_to_is_refused() -> None:
    def trainer(num_examples: int, weight: np.ndarray | None = WEIGHT) -> Trainer:
        return Trainer(
            TRUTH.model(), Example(X, weight=weight), X[:0], BetaTCVAE(num_examples=num_examples), TrainingConfig(epochs=1)
        )

    message = (
        r"the objective BetaTCVAE was made for 4 training examples, but the weights of these 4 rows sum to 6\. "
        r"Make it with num_examples=6\."
    )
    with pytest.raises(ConfigurationError, match=message):
        trainer(4)
    trainer(6)
    trainer(4, None)
