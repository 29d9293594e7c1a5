"""What a training runs its programs by: by itself, beside others, or (`lockstep`) together with others."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

import jax

from ..data.examples import Example
from . import program
from .feed import AbstractBatches

_Tree = TypeVar("_Tree")


@dataclasses.dataclass(frozen=True)
class Programs:
    """The programs of a training that waits for nobody.

    - `shares_cores`: other models train in other threads; on CPU each then has one core, which is less waiting than all sharing
      each product.
    """

    shares_cores: bool = False

    def train_chunk(
        self, given: tuple[program.Fixed, AbstractBatches], state: program.TrainState
    ) -> tuple[program.TrainState, program.ChunkMetrics]:
        """A chunk of steps; the memory of `state` may be taken for the new one."""
        return program.train_chunk(jax.default_backend(), self.shares_cores)(given, state)

    def validate(self, fixed: program.Fixed, params: program.Params, data: Example, state: object) -> program.ValidationMetrics:
        """`program.validation`, compiled."""
        return program.validate(fixed, params, data, state)

    def shared(self, tree: _Tree) -> _Tree:
        """The same arrays, or in their place those of the same content that others train with."""
        return tree

    def leave(self) -> None:
        """The training has ended: nobody need wait for it. A second time changes nothing."""


ALONE = Programs()
