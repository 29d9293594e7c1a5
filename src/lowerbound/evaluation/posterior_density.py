"""The evidence log p(x) of a model of a few latents from draws of p(z|x) and a density fitted to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..config.rules import COUNT, check_fields
from ..data.examples import Example
from ..densities import FullGaussianDensity
from ..densities.diagonal_gaussian import DiagonalGaussianDensity
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..sampling.hamiltonian import Place, place_at, transition
from ..sampling.step_size import tuned
from .annealing import check_euclidean, check_weights
from .estimates import Estimate, evidence_record, median
from .latents import check_condition, check_density, full_batches

# Beyond it no density fitted to so few draws is near p(z|x) (Kingma and Welling 2014, appendix D).
MOST_LATENTS = 4
# Chains that find the step size and give the draws to fit to, and as many that give the fresh ones.
CHAINS = 5
FIRST_STEP_SIZE, GAIN = 0.1, 0.5
# Each move takes a step of its own about the tuned one: with one size for all, four steps can lead back to where they began.
JITTER = 0.2
# Where the fresh draws weigh as much as at least half of them would alike, the fit is near enough to p(z|x).
AGREEING_SHARE = 0.5
# Chains in flight at once.
ROWS = 512


@dataclasses.dataclass(frozen=True)
class PosteriorDensity:
    """How to draw from p(z|x); `num_samples` and `num_leapfrog` are those of Kingma and Welling (2014, appendix E).

    - `num_samples`: L, draws of p(z|x) to fit a density to, and as many fresh ones; five chains share them, so that it is
      rounded up to a multiple of five.
    - `num_leapfrog`: leapfrog steps in each move. `num_warmup`: moves of each chain before its draws count, in which the step
      size is tuned to 90 % acceptance.

    Raises `ConfigurationError` for numbers that cannot be.
    """

    num_samples: int = 50
    num_leapfrog: int = 4
    num_warmup: int = 100

    def __post_init__(self) -> None:
        check_fields(self, num_samples=COUNT, num_leapfrog=COUNT, num_warmup=COUNT)

    @property
    def draws_per_chain(self) -> int:
        """L / 5, rounded up."""
        return -(-self.num_samples // CHAINS)


class HarmonicEstimate(NamedTuple):
    """One row an example. `log_ratios`: log q(z_l) - log p(x, z_l) of each fresh draw, in nats, NaN and infinities as they came.

    `acceptance`: the mean probability with which moves were accepted after the warm-up. `step_size`: of the leapfrog, as tuned.
    `weight`: how many examples each stands for, None where each counts as one.
    """

    log_ratios: Float[Array | np.ndarray, "examples chains draws"]
    acceptance: Float[Array | np.ndarray, " examples"]
    step_size: Float[Array | np.ndarray, " examples"]
    weight: Float[np.ndarray, " examples"] | None = None

    @property
    def counted(self) -> HarmonicEstimate:
        """The rows of examples that weigh something."""
        if self.weight is None:
            return self
        weight = np.asarray(self.weight, np.float64)
        ratios, acceptance, step_size = (np.asarray(column)[weight > 0] for column in self[:3])
        return HarmonicEstimate(ratios, acceptance, step_size, weight[weight > 0])

    @property
    def not_finite(self) -> int:
        """How many ratios are not finite; a z that has none is no draw of p(z|x), and is left out."""
        return int((~np.isfinite(self.log_ratios)).sum())

    @property
    def log_evidence(self) -> np.ndarray:
        """-log (1/L) sum_l q(z_l) / p(x, z_l) of each example; NaN where no draw has a ratio."""
        total, count = self._sums((1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.log(count) - total

    @property
    def effective_sample_size(self) -> np.ndarray:
        """Of each example: L_e with 1/L_e = 1/L + (relative variance of the mean ratio), the latter from the spread of the
        independent chains' means, in which each chain's draws may depend on each other.

        Of draws that do not, it is (sum w)^2 / sum w^2 in expectation.
        """
        (chain, draws), (total, count) = self._sums(2), self._sums((1, 2))
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.exp(chain - np.log(draws) - (total - np.log(count))[:, None])
            relative = share.var(axis=1, ddof=1) / share.shape[1]
            return 1 / (relative + 1 / count)

    def _sums(self, axis: int | tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """(log of the sum of the ratios that are finite, how many they are)."""
        ratios = np.asarray(self.log_ratios, np.float64)
        is_finite = np.isfinite(ratios)
        return np.logaddexp.reduce(np.where(is_finite, ratios, -np.inf), axis=axis), is_finite.sum(axis=axis)


def harmonic_evidence(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    settings: PosteriorDensity | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> HarmonicEstimate:
    r"""The evidence of each example by a density fitted to draws of p(z|x) (Kingma and Welling 2014, appendix D).

        1 / p(x) = E_{p(z|x)}[ q(z) / (p(z) p(x|z)) ]   for any q(z) with \int q(z) dz = 1 where p(z|x) > 0
        log p(x) ~ -log (1/L) sum_{l=1..L} q(z_l) / (p(z_l) p(x|z_l)),   z_l ~ p(z|x)

    The draws are those of Hamiltonian chains that start at the encoder's q(z|x). q is a Gaussian with the mean of one half of
    the chains' draws, and with their covariance S, shrunk to its diagonal so that it is one however few they are:

        C = (L S + (J + 1) diag S) / (L + J + 1)

    The z_l are the draws of the other half of the chains, which took no part in the fit nor in the tuning of the step size. The
    draws of an example derive from (seed, its position in `data`) alone.

    What it gives is no bound. By Jensen's inequality it is log p(x) or more in expectation where the chains draw from p(z|x)
    itself; they do so only in the limit, and where they miss a part of p(z|x) it is too low by minus the log of the share
    that they see. Where q has heavier tails than p(z|x), its variance may be infinite. Five latents and more are refused.

    Raises `ConfigurationError` when the model has no density or more than four latents, when they do not live in R^latent_dim,
    or its condition is missing.
    """
    settings = PosteriorDensity() if settings is None else settings
    check_can_fit_posterior(model)
    data = Example.of(data)
    model.check_observed(data)
    check_condition(model, data.condition)
    root = jax.random.key(seed)
    parts: list[list[np.ndarray]] = []
    # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
    with jax.default_matmul_precision("highest"):
        for index, kept in full_batches(len(data), ROWS // (2 * CHAINS)):
            found = _ratios(model, data[index].on_device(), jnp.asarray(index), root, settings)
            parts.append([np.asarray(column)[:kept] for column in found[:3]])
            on_progress(int(index[0]) + kept)
    log_ratios, acceptance, step_size = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return HarmonicEstimate(log_ratios, acceptance, step_size, data.weight)


def harmonic_record(found: HarmonicEstimate, settings: PosteriorDensity, model: AbstractLatentVariableModel) -> Estimate:
    """The mean log-evidence as a record; its verdict asks whether the draws of an example agree."""
    found = found.counted
    weight = found.weight
    number, effective = CHAINS * settings.draws_per_chain, found.effective_sample_size
    middle, not_finite = median(effective, weight), found.not_finite
    is_enough = middle >= AGREEING_SHARE * number and not not_finite
    agreement = f"effective sample size {middle:.3g} of {number:,} (median)"
    lost = f" {not_finite:,} draws have no finite p(x, z) and are left out." if not_finite else ""
    no_bound = " The number is no bound: it is too low where the chains miss a part of p(z|x), too high where the draws are few."
    if is_enough:
        verdict = f"{number:,} draws of p(z|x) are enough: {agreement}.{no_bound}"
    else:
        verdict = (
            f"{number:,} draws of p(z|x) are not enough: {agreement}. Take more, for example --samples {4 * number}, or "
            f"importance sampling.{lost}{no_bound}"
        )
    method = f"posterior density: a Gaussian fitted to draws of p(z|x), harmonic mean over {number:,} fresh draws"
    return evidence_record(found.log_evidence, effective, number, not_finite, weight, model, method, (is_enough, verdict))


def check_can_fit_posterior(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` where a density fitted to a few draws of p(z|x) would not be near it."""
    check_density(model, "p(z|x) to draw from")
    check_euclidean(model)
    check_weights(model, "a density of z is fitted to draws of")
    if model.latent_dim > MOST_LATENTS:
        raise ConfigurationError(
            f"this model has {model.latent_dim} latents, and a density that is fitted to draws of p(z|x) is near it in at most "
            f"{MOST_LATENTS}: beyond, the harmonic mean rests on a few draws and is far too high. Use importance sampling "
            "(lowerbound evaluate RUN --method importance) or annealing (--method ais), which work for any number."
        )


