"""The compiled programs of training: a chunk of steps as one scan, and the validation of a whole split.

What they are given is of two kinds. Structure decides which program it is: classes, shapes, the schedule. Numbers are its
inputs: runs that differ in a seed, a rate or a weight share one compiled program.

Every random number derives from (seed, step) or (seed, epoch), never from a key carried along: a run that was stopped and
resumed draws exactly what a run never stopped would have drawn.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AbstractMesh, Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..data.examples import Example
from ..devices.mesh import divided, filled, on_each
from ..models import AbstractLatentVariableModel
from ..objectives import AbstractObjective, recorded
from .feed import AbstractBatches
from .numbers import Numbers
from .optimizer import make_optimizer
from .schedule import Schedule
from .spikes import Spikes, global_norm

Params = Any

# What XLA is told on CPU. Without the first, a scan copies all weights and both of Adam's moments once a step. The second
# leaves the matrix products to YNNPACK and takes the sums from it, which are slow there. The third uses the whole register.
CPU_OPTIONS = {
    "xla_cpu_copy_insertion_use_region_analysis": True,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "xla_cpu_prefer_vector_width": 512,
}
_LOSS = "the loss"
# Of validation examples that are not in memory, looked at together.
_BLOCK_BYTES = 1 << 26
MOST_FORMS = 24
# Numbers of p(x|z) in flight while validating, where a batch takes no more: 64 MiB an array.
MOST_VALIDATION_NUMBERS = 2**24
_FORMS: set[int] = set()
# The independent streams of random numbers of a run.
PERMUTATION, STEP, VALIDATION = 0, 1, 2
# That of `feed` is 3.
OBJECTIVE = 4


class TrainState(eqx.Module):
    """All that a step changes, as one PyTree.

    - `average`: the running average of the weights. `spikes`: the gradient's running size. None when they are off.
    - `objective`: the objective's own state.
    """

    params: Params
    optimizer_state: Any
    average: Params | None
    step: Int[Array, ""]
    spikes: Spikes | None = None
    objective: Any = None


class StepMetrics(NamedTuple):
    """One number a step, in nats per example, in the user's units; NaN where the model has no density.

    `taken` is 1, or 0 for a step that was skipped, of which the others are 0 too. `bound` is the objective's own; the ELBO is
    `reconstruction` - `kl` whatever the objective.
    """

    taken: Float[Array, "..."]
    loss: Float[Array, "..."]
    bound: Float[Array, "..."]
    reconstruction: Float[Array, "..."]
    kl: Float[Array, "..."]


class ChunkMetrics(NamedTuple):
    """What a chunk of steps tells: its steps, and the norm of its last step's gradient before any clipping.

    The norm of every step's gradient would cost a tenth of the training time, for a number that is only looked at.
    """

    steps: StepMetrics
    gradient_norm: Float[Array, ""]


class ValidationMetrics(NamedTuple):
    """Means over a split in nats per example, the standard error of the bound, and the monitors."""

    loss: Float[Array, ""]
    bound: Float[Array, ""]
    standard_error: Float[Array, ""]
    reconstruction: Float[Array, ""]
    kl: Float[Array, ""]
    monitors: dict[str, Float[Array, ""]]


class Fixed(eqx.Module):
    """All that a step reads and does not change, apart from the examples: the model's constants and structure, and what to do."""

    rest: Any
    objective: AbstractObjective
    numbers: Numbers
    schedule: Schedule = eqx.field(static=True)
    mesh: Mesh | AbstractMesh = eqx.field(static=True)


def stream(key: PRNGKeyArray, which: int) -> PRNGKeyArray:
    """The root key of one of the run's independent streams of random numbers."""
    return jax.random.fold_in(key, which)


def initial_state(fixed: Fixed, params: Params, num_examples: int) -> TrainState:
    """The state before the first step."""
    average = None if fixed.numbers.ema_decay is None else params
    spikes = Spikes.none_yet() if fixed.numbers.skip_spikes else None
    of_optimizer = make_optimizer(fixed.numbers).init(params)
    key = stream(fixed.numbers.key, OBJECTIVE)
    of_objective = fixed.objective.initial_state(eqx.combine(params, fixed.rest), num_examples, key)
    return TrainState(params, of_optimizer, average, jnp.int32(0), spikes, of_objective)


def averaged(state: TrainState) -> Params:
    """The weights to validate, keep and save: the running average where there is one."""
    return state.params if state.average is None else state.average


