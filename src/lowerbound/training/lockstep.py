"""Trainings in lockstep: what several members are to compute at the same time is one program, mapped over the members.

A member's own loop does not know of it. It waits where it calls a program until each of the others has called one, too, or has
left; then the calls of one form (the same program, structure and shapes) are stacked and done at once. So each member has its
own seed, order of data and noise, its own early stopping, and its own failure.
"""

from __future__ import annotations

import functools
import hashlib
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from typing_extensions import override

from . import program
from .programs import Programs

_Tree = TypeVar("_Tree")


class _Call:
    """One member's: `args` are for `program`, and `result` or `error` is what came of it."""

    def __init__(self, program: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.program, self.args = program, args
        self.result: Any = None
        self.error: BaseException | None = None
        self.is_done = False
        arrays, self.rest = eqx.partition(args, eqx.is_array)
        self.leaves, self.structure = jax.tree.flatten(arrays)

    @property
    def form(self) -> Hashable:
        """Calls of the same form can be one program."""
        shapes = tuple((leaf.shape, str(leaf.dtype)) for leaf in self.leaves)
        return self.program, self.structure, shapes, tuple(jax.tree.leaves(self.rest)), jax.tree.structure(self.rest)


class Lockstep:
    """A number of members, each of which takes a seat and leaves it at the end."""

    def __init__(self, members: int) -> None:
        self._present = members
        self._condition = threading.Condition()
        self._calls: list[_Call] = []
        # Arrays of which the members need only one, by their content, and how many members of a form are one program.
        self._known: dict[Hashable, Any] = {}
        self._widths: dict[Hashable, int] = {}

    def seat(self) -> Seat:
        """A member's."""
        return Seat(self)

    def call(self, program: Callable[..., Any], *args: Any) -> Any:
        """What `program(*args)` gives, computed when all members who are present have called something."""
        mine = _Call(program, args)
        with self._condition:
            self._calls.append(mine)
            self._go_on()
            while not mine.is_done:
                self._condition.wait()
        if mine.error is not None:
            raise mine.error
        return mine.result

    def leave(self) -> None:
        """One member fewer to wait for."""
        with self._condition:
            self._present -= 1
            self._go_on()

    def known(self, array: Any) -> Any:
        """The same array, or one of the same content that another member brought."""
        is_key = jnp.issubdtype(array.dtype, jax.dtypes.prng_key)
        content = np.asarray(jax.random.key_data(array) if is_key else array)
        name = (array.shape, str(array.dtype), hashlib.blake2b(content.tobytes()).digest())
        with self._condition:
            return self._known.setdefault(name, array)

    def _go_on(self) -> None:
        if len(self._calls) < max(self._present, 1):
            return
        calls, self._calls = self._calls, []
        forms: dict[Hashable, list[_Call]] = {}
        for call in calls:
            forms.setdefault(call.form, []).append(call)
        for form, own in forms.items():
            self._do(form, own)
        for call in calls:
            call.is_done = True
        self._condition.notify_all()

    def _do(self, form: Hashable, calls: Sequence[_Call]) -> None:
        """Do calls of one form, as many at a time as fit into memory."""
        width = self._widths.setdefault(form, len(calls))
        if len(calls) <= width // 2:
            # Members who have ended are made up for until half of them are gone: each width is a program to compile.
            width = self._widths[form] = len(calls)
        for start in range(0, len(calls), width):
            own = calls[start : start + width]
            try:
                results = _mapped([*own, *[own[-1]] * (width - len(own))])
            except Exception as error:
                if width > 1 and isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error):
                    self._widths[form] = width // 2
                    self._do(form, calls[start:])
                    return
                for call in own:
                    call.error = error
            else:
                for call, result in zip(own, results, strict=False):
                    call.result = result


class Seat(Programs):
    """What the training of one member runs its programs by."""

    def __init__(self, lockstep: Lockstep) -> None:
        self._lockstep, self._is_taken = lockstep, True

    @override
    def train_chunk(self, given: Any, state: Any) -> Any:
        return self._lockstep.call(program.chunk_of_steps, given, state)

    @override
    def validate(self, fixed: Any, params: Any, data: Any, state: Any) -> Any:
        return self._lockstep.call(program.validation, fixed, params, data, state)

    @override
    def shared(self, tree: _Tree) -> _Tree:
        return jax.tree.map(lambda leaf: self._lockstep.known(leaf) if eqx.is_array(leaf) else leaf, tree)

    @override
    def leave(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._lockstep.leave()


def _mapped(calls: Sequence[_Call]) -> list[Any]:
    """What the calls give, which are of one form; arrays that all of them have are not repeated."""
    if len(calls) == 1:
        return [_compiled(calls[0].program)(*calls[0].args)]
    first, columns = calls[0], list(zip(*(call.leaves for call in calls), strict=True))
    is_shared = [all(leaf is column[0] for leaf in column) for column in columns]
    shared = [column[0] if same else None for column, same in zip(columns, is_shared, strict=True)]
    own = [[None if same else leaf for leaf, same in zip(call.leaves, is_shared, strict=True)] for call in calls]
    return _at_once(first.program, first.structure, first.rest, shared, own)


_compiled = functools.cache(eqx.filter_jit)


@eqx.filter_jit
def _at_once(function: Callable[..., Any], structure: Any, rest: Any, shared: list[Any], own: list[list[Any]]) -> list[Any]:
    def of_one(leaves: list[Any]) -> Any:
        whole = [known if leaf is None else leaf for leaf, known in zip(leaves, shared, strict=True)]
        return function(*eqx.combine(jax.tree.unflatten(structure, whole), rest))

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *own)
    found = jax.vmap(of_one, axis_size=len(own))(stacked)
    # Each member's own, in one program: taken apart outside, each array would be a program.
    return [jax.tree.map(lambda leaf, index=index: leaf[index], found) for index in range(len(own))]
