"""The compiled programs of training: a chunk of steps as one scan, and the validation of a whole split.

Every random number derives from (seed, step) or (seed, epoch), never from a key carried along: a run that was stopped and
resumed draws exactly what a run never stopped would have drawn.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ..data.examples import Examples
from ..objectives import AbstractObjective
from .optimizer import make_optimizer
from .options import Schedule, TrainingOptions

Params = Any

# What XLA is told on CPU. Without the first, a scan copies all weights and both of Adam's moments once a step. The second
# leaves the matrix products to YNNPACK and takes the sums from it, which are slow there. The third uses the whole register.
CPU_OPTIONS = {
    "xla_cpu_copy_insertion_use_region_analysis": True,
    "xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT",
    "xla_cpu_prefer_vector_width": 512,
}
_LOSS = "the loss"
_STREAM_PERMUTATION, _STREAM_STEP, _STREAM_VALIDATION = 0, 1, 2


class TrainState(eqx.Module):
    """All that a step changes, as one PyTree. `average` is the running average of the weights (None when off)."""

    params: Params
    optimizer_state: Any
    average: Params | None
    step: Int[Array, ""]


class StepMetrics(NamedTuple):
    """One number a step, in nats per example, in the user's units; NaN where the model has no density.

    `bound` is the objective's own; the ELBO is `reconstruction` - `kl` whatever the objective.
    """

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
    """Means over a split in nats per example, the standard error of the bound, and the monitors.

    `score` is what early stopping maximises: the bound, or minus the loss where there is no bound.
    """

    score: Float[Array, ""]
    bound: Float[Array, ""]
    standard_error: Float[Array, ""]
    reconstruction: Float[Array, ""]
    kl: Float[Array, ""]
    monitors: dict[str, Float[Array, ""]]


class Fixed(eqx.Module):
    """All that a step reads and does not change: the model's constants and structure, the data, and what to do."""

    rest: Any
    data: Examples
    objective: AbstractObjective
    options: TrainingOptions = eqx.field(static=True)
    schedule: Schedule = eqx.field(static=True)
    mesh: jax.sharding.Mesh = eqx.field(static=True)


def stream(seed: int, which: int) -> PRNGKeyArray:
    """The root key of one of the run's independent streams of random numbers."""
    return jax.random.fold_in(jax.random.key(seed), which)


def initial_state(fixed: Fixed, params: Params) -> TrainState:
    """The state before the first step."""
    average = params if fixed.options.ema_decay > 0 else None
    optimizer_state = make_optimizer(fixed.options, fixed.schedule).init(params)
    return TrainState(params, optimizer_state, average, jnp.int32(0))


def placed(fixed: Fixed, state: TrainState) -> TrainState:
    """A copy of the state laid out on the mesh.

    It must begin as the compiled program gives it back: with another layout the second chunk would be compiled anew. And it
    must be a copy, because the program takes the memory of the state that it is given.
    """
    sharding = NamedSharding(fixed.mesh, PartitionSpec())
    return jax.tree.map(lambda leaf: jax.device_put(np.array(leaf), sharding), state)


def averaged(state: TrainState) -> Params:
    """The weights to validate, keep and save: the running average where there is one."""
    return state.params if state.average is None else state.average


def batch_indices(
    key: PRNGKeyArray, first_step: Int[Array, ""], schedule: Schedule, num_examples: int
) -> Int[Array, "steps batch"]:
    """Which examples each step of a chunk sees: consecutive rows of each epoch's own permutation."""
    first_epoch = first_step // schedule.steps_per_epoch
    epochs = first_epoch + jnp.arange(schedule.epochs_per_chunk)
    kept = schedule.steps_per_epoch * schedule.batch_size
    permutations = jax.lax.map(lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), num_examples)[:kept], epochs)
    rows = permutations.reshape(-1, schedule.batch_size)
    offset = first_step - first_epoch * schedule.steps_per_epoch
    return jax.lax.dynamic_slice_in_dim(rows, offset, schedule.steps_per_chunk)


