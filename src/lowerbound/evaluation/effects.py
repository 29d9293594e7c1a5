"""What each latent moves: how far the decoder's mean of each column, or pixel, goes as one latent does."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..data.columns import Column
from ..data.columns.column import in_words
from ..data.examples import Example
from ..data.spec import DataSpec
from ..models import AbstractLatentVariableModel
from .aggregate import posterior_draws
from .classes import completed
from .latents import kl_by_latent, posterior_means, rows_at_once
from .walks import check_euclidean

# The ends of the way that a latent goes.
LOW_QUANTILE, HIGH_QUANTILE = 0.05, 0.95
# Rows whose other latents stay, and examples that say where the ends are.
MOST_ROWS, MOST_EXAMPLES = 200, 4000
# Of a column with many categories, the commonest.
MOST_CATEGORIES = 20
_RESAMPLES = 400
INTERVAL = 0.95


@dataclasses.dataclass(frozen=True, eq=False)
class LatentEffects:
    """What `latent_effects` found, of latents in the order of what they carry, and of quantities: numbers, and categories.

    - `latents`: (L,) which. `carried`: (L,) KL(q(z_j|x) || p(z_j)) in nats, or Var(E[z_j|x]) where `carried_unit` is "variance".
    - `low`, `high`: (L,) where each latent goes from and to.
    - `names`: of the Q quantities; `elements`: (Q,) the element (flattened) of each.
    - `effects`: (L, Q), `lower`, `upper`: their intervals at 95 %, each by itself. `sizes`: (L, Q) the mean of their size.
    - `num_rows`: rows over which means are taken.
    """

    latents: np.ndarray
    carried: np.ndarray
    carried_unit: str
    low: np.ndarray
    high: np.ndarray
    names: tuple[str, ...]
    elements: np.ndarray
    effects: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    sizes: np.ndarray
    num_rows: int

    def strongest(self, number: int, most: int) -> list[int]:
        """The quantities that the latent of this number in `latents` moves most, one of each element."""
        chosen: dict[int, int] = {}
        for quantity in np.argsort(-self.sizes[number], kind="stable").tolist():
            chosen.setdefault(int(self.elements[quantity]), quantity)
            if len(chosen) == most:
                break
        return list(chosen.values())

    def in_words(self, number: int, quantity: int) -> str:
        """ "age +0.81 [0.76, 0.85]"."""
        effect, lower, upper = (each[number, quantity] for each in (self.effects, self.lower, self.upper))
        return f"{self.names[quantity]} {effect:+z.2f} [{lower:z.2f}, {upper:z.2f}]"

    def to_json(self) -> dict[str, Any]:
        """Plain numbers: schema of `lowerbound explain --json`, without the columns that a latent hardly moves."""
        latents = [
            {
                "latent": int(latent),
                "carried": float(self.carried[number]),
                "from": float(self.low[number]),
                "to": float(self.high[number]),
                "moves": [
                    {
                        "what": self.names[quantity],
                        "effect": float(self.effects[number, quantity]),
                        "interval": [float(self.lower[number, quantity]), float(self.upper[number, quantity])],
                        "mean_absolute_effect": float(self.sizes[number, quantity]),
                    }
                    for quantity in self.strongest(number, MOST_CATEGORIES)
                ],
            }
            for number, latent in enumerate(self.latents.tolist())
        ]
        return {
            "version": 1,
            "num_rows": self.num_rows,
            "quantiles": [LOW_QUANTILE, HIGH_QUANTILE],
            "interval": INTERVAL,
            "carried_unit": self.carried_unit,
            "latents": latents,
        }


def latent_effects(
    model: AbstractLatentVariableModel, spec: DataSpec, data: Example | np.ndarray, *, num_latents: int = 10, seed: int = 0
) -> LatentEffects:
    r"""How far E[x_d|z] goes as one latent goes from the 5 % to the 95 % quantile of the aggregate posterior, the others staying.

        e_jd = (1/N) sum_n ( E[x_d | z_n with z_j = high_j] - E[x_d | z_n with z_j = low_j] ) / std_d,   z_n ~ q(z|x_n)

    In standard deviations of x_d in the training data. Of a column of categories x_d is 1 where a row has the category and 0
    elsewhere, for each of the commonest twenty; E[x_d|z] is its probability then. An ordinal column is its number. The intervals
    are percentiles of 400 resamplings of the rows; the ends low_j and high_j are taken as they are.

    - `data`: examples, at most 4,000 of which say where the ends are; the means are over 200 of them.
    - `num_latents`: how many latents, those that carry most first.

    Raises `ConfigurationError` where latents live on a sphere, and for a missing condition.
    """
    check_euclidean(model)
    rng = np.random.default_rng(seed)
    data = Example.of(data)
    data = completed(model, data[np.sort(rng.permutation(len(data))[:MOST_EXAMPLES])])
    draws = posterior_draws(model, data, seed=seed)
    low, high = (np.quantile(draws, quantile, axis=0) for quantile in (LOW_QUANTILE, HIGH_QUANTILE))
    kl = kl_by_latent(model, data) if model.has_density else None
    carried = np.var(posterior_means(model, data), axis=0, dtype=np.float64) if kl is None else kl
    latents = np.argsort(-carried, kind="stable")[:num_latents]
    chosen = np.sort(rng.permutation(len(draws))[:MOST_ROWS])
    conditions = None if data.condition is None else np.asarray(data.condition)[chosen]
    names, elements, std, values = _quantities(spec)
    shares = rng.multinomial(len(chosen), np.full(len(chosen), 1 / len(chosen)), size=_RESAMPLES) / len(chosen)
    found = []
    for latent in latents:
        ends = []
        for end in (low, high):
            moved = draws[chosen].copy()
            moved[:, latent] = end[latent]
            ends.append(_means_of(model, moved, conditions, values))
        moves = (ends[1] - ends[0]) / std
        resampled = np.quantile(shares @ moves, [(1 - INTERVAL) / 2, (1 + INTERVAL) / 2], axis=0)
        found.append((moves.mean(axis=0), *resampled, np.abs(moves).mean(axis=0)))
    effects, lower, upper, sizes = (np.stack(each) for each in zip(*found, strict=True))
    return LatentEffects(
        latents,
        carried[latents],
        "variance" if kl is None else "nats",
        low[latents],
        high[latents],
        names,
        elements,
        effects,
        lower,
        upper,
        sizes,
        len(chosen),
    )


def _quantities(spec: DataSpec) -> tuple[tuple[str, ...], np.ndarray, np.ndarray, dict[int, np.ndarray]]:
    """Names, elements and standard deviations (in the model's units) of what is followed.

    Of coded columns also the numbers that codes stand for: (codes, quantities).
    """
    names: list[str] = []
    elements: list[int] = []
    std: list[float] = []
    values: dict[int, np.ndarray] = {}
    for element in range(spec.num_elements):
        column = spec.columns[element] if spec.columns else None
        own = spec.element_name(element).strip("'")
        if column is None or not column.is_coded:
            names.append(own)
            std.append(spec.std[element] / spec.unit)
        else:
            followed, values[element] = _of_codes(own, column)
            names += followed
            share = np.asarray(column.counts, np.float64) / sum(column.counts)
            known = values[element][:-1]
            std += np.sqrt(share @ known**2 - (share @ known) ** 2).tolist()
        elements += [element] * (len(names) - len(elements))
    spread = np.asarray(std, np.float64)
    return tuple(names), np.asarray(elements), np.where(spread > 0, spread, 1.0), values


def _of_codes(own: str, column: Column) -> tuple[list[str], np.ndarray]:
    """Of an ordinal column its number, at its mean where training did not see it; of others whether it is this category."""
    counts = np.asarray(column.counts, np.float64)
    if column.kind == "ordinal":
        levels = np.asarray(column.categories, np.float64)
        return [own], np.append(levels, np.average(levels, weights=counts))[:, None]
    # Of two categories one says all.
    codes = np.array([1]) if len(counts) == 2 else np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    is_it = np.arange(column.num_codes)[:, None] == codes
    return [f"{own} = {in_words(column.categories[code])}" for code in codes.tolist()], is_it.astype(np.float64)


def _means_of(
    model: AbstractLatentVariableModel, latents: np.ndarray, conditions: np.ndarray | None, values: dict[int, np.ndarray]
) -> np.ndarray:
    """(n, Q) the expected number, or the probability of the category, of each quantity at each z."""
    given = None if conditions is None else jnp.asarray(conditions, jnp.float32)
    means, found = _decoded(model, jnp.asarray(latents, jnp.float32), given)
    flat = np.asarray(means, np.float64).reshape(len(latents), -1)
    if not values:
        return flat

    def of(element: int) -> np.ndarray:
        return np.asarray(found[element], np.float64) @ values[element] if element in values else flat[:, [element]]

    return np.concatenate([of(element) for element in range(flat.shape[1])], axis=1)


@eqx.filter_jit
def _decoded(
    model: AbstractLatentVariableModel, latents: Float[Array, "n latent"], conditions: Array | None
) -> tuple[Array, dict[int, Array]]:
    def one(row: tuple[Array, Array | None]) -> tuple[Array, dict[int, Array]]:
        return model.decode_mean(*row), model.decode_probabilities(*row)

    return jax.lax.map(one, (latents, conditions), batch_size=rows_at_once(model))
