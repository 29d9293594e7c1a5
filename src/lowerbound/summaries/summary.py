"""Everything that a run's pictures, page and diagnosis are made from, as plain numbers and NumPy arrays."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..assembly.automatic import Choice
from ..config import RunConfig
from ..config.catalogue import class_of
from ..data.spec import DataSpec
from ..errors import DataError
from ..evaluation import ColumnCoverage, Reconstruction
from ..likelihoods import Given
from ..models import LatentBlock
from ..training import MONITOR, NOT_FINITE
from .examination import Examination

NATS = "nats per example"
BITS = "bits per dimension"
# Of the intervals of a table's cells that a report judges.
COVERAGE = 0.9


@dataclasses.dataclass(frozen=True)
class Score:
    """One number about a split of the data.

    - `name`: as `lowerbound evaluate --json` calls it; the name carries sign and unit.
    - `measure`: "counting" (a log-probability), "lebesgue" (a log-density, whose value depends on the units of x), or ""
      where none is involved (a KL divergence).
    - `given`: what the number is given of x itself, the total of counts; None for log p(x).
    - `scale`: what x is measured in: "user" (the user's own units) or "unit" (scaled to [0, 1]).
    - `num_samples`: importance samples per example. `standard_error`: over examples; NaN where unknown.
    - `weights_kl_nats`: of a model whose weights are random, their KL / N (`Evaluation`); None for others.
    """

    name: str
    value: float
    unit: str
    measure: str
    split: str
    scale: str = "user"
    num_samples: int = 1
    standard_error: float = math.nan
    given: Given | None = None
    weights_kl_nats: float | None = None


def scores_of(evaluation: Mapping[str, Any], given: Given | None = None) -> tuple[Score, ...]:
    """The scores in an evaluation's plain numbers (`Evaluation.to_json()`, or what `evaluate --json` printed) of a model that is
    given this of x.
    """
    split, measure, num_samples = evaluation["split"], evaluation["measure"], evaluation["num_samples"]
    errors = {"elbo_nats": evaluation["elbo_standard_error"], "log_evidence_nats": evaluation["standard_error"]}
    found: list[Score] = []
    weights_kl = evaluation["weights_kl_nats"]
    for prefix, scale in (("", "user"), ("unit_scale_", "unit")):
        for quantity, error in errors.items():
            value = evaluation[f"{prefix}{quantity}"]
            if value is not None:
                error = math.nan if error is None else error
                found.append(
                    Score(f"{prefix}{quantity}", value, NATS, measure, split, scale, num_samples, error, given, weights_kl)
                )
    if evaluation["bits_per_dim"] is not None and given is None:
        found.append(Score("bits_per_dim", evaluation["bits_per_dim"], BITS, measure, split, "user", num_samples))
    if evaluation["kl_nats"] is not None:
        found.append(Score("kl_nats", evaluation["kl_nats"], NATS, "", split, "user", num_samples))
    return tuple(found)


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """A finished (or stopped) run.

    - `name`: the run folder's name; `folder`: its path, for commands that a person can type.
    - `data_name`, `spec` and the three counts: what it was trained on.
    - `recipe`, `config`: the recipe's name, and the configuration as resolved.
    - `command`: what a person types to repeat it. `versions`, `machine`: what `run.json` records.
    - `seconds`, `epochs_run`, `stop_reason`, `best_epoch`: how training went; `stop_reason` is "all epochs", "early stopping",
      or whatever made it stop.
    - `history`: the columns of `metrics.csv`, equally long float arrays (NaN where there is no validation).
    - `measure`: the base measure of the likelihood, "counting" or "lebesgue". `given`: what it is given of x itself, or None.
    - `latent_blocks`: what the model says of its latents. `loss_is_bound`: whether minus the loss is a bound on log p(x).
    - `scores`: of the kept weights; splits in the order in which they should be shown.
    - `bound_on_training`: the ELBO of whole training examples without dropout, where elements were hidden or dropout was on, so
      that the record of training is of something else; else None.
    - `samples`, `real`: (n, *event_shape), draws z ~ p(z), x ~ p(x|z) from the model, and examples of the data, in the user's
      units. `sample_means`: E[x|z] of the samples' own z, or None: where they say less than the draws.
    - `originals`, `reconstructions`: (n, *event_shape), examples that were not trained on where there are any, and what the
      decoder makes of their codes.
    - `latent_means`: (n, latent_dim), E[z|x]. `labels`: (n,) integers, `factors`: (n, k) numbers, of the same examples.
    - `latent_is_active`: (latent_dim,) booleans. `kl_by_latent_nats`: (latent_dim,), mean over examples; None where there is no
      closed form.
    - `split_shown`: the split that `originals` and `latent_means` come from.
    - `files`: name and meaning of each file in the run's folder.
    - `examination`: what was measured on the model and its data; None where that was not done.
    - `reconstruction`: the error of a deterministic code; None for other models.
    - `hole_coverage`: of a table with holes, how intervals with the coverage `COVERAGE` hold for known cells of its columns.
    - `data_problem`: why the data of the run could not be used; "" where they were.
    - `choices`: what the data chose of the configuration, and why.
    - `tried`: the configurations of the runs that this one was made from, the nearest first: what they had was tried.

    Raises `DataError` when arrays do not fit each other.
    """

    name: str
    data_name: str
    spec: DataSpec
    num_train: int
    num_validation: int
    num_test: int
    recipe: str
    config: RunConfig
    history: Mapping[str, np.ndarray]
    measure: str
    latent_blocks: tuple[LatentBlock, ...]
    samples: np.ndarray
    real: np.ndarray
    originals: np.ndarray
    reconstructions: np.ndarray
    latent_means: np.ndarray
    latent_is_active: np.ndarray
    kl_by_latent_nats: np.ndarray | None = None
    sample_means: np.ndarray | None = None
    scores: tuple[Score, ...] = ()
    bound_on_training: Score | None = None
    labels: np.ndarray | None = None
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()
    split_shown: str = "test"
    folder: str = ""
    command: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    machine: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0
    epochs_run: float = 0.0
    best_epoch: float = 0.0
    stop_reason: str = "all epochs"
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    examination: Examination | None = None
    reconstruction: Reconstruction | None = None
    hole_coverage: tuple[ColumnCoverage, ...] = ()
    data_problem: str = ""
    given: Given | None = None
    loss_is_bound: bool = True
    choices: tuple[Choice, ...] = ()
    tried: tuple[RunConfig, ...] = ()

    def __post_init__(self) -> None:
        for name in ("samples", "sample_means", "real", "originals", "reconstructions"):
            array = getattr(self, name)
            if array is not None and array.shape[1:] != self.spec.event_shape:
                raise DataError(
                    f"RunSummary.{name} has shape {array.shape}; expected (n, {', '.join(map(str, self.spec.event_shape))}), "
                    "n examples of the shape that the data have."
                )
        for name, other in (("reconstructions", "originals"), ("labels", "latent_means"), ("factors", "latent_means")):
            array, fellow = getattr(self, name), getattr(self, other)
            if array is not None and len(array) != len(fellow):
                raise DataError(
                    f"RunSummary.{name} has {len(array)} rows but {other} has {len(fellow)}; expected those of the same examples."
                )
        for name in ("latent_is_active", "kl_by_latent_nats"):
            array = getattr(self, name)
            if array is not None and array.shape != (self.latent_dim,):
                raise DataError(f"RunSummary.{name} has shape {array.shape}; expected ({self.latent_dim},), one for each latent.")

    @property
    def weights_are_random(self) -> bool:
        """Whether KL and bound carry a share of the decoder's weights, so that the bound is on no log p(x)."""
        return class_of("model", self.config.model.name).weights_are_random

    @property
    def has_late_noise(self) -> bool:
        """Whether the likelihood was fitted further when training had ended: bounds while it trained are lower."""
        return class_of("likelihood", self.config.likelihood.name).has_late_noise

    @property
    def latent_dim(self) -> int:
        """The number of latent variables."""
        return self.latent_means.shape[1]

    @property
    def resume_command(self) -> str:
        """What a person types to train further."""
        return f"lowerbound train --resume {shlex.quote(self.folder or self.name)}"

    @property
    def has_bound(self) -> bool:
        """False for a deterministic code, of which the history holds a reconstruction but no bound."""
        return len(self.finite("train_elbo_nats")[0]) > 0 or len(self.finite("train_reconstruction_nats")[0]) == 0

    @property
    def has_validation(self) -> bool:
        """True when the history holds a validation bound."""
        return len(self.finite("validation_elbo_nats")[0]) > 0

    def finite(self, column: str) -> tuple[np.ndarray, np.ndarray]:
        """Epochs and values of one column of the history, where the value is finite; empty when there is no such column."""
        epochs = np.asarray(self.history.get("epoch", ()), float)
        values = np.asarray(self.history.get(column, np.full(len(epochs), np.nan)), float)
        kept = np.isfinite(values)
        return epochs[kept], values[kept]

    def last(self, column: str) -> float:
        """The column's last value that is finite; NaN when there is none."""
        values = self.finite(column)[1]
        return float(values[-1]) if len(values) else math.nan

    @property
    def monitors(self) -> dict[str, float]:
        """The last share of each monitor of the likelihood that is finite, by the monitor's name."""
        last = {name.removeprefix(MONITOR): self.last(name) for name in self.history if name.startswith(MONITOR)}
        return {name: share for name, share in last.items() if math.isfinite(share)}

    def score(self, name: str, split: str = "") -> Score | None:
        """The score of this name; of the first split that has it, where none is named."""
        return next((score for score in self.scores if score.name == name and split in ("", score.split)), None)

    @property
    def is_finished(self) -> bool:
        """True when training came to its own end rather than being stopped."""
        return self.stop_reason in ("all epochs", "early stopping")

    @property
    def is_untrained(self) -> bool:
        """True when the loss was not finite before anything was recorded: the weights are those of the start."""
        return self.stop_reason == NOT_FINITE and len(self.history.get("epoch", ())) == 0

    @property
    def how_it_ended(self) -> str:
        """How training ended, in words."""
        epochs = f"{self.epochs_run:,.4g}" if self.epochs_run < 1000 else f"{self.epochs_run:,.0f}"
        if self.stop_reason == "all epochs":
            return f"all {epochs} epochs"
        if self.stop_reason == "early stopping":
            return f"early stopping at epoch {epochs}, best epoch {self.best_epoch:,.0f}"
        reason = self.stop_reason.removeprefix("stopped by ")
        return f"stopped at epoch {epochs} ({reason or 'not ended'})"
