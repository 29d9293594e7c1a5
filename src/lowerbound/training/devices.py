"""Where arrays lie: the mesh of devices that a run is laid out on."""

from __future__ import annotations

from typing import TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_Tree = TypeVar("_Tree")
_AXIS = "data"


def mesh(num_devices: int = 1) -> Mesh:
    """The first devices in a row; the examples of a batch are divided among them, and everything else is on each."""
    return jax.make_mesh((num_devices,), (_AXIS,), axis_types=(AxisType.Auto,), devices=jax.devices()[:num_devices])


def place(tree: _Tree, mesh: Mesh) -> _Tree:
    """A copy of the arrays, whole on each device.

    A copy, because a program may take the memory of what it is given; and laid out as programs give their results back,
    because with another layout the same program would be compiled anew.
    """
    sharding = NamedSharding(mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(leaf, sharding, may_alias=False), tree)


def divided(batch: _Tree, mesh: Mesh) -> _Tree:
    """In a program: the examples of a batch divided among the devices."""
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec(_AXIS)))