def train_step(
    fixed: Fixed, state: TrainState, index: Int[Array, " batch"], key: PRNGKeyArray
) -> tuple[TrainState, Params, StepMetrics]:
    """One optimiser step on the examples `index`: the new state, the gradient that led to it, and the numbers to watch."""

    def loss_and_record(params: Params) -> tuple[Array, Any]:
        record = fixed.objective(eqx.combine(params, fixed.rest), batch, key, state.step, training=True)
        return record.loss, record

    sharding = NamedSharding(fixed.mesh, PartitionSpec("data"))
    batch = jax.lax.with_sharding_constraint(fixed.data[index], sharding)
    (loss, record), gradient = jax.value_and_grad(loss_and_record, has_aux=True)(state.params)
    optimizer = make_optimizer(fixed.options, fixed.schedule)
    # Optax divides by 1 - b ** count, a float and an integer, which a program under strict promotion would refuse.
    with jax.numpy_dtype_promotion("standard"):
        updates, optimizer_state = optimizer.update(gradient, state.optimizer_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = _update_average(state, params, fixed.options.ema_decay)
    metrics = StepMetrics(loss, _mean(record.bound), record.log_likelihood.mean(), _mean(record.kl))
    return TrainState(params, optimizer_state, average, state.step + 1), gradient, metrics


def run_chunk(fixed: Fixed, state: TrainState) -> tuple[TrainState, ChunkMetrics]:
    """`schedule.steps_per_chunk` steps as one compiled scan; the memory of `state` is taken for the new one."""
    return compiled_chunk(jax.default_backend())(fixed, state)


@functools.cache
def compiled_chunk(backend: str) -> Any:
    """The compiled program of `run_chunk`, with what XLA is told besides.

    `benchmarks/seed_job.py` shows what these options are worth on a machine.
    """
    return eqx.filter_jit(_chunk, donate="all-except-first", compiler_options=CPU_OPTIONS if backend == "cpu" else {})  # pyright: ignore[reportCallIssue]


def _chunk(fixed: Fixed, state: TrainState) -> tuple[TrainState, ChunkMetrics]:
    seed = fixed.options.seed
    indices = batch_indices(stream(seed, _STREAM_PERMUTATION), state.step, fixed.schedule, len(fixed.data))
    step_key = stream(seed, _STREAM_STEP)

    # All at once: inside the scan each step would wait for its own.
    keys = jax.vmap(jax.random.fold_in, (None, 0))(step_key, state.step + jnp.arange(len(indices)))

    def body(carry: tuple[TrainState, Params], inputs: tuple[Array, Array]) -> tuple[tuple[TrainState, Params], StepMetrics]:
        state, gradient, metrics = train_step(fixed, carry[0], *inputs)
        return (state, gradient), metrics

    (state, gradient), metrics = jax.lax.scan(body, (state, jax.tree.map(jnp.zeros_like, state.params)), (indices, keys))
    return state, ChunkMetrics(metrics, optax.tree.norm(gradient))


def _mean(values: Float[Array, " batch"] | None) -> Float[Array, ""]:
    return jnp.float32(jnp.nan) if values is None else values.mean()


@eqx.filter_jit
def validate(fixed: Fixed, params: Params, data: Examples, step: Int[Array, ""]) -> ValidationMetrics:
    """The same objective on a whole split, without dropout, always with the same random numbers.

    The same draws every time make two epochs comparable: early stopping looks at a difference, not at noise.
    """
    model = eqx.combine(params, fixed.rest)
    key = stream(fixed.options.seed, _STREAM_VALIDATION)
    size = min(len(data), 10 * fixed.schedule.batch_size)
    whole = len(data) // size * size

    def columns_of(batch: Examples, index: Int[Array, ""]) -> tuple[dict[str, Array], dict[str, Array]]:
        """(what the objective says of each example, the means over the batch)."""
        record = fixed.objective(model, batch, jax.random.fold_in(key, index), step)
        missing = jnp.full(len(batch), jnp.nan, jnp.float32)
        bound, kl = (missing if values is None else values for values in (record.bound, record.kl))
        each = {"bound": bound, "reconstruction": record.log_likelihood, "kl": kl}
        return each, {**record.monitors, _LOSS: record.loss}

    batches = jax.tree.map(lambda array: array[:whole].reshape(-1, size, *array.shape[1:]), data)
    count = whole // size
    each, means = jax.lax.map(lambda pair: columns_of(*pair), (batches, jnp.arange(count)))
    each = {name: values.reshape(-1) for name, values in each.items()}
    weights = jnp.full(count, size / len(data), jnp.float32)
    means = {name: values @ weights for name, values in means.items()}
    if whole < len(data):
        last, last_means = columns_of(data[whole:], jnp.int32(count))
        each = {name: jnp.concatenate([values, last[name]]) for name, values in each.items()}
        means = {name: value + last_means[name] * (1 - whole / len(data)) for name, value in means.items()}
    loss = means.pop(_LOSS)
    bound = each["bound"]
    error = bound.std() / jnp.sqrt(jnp.float32(len(data)))
    score = bound.mean() if model.has_density else -loss
    return ValidationMetrics(score, bound.mean(), error, each["reconstruction"].mean(), each["kl"].mean(), means)


def make_fixed(
    rest: Any,
    data: Examples,
    objective: AbstractObjective,
    options: TrainingOptions,
    schedule: Schedule,
) -> Fixed:
    """Put the data on the device once, laid out for a mesh of one device."""
    mesh = jax.make_mesh((1,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    placed = jax.device_put(jax.tree.map(jnp.asarray, data), NamedSharding(mesh, PartitionSpec()))
    return Fixed(rest, placed, objective, options, schedule, mesh)


def _update_average(state: TrainState, params: Params, decay: float) -> Params | None:
    if state.average is None:
        return None
    # Short memory at first, so that the average does not remember the random start (as in TensorFlow's moving averages).
    step = state.step.astype(jnp.float32)
    rate = 1.0 - jnp.minimum(decay, (1.0 + step) / (10.0 + step))
    return jax.tree.map(lambda old, new: old + rate * (new - old), state.average, params)
