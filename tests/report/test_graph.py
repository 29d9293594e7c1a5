"""The graph of the trained program: read back from the event file, its boxes and the edges between them are checked."""

import contextlib
import itertools
import sys
import types
from collections import Counter

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model

from lowerbound.assembly.build import build_objective
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.report.graph import graph_def, loss_graph
from lowerbound.report.tensorboard import TensorBoardWriter
from lowerbound.training import Trainer, program

BOXES = ["X_encoder", "reparametrization", "X_decoder", "ELB"]
NOT_EQUATIONS = {"Placeholder", "Const", "Output"}

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 6, 5)).astype(np.uint8)
BINARY = (IMAGES > 127).astype(np.uint8)
SMALL = {"model": {"latent_dim": 3}, "network": {"hidden_widths": [8, 7], "activations": ["elu", "tanh"]}}
CASES = {
    "gaussian": (IMAGES, {"likelihood": {"name": "gaussian", "mean": "free"}}),
    "gaussian-dropout": (IMAGES, {"likelihood": {"name": "gaussian", "mean": "sigmoid"}, "network": {"dropout": 0.1}}),
    "discretized-logistic": (IMAGES, {"likelihood": {"name": "discretized-logistic"}}),
    "bernoulli": (BINARY, {"likelihood": {"name": "bernoulli"}}),
    "warm-up-three-samples": (IMAGES, {"objective": {"num_samples": 3, "beta": 4.0, "warmup_epochs": 2}}),
}


def box(name):
    """The box at the top level that a node or an edge's end is in, "" beside the boxes."""
    return name.split("/")[0] if "/" in name else ""


def edges_between_boxes(graph):
    return {(box(source), box(node.name)) for node in graph.node for source in node.input if box(source) != box(node.name)}


def assert_wired_in_order(graph):
    """The four boxes and no others; encoder -> reparametrization -> decoder -> ELB, encoder -> ELB; no edge backwards."""
    assert {box(node.name) for node in graph.node} - {""} == set(BOXES)
    between = {edge for edge in edges_between_boxes(graph) if "" not in edge}
    assert {*itertools.pairwise(BOXES), ("X_encoder", "ELB")} <= between
    assert all(BOXES.index(source) < BOXES.index(target) for source, target in between)


def assert_well_formed(graph):
    """Each node has one name, and comes after all that it needs."""
    seen = set()
    for node in graph.node:
        assert node.name not in seen
        assert {source.split(":")[0] for source in node.input} <= seen
        seen.add(node.name)


def build(case):
    data, sections = CASES[case]
    config = RunConfig.from_dict(SMALL).updated(sections)
    model = build_model(config, describe(data), jax.random.key(0))
    return data, config, model, build_objective(config, steps_per_epoch=4, num_examples=len(data))


@pytest.fixture
def through_event_file(tmp_path, monkeypatch):
    """A graph as TensorBoard's own reader finds it in the log."""
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", types.ModuleType("notf"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def write_and_read(graph):
        with TensorBoardWriter(tmp_path) as log:
            log.graph(graph)
        return EventAccumulator(str(tmp_path)).Reload().Graph()

    return write_and_read


def shapes(node):
    return [tuple(dim.size for dim in shape.dim) for shape in node.attr["_output_shapes"].list.shape]


@pytest.mark.parametrize("case", CASES)
def test_the_four_boxes_are_wired_in_order(case, through_event_file):
    data, _, model, objective = build(case)
    graph = through_event_file(loss_graph(model, objective, data[:10]))
    assert_well_formed(graph)
    assert_wired_in_order(graph)
    assert {("", "X_encoder"), ("", "ELB"), ("", "reparametrization")} <= edges_between_boxes(graph)
    beside = {node.name for node in graph.node if box(node.name) == ""}
    assert {"X", "key"} <= beside
    assert beside <= {"X", "key", "step", "random_split", "random_split(2)"}
    assert ("step" in beside) == (case == "warm-up-three-samples")
    (loss,) = [node for node in graph.node if node.op == "Output"]
    assert (loss.name, shapes(loss)) == ("ELB/loss", [()])


@pytest.mark.parametrize(
    ("name", "beside"), [("wake-sleep", {"X", "key"}), ("monte-carlo-em", {"X", "rows", "z", "log_step_size"})]
)
def test_an_objective_that_dreams_or_remembers_is_drawn_too(name, beside):
    config = RunConfig.from_dict(SMALL).updated({"likelihood": {"name": "bernoulli"}, "objective": {"name": name}})
    model = build_model(config, describe(BINARY), jax.random.key(0))
    graph = loss_graph(model, build_objective(config, steps_per_epoch=4, num_examples=40), BINARY[:10])
    assert_well_formed(graph)
    assert beside <= {node.name.rpartition("/")[2] for node in graph.node if node.op == "Placeholder"}
    assert [node.op for node in graph.node if node.name.endswith("loss")] == ["Output"]


