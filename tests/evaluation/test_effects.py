"""What each latent moves, against the linear-Gaussian model; and a linear probe on codes whose worth is known."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest
import scipy.stats
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.data.columns import Column
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation.effects import _of_codes, latent_effects
from lowerbound.evaluation.latents import decode
from lowerbound.evaluation.probe import inputs_of, linear_probe
from lowerbound.verification.linear_gaussian import LinearGaussian

TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
DATA = TRUTH.draw(3000, seed=1)


def test_the_effect_of_a_latent_of_a_linear_decoder_is_its_column() -> None:
    """E[x_d|z] = W_d z + b_d and q(z) = N(0, I): e_jd = W_dj (high - low) / std_d, the same for each row, 2 x 1.645 apart."""
    spec = describe(DATA)
    found = latent_effects(TRUTH.model(), spec, DATA)
    weight = TRUTH.weight[:, found.latents].T
    exact = weight * (found.high - found.low)[:, None] / np.asarray(spec.std)
    np.testing.assert_allclose(found.effects, exact, rtol=1e-4, atol=1e-5)
    for each in (found.lower, found.upper):
        np.testing.assert_allclose(each, exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sizes, np.abs(exact), rtol=1e-4, atol=1e-5)
    # A quantile of 3,000 draws: its standard error is 0.039.
    width = 2 * scipy.stats.norm.ppf(0.95)
    np.testing.assert_allclose(found.high - found.low, width, atol=0.3)
    assert (np.diff(found.carried) <= 0).all()
    best = found.strongest(0, 2)
    assert best == np.argsort(-np.abs(exact[0]))[:2].tolist()
    text = found.in_words(0, best[0])
    assert text.startswith(f"{best[0]} {exact[0, best[0]]:+.2f} [")
    fields = json.loads(json.dumps(found.to_json()))
    assert fields["latents"][0]["moves"][0]["effect"] == pytest.approx(exact[0, best[0]], rel=1e-4)


def test_where_a_latent_moves_rows_to_and_fro_the_interval_says_so() -> None:
    """Through a bend of the decoder the mean over rows may be nothing, while each row moves: the size tells."""
    data = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    config = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [16]}}
    model = build_model(RunConfig.from_dict(config), describe(data), jax.random.key(3), examples=data)
    found = latent_effects(model, describe(data), data, num_latents=1)
    assert len(found.latents) == 1
    assert (found.lower <= found.effects).all()
    assert (found.effects <= found.upper).all()
    assert (found.upper - found.lower > 1e-6).any()
    assert (found.sizes >= np.abs(found.effects) - 1e-9).all()
    # The definition, for the same ends, by hand.
    codes = np.zeros((1, 2), np.float32)
    both = np.repeat(codes, 2, axis=0)
    both[:, found.latents[0]] = found.low[0], found.high[0]
    one = np.diff(decode(model, both), axis=0)[0] / np.asarray(describe(data).std)
    assert np.abs(one - found.effects[0]).max() < 1.0


def test_codes_are_categories_or_the_numbers_that_they_stand_for() -> None:
    grade = Column("g", "ordinal", categories=(1.0, 2.0, 10.0), counts=(5, 0, 5))
    names, values = _of_codes("g", grade)
    assert names == ["g"]
    # The last is what training did not see, at the mean.
    assert values.tolist() == [[1], [2], [10], [5.5]]
    names, values = _of_codes("c", Column("c", "categorical", categories=("x", "y", "z"), counts=(1, 7, 2)))
    assert names == ["c = y", "c = z", "c = x"]
    assert values.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]]
    names, values = _of_codes("b", Column("b", "binary", categories=("no", "yes"), counts=(3, 7)))
    assert names == ["b = yes"]
    assert values.tolist() == [[0], [1], [0]]


def test_a_latent_on_a_sphere_does_not_move_alone() -> None:
    data = DATA[:50]
    config = {"model": {"latent_dim": 3}, "prior": {"name": "hyperspherical-uniform"}, "posterior": {"name": "von-mises-fisher"}}
    model = build_model(RunConfig.from_dict(config), describe(data), jax.random.key(0), examples=data)
    with pytest.raises(ConfigurationError, match="live on a sphere"):
        latent_effects(model, describe(data), data)


def test_a_straight_line_finds_what_is_there() -> None:
    """Of two Gaussians 2 apart the best accuracy is Phi(1) = 0.841, whatever the codes; noise gives that of the majority."""
    rng = np.random.default_rng(0)
    y, y_new = (np.arange(size) % 2 for size in (4000, 4000))
    side = [np.stack([rng.normal(2.0 * label), rng.normal(size=len(label))], axis=1) for label in (y, y_new)]
    # A loud column of its own: one principal component is that alone, until all are standardised.
    loud = [np.concatenate([each[:, :1], np.repeat(rng.normal(size=(4000, 1)), 3, axis=1)], axis=1) for each in side]
    found = linear_probe("side", (side[0][:, :1], side[1][:, :1]), (loud[0], loud[1]), (y, y_new))
    best = float(scipy.stats.norm.cdf(1.0))
    assert abs(found.codes - best) < 5.5 * found.error(best)
    assert abs(found.inputs - best) < 5.5 * found.error(best)
    assert abs(found.components - 0.5) < 5.5 * found.error(0.5)
    assert found.majority == 0.5
    assert found.ahead == pytest.approx(found.codes - found.components)
    assert found.ahead > 11 * found.ahead_error
    assert "tells side from 1 latents in 8" in found.words
    with pytest.raises(DataError, match="side has 1 different values"):
        linear_probe("side", (side[0], side[1]), (loud[0], loud[1]), (np.zeros(4000), y_new))


def test_inputs_of_a_table_are_one_hot_without_the_label() -> None:
    columns = (
        Column("c", "categorical", categories=("x", "y", "z"), counts=(1, 1, 1)),
        Column("g", "ordinal", categories=(1.0, 5.0), counts=(1, 1)),
        Column("r", "real"),
        Column("b", "binary", categories=("no", "yes"), counts=(1, 1)),
    )
    rows = np.array([[0.0, 0, 1, 1], [2, 1, np.nan, 0], [np.nan, 1, 3, np.nan]])
    spec = dataclasses.replace(describe(np.arange(12.0).reshape(3, 4) ** 2), columns=columns)
    found = inputs_of(rows, rows, spec, without=3)
    # Three categories and the one that training did not see; the levels; the number, its hole at the mean.
    expected = [[1, 0, 0, 0, 1, 1], [0, 0, 1, 0, 5, 2], [0, 0, 0, 0, 5, 3]]
    np.testing.assert_array_equal(found, expected)
    numbers = inputs_of(rows, rows, describe(np.arange(12.0).reshape(3, 4) ** 2), without=0)
    np.testing.assert_array_equal(numbers, [[0, 1, 1], [1, 2, 0], [1, 3, 0.5]])
