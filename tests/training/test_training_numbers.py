"""Numbers are inputs of the compiled programs: another seed, rate or weight compiles nothing; other structure does."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from checks import count_compilations

from lowerbound import VAE
from lowerbound.config.sections import TrainingConfig
from lowerbound.objectives import (
    CIWAE,
    ELBO,
    BetaTCVAE,
    DenoisingAutoencoder,
    InfoVAE,
    MonteCarloEM,
    RegularisedAutoencoder,
    RenyiBound,
    SparseAutoencoder,
    WassersteinAutoencoder,
)
from lowerbound.objectives.dip import DIPVAEI
from lowerbound.training import Schedule
from lowerbound.training.numbers import Numbers, as_inputs

X = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
SWITCHES = {"training": {"optimizer": "adamw", "weight_decay": 0.1, "weight_prior": 1.0, "gradient_clip": 50.0, "ema_decay": 0.9}}
OTHER = {"training": {"optimizer": "adamw", "weight_decay": 0.2, "weight_prior": 2.0, "gradient_clip": 20.0, "ema_decay": 0.8}}


def _fit(**changes: Any) -> np.ndarray:
    settings: dict[str, Any] = {"random_state": 0, "automatic": False, "config": SWITCHES, **changes}
    return VAE(2, epochs=2, hidden_widths=(4,), batch_size=20, **settings).fit(X).transform(X[:5])


def test_a_fit_with_another_seed_rate_or_weight_compiles_nothing() -> None:
    # Twice, as training forgets all programs after many forms, and may have done so in the middle of the first fit.
    _fit()
    first = _fit()
    changes: list[dict[str, Any]] = [{"random_state": 1}, {"learning_rate": 3e-3}, {"beta": 0.5}, {"config": OTHER}]
    with count_compilations() as count:
        others = [_fit(**change) for change in changes]
    assert count == {}
    # Each of them reached the program all the same.
    assert all(np.abs(other - first).max() > 1e-6 for other in others)
    np.testing.assert_array_equal(_fit(), first)
    # The negative control: the number of draws is structure.
    with count_compilations() as count:
        _fit(config={**SWITCHES, "objective": {"num_samples": 2}})
    assert count["chunk_of_steps"] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ELBO(beta=0.5, free_nats=0.1), ELBO(beta=1.0, free_nats=0.2)),
        (ELBO(capacity_nats=3.0, capacity_steps=5), ELBO(capacity_nats=4.0, capacity_steps=5)),
        (RenyiBound(5, 0.5), RenyiBound(5, 1.0)),
        (CIWAE(elbo_weight=0.3), CIWAE(elbo_weight=0.5)),
        (BetaTCVAE(100, 1, 1.0, 2.0), BetaTCVAE(100, 1, 0.5, 3.0, 2.0)),
        (InfoVAE(alpha=0.5, mmd_weight=2.0), InfoVAE(alpha=0.4, mmd_weight=3.0)),
        (WassersteinAutoencoder(mmd_weight=2.0), WassersteinAutoencoder(mmd_weight=3.0)),
        (DIPVAEI(1, 1.0, 2.0), DIPVAEI(1, 3.0, 4.0)),
        (MonteCarloEM(10, 0.8), MonteCarloEM(10, 0.9)),
        (DenoisingAutoencoder(0.1), DenoisingAutoencoder(0.2)),
        (SparseAutoencoder(0.1), SparseAutoencoder(0.2)),
        (RegularisedAutoencoder(0.1, 0.2), RegularisedAutoencoder(0.2, 0.3)),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_the_weights_of_an_objective_are_inputs(one: Any, other: Any) -> None:
    """The same structure, other numbers; a weight of 0 is not in the program."""
    assert jax.tree.structure(as_inputs(one)) == jax.tree.structure(as_inputs(other))
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == np.float32 for leaf in jax.tree.leaves(as_inputs(one)) if leaf != 0)


def test_a_weight_that_is_off_is_a_constant_of_the_program() -> None:
    assert as_inputs(ELBO()).free_nats == 0.0
    assert isinstance(as_inputs(ELBO()).free_nats, float)


def test_what_is_off_is_no_input() -> None:
    schedule = Schedule.plan(TrainingConfig(), 100)
    numbers = Numbers.of(TrainingConfig(), schedule, 100)
    assert (numbers.weight_decay, numbers.gradient_clip, numbers.ema_decay) == (None, None, None)
    assert (numbers.weight_prior, numbers.adagrad_start) == (None, None)
    switched = Numbers.of(TrainingConfig(**SWITCHES["training"]), schedule, 100)
    assert None not in (switched.weight_decay, switched.gradient_clip, switched.ema_decay, switched.weight_prior)
