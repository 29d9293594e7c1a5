"""Every pair of parts that their declared needs allow works together; every pair that they forbid is refused and taught.

Compiling a model takes seconds, and there are hundreds. So a set in which every pair that uses each other occurs (a posterior and
a prior, what a network puts out, what an objective asks of both) is traced through the objective of a batch: that finds what does
not fit. An objective sees a likelihood only as log p(x | z), and a likelihood and a prior never meet: those pairs are left to
`make test-combinations`, which compiles all and trains them a step.
"""

from __future__ import annotations

import functools
import itertools
import os
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from combinations import KINDS, Choice, covering_choices, every_pair, forbidden_pairs, is_allowed, sections_of
from support.built import build_model, in_training

from lowerbound.assembly.build import build_objective
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError
from lowerbound.models import split_trained
from lowerbound.objectives import check_needs

_RNG = np.random.default_rng(0)
# Positive whole numbers within 8 bits lie in every likelihood's support but the Bernoulli's.
PIXELS = _RNG.integers(1, 256, (8, 3, 2)).astype(np.uint8)
BITS = _RNG.integers(0, 2, (8, 3, 2)).astype(np.uint8)
_CORE = covering_choices((frozenset(("posterior", "prior")),))
_ALL = bool(os.environ.get("LOWERBOUND_TEST_ALL_COMBINATIONS"))
_MEET = (
    ("posterior", "prior"),
    ("posterior", "objective"),
    ("posterior", "network"),
    ("prior", "objective"),
    ("likelihood", "network"),
)
KINDS_THAT_MEET = [frozenset(kinds) for kinds in (itertools.combinations(KINDS, 2) if _ALL else _MEET)]
_OTHERS = covering_choices(KINDS_THAT_MEET, beside=_CORE)
RUN, TRACED = (_CORE + _OTHERS, []) if _ALL else ([], _CORE + _OTHERS)


def _name(choice: Choice) -> str:
    return "+".join(choice[kind] for kind in sorted(choice))


def _data(choice: Choice) -> np.ndarray:
    return BITS if choice.get("likelihood") in ("bernoulli", "neighbour-bernoulli") else PIXELS


@functools.cache
def _spec(is_binary: bool) -> Any:
    return describe(BITS if is_binary else PIXELS)


def _model_and_objective(choice: Choice) -> tuple[Any, Any]:
    config = RunConfig.from_dict(sections_of(choice))
    data = _data(choice)
    model = build_model(config, _spec(data is BITS), jax.random.key(0), examples=data)
    return model, build_objective(config, 5, 50)


def test_every_allowed_pair_is_among_the_choices() -> None:
    met = {frozenset(pair) for choice in RUN + TRACED for pair in itertools.combinations(choice.items(), 2)}
    wanted = [pair for pair in every_pair() if is_allowed(*pair) and frozenset(kind for kind, _ in pair) in KINDS_THAT_MEET]
    assert len(wanted) > 100
    assert {frozenset(pair) for pair in wanted} <= met


def _loss(choice: Choice) -> tuple[Any, Any, Any]:
    """(the model, a function from its trained numbers to loss and record, those numbers)."""
    model, objective = _model_and_objective(choice)
    check_needs(objective, model)
    params, rest = split_trained(model)
    batch, state = in_training(objective, model, _data(choice))

    def loss(params: Any) -> Any:
        record = objective(eqx.combine(params, rest), batch, jax.random.key(1), jnp.int32(0), state, training=True)
        return record.loss, record

    return model, loss, params


@pytest.mark.no_cover
@pytest.mark.parametrize("choice", TRACED, ids=_name)
def test_allowed_parts_fit_together(choice: Choice) -> None:
    model, loss, params = _loss(choice)
    value, record = jax.eval_shape(loss, params)
    assert value.shape == ()
    assert record.log_likelihood.shape == (len(PIXELS),)
    assert (record.bound is None) == (not model.has_density)


@pytest.mark.no_cover
@pytest.mark.parametrize("choice", RUN, ids=_name)
def test_allowed_parts_train_one_step_with_finite_gradients(choice: Choice) -> None:
    model, loss, params = _loss(choice)
    (value, record), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(params)
    assert record.log_likelihood.shape == (len(PIXELS),)
    assert (record.bound is None) == (not model.has_density)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, params)
    for path, leaf in jax.tree_util.tree_leaves_with_path((value, record, gradient)):
        assert np.isfinite(np.asarray(leaf)).all(), f"{jax.tree_util.keystr(path)} is {leaf}"
    assert any(np.abs(np.asarray(leaf)).max() > 0 for leaf in jax.tree.leaves(gradient))


def _checked(choice: Choice) -> None:
    model, objective = _model_and_objective(choice)
    check_needs(objective, model)


@pytest.mark.parametrize("pair", forbidden_pairs(), ids=lambda pair: f"{pair[0][1]}+{pair[1][1]}")
def test_forbidden_pairs_are_refused_with_a_combination_that_works(pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    choice = dict(pair)
    if "prior" not in choice and choice["posterior"] == "von-mises-fisher":
        choice["prior"] = "hyperspherical-uniform"
    with pytest.raises(ConfigurationError, match=r"(prior|posterior|objective)\.name=[a-z-]+"):
        _checked(choice)
