"""The likelihood of a table: each block of columns has an elementwise likelihood of its own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Bool, Float, PRNGKeyArray
from numpyro.distributions import constraints
from typing_extensions import override

from ..config.catalogue import class_of, keys_of
from ..config.context import BuildContext
from ..config.part import PartConfig
from ..data.columns import Column
from ..data.transforms import Affine
from ..errors import ConfigurationError
from .base import AbstractElementwise, Measure, Scaling, Support
from .nodes import Nodes, joined, nodes_of

# Coded columns share a block, which is as large as its largest, where none has more than so many times as many as another.
_LARGEST_RATIO = 4


class _Blocks(constraints.Constraint):
    """Which values each column may have."""

    def __init__(self, supports: tuple[Any, ...], places: tuple[tuple[int, ...], ...]) -> None:
        self.supports, self.places = supports, places

    def __call__(self, x: Any) -> Any:
        """Whether each element lies in the support of its block."""
        x = jnp.asarray(x)
        return _joined([jnp.asarray(each(x[..., place])) for each, place in self._each()], self.places)

    def feasible_like(self, prototype: Array) -> Array:
        """A value for each element that has a probability."""
        parts = [jnp.asarray(each.feasible_like(prototype[..., place]), prototype.dtype) for each, place in self._each()]
        return _joined(parts, self.places)

    def at(self, element: tuple[int, ...]) -> tuple[Any, tuple[int, ...]]:
        """The constraint of an element's block, and which of the block's elements it is."""
        return next(
            (each, (place.index(element[0]),))
            for each, place in zip(self.supports, self.places, strict=True)
            if element[0] in place
        )

    def _each(self) -> Iterator[tuple[Any, np.ndarray]]:
        return ((each, np.asarray(place)) for each, place in zip(self.supports, self.places, strict=True))


class Blocks(dist.Distribution):
    """Independent elements, of which each block follows distributions of its own.

    - `parts`: of the blocks, each with one batch axis. `places`: which elements each block is.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("parts",)
    pytree_aux_fields = ("places",)

    def __init__(self, parts: tuple[Any, ...], places: tuple[tuple[int, ...], ...]) -> None:
        self.parts, self.places = parts, places
        super().__init__(batch_shape=(sum(map(len, places)),))

    @property
    def support(self) -> Any:
        """That of each element's own distribution."""
        return _Blocks(tuple(part.support for part in self.parts), self.places)

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log p of each element in nats: a log-probability or a log-density, as its block has it."""
        values = (value[..., np.asarray(place)] for place in self.places)
        return _joined([jnp.asarray(part.log_prob(each)) for part, each in zip(self.parts, values, strict=True)], self.places)

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Draws, as floats."""
        keys = jax.random.split(key, len(self.parts))
        drawn = [jnp.asarray(part.sample(each, sample_shape), jnp.float32) for part, each in zip(self.parts, keys, strict=True)]
        return _joined(drawn, self.places)

    @property
    def mean(self) -> Float[Array, " columns"]:
        """E[y] of each element; of codes a number without a meaning."""
        return _joined([jnp.asarray(part.mean) for part in self.parts], self.places)

    @property
    def variance(self) -> Float[Array, " columns"]:
        """Var[y] of each element."""
        return _joined([jnp.asarray(part.variance) for part in self.parts], self.places)

    @property
    def nodes(self) -> Nodes:
        """Those of each block; of a block without any the mean, which says nothing (`AbstractElementwise.has_nodes`)."""
        found = joined([nodes_of(part) for part in self.parts], axis=1)
        return Nodes(*(each[:, _order(self.places)] for each in found))


def _joined(parts: list[Array], places: tuple[tuple[int, ...], ...]) -> Array:
    """The blocks' elements, along the last axis, in the order of the columns."""
    return jnp.concatenate(parts, axis=-1)[..., _order(places)]


def _order(places: tuple[tuple[int, ...], ...]) -> np.ndarray:
    return np.argsort(np.concatenate([np.asarray(place) for place in places]))


