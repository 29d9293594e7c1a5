"""The graph of the program that is trained, drawn from its jaxpr, for TensorBoard's Graphs page.

A jaxpr is a list of equations, and each remembers the `jax.named_scope`s in which it was traced. A scope at the top level is
a box, a scope within it a box in that box, an equation a node, and a value that one equation hands to another an edge with
the value's shape. Nothing is drawn that is not in the program, and nothing that its outputs do not need.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, primitives

from ..data.examples import Example
from ..models import AbstractLatentVariableModel, split_trained
from ..objectives import AbstractObjective, recorded

GRADIENT = "gradient"

# The calls whose inputs and outputs are those of the one program they hold, and the parameter that holds it.
_CALLS = {
    primitives.jit_p: "jaxpr",
    primitives.remat_p: "jaxpr",
    primitives.call_p: "call_jaxpr",
    primitives.closed_call_p: "call_jaxpr",
    primitives.custom_jvp_call_p: "call_jaxpr",
    primitives.custom_vjp_call_p: "call_jaxpr",
}
_LONGEST_ATTRIBUTE = 160


def loss_graph(model: AbstractLatentVariableModel, objective: AbstractObjective, batch: Any) -> Any:
    """The GraphDef of `objective`'s loss on a batch, as the training step computes it (dropout and all).

    - `batch`: examples, or an array of them; their values do not matter.

    Its placeholders are `X`, `C` (a condition), `observed` and `weight` where there are some, `key`, `step` where the loss needs
    it, the objective's state and the batch's rows in it where it has one, and the trained parameters by their path in the
    model.
    """
    params, rest = split_trained(model)

    def loss(params: Any, batch: Any, key: Any, step: Any, state: Any) -> Any:
        return recorded(objective, eqx.combine(params, rest), batch, key, step, state, training=True).loss

    batch = Example.of(batch)
    if objective.remembers_examples:
        batch = dataclasses.replace(batch, index=np.arange(len(batch), dtype=np.int32))
    shapes = jax.tree.map(lambda array: jax.ShapeDtypeStruct(array.shape, array.dtype), batch)
    key = jax.eval_shape(jax.random.key, 0)
    state = jax.eval_shape(lambda key: objective.initial_state(model, len(batch), key), key)
    free = shapes, key, jax.ShapeDtypeStruct((), np.int32), state
    # In the order of the fields of an `Example`.
    given = {"X": batch.x, "C": batch.condition, "observed": batch.observed, "weight": batch.weight, "rows": batch.index}
    arguments = (*(name for name, array in given.items() if array is not None), "key", "step", *_paths(state))
    paths = _paths(params)
    return graph_def(jax.make_jaxpr(loss)(params, *free), parameters=paths, arguments=arguments, outputs=("loss",))


def _paths(tree: Any) -> list[str]:
    return [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(tree)]


def graph_def(program: ClosedJaxpr, *, parameters: Sequence[str], arguments: Sequence[str], outputs: Sequence[str]) -> Any:
    """The `GraphDef` (TensorBoard's own protocol buffer) of a program that `jax.make_jaxpr` gave.

    - `parameters`: the paths, with slashes, of the program's first inputs; each is drawn in the box that uses it.
    - `arguments`: the names of its other inputs, drawn beside the boxes.
    - `outputs`: the names of its outputs, each drawn in the box that computes it.

    What is outside all scopes is drawn in the box of all its users, else in the last box that it needs, else beside the boxes.
    The equations of a backward pass are in one box, `gradient`. Loops and branches are drawn once, with a node that
    gathers what they put out. A node has the attributes `_output_shapes` (TensorBoard writes them on the edges), `dtype`,
    and those parameters of its equation that are short enough to read.

    Raises `ValueError` when the names are not as many as the program's inputs and outputs.
    """
    from tensorboard.compat.proto.graph_pb2 import GraphDef  # pyright: ignore[reportAttributeAccessIssue]

    jaxpr = program.jaxpr
    if len(parameters) + len(arguments) != len(jaxpr.invars) or len(outputs) != len(jaxpr.outvars):
        raise ValueError(
            f"got {len(parameters)} parameters, {len(arguments)} arguments and {len(outputs)} outputs for a program of "
            f"{len(jaxpr.invars)} inputs and {len(jaxpr.outvars)} outputs; give one name for each input and output, in order."
        )
    drawing = _Drawing()
    inputs = [
        drawing.add("Placeholder", name, [var.aval]) for name, var in zip((*parameters, *arguments), jaxpr.invars, strict=True)
    ]
    for node in inputs[: len(parameters)]:
        node.is_parameter = True
    for node in inputs[len(parameters) :]:
        node.is_placed = True
    results = drawing.add_program(program, [(node, 0) for node in inputs], None)
    ends = [drawing.add("Output", name, [node.avals[i]], [(node, i)]) for name, (node, i) in zip(outputs, results, strict=True)]

    nodes = _needed_by(ends, drawing.nodes)
    for _ in range(2):
        _move_to_users(nodes)
        _move_to_sources(nodes)
    graph = GraphDef()
    names = _names(nodes)
    for node in nodes:
        _write(node, names, graph.node.add())
    return graph


@dataclasses.dataclass(eq=False)
class _Scope:
    """A box; `parent` is None at the top level."""

    label: str
    parent: _Scope | None

    @property
    def ancestry(self) -> list[_Scope]:
        """From the box at the top level down to this one."""
        return [*(self.parent.ancestry if self.parent else []), self]


_Value = tuple["_Node", int]


@dataclasses.dataclass(eq=False)
class _Node:
    """An equation, a constant, an input or an output. A value of the program is a node and the number of its output."""

    operation: str
    label: str
    avals: list[Any]
    inputs: list[_Value]
    scope: _Scope | None
    attributes: dict[str, Any]
    is_parameter: bool = False
    is_placed: bool = False


class _Drawing:
    """Turns nested programs into one list of nodes, in the order of computation."""

    def __init__(self) -> None:
        self.nodes: list[_Node] = []
        self._boxes: dict[tuple[_Scope | None, str], _Scope] = {}
        self._literals: dict[tuple[_Scope, str, str], _Node] = {}

    def add(
        self,
        operation: str,
        label: str,
        avals: Sequence[Any],
        inputs: Sequence[_Value] = (),
        scope: _Scope | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> _Node:
        """A new node."""
        node = _Node(operation, label, list(avals), list(inputs), scope, attributes or {}, is_placed=scope is not None)
        self.nodes.append(node)
        return node

    def add_program(self, program: ClosedJaxpr | Jaxpr, arguments: Sequence[_Value], scope: _Scope | None) -> list[_Value]:
        """Draw a program's equations within `scope`; returns its outputs."""
        jaxpr = program.jaxpr if isinstance(program, ClosedJaxpr) else program
        constants = [(self.add("Const", "constant", [var.aval]), 0) for var in jaxpr.constvars]
        values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))

        def read(atom: Any, scope: _Scope | None) -> _Value:
            return (self._add_literal(atom, scope), 0) if isinstance(atom, Literal) else values[atom]

        path: list[_Scope] = []
        for equation in jaxpr.eqns:
            path = self._follow(_scope_labels(equation), path, scope)
            inner = path[-1] if path else scope
            results = self._add_equation(equation, [read(atom, inner) for atom in equation.invars], inner)
            values.update(zip(equation.outvars, results, strict=True))
        return [read(atom, scope) for atom in jaxpr.outvars]

    def _add_literal(self, literal: Any, scope: _Scope | None) -> _Node:
        value = np.asarray(literal.val)
        text = f"{value.item():.6g}" if np.issubdtype(value.dtype, np.floating) else str(value)
        node = self._literals.get((scope, text, str(literal.aval))) if scope else None
        if node is None:
            node = self.add("Const", text, [literal.aval], scope=scope, attributes={"value": text})
            if scope:
                self._literals[scope, text, str(literal.aval)] = node
        return node

    def _follow(self, labels: Sequence[str], path: Sequence[_Scope], root: _Scope | None) -> list[_Scope]:
        """The boxes of the next equation, given those of the one before.

        A box at the top level is one, however often it is entered; a box within it that is left and entered again is a
        new one: the second linear layer is not the first.
        """
        followed: list[_Scope] = []
        for depth, label in enumerate(labels):
            parent = followed[-1] if followed else root
            if depth < len(path) and path[depth].label == label and path[depth].parent is parent:
                followed.append(path[depth])
            elif parent is None or (parent.label == GRADIENT and parent.parent is None):
                followed.append(self._boxes.setdefault((parent, label), _Scope(label, parent)))
            else:
                followed.append(_Scope(label, parent))
        return followed

    def _add_equation(self, equation: JaxprEqn, inputs: list[_Value], scope: _Scope | None) -> list[_Value]:
        kind, params = equation.primitive.name, equation.params
        if equation.primitive in _CALLS:
            called, label = params[_CALLS[equation.primitive]], params.get("name", "")
            # A call outside all scopes opens none: a jitted loss must not hide its boxes in a box of its own.
            opens_box = scope is not None and label and len(called.eqns) > 1
            return self.add_program(called, inputs, _Scope(_clean(label), scope) if opens_box else scope)
        if kind in ("scan", "while", "cond"):
            inner = _Scope(kind, scope) if scope else None
            results = self._add_bodies(equation, inputs, inner)
            node = self.add(kind, kind, [var.aval for var in equation.outvars], results, inner)
        else:
            attributes = {name: value for name, value in params.items() if value is not None}
            node = self.add(kind, kind, [var.aval for var in equation.outvars], inputs, scope, attributes)
        return [(node, index) for index in range(len(equation.outvars))]

    def _add_bodies(self, equation: JaxprEqn, inputs: list[_Value], scope: _Scope | None) -> list[_Value]:
        kind, params = equation.primitive.name, equation.params
        if kind == "scan":
            return self.add_program(params["jaxpr"], inputs, scope)
        if kind == "cond":
            branches = params["branches"]
            inner = [_Scope(f"branch_{number}", scope) if scope else None for number in range(len(branches))]
            results = [self.add_program(branch, inputs[1:], box) for branch, box in zip(branches, inner, strict=True)]
            return [inputs[0], *(value for result in results for value in result)]
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
        condition, body, carried = inputs[:first], inputs[first:second], inputs[second:]
        boxes = [_Scope(label, scope) if scope else None for label in ("condition", "body")]
        return [
            *self.add_program(params["cond_jaxpr"], [*condition, *carried], boxes[0]),
            *self.add_program(params["body_jaxpr"], [*body, *carried], boxes[1]),
        ]


