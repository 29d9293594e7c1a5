"""The arithmetic of a run: epochs into steps and chunks, batches, learning rates."""

from __future__ import annotations

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.chance import is_likely

from lowerbound.config.sections import LARGEST_STEP, TrainingConfig
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.training import Schedule
from lowerbound.training import feed as feed_module
from lowerbound.training.feed import Hiding, Resident, batch_indices
from lowerbound.training.numbers import Numbers
from lowerbound.training.optimizer import learning_rate
from lowerbound.training.schedule import MAX_STEPS_PER_CHUNK

SIZES = [
    TrainingConfig(epochs=epochs, batch_size=batch_size, validate_every=validate_every)
    for epochs, batch_size, validate_every in itertools.product((1, 7, 100, 10_000), (1, 32, 100), (0, 1, 6, 50))
]


@pytest.mark.parametrize("num_examples", [1, 5, 99, 100, 1565, 1965, 60_000, 250_007])
def test_chunks_divide_the_run(num_examples: int) -> None:
    for options in SIZES:
        if options.epochs * num_examples // options.batch_size > LARGEST_STEP:
            with pytest.raises(ConfigurationError, match=r"training.epochs is 10,000, which is .* steps; at most 2,147,483,647"):
                Schedule.plan(options, num_examples)
            continue
        schedule = Schedule.plan(options, num_examples)
        assert 1 <= schedule.batch_size <= min(options.batch_size, num_examples)
        in_an_epoch = schedule.steps_per_epoch * schedule.batch_size
        # What does not fill a batch waits, and, in a long epoch, so does less than a thousandth of its batches, for equal parts.
        assert num_examples - in_an_epoch < schedule.batch_size * (1 + in_an_epoch / schedule.batch_size / MAX_STEPS_PER_CHUNK)
        assert schedule.epochs == options.epochs
        assert schedule.num_steps == options.epochs * schedule.steps_per_epoch
        assert 1 <= schedule.validate_every <= options.epochs
        if options.validate_every:
            assert schedule.validate_every == min(options.validate_every, options.epochs)
        else:
            assert options.epochs / schedule.validate_every <= 300
        # A chunk is whole epochs or an equal part of one, short enough for a person to wait for.
        assert 1 <= schedule.steps_per_chunk <= MAX_STEPS_PER_CHUNK
        assert schedule.chunks_per_epoch == 1 or schedule.epochs_per_chunk == 1
        assert schedule.steps_per_chunk * schedule.chunks_per_epoch == schedule.steps_per_epoch * schedule.epochs_per_chunk
        assert schedule.validate_every % schedule.epochs_per_chunk == 0


@pytest.mark.parametrize("num_examples", [5, 100, 1565, 120_007])
def test_chunks_end_where_validation_is_due_and_at_the_last_step(num_examples: int) -> None:
    for options in SIZES:
        if options.epochs > 100 or (options.batch_size == 1 and num_examples > 2000):
            continue
        schedule = Schedule.plan(options, num_examples)
        ends, lengths, step = [], set(), 0
        while step < schedule.num_steps:
            chunk = schedule.next_chunk(step)
            lengths.add(chunk.steps_per_chunk)
            step += chunk.steps_per_chunk
            ends.append(step)
        assert step == schedule.num_steps
        due = range(schedule.validate_every, options.epochs + 1, schedule.validate_every)
        assert {epoch * schedule.steps_per_epoch for epoch in due} <= set(ends)
        # Each length is one compiled program.
        assert len(lengths) <= 2


