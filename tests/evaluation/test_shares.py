"""The share of each element: it adds up to the reconstruction term, and points at the element that is wrong."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import element_shares, lost_nats

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(40, 1)) * [1.0, 2.0, -3.0] + 0.1 * RNG.normal(size=(40, 3))


def _model(array: np.ndarray, **likelihood: Any) -> Any:
    sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8]}, "likelihood": likelihood}
    return build_model(RunConfig.from_dict(sections), describe(array), jax.random.key(0))


def test_shares_add_up_to_the_log_likelihood_of_the_same_draws() -> None:
    model = _model(TABLE, name="gaussian")
    shares = element_shares(model, TABLE, num_draws=5, seed=3)
    keys = jax.random.split(jax.random.key(3), 5)

    def reconstruction(x: jax.Array) -> jax.Array:
        posterior = model.encode(Example(x))
        return jax.vmap(lambda key: model.log_likelihood(Example(x), posterior.sample_and_log_prob(key)[0]))(keys).mean()

    np.testing.assert_allclose(
        shares.sum(axis=1), jax.vmap(reconstruction)(jnp.asarray(TABLE, jnp.float32)), rtol=1e-4, atol=1e-3
    )


def test_the_column_that_was_changed_loses_most() -> None:
    model, changed = _model(TABLE, name="gaussian", scale="fixed"), TABLE.copy()
    changed[:, 1] += 40.0
    lost = element_shares(model, TABLE) - element_shares(model, changed)
    assert (lost.argmax(axis=1) == 1).all()


@pytest.mark.parametrize(
    ("array", "name", "message"),
    [
        (RNG.integers(0, 5, (20, 3)).astype(np.int64), "multinomial", "observed is False for some elements, but"),
        (RNG.integers(0, 256, (4, 40, 40)).astype(np.uint8), "gaussian", "has 1,600 elements, and the share of each"),
    ],
)
def test_what_cannot_be_weighed_alone_is_refused(array: np.ndarray, name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        element_shares(_model(array, name=name), array)


def test_a_cell_without_a_value_has_no_share_and_the_others_keep_theirs() -> None:
    model, holes = _model(TABLE, name="gaussian"), TABLE.copy()
    holes[::2, 1] = np.nan
    data = Example(holes, observed=~np.isnan(holes))
    shares = element_shares(model, data)
    assert np.isfinite(shares).all()
    assert (shares[::2, 1] == 0).all()
    assert (shares[1::2] != 0).all()


def test_lost_nats_are_those_beside_the_median_of_the_rows_that_have_the_cell() -> None:
    model, holes = _model(TABLE, name="gaussian"), TABLE.copy()
    holes[::2, 1] = np.nan
    holes[:, 2] = np.nan
    normal, data = Example(holes, observed=~np.isnan(holes)), Example(TABLE[:6])
    lost = lost_nats(model, data, normal)
    usual = np.median(element_shares(model, normal)[1::2, 1])
    np.testing.assert_allclose(lost[:, 1], usual - element_shares(model, data)[:, 1], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(lost[:, 2], -element_shares(model, data)[:, 2], rtol=1e-5, atol=1e-5)
    assert (lost_nats(model, normal, data)[:, 2] == 0).all()
