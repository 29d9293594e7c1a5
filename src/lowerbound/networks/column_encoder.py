"""What an encoder sees of a table: numbers in several forms, categories as points, and which cells have a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.columns import Column
from ..data.transforms import Affine
from .base import AbstractNetwork
from .layers import seed_of

# Of a category that is none of a few, so many numbers stand for it.
_LEAST_POINT, _LARGEST_POINT = 4, 16
# Beyond so many deviations a number says no more than that it is far out.
_FARTHEST = 3.0
# Periods of days and moments, in days; the last one only where there are moments.
_PERIODS = (365.2425, 7.0, 1.0)

# Neighbouring quantiles are at least so far apart, in deviations.
_LEAST_STEP = 1e-3

# Makes a network of in_shape, out_shape.
Make = Callable[[tuple[int, ...], tuple[int, ...]], AbstractNetwork]


class ColumnEncoder(AbstractNetwork):
    r"""A network behind features of the columns of a table; the input is (columns, 2), values and which of them are there.

    - A number v (standardised) gives 3 tanh(v / 3), and for the shares of the training rows between neighbouring quantiles
      q_0 < q_1 < ... the numbers clip((v - q_t) / (q_{t+1} - q_t), 0, 1) (piecewise linear encoding, Gorishniy et al. 2022, arXiv
      2203.05556), which tell where a value stands whatever the column's law. A day or a moment gives the sine and cosine of its
      place in the year and in the week, and of its hour, too.
    - A code gives a point, a trained vector for each category, no matter how many there are; one of numbers its number too.
    - A cell without a value gives zeros. Which cells have one stands beside all of that.

    - `inner`: the network of all features. `points`: (all codes of all coded columns, numbers of a point).
    """

    inner: AbstractNetwork
    points: Float[Array, "codes point"]
    # Constants of the columns: which are numbers, and which codes.
    numbers: tuple[int, ...] = eqx.field(static=True)
    coded: tuple[int, ...] = eqx.field(static=True)
    dated: tuple[int, ...] = eqx.field(static=True)
    first_codes: np.ndarray
    values_of_codes: np.ndarray
    knots: np.ndarray
    slopes: np.ndarray
    phases: np.ndarray

    def __init__(
        self,
        columns: Sequence[Column],
        units: Affine,
        out_shape: tuple[int, ...],
        make: Make,
        *,
        condition_dim: int,
        key: PRNGKeyArray,
    ) -> None:
        """- `units`: in which the encoder sees each column. `make`: of the network behind the features."""
        self.in_shape, self.out_shape, self.condition_dim = (len(columns), 2), tuple(out_shape), condition_dim
        self.coded = tuple(place for place, column in enumerate(columns) if column.is_coded)
        self.numbers = tuple(place for place, column in enumerate(columns) if not column.is_coded)
        shift, scale = (np.broadcast_to(each, (len(columns),)).astype(np.float64) for each in (units.shift, units.scale))
        self.knots = _knots([columns[place] for place in self.numbers], shift[list(self.numbers)], scale[list(self.numbers)])
        self.dated = tuple(place for place in self.numbers if columns[place].kind == "date-time")
        periods = np.asarray(_PERIODS)
        self.slopes = np.asarray(2 * np.pi * scale[list(self.dated), None] / periods, np.float32)
        self.phases = np.asarray(2 * np.pi * ((shift[list(self.dated), None] / periods) % 1.0), np.float32)
        for row, place in enumerate(self.dated):
            if columns[place].decimals == 0:
                # Of whole days all have the same hour.
                self.slopes[row, -1] = self.phases[row, -1] = 0.0
        sizes = [columns[place].num_codes for place in self.coded]
        self.first_codes = np.cumsum([0, *sizes])[:-1].astype(np.int32)
        self.values_of_codes = np.concatenate([*[_values(columns[place]) for place in self.coded], np.zeros(1)]).astype(
            np.float32
        )
        width = min(_LARGEST_POINT, max(_LEAST_POINT, -(-max(sizes, default=0) // 4)))
        random = np.random.default_rng(seed_of(key))
        self.points = jnp.asarray(random.standard_normal((sum(sizes), width)), jnp.float32)
        features = len(self.numbers) * self.knots.shape[1] + len(self.coded) * (width + 1) + 2 * self.slopes.size + len(columns)
        self.inner = make((features,), self.out_shape)

    @property
    @override
    def is_random_in_training(self) -> bool:
        return self.inner.is_random_in_training

    @override
    def __call__(
        self,
        x: Float[Array, "columns two"],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        features = jnp.concatenate([*self._features(x[:, 0], x[:, 1]), x[:, 1]])
        return self.inner(features, condition=condition, key=key)

    def _features(self, values: Float[Array, " columns"], there: Float[Array, " columns"]) -> list[Array]:
        found: list[Array] = []
        if self.numbers:
            place = np.asarray(self.numbers)
            v, here = values[place][:, None], there[place][:, None]
            low, high = self.knots[:, :-1], self.knots[:, 1:]
            shares = jnp.clip((v - low) / (high - low), 0.0, 1.0)
            found.append((here * jnp.concatenate([_FARTHEST * jnp.tanh(v / _FARTHEST), shares], axis=1)).reshape(-1))
        if self.dated:
            place = np.asarray(self.dated)
            angles = values[place][:, None] * self.slopes + self.phases
            waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=1)
            found.append((there[place][:, None] * waves).reshape(-1))
        if self.coded:
            place = np.asarray(self.coded)
            codes = jnp.round(values[place]).astype(jnp.int32) + self.first_codes
            points = jnp.take(self.points, codes, axis=0, mode="clip")
            numbers = jnp.take(self.values_of_codes, codes, mode="clip")[:, None]
            found.append((there[place][:, None] * jnp.concatenate([points, numbers], axis=1)).reshape(-1))
        return found

    @override
    def with_output_bias(self, bias: np.ndarray) -> ColumnEncoder:
        return eqx.tree_at(lambda network: network.inner, self, self.inner.with_output_bias(bias))


def _knots(columns: Sequence[Column], shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(columns, knots) quantiles as the encoder sees them, each above the one before."""
    if not columns:
        return np.zeros((0, 2), np.float32)
    found = (np.stack([np.asarray(column.quantiles) for column in columns]) - shift[:, None]) / scale[:, None]
    found = np.asarray(found, np.float32)
    # Where many rows share a value quantiles are equal; the steps between them are then as good as steps.
    return np.maximum.accumulate(found, axis=1) + _LEAST_STEP * np.arange(found.shape[1], dtype=np.float32)


def _values(column: Column) -> np.ndarray:
    """The numbers of a column's codes, standardised; 0 for texts and for what was not seen."""
    if column.has_texts:
        return np.zeros(column.num_codes)
    values, counts = np.asarray(column.categories, np.float64), np.asarray(column.counts or [1] * len(column.categories))
    mean = np.average(values, weights=counts)
    spread = np.sqrt(np.average(np.square(values - mean), weights=counts))
    return np.append(_FARTHEST * np.tanh((values - mean) / (spread or 1.0) / _FARTHEST), 0.0)


def seen_shape(event_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an example beside which stands what of it is observed: channels of a picture with colours, else a new axis."""
    return (*event_shape[:-1], 2 * event_shape[-1]) if len(event_shape) == 3 else (*event_shape, 2)


def with_mask(seen: Float[Array, "..."], there: Float[Array, "..."]) -> Float[Array, "..."]:
    """An example with what of it is observed beside it, of `seen_shape`."""
    return jnp.concatenate([seen, there], axis=-1) if seen.ndim == 3 else jnp.stack([seen, there], axis=-1)
