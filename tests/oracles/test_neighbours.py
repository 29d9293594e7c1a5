"""Pictures whose pixels know those before them: probabilities, draws and means against all pictures there are."""

from __future__ import annotations

import itertools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.ndimage
import scipy.special
import scipy.stats
from sklearn.datasets import load_digits
from support.built import build_model
from support.chance import agrees, differs, is_likely

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import element_shares
from lowerbound.likelihoods import (
    AbstractLikelihood,
    Bernoulli,
    DiscretizedLogisticMixture,
    Filter,
    NeighbourBernoulli,
    NeighbourLogistics,
    Neighbours,
)

SHAPE, NUM_DRAWS = (3, 3), 20_000
ALL = np.array(list(itertools.product([0.0, 1.0], repeat=9)), np.float32).reshape(-1, *SHAPE)


def neighbours(channels: int, reach: int, spread: float = 1.0) -> Neighbours:
    """With a last layer that is not 0."""
    made = Neighbours(channels, units=5, reach=reach, key=jax.random.key(1))
    return eqx.tree_at(
        lambda n: (n.outward.weight, n.inward.bias),
        made,
        (spread * jax.random.normal(jax.random.key(2), (5, channels)), jnp.linspace(-1.0, 1.0, 5)),
    )


def random_filter(channels: int, reach: int, spread: float = 1.0) -> Filter:
    """With weights that are not 0."""
    made = Filter(channels, reach=reach)
    return eqx.tree_at(lambda f: f.weight, made, spread * jax.random.normal(jax.random.key(2), made.weight.shape))


def binary(reach: int = 1, spread: float = 1.0) -> tuple[NeighbourBernoulli, jax.Array]:
    return NeighbourBernoulli(SHAPE, neighbours(1, reach, spread)), jax.random.normal(jax.random.key(3), SHAPE)


def by_loops(part: Any, x: np.ndarray) -> np.ndarray:
    """g at each pixel of one picture of one channel, place by place."""
    inner, outer = part.neighbours.inward, part.neighbours.outward
    inward, bias, outward = (np.asarray(each, np.float64) for each in (inner.weight, inner.bias, outer.weight))
    reach, (height, width) = part.neighbours.reach, x.shape
    said = np.zeros((height, width, outward.shape[1]))
    for i, j in itertools.product(range(height), range(width)):
        seen: list[float] = []
        for down, right in itertools.product(range(-reach, 1), range(-reach, reach + 1)):
            if (down, right) == (0, 0):
                break
            is_inside = i + down >= 0 and 0 <= j + right < width
            seen += [2 * float(x[i + down, j + right]) - 1, 1.0] if is_inside else [0.0, 0.0]
        u = np.array(seen) @ inward + bias
        # The approximation of gelu by a tanh.
        said[i, j] = (0.5 * u * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u**3)))) @ outward
    return said


def log_probs(part: AbstractLikelihood, params: jax.Array) -> np.ndarray:
    return np.asarray(jax.jit(jax.vmap(lambda x: part.log_prob(params, x)))(ALL), np.float64)


@pytest.mark.parametrize("reach", [1, 2])
def test_probabilities_are_those_of_pixels_in_turn_and_sum_to_one(reach: int) -> None:
    part, params = binary(reach)
    found = log_probs(part, params)
    assert scipy.special.logsumexp(found) == pytest.approx(0, abs=1e-5)
    for x, log_prob in list(zip(ALL, found, strict=True))[::37]:
        logits = np.asarray(params, np.float64) + by_loops(part, x)[..., 0]
        each = -np.log1p(np.exp(-(2 * x - 1) * logits))
        assert log_prob == pytest.approx(each.sum(), abs=1e-4)
        np.testing.assert_allclose(part.element_log_prob(params, jnp.asarray(x)), each, atol=1e-4)


