"""The evidence log p(x) by annealed importance sampling: from a density that can be drawn from, in small steps, to p(x, z)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Num, PRNGKeyArray

from ..data.examples import Examples
from ..errors import ConfigurationError
from ..likelihoods import Measure
from ..models import AbstractLatentVariableModel
from .estimates import NATS, Estimate, mean_and_error, monte_carlo_error
from .hamiltonian import transition
from .latents import check_condition

Condition = Float[Array, " condition"] | None
# Wu et al. (2017) take the same; at it few gradients are wasted on refused moves.
WANTED_ACCEPTANCE = 0.65
FIRST_STEP_SIZE, ADAPTATION, PILOT_CHAINS = 0.1, 0.1, 2
# Where the chains of an example weigh as much as at least half of them would alike, doubling T changes little.
AGREEING_SHARE = 0.5
# Chains in flight at once.
ROWS = 512
SIGMOID_REACH = 4.0


@dataclasses.dataclass(frozen=True)
class Annealing:
    """How finely to anneal.

    - `num_temperatures`: T, steps from the start to p(x, z). `num_chains`: chains for each example.
    - `num_leapfrog`: leapfrog steps in each transition.
    - `start`: "prior" (p(z) p(x|z)^beta, as is usual) or "posterior" (q(z|x)^(1 - beta) p(x, z)^beta, which has less far to go
      where the encoder is good).

    Raises `ConfigurationError` for numbers that cannot be.
    """

    num_temperatures: int = 500
    num_chains: int = 8
    num_leapfrog: int = 10
    start: str = "prior"

    def __post_init__(self) -> None:
        for name in ("num_temperatures", "num_chains", "num_leapfrog"):
            if getattr(self, name) < 1:
                raise ConfigurationError(
                    f"annealing: {name} is {getattr(self, name)}; it must be a whole number from 1 up, for example "
                    f"{getattr(type(self), name)}."
                )
        if self.start not in ("prior", "posterior"):
            raise ConfigurationError(f"annealing: start is {self.start!r}; it must be 'prior' or 'posterior'.")

    @property
    def temperatures(self) -> np.ndarray:
        """0 = beta_0 < ... < beta_T = 1, close together at both ends (Wu et al. 2017, arXiv 1611.04273, section 5)."""
        steps = np.linspace(-SIGMOID_REACH, SIGMOID_REACH, self.num_temperatures + 1)
        values = 1 / (1 + np.exp(-steps))
        return ((values - values[0]) / (values[-1] - values[0])).astype(np.float32)


class AnnealedEstimate(NamedTuple):
    """One row an example. `log_weights`: of each chain, in nats, NaN and infinities as they came.

    `acceptance`: the mean probability with which moves were accepted. `step_sizes`: of the leapfrog at each temperature.
    """

    log_weights: Float[Array | np.ndarray, "examples chains"]
    acceptance: Float[Array | np.ndarray, " examples"]
    step_sizes: Float[Array | np.ndarray, "examples temperatures"]

    @property
    def not_finite(self) -> int:
        """How many weights are not finite."""
        return int((~np.isfinite(self.log_weights)).sum())

    @property
    def log_mean_weight(self) -> np.ndarray:
        """log (1/C) sum_c w_c of each example; a weight that is not finite counts as 0."""
        weights = np.asarray(self.log_weights, np.float64)
        return np.logaddexp.reduce(np.where(np.isfinite(weights), weights, -np.inf), axis=1) - np.log(weights.shape[1])

    @property
    def effective_sample_size(self) -> np.ndarray:
        """(sum w)^2 / sum w^2 of each example's chains."""
        weights = np.asarray(self.log_weights, np.float64)
        weights = np.where(np.isfinite(weights), weights, -np.inf)
        return np.exp(2 * np.logaddexp.reduce(weights, axis=1) - np.logaddexp.reduce(2 * weights, axis=1))


