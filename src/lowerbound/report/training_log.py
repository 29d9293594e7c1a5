"""What a training run tells TensorBoard: the graph, scalars at every record, pictures now and then."""

from __future__ import annotations

import math
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from ..devices.mesh import on_one
from ..training import MONITOR
from .tensorboard import TensorBoardWriter

if TYPE_CHECKING:
    from ..runs.training import TrainingRun
    from ..training import Record

SCALARS = {
    "elbo_nats/train": "train_elbo_nats",
    "elbo_nats/validation": "validation_elbo_nats",
    "bound_nats/train": "train_bound_nats",
    "bound_nats/validation": "validation_bound_nats",
    "kl_nats/train": "train_kl_nats",
    "kl_nats/validation": "validation_kl_nats",
    "reconstruction_nats/train": "train_reconstruction_nats",
    "reconstruction_nats/validation": "validation_reconstruction_nats",
    "training/loss": "loss",
    "training/gradient_norm": "gradient_norm",
    "training/learning_rate": "learning_rate",
    "training/kl_weight": "kl_weight",
    "training/examples_per_second": "examples_per_second",
}
PICTURES_PER_RUN = 10
NUM_SAMPLES, NUM_PAIRS = 36, 12


class TrainingLog:
    """Writes one run's TensorBoard events into its folder; a context manager.

    - `resume_step`: the step from which a resumed run goes on, or None for a new run, whose graph is then drawn.

    Raises `SavingError` when the log cannot be written.
    """

    def __init__(self, run: TrainingRun, *, resume_step: int | None = None) -> None:
        self._writer = TensorBoardWriter(run.folder.path, resume_step=resume_step)
        self._records = 0
        looks = run.config.training.epochs / run.trainer.schedule.validate_every
        self._images_every = run.config.training.images_every or max(1, math.ceil(looks / PICTURES_PER_RUN))
        shown = run.part("validation") if len(run.split.validation) else run.part("train")
        self._shown = shown[:NUM_PAIRS]
        if resume_step is None:
            from .graph import loss_graph

            batch = on_one(run.trainer.feed, run.trainer.mesh).first(run.trainer.schedule.batch_size)
            model = run.trainer.current_model(run.progress)
            self._writer.graph(loss_graph(model, run.trainer.fixed.objective, batch))
            # A run killed before its first record would lose its graph: a resumed run does not draw it again.
            self._writer.flush()

    def record(self, record: Record, run: TrainingRun) -> None:
        """Write the record's scalars, and pictures when they are due."""
        for name, field in {**SCALARS, **{name: name for name in record.figures if name.startswith(MONITOR)}}.items():
            if not math.isnan(value := record.figures[field]):
                self._writer.scalar(name, value, record.step)
        self._records += 1
        if run.spec.is_image and self._records % self._images_every == 0:
            self._write_pictures(record.step, run)
        self._writer.flush()

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._writer.__exit__(kind, error, traceback)

    def _write_pictures(self, step: int, run: TrainingRun) -> None:
        from ..evaluation import decode, posterior_means, sample
        from .figures import pair_picture, sample_picture
        from .images import enlarge

        model = run.trainer.current_model(run.progress)
        condition = self._shown.condition
        for_samples = None if condition is None else np.resize(np.asarray(condition), (NUM_SAMPLES, condition.shape[1]))
        samples = sample(model, NUM_SAMPLES, condition=for_samples, draw=model.shows_draws, seed=run.config.training.seed)
        reconstructions = decode(model, posterior_means(model, self._shown), condition=condition)
        pictures = {
            "samples": sample_picture(samples, run.spec),
            "reconstructions": pair_picture(np.asarray(self._shown.x, np.float32), reconstructions, run.spec),
        }
        for name, picture in pictures.items():
            self._writer.image(name, enlarge(picture, 480), step)
