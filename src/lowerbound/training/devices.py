"""Where arrays lie: the mesh of devices that a run is laid out on."""

from __future__ import annotations

from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

_Tree = TypeVar("_Tree")
_AXIS = "data"


def mesh(num_devices: int = 1) -> Mesh:
    """The first devices in a row; the examples of a batch are divided among them, and everything else is on each."""
    return jax.make_mesh((num_devices,), (_AXIS,), axis_types=(AxisType.Auto,), devices=jax.devices()[:num_devices])


def place(tree: _Tree, mesh: Mesh) -> _Tree:
    """A copy of the arrays, whole on each device.

    A copy, because a program may take the memory of what it is given; and laid out and typed as programs give their results
    back, because with another layout, or a type that JAX calls weak, the same program would be compiled anew.
    """
    sharding = NamedSharding(mesh, PartitionSpec())

    def placed(leaf: Any) -> Any:
        is_weak = getattr(leaf, "weak_type", False)
        return jax.device_put(jnp.asarray(leaf, leaf.dtype) if is_weak else leaf, sharding, may_alias=False)

    return jax.tree.map(placed, tree)


def divided(batch: _Tree, mesh: Mesh) -> _Tree:
    """In a program: the examples of a batch divided among the devices."""
    return jax.lax.with_sharding_constraint(batch, NamedSharding(mesh, PartitionSpec(_AXIS)))