def test_a_pixel_depends_on_those_before_it_within_reach_and_on_no_other() -> None:
    part = NeighbourBernoulli((6, 7), neighbours(1, 2))
    params, x = jnp.zeros((6, 7)), jnp.zeros((6, 7))
    moved = np.asarray(part.element_log_prob(params, x.at[2, 3].set(1.0)) - part.element_log_prob(params, x)) != 0
    expected = np.zeros((6, 7), bool)
    expected[2, 4:6] = expected[3:5, 1:6] = True
    moved[2, 3] = False
    assert (moved == expected).all()


def test_draws_follow_the_probabilities() -> None:
    part, params = binary()
    masses = np.exp(log_probs(part, params))
    drawn = np.asarray(part.distribution(params).sample(jax.random.key(4), (NUM_DRAWS,))).reshape(NUM_DRAWS, 9)
    counts = np.bincount((drawn @ 2 ** np.arange(8, -1, -1)).astype(int), minlength=512)
    # Rare pictures together, so that each cell is expected often enough.
    order = np.argsort(masses)
    groups = np.minimum(np.cumsum(masses[order]) * NUM_DRAWS // 20, NUM_DRAWS).astype(int)
    _, groups = np.unique(groups, return_inverse=True)
    expected, found = np.bincount(groups, masses[order]), np.bincount(groups, counts[order])
    assert is_likely(scipy.stats.chisquare(found, NUM_DRAWS * expected / expected.sum()).pvalue)
    # The control: independent pixels of the same numbers.
    plain = np.exp(log_probs(Bernoulli(SHAPE), params))
    wrong = np.bincount(groups, plain[order])
    assert not is_likely(scipy.stats.chisquare(found, NUM_DRAWS * wrong / wrong.sum()).pvalue)


def test_the_mean_is_that_of_all_pictures_within_the_error_of_its_draws() -> None:
    part, params = binary(spread=2.0)
    truth = np.tensordot(np.exp(log_probs(part, params)), ALL, axes=1)
    assert agrees(part.mean_of(params), truth, 0.5 / np.sqrt(16))
    # Many draws give it too, so it is the mean of what is drawn; the decoder's own numbers do not.
    drawn = np.asarray(part.distribution(params).sample(jax.random.key(5), (NUM_DRAWS,)))
    error = np.sqrt(np.maximum(truth * (1 - truth), 1e-4) / NUM_DRAWS)
    assert agrees(drawn.mean(axis=0), truth, error)
    assert differs(jax.nn.sigmoid(params)[0, 1], truth[0, 1], error[0, 1])


def shifts_by_loops(part: NeighbourLogistics, x: np.ndarray) -> np.ndarray:
    """How far the pixels before move the places of each pixel of a grey picture, in the picture's scale."""
    (height, width), reach = x.shape, part.neighbours.reach
    raw = np.asarray(part.neighbours.weight, np.float64)[:, 0, 0]
    weights = raw / max(1.0, np.abs(raw).sum())
    moved = np.zeros(x.shape)
    for i, j in itertools.product(range(height), range(width)):
        for number, (down, right) in enumerate(itertools.product(range(-reach, 1), range(-reach, reach + 1))):
            if (down, right) == (0, 0):
                break
            if i + down >= 0 and 0 <= j + right < width:
                moved[i, j] += weights[number] * (x[i + down, j + right] - (part.low + part.high) / 2)
    return moved


@pytest.mark.parametrize("spread", [0.1, 3.0], ids=["as it is", "held stable"])
def test_levels_take_their_places_from_the_pixels_before(spread: float) -> None:
    part = NeighbourLogistics((2, 2), 0.0, 1.0, 3, neighbours=random_filter(1, 1, spread), num_components=2, unit=0.5)
    params = jax.random.normal(jax.random.key(6), part.param_shape)
    pictures = np.array(list(itertools.product([0.0, 0.5, 1.0], repeat=4)), np.float32).reshape(-1, 2, 2)
    found = np.asarray(jax.vmap(lambda x: part.log_prob(params, x))(pictures))
    assert scipy.special.logsumexp(found) == pytest.approx(0, abs=1e-5)
    family = DiscretizedLogisticMixture((2, 2), 0.0, 1.0, 3, 2, unit=0.5)
    for x, log_prob in list(zip(pictures, found, strict=True))[::7]:
        # The numbers of a pixel: two weights, two places in units of 0.5, two widths.
        moved = params.at[2:4].add(jnp.asarray(shifts_by_loops(part, x) / 0.5, jnp.float32))
        assert log_prob == pytest.approx(float(family.log_prob(moved, jnp.asarray(x))), abs=1e-4)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_wrong_never_grows_and_dies_away(channels: int) -> None:
    # Without noise: a row that is far off at its beginning, and what the filter says of each pixel after it, put in its place.
    largest = random_filter(channels, 1, 100.0)
    np.testing.assert_allclose(jnp.abs(largest.bounded).sum(axis=(0, 1)), 1.0, rtol=1e-5)
    value = np.ones((6, 6, channels), np.float32)
    for _ in range(36):
        value = np.maximum(np.abs(np.asarray(largest(largest.before(jnp.asarray(value))))), 0.0)
        assert value.max() <= 1.0 + 1e-5
    # Every pixel is less than 1 once the picture's end, where nothing is seen, has been felt everywhere.
    assert value.max() < 1e-3
    # The control: without the bound the same weights run away.
    raw = np.asarray(largest.weight).reshape(-1, channels)
    wild = np.ones((6, 6, channels), np.float32)
    for _ in range(6):
        seen = np.asarray(largest.before(jnp.asarray(wild))).reshape(6, 6, -1, channels + 1)[..., :channels]
        wild = seen.reshape(6, 6, -1) @ raw
    assert np.abs(wild).max() > 1e3


def test_colours_of_a_pixel_are_joined_and_pictures_drawn_whole() -> None:
    part = NeighbourLogistics((3, 4, 3), 0.0, 1.0, 256, neighbours=random_filter(3, 1), num_components=2)
    params = jax.random.normal(jax.random.key(7), part.param_shape)
    drawn = part.draw(params, jax.random.key(8))
    family = DiscretizedLogisticMixture((3, 4, 3), 0.0, 1.0, 256, 2, colour=True)
    assert drawn.shape == (3, 4, 3)
    said = part.neighbours(part.neighbours.before(drawn - 0.5))
    # One array of weights for two components, then their places.
    moved = params.at[1:3].add(said)
    assert float(part.log_prob(params, drawn)) == pytest.approx(float(family.log_prob(moved, drawn)), abs=1e-3)
    assert float(part.log_prob(params, drawn)) != pytest.approx(float(family.log_prob(params, drawn)), abs=1e-1)
    # The first pixel has none before it.
    other = part.element_log_prob(params, drawn.at[2, 3].set(0.0))
    np.testing.assert_allclose(other[0], part.element_log_prob(params, drawn)[0], atol=1e-5)


def test_before_training_pixels_are_independent() -> None:
    part = NeighbourBernoulli(SHAPE, Neighbours(1, key=jax.random.key(1)))
    params = jax.random.normal(jax.random.key(3), SHAPE)
    np.testing.assert_allclose(log_probs(part, params), log_probs(Bernoulli(SHAPE), params), atol=1e-5)


def test_shares_of_pixels_sum_to_the_reconstruction_term() -> None:
    config = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, "likelihood": {"name": "neighbour-bernoulli"}}
    model = build_model(RunConfig.from_dict(config), describe(ALL), jax.random.key(0))
    shares = element_shares(model, ALL[:5], num_draws=1, seed=3)
    [key] = jax.random.split(jax.random.key(3), 1)
    for x, share in zip(ALL[:5], shares, strict=True):
        z, _ = model.encode(Example(jnp.asarray(x))).sample_and_log_prob(key)
        assert share.sum() == pytest.approx(float(model.log_likelihood(Example(jnp.asarray(x)), z)), abs=1e-3)