def _scope_labels(equation: JaxprEqn) -> list[str]:
    """The named scopes of an equation, without the transformations written around them: `jvp(vmap(ELB))` is `ELB`."""
    labels, is_backward = [], False
    for part in str(equation.source_info.name_stack).split("/"):
        while match := re.fullmatch(r"(\w+)\((.*)\)", part):
            is_backward = is_backward or match[1] == "transpose"
            part = match[2]
        if part:
            labels.append(_clean(part))
    return [GRADIENT, *labels] if is_backward else labels


def _clean(label: str) -> str:
    """`eqx.nn.Linear` is `Linear`, `_uniform` is `uniform`."""
    return re.sub(r"[^\w.-]", "_", label.split(".")[-1]).strip("_") or "scope"


def _needed_by(ends: Sequence[_Node], nodes: Sequence[_Node]) -> list[_Node]:
    needed, waiting = set(ends), list(ends)
    while waiting:
        sources = {source for source, _ in waiting.pop().inputs} - needed
        needed |= sources
        waiting += sources
    return [node for node in nodes if node in needed]


def _move_to_users(nodes: Sequence[_Node]) -> None:
    """What has no scope of its own goes to the one that all its users share: inputs the innermost, equations the box."""
    scopes: dict[_Node, list[_Scope | None]] = defaultdict(list)
    for node in reversed(nodes):
        if not node.is_placed and scopes[node]:
            shared = _common(scopes[node])
            node.scope = shared if shared is None or not node.inputs else shared.ancestry[0]
            node.is_placed = node.scope is not None
        for source, _ in node.inputs:
            scopes[source].append(node.scope)


