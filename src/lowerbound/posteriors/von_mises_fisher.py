"""The von Mises-Fisher posterior on the unit sphere."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ..priors import AbstractLatentDensity, HypersphericalUniform, Space
from ..priors.hyperspherical_uniform import log_sphere_area, require_a_sphere, uniform_direction
from .base import AbstractPosterior, AbstractPosteriorFamily
from .polar_angle import angle_at, log_normaliser, one_minus_mean_cosine

# Within these `polar_angle` is exact; at 1e4 a draw strays from the mean direction by a degree or so for each root of J.
SMALLEST_CONCENTRATION = 1e-3
LARGEST_CONCENTRATION = 1e4


class ConditionedVonMisesFisher(AbstractPosterior):
    """vMF(z; mu, kappa) for one example: a density with respect to the sphere's surface measure."""

    mu: Float[Array, " latent"]
    concentration: Float[Array, ""]

    def sample_and_log_prob(self, key: PRNGKeyArray) -> tuple[Float[Array, " latent"], Float[Array, ""]]:
        """z = R (cos t, sin t v), v a uniform direction across, R a rotation that takes e_1 to mu; and log q(z|x)."""
        angle_key, direction_key = jax.random.split(key)
        dim = len(self.mu)
        # Away from 0 and 1 by half of the generator's own step.
        uniform = jax.random.uniform(angle_key) * (1 - 2.0**-23) + 2.0**-24
        angle = angle_at(self.concentration, uniform, dim)
        across = uniform_direction(direction_key, dim - 1)
        local = jnp.concatenate([jnp.cos(angle)[None], jnp.sin(angle) * across])
        log_tilt = -2.0 * self.concentration * jnp.square(jnp.sin(angle / 2))
        return _from_first_axis(local, self.mu), log_tilt - self._log_normaliser()

    def sample(self, key: PRNGKeyArray) -> Float[Array, " latent"]:
        """One draw."""
        return self.sample_and_log_prob(key)[0]

    def log_prob(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log q(z|x) in nats, for |z| = 1."""
        # kappa (mu . z - 1) would lose its digits where z is near mu.
        return -0.5 * self.concentration * jnp.sum(jnp.square(z - self.mu)) - self._log_normaliser()

    @property
    def mean(self) -> Float[Array, " latent"]:
        """mu, the mean direction."""
        return self.mu

    def kl_to(self, prior: AbstractLatentDensity) -> Float[Array, ""] | None:
        """kappa E[mu . z] + log C(kappa) + log|S^{J-1}| to the uniform (Davidson et al. 2018, arXiv 1804.00891)."""
        if not isinstance(prior, HypersphericalUniform):
            return None
        dim = len(self.mu)
        log_uniform_normaliser = log_sphere_area(dim) - log_sphere_area(dim - 1)
        deficit = one_minus_mean_cosine(self.concentration, dim)
        return log_uniform_normaliser - log_normaliser(self.concentration, dim) - self.concentration * deficit

    def _log_normaliser(self) -> Float[Array, ""]:
        """log of the integral of exp(kappa (mu . z - 1)) over the sphere."""
        dim = len(self.mu)
        return log_normaliser(self.concentration, dim) + log_sphere_area(dim - 1)


class VonMisesFisher(AbstractPosteriorFamily):
    r"""q(z|x) = C(kappa) exp(kappa mu . z) on |z| = 1 (Davidson et al. 2018, Hyperspherical VAEs, arXiv 1804.00891).

    C(kappa) = kappa^{J/2-1} / ((2 pi)^{J/2} I_{J/2-1}(kappa))

    The encoder puts out a vector, whose direction is mu, and a number a with kappa = softplus(a) + 0.001, at most 10^4. (The
    authors' code has softplus(a) + 1, which keeps the uniform law out of the family.) C is integrated rather than made of the
    Bessel function I, which overflows; draws invert the distribution function instead of rejecting, so that z is a smooth
    function of kappa and its gradient has no score-function part. The prior must live on the sphere too.

    - `latent_dim`: J >= 2, the length of z; the sphere has J - 1 dimensions.

    Raises `ConfigurationError` below that.
    """

    latent_dim: int = eqx.field(static=True)
    space: ClassVar[Space] = "hypersphere"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        require_a_sphere("VonMisesFisher", self.latent_dim)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """(latent_dim + 1,): the vector along mu, and the raw concentration."""
        return (self.latent_dim + 1,)

    def condition(self, params: Float[Array, " params"]) -> ConditionedVonMisesFisher:
        """vMF(mu, kappa)."""
        raw, raw_concentration = params[:-1], params[-1]
        # A vector of length 0 has no direction, and no gradient of it.
        has_direction = jnp.sum(jnp.square(raw)) > 1e-20
        along = jnp.where(has_direction, raw, jnp.zeros_like(raw).at[0].set(1.0))
        concentration = jax.nn.softplus(raw_concentration) + SMALLEST_CONCENTRATION
        return ConditionedVonMisesFisher(along / jnp.linalg.norm(along), jnp.minimum(concentration, LARGEST_CONCENTRATION))


def _from_first_axis(local: Float[Array, " dim"], mu: Float[Array, " dim"]) -> Float[Array, " dim"]:
    """`local` turned by an orthogonal map that takes e_1 to mu: Householder's reflection, with the sign that cannot cancel."""
    sign = jnp.where(mu[0] >= 0, 1.0, -1.0)
    # The reflection along e_1 - mu has no direction where mu is e_1. Along e_1 + sign mu, of length sqrt(2) or more, e_1 goes to
    # -sign mu.
    axis = (sign * mu).at[0].add(1.0)
    reflected = local - 2.0 * axis * jnp.dot(axis, local) / jnp.dot(axis, axis)
    return -sign * reflected