def fitted(part: AbstractLikelihood, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of pictures under the maximum-likelihood fit with one set of numbers for all, and as many draws."""
    start = jnp.asarray(part.initial_params(y.mean(axis=0), y.std(axis=0)))
    trained, rest = eqx.partition((part, start), eqx.is_inexact_array)
    optimizer, data = optax.adam(0.02), jnp.asarray(y)

    def each(trained: Any) -> jax.Array:
        likelihood, params = eqx.combine(trained, rest)
        return jax.vmap(lambda x: likelihood.log_prob(params, x))(data)

    def step(state: Any, _: None) -> tuple[Any, None]:
        trained, moments = state
        updates, moments = optimizer.update(jax.grad(lambda t: -each(t).mean())(trained), moments)
        return (optax.apply_updates(trained, updates), moments), None

    # Optax mixes types of numbers.
    with jax.numpy_dtype_promotion("standard"):
        trained = jax.jit(lambda t: jax.lax.scan(step, (t, optimizer.init(t)), None, length=300)[0][0])(trained)
    likelihood, params = eqx.combine(trained, rest)
    drawn = jax.vmap(lambda key: likelihood.draw(params, key))(jax.random.split(jax.random.key(9), len(y)))
    return np.asarray(each(trained)), np.asarray(drawn, np.float32)


def grains(pictures: np.ndarray) -> float:
    """The share of inner pixels that lie above all neighbours, or below all, by a quarter of the range."""
    centre = pictures[:, 1:-1, 1:-1]
    around = np.stack([pictures[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3) if (i, j) != (1, 1)])
    return float(((centre > around.max(axis=0) + 0.25) | (centre < around.min(axis=0) - 0.25)).mean())


@pytest.mark.parametrize("kind", ["bits", "levels"])
def test_draws_have_fewer_grains_and_pictures_more_probability_than_with_independent_pixels(kind: str) -> None:
    if kind == "bits":
        digits: Any = load_digits()
        y = (digits.images[:300] > 8).astype(np.float32)
        plain, joined = Bernoulli((8, 8)), NeighbourBernoulli((8, 8), Neighbours(1, units=8, key=jax.random.key(1)))
    else:
        smooth = scipy.ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(300, 8, 8)), (0, 1, 1))
        y = np.round(np.clip(0.5 + smooth, 0, 1) * 16).astype(np.float32) / 16
        plain = DiscretizedLogisticMixture((8, 8), 0.0, 1.0, 17, 2, unit=0.3)
        joined = NeighbourLogistics((8, 8), 0.0, 1.0, 17, neighbours=Filter(1), num_components=2, unit=0.3)
    (apart, apart_draws), (together, together_draws) = fitted(plain, y), fitted(joined, y)
    gain = together - apart
    assert differs(gain.mean(), 0.0, gain.std() / np.sqrt(len(y)))
    assert gain.mean() > 0
    # Half as many; of some fifty grains in all a few more or less are chance.
    assert grains(together_draws) < 0.75 * grains(apart_draws), [grains(each) for each in (y, together_draws, apart_draws)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: NeighbourBernoulli((4,), neighbours(1, 1)),
            r"shape is \(4,\), and NeighbourBernoulli is about pictures",
        ),
        (
            lambda: NeighbourBernoulli((4, 4, 2), neighbours(1, 1)),
            r"gives 1 numbers .*expected 2 of 12: Neighbours\(2, ",
        ),
        (
            lambda: binary()[0].log_prob(jnp.zeros(SHAPE), jnp.zeros(SHAPE), observed=jnp.ones(SHAPE, bool)),
            r"each pixel depends on those before it. Use a likelihood of single elements, bernoulli or",
        ),
    ],
    ids=["a table", "other neighbours", "hidden pixels"],
)
def test_what_does_not_fit_is_refused_in_a_sentence(call: Any, text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        call()
