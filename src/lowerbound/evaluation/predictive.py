"""Posterior predictive checks: does x look like a draw from p(x|z) at its own code?"""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .latents import check_condition

MOST_EXAMPLES = 500
# A picture of a million pixels says no more of its likelihood than some thousands of them.
MOST_ELEMENTS = 2048
NUM_DRAWS = 63
# Parallel analysis takes the eigenvalues of a matrix of this size at most.
MOST_ELEMENTS_OF_DIRECTIONS = 512
CHANCE = 1e-3
_BATCH = 20
# Of the noise alone a direction's variance exceeds the largest of a replicate by so much only where there are few examples.
EXCESS_OF_NOISE = 1.25


@dataclasses.dataclass(frozen=True)
class PredictiveCheck:
    """What `predictive_check` found, element by element for some elements of the (flattened) example.

    - `elements`: which. `num_examples`: N.
    - `distance`: the Kolmogorov-Smirnov distance of the ranks from uniform, in [0, 1]; `critical_distance`: what it exceeds by
      chance in one of a thousand elements, divided among all that are looked at.
    - `rank_spread`: 12 E[(u - 1/2)^2] of the ranks: 1 where the likelihood is as wide as the data, above where it is too narrow.
    - `scale`: sqrt(E Var[x'|z]), the likelihood's standard deviation, in the user's units.
    - `dispersion`: sum (x - mu)^2 / sum Var[x'|z], 1 where the variances are right; NaN where neither varies.
    - `skewness`, `excess_kurtosis`: of the residual x - mu.
    - `zeros`, `expected_zeros`: the share of x and of x' that is exactly 0.
    - `num_directions`: directions in which residuals move together, beyond what independent noise does; `leading_share`: the
      share of the residuals' variance in the largest of them, 0 where there is none.
    """

    elements: np.ndarray
    num_examples: int
    distance: np.ndarray
    critical_distance: float
    rank_spread: np.ndarray
    scale: np.ndarray
    dispersion: np.ndarray
    skewness: np.ndarray
    excess_kurtosis: np.ndarray
    zeros: np.ndarray
    expected_zeros: np.ndarray
    num_directions: int
    leading_share: float

    @property
    def overall_distance(self) -> float:
        """The mean distance over elements."""
        return float(np.mean(self.distance))


def predictive_check(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    *,
    step: np.ndarray | float = 0.0,
    origin: np.ndarray | float = 0.0,
    seed: int = 0,
) -> PredictiveCheck:
    r"""Compares each example with `NUM_DRAWS` draws from its own predictive law (Gelman, Meng and Stern 1996).

        z ~ q(z|x),   x'_1, ..., x'_R ~ p(x'|z),   u_d = (#{r: x'_rd < x_d} + v (1 + #{r: x'_rd = x_d})) / (R + 1),   v ~ U(0, 1)

    At the optimum of the ELBO p(x|z) is the law of x given z under the data and q, as nearly as its family allows: so on
    TRAINING examples the ranks u_d are uniform when the family fits, whatever it is, discrete or continuous, and are not when
    the noise is heavier, more skewed or wider than the family can be. (On new examples they also show overfitting.)

    Residuals x - mu are independent between elements when nothing is left for more latents; the number of
    their principal directions that stand out is found by parallel analysis (Horn 1965): against residuals of a replicate.

    - `data`: training examples; at most `MOST_EXAMPLES` are used, the first ones, and at most `MOST_ELEMENTS` elements of them.
    In place of what is not observed stands another draw from the same law, which says nothing against it.

    - `step`, `origin`: the data are recorded as origin + k step, k whole; a number or one for each (flattened) element, in the
      user's units. What is drawn is recorded in the same way before it is compared. A step of 0: as it is.

    Raises `ConfigurationError` when the model's condition is missing, and for examples with `weight`.
    """
    data = Example.of(data)[:MOST_EXAMPLES]
    if data.weight is not None:
        raise ConfigurationError(
            "a predictive check compares every example alike, but these have `weight`. Give it examples without: "
            "Example(x, condition)."
        )
    check_condition(model, data.condition)
    size = math.prod(model.event_shape)
    rng = np.random.default_rng(seed)
    elements = np.arange(size) if size <= MOST_ELEMENTS else np.sort(rng.choice(size, MOST_ELEMENTS, replace=False))
    keys = jax.random.split(jax.random.key(seed), len(data))
    steps, origins = (jnp.asarray(np.broadcast_to(part, (size,))[elements], jnp.float32) for part in (step, origin))
    replicates = _replicate(model, data.on_device(), jnp.asarray(elements), steps, origins, keys)
    below, equal, residual, variance, other_residual, zeros = (np.asarray(part, np.float64) for part in replicates)
    ranks = (below + rng.random(below.shape) * (1 + equal)) / (NUM_DRAWS + 1)
    x = np.asarray(data.x).reshape(len(data), -1)[:, elements]
    there = np.isfinite(x)
    spread, expected = np.square(residual).sum(axis=0), variance.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        dispersion = np.where(expected > 0, spread / expected, np.where(spread > 0, np.inf, np.nan))
        centred = residual - residual.mean(axis=0)
        second = np.mean(centred**2, axis=0)
        skewness = np.where(second > 0, np.mean(centred**3, axis=0) / second**1.5, 0.0)
        kurtosis = np.where(second > 0, np.mean(centred**4, axis=0) / second**2 - 3, 0.0)
    num_directions, leading_share = _directions(residual, other_residual, variance.mean(axis=0))
    return PredictiveCheck(
        elements=elements,
        num_examples=len(data),
        distance=_distance_from_uniform(ranks),
        # P(distance > d) is at most 2 exp(-2 N d^2) (Massart 1990).
        critical_distance=math.sqrt(math.log(2 * len(elements) / CHANCE) / (2 * len(data))),
        rank_spread=12 * np.mean((ranks - 0.5) ** 2, axis=0),
        scale=np.sqrt(variance.mean(axis=0)),
        dispersion=dispersion,
        skewness=skewness,
        excess_kurtosis=kurtosis,
        zeros=np.sum(x == 0, axis=0) / np.maximum(there.sum(axis=0), 1),
        expected_zeros=zeros.mean(axis=0),
        num_directions=num_directions,
        leading_share=leading_share,
    )