def train_step(fixed: Fixed, state: TrainState, batch: Example, key: PRNGKeyArray) -> tuple[TrainState, Params, StepMetrics]:
    """One optimizer step on a batch: the new state, the gradient that led to it, and the numbers to watch."""

    def loss_and_record(params: Params) -> tuple[Array, Any]:
        model = eqx.combine(params, fixed.rest)
        record = recorded(fixed.objective, model, batch, key, state.step, state.objective, training=True)
        return record.loss, record

    (loss, record), gradient = jax.value_and_grad(loss_and_record, has_aux=True)(state.params)
    taken, spikes, share = gradient, state.spikes, None
    if spikes is not None:
        spikes, share = spikes.after(jnp.where(jnp.isfinite(loss), global_norm(gradient), jnp.nan))
        taken = jax.tree.map(lambda leaf: leaf * share, gradient)
    # Optax divides by 1 - b ** count, a float and an integer, which a program under strict promotion would refuse.
    with jax.numpy_dtype_promotion("standard"):
        updates, optimizer_state = make_optimizer(fixed.numbers).update(taken, state.optimizer_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = _update_average(state, params, fixed.numbers.ema_decay)
    of_terms = _mean(batch, record.bound), batch.mean(record.log_likelihood), _mean(batch, record.kl)
    metrics = StepMetrics(jnp.float32(1), loss, *of_terms)
    new = TrainState(params, optimizer_state, average, state.step + 1, spikes, record.state)
    if share is not None:
        # All stays as it was, but for the step's number and the count of the skipped.
        unchanged = dataclasses.replace(state, step=new.step, spikes=spikes)
        new = jax.tree.map(lambda old, new: jnp.where(share == 0, old, new), unchanged, new)
        metrics = jax.tree.map(lambda value: jnp.where(share == 0, jnp.float32(0), value), metrics)
    return new, gradient, metrics


def chunk_of_steps(given: tuple[Fixed, AbstractBatches], state: TrainState) -> tuple[TrainState, ChunkMetrics]:
    """`schedule.steps_per_chunk` steps as one scan; the memory of `state` is taken for the new one."""
    fixed, feed = given
    rows = feed.rows(stream(fixed.numbers.key, PERMUTATION), state.step, fixed.schedule)
    # All at once: inside the scan each step would wait for its own.
    steps = state.step + jnp.arange(fixed.schedule.steps_per_chunk)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(stream(fixed.numbers.key, STEP), steps)

    def body(carry: tuple[TrainState, Params], inputs: tuple[Array, Array]) -> tuple[tuple[TrainState, Params], StepMetrics]:
        batch = feed.batch(inputs[0], fixed.numbers.key, carry[0].step)
        batch = divided(filled(batch, fixed.mesh), fixed.mesh)
        state, gradient, metrics = train_step(fixed, carry[0], batch, inputs[1])
        return (state, gradient), metrics

    (state, gradient), metrics = jax.lax.scan(body, (state, jax.tree.map(jnp.zeros_like, state.params)), (rows, keys))
    return on_each((state, ChunkMetrics(metrics, optax.tree.norm(gradient))), fixed.mesh)


def bound_memory(fixed: Fixed, batches: AbstractBatches) -> None:
    """Forget all compiled programs when training comes with a new form after `MOST_FORMS` others.

    A process keeps every program that it compiled, some 20 MB for each form, and a loop over sizes would have no end.
    """
    leaves, structure = jax.tree.flatten((fixed, batches))
    form = hash((structure, *(getattr(leaf, "shape", leaf) for leaf in leaves)))
    if form not in _FORMS and len(_FORMS) >= MOST_FORMS:
        _FORMS.clear()
        jax.clear_caches()
    _FORMS.add(form)


@functools.cache
def train_chunk(backend: str, shares_cores: bool = False) -> Any:
    """The compiled program of a chunk of steps, with what XLA is told besides on this kind of device.

    - `shares_cores`: on CPU, a program that computes in one thread.

    `benchmarks/seed_job.py` shows what these options are worth on a machine.
    """
    options = CPU_OPTIONS if backend == "cpu" else {}
    if backend == "cpu" and shares_cores:
        options = options | {"xla_cpu_multi_thread_eigen": False}
    return eqx.filter_jit(chunk_of_steps, donate="all-except-first", compiler_options=options)  # pyright: ignore[reportCallIssue]


def _mean(batch: Example, values: Float[Array, " batch"] | None) -> Float[Array, ""]:
    return jnp.float32(jnp.nan) if values is None else batch.mean(values)


def validation(fixed: Fixed, params: Params, data: Example, state: Any = None) -> ValidationMetrics:
    """The objective on a whole split, without dropout, with its weights at the end of their schedule.

    The same draws every time make two epochs comparable: early stopping looks at a difference, not at noise.
    """
    return on_each(_summary(data, *_figures(fixed, params, data, state, jnp.int32(0))), fixed.mesh)


validate = eqx.filter_jit(validation)


def validate_stream(fixed: Fixed, params: Params, data: Example, state: Any = None) -> ValidationMetrics:
    """`validation` of examples that are not in memory, with the same draws, a block at a time."""
    size = _size(fixed, eqx.combine(params, fixed.rest), data)
    at_once = max(1, _BLOCK_BYTES // max(1, size * (data.x.nbytes // len(data)))) * size
    columns, means, total = [], {}, float(data.total_weight)
    for start in range(0, len(data), at_once):
        block = data[start : start + at_once]
        each, found = _figures_of_block(fixed, params, block, state, jnp.int32(start // size))
        columns.append(jax.tree.map(np.asarray, each))
        share = jnp.float32(float(block.total_weight) / total)
        means = {name: means.get(name, jnp.float32(0)) + value * share for name, value in found.items()}
    each = {name: jnp.asarray(np.concatenate([column[name] for column in columns])) for name in columns[0]}
    return _summary(Example(each["bound"], weight=data.weight), each, means)


def _size(fixed: Fixed, model: AbstractLatentVariableModel, data: Example) -> int:
    """How many examples of a validation go together."""
    batch_size = fixed.schedule.batch_size
    fitting = MOST_VALIDATION_NUMBERS // max(1, model.outputs_per_example)
    return min(len(data), max(batch_size, min(10 * batch_size, fitting)))


_Columns = tuple[dict[str, Array], dict[str, Array]]


def _figures(fixed: Fixed, params: Params, data: Example, state: Any, first: Int[Array, ""]) -> _Columns:
    """(what the objective says of each example, the means over all); `first`: the number of the first batch, for its draws."""
    model = eqx.combine(params, fixed.rest)
    key = stream(fixed.numbers.key, VALIDATION)
    size = _size(fixed, model, data)
    whole = len(data) // size * size

    def columns_of(batch: Example, index: Int[Array, ""]) -> _Columns:
        """(what the objective says of each example, the means over the batch)."""
        given = len(batch)
        if fixed.mesh.size > 1:
            batch = divided(filled(batch, fixed.mesh), fixed.mesh)
        record = recorded(fixed.objective, model, batch, jax.random.fold_in(key, index), None, state)
        missing = jnp.full(len(batch), jnp.nan, jnp.float32)
        bound, kl = (missing if values is None else values for values in (record.bound, record.kl))
        each = {"bound": bound, "reconstruction": record.log_likelihood, "kl": kl}
        return {name: values[:given] for name, values in each.items()}, {**record.monitors, _LOSS: record.loss}

    batches = jax.tree.map(lambda array: array[:whole].reshape(-1, size, *array.shape[1:]), data)
    count = whole // size
    each, means = jax.lax.map(lambda pair: columns_of(*pair), (batches, first + jnp.arange(count)))
    each = {name: values.reshape(-1) for name, values in each.items()}
    weights = jnp.full(count, size / len(data), jnp.float32)
    rest = 1 - whole / len(data)
    if data.weight is not None:
        weights, rest = (weight.sum(axis=-1) / data.total_weight for weight in (batches.weight, data.weight[whole:]))
    means = {name: values @ weights for name, values in means.items()}
    if whole < len(data):
        last, last_means = columns_of(data[whole:], first + count)
        each = {name: jnp.concatenate([values, last[name]]) for name, values in each.items()}
        means = {name: value + last_means[name] * rest for name, value in means.items()}
    return each, means


_figures_of_block = eqx.filter_jit(_figures)


def _summary(data: Example, each: dict[str, Array], means: dict[str, Array]) -> ValidationMetrics:
    """Means and the bound's standard error; `data` weighs the examples."""
    loss = means.pop(_LOSS)
    bound = each["bound"]
    mean = data.mean(bound)
    error = jnp.sqrt(data.mean(jnp.square(bound - mean)) / data.total_weight)
    return ValidationMetrics(loss, mean, error, data.mean(each["reconstruction"]), data.mean(each["kl"]), means)


def _update_average(state: TrainState, params: Params, decay: Float[Array, ""] | None) -> Params | None:
    if decay is None:
        return None
    # Short memory at first, so that the average does not remember the random start (as in TensorFlow's moving averages).
    step = state.step.astype(jnp.float32)
    rate = 1.0 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: old + rate * (new - old), state.average, params)
