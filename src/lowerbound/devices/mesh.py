"""Where arrays lie: the devices that share the examples of a batch, and what each of them holds."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from ..data.examples import Example

_Tree = TypeVar("_Tree")
_AXIS = "data"
# No row has this number: what is written there is dropped.
_NO_ROW = np.iinfo(np.int32).max


def mesh(num_devices: int = 1) -> Mesh:
    """The first devices of this process in a row."""
    return _in_a_row(jax.local_devices()[:num_devices])


def all_devices(most: int | None = None) -> Mesh:
    """All devices of the run in a row, of each of its processes `most` at most."""
    by_process = itertools.groupby(sorted(jax.devices(), key=_process_of), key=_process_of)
    return _in_a_row([device for _, own in by_process for device in itertools.islice(own, most)])


def _process_of(device: Any) -> int:
    return device.process_index


def _in_a_row(devices: list[Any]) -> Mesh:
    return jax.make_mesh((len(devices),), (_AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def place(tree: _Tree, mesh: Mesh) -> _Tree:
    """A copy of the arrays, whole on each device.

    A copy, because a program may take the memory of what it is given; and laid out and typed as programs give their results
    back, because with another layout, or a type that JAX calls weak, the same program would be compiled anew.
    """
    return _laid_out(tree, mesh, NamedSharding(mesh, PartitionSpec()))


def dealt(tree: _Tree, mesh: Mesh) -> _Tree:
    """A copy of the arrays, of which each device holds an equal share of the rows (a multiple of devices)."""
    return _laid_out(tree, mesh, NamedSharding(mesh, PartitionSpec(_AXIS)))


def _laid_out(tree: _Tree, mesh: Mesh, sharding: NamedSharding) -> _Tree:
    def placed(leaf: Any) -> Any:
        if not sharding.is_fully_addressable:
            return _from_each_process(leaf, sharding)
        if mesh.size > 1 and isinstance(leaf, jax.Array):
            # The first device's part would be the array itself, and two leaves that share one cannot both be taken.
            leaf = jnp.copy(leaf)
        is_weak = getattr(leaf, "weak_type", False)
        return jax.device_put(jnp.asarray(leaf, leaf.dtype) if is_weak else leaf, sharding, may_alias=False)

    return jax.tree.map(placed, tree)


def _from_each_process(leaf: Any, sharding: NamedSharding) -> Any:
    """An array that every process has, as one array of all of them. (`device_put` would compare them first, over the network.)"""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_from_each_process(jax.random.key_data(leaf), sharding), impl=jax.random.key_impl(leaf))
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def on_one(tree: _Tree, mesh: Mesh) -> _Tree:
    """Arrays that are whole on each device of a mesh, as arrays of this process's first; left as they are on one."""
    if mesh.size == 1:
        return tree
    return jax.tree.map(lambda leaf: leaf.addressable_data(0) if isinstance(leaf, jax.Array) else leaf, tree)


def divided(batch: _Tree, mesh: Mesh | AbstractMesh) -> _Tree:
    """In a program: the examples of a batch divided among the devices, which must be able to share them equally."""
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec(_AXIS)))


def on_each(tree: _Tree, mesh: Mesh | AbstractMesh) -> _Tree:
    """In a program: the arrays whole on each device; a program of one device is left as it is."""
    return tree if mesh.size == 1 else jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, PartitionSpec()))


def filled(batch: Example, mesh: Mesh | AbstractMesh) -> Example:
    """The batch with rows of weight 0 behind it where the devices could not share it equally.

    They are copies of its last row, so that nothing is computed of them that could not be of a row; but they have no label, and
    no number among the training data. The random numbers of the other rows are those of the batch without them, because JAX
    derives each row's from its place.
    """
    missing = -len(batch) % mesh.size
    if missing == 0:
        return batch
    count = len(batch)
    batch = batch[jnp.minimum(jnp.arange(count + missing), count - 1)]
    is_there = jnp.arange(len(batch)) < count
    weight = jnp.float32(1) if batch.weight is None else batch.weight
    return dataclasses.replace(
        batch,
        weight=jnp.where(is_there, weight, jnp.float32(0)),
        condition=None if batch.condition is None else jnp.where(is_there[:, None], batch.condition, 0),
        index=None if batch.index is None else jnp.where(is_there, batch.index, _NO_ROW),
    )
