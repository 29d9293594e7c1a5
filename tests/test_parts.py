"""The invariants that every part of the registry keeps."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import count_compilations
from registry import CASES, DATA, LIKELIHOODS, NETWORKS, OBJECTIVES, POSTERIORS, PRIORS, RECIPES, TRANSFORMS, Case
from support.built import build_model

from lowerbound import likelihoods, networks, objectives, posteriors, priors
from lowerbound.assembly.build import build_objective
from lowerbound.config import RunConfig
from lowerbound.data import transforms
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.models import split_trained
from lowerbound.runs.model_folder import load_arrays_into, save_model_folder

# Hundreds of traced programs, which measuring coverage would slow by half; the oracles run the same code.
pytestmark = pytest.mark.no_cover

OWN_NUMBERS = (
    "log_scale",
    "log_std",
    "log_inverse_dispersion",
    "raw_cutpoints",
    "tracked_log_variance.value",
    "params",
    "logits",
    "means",
    "log_variances",
    "pseudo_inputs",
)

every_part = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
# One variant of each class, for what depends on the class and takes seconds.
_CLASSES = {(name.partition("-")[0], type(case.make(jax.random.key(0)))): name for name, case in reversed(CASES.items())}
every_class = pytest.mark.parametrize("case", [CASES[name] for name in _CLASSES.values()], ids=_CLASSES.values())


def _built(case: Case, seed: int = 0) -> tuple[Any, tuple[Any, ...]]:
    part = case.make(jax.random.key(seed))
    return part, case.inputs(part, jax.random.key(seed + 100))


def _assert_finite(tree: Any) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        assert np.isfinite(np.asarray(leaf)).all(), f"{jax.tree_util.keystr(path)} is {leaf}"


@eqx.filter_jit
def _said_and_gradient(case: Case, part: Any, inputs: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    """All that the part says of the inputs, and the gradient of its sum by the part's weights and the floating-point inputs.

    One program for each case, compiled once for all the tests here.
    """
    trained, rest = split_trained((part, inputs))

    def total(trained: Any) -> tuple[jax.Array, dict[str, Any]]:
        part, inputs = eqx.combine(trained, rest)
        said = case.call(part, *inputs)
        parts = [leaf.sum() for leaf in jax.tree.leaves(said) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        return jnp.stack(parts).sum(), said

    gradient, said = jax.grad(total, has_aux=True)(trained)
    return said, gradient


@every_part
def test_leaves_have_the_types_that_programs_give_back(case: Case) -> None:
    """A leaf of JAX's weak type comes back from the first chunk of steps with a strong one: all would be compiled again."""
    leaves = jax.tree_util.tree_leaves_with_path(case.make(jax.random.key(0)))
    assert [jax.tree_util.keystr(path) for path, leaf in leaves if getattr(leaf, "weak_type", False)] == []


def _said(case: Case, part: Any, inputs: tuple[Any, ...]) -> dict[str, Any]:
    return _said_and_gradient(case, part, inputs)[0]


@pytest.mark.parametrize(
    ("module", "base", "registered"),
    [
        (likelihoods, likelihoods.AbstractLikelihood, [make() for make in LIKELIHOODS.values()]),
        (priors, priors.AbstractPrior, [make(jax.random.key(0)) for make in PRIORS.values()]),
        (posteriors, posteriors.AbstractPosteriorFamily, [make(jax.random.key(0)) for make in POSTERIORS.values()]),
        (networks, networks.AbstractNetwork, [make(jax.random.key(0)) for make in NETWORKS.values()]),
        (objectives, objectives.AbstractObjective, [make() for make in OBJECTIVES.values()]),
        (transforms, eqx.Module, [make() for make in TRANSFORMS.values()]),
    ],
    ids=lambda value: value.__name__.rpartition(".")[2] if inspect.ismodule(value) else "",
)
def test_every_part_that_exists_is_in_the_registry(module: Any, base: type, registered: list[Any]) -> None:
    exported = {cls for _, cls in inspect.getmembers(module, inspect.isclass) if issubclass(cls, base)}
    final = {cls for cls in exported if not cls.__name__.startswith("Abstract") and cls is not base}
    assert final
    assert final == {type(part) for part in registered}


@every_part
def test_shapes_and_dtypes(case: Case) -> None:
    part, inputs = _built(case)
    said = _said(case, part, inputs)
    assert jax.tree.map(np.shape, said) == case.shapes(part)
    for leaf in jax.tree.leaves(said):
        assert leaf.dtype in (jnp.float32, jnp.int32)
    _assert_finite(said)


@pytest.mark.long
@every_class
def test_compiled_says_what_plain_says(case: Case) -> None:
    part, inputs = _built(case)
    plain = case.call(part, *inputs)
    compiled = _said(case, part, inputs)
    # Fused operations round differently; a sum over terms of size 1e3 keeps about 1e-4 of absolute precision.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-4), compiled, plain)


