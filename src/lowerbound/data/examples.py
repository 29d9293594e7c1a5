"""An example on its way to a model: the data, and whatever else is known of it."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num

from ..errors import DataError
from .checks import check_array
from .columns import Column
from .dataset import Dataset
from .holes import has_holes, observed_in
from .spec import DataSpec
from .streams import AbstractRows, ModelRows, rows_of
from .streams.tables import encoded, names_of
from .tables import Table, columns_of


class Example(eqx.Module):
    """One example, or a batch of them with the examples along the first axis of everything.

    The arrays are NumPy's until they are on the device. Of data that are not in memory x is rows that are read by their numbers:
    such examples are indexed, which gives arrays, and taken a batch at a time.

    - `x`: of the event's shape, in the user's units. `condition`: (condition_dim,), or None.
    - `observed`: of x's shape, False for an element that is not known: it may hold anything, NaN too. None where all are known.
    - `withheld`: of x's shape, True for an element that whoever asks leaves out, and not the data: that it is not observed says
      nothing of its value. None where all that is not observed is so in the data.
    - `weight`: how many examples this one stands for, 0 or more; 1 where it is None. A batch of weights 2 and 1 is worth what a
      batch of three is, with the first example in it twice.
    - `index`: which row of the training data it is, for an objective that remembers each of them; None where nobody asks.

    >>> len(Example(np.zeros((5, 3)))[1:3])
    2
    """

    x: Num[Any, "..."]
    condition: Float[Any, "*examples condition"] | None = None
    observed: Bool[Any, "..."] | None = None
    weight: Float[Any, "*examples"] | None = None
    index: Int[Any, "*examples"] | None = None
    withheld: Bool[Any, "..."] | None = None

    def __check_init__(self) -> None:
        if self.observed is not None and self.observed.shape != self.x.shape:
            raise DataError(
                f"observed has shape {self.observed.shape}, but x has {self.x.shape}; give one boolean for each element of x, "
                "False where it is not known: Example(x, observed=~np.isnan(x))."
            )

    @classmethod
    def of(cls, data: Example | Array | np.ndarray) -> Example:
        """Examples as they are; an array as examples without a condition."""
        return data if isinstance(data, Example) else cls(data)

    @property
    def known(self) -> Num[Any, "..."]:
        """x with 0 in place of what is not known, so that nothing of it reaches any arithmetic."""
        return self.x if self.observed is None else jnp.where(self.observed, self.x, 0)

    def showing(self, kept: Bool[Any, "..."]) -> Example:
        """The same with these elements alone, of those that it has; the others are withheld."""
        observed = kept if self.observed is None else self.observed & kept
        return dataclasses.replace(self, observed=observed, withheld=~kept if self.withheld is None else self.withheld | ~kept)

    @property
    def total_weight(self) -> Float[Array, ""]:
        """How many examples a batch stands for."""
        return jnp.float32(len(self)) if self.weight is None else jnp.asarray(self.weight, jnp.float32).sum()

    @property
    def counted(self) -> tuple[Example, Float[np.ndarray, " examples"] | None]:
        """Those that weigh something, and their weights in double precision, None where each counts as one."""
        if self.weight is None:
            return self, None
        weight = np.asarray(self.weight, np.float64)
        return self[weight > 0], weight[weight > 0]

    def mean(self, values: Float[Array, "examples ..."], axis: int | None = None) -> Float[Array, "..."]:
        """The mean of what is found of each example of a batch, by weight; `axis=0` keeps the other axes."""
        if self.weight is None:
            return values.mean(axis=axis)
        weight = jnp.asarray(self.weight, values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        # What weighs nothing may hold anything; a batch that weighs nothing at all has mean 0.
        total = jnp.where(weight > 0, weight * values, 0).sum(axis=0)
        mean = total / jnp.maximum(weight.sum(), jnp.finfo(values.dtype).tiny)
        return mean.mean() if axis is None else mean

    def on_device(self) -> Example:
        """The same with JAX arrays."""
        return jax.tree.map(jnp.asarray, self)

    def __len__(self) -> int:
        return self.x.shape[0]

    @property
    def is_streamed(self) -> bool:
        """Whether x is read by its rows' numbers, and is no array."""
        return rows_of(self.x)

    def __getitem__(self, index: Any) -> Example:
        if isinstance(self.x, ModelRows) and self.x.masks:
            x = self.x[index]
            seen = observed_in(x) if self.observed is None else observed_in(x) & self.observed[index]
            rest = jax.tree.map(lambda array: array[index], dataclasses.replace(self, x=None, observed=None))
            return dataclasses.replace(rest, x=x, observed=seen)
        return jax.tree.map(lambda array: array[index], self)


