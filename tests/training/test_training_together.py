"""Models that train as one program: each is the model trained alone, ends for itself, and fails for itself."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import count_compilations

from lowerbound.config import RunConfig
from lowerbound.data.dataset import Dataset
from lowerbound.data.examples import in_form_of
from lowerbound.errors import NonFiniteLossError
from lowerbound.runs.planning import plan
from lowerbound.training import ALL_EPOCHS, STOPPED_EARLY, Progress, Trainer, prepare
from lowerbound.training.lockstep import Lockstep
from lowerbound.training.together import Place, side_by_side

rng = np.random.default_rng(0)
ROWS = (rng.normal(size=(90, 1)) * [1.0, 2.0, -1.0] + 0.3 * rng.normal(size=(90, 3))).astype(np.float32)
COMMON: dict[str, dict[str, Any]] = {
    "model": {"latent_dim": 2},
    "network": {"hidden_widths": [5]},
    "training": {"epochs": 6, "batch_size": 20, "validate_every": 1, "skip_spikes": False},
    "data": {"validation": 0.2},
}


def trainer_of(**changes: Any) -> Trainer:
    """A small one; `changes` are of the sections of the configuration."""
    config = RunConfig.from_dict(COMMON).updated(changes)
    dataset = Dataset("rows", ROWS)
    split, spec, resolved, _ = plan(config, dataset, None)
    return prepare(resolved, spec, in_form_of(dataset, spec), split)


def as_one(trainers: list[Trainer]) -> tuple[list[Progress | str], list[list[float]]]:
    """Where each ended, or how it failed, and its validation bounds, of all trained as one program."""
    curves: list[list[float]] = [[] for _ in trainers]

    def train(number: int, place: Place) -> Progress | str:
        trainer, curve = trainers[number], curves[number]
        try:
            return trainer.run(
                trainer.start(),
                on_record=lambda record, _: curve.append(record.validation_bound_nats),
                programs=place.programs,
            )
        except NonFiniteLossError as error:
            return str(error)

    tasks = [lambda place, number=number: train(number, place) for number in range(len(trainers))]
    return side_by_side(tasks, None, as_one=True), curves


def alone(trainer: Trainer) -> tuple[Progress, list[float]]:
    curve: list[float] = []
    progress = trainer.run(trainer.start(), on_record=lambda record, _: curve.append(record.validation_bound_nats))
    return progress, curve


MEMBERS: list[dict[str, Any]] = [
    {},
    {"training": {"seed": 1}},
    {"training": {"learning_rate": 0.01}},
    {"objective": {"beta": 0.5}},
]


def test_each_of_them_is_the_model_trained_alone() -> None:
    found, curves = as_one([trainer_of(**changes) for changes in MEMBERS])
    for changes, progress, curve in zip(MEMBERS, found, curves, strict=True):
        expected, own = alone(trainer_of(**changes))
        assert isinstance(progress, Progress)
        assert progress.stop_reason == ALL_EPOCHS
        np.testing.assert_allclose(curve, own, rtol=1e-5)
        for one, other in zip(jax.tree.leaves(progress.state), jax.tree.leaves(expected.state), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    # The control: the members are not one another.
    assert min(abs(one[-1] - other[-1]) for i, one in enumerate(curves) for other in curves[:i]) > 1e-3


def test_they_are_one_program_and_others_of_their_number_compile_nothing() -> None:
    as_one([trainer_of(training={"seed": seed}) for seed in range(3)])
    made = [trainer_of(training={"seed": seed, "learning_rate": 0.002}) for seed in (4, 5, 6)]
    with count_compilations() as count:
        as_one(made)
    assert count == {}
    # What all of them train with, they hold once.
    leaves = [[leaf for leaf in jax.tree.leaves(trainer.feed) if eqx.is_array(leaf)] for trainer in made]
    assert all(one is first for own in leaves for one, first in zip(own, leaves[0], strict=True))


def test_each_ends_for_itself_and_the_others_go_on() -> None:
    patient = {"training": {"early_stopping_patience": 2, "epochs": 30}}
    # A rate of nothing never betters its first bound; who has ended is made up for, then left out.
    rates = (1e-12, 0.02, 1e-12, 1e-12)
    found, curves = as_one([trainer_of(training={**patient["training"], "learning_rate": rate}) for rate in rates])
    reasons = [progress.stop_reason if isinstance(progress, Progress) else progress for progress in found]
    assert reasons[0] == reasons[2] == reasons[3] == STOPPED_EARLY
    assert len(curves[0]) < len(curves[1])
    expected, own = alone(trainer_of(training={**patient["training"], "learning_rate": 0.02}))
    assert reasons[1] == expected.stop_reason
    np.testing.assert_allclose(curves[1], own, rtol=1e-5)


def test_each_fails_for_itself() -> None:
    found, _ = as_one([trainer_of(training={"learning_rate": 1000}), trainer_of()])
    assert isinstance(found[0], str)
    assert "Training has stopped" in found[0]
    assert isinstance(found[1], Progress)
    assert found[1].stop_reason == ALL_EPOCHS


def test_models_of_several_shapes_go_together() -> None:
    found, curves = as_one([trainer_of(), trainer_of(model={"latent_dim": 1}), trainer_of(training={"seed": 3})])
    assert all(isinstance(progress, Progress) for progress in found)
    np.testing.assert_allclose(curves[1], alone(trainer_of(model={"latent_dim": 1}))[1], rtol=1e-5)


def test_where_memory_ends_fewer_are_done_at_once_and_a_members_error_reaches_it() -> None:
    widths: list[int] = []

    def square(value: jax.Array) -> jax.Array:
        return value**2

    def called(lockstep: Lockstep, count: int) -> list[float]:
        tasks = [
            lambda _, number=number: float(lockstep.call(square, jnp.float32(number))) for number in range(count)
        ]  # fmt: skip
        return side_by_side(tasks, count)

    lockstep = Lockstep(5)
    import lowerbound.training.lockstep as module

    inner = module._mapped

    def scarce(calls: Any) -> Any:
        widths.append(len(calls))
        if len(calls) > 2:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return inner(calls)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_mapped", scarce)
        assert called(lockstep, 5) == [0, 1, 4, 9, 16]
        assert widths == [5, 2, 2, 2]
        patch.setattr(module, "_mapped", lambda calls: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            called(lockstep, 5)