def _move_to_sources(nodes: Sequence[_Node]) -> None:
    """What still has none goes to the last box that it needs; that can turn no edge round."""
    order = {node: place for place, node in enumerate(nodes)}
    for node in nodes:
        if not node.is_placed:
            boxes = [source.scope for source, _ in sorted(node.inputs, key=lambda value: order[value[0]]) if source.scope]
            node.scope = boxes[-1].ancestry[0] if boxes else None
            node.is_placed = node.scope is not None


def _common(scopes: Sequence[_Scope | None]) -> _Scope | None:
    shared = None
    for level in zip(*(scope.ancestry if scope else [] for scope in scopes), strict=False):
        if any(scope is not level[0] for scope in level):
            break
        shared = level[0]
    return shared


def _names(nodes: Sequence[_Node]) -> dict[_Node, str]:
    """A name for each node: its boxes and its label, with a number where another node or box of that box bears it already."""
    taken: set[str] = set()
    prefixes: dict[_Scope | None, str] = {None: ""}

    def unique(name: str) -> str:
        number, candidate = 1, name
        while candidate in taken:
            number += 1
            # Names that end in a number TensorBoard folds together, as a series, whatever their wiring.
            candidate = f"{name}({number})"
        taken.add(candidate)
        return candidate

    def prefix(scope: _Scope | None) -> str:
        if scope not in prefixes:
            prefixes[scope] = unique(prefix(scope.parent) + scope.label) + "/" if scope else ""
        return prefixes[scope]

    labels = _parameter_labels(nodes)
    return {node: unique(prefix(node.scope) + labels.get(node, node.label)) for node in nodes}