@eqx.filter_jit
def _replicate(
    model: AbstractLatentVariableModel,
    data: Example,
    elements: Int[Array, " elements"],
    step: Float[Array, " elements"],
    origin: Float[Array, " elements"],
    keys: Key[Array, " examples"],
) -> tuple[Float[Array, "examples elements"], ...]:
    """For each example: draws below and equal to it, x - mu, the draws' variance about mu, one draw less mu, and draws at 0."""

    def one(row: tuple[Example, Array]) -> tuple[Array, ...]:
        example, key = row
        latent_key, draw_key = jax.random.split(key)
        z, _ = model.encode(example).sample_and_log_prob(latent_key)
        hidden = example.observed is not None
        mean, draws = model.replicate(example, z, jax.random.split(draw_key, NUM_DRAWS + hidden))
        mean, draws = mean.reshape(-1)[elements], draws.reshape(NUM_DRAWS + hidden, -1)[:, elements]
        own = jnp.asarray(example.x).reshape(-1)[elements].astype(draws.dtype)
        if example.observed is not None:
            own = jnp.where(jnp.asarray(example.observed).reshape(-1)[elements], own, draws[-1])
            draws = draws[:NUM_DRAWS]

        def recorded(values: Array) -> Array:
            width = jnp.where(step > 0, step, 1.0).astype(values.dtype)
            return jnp.where(step > 0, jnp.round((values - origin.astype(values.dtype)) / width), values)

        def share(chosen: Array) -> Array:
            return chosen.sum(axis=0).astype(draws.dtype)

        variance = jnp.mean(jnp.square(draws - mean), axis=0)
        drawn, seen = recorded(draws), recorded(own)
        return share(drawn < seen), share(drawn == seen), own - mean, variance, draws[0] - mean, share(draws == 0) / NUM_DRAWS

    return jax.lax.map(one, (data, keys), batch_size=_BATCH)


def _distance_from_uniform(ranks: np.ndarray) -> np.ndarray:
    """sup |F_n(u) - u| of each column."""
    ordered, count = np.sort(ranks, axis=0), len(ranks)
    above = np.arange(1, count + 1)[:, None] / count - ordered
    return np.maximum(above, 1 / count - above).max(axis=0)


def _directions(residual: np.ndarray, other: np.ndarray, variance: np.ndarray) -> tuple[int, float]:
    """How many principal directions of the residuals stand out from those of a replicate, and the share of the first."""
    finite = np.isfinite(residual).all(axis=0) & np.isfinite(other).all(axis=0)
    varies = finite & (variance > 0) & np.any(residual != 0, axis=0) & np.any(other != 0, axis=0)
    if varies.sum() < 2 or len(residual) < 3:
        return 0, 0.0
    chosen = np.flatnonzero(varies)
    chosen = chosen[:: -(-len(chosen) // MOST_ELEMENTS_OF_DIRECTIONS)]
    # Each element in its own units on both sides: a likelihood that is too narrow must not look like a common direction.
    own, noise = (_spectrum(part[:, chosen] / np.sqrt(np.mean(part[:, chosen] ** 2, axis=0))) for part in (residual, other))
    number = int((own > EXCESS_OF_NOISE * noise[0]).sum())
    return number, float(own[0] / own.sum()) if number else 0.0


def _spectrum(rows: np.ndarray) -> np.ndarray:
    """The variances along the principal directions, the largest first."""
    centred = rows - rows.mean(axis=0)
    gram = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    return np.linalg.eigvalsh(gram)[::-1] / len(centred)