class Mixed(AbstractElementwise):
    r"""p(x|z) = prod_b p_b(x_b|z): columns that are independent given z, each block of them with a likelihood of its own.

    Its measure is the product of the blocks' measures: where some columns have densities and others probabilities, log p(x) is
    the sum of a log-density of the ones and a log-probability of the others, and there are no bits per dimension.

    - `blocks`: elementwise likelihoods, each of an event shape of one axis. `places`: the columns that each is about.

    Raises `ConfigurationError` where the places are not each column once.
    """

    blocks: tuple[AbstractElementwise, ...]
    places: tuple[tuple[int, ...], ...] = eqx.field(static=True)
    support: ClassVar[Support] = Support.COLUMNS
    scaling: ClassVar[Scaling] = "by-column"

    def __init__(self, blocks: tuple[AbstractElementwise, ...], places: tuple[tuple[int, ...], ...]) -> None:
        self.blocks, self.places = tuple(blocks), tuple(tuple(place) for place in places)
        columns = sorted(place for each in self.places for place in each)
        fits = [block.event_shape == (len(place),) for block, place in zip(self.blocks, self.places, strict=True)]
        if columns != list(range(len(columns))) or not all(fits) or not columns:
            raise ConfigurationError(
                f"places is {self.places}, for blocks of the shapes {[block.event_shape for block in self.blocks]}; expected "
                "each column 0, 1, ... once, and as many for each block as it has elements."
            )
        self.event_shape = (len(columns),)

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> Mixed:
        blocks, places = [], []
        for name, place in blocks_of(context.spec.columns):
            section = _section_of(name, config)
            blocks.append(class_of("likelihood", name).build(section, _context_of(context, place)))
            places.append(place)
        for block, place in zip(blocks, places, strict=True):
            if not isinstance(block, AbstractElementwise):
                column = context.spec.columns[place[0]]
                raise ConfigurationError(
                    f"the likelihood of the column {column.name!r} is {column.likelihood!r}, which is about several elements "
                    "together; expected one of single elements, such as gaussian-mixture."
                )
        return cls(tuple(blocks), tuple(places))

    @property
    @override
    def measure(self) -> Measure:
        first = self.blocks[0].measure
        return first if all(block.measure == first for block in self.blocks) else "mixed"

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """All blocks' parameters, one after the other."""
        return (sum(math.prod(block.param_shape) for block in self.blocks),)

    @property
    @override
    def discrete(self) -> np.ndarray:
        counting = np.zeros(self.event_shape, bool)
        for block, place in zip(self.blocks, self.places, strict=True):
            counting[list(place)] = block.measure == "counting"
        return counting

    @override
    def has_mass(self, y: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        found = [block.has_mass(y[..., np.asarray(place)]) for block, place in zip(self.blocks, self.places, strict=True)]
        if all(each is None for each in found):
            return None
        discrete = [jnp.asarray(block.discrete) for block in self.blocks]
        return _joined([known if each is None else each for each, known in zip(found, discrete, strict=True)], self.places)

    @property
    @override
    def has_nodes(self) -> np.ndarray:
        found = np.zeros(self.event_shape, bool)
        for block, place in zip(self.blocks, self.places, strict=True):
            found[list(place)] = block.has_nodes
        return found

    @override
    def elements(self, params: Float[Array, " params"], total: Float[Array, ""] | None = None) -> Blocks:
        parts = tuple(block.elements(own) for block, own in zip(self.blocks, self._split(params), strict=True))
        return Blocks(parts, self.places)

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        starts = [
            block.initial_params(mean[list(place)], std[list(place)]).reshape(-1)
            for block, place in zip(self.blocks, self.places, strict=True)
        ]
        return np.concatenate(starts).astype(np.float32)

    @override
    def monitors(self, params: Float[Array, " params"]) -> dict[str, Float[Array, ""]]:
        """Those of the blocks: of each name the mean over the columns of the blocks that have it."""
        found: dict[str, list[tuple[int, Array]]] = {}
        for block, own in zip(self.blocks, self._split(params), strict=True):
            for name, value in block.monitors(own).items():
                found.setdefault(name, []).append((block.event_shape[0], value))
        return {
            name: jnp.asarray(sum(size * value for size, value in values) / sum(size for size, _ in values), jnp.float32)
            for name, values in found.items()
        }

    @override
    def masses_of_codes(self, params: Float[Array, " params"]) -> dict[int, Float[Array, " codes"]]:
        found: dict[int, Array] = {}
        for block, place, own in zip(self.blocks, self.places, self._split(params), strict=True):
            found |= {place[number]: masses for number, masses in block.masses_of_codes(own).items()}
        return dict(sorted(found.items()))

    def _split(self, params: Float[Array, " params"]) -> list[Array]:
        ends = np.cumsum([math.prod(block.param_shape) for block in self.blocks])[:-1]
        pieces = jnp.split(params, ends)
        return [piece.reshape(block.param_shape) for piece, block in zip(pieces, self.blocks, strict=True)]


def blocks_of(columns: tuple[Column, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """The likelihood's name and the columns of each block; coded columns of very different sizes are apart."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, column in enumerate(columns):
        size = math.ceil(math.log(max(len(column.categories), 1), _LARGEST_RATIO)) if column.is_coded else 0
        groups.setdefault((column.likelihood, size), []).append(place)
    return [(name, tuple(places)) for (name, _), places in groups.items()]


def _section_of(name: str, config: PartConfig) -> PartConfig:
    """The block's own configuration: counts have no total here, because other columns are none."""
    keys = keys_of("likelihood", name)
    given = {"library_size": False, "num_components": config.num_components, "scale": config.scale}
    return PartConfig("likelihood", name, {key: value for key, value in given.items() if key in keys})


def _context_of(context: BuildContext, place: tuple[int, ...]) -> BuildContext:
    spec, chosen = context.spec.of_columns(place), np.asarray(place)
    transforms = (
        Affine(*(np.broadcast_to(each, context.spec.event_shape)[chosen] for each in (transform.shift, transform.scale)))
        for transform in (context.transform, context.input_transform)
    )
    transform, input_transform = transforms
    examples = None if context.examples is None else context.examples[:, chosen]
    return dataclasses.replace(context, spec=spec, transform=transform, input_transform=input_transform, examples=examples)


__all__ = ["Blocks", "Mixed", "blocks_of"]