def anneal(
    model: AbstractLatentVariableModel,
    data: Examples | np.ndarray,
    annealing: Annealing | None = None,
    *,
    exact: np.ndarray | None = None,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> AnnealedEstimate:
    r"""Annealed importance weights of each example (Neal 2001, Annealed Importance Sampling, section 2).

        f_t(z) = r(z)^(1 - beta_t) p(x, z)^beta_t,   w = prod_{t=1..T} f_t(z_{t-1}) / f_{t-1}(z_{t-1}),   z_t ~ HMC that keeps f_t

    with z_0 ~ r, the prior or the posterior. E[w] = p(x), so the mean of log w, and the log of a mean of w, are lower bounds in
    expectation. The step sizes are found beforehand, by other chains of the same example, so that the weights' own chains do not
    adapt and E[w] = p(x) holds.

    - `exact`: (n, latent_dim), one draw of p(z|x) for each example, known where x was simulated from the model. Then the
      chains run backward from it, and E[w] = 1 / p(x): minus the log of their mean is an upper bound (Grosse et al. 2015).

    Raises `ConfigurationError` when the model has no density, its latents do not live in R^latent_dim, or its condition is
    missing.
    """
    annealing = Annealing() if annealing is None else annealing
    check_can_anneal(model)
    data = Examples.of(data)
    check_condition(model, data.condition)
    size = max(1, ROWS // annealing.num_chains)
    parts: list[AnnealedEstimate] = []
    keys = jax.random.split(jax.random.key(seed), len(data))
    # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
    with jax.default_matmul_precision("highest"):
        for first in range(0, len(data), size):
            index = np.arange(first, first + size) % len(data)
            rows = jax.tree.map(jnp.asarray, data[index])
            ends = None if exact is None else jnp.asarray(exact[index], jnp.float32)
            found = _anneal_batch(model, rows, ends, keys[index], jnp.asarray(annealing.temperatures), annealing)
            kept = min(size, len(data) - first)
            parts.append(AnnealedEstimate(*(np.asarray(column)[:kept] for column in found)))
            on_progress(first + kept)
    return AnnealedEstimate(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def annealed_estimate(found: AnnealedEstimate, annealing: Annealing, measure: Measure) -> Estimate:
    """The mean log-evidence as a record; its verdict asks whether the chains of an example agree."""
    value, error = mean_and_error(found.log_mean_weight)
    chains, effective = annealing.num_chains, found.effective_sample_size
    median = float(np.median(effective))
    is_enough = chains > 1 and median >= AGREEING_SHARE * chains and not found.not_finite
    fine = f"{annealing.num_temperatures:,} temperatures"
    agreement = f"effective number of chains {median:.3g} of {chains} (median)"
    lost = f" {found.not_finite:,} weights were not finite: they count as 0." if found.not_finite else ""
    if chains == 1:
        verdict = f"One chain shows nothing of its own error: take several, for example --chains 8.{lost}"
    elif is_enough:
        verdict = f"{fine} are enough: {agreement}. --method bdmc shows the same from both sides, on the model's own examples."
    else:
        verdict = (
            f"{fine} are not enough: {agreement}. Take more, for example --temperatures {4 * annealing.num_temperatures}.{lost}"
        )
    return Estimate(
        name="log_evidence_nats",
        value=value,
        unit=NATS,
        measure=measure,
        method=f"annealed importance sampling from the {annealing.start}, {fine}, {chains} chains",
        num_examples=len(effective),
        num_samples=chains,
        standard_error=error,
        monte_carlo_error=monte_carlo_error(effective, chains),
        effective_sample_size=median,
        smallest_effective_sample_size=float(effective.min()),
        not_finite_weights=found.not_finite,
        is_enough=is_enough,
        verdict=verdict,
    )


def check_can_anneal(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` when Hamiltonian transitions make no sense for the model."""
    if not model.has_density:
        raise ConfigurationError(
            "this model is a deterministic autoencoder: it defines no log p(x), so there is nothing to anneal to. Train with "
            "posterior.name=diagonal-gaussian and objective.name=elbo for a likelihood."
        )
    if model.space != "euclidean":
        raise ConfigurationError(
            "the latents of this model live on a sphere, where these Hamiltonian transitions do not stay. Use importance "
            "sampling (lowerbound evaluate RUN --method importance), with more samples where its verdict asks for them."
        )


@eqx.filter_jit
def _anneal_batch(
    model: AbstractLatentVariableModel,
    batch: Examples,
    exact: Float[Array, "batch latent"] | None,
    keys: Key[Array, " batch"],
    temperatures: Float[Array, " temperatures"],
    annealing: Annealing,
) -> AnnealedEstimate:
    def one(x: Num[Array, "..."], condition: Condition, end: Array | None, key: PRNGKeyArray) -> AnnealedEstimate:
        densities = _Path.of(model, x, condition, annealing.start)
        pilot_key, key = jax.random.split(key)
        pilot = jax.random.split(pilot_key, min(PILOT_CHAINS, annealing.num_chains))
        step_sizes = _find_step_sizes(densities, temperatures, annealing.num_leapfrog, pilot)
        chains = jax.random.split(key, annealing.num_chains)
        if end is None:
            run = jax.vmap(lambda key: _forward(densities, temperatures, step_sizes, annealing.num_leapfrog, key))
        else:
            run = jax.vmap(lambda key: _backward(densities, end, temperatures, step_sizes, annealing.num_leapfrog, key))
        log_weights, acceptance = run(chains)
        return AnnealedEstimate(log_weights, acceptance.mean(), step_sizes)

    return jax.vmap(one)(*batch.arrays, exact, keys)


class _Path(NamedTuple):
    """The densities between the start r(z) and p(x, z), for one example."""

    draw: Callable[[PRNGKeyArray], Float[Array, " latent"]]
    log_start: Callable[[Float[Array, " latent"]], Float[Array, ""]]
    log_end: Callable[[Float[Array, " latent"]], Float[Array, ""]]

    @classmethod
    def of(cls, model: AbstractLatentVariableModel, x: Num[Array, "..."], condition: Condition, start: str) -> _Path:
        def log_end(z: Array) -> Array:
            return model.log_likelihood(x, z, condition) + model.log_prior(z, condition)

        if start == "posterior":
            posterior = model.encode(x, condition)
            return cls(posterior.sample, posterior.log_prob, log_end)
        return cls(lambda key: model.sample_latent(key, condition), lambda z: model.log_prior(z, condition), log_end)

    def at(self, beta: Float[Array, ""]) -> Callable[[Float[Array, " latent"]], Float[Array, ""]]:
        """log f of this inverse temperature."""
        return lambda z: (1 - beta) * self.log_start(z) + beta * self.log_end(z)

    def log_ratio(self, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log p(x, z) - log r(z): what each step's share of beta multiplies."""
        return self.log_end(z) - self.log_start(z)


def _find_step_sizes(
    path: _Path, temperatures: Array, num_leapfrog: int, keys: Key[Array, " chains"]
) -> Float[Array, " temperatures"]:
    """Step sizes at which about `WANTED_ACCEPTANCE` of the moves of some chains are accepted, temperature by temperature."""
    first_keys, keys = jax.vmap(lambda key: tuple(jax.random.split(key)))(keys)

    def step(state: tuple[Array, Array], row: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        z, log_size = state
        number, beta = row
        size = jnp.exp(log_size)
        move_keys = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
        z, probability = jax.vmap(lambda z, key: transition(path.at(beta), z, size, num_leapfrog, key))(z, move_keys)
        return (z, log_size + ADAPTATION * (probability.mean() - WANTED_ACCEPTANCE)), size

    start = (jax.vmap(path.draw)(first_keys), jnp.log(jnp.float32(FIRST_STEP_SIZE)))
    return jax.lax.scan(step, start, (jnp.arange(len(temperatures) - 1), temperatures[1:]))[1]


def _forward(
    path: _Path, temperatures: Array, step_sizes: Array, num_leapfrog: int, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    first_key, key = jax.random.split(key)

    def step(state: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        z, log_weight = state
        number, before, beta, size = row
        log_weight = log_weight + (beta - before) * path.log_ratio(z)
        z, probability = transition(path.at(beta), z, size, num_leapfrog, jax.random.fold_in(key, number))
        return (z, log_weight), probability

    rows = (jnp.arange(len(step_sizes)), temperatures[:-1], temperatures[1:], step_sizes)
    (_, log_weight), probabilities = jax.lax.scan(step, (path.draw(first_key), jnp.float32(0)), rows)
    return log_weight, probabilities.mean()


def _backward(
    path: _Path, z: Float[Array, " latent"], temperatures: Array, step_sizes: Array, num_leapfrog: int, key: PRNGKeyArray
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The forward chain turned round: each reversible move first, then the step down in beta."""

    def step(state: tuple[Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Array, Array], Array]:
        z, log_weight = state
        number, before, beta, size = row
        z, probability = transition(path.at(beta), z, size, num_leapfrog, jax.random.fold_in(key, number))
        return (z, log_weight - (beta - before) * path.log_ratio(z)), probability

    rows = (jnp.arange(len(step_sizes)), temperatures[:-1], temperatures[1:], step_sizes)
    (_, log_weight), probabilities = jax.lax.scan(step, (z, jnp.float32(0)), rows, reverse=True)
    return log_weight, probabilities.mean()
