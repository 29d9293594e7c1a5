"""The one training loop: the compiled program does a chunk of steps, the host looks in between chunks."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from ..config.sections import TrainingConfig
from ..data.examples import Example
from ..devices.mesh import mesh as one_device
from ..devices.mesh import on_one, place
from ..devices.processes import ProcessLostError, agreed
from ..errors import ConfigurationError, NonFiniteLossError
from ..models import AbstractLatentVariableModel, split_trained
from ..objectives import AbstractObjective, check_needs
from ..storage.memory import check_fits, in_memory
from . import program
from .feed import AbstractFeed
from .feeding import feed_of
from .noise import BATCH_SIZE, MOST_EXAMPLES, MOST_NUMBERS, with_fitted_noise, without_noise
from .numbers import Numbers, as_inputs
from .optimizer import learning_rate
from .programs import ALONE, Programs
from .progress import ALL_EPOCHS, STOPPED_EARLY, Progress, Record
from .schedule import Schedule
from .spikes import Spikes
from .stream import Stream

_TOO_LARGE = "the state of training does not fit into memory; make the model smaller."
# Of a weight with its gradient, both of Adam's moments, the averaged weight and the best one, in single precision.
_BYTES_OF_WEIGHT = 24
# So many steps skipped in a row, or a quarter of a short run, are the end of it.
MOST_SKIPPED_IN_A_ROW = 100


class Trainer:
    """Trains one model on one data set.

    - `model`: its trained parameters are the starting point.
    - `train`, `validation`: examples, or arrays of them, in the user's units; validation may be empty. `train` may be a feed,
      which brings them from elsewhere.
    - `objective`: what is minimized, and the bound that is reported.
    - `probability`: values of the training examples' shape and the highest that they can have, whose ratio is the probability of
      a one, where each step draws zeros and ones anew; None where it sees the examples as they are.
    - `spread`: of the training examples' shape, the standard deviation with which each step draws them anew; None for none.
    - `mesh`: the devices that share each batch, whose size and order are the same on any number of them; one by default.

    Raises `ConfigurationError` when early stopping is asked for without validation data, when the model cannot do what the
    objective needs or cannot do without elements that are not observed, and when its weights would have two priors.
    """

    def __init__(
        self,
        model: AbstractLatentVariableModel,
        train: Example | np.ndarray | AbstractFeed,
        validation: Example | np.ndarray,
        objective: AbstractObjective,
        config: TrainingConfig,
        *,
        probability: tuple[np.ndarray, float] | None = None,
        spread: np.ndarray | None = None,
        mesh: Mesh | None = None,
    ) -> None:
        validation, mesh = Example.of(validation), one_device() if mesh is None else mesh
        if config.early_stopping_patience > 0 and len(validation) == 0:
            raise ConfigurationError(
                f"training.early_stopping_patience is {config.early_stopping_patience}, but there are no validation data. "
                "Set training.early_stopping_patience=0, or data.validation above 0 where the data come without a split."
            )
        check_needs(objective, model)
        if not validation.is_streamed:
            model.check_observed(validation)
        fed = feed_of(train, model, objective, config, mesh, probability=probability, spread=spread)
        self.feed, number = fed.feed, fed.number
        self.schedule = Schedule.plan(config, self.feed.num_examples, objective.steps_per_batch, fed.most_steps)
        self._keeps_by_bound = objective.is_bound and model.has_density
        # What decides which weights early stopping keeps, for people.
        self.kept_by = f"validation {objective.bound_name if self._keeps_by_bound else 'loss'}"
        self._patience = config.early_stopping_patience
        model = without_noise(model.trained_on(number))
        # What is 0 until training has ended costs no step anything.
        model = model if model.noise is None else model.with_noise(None)
        if config.weight_prior and model.weights_kl is not None:
            raise ConfigurationError(
                f"training.weight_prior is {config.weight_prior:g}, but the weights of this model's decoder are random, and "
                "their prior is in its bound already; set training.weight_prior=0."
            )
        self._params, self._rest = split_trained(model)
        numbers = Numbers.of(config, self.schedule, number)
        self.mesh = mesh
        self.fixed = program.Fixed(self._rest, as_inputs(objective), numbers, self.schedule, mesh)
        self.has_validation = len(validation) > 0
        self._compiling = (0, 0.0)
        self._fitted: tuple[tuple[int, float], AbstractLatentVariableModel] | None = None
        # Without validation data the monitors are still looked at, on some of the training data.
        if self.has_validation:
            self._watched = validation if validation.is_streamed else place(validation, mesh)
        else:
            self._watched = self.feed.first(1000)

    @property
    def how_fed(self) -> str:
        """How the examples are brought, and how well they are shuffled, where they are not all in memory; else empty."""
        return self.feed.words(program.stream(self.fixed.numbers.key, program.PERMUTATION))

    def start(self) -> Progress:
        """The progress before the first step."""
        count = sum(leaf.size for leaf in jax.tree.leaves(self._params))
        what = f"training {count:,} weights, with gradients, averages and the optimiser's state,"
        check_fits(_BYTES_OF_WEIGHT * count, what, "make the model smaller")
        with in_memory(_TOO_LARGE):
            state = program.initial_state(self.fixed, self._params, self.feed.num_examples)
            return Progress(state, jax.tree.map(jnp.copy, self._params))

    def model_of(self, progress: Progress, *, has_ended: bool = True) -> AbstractLatentVariableModel:
        """The model to keep: the best validated weights under early stopping, otherwise the newest (averaged) ones.

        What waits for the end of training is fitted where it `has_ended`.
        """
        keep_best = self._patience > 0 and math.isfinite(progress.best_bound)
        model = self._model(progress.best_params if keep_best else program.averaged(progress.state))
        if model.noise is None or not has_ended:
            return model
        moment = int(progress.state.step), progress.best_epoch
        if self._fitted is None or self._fitted[0] != moment:
            self._fitted = moment, self._with_noise(model)
        return self._fitted[1]

    def _with_noise(self, model: AbstractLatentVariableModel) -> AbstractLatentVariableModel:
        """The model with what waits for the end of training; validation examples say whether it is kept."""
        batch = min(self.schedule.batch_size, BATCH_SIZE)
        most = max(batch, min(MOST_EXAMPLES, MOST_NUMBERS // math.prod(model.event_shape)))
        held = self._watched[: MOST_EXAMPLES // 4] if self.has_validation and not self._watched.is_streamed else None
        with in_memory("what is fitted at the end does not fit into memory; make training.batch_size smaller, and resume."):
            return with_fitted_noise(
                model,
                on_one(self.feed.some(most), self.mesh),
                None if held is None else on_one(held, self.mesh),
                batch_size=batch,
            )

    def current_model(self, progress: Progress) -> AbstractLatentVariableModel:
        """The model as it stands now, for pictures while training."""
        return self._model(program.averaged(progress.state))

    def share(self, programs: Programs) -> None:
        """Hold no copy of an array that another training holds."""
        self.fixed = programs.shared(self.fixed)
        if not isinstance(self.feed, Stream):
            self.feed = programs.shared(self.feed)
        if not self._watched.is_streamed:
            self._watched = programs.shared(self._watched)

    def run(
        self,
        progress: Progress,
        *,
        on_record: Callable[[Record, Progress], None] = lambda record, progress: None,
        on_chunk: Callable[[Progress], None] = lambda progress: None,
        should_stop: Callable[[], str | None] = lambda: None,
        programs: Programs = ALONE,
    ) -> Progress:
        """Train until all epochs are done, patience has run out, or `should_stop` gives a reason.

        `on_record` is called with every `Record`, `on_chunk` after every chunk (the moment to checkpoint). `programs`: how
        the compiled programs are run where other models train at the same time.
        Raises `NonFiniteLossError`, naming the term and the step, at the first NaN or infinity.
        """
        was_by_bound = self._rest.has_density
        if progress.kept_by != self.kept_by and (progress.kept_by or was_by_bound != self._keeps_by_bound):
            # The best so far is of another kind, which nothing can be compared with.
            progress.best_bound = -math.inf
        progress.kept_by = self.kept_by
        with in_memory(_TOO_LARGE):
            progress.state = place(progress.state, self.mesh)
        self.share(programs)
        order = program.stream(self.fixed.numbers.key, program.PERMUTATION)
        clock = time.perf_counter()
        is_first, self._compiling = True, (0, 0.0)
        try:
            while not progress.stop_reason:
                step = int(progress.state.step)
                if step >= self.schedule.num_steps:
                    progress.stop_reason = ALL_EPOCHS
                    break
                schedule = self.schedule.next_chunk(step)
                fixed = self.fixed if schedule is self.schedule else dataclasses.replace(self.fixed, schedule=schedule)
                batches = self.feed.fetch(order, step, schedule)
                program.bound_memory(fixed, batches)
                with in_memory("a step does not fit into memory; make training.batch_size or objective.num_samples smaller."):
                    try:
                        progress.state, metrics = programs.train_chunk((fixed, batches), progress.state)
                        metrics = jax.tree.map(np.asarray, metrics)
                    except jax.errors.JaxRuntimeError as error:
                        if not self.mesh.is_multi_process:
                            raise
                        raise ProcessLostError(
                            "a step could not be taken together with the other processes of the run, of which one may be gone: "
                            f"{str(error).splitlines()[0]}. Nothing is half written; go on with: lowerbound train --resume RUN."
                        ) from error
                self._check_course(metrics, progress.state.spikes, step)
                sums = tuple(float(column.sum(dtype=np.float64)) for column in metrics.steps)
                progress.since_record = tuple(old + new for old, new in zip(progress.since_record, sums, strict=True))
                now = time.perf_counter()
                if is_first:
                    is_first, self._compiling = False, (schedule.steps_per_chunk, now - clock)
                progress.seconds, clock = progress.seconds + now - clock, now
                epoch = (step + schedule.steps_per_chunk) / self.schedule.steps_per_epoch
                if epoch % self.schedule.validate_every == 0 or epoch >= self.schedule.epochs:
                    on_record(self._record(progress, float(metrics.gradient_norm), epoch, programs), progress)
                progress.stop_reason = agreed(progress.stop_reason or should_stop() or "", self.mesh)
                on_chunk(progress)
        finally:
            programs.leave()
            self.feed.close()
        return progress

    def _model(self, params: Any) -> AbstractLatentVariableModel:
        # A copy, because the next chunk takes the memory of the state that it is given.
        model = eqx.combine(jax.tree.map(jnp.copy, on_one(params, self.mesh)), self._rest)
        return model if model.noise is None else model.with_noise(model.noise)

    def _record(self, progress: Progress, gradient_norm: float, epoch: float, programs: Programs) -> Record:
        num_steps, *sums = progress.since_record
        loss, bound, reconstruction, kl = (total / num_steps if num_steps else math.nan for total in sums)
        step = int(progress.state.step)
        validate = program.validate_stream if self._watched.is_streamed else programs.validate
        found = validate(self.fixed, program.averaged(progress.state), self._watched, progress.state.objective)
        loss_found, *validation = (float(value) if self.has_validation else math.nan for value in found[:5])
        if self.has_validation:
            self._note_validation(progress, epoch, validation[0] if self._keeps_by_bound else -loss_found)
        # The first chunk of a process waits for the compiler: its time says nothing of the speed, if there is any other chunk.
        untimed, self._compiling = self._compiling, (0, 0.0)
        timed_steps, duration = num_steps - untimed[0], progress.seconds - progress.seconds_at_record - untimed[1]
        if timed_steps <= 0:
            timed_steps, duration = num_steps, progress.seconds - progress.seconds_at_record
        progress.seconds_at_record, progress.since_record = progress.seconds, Progress.since_record
        return Record(
            epoch=epoch,
            step=step,
            loss=loss,
            train_bound_nats=bound,
            train_elbo_nats=reconstruction - kl,
            train_reconstruction_nats=reconstruction,
            train_kl_nats=kl,
            validation_bound_nats=validation[0],
            validation_standard_error_nats=validation[1],
            validation_elbo_nats=validation[2] - validation[3],
            validation_reconstruction_nats=validation[2],
            validation_kl_nats=validation[3],
            validation_loss=loss_found,
            learning_rate=float(np.asarray(learning_rate(self.fixed.numbers, step - 1))),
            kl_weight=float(self.fixed.objective.kl_weight(jnp.int32(step - 1))),
            gradient_norm=gradient_norm,
            skipped_steps=0 if progress.state.spikes is None else int(progress.state.spikes.skipped),
            examples_per_second=timed_steps * self.schedule.batch_size / max(duration, 1e-9),
            seconds=progress.seconds,
            monitors={name: float(value) for name, value in found.monitors.items()},
        )

    def _check_course(self, metrics: program.ChunkMetrics, spikes: Spikes | None, first_step: int) -> None:
        """Raise `NonFiniteLossError` at the first number that is not finite, or when step after step had to be skipped."""
        steps_per_epoch = self.schedule.steps_per_epoch
        if spikes is not None:
            count, last = int(spikes.in_a_row), int(first_step + len(metrics.steps.loss))
            is_many = count >= min(MOST_SKIPPED_IN_A_ROW, max(2, self.schedule.num_steps // 4))
            # A run that ends on weights of which the loss is not finite has not trained, however short it was.
            is_lost_at_the_end = last >= self.schedule.num_steps and not np.isfinite(metrics.gradient_norm)
            if is_many or (count and is_lost_at_the_end):
                raise NonFiniteLossError(
                    f"the gradient was not finite or far beyond its running size in {count} steps in a row, up to step {last} "
                    f"(epoch {(last - 1) // steps_per_epoch + 1}), and none of them was taken. Training has stopped. Try a lower "
                    "training.learning_rate, look for extreme values in the data, or set training.skip_spikes=false to take "
                    "every step."
                )
            # A gradient that is not finite is no step taken.
            return
        steps = metrics.steps
        # A gradient that is not finite shows in the next step's loss; only the last step's has no next step in this chunk.
        gradient_norm = np.append(np.zeros(len(steps.loss) - 1), metrics.gradient_norm)
        terms = {
            "the reconstruction term E_q[log p(x|z)]": steps.reconstruction,
            "the KL term": steps.kl,
            "the loss": steps.loss,
            "the gradient": gradient_norm,
        }
        if not self._rest.has_density:
            del terms["the KL term"]
        bad = {name: np.flatnonzero(~np.isfinite(values)) for name, values in terms.items()}
        bad = {name: where[0] for name, where in bad.items() if len(where)}
        if not bad:
            return
        # The earliest step tells the cause; at that step, the first of the terms above (the others follow from it).
        name = min(bad, key=lambda term: bad[term])
        step = first_step + int(bad[name])
        value = terms[name][bad[name]]
        raise NonFiniteLossError(
            f"{name} became {value} at step {step + 1} (epoch {step // steps_per_epoch + 1}). Training has stopped. "
            "Try a lower training.learning_rate, or training.gradient_clip=100, and look for extreme values in the data."
        )

    def _note_validation(self, progress: Progress, epoch: float, score: float) -> None:
        if score > progress.best_bound:
            progress.best_bound, progress.best_epoch = score, epoch
            progress.best_params = jax.tree.map(jnp.copy, program.averaged(progress.state))
        elif 0 < self._patience <= epoch - progress.best_epoch:
            progress.stop_reason = STOPPED_EARLY
