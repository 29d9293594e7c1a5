"""Draws from a fitted estimator: one compiled program, whatever their number, and the same draws for the same seed."""

from __future__ import annotations

import jax
import numpy as np
from checks import count_compilations

from lowerbound import VAE
from lowerbound.evaluation.latents import decode, prior_draws

X = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)


def test_draws_compile_once_and_do_not_depend_on_their_number() -> None:
    model = VAE(2, epochs=1, hidden_widths=(4,), batch_size=20, random_state=0, automatic=False).fit(X)
    first = model.sample(3, random_state=1)
    with count_compilations() as count:
        more = [model.sample(number, random_state=1) for number in (1, 7, 512, 600)]
    assert count == {}
    for drawn in more:
        np.testing.assert_array_equal(drawn[:3], first[: len(drawn)])
    assert len(np.unique(more[-1], axis=0)) == 600
    # The keys are those of a split for so many, so the seed gives the draws that two calls give.
    seed = 1
    expected = decode(model.model_, prior_draws(model.model_, 7, seed=seed), draw=True, seed=seed + 1)
    np.testing.assert_allclose(more[1], expected, rtol=1e-4, atol=1e-5)
    key = jax.random.key(5)
    split = jax.random.key_data(jax.random.split(key, 4))
    folded = [jax.random.key_data(jax.random.fold_in(key, number)) for number in range(4)]
    np.testing.assert_array_equal(split, folded)


def test_any_number_of_rows_is_scored_by_two_compiled_shapes() -> None:
    """One row and a block, of a likelihood that does not take every number: that is checked by a program too."""
    counts = np.random.default_rng(1).poisson(3.0, (60, 3))
    model = VAE(2, likelihood="poisson", epochs=1, hidden_widths=(4,), batch_size=20, random_state=0, automatic=False).fit(counts)
    with count_compilations() as count:
        scores = [model.score_samples(counts[:number], 7) for number in (1, 2, 40)]
    assert count["_estimate_batch"] == 1
    assert 1 <= count["_is_possible"] <= 2
    with count_compilations() as more:
        scores += [model.score_samples(counts[:number], 7) for number in (60, 3, 59, 17, 1)]
        model.score_samples(counts[[5]].astype(np.int8), 7)
    assert not {name for name in more if "estimate" in name or "possible" in name}
    for found in scores:
        np.testing.assert_array_equal(found, scores[3][: len(found)])


def test_values_that_recur_come_back_exactly() -> None:
    rng = np.random.default_rng(0)
    rows = np.stack([np.clip(rng.normal(0.4, 0.5, 300), 0.1, 0.7), rng.normal(5, 1, 300)], axis=1)
    vae = VAE(epochs=60, random_state=0).fit(rows)
    assert vae.config_.likelihood.name == "inflated-gaussian-mixture"
    drawn = vae.sample(300)
    assert drawn.dtype == np.float64
    for end in (0.1, 0.7):
        # A share of 0.27 and more of the rows, in training and, roughly, in draws.
        assert 0.1 < np.mean(drawn[:, 0] == end) < 0.6
    assert not np.isin(drawn[:, 1], rows[:, 1]).any()
    # A row of such values is scored by their probabilities, which no scale of the data changes.
    assert np.isfinite(vae.score_samples(np.array([[0.1, 5.0], [0.3, 5.0]]))).all()