def test_a_run_resumed_off_the_beat_falls_in_with_it() -> None:
    """Stopped after 3 epochs of a shorter run, then given more epochs, of which 5 make a chunk."""
    schedule = Schedule.plan(TrainingConfig(epochs=12, batch_size=10, validate_every=5), 100)
    ends, step = [], 3 * schedule.steps_per_epoch
    while step < schedule.num_steps:
        step += schedule.next_chunk(step).steps_per_chunk
        ends.append(step // schedule.steps_per_epoch)
    assert ends == [5, 10, 12]


_indices = jax.jit(batch_indices, static_argnums=(2, 3))


def _epochs_of(schedule: Schedule, num_examples: int, seed: int = 0) -> np.ndarray:
    """Which examples a whole run sees, chunk by chunk as the loop asks for them: (epochs, steps, batch)."""
    step, rows = 0, []
    while step < schedule.num_steps:
        chunk = schedule.next_chunk(step)
        rows.append(np.asarray(_indices(jax.random.key(seed), jnp.int32(step), chunk, num_examples)))
        step += chunk.steps_per_chunk
    return np.concatenate(rows).reshape(schedule.epochs, schedule.steps_per_epoch, schedule.batch_size)


def test_an_epoch_in_parts_finds_its_order_once_and_it_is_the_same() -> None:
    schedule = Schedule.plan(TrainingConfig(epochs=2, batch_size=1), 2500)
    assert schedule.chunks_per_epoch == 3
    data = Example(jnp.zeros((2500, 1)))
    feeds = [Resident(data), Hiding(data, Resident(data), jnp.float32(0.5))]
    key, found = jax.random.key(7), feed_module._order.cache_info().misses
    for step in range(0, schedule.num_steps, schedule.steps_per_chunk):
        chunk = schedule.next_chunk(step)
        expected = _indices(key, jnp.int32(step), chunk, 2500)
        for feed in feeds:
            batches = feed.fetch(key, step, chunk)
            np.testing.assert_array_equal(batches.rows(key, jnp.int32(step), chunk), expected)
    assert feed_module._order.cache_info().misses - found == 2
    # Another seed has another order.
    other = feeds[0].fetch(jax.random.key(8), 0, schedule).rows(jax.random.key(8), jnp.int32(0), schedule)
    assert (np.asarray(other) != np.asarray(_indices(key, jnp.int32(0), schedule, 2500))).mean() > 0.9


def test_an_epoch_is_a_fresh_permutation() -> None:
    schedule = Schedule.plan(TrainingConfig(epochs=6, batch_size=10), 103)
    epochs = _epochs_of(schedule, 103).reshape(6, -1)
    assert epochs.shape == (6, 100)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == 100
        assert epoch.min() >= 0
        assert epoch.max() < 103
    assert all((one != other).mean() > 0.9 for one, other in itertools.combinations(epochs, 2))
    # What waits is another three examples each time, so over a run every example is seen.
    assert len(np.unique(epochs)) == 103
    assert (_epochs_of(schedule, 103, seed=1).reshape(6, -1) != epochs).mean() > 0.9


def test_every_example_is_as_likely_in_every_place() -> None:
    """Chi-squared over (example, step): 400 epochs of 20 examples in batches of 5.

    Both margins of an epoch's table are fixed, so that the statistic's mean is 20/19 of its 57 degrees of freedom.
    """
    schedule = Schedule.plan(TrainingConfig(epochs=400, batch_size=5), 20)
    epochs = _epochs_of(schedule, 20)
    law = scipy.stats.chi2(57, scale=20 / 19)

    def p_value(epochs: np.ndarray) -> float:
        counts = np.stack([np.bincount(epochs[:, step].ravel(), minlength=20) for step in range(4)])
        statistic = np.sum((counts - 100) ** 2 / 100)
        return float(2 * min(law.sf(statistic), law.cdf(statistic)))

    assert is_likely(p_value(epochs))
    # The control, whose p-value is 1e-35: every ninth epoch repeats the first.
    repeated = epochs.copy()
    repeated[::9] = epochs[0]
    assert not is_likely(p_value(repeated))


@pytest.mark.parametrize("num_examples", [103, 2600])
def test_batches_do_not_depend_on_the_length_of_chunks(num_examples: int) -> None:
    """2600 examples in batches of 2 are 1300 steps, so an epoch takes two chunks."""
    runs = [
        _epochs_of(Schedule.plan(TrainingConfig(epochs=6, batch_size=2, validate_every=every), num_examples), num_examples)
        for every in (1, 2, 4, 6)
    ]
    for run in runs[1:]:
        np.testing.assert_array_equal(run, runs[0])


def _rates(options: TrainingConfig, num_examples: int = 100) -> np.ndarray:
    schedule = Schedule.plan(options, num_examples)
    return np.array(
        [
            float(np.asarray(learning_rate(Numbers.of(options, schedule, num_examples), step)))
            for step in range(schedule.num_steps)
        ]
    )


def test_learning_rate_schedules() -> None:
    constant = TrainingConfig(epochs=10, batch_size=10, learning_rate=0.01)
    np.testing.assert_allclose(_rates(constant), 0.01)

    warm = _rates(TrainingConfig(epochs=10, batch_size=10, learning_rate=0.01, learning_rate_warmup_epochs=2))
    np.testing.assert_allclose(warm[:20], 0.01 * np.arange(20) / 20, atol=1e-9)
    np.testing.assert_allclose(warm[20:], 0.01)

    cosine = _rates(TrainingConfig(epochs=10, batch_size=10, learning_rate=0.01, learning_rate_schedule="cosine"))
    expected = [0.005 * (1 + math.cos(math.pi * step / 100)) for step in range(100)]
    np.testing.assert_allclose(cosine, expected, rtol=1e-5, atol=1e-9)

    both = TrainingConfig(
        epochs=10, batch_size=10, learning_rate=0.01, learning_rate_schedule="cosine", learning_rate_warmup_epochs=2
    )
    expected = [0.01 * step / 20 if step < 20 else 0.005 * (1 + math.cos(math.pi * (step - 20) / 80)) for step in range(100)]
    np.testing.assert_allclose(_rates(both), expected, rtol=1e-5, atol=1e-9)