def in_form_of(dataset: Dataset, spec: DataSpec) -> Dataset:
    """The data set as a model takes it that was trained on others: a table's columns by their names, in the model's order.

    Raises `DataError` when a column is missing, or the examples have another shape.
    """
    if spec.columns:
        from .describe_table import encoded_for

        return encoded_for(dataset, spec)
    if rows_of(dataset.examples) and dataset.feature_names != spec.feature_names and spec.feature_names:
        names = names_of(dataset.examples, dataset.feature_names)
        columns_of(Table(np.zeros((0, len(names))), names), spec.feature_names, dataset.name)
        numbers = [Column(name, "real") for name in spec.feature_names]
        rows = encoded(dataset.examples, names, numbers)
        dataset = dataclasses.replace(dataset, examples=rows, feature_names=spec.feature_names, columns=())
    if dataset.table is not None:
        # Whatever kinds its own cells show, to this model they are numbers.
        names = spec.feature_names or dataset.table.names
        numbers = [Column(name, "real").encode(dataset.table) for name in names]
        dataset = dataclasses.replace(
            dataset, examples=np.stack(numbers, axis=1), feature_names=spec.feature_names and names, columns=()
        )
    if dataset.feature_names == spec.feature_names and dataset.examples.shape[1:] == spec.event_shape:
        return dataset
    examples, names = dataset.examples, dataset.feature_names
    if names and spec.feature_names:
        examples, names = columns_of(Table(np.asarray(examples), names), spec.feature_names, dataset.name), spec.feature_names
    return dataclasses.replace(
        dataset,
        examples=check_array(examples, name=dataset.name, event_shape=spec.event_shape),
        feature_names=names,
    )


def mask_of(x: np.ndarray | AbstractRows, spec: DataSpec) -> np.ndarray | None:
    """Which elements of examples have a value; None where all have, of data of which training saw no holes.

    Rows that are read by their numbers say it of those that were read.
    """
    if rows_of(x):
        return None
    return observed_in(x) if spec.holes or spec.columns or has_holes(x) else None


def examples_of(dataset: Dataset, rows: np.ndarray, spec: DataSpec, told: np.ndarray | None = None) -> Example:
    """Some rows of a data set as the device gets them, each with its weight, and with its condition where `spec` has one.

    - `told`: (n,) booleans, of which examples a model that infers labels is told them; None for none of them.

    Raises `DataError` when a condition is not of the described kind.
    """
    given = None
    if spec.condition is not None and spec.condition.is_label:
        known = np.zeros(len(rows), bool) if told is None else told[rows]
        given = spec.condition.encode_told(None if dataset.condition is None else dataset.condition[rows], known)
    elif spec.condition is not None and dataset.condition is not None:
        given = spec.condition.encode(dataset.condition[rows])
    weight = None if dataset.weight is None else np.asarray(dataset.weight[rows], np.float32)
    x = as_model_has_it(dataset.examples, spec, rows)
    return Example(x, given, observed=mask_of(x, spec), weight=weight)


def as_model_has_it(array: np.ndarray | AbstractRows, spec: DataSpec, rows: np.ndarray | None = None) -> Any:
    """Examples, or some rows of them, in the model's units and the device's type; those that are to be read still are."""
    if rows_of(array):
        masks = bool(spec.holes or spec.columns) or (array.starts is None and has_holes(array))
        return ModelRows(array, np.arange(len(array)) if rows is None else rows, spec, masks=masks)
    return for_device(spec.to_model(array if rows is None else array[rows]))


def for_device(array: np.ndarray) -> np.ndarray:
    """The same values in the type that the device gets: 8-bit whole numbers stay 8-bit, everything else becomes float32."""
    if array.dtype in (np.uint8, np.bool_):
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return np.ascontiguousarray(array, np.float32)
