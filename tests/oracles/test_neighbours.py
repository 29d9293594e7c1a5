"""Pictures whose pixels know those before them: probabilities, draws and means against all pictures there are."""

from __future__ import annotations

import dataclasses
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


def random_filter(channels: int, spread: float = 1.0) -> Filter:
    """With numbers that are not 0."""
    leaves, structure = jax.tree.flatten(Filter.none(channels))
    rng = np.random.default_rng(2)
    scales = (spread, spread, 0.3, 0.3)
    drawn = [scale * rng.normal(size=each.shape).astype(np.float32) for scale, each in zip(scales, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


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


def bounded(weights: np.ndarray) -> np.ndarray:
    """Of each number that is given the absolute values of the weights sum to 1 at most."""
    return weights / np.maximum(1.0, np.abs(weights).sum(axis=(0, 1)))


def shifts_by_loops(filtered: Filter, missed: np.ndarray) -> np.ndarray:
    """How far the pixels before move the places of each, c - (1 - B)(1 - L) c of what each missed its mean by, pixel by pixel."""
    height, width, channels = missed.shape
    left, around = bounded(np.asarray(filtered.left, np.float64)[None])[0], bounded(np.asarray(filtered.around, np.float64))

    def at(i: int, j: int) -> np.ndarray:
        return missed[i, j] if 0 <= i < height and 0 <= j < width else np.zeros(channels)

    def first(i: int, j: int) -> np.ndarray:
        return at(i, j) - at(i, j - 1) @ left

    moved = np.zeros(missed.shape)
    for i, j in itertools.product(range(height), range(width)):
        before = (-1, -1), (-1, 0), (-1, 1), (0, -1)
        second = first(i, j) - sum(first(i + down, j + right) @ around[k] for k, (down, right) in enumerate(before))
        moved[i, j] = missed[i, j] - second
    return moved


@pytest.mark.parametrize("spread", [0.1, 3.0], ids=["as it is", "held stable"])
def test_levels_take_their_places_from_what_the_pixels_before_missed(spread: float) -> None:
    filtered = random_filter(1, spread)
    part = NeighbourLogistics((2, 2), 0.0, 1.0, 3, neighbours=filtered, num_components=2, unit=0.5)
    params = jax.random.normal(jax.random.key(6), part.param_shape)
    pictures = np.array(list(itertools.product([0.0, 0.5, 1.0], repeat=4)), np.float32).reshape(-1, 2, 2)
    found = np.asarray(jax.jit(jax.vmap(lambda x: part.log_prob(params, x)))(pictures))
    assert scipy.special.logsumexp(found) == pytest.approx(0, abs=1e-5)
    alone = jax.jit(DiscretizedLogisticMixture((2, 2), 0.0, 1.0, 3, 2, unit=0.5).log_prob)
    # The mean of a logistic variable that is cut off at 0 and 1, by quadrature.
    logits, places, widths = np.asarray(params, np.float64).reshape(3, 2, 2, 2)
    weights = scipy.special.softmax(logits, axis=0)
    nodes = scipy.special.logit((np.arange(20_000) + 0.5) / 20_000)[:, None, None, None]
    scales = np.exp(np.maximum(widths, np.log(0.1 * 0.5)))
    mean = (weights * np.clip(0.5 * places + scales * nodes, 0, 1).mean(axis=0)).sum(axis=0)
    middle = (weights * places).sum(axis=0)
    for x, log_prob in list(zip(pictures, found, strict=True))[::7]:
        said = shifts_by_loops(filtered, ((x - mean) / 0.5)[..., None])[..., 0]
        new = middle + (places - middle) * np.exp(filtered.log_spread[0]) + said
        moved = jnp.asarray(np.concatenate([logits, new, widths + filtered.log_width[0]]), jnp.float32)
        assert log_prob == pytest.approx(float(alone(moved, jnp.asarray(x))), abs=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_wrong_dies_away(channels: int) -> None:
    # One pixel that is far off, and after it, row by row, what the filter says of each.
    largest, value = random_filter(channels, 100.0), np.zeros((40, 6, channels), np.float32)
    weight = np.asarray(largest.weight)
    value[0, 0] = 1.0
    padded = np.pad(value, ((2, 0), (2, 2), (0, 0)))
    places = [place for place in itertools.product(range(-2, 1), range(-2, 3)) if place < (0, 0)]
    for i, j in itertools.product(range(40), range(6)):
        if (i, j) != (0, 0):
            seen = [padded[i + 2 + down, j + 2 + right] for down, right in places]
            padded[i + 2, j + 2] = sum(pixel @ each for pixel, each in zip(seen, weight, strict=True))
    # Along a row of six the sums of both filters are six at most; each row loses some at its ends.
    assert np.abs(padded).max() <= 6.0
    assert np.abs(padded[-1]).max() < 0.05
    # The control: without the bounds the same weights run away.
    left, around = (np.asarray(each, np.float64) for each in (largest.left, largest.around))
    wild = np.ones((6, 6, channels))
    for _ in range(6):
        padded = np.pad(wild, ((1, 0), (1, 1), (0, 0)))
        places = padded[:-1, :-2], padded[:-1, 1:-1], padded[:-1, 2:], padded[1:, :-2]
        wild = padded[1:, :-2] @ left + sum(place @ each for place, each in zip(places, around, strict=True))
    assert np.abs(wild).max() > 1e3


def test_colours_of_a_pixel_are_joined_and_pictures_drawn_whole() -> None:
    filtered = random_filter(3)
    part = NeighbourLogistics((3, 4, 3), 0.0, 1.0, 256, neighbours=filtered, num_components=2)
    params = jax.random.normal(jax.random.key(7), part.param_shape)
    drawn = eqx.filter_jit(part.draw)(params, jax.random.key(8))
    family = DiscretizedLogisticMixture((3, 4, 3), 0.0, 1.0, 256, 2, colour=True)
    joined, alone = eqx.filter_jit(part.log_prob), eqx.filter_jit(family.log_prob)
    shares = eqx.filter_jit(part.element_log_prob)
    assert drawn.shape == (3, 4, 3)
    centre, middle = jax.jit(lambda params: (family.centre(params), family.middle_place(params)))(params)
    said = shifts_by_loops(filtered, np.asarray(drawn - centre, np.float64))
    # One array of weights for two components, then their places and widths.
    places = params[1:3]
    new = middle + (places - middle) * np.exp(filtered.log_spread) + jnp.asarray(said, jnp.float32)
    moved = params.at[1:3].set(new).at[3:5].add(filtered.log_width)
    assert float(joined(params, drawn)) == pytest.approx(float(alone(moved, drawn)), abs=1e-2)
    assert float(joined(params, drawn)) != pytest.approx(float(alone(params, drawn)), abs=1e-1)
    # The first pixel has none before it, but is as narrow as all.
    other = shares(params, drawn.at[2, 3].set(0.0))
    np.testing.assert_allclose(other[0], shares(params, drawn)[0], atol=1e-5)


def test_the_centre_of_colours_is_about_their_mean() -> None:
    family = DiscretizedLogisticMixture((2, 2, 3), 0.0, 1.0, 256, 2, colour=True, unit=0.3)
    params = jax.random.normal(jax.random.key(3), family.param_shape)
    mean, centre = jax.jit(lambda params: (family.mean_of(params), family.centre(params)))(params)
    # What is cut off of one colour moves the mean of the next a little.
    np.testing.assert_allclose(centre, mean, atol=0.05)
    np.testing.assert_allclose(centre[..., 0], mean[..., 0], atol=1 / 255)


def test_before_training_pixels_are_independent() -> None:
    part = NeighbourBernoulli(SHAPE, Neighbours(1, key=jax.random.key(1)))
    params = jax.random.normal(jax.random.key(3), SHAPE)
    np.testing.assert_allclose(log_probs(part, params), log_probs(Bernoulli(SHAPE), params), atol=1e-5)


def test_levels_are_independent_until_training_has_ended() -> None:
    part = NeighbourLogistics((2, 3, 3), 0.0, 1.0, 256, neighbours=Filter.none(3), unit=0.2)
    params = jax.random.normal(jax.random.key(3), part.param_shape)
    plain = DiscretizedLogisticMixture((2, 3, 3), 0.0, 1.0, 256, 3, colour=True, unit=0.2)
    drawn = eqx.filter_jit(plain.draw)(params, jax.random.key(1))
    while_training = dataclasses.replace(part, neighbours=random_filter(3)).with_noise(None)
    said, alone, meanwhile = (float(eqx.filter_jit(each.log_prob)(params, drawn)) for each in (part, plain, while_training))
    assert said == pytest.approx(alone, abs=1e-4)
    assert meanwhile == alone
    assert while_training.with_noise(part.noise).is_plain is False


def test_shares_of_pixels_sum_to_the_reconstruction_term() -> None:
    config = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, "likelihood": {"name": "neighbour-bernoulli"}}
    model = build_model(RunConfig.from_dict(config), describe(ALL), jax.random.key(0))
    shares = element_shares(model, ALL[:5], num_draws=1, seed=3)
    [key] = jax.random.split(jax.random.key(3), 1)
    for x, share in zip(ALL[:5], shares, strict=True):
        z, _ = model.encode(Example(jnp.asarray(x))).sample_and_log_prob(key)
        assert share.sum() == pytest.approx(float(model.log_likelihood(Example(jnp.asarray(x)), z)), abs=1e-3)


def as_trained(numbers: Filter) -> Filter:
    """The same numbers, which an optimiser may move."""
    return jax.tree.map(jnp.asarray, numbers)


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
    drawn = jax.jit(jax.vmap(lambda key: likelihood.draw(params, key)))(jax.random.split(jax.random.key(9), len(y)))
    return np.asarray(jax.jit(each)(trained)), np.asarray(drawn, np.float32)


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
        joined = NeighbourLogistics((8, 8), 0.0, 1.0, 17, neighbours=as_trained(Filter.none(1)), num_components=2, unit=0.3)
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
