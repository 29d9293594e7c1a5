"""Bidirectional Monte Carlo: on examples that the model itself made, log p(x) lies between two bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..config.rules import COUNT
from ..data.examples import Example
from ..errors import ConfigurationError
from ..likelihoods import Given, Measure
from ..models import AbstractLatentVariableModel
from .annealing import AnnealedEstimate, Annealing, anneal, anneal_back, check_can_anneal
from .estimates import JsonRecord, mean_and_error
from .latents import check_condition

# Beyond it, a difference of a nat between two models could be the estimator's.
SMALL_GAP_NATS = 0.5


@dataclasses.dataclass(frozen=True)
class Sandwich(JsonRecord):
    """Two bounds on the mean log p(x) of simulated examples, in nats per example, about x in the user's units.

    - `lower_nats`, `upper_nats`: each with its standard error over examples; the examples are the same for both.
    - `gap_nats`: upper - lower, of at least 0 in expectation; `gap_standard_error`: over examples.
    - `acceptance`: the mean probability of accepting a move, forward. `not_finite_weights`: of both directions.
    - `is_enough`: whether the gap, its noise added, is at most half a nat; `verdict`: that in words.
    """

    lower_nats: float
    lower_standard_error: float
    upper_nats: float
    upper_standard_error: float
    gap_nats: float
    gap_standard_error: float
    num_examples: int
    num_temperatures: int
    num_chains: int
    start: str
    measure: Measure
    given: Given | None
    acceptance: float
    not_finite_weights: int
    is_enough: bool
    verdict: str
    unit: str = "nats per example"


def simulate(
    model: AbstractLatentVariableModel, num_examples: int, condition: np.ndarray | None = None, seed: int = 0
) -> tuple[np.ndarray, Example]:
    """z ~ p(z) and x ~ p(x|z): each z is then an exact draw of p(z|x). (n, latent_dim), and the examples."""
    check_condition(model, condition)
    given = None if condition is None else jnp.asarray(condition, jnp.float32)
    z, x = _draw(model, jax.random.split(jax.random.key(seed), num_examples), given)
    return np.asarray(z), Example(np.asarray(x), None if given is None else np.asarray(given))


@eqx.filter_jit
def _draw(model: AbstractLatentVariableModel, keys: jax.Array, condition: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    def one(row: tuple[jax.Array, jax.Array | None]) -> tuple[jax.Array, jax.Array]:
        key, own = row
        z_key, x_key = jax.random.split(key)
        z = model.sample_latent(z_key, own)
        return z, model.decode_draw(z, x_key, own)

    return jax.lax.map(one, (keys, condition), batch_size=256)


def sandwich(
    model: AbstractLatentVariableModel,
    num_examples: int = 100,
    annealing: Annealing | None = None,
    *,
    condition: np.ndarray | None = None,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Sandwich:
    r"""Annealing forward and backward on examples simulated from the model (Grosse et al. 2015, arXiv 1511.02543, section 4).

        E[log (1/C) sum_c w_c] <= log p(x) <= E[-log (1/C) sum_c w'_c]

    w from chains that start at r, w' from chains that start at the very z from which x was made. A gap near 0 shows that
    annealing this fine is right on the model's own examples; on others the lower bound alone is known.

    - `condition`: (num_examples, condition_dim), where the model takes one.

    Raises `ConfigurationError` as `anneal` does, and when `num_examples` is below 1.
    """
    annealing = Annealing() if annealing is None else annealing
    COUNT.convert("num_examples", num_examples)
    check_can_anneal(model)
    if model.given == "mask too":
        raise ConfigurationError(
            "this model has a law of which elements have a value, and examples that it makes would need one of it too, which is "
            "not drawn here. Annealing of your own examples works: --method ais."
        )
    z, examples = simulate(model, num_examples, condition, seed)
    forward = anneal(model, examples, annealing, seed=seed + 1, on_progress=on_progress)
    backward = anneal_back(
        model, examples, z, np.asarray(forward.step_sizes), annealing,
        seed=seed + 2, on_progress=lambda done: on_progress(num_examples + done),
    )  # fmt: skip
    return sandwich_record(model, annealing, forward, backward)


def sandwich_record(
    model: AbstractLatentVariableModel, annealing: Annealing, forward: AnnealedEstimate, backward: AnnealedEstimate
) -> Sandwich:
    """Both bounds as a record, by weight where the examples have one."""
    forward, backward = forward.counted, backward.counted
    lower, upper = forward.log_mean_weight, -backward.log_mean_weight
    (low, low_error), (high, high_error), (gap, gap_error) = (
        mean_and_error(each, forward.weight) for each in (lower, upper, upper - lower)
    )
    not_finite = forward.not_finite + backward.not_finite
    fine = f"{annealing.num_temperatures:,} temperatures"
    lost = f" {not_finite} weights were not finite and count as 0." if not_finite else ""
    # A gap that is hidden in noise may be as large as the noise, of which a single example shows nothing.
    largest = max(gap, 0.0) + (2 * gap_error if np.isfinite(gap_error) else np.inf)
    is_enough = largest <= SMALL_GAP_NATS and not not_finite
    apart = f"on the model's own examples the two bounds are {gap:.2g} ± {gap_error:.2g} nats apart."
    if is_enough:
        verdict = f"{fine} are enough: {apart}"
    elif gap <= SMALL_GAP_NATS and not not_finite:
        verdict = (
            f"Too few examples to say whether {fine} are enough: {apart} Take more, for example --examples {4 * len(lower)}."
        )
    else:
        verdict = f"{fine} are not enough: {apart} Take more (--temperatures {4 * annealing.num_temperatures}).{lost}"
    return Sandwich(
        low, low_error, high, high_error, gap, gap_error,
        num_examples=len(lower),
        num_temperatures=annealing.num_temperatures,
        num_chains=annealing.num_chains,
        start=annealing.start,
        measure=model.measure,
        given=model.given,
        acceptance=mean_and_error(forward.acceptance, forward.weight)[0],
        not_finite_weights=not_finite,
        is_enough=is_enough,
        verdict=verdict,
    )  # fmt: skip
