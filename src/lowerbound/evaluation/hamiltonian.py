"""One transition of Hamiltonian Monte Carlo."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

LogDensity = Callable[[Float[Array, " latent"]], Float[Array, ""]]


def leapfrog(
    log_density: LogDensity,
    z: Float[Array, " latent"],
    momentum: Float[Array, " latent"],
    step_size: Float[Array, ""],
    num_steps: int,
) -> tuple[Float[Array, " latent"], Float[Array, " latent"]]:
    """`num_steps` steps of dz/dt = momentum, dmomentum/dt = d log_density / dz (Neal 2011, MCMC using Hamiltonian dynamics, 5.18
    to 5.20): it keeps volume, and started from its end with the momentum turned round it comes back."""
    gradient = jax.grad(log_density)
    momentum = momentum + 0.5 * step_size * gradient(z)

    def step(state: tuple[Array, Array], scale: Array) -> tuple[tuple[Array, Array], None]:
        z, momentum = state
        z = z + step_size * momentum
        # A whole step of the momentum between two of z, half of one at the end.
        return (z, momentum + scale * step_size * gradient(z)), None

    scales = jnp.where(jnp.arange(num_steps) < num_steps - 1, jnp.float32(1.0), jnp.float32(0.5))
    return jax.lax.scan(step, (z, momentum), scales)[0]


def transition(
    log_density: LogDensity, z: Float[Array, " latent"], step_size: Float[Array, ""], num_steps: int, key: PRNGKeyArray
) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
    """A step of a reversible chain that leaves the density invariant: a fresh momentum, leapfrog, accepted or not.

    Gives the new z and the probability with which the move was accepted. A move to where the density is not finite is refused.
    """
    momentum_key, accept_key = jax.random.split(key)
    momentum = jax.random.normal(momentum_key, z.shape)
    moved, end = leapfrog(log_density, z, momentum, step_size, num_steps)
    change = log_density(moved) - log_density(z) - 0.5 * (jnp.sum(jnp.square(end)) - jnp.sum(jnp.square(momentum)))
    probability = jnp.where(jnp.isfinite(change), jnp.exp(jnp.minimum(change, 0.0)), 0.0)
    return jnp.where(jax.random.uniform(accept_key) < probability, moved, z), probability
