"""One transition of Hamiltonian Monte Carlo, of a density that is a product of powers of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

LogDensity = Callable[[Float[Array, " latent"]], Float[Array, ""]]


class Place(NamedTuple):
    """A z, and the log of each density and its gradient there: with them no power of the densities has to be worked out anew."""

    z: Float[Array, " latent"]
    logs: Float[Array, " densities"]
    gradients: Float[Array, "densities latent"]


def place_at(densities: Sequence[LogDensity], z: Float[Array, " latent"]) -> Place:
    """What the densities say at z."""
    logs, gradients = zip(*(jax.value_and_grad(density)(z) for density in densities), strict=True)
    return Place(z, jnp.stack(logs), jnp.stack(gradients))


def leapfrog(
    densities: Sequence[LogDensity],
    powers: Float[Array, " densities"],
    place: Place,
    momentum: Float[Array, " latent"],
    step_size: Float[Array, ""],
    num_steps: int,
) -> tuple[Place, Float[Array, " latent"]]:
    """`num_steps` steps of dz/dt = momentum, dmomentum/dt = sum_i powers_i d log f_i / dz.

    (Neal 2011, MCMC using Hamiltonian dynamics, 5.18 to 5.20.) It keeps volume, and started from its end with the momentum
    turned round it comes back. Each step works out the densities once.
    """

    def force(place: Place) -> Float[Array, " latent"]:
        return jnp.sum(powers[:, None] * place.gradients, axis=0)

    def step(state: tuple[Place, Array], scale: Array) -> tuple[tuple[Place, Array], None]:
        place, momentum = state
        place = place_at(densities, place.z + step_size * momentum)
        # A whole step of the momentum between two of z, half of one at the end.
        return (place, momentum + scale * step_size * force(place)), None

    scales = jnp.where(jnp.arange(num_steps) < num_steps - 1, jnp.float32(1.0), jnp.float32(0.5))
    return jax.lax.scan(step, (place, momentum + 0.5 * step_size * force(place)), scales)[0]


def transition(
    densities: Sequence[LogDensity],
    powers: Float[Array, " densities"],
    place: Place,
    step_size: Float[Array, ""],
    num_steps: int,
    key: PRNGKeyArray,
) -> tuple[Place, Float[Array, ""]]:
    r"""A step of a reversible chain that leaves \prod_i f_i^powers_i invariant: a fresh momentum, leapfrog, accepted or not.

    Gives the new place and the probability with which the move was accepted. A move to where the density is not finite is
    refused.
    """
    momentum_key, accept_key = jax.random.split(key)
    # Without the barrier XLA makes the draws anew wherever they are read, which took as long as all the rest.
    momentum, uniform = jax.lax.optimization_barrier(
        (jax.random.normal(momentum_key, place.z.shape), jax.random.uniform(accept_key))
    )
    moved, end = leapfrog(densities, powers, place, momentum, step_size, num_steps)
    change = jnp.sum(powers * (moved.logs - place.logs)) - 0.5 * (jnp.sum(jnp.square(end)) - jnp.sum(jnp.square(momentum)))
    probability = jnp.where(jnp.isfinite(change), jnp.exp(jnp.minimum(change, 0.0)), 0.0)
    is_accepted = uniform < probability
    return jax.tree.map(lambda new, old: jnp.where(is_accepted, new, old), moved, place), probability
