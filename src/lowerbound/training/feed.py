"""How training examples reach the compiled program: all of them at once, or a chunk of steps at a time."""

import dataclasses
import functools
from abc import abstractmethod
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from .schedule import Schedule

# The rows of each step of an epoch, or of several.
Order = Int[Array, "epoch_steps batch"]

# The stream of random numbers that follows those of `program`.
REDRAWING = 3
# That of objectives is 4.
_HIDING = 5
# What the weight of added examples with a label falls to.
LAST_SHARE = 0.05
# No epoch has this number, by which an epoch's permutation is drawn.
_LABELLED = 2**31 - 1


def spread(count: int, among: int) -> np.ndarray:
    """The numbers of so many rows, or of all where they are fewer, evenly spread."""
    return np.unique(np.linspace(0, among - 1, min(count, among)).astype(int))


class AbstractBatches(eqx.Module):
    """What the program of one chunk is given: examples, and which of them each step sees."""

    data: eqx.AbstractVar[Example]

    @abstractmethod
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        """The rows of `data` for each step of the chunk; `order`: those of the whole epoch, where they are known."""

    @abstractmethod
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        """What a step sees of these rows; `key` is the run's own, of which each stream of random numbers is made."""


class AbstractFeed(eqx.Module):
    """Where the training examples are. Which of them a step sees derives from (seed, epoch) alone, whatever the feed."""

    @property
    @abstractmethod
    def num_examples(self) -> int:
        """How many there are."""

    @abstractmethod
    def first(self, count: int) -> Example:
        """The first of them, `count` at most."""

    def some(self, count: int) -> Example:
        """As many of them, spread evenly: a person's order may be by kind."""
        return self.first(count)

    @abstractmethod
    def fetch(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> AbstractBatches:
        """What the chunk that starts at `first_step` is given."""

    def close(self) -> None:
        """Training has ended: nothing more is asked for."""

    @property
    def waited(self) -> float:
        """Seconds that the program has waited for examples so far, in this process."""
        return 0.0

    def words(self, key: PRNGKeyArray) -> str:
        """How examples are brought, for people, where that is worth saying; `key`: as `fetch` is given it."""
        return ""


class AbstractResident(AbstractFeed, AbstractBatches):
    """All examples on the device; the program looks up the rows of each step."""

    @property
    @override
    def num_examples(self) -> int:
        return len(self.data)

    @override
    def first(self, count: int) -> Example:
        return self.data[:count]

    @override
    def some(self, count: int) -> Example:
        return self.data[spread(count, len(self.data))]

    @override
    def fetch(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> AbstractBatches:
        if schedule.chunks_per_epoch == 1:
            return self
        content = np.asarray(jax.random.key_data(key)).tobytes()
        own = _Key(key, content, key.sharding)
        return InParts(self.data, self, _order(own, first_step // schedule.steps_per_epoch, schedule, len(self.data)))

    @override
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        return batch_indices(key, first_step, schedule, len(self.data), order)


class InParts(AbstractBatches):
    """Another's batches, where an epoch takes several chunks: the order of the epoch is found once, and not by each of them.

    - `inner`: whose batches; its examples are `data`. `order`: the rows of each step of the epoch.
    """

    data: Example
    inner: AbstractResident
    order: Order

    @override
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        return self.inner.rows(key, first_step, schedule, self.order)

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        return self.inner.batch(rows, key, step)


class Resident(AbstractResident):
    """All examples on the device, as they are."""

    data: Example

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        return self.data[rows]


class Redrawn(AbstractResident):
    """All examples on the device, as zeros and ones that each step draws anew.

    - `data`: the examples with one fixed draw as x. `values`: of x's shape; divided by `top` they are the probability of a one.
    """

    data: Example
    values: Num[Array, "..."]
    top: float = eqx.field(static=True)

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        probability = self.values[rows].astype(jnp.float32) / self.top
        own = jax.random.fold_in(jax.random.fold_in(key, REDRAWING), step)
        drawn = jax.random.uniform(own, probability.shape, jnp.float32) < probability
        return dataclasses.replace(self.data[rows], x=drawn.astype(self.data.x.dtype))


class Noisy(AbstractResident):
    """All examples on the device, of which each step draws values anew: x ~ N(data, std^2).

    - `std`: of x's shape.
    """

    data: Example
    std: Float[Array, "..."]

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        own = jax.random.fold_in(jax.random.fold_in(key, REDRAWING), step)
        noise = self.std[rows] * jax.random.normal(own, (len(rows), *self.data.x.shape[1:]), jnp.float32)
        return dataclasses.replace(self.data[rows], x=self.data.x[rows] + noise)


class WithLabelled(AbstractResident):
    """Another's batches, each with labelled examples behind it.

    - `inner`: whose batches; its examples are `data`. `labelled`: which examples have one.
    - `count`: how many are added to a batch, drawn anew at each step. `added_weight`: of each in the batch's means, at first.
    - `fall_steps`: in how many steps this falls to `LAST_SHARE` of itself, where it stays; None where it does not.
    """

    data: Example
    inner: Resident | Redrawn | Noisy
    labelled: Int[Array, " labelled"]
    count: int = eqx.field(static=True)
    added_weight: Float[Array, ""]
    fall_steps: Float[Array, ""] | None = None

    @override
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        ordinary = self.inner.rows(key, first_step, schedule, order)
        own = jax.random.fold_in(key, _LABELLED)
        keys = jax.vmap(lambda step: jax.random.fold_in(own, step))(first_step + jnp.arange(len(ordinary)))
        drawn = jax.vmap(lambda key: jax.random.randint(key, (self.count,), 0, len(self.labelled)))(keys)
        return jnp.concatenate([ordinary, self.labelled[drawn]], axis=1)

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        batch = self.inner.batch(rows, key, step)
        weight = jnp.ones(len(rows), jnp.float32) if batch.weight is None else batch.weight
        added = self.added_weight
        if self.fall_steps is not None:
            added = added * LAST_SHARE ** jnp.minimum(step.astype(jnp.float32) / self.fall_steps, 1.0)
        return dataclasses.replace(batch, weight=weight.at[-self.count :].set(added))


class Hiding(AbstractResident):
    """Another's batches, in which a step hides elements of half of the examples, anew each time and completely at random.

    The bound on log p(x) of what is left is one of the same model: a model that is trained on it learns the same law, and an
    encoder to make do with less. (Whoever hides elements from the encoder alone asks it to guess, and loosens the bound.)

    - `inner`: whose batches; its examples are `data`. `largest`: each of these examples loses a share of its elements that is
      uniform between 0 and this.
    """

    data: Example
    inner: AbstractBatches
    largest: Float[Array, ""]

    @override
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        return self.inner.rows(key, first_step, schedule, order)

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        batch = self.inner.batch(rows, key, step)
        own = jax.random.fold_in(jax.random.fold_in(key, _HIDING), step)
        share_key, element_key = jax.random.split(own)
        # Below 0 for half of the examples.
        share = self.largest * (2 * jax.random.uniform(share_key, (len(rows),)) - 1)
        kept = jax.random.uniform(element_key, batch.x.shape) >= share.reshape(-1, *[1] * (batch.x.ndim - 1))
        return batch.showing(kept)


class Streamed(AbstractFeed):
    """Examples that a reader brings, a chunk of steps at a time: the very rows that `Resident` would have looked up.

    - `read`: the examples of some rows, in this order. `count`: how many there are.
    """

    read: Callable[[np.ndarray], Example] = eqx.field(static=True)
    count: int = eqx.field(static=True)

    @property
    @override
    def num_examples(self) -> int:
        return self.count

    @override
    def first(self, count: int) -> Example:
        return jax.tree.map(jnp.asarray, self.read(np.arange(min(count, self.count))))

    @override
    def some(self, count: int) -> Example:
        return jax.tree.map(jnp.asarray, self.read(spread(count, self.count)))

    @override
    def fetch(self, key: PRNGKeyArray, first_step: int, schedule: Schedule) -> AbstractBatches:
        rows = np.asarray(permuted_batches(key, jnp.int32(first_step), schedule, self.count))
        return Fetched(self.read(rows.reshape(-1)))


class Fetched(AbstractBatches):
    """The examples of one chunk, in the order in which its steps see them.

    The program looks them up as it does among all: were they given by step, it would be another program, with other last bits.
    Even so it is compiled apart from that of `Resident`, which holds the permutation too, and XLA promises nothing of the kind.
    With the options that users have, both give the same bits, with dropout as well; with the tests' flags it moves last bits.
    """

    data: Example

    @override
    def rows(
        self, key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, order: Order | None = None
    ) -> Int[Array, "steps batch"]:
        return jnp.arange(len(self.data)).reshape(-1, schedule.batch_size)

    @override
    def batch(self, rows: Int[Array, " batch"], key: PRNGKeyArray, step: Int[Array, ""]) -> Example:
        return self.data[rows]


def batch_indices(
    key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, num_examples: int, order: Order | None = None
) -> Int[Array, "steps batch"]:
    """Which examples each step of a chunk sees: consecutive rows of each epoch's own permutation, a batch as long as it stays.

    - `order`: those of the one epoch that the chunk is a part of, where they are known.
    """
    first_epoch = first_step // schedule.steps_per_epoch
    if order is None:
        order = _orders(key, first_epoch + jnp.arange(schedule.epochs_per_chunk), schedule, num_examples)
    offset = first_step - first_epoch * schedule.steps_per_epoch
    return jax.lax.dynamic_slice_in_dim(order, offset, schedule.steps_per_chunk)


def _orders(key: PRNGKeyArray, epochs: Int[Array, " epochs"], schedule: Schedule, num_examples: int) -> Order:
    """The rows of each step of these epochs."""
    kept = schedule.steps_per_epoch // schedule.steps_per_batch * schedule.batch_size
    permutations = jax.lax.map(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)[:kept], epochs)
    rows = permutations.reshape(-1, schedule.batch_size)
    return jnp.repeat(rows, schedule.steps_per_batch, axis=0) if schedule.steps_per_batch > 1 else rows


@dataclasses.dataclass(frozen=True)
class _Key:
    """A key that equals another of the same bits on the same devices."""

    key: PRNGKeyArray = dataclasses.field(compare=False)
    content: bytes
    devices: jax.sharding.Sharding


@functools.lru_cache(maxsize=4)
def _order(key: _Key, epoch: int, schedule: Schedule, num_examples: int) -> Order:
    """The rows of each step of an epoch; the last few are kept, each for the chunks of its epoch."""
    return _epoch_order(key.key, jnp.int32(epoch)[None], schedule, num_examples)


_epoch_order = eqx.filter_jit(_orders)
permuted_batches = eqx.filter_jit(batch_indices)