@eqx.filter_jit
def _ratios(
    model: AbstractLatentVariableModel, batch: Example, index: Array, root: PRNGKeyArray, settings: PosteriorDensity
) -> HarmonicEstimate:
    def one(example: Example, number: Array) -> HarmonicEstimate:
        def log_joint(z: Float[Array, " latent"]) -> Float[Array, ""]:
            return model.log_likelihood(example, z) + model.log_prior(z, example.condition)

        posterior = model.encode(example)
        # The first half finds the step size and q, the other gives the ratios.
        draw_keys, move_keys = jax.random.split(jax.random.fold_in(root, number), (2, 2 * CHAINS))

        def move(places: Place, log_size: Array, which: Array) -> tuple[Place, Float[Array, " chains"]]:
            def of_chain(place: Place, key: PRNGKeyArray) -> tuple[Place, Array]:
                size_key, move_key = jax.random.split(jax.random.fold_in(key, which))
                size = jnp.exp(log_size) * jax.random.uniform(size_key, minval=1 - JITTER, maxval=1 + JITTER)
                return transition((log_joint,), jnp.ones(1), place, size, settings.num_leapfrog, move_key)

            return jax.vmap(of_chain)(places, move_keys)

        def step(state: tuple[Place, Array], which: Array) -> tuple[tuple[Place, Array], tuple[Array, Array, Array]]:
            places, log_size = state
            places, acceptance = move(places, log_size, which)
            log_size = jnp.where(which < warm, tuned(log_size, acceptance[:CHAINS].mean(), GAIN), log_size)
            return (places, log_size), (places.z, places.logs[:, 0], acceptance.mean())

        warm = settings.num_warmup
        start = (
            jax.vmap(lambda key: place_at((log_joint,), posterior.sample(key)))(draw_keys),
            jnp.log(jnp.float32(FIRST_STEP_SIZE)),
        )
        # One program for the warm-up and the draws, which takes half as long to compile as two.
        (_, log_size), every = jax.lax.scan(step, start, jnp.arange(warm + settings.draws_per_chain))
        z, log_joints, acceptance = (column[warm:] for column in every)
        fitted = fitted_gaussian(z[:, :CHAINS].reshape(-1, z.shape[-1]))
        log_q = jax.vmap(jax.vmap(fitted.log_prob))(z[:, CHAINS:])
        return HarmonicEstimate((log_q - log_joints[:, CHAINS:]).T, acceptance.mean(), jnp.exp(log_size))

    return jax.vmap(one)(batch, index)


def fitted_gaussian(z: Float[Array, "draws latent"]) -> FullGaussianDensity:
    """N(mean, C), C = (L S + (J + 1) diag S) / (L + J + 1): the draws' covariance S, shrunk to its diagonal."""
    count, latent = z.shape
    mean, variance = z.mean(axis=0), z.var(axis=0, ddof=1)
    whitened = (z - mean) / jnp.sqrt(variance)
    correlation = (whitened.T @ whitened) / (count - 1)
    shrunk = (count * correlation + (latent + 1) * jnp.eye(latent)) / (count + latent + 1)
    factor = jnp.linalg.cholesky(shrunk)
    scale = jnp.sqrt(variance) * jnp.diag(factor)
    return FullGaussianDensity(DiagonalGaussianDensity(mean, 2 * jnp.log(scale)), factor / jnp.diag(factor)[:, None])
