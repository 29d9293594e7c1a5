"""What is fitted when training has ended: it finds a noise that is known, changes nothing else, and begins anew."""

from __future__ import annotations

import copy
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model
from support.chance import agrees, differs

from lowerbound import VAE
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.models import split_trained
from lowerbound.training.feed import spread
from lowerbound.training.noise import has_noise, with_fitted_noise, without_noise

SETTINGS: dict[str, Any] = {
    "model": {"latent_dim": 2},
    "network": {"hidden_widths": [8]},
    "likelihood": {"name": "neighbour-logistics", "num_components": 1},
}


def pictures(count: int, *, smooth: bool, seed: int = 0, size: int = 10) -> np.ndarray:
    """Square grey pictures whose pixels have the same law: each row a chain with a correlation of 0.9, or of 0."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(count, size, size))
    if smooth:
        for column in range(1, size):
            noise[:, :, column] = 0.9 * noise[:, :, column - 1] + np.sqrt(1 - 0.9**2) * noise[:, :, column]
    return np.rint(np.clip(128 + 30 * noise, 0, 255)).astype(np.uint8)


def model_of(x: np.ndarray) -> Any:
    return build_model(RunConfig.from_dict(SETTINGS), describe(x), jax.random.key(0))


def bounds(model: Any, x: np.ndarray) -> np.ndarray:
    """log p(x|z) of each picture, z the same for every model with the same encoder."""

    def one(x: jax.Array, key: jax.Array) -> jax.Array:
        z, _ = model.encode(Example(x)).sample_and_log_prob(key)
        return model.log_likelihood(Example(x), z)

    return np.asarray(jax.vmap(one)(jnp.asarray(x), jax.random.split(jax.random.key(5), len(x))))


def test_a_chain_is_found_and_explains_what_it_should() -> None:
    x = pictures(400, smooth=True)
    model = model_of(x)
    fitted = with_fitted_noise(model, Example(x))
    held = pictures(200, smooth=True, seed=1)
    gain = bounds(fitted, held) - bounds(model, held)
    # Of a Gaussian chain 9 of 10 pixels are narrower by log(1 / sqrt(1 - 0.81)) = 0.83 nats each: 74.7 nats a picture. Logistics,
    # a random decoder's places and the pixels of the first column, as narrow as the rest, take some of it.
    assert 0.6 * 74.7 < gain.mean() < 1.05 * 74.7
    noise: Any = fitted.noise
    weight = np.asarray(noise.weight)[:, 0, 0]
    # The two pixels to the left share it; those above say nothing.
    assert weight[-2:].sum() == pytest.approx(0.9, abs=0.06), weight
    assert np.abs(weight[:-2]).max() < 0.1, weight
    # The encoder, the decoder and the prior are what they were.
    assert eqx.tree_equal(split_trained(fitted)[0], split_trained(model)[0])


def test_independent_pixels_stay_so() -> None:
    x = pictures(400, smooth=False)
    model = model_of(x)
    fitted = with_fitted_noise(model, Example(x))
    noise: Any = fitted.noise
    assert np.abs(np.asarray(noise.weight)).max() < 0.1
    held = pictures(200, smooth=False, seed=1)
    # The scales of a decoder without training may be better for it; what neighbours say is nothing.
    plain = fitted.with_noise(eqx.tree_at(lambda n: (n.left, n.around), noise, replace_fn=np.zeros_like))
    gain = bounds(fitted, held) - bounds(plain, held)
    assert abs(gain.mean()) < 1.0


def test_training_ends_with_it_and_begins_without_it() -> None:
    x = np.repeat(pictures(80, smooth=True, size=6)[..., None], 3, axis=3)
    x = np.clip(x.astype(int) + np.random.default_rng(3).integers(-9, 10, x.shape), 0, 255).astype(np.uint8)
    settings = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 4, "random_state": 0}
    vae = VAE(**settings).fit(x)
    assert vae.config_.likelihood.name == "neighbour-logistics"
    assert np.abs(vae.model_.noise.weight).max() > 0.1
    plain = vae.model_.with_noise(without_noise(vae.model_).noise)
    gain = bounds(vae.model_, x) - bounds(plain, x)
    assert gain.mean() > 0
    assert differs(gain.mean(), 0.0, gain.std() / np.sqrt(len(x)))
    # Weights that go on being trained do so without it: as those of a model do that has none.
    gone_on = []
    for model in (vae.model_, plain):
        again = copy.deepcopy(vae).set_params(epochs=1, warm_start=True)
        again.model_ = model
        gone_on.append(split_trained(again.fit(x).model_)[0])
    assert eqx.tree_equal(*gone_on)
    assert not eqx.tree_equal(gone_on[0], split_trained(vae.model_)[0])
    # And a fresh model's weights are those that independent pixels give.
    apart = VAE(**settings, likelihood="discretized-logistic-mixture", config={"likelihood": {"num_components": 3}}).fit(x)
    for ours, theirs in zip(*(jax.tree.leaves(split_trained(each.model_)[0]) for each in (vae, apart)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_examples_that_were_not_trained_on_refuse_it() -> None:
    x = pictures(60, smooth=True)
    model = model_of(x)
    assert has_noise(with_fitted_noise(model, Example(x), Example(pictures(40, smooth=True, seed=1))))
    # Every other column mirrored: what each pixel told of the next is the contrary there.
    other = pictures(40, smooth=True, seed=1)
    other[:, :, ::2] = 255 - other[:, :, ::2]
    refused = with_fitted_noise(model, Example(x), Example(other))
    assert not has_noise(refused)
    assert refused.noise is not None


def test_rows_that_are_sorted_are_all_seen() -> None:
    rows = spread(40, 440)
    assert (len(rows), rows[0], rows[-1]) == (40, 0, 439)
    assert np.ptp(np.diff(rows)) <= 1
    assert spread(5, 3).tolist() == [0, 1, 2]


def test_means_have_no_noise() -> None:
    x = pictures(300, smooth=True)
    fitted = with_fitted_noise(model_of(x), Example(x))
    z = jnp.zeros(2)
    mean = np.asarray(fitted.decode_mean(z))
    draw = jax.jit(jax.vmap(lambda key: fitted.decode_draw(z, key)))
    drawn = np.asarray(draw(jax.random.split(jax.random.key(0), 400)))
    error = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert agrees(drawn.mean(axis=0), mean, error)
    # The control: an average of sixteen draws is off by many such errors.
    assert not agrees(drawn[:16].mean(axis=0), mean, error)


def test_a_model_without_such_numbers_is_itself() -> None:
    x = pictures(20, smooth=False)
    model = build_model(RunConfig.from_dict({**SETTINGS, "likelihood": {"name": "gaussian"}}), describe(x), jax.random.key(0))
    assert model.noise is None
    assert with_fitted_noise(model, Example(x)) is model
    assert without_noise(model) is model
    with pytest.raises(NotImplementedError, match="has no numbers that are fitted when training has ended"):
        model.with_noise(None)
