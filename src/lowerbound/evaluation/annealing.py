"""The evidence log p(x) by annealed importance sampling: from a density that can be drawn from, in small steps, to p(x, z)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PRNGKeyArray

from ..config.rules import COUNT, OneOf, check_fields
from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..sampling.hamiltonian import LogDensity, Place, place_at, transition
from ..sampling.step_size import tuned
from ..storage.memory import check_number_fits
from .estimates import Estimate, evidence_record, median
from .latents import check_condition, check_density, full_batches

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
        check_fields(self, num_temperatures=COUNT, num_chains=COUNT, num_leapfrog=COUNT, start=OneOf(("prior", "posterior")))

    @property
    def temperatures(self) -> np.ndarray:
        """0 = beta_0 < ... < beta_T = 1, close together at both ends (Wu et al. 2017, arXiv 1611.04273, section 5)."""
        steps = np.linspace(-SIGMOID_REACH, SIGMOID_REACH, self.num_temperatures + 1)
        values = 1 / (1 + np.exp(-steps))
        return ((values - values[0]) / (values[-1] - values[0])).astype(np.float32)


class AnnealedEstimate(NamedTuple):
    """One row an example. `log_weights`: of each chain, in nats, NaN and infinities as they came.

    `acceptance`: the mean probability with which moves were accepted. `step_sizes`: of the leapfrog at each temperature.
    `weight`: how many examples each stands for, None where each counts as one.
    """

    log_weights: Float[Array | np.ndarray, "examples chains"]
    acceptance: Float[Array | np.ndarray, " examples"]
    step_sizes: Float[Array | np.ndarray, "examples steps"]
    weight: Float[np.ndarray, " examples"] | None = None

    @property
    def counted(self) -> AnnealedEstimate:
        """The rows of examples that weigh something."""
        if self.weight is None:
            return self
        weight = np.asarray(self.weight, np.float64)
        log_weights, acceptance, step_sizes = (np.asarray(column)[weight > 0] for column in self[:3])
        return AnnealedEstimate(log_weights, acceptance, step_sizes, weight[weight > 0])

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
    data: Example | np.ndarray,
    annealing: Annealing | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> AnnealedEstimate:
    r"""Annealed importance weights of each example (Neal 2001, Annealed Importance Sampling, section 2).

        f_t(z) = r(z)^(1 - beta_t) p(x, z)^beta_t,   w = prod_{t=1..T} f_t(z_{t-1}) / f_{t-1}(z_{t-1}),   z_t ~ HMC that keeps f_t

    with z_0 ~ r, the prior or the posterior. E[w] = p(x), so the mean of log w, and the log of a mean of w, are lower bounds in
    expectation. The step sizes are found on the way by other chains of the same example, so that the weights' own chains do not
    adapt and E[w] = p(x) holds.

    Raises `ConfigurationError` when the model has no density, its latents do not live in R^latent_dim, or its condition is
    missing.
    """
    annealing = Annealing() if annealing is None else annealing

    def batch(rows: Example, index: np.ndarray, keys: Array, temperatures: Array) -> AnnealedEstimate:
        return _forward(model, rows, keys, temperatures, annealing)

    return _in_batches(model, data, annealing, batch, seed, on_progress)


def anneal_back(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    exact: Float[np.ndarray, "examples latent"],
    step_sizes: Float[np.ndarray, "examples steps"],
    annealing: Annealing | None = None,
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda examples: None,
) -> AnnealedEstimate:
    r"""The same chains turned round: they start from exact draws of p(z|x), known where x was simulated from the model.

        E[w] = 1 / p(x),   w = prod_{t=T..1} f_{t-1}(z_{t-1}) / f_t(z_{t-1}),   z_{t-1} ~ HMC that keeps f_t, from z_t

    so that minus the log of a mean of w is an upper bound in expectation (Grosse et al. 2015, arXiv 1511.02543, section 4).

    - `exact`: one draw for each example. `step_sizes`: those that `anneal` found for the examples.

    Raises `ConfigurationError` as `anneal` does.
    """
    annealing = Annealing() if annealing is None else annealing

    def batch(rows: Example, index: np.ndarray, keys: Array, temperatures: Array) -> AnnealedEstimate:
        ends, sizes = (jnp.asarray(each[index], jnp.float32) for each in (exact, step_sizes))
        return _backward(model, rows, ends, sizes, keys, temperatures, annealing)

    return _in_batches(model, data, annealing, batch, seed, on_progress)


def annealed_estimate(found: AnnealedEstimate, annealing: Annealing, model: AbstractLatentVariableModel) -> Estimate:
    """The mean log-evidence as a record; its verdict asks whether the chains of an example agree."""
    found = found.counted
    chains, effective = annealing.num_chains, found.effective_sample_size
    middle = median(effective, found.weight)
    is_enough = chains > 1 and middle >= AGREEING_SHARE * chains and not found.not_finite
    fine = f"{annealing.num_temperatures:,} temperatures"
    agreement = f"effective number of chains {middle:.3g} of {chains} (median)"
    lost = f" {found.not_finite:,} weights were not finite: they count as 0." if found.not_finite else ""
    if chains == 1:
        verdict = f"One chain shows nothing of its own error: take several, for example --chains 8.{lost}"
    elif is_enough:
        verdict = f"{fine} are enough: {agreement}. --method bdmc shows the same from both sides, on the model's own examples."
    else:
        verdict = (
            f"{fine} are not enough: {agreement}. Take more, for example --temperatures {4 * annealing.num_temperatures}.{lost}"
        )
    method = f"annealed importance sampling from the {annealing.start}, {fine}, {chains} chains"
    judged = is_enough, verdict
    return evidence_record(found.log_mean_weight, effective, chains, found.not_finite, found.weight, model, method, judged)


def check_can_anneal(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` when Hamiltonian transitions make no sense for the model."""
    check_density(model, "law to anneal to")
    check_euclidean(model)
    check_weights(model, "annealing moves")