def _parameter_labels(nodes: Sequence[_Node]) -> dict[_Node, str]:
    """The end of each parameter's path, long enough to tell it from the others in its box: `weight`, or `layers_0/weight`."""
    by_scope: dict[_Scope | None, list[_Node]] = defaultdict(list)
    for node in nodes:
        if node.is_parameter:
            by_scope[node.scope].append(node)
    labels: dict[_Node, str] = {}
    for scope, group in by_scope.items():
        paths = [re.sub(r"/(\d+)", r"_\1", node.label).split("/") for node in group]
        length = 1
        while scope and len({tuple(path[-length:]) for path in paths}) < len(paths):
            length += 1
        for node, path in zip(group, paths, strict=True):
            # Beside the boxes a slash would draw one more box.
            labels[node] = "/".join(path[-length:]) if scope else ".".join(path)
    return labels


def _write(node: _Node, names: dict[_Node, str], target: Any) -> None:
    target.name, target.op = names[node], node.operation
    target.input.extend(names[source] + (f":{index}" if index else "") for source, index in node.inputs)
    shapes = target.attr["_output_shapes"].list
    for aval in node.avals:
        shape = shapes.shape.add()
        for size in getattr(aval, "shape", ()):
            shape.dim.add(size=size)
    attributes = {"dtype": ", ".join(str(getattr(aval, "dtype", aval)) for aval in node.avals), **node.attributes}
    if node.is_parameter:
        attributes["path"] = node.label
    for name, value in attributes.items():
        text = str(value)
        if len(text) <= _LONGEST_ATTRIBUTE and "\n" not in text:
            target.attr[name].s = text.encode()
