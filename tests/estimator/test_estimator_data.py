"""What the estimator makes of data of every kind: series, values far from zero."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import pytest

from lowerbound import VAE
from lowerbound.errors import DataError

SMALL = {"latent_dim": 2, "hidden_widths": (16,), "epochs": 3, "random_state": 0, "validation": 20, "automatic": False}
RNG = np.random.default_rng(4)


def arrays(vae: VAE) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(vae.model_) if isinstance(leaf, np.ndarray | jax.Array)]


def test_windows_of_series_are_fitted_as_well_as_the_same_numbers_flattened() -> None:
    t = np.arange(220)
    scales = np.array([3e4, 0.01, 1e6])
    series = scales * (1 + np.stack([np.sin(t / 15), np.cos(t / 7), np.sin(t / 11)], axis=1))
    windows = np.stack([series[start : start + 10] for start in range(200)])
    vae, flat = VAE(**SMALL).fit(windows), VAE(**SMALL).fit(windows.reshape(200, -1))
    assert vae.spec_.layout == "series"
    np.testing.assert_array_equal(vae.reconstruct(windows).reshape(200, -1), flat.reconstruct(windows.reshape(200, -1)))
    # As it was: one scale for all of a picture.
    assert VAE(**SMALL).fit(windows, kind="pictures").spec_.is_image
    assert VAE(**SMALL, kind="rows").fit(windows).config_.data.kind == "rows"


def test_zeros_and_ones_stored_as_0_and_255_are_bernoulli_in_the_users_units() -> None:
    stored = (RNG.random((200, 4, 4)) < np.linspace(0.1, 0.9, 16).reshape(4, 4)).astype(np.uint8) * 255
    vae, plain = VAE(**SMALL).fit(stored), VAE(**SMALL).fit(stored // 255)
    assert vae.config_.likelihood.name == "bernoulli"
    for ours, theirs in zip(arrays(vae), arrays(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(vae.score_samples(stored), plain.score_samples(stored // 255))
    drawn = vae.sample(20, random_state=1)
    assert set(np.unique(drawn)) == {0, 255}
    np.testing.assert_array_equal(vae.reconstruct(stored), 255 * plain.reconstruct(stored // 255))
    with pytest.raises(DataError, match=r"the first is 1 at index \(\d+, \d, \d\); expected 0 or 255\."):
        vae.score_samples(stored // 255)
    with pytest.raises(DataError, match=r"the first is 255 at index \(\d+, \d, \d\); expected 0 or 1\."):
        plain.score_samples(stored)


def test_values_far_from_zero_keep_their_digits(tmp_path: Path) -> None:
    """Seconds since 1970, and a coordinate in metres: as good as the same less a number, and in the user's units again."""
    near = RNG.normal(size=(200, 3)) * [30.0, 0.5, 1.0]
    near[:, 2] += near[:, 1]
    far = near + np.array([1.7e9, 5.3e6, 0.0])
    vae = VAE(**SMALL).fit(far)
    origin = np.asarray(vae.spec_.origin)
    other = VAE(**SMALL).fit(far - origin)
    assert other.spec_.origin == ()
    # The mean of what is left is 0 to rounding, which training carries along.
    for ours, theirs in zip(arrays(vae), arrays(other), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(vae.score_samples(far), other.score_samples(far - origin), atol=1e-2)
    for got, expected in (
        (vae.reconstruct(far), other.reconstruct(far - origin)),
        (vae.sample(20, random_state=1), other.sample(20, random_state=1)),
    ):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got - origin, expected, atol=1e-2)
    vae.save(tmp_path / "model")
    np.testing.assert_array_equal(VAE.load(tmp_path / "model").reconstruct(far), vae.reconstruct(far))
