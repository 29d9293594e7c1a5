"""This project as a contender, through the recipe `post-2018` and the trainer that `lowerbound train` uses."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from _job import BATCH, EPOCHS_PER_ROUND, IMPORTANCE_SAMPLES, product_flops_per_second, random_matrices
from _products import step_product_seconds

from lowerbound.assembly import build
from lowerbound.data.describe import describe
from lowerbound.evaluation.evidence import estimate_evidence
from lowerbound.recipes.registry import load_recipe
from lowerbound.training import Progress, Trainer


class Contender:
    """Everything that training does is inside the time: chunks, the look at monitors, the check for non-finite numbers."""

    def __init__(self, variant: str, images: np.ndarray) -> None:
        config = load_recipe("post-2018").run_config()
        spec = describe(images, num_levels=256, name="frey-faces")
        self.config, self.spec = build.resolve(config, spec), spec
        self.images = images

    def _trainer(self, epochs: int, validate_every: int) -> Trainer:
        changes = {"training": {"epochs": epochs, "validate_every": validate_every}}
        config = build.resolve(self.config.updated(changes), self.spec)
        steps_per_epoch = len(self.images) // BATCH
        model = build.build_model(config, self.spec, key=jax.random.key(0))
        objective = build.build_objective(config, steps_per_epoch, len(self.images))
        return Trainer(model, self.images, self.images[:0], objective, config.training)

    def first_epoch(self) -> None:
        """One epoch from nothing."""
        trainer = self._trainer(1, 1)
        trainer.run(trainer.start())

    def prepare(self) -> None:
        """A run long enough for all rounds, its program compiled."""
        self.trainer = self._trainer(1_000_000, EPOCHS_PER_ROUND)
        self.progress: Progress = self.trainer.start()
        self.train_round()

    def train_round(self) -> int:
        """Train for a round of epochs; the number of examples seen."""
        before = int(self.progress.state.step)
        self.progress.stop_reason = ""
        last = before + EPOCHS_PER_ROUND * self.trainer.schedule.steps_per_epoch
        self.trainer.run(self.progress, should_stop=lambda: "round over" if int(self.progress.state.step) >= last else None)
        return (int(self.progress.state.step) - before) * BATCH

    def loss(self) -> float:
        """-ELBO of the training data in nats on [0, 1]-scaled pixels, from one draw each."""
        estimate = estimate_evidence(self.trainer.current_model(self.progress), self.images, 1)
        return -float(np.mean(estimate.elbo)) - self.spec.num_elements * float(np.log(255))

    def evaluate(self, examples: int) -> int:
        """Importance-sample the evidence of some examples; the number of importance samples drawn."""
        estimate_evidence(self.trainer.current_model(self.progress), self.images[:examples], IMPORTANCE_SAMPLES)
        return examples * IMPORTANCE_SAMPLES

    def products_alone(self) -> float:
        """Seconds for the matrix products of one step by themselves."""
        return step_product_seconds()

    def product_rate(self) -> float:
        """Floating-point operations a second of a large product in JAX."""
        first, second = (jnp.asarray(matrix) for matrix in random_matrices())
        multiply = jax.jit(jnp.matmul)
        return product_flops_per_second(lambda: multiply(first, second).block_until_ready())