def test_parameters_are_drawn_in_their_own_box_with_path_and_shape():
    data, _, model, objective = build("gaussian")
    graph = loss_graph(model, objective, data[:10])
    drawn = {node.attr["path"].s.decode(): node for node in graph.node if "path" in node.attr}
    expected = {jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in parameters_of(model)}
    assert set(drawn) == expected
    for path, node in drawn.items():
        assert box(node.name) == "X_" + path.split("/")[0]
        assert node.name.endswith(path.split("/")[-1])
        assert node.op == "Placeholder"
    assert shapes(drawn["encoder/layers/1/bias"]) == [(7,)]
    assert drawn["encoder/layers/1/bias"].attr["dtype"].s == b"float32"


def parameters_of(model):
    return jax.tree.leaves_with_path(eqx.filter(model, lambda leaf: isinstance(leaf, jax.Array)))


def test_edges_carry_the_shapes_of_the_program():
    data, _, model, objective = build("gaussian")
    graph = loss_graph(model, objective, data[:10])
    nodes = {node.name: node for node in graph.node}
    crossing = {
        (box(source), box(node.name)): shapes(nodes[source])[0]
        for node in graph.node
        for source in node.input
        if box(source) != box(node.name)
    }
    assert crossing["", "ELB"] == (10, 6, 5)
    assert crossing["X_encoder", "reparametrization"] == (10, 3)
    assert crossing["X_encoder", "ELB"] == (10, 3)
    assert crossing["reparametrization", "X_decoder"] == (10, 1, 3)
    assert crossing["X_decoder", "ELB"] == (10, 1, 2, 6, 5)
    # Six layers, and no product that the loss does not need.
    assert Counter(box(node.name) for node in graph.node if node.op == "dot_general") == {"X_encoder": 3, "X_decoder": 3}


def equations(graph):
    """How often each operation is computed in each box."""
    return Counter((box(node.name), node.op) for node in graph.node if node.op not in NOT_EQUATIONS)


def test_every_equation_drawn_is_one_of_the_training_step():
    data, config, model, objective = build("gaussian-dropout")
    trainer = Trainer(model, data[:30], data[30:], objective, config.training)
    state, size = trainer.start().state, trainer.schedule.batch_size

    def step(params, x, key):
        return program.train_step(trainer.fixed, eqx.tree_at(lambda s: s.params, state, params), Example(x), key)

    # Optax itself raises a float to an integer power.
    with jax.numpy_dtype_promotion("standard"):
        jaxpr = jax.make_jaxpr(step)(state.params, jnp.asarray(data[:size]), jax.random.key(0))
    outputs = [f"output {number}" for number in range(len(jaxpr.jaxpr.outvars))]
    paths = [jax.tree_util.keystr(path, simple=True, separator="/") for path, _ in jax.tree.leaves_with_path(state.params)]
    whole = graph_def(jaxpr, parameters=paths, arguments=("x", "key"), outputs=outputs)
    loss = loss_graph(model, objective, data[:size])
    assert_well_formed(whole)
    assert sum(equations(loss).values()) > 200
    assert equations(loss) <= equations(whole)
    # The backward pass is apart, and the forward pass beside it is wired as before.
    between = {edge for edge in edges_between_boxes(whole) if set(edge) <= set(BOXES)}
    assert all(BOXES.index(source) < BOXES.index(target) for source, target in between)
    assert {box(node.name) for node in whole.node} == {"", *BOXES, "gradient"}
    assert ("gradient", "X_encoder") not in edges_between_boxes(whole)
    # Control: a model of another likelihood is another program.
    other_data, _, other_model, other_objective = build("discretized-logistic")
    assert not equations(loss_graph(other_model, other_objective, other_data[:size])) <= equations(whole)


def small_vae(scopes, wrap=lambda function: function):
    """The graph of a VAE of one layer each, with its four parts traced under the scopes given (None for none)."""

    def scope(part):
        name = scopes[BOXES.index(part)]
        return jax.named_scope(name) if name else contextlib.nullcontext()

    def log_terms(params, x, key):
        with scope("X_encoder"):
            mu = wrap(jnp.tanh)(x @ params["encoder"])
        with scope("reparametrization"):
            z = mu + jax.random.normal(key, mu.shape)
        with scope("X_decoder"):
            mean = wrap(jax.nn.softplus)(z @ params["decoder"])
        with scope("ELB"):
            return 0.5 * jnp.sum(jnp.square(x - mean)) + 0.5 * jnp.sum(jnp.square(mu))

    def loss(params, x, key):
        return jnp.mean(jax.vmap(log_terms, in_axes=(None, 0, 0))(params, x, jax.random.split(key, x.shape[0])))

    params = {"decoder": jnp.ones((2, 4)), "encoder": jnp.ones((4, 2))}
    jaxpr = jax.make_jaxpr(loss)(params, jnp.ones((3, 4)), jax.random.key(0))
    return graph_def(jaxpr, parameters=("decoder", "encoder"), arguments=("X", "key"), outputs=("loss",))


