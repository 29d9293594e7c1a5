"""Steps with a gradient far beyond its running size are skipped and counted, and nothing else is."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import DATA, model_of

from lowerbound import VAE
from lowerbound.config.sections import TrainingConfig
from lowerbound.errors import NonFiniteLossError
from lowerbound.objectives import ELBO
from lowerbound.recipes import load_recipe
from lowerbound.training import Record, Trainer
from lowerbound.training.spikes import FIRST_STEPS, Spikes, global_norm

ON = {"skip_spikes": True}


@functools.cache
def _after() -> Any:
    return jax.jit(lambda spikes, norms: jax.lax.scan(lambda old, norm: old.after(norm), spikes, norms))


def _shares(norms: Any) -> tuple[Spikes, np.ndarray]:
    after, shares = _after()(Spikes.none_yet(), jnp.asarray(norms, jnp.float32))
    return after, np.asarray(shares)


def _judged(norms: Any) -> tuple[Spikes, np.ndarray]:
    after, shares = _shares(norms)
    return after, shares == 0


def test_the_norm_is_that_of_all_numbers_as_one_vector() -> None:
    tree = {"w": jnp.full((3, 4), 2.0), "b": jnp.asarray([1.0, -1.0])}
    assert float(global_norm(tree)) == pytest.approx(np.sqrt(12 * 4 + 2), rel=1e-6)


def test_norms_of_one_law_are_no_spikes() -> None:
    """Log-normal with a deviation of 0.5, on each of 20 scales. Limits are 6 deviations: a false one in 1e-6 of such tests."""
    rng = np.random.default_rng(0)
    for scale in np.logspace(-6, 6, 20):
        after, were_spikes = _judged(scale * np.exp(0.5 * rng.normal(size=2000)))
        assert not were_spikes.any()
        assert int(after.skipped) == 0


def test_a_gradient_that_grows_or_falls_steadily_is_no_spike() -> None:
    for factor in (1.05, 0.95):
        assert not _judged(factor ** np.arange(400.0))[1].any()


def test_a_large_gradient_is_scaled_down_to_a_few_times_the_running_size_and_an_ordinary_one_is_left_alone() -> None:
    norms = np.exp(0.1 * np.random.default_rng(2).normal(size=300))
    norms[200] = 8
    shares = _shares(norms)[1]
    assert 8 * shares[200] == pytest.approx(10 ** (2 / 3), rel=0.1)
    # A product with 1 changes no bit.
    assert (np.delete(shares, 200) == 1).all()


def test_a_spike_is_skipped_wherever_it_comes_and_moves_the_running_size_little() -> None:
    norms = np.ones(300)
    places = [FIRST_STEPS, 10, 200, 201, 202]
    norms[places] = [1e4, 1e6, np.inf, np.nan, 1e30]
    after, were_spikes = _judged(norms)
    np.testing.assert_array_equal(np.flatnonzero(were_spikes), places)
    assert int(after.skipped) == 5
    assert int(after.in_a_row) == 0
    assert abs(float(after.log_mean)) < 0.1


def test_an_absurd_first_step_hides_no_later_spike() -> None:
    norms = np.ones(100)
    norms[[0, 50]] = 1e9
    np.testing.assert_array_equal(np.flatnonzero(_judged(norms)[1]), [50])


def test_a_gradient_that_has_grown_for_good_is_let_through_after_a_while() -> None:
    norms = np.exp(0.1 * np.random.default_rng(1).normal(size=600))
    norms[300:] *= 30
    were_spikes = _judged(norms)[1]
    assert were_spikes[300:320].all()
    assert not were_spikes[450:].any()
    # The negative control: one that has grown beyond all measure is not.
    norms[300:] *= 1e6
    assert _judged(norms)[1][300:].all()


def _records(data: np.ndarray, **settings: Any) -> list[Record]:
    records: list[Record] = []
    config = TrainingConfig(epochs=12, batch_size=10, learning_rate=0.01, validate_every=4, **settings)
    trainer = Trainer(model_of("table-gaussian-standard", jax.random.key(0)), data, DATA["table"], ELBO(), config)
    trainer.run(trainer.start(), on_record=lambda record, progress: records.append(record))
    return records


def _with_absurd_row(factor: float) -> np.ndarray:
    data = DATA["table"].copy()
    data[7] *= factor
    return data


def test_with_absurd_examples_training_goes_on_where_it_would_have_diverged() -> None:
    clean, guarded = _records(DATA["table"], **ON), _records(_with_absurd_row(1e20), **ON)
    assert clean[-1].skipped_steps == 0
    # One batch in each epoch.
    assert guarded[-1].skipped_steps == 12
    assert np.isfinite([record.loss for record in guarded]).all()
    assert guarded[-1].validation_elbo_nats == pytest.approx(clean[-1].validation_elbo_nats, abs=0.5)
    # The negative control: the same without the guard.
    with pytest.raises(NonFiniteLossError, match="became"):
        _records(_with_absurd_row(1e20))


def test_where_nothing_is_skipped_the_course_is_the_same() -> None:
    """The last bits may differ, because the program differs."""
    for one, other in zip(_records(DATA["table"]), _records(DATA["table"], **ON), strict=True):
        assert other.validation_elbo_nats == pytest.approx(one.validation_elbo_nats, rel=1e-5)


def test_many_skipped_in_a_row_end_the_run() -> None:
    with pytest.raises(NonFiniteLossError, match=r"in \d+ steps in a row, up to step .* Training has stopped\. .*skip_spikes"):
        _records(np.full_like(DATA["table"], 1e25), **ON)


def test_what_the_package_chooses_by_itself_is_guarded_and_recipes_of_papers_keep_their_own() -> None:
    automatic = [load_recipe("default").run_config().training, VAE()._configuration().config.training]
    assert [config.skip_spikes for config in automatic] == [True] * 2
    paper = [load_recipe("post-2018").run_config().training, VAE.from_recipe("post-2018")._configuration().config.training]
    assert [config.skip_spikes for config in paper] == [False] * 2
    own = VAE(config={"training": {"skip_spikes": False}})._configuration().config.training
    assert not own.skip_spikes