def check_euclidean(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` when Hamiltonian transitions would leave the space in which the model's latents live."""
    if model.space != "euclidean":
        raise ConfigurationError(
            "the latents of this model live on a sphere, where these Hamiltonian transitions do not stay. Use importance "
            "sampling (lowerbound evaluate RUN --method importance), with more samples where its verdict asks for them."
        )


def check_weights(model: AbstractLatentVariableModel, what: str) -> None:
    """Raise `ConfigurationError` where the model's weights are random, and `what` ("annealing moves") z alone."""
    if model.weights_kl is not None:
        raise ConfigurationError(
            f"the weights of this model's decoder are random, and {what} z alone. Use importance sampling, which draws both "
            "(lowerbound evaluate RUN --method importance)."
        )


def _in_batches(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    annealing: Annealing,
    batch: Callable[[Example, np.ndarray, Array, Array], AnnealedEstimate],
    seed: int,
    on_progress: Callable[[int], None],
) -> AnnealedEstimate:
    check_can_anneal(model)
    data = Example.of(data)
    model.check_observed(data)
    check_condition(model, data.condition)
    size = max(1, ROWS // (annealing.num_chains + PILOT_CHAINS))
    check_number_fits("num_temperatures", annealing.num_temperatures, 40 + 8 * size, "temperatures")
    of_chain = 16 * (model.latent_dim + model.outputs_per_example)
    check_number_fits("num_chains", annealing.num_chains, of_chain, "chains of an example")
    parts: list[list[np.ndarray]] = []
    keys = jax.random.split(jax.random.key(seed), len(data))
    temperatures = jnp.asarray(annealing.temperatures)
    # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
    with jax.default_matmul_precision("highest"):
        for index, kept in full_batches(len(data), size):
            found = batch(data[index].on_device(), index, keys[index], temperatures)
            parts.append([np.asarray(column)[:kept] for column in found[:3]])
            on_progress(int(index[0]) + kept)
    log_weights, acceptance, step_sizes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return AnnealedEstimate(log_weights, acceptance, step_sizes, data.weight)


@eqx.filter_jit
def _forward(
    model: AbstractLatentVariableModel,
    batch: Example,
    keys: Key[Array, " batch"],
    temperatures: Float[Array, " temperatures"],
    annealing: Annealing,
) -> AnnealedEstimate:
    def one(example: Example, key: PRNGKeyArray) -> AnnealedEstimate:
        path = _Path.of(model, example, annealing.start)
        # The first few find the step sizes, the others give the weights.
        draw_keys, move_keys = jax.random.split(key, (2, PILOT_CHAINS + annealing.num_chains))

        def step(state: tuple[Place, Array, Array], row: tuple[Array, ...]) -> tuple[tuple[Place, Array, Array], Any]:
            places, log_weights, log_size = state
            number, before, beta = row
            log_weights = log_weights + (beta - before) * path.log_ratio(places)
            places, probability = path.move(places, beta, jnp.exp(log_size), annealing.num_leapfrog, number, move_keys)
            new_log_size = tuned(log_size, probability[:PILOT_CHAINS].mean(), ADAPTATION, WANTED_ACCEPTANCE)
            return (places, log_weights, new_log_size), (probability[PILOT_CHAINS:].mean(), jnp.exp(log_size))

        places = jax.vmap(lambda key: place_at(path.densities, path.draw(key)))(draw_keys)
        start = (places, jnp.zeros(len(draw_keys), jnp.float32), jnp.log(jnp.float32(FIRST_STEP_SIZE)))
        (_, log_weights, _), (acceptance, sizes) = jax.lax.scan(step, start, _rows(temperatures))
        return AnnealedEstimate(log_weights[PILOT_CHAINS:], acceptance.mean(), sizes)

    return jax.vmap(one)(batch, keys)


@eqx.filter_jit
def _backward(
    model: AbstractLatentVariableModel,
    batch: Example,
    exact: Float[Array, "batch latent"],
    step_sizes: Float[Array, "batch steps"],
    keys: Key[Array, " batch"],
    temperatures: Float[Array, " temperatures"],
    annealing: Annealing,
) -> AnnealedEstimate:
    def one(example: Example, end: Array, sizes: Array, key: PRNGKeyArray) -> AnnealedEstimate:
        path = _Path.of(model, example, annealing.start)
        move_keys = jax.random.split(key, annealing.num_chains)

        def step(state: tuple[Place, Array], row: tuple[Array, ...]) -> tuple[tuple[Place, Array], Array]:
            """Each reversible move first, then the step down in beta."""
            places, log_weights = state
            number, before, beta, size = row
            places, probability = path.move(places, beta, size, annealing.num_leapfrog, number, move_keys)
            return (places, log_weights - (beta - before) * path.log_ratio(places)), probability.mean()

        places = jax.vmap(lambda _: place_at(path.densities, end))(move_keys)
        start = (places, jnp.zeros(len(move_keys), jnp.float32))
        (_, log_weights), acceptance = jax.lax.scan(step, start, (*_rows(temperatures), sizes), reverse=True)
        return AnnealedEstimate(log_weights, acceptance.mean(), sizes)

    return jax.vmap(one)(batch, exact, step_sizes, keys)


def _rows(temperatures: Float[Array, " temperatures"]) -> tuple[Array, Array, Array]:
    """(t, beta_{t-1}, beta_t) for t = 1..T, t counted from 0."""
    return jnp.arange(len(temperatures) - 1), temperatures[:-1], temperatures[1:]


class _Path(NamedTuple):
    """The densities between the start r(z) and p(x, z), for one example, as powers of two densities of which each is worked out
    once a step: p(z)^1 p(x|z)^beta, or q(z|x)^(1 - beta) p(x, z)^beta.

    The powers are first + beta * slope.
    """

    draw: Callable[[PRNGKeyArray], Float[Array, " latent"]]
    densities: tuple[LogDensity, LogDensity]
    first: tuple[float, float]
    slope: tuple[float, float]

    @classmethod
    def of(cls, model: AbstractLatentVariableModel, example: Example, start: str) -> _Path:
        def log_prior(z: Array) -> Array:
            return model.log_prior(z, example.condition)

        def log_likelihood(z: Array) -> Array:
            return model.log_likelihood(example, z)

        if start == "posterior":
            posterior = model.encode(example)
            joint = (posterior.log_prob, lambda z: log_likelihood(z) + log_prior(z))
            return cls(posterior.sample, joint, (1.0, 0.0), (-1.0, 1.0))
        return cls(lambda key: model.sample_latent(key, example.condition), (log_prior, log_likelihood), (1.0, 0.0), (0.0, 1.0))

    def move(
        self, places: Place, beta: Array, step_size: Array, num_leapfrog: int, number: Array, keys: Key[Array, " chains"]
    ) -> tuple[Place, Float[Array, " chains"]]:
        """A transition of each chain that keeps f at this inverse temperature."""
        powers = jnp.asarray(self.first, jnp.float32) + beta * jnp.asarray(self.slope, jnp.float32)

        def one(place: Place, key: PRNGKeyArray) -> tuple[Place, Array]:
            return transition(self.densities, powers, place, step_size, num_leapfrog, jax.random.fold_in(key, number))

        return jax.vmap(one)(places, keys)

    def log_ratio(self, places: Place) -> Float[Array, " chains"]:
        """log p(x, z) - log r(z) of each chain: what each step's share of beta multiplies."""
        return jnp.sum(jnp.asarray(self.slope, jnp.float32) * places.logs, axis=-1)