def test_equations_outside_all_scopes_join_the_box_that_they_serve():
    graph = small_vae(BOXES)
    assert_wired_in_order(graph)
    # The keys' split serves the reparametrisation alone; the mean over the batch needs only the ELB.
    assert [node.name for node in graph.node if node.op == "random_split"] == ["reparametrization/random_split"]
    assert {node.name for node in graph.node if box(node.name) == ""} == {"X", "key"}
    (loss,) = [node for node in graph.node if node.op == "Output"]
    assert loss.name == "ELB/loss"


@pytest.mark.parametrize(
    "scopes",
    [
        ["X_encoder", "reparametrization", None, "ELB"],
        ["X_decoder", "reparametrization", "X_encoder", "ELB"],
        ["X_encoder", "reparametrization", "ELB", "ELB"],
    ],
    ids=["no decoder scope", "encoder and decoder exchanged", "decoder inside ELB"],
)
def test_a_program_with_other_scopes_fails_the_check(scopes):
    with pytest.raises(AssertionError):
        assert_wired_in_order(small_vae(scopes))


def scanned(function):
    return lambda x: jax.lax.scan(lambda carry, _: (function(carry), None), x, length=3)[0]


def branched(function):
    # A predicate of the batch, not of the example: vmap would otherwise compute both branches and select.
    return lambda x: jax.lax.cond(True, function, jnp.negative, x)


def repeated(function):
    return lambda x: jax.lax.while_loop(lambda y: jnp.sum(y) > 100, function, x)


@pytest.mark.parametrize(
    ("wrap", "inner"),
    [
        (jax.jit, {"X_encoder/tanh": "tanh", "X_decoder/custom_jvp_call": None, "X_decoder/log1p": "log1p"}),
        (jax.checkpoint, {"X_encoder/tanh": "tanh"}),
        (scanned, {"X_encoder/scan/tanh": "tanh", "X_encoder/scan/scan": "scan"}),
        (repeated, {"X_encoder/while/body/tanh": "tanh", "X_encoder/while/condition/gt": "gt", "X_encoder/while/while": "while"}),
        (branched, {"X_encoder/cond/branch_0/neg": "neg", "X_encoder/cond/cond": "cond"}),
    ],
    ids=["jit", "checkpoint", "scan", "while", "cond"],
)
def test_programs_within_the_program_are_drawn_in_their_box(wrap, inner):
    graph = small_vae(BOXES, wrap)
    assert_well_formed(graph)
    assert_wired_in_order(graph)
    operations = {node.name: node.op for node in graph.node}
    assert {name: operations.get(name) for name in inner} == inner


def test_a_jitted_loss_does_not_hide_its_boxes():
    @jax.jit
    def loss(x):
        with jax.named_scope("ELB"):
            return jnp.sum(jnp.square(x))

    graph = graph_def(jax.make_jaxpr(loss)(jnp.ones(3)), parameters=(), arguments=("X",), outputs=("loss",))
    assert [node.name for node in graph.node] == ["X", "ELB/square", "ELB/reduce_sum", "ELB/loss"]


def test_a_scope_entered_again_is_a_box_again_but_not_at_the_top_level():
    def loss(x):
        with jax.named_scope("X_encoder"):
            for _ in range(2):
                with jax.named_scope("layer"):
                    x = jnp.tanh(x)
                x = x + 1.0
        with jax.named_scope("ELB"):
            x = jnp.exp(x)
        with jax.named_scope("X_encoder"):
            return jnp.sin(x)

    graph = graph_def(jax.make_jaxpr(loss)(jnp.ones(3)), parameters=(), arguments=("X",), outputs=("loss",))
    drawn = {node.name for node in graph.node if node.op in ("tanh", "exp", "sin")}
    assert drawn == {"X_encoder/layer/tanh", "X_encoder/layer(2)/tanh", "ELB/exp", "X_encoder/sin"}


def test_a_parameter_of_two_boxes_is_drawn_beside_them_and_makes_no_box():
    def loss(weight, x):
        with jax.named_scope("X_encoder"):
            x = x @ weight
        with jax.named_scope("X_decoder"):
            return jnp.sum(x @ weight.T)

    jaxpr = jax.make_jaxpr(loss)(jnp.ones((2, 2)), jnp.ones((3, 2)))
    graph = graph_def(jaxpr, parameters=("tied/layers/0/weight",), arguments=("X",), outputs=("loss",))
    assert [node.name for node in graph.node if "path" in node.attr] == ["tied.layers_0.weight"]
    assert {box(node.name) for node in graph.node} == {"", "X_encoder", "X_decoder"}


def test_wrong_names_are_refused():
    jaxpr = jax.make_jaxpr(jnp.sin)(1.0)
    with pytest.raises(ValueError, match="got 1 parameters, 1 arguments and 1 outputs for a program of 1 inputs and 1 outputs"):
        graph_def(jaxpr, parameters=("weight",), arguments=("X",), outputs=("loss",))