@every_part
def test_compiles_once(case: Case) -> None:
    pairs = [_built(case, seed) for seed in range(3)]
    with count_compilations() as count:
        for part, inputs in pairs:
            jax.block_until_ready(_said(case, part, inputs))
    # None where another test came first.
    assert count["_said_and_gradient"] <= 1


def test_counter_of_compilations_counts() -> None:
    """The negative control: a program that depends on the shape of its input is compiled for each shape."""

    def call_of_this_test(x: jax.Array) -> jax.Array:
        return jnp.sin(x).sum()

    compiled = jax.jit(call_of_this_test)
    inputs = [jnp.ones(size) for size in (2, 3, 4, 4)]
    with count_compilations() as count:
        for x in inputs:
            compiled(x)
    assert count["call_of_this_test"] == 3


@every_part
def test_saved_and_loaded_is_the_same_bit_for_bit(case: Case, tmp_path: Any) -> None:
    part, inputs = _built(case, 0)
    fresh = case.make(jax.random.key(1))
    save_model_folder(tmp_path / "part", {}, describe(DATA["8-bit"]), part)
    loaded = load_arrays_into(tmp_path / "part", fresh)
    assert eqx.tree_equal(loaded, part)
    assert eqx.tree_equal(_said(case, loaded, inputs), _said(case, part, inputs))
    if jax.tree.leaves(split_trained(part)[0]):
        assert not eqx.tree_equal(fresh, part)


@every_part
def test_gradients_are_finite(case: Case) -> None:
    part, ordinary = _built(case)
    for inputs in (ordinary, *case.extremes(part)):
        _assert_finite(_said_and_gradient(case, part, inputs))


@every_part
def test_trained_numbers_are_the_networks_alone(case: Case) -> None:
    part, _ = _built(case)
    trained = [
        jax.tree_util.keystr(path, simple=True, separator=".")
        for path, _ in jax.tree_util.tree_leaves_with_path(split_trained(part)[0])
    ]
    # A likelihood's own, where the decoder does not give them, and a prior's own.
    trained = [name for name in trained if not name.endswith(OWN_NUMBERS)]
    assert all(name.endswith(("weight", "bias")) for name in trained)
    has_networks = any(
        getattr(part, field, None) is not None for field in ("encoder", "network", "flow", "at_mean", "classifier", "neighbours")
    )
    # A filter that is fitted when training has ended is no network.
    has_networks = has_networks and not getattr(part, "has_late_noise", False)
    assert bool(trained) == (has_networks or isinstance(part, networks.AbstractNetwork))


def _step_of_recipe(config: RunConfig, seed: int) -> tuple[Callable[..., Any], Any, Any]:
    """The loss with its record and the gradient, as a function of the two parts of a model, and those of a seed's weights."""
    data = DATA["8-bit"]
    objective = build_objective(config, steps_per_epoch=5, num_examples=len(data))
    trained, rest = split_trained(build_model(config, describe(data), jax.random.key(seed)))

    def step_of_this_test(trained: Any, rest: Any) -> Any:
        def loss(trained: Any) -> Any:
            record = objective(
                eqx.combine(trained, rest), Example(jnp.asarray(data)), jax.random.key(2), jnp.int32(0), training=True
            )
            return record.loss, record

        return jax.value_and_grad(loss, has_aux=True)(trained)

    return step_of_this_test, trained, rest


every_recipe = pytest.mark.parametrize("config", RECIPES.values(), ids=RECIPES.keys())


@every_recipe
def test_every_recipe_builds_and_has_a_bound_and_a_gradient(config: RunConfig) -> None:
    """Traced: the parts are compiled above, the combinations by `make test-combinations`, the recipes by `make test-long`."""
    step, trained, rest = _step_of_recipe(config, 0)
    (loss, record), gradient = eqx.filter_eval_shape(step, trained, rest)
    assert loss.shape == ()
    assert record.log_likelihood.shape == (len(DATA["8-bit"]),)
    # A deterministic code has none.
    assert (record.bound is None) == (config.posterior.name == "deterministic")
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, trained)


# Every recipe compiled takes a minute.
@pytest.mark.long
@every_recipe
def test_every_recipe_has_a_finite_bound_and_gradient(config: RunConfig) -> None:
    # Two seeds of weights, one program.
    step, trained, rest = _step_of_recipe(config, 0)
    _, others, _ = _step_of_recipe(config, 1)
    compiled = eqx.filter_jit(step)
    with count_compilations() as count:
        (loss, record), gradient = compiled(trained, rest)
        _assert_finite(compiled(others, rest))
    assert count["step_of_this_test"] == 1
    _assert_finite((loss, record, gradient))
    assert all(np.abs(np.asarray(leaf)).max() > 0 for leaf in jax.tree.leaves(gradient))
