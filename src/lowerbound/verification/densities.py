"""Laws that sum or integrate to 1 and draw what they say; flows' determinants; divergences in closed form."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Array, Float

from ..densities import AbstractLatentDensity, AbstractPosterior, SphericalUniformDensity, StandardNormalDensity, Transformed, kl
from ..evaluation.estimates import mean_and_error
from ..likelihoods import (
    AbstractLikelihood,
    Bernoulli,
    CategoriesLikelihood,
    ColourLogisticMixture,
    ContinuousBernoulli,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    Gaussian,
    GaussianMixture,
    Laplace,
    Lattice,
    NegativeBinomial,
    Poisson,
    QuantizedGaussian,
)
from ..posteriors import (
    AbstractPosteriorFamily,
    CouplingSpline,
    DiagonalGaussian,
    FullGaussian,
    HouseholderSylvester,
    InverseAutoregressive,
    LowRankGaussian,
    OrthogonalSylvester,
    Planar,
    TriangularSylvester,
    VonMisesFisher,
)
from ..priors import MixtureOfGaussians, VampPrior
from .figure import STANDARD_ERRORS, Figure

LATENT_DIM = 3
# Each with its grid: the levels of discrete data, else points so wide and so close that the rectangle rule is exact to 1e-4.
_COUNTS, _LEVELS, _LINE = np.arange(600.0), np.arange(256.0) / 255 * 2 - 1, np.linspace(-60, 60, 24_001)
LIKELIHOODS: Mapping[str, tuple[AbstractLikelihood, np.ndarray]] = {
    "bernoulli": (Bernoulli((1,)), np.arange(2.0)),
    "continuous-bernoulli": (ContinuousBernoulli((1,), 0.001), (np.arange(20_000) + 0.5) / 20_000),
    "discretized-logistic": (DiscretizedLogistic((1,), -1.0, 1.0, 256), _LEVELS),
    "discretized-logistic-mixture": (DiscretizedLogisticMixture((1, 1), -1.0, 1.0, 256, num_components=3), _LEVELS),
    "quantized-gaussian": (QuantizedGaussian((1,), -1.0, 1.0, 256), _LEVELS),
    "gaussian": (Gaussian((1,), np.float32(0.01)), _LINE),
    "laplace": (Laplace((1,), np.float32(0.01)), _LINE),
    "gaussian-mixture": (GaussianMixture((1,), np.float32(0.01), num_components=3), _LINE),
    "categories": (CategoriesLikelihood((1,), 5, 0.1), np.arange(6.0)),
    "poisson": (Poisson((1,), library_size=False), _COUNTS),
    "negative-binomial": (NegativeBinomial((1,), library_size=False, dispersion="from-z"), _COUNTS),
}
DRAWS = 20_000
# The largest distance of an empirical distribution function: one right sampler in ten million goes beyond it.
LARGEST_DISTANCE = math.sqrt(-math.log(0.5e-7) / (2 * DRAWS))


def likelihoods(chosen: Mapping[str, tuple[AbstractLikelihood, np.ndarray]] = LIKELIHOODS) -> Iterator[Figure]:
    """Each sums or integrates to 1, and its draws follow it (Kolmogorov and Smirnov's distance, at random parameters)."""
    for name, (likelihood, grid) in chosen.items():
        raw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(likelihood.param_shape)
        masses, draws = _masses_and_draws(
            likelihood, jnp.asarray(raw, jnp.float32), jnp.asarray(grid, jnp.float32), jax.random.key(1)
        )
        width = 1.0 if likelihood.measure == "counting" else float(grid[1] - grid[0])
        masses = np.asarray(masses, np.float64) * width
        yield Figure(name, "total probability", float(masses.sum()), 1.0, 2e-4)
        # Half a cell above each point of the grid: between the levels, or at the ends of a density's cells.
        edges = grid + 0.5 * float(grid[1] - grid[0])
        below = np.searchsorted(np.sort(np.asarray(draws, np.float64).ravel()), edges) / DRAWS
        distance = float(np.abs(below - np.cumsum(masses)).max())
        yield Figure(name, f"distance of {DRAWS:,} draws from their distribution", distance, 0.0, LARGEST_DISTANCE)


@eqx.filter_jit
def _masses_and_draws(likelihood: AbstractLikelihood, raw: Array, grid: Array, key: Array) -> tuple[Array, Array]:
    with jax.numpy_dtype_promotion("standard"):
        distribution = likelihood.distribution(raw)
        log_masses = jax.vmap(lambda x: distribution.log_prob(jnp.full(likelihood.event_shape, x)))(grid)
        return jnp.exp(log_masses), jnp.asarray(distribution.sample(key, (DRAWS,)))


def flows() -> Iterator[Figure]:
    """The log-determinant of each flow's steps is that of the Jacobian that JAX finds; the inverse undoes the steps."""
    key = jax.random.key(2)
    families: dict[str, AbstractPosteriorFamily] = {
        "planar": Planar(LATENT_DIM, 2),
        "sylvester-householder": HouseholderSylvester(LATENT_DIM, 2, 2),
        "sylvester-orthogonal": OrthogonalSylvester(LATENT_DIM, 2, 2),
        "sylvester-triangular": TriangularSylvester(LATENT_DIM, 2),
        "inverse-autoregressive": InverseAutoregressive(LATENT_DIM, 2, 8, context_dim=3, key=key),
        "coupling-spline": CouplingSpline(LATENT_DIM, 2, 8, num_bins=4, context_dim=3, key=key),
    }
    for name, family in families.items():
        posterior = family.at(jax.random.normal(jax.random.key(3), family.param_shape))
        assert isinstance(posterior, Transformed)
        yield from flow(name, posterior)


def latent_densities() -> Iterator[Figure]:
    """Priors and posteriors draw what their densities say."""
    key = jax.random.key(7)
    mixture = MixtureOfGaussians(LATENT_DIM, 3, key=key).bind(lambda u, condition: StandardNormalDensity(LATENT_DIM), None)
    low_rank, planar = LowRankGaussian(LATENT_DIM, 1), Planar(LATENT_DIM, 2)
    densities: dict[str, AbstractLatentDensity] = {
        "prior mixture-of-gaussians": mixture,
        "posterior low-rank-gaussian": low_rank.at(jax.random.normal(key, low_rank.param_shape)),
        "posterior planar": planar.at(jax.random.normal(key, planar.param_shape)),
    }
    for name, density in densities.items():
        yield from draws_of(name, density.sample, density.log_prob)


def draws_of(name: str, sample: Callable[[Array], Array], log_prob: Callable[[Array], Array]) -> Iterator[Figure]:
    """E_q[r(z) / q(z)] = 1 for any normalised r where q is not 0: here a Gaussian half as wide as the draws, about their mean.

    It is off when q is not normalised, and when the draws are of another law.
    """
    draws, log_densities = _draws_and_densities(sample, log_prob, jax.random.split(jax.random.key(8), DRAWS))
    draws = np.asarray(draws, np.float64)
    centre, width = draws.mean(axis=0), 0.5 * draws.std(axis=0)
    log_target = -0.5 * (((draws - centre) / width) ** 2 + np.log(2 * np.pi * width**2)).sum(axis=1)
    weights = np.exp(log_target - np.asarray(log_densities, np.float64))
    mean, error = mean_and_error(weights)
    yield Figure(name, f"mean weight of {DRAWS:,} draws towards a narrower law", mean, 1.0, STANDARD_ERRORS * error)


@eqx.filter_jit
def _draws_and_densities(
    sample: Callable[[Array], Array], log_prob: Callable[[Array], Array], keys: Array
) -> tuple[Array, Array]:
    draws = jax.vmap(sample)(keys)
    return draws, jax.vmap(log_prob)(draws)


def flow(name: str, posterior: Transformed) -> Iterator[Figure]:
    """One flow, at five points."""
    points = jax.random.normal(jax.random.key(4), (5, LATENT_DIM))
    log_dets, jacobians, back = (np.asarray(each, np.float64) for each in _walk(posterior, points))
    error = np.abs(log_dets - np.linalg.slogdet(jacobians)[1]).max()
    yield Figure(name, "log-determinant less that of the Jacobian, largest error", float(error), 0.0, 1e-4, "nats")
    yield Figure(name, "inverse of forward less the identity, largest error", float(np.abs(back - points).max()), 0.0, 1e-3)


@eqx.filter_jit
def _walk(posterior: Transformed, points: Float[Array, "n latent"]) -> tuple[Array, Array, Array]:
    def forward(z: Array) -> tuple[Array, Array]:
        total = jnp.float32(0)
        for step in posterior.steps:
            z, log_det = step.forward_and_log_det(z, posterior.context)
            total = total + log_det
        return z, total

    def one(z: Array) -> tuple[Array, Array, Array]:
        moved, log_det = forward(z)
        for step in reversed(posterior.steps):
            moved, _ = step.inverse_and_log_det(moved, posterior.context)
        return log_det, jax.jacfwd(lambda z: forward(z)[0])(z), moved

    return jax.vmap(one)(points)


def divergences() -> Iterator[Figure]:
    """KL(q || N(0, I)) in closed form, and as the mean of log q - log p over draws."""
    prior = StandardNormalDensity(LATENT_DIM)
    for name, family in {
        "diagonal-gaussian": DiagonalGaussian(LATENT_DIM),
        "low-rank-gaussian": LowRankGaussian(LATENT_DIM, 1),
        "full-gaussian": FullGaussian(LATENT_DIM),
    }.items():
        posterior = family.at(jax.random.normal(jax.random.key(5), family.param_shape))
        closed, ratios = _closed_and_ratios(posterior, prior, jax.random.split(jax.random.key(6), DRAWS))
        mean, error = mean_and_error(np.asarray(ratios, np.float64))
        tolerance = STANDARD_ERRORS * error
        yield Figure(name, f"KL in closed form, beside {DRAWS:,} draws", float(closed), mean, tolerance, "nats")


def laws_by_hand() -> Iterator[Figure]:
    """A mixture of posteriors, a KL on the sphere and the masses of a coloured pixel, by SciPy."""
    raw, z = np.random.default_rng(9).standard_normal((2, 2, 3)), np.array([0.3, -0.5, 1.0])
    family = DiagonalGaussian(3)
    mixture = VampPrior(3, jnp.asarray(raw, jnp.float32)).bind(lambda u, condition: family.at(u), None)
    found = eqx.filter_jit(mixture.log_prob)(jnp.asarray(z, jnp.float32))
    each = scipy.stats.norm.logpdf(z, raw[:, 0], np.exp(raw[:, 1] / 2)).sum(axis=1)
    truth = math.log(np.exp(each).mean())
    yield Figure("prior vamp of two pseudo-inputs", "log-density", float(found), truth, 1e-4, "nats")
    posterior = VonMisesFisher(3).at(jnp.array([1.0, -2.0, 0.5, 1.5]))
    kappa, divergence = float(posterior.concentration), kl(posterior, SphericalUniformDensity(3))
    truth = kappa / math.tanh(kappa) - 1 + math.log(kappa / math.sinh(kappa))
    closed = math.nan if divergence is None else float(divergence)
    yield Figure("von-mises-fisher on the sphere in three dimensions", "KL to the uniform", closed, truth, 1e-4, "nats")
    loc, scale, pairs = np.array([0.3, 0.5, 0.6]), np.array([0.1, 0.2, 0.15]), np.array([0.5, -0.3, 0.4])
    pixel = np.array([2.0, 5.0, 1.0]) / 7
    arrays = (np.zeros((1, 1, 1)), *(each.reshape(1, 1, 1, 3) for each in (loc, scale, pairs)))
    law = ColourLogisticMixture(*(jnp.asarray(each, jnp.float32) for each in arrays), Lattice(0.0, 1.0, 8))
    found = law.log_prob(jnp.asarray(pixel.reshape(1, 1, 3), jnp.float32)).sum()
    red, green = pixel[:2] - 0.5
    centres = loc + np.array([0.0, pairs[0] * red, pairs[1] * red + pairs[2] * green])
    ends = [scipy.stats.logistic.cdf(pixel + half, centres, scale) for half in (1 / 14, -1 / 14)]
    yield Figure(
        "a pixel of three colours", "log-probability", float(found), float(np.log(ends[0] - ends[1]).sum()), 1e-4, "nats"
    )


@eqx.filter_jit
def _closed_and_ratios(posterior: AbstractPosterior, prior: AbstractLatentDensity, keys: Array) -> tuple[Array, Array]:
    def ratio(key: Array) -> Array:
        z, log_posterior = posterior.sample_and_log_prob(key)
        return log_posterior - prior.log_prob(z)

    closed = kl(posterior, prior)
    return jnp.asarray(jnp.nan if closed is None else closed.sum()), jax.vmap(ratio)(keys)
