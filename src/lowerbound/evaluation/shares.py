"""What each element of an example adds to its reconstruction term: which column makes a row unlikely."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .latents import check_condition, check_density, in_blocks

# Each element is weighed alone, so the work grows with their square.
MOST_ELEMENTS = 1024
NUM_DRAWS = 16


def element_shares(
    model: AbstractLatentVariableModel, data: Example | np.ndarray, *, num_draws: int = NUM_DRAWS, seed: int = 0
) -> Float[np.ndarray, "examples elements"]:
    r"""E_q[log p(x_j|z)] of each element j (flattened) of each example, in nats: (n, elements).

    The mean over `num_draws` draws z ~ q(z|x). Where the elements are independent given z, as in all but a few likelihoods, they
    sum to the reconstruction term E_q[log p(x|z)]; pixels that know those before them do too, each given these. None is
    log p(x_j): what the other elements tell of x_j is in z. The share of an element without a value is 0, or that of its mask
    where the model has a law of it.

    Raises `ConfigurationError` for a code without a density, where an element cannot be weighed alone (pixels of joined colours,
    counts given their total), and for more than 1,024 elements.
    """
    data = Example.of(data)
    check_density(model, "share of each element")
    check_condition(model, data.condition)
    elements = int(np.prod(model.event_shape))
    if elements > MOST_ELEMENTS:
        raise ConfigurationError(
            f"an example has {elements:,} elements, and the share of each is worked out for {MOST_ELEMENTS:,} at most."
        )
    alone = np.eye(elements, dtype=bool).reshape(elements, *model.event_shape)
    blank = np.zeros((elements, *model.event_shape), np.float32)
    if not model.noise_is_joined or data.observed is not None:
        model.check_observed(Example(blank, observed=alone))
    keys = jax.random.split(jax.random.key(seed), num_draws)
    return in_blocks(model, lambda block: np.asarray(_shares(model, block.on_device(), jnp.asarray(alone), keys)), data)


def lost_nats(
    model: AbstractLatentVariableModel, data: Example, normal: Example, *, seed: int = 0
) -> Float[np.ndarray, "examples elements"]:
    """How much less likely each element of each example is than it is in a usual row, in nats: (n, elements).

    The median of the element's share, `element_shares`, among the `normal` rows that have it, less its share here; 0 for an
    element without a value. Raises as `element_shares`.
    """
    shares, usual = element_shares(model, data, seed=seed), element_shares(model, normal, seed=seed)
    if normal.observed is not None:
        usual = np.where(np.asarray(normal.observed).reshape(usual.shape), usual, np.nan)
        # In a column that no normal row has nothing is usual.
        usual[:, np.isnan(usual).all(axis=0)] = 0.0
    lost = np.nanmedian(usual, axis=0) - shares
    return lost if data.observed is None else np.where(np.asarray(data.observed).reshape(lost.shape), lost, 0.0)


@eqx.filter_jit
def _shares(
    model: AbstractLatentVariableModel, block: Example, alone: Array, keys: Key[Array, " draws"]
) -> Float[Array, "examples elements"]:
    def of_one(example: Example) -> Array:
        posterior = model.encode(example)

        def of_draw(total: Array, key: PRNGKeyArray) -> tuple[Array, None]:
            z, _ = posterior.sample_and_log_prob(key)
            joined = model.element_log_likelihood(example, z)
            if joined is not None:
                return total + joined.reshape(-1), None
            return total + jax.vmap(lambda kept: model.log_likelihood(example.showing(kept), z))(alone), None

        return jax.lax.scan(of_draw, jnp.zeros(len(alone)), keys)[0] / len(keys)

    return jax.lax.map(of_one, block)
