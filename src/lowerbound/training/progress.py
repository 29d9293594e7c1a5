"""How far a run has come: what the host notes at each look, and what a checkpoint must hold."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ..storage.schema import checked
from .program import TrainState

STOPPED_EARLY = "early stopping"
ALL_EPOCHS = "all epochs"
# What a run is said to have ended by when `NonFiniteLossError` ended it.
NOT_FINITE = "the loss was not finite"
# What the names of monitors begin with among a record's other figures.
MONITOR = "monitor/"


@dataclasses.dataclass(frozen=True)
class Record:
    """One look of the host. Bounds and terms in nats per example, in the user's units; NaN where there is no validation.

    The training figures are means over the steps since the previous record, with dropout and with the weights of their own
    moment; `gradient_norm` is that of the newest step, before clipping; the `skipped_steps` of the run so far, whose gradient was
    far beyond its running size, are in no mean. The validation figures are for the weights that would be kept now (the running
    average where it is on), `validation_loss` with the objective's weights at the end of their schedule. The bound is the
    objective's own: for the ELBO objective the ELBO itself, for IWAE its tighter bound; a deterministic code has neither, and
    both are NaN. `monitors`: the shares that the likelihood watches, by name, of the validation data or of some training data.
    """

    epoch: float
    step: int
    loss: float
    train_bound_nats: float
    train_elbo_nats: float
    train_reconstruction_nats: float
    train_kl_nats: float
    validation_bound_nats: float
    validation_standard_error_nats: float
    validation_elbo_nats: float
    validation_reconstruction_nats: float
    validation_kl_nats: float
    validation_loss: float
    learning_rate: float
    kl_weight: float
    gradient_norm: float
    skipped_steps: int
    examples_per_second: float
    seconds: float
    monitors: dict[str, float]

    @property
    def figures(self) -> dict[str, float]:
        """All of it by the names that files and faces give it: monitors as `monitor/NAME`."""
        plain = {name: value for name, value in vars(self).items() if name != "monitors"}
        return plain | {f"{MONITOR}{name}": value for name, value in self.monitors.items()}


@dataclasses.dataclass
class Progress:
    """Where a run stands: everything that a checkpoint must hold, besides the model's own constants.

    `best_bound`: the best validation score so far, of the kind that `kept_by` says ("" in what release 0.1.0 wrote).
    `since_record`: sums over the steps since the last record, in double precision: the columns of `StepMetrics`.
    """

    state: TrainState
    best_params: Any
    best_epoch: float = 0.0
    best_bound: float = -math.inf
    kept_by: str = ""
    seconds: float = 0.0
    seconds_at_record: float = 0.0
    since_record: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    stop_reason: str = ""

    @property
    def counters(self) -> dict[str, Any]:
        """The plain numbers, for a checkpoint's JSON."""
        found = {field.name: getattr(self, field.name) for field in dataclasses.fields(_Counters)}
        best_bound = self.best_bound if math.isfinite(self.best_bound) else None
        return {**found, "best_bound": best_bound, "since_record": list(self.since_record)}

    @classmethod
    def restore(cls, state: TrainState, best_params: Any, counters: dict[str, Any], source: str = "the checkpoint") -> Progress:
        """The progress that `counters` and two PyTrees describe; raises `ModelFolderError`, naming `source`, when they are
        no such counters."""
        known = checked(_Counters, counters, source, "counters.")
        best_bound = -math.inf if known.best_bound is None else known.best_bound
        return cls(state, best_params, **{**vars(known), "best_bound": best_bound})


@dataclasses.dataclass(frozen=True)
class _Counters:
    """`Progress.counters`, as a checkpoint holds them."""

    best_epoch: float
    best_bound: float | None
    seconds: float
    seconds_at_record: float
    since_record: tuple[float, ...]
    stop_reason: str
    kept_by: str = ""
