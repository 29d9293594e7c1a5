"""How a run divides into steps: the configuration speaks of epochs, the compiled loop of steps."""

from __future__ import annotations

import dataclasses
import math

from ..config.sections import LARGEST_STEP, TrainingConfig
from ..errors import ConfigurationError

# A chunk longer than this would leave a person waiting: at about 2 ms a step the host looks in every 2 seconds.
MAX_STEPS_PER_CHUNK = 1000
LOOKS_PER_RUN = 200


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How epochs, steps and chunks divide a run, from the number of examples alone.

    An epoch is the batches of a fresh permutation, each for `steps_per_batch` steps in a row, `steps_per_epoch` in all; the
    examples that do not fill a last batch wait for another epoch's permutation. A chunk is what one call of the compiled
    program does: either `epochs_per_chunk` whole epochs, or one of `chunks_per_epoch` equal parts of an epoch.
    """

    batch_size: int
    steps_per_epoch: int
    epochs_per_chunk: int
    chunks_per_epoch: int
    validate_every: int
    epochs: int
    steps_per_batch: int = 1

    @property
    def steps_per_chunk(self) -> int:
        """Optimiser steps in one call of the compiled program."""
        return self.epochs_per_chunk * self.steps_per_epoch // self.chunks_per_epoch

    @property
    def num_steps(self) -> int:
        """Optimiser steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    @classmethod
    def plan(cls, config: TrainingConfig, num_examples: int, steps_per_batch: int = 1, most_steps: int | None = None) -> Schedule:
        """The schedule of a run on `num_examples` training examples; `ConfigurationError` where steps are too many to count.

        - `most_steps`: in one chunk, where the examples of more would take too much memory.
        """
        most_steps = most_steps or MAX_STEPS_PER_CHUNK
        batch_size = min(config.batch_size, num_examples)
        batches = num_examples // batch_size
        steps = batches * steps_per_batch
        wanted = config.validate_every or max(1, round(config.epochs / LOOKS_PER_RUN))
        validate_every = min(wanted, config.epochs)
        most = max(1, most_steps // steps)
        # A divisor, so that a chunk always ends where a validation is due.
        epochs_per_chunk = max(n for n in range(1, min(validate_every, most) + 1) if validate_every % n == 0)
        chunks_per_epoch = math.ceil(steps / most_steps)
        if most_steps < MAX_STEPS_PER_CHUNK:
            # Of the numbers that serve, the one that leaves the fewest batches out.
            chunks_per_epoch = min(range(chunks_per_epoch, 2 * chunks_per_epoch + 1), key=lambda count: batches % count)
        # Equal parts, so that one compiled program serves all: at most chunks_per_epoch - 1 batches of an epoch are left out.
        steps = (batches - batches % chunks_per_epoch) * steps_per_batch
        if config.epochs * steps > LARGEST_STEP:
            raise ConfigurationError(
                f"training.epochs is {config.epochs:,}, which is {config.epochs * steps:,} steps; at most {LARGEST_STEP:,} steps "
                f"are counted, here {LARGEST_STEP // steps:,} epochs."
            )
        return cls(batch_size, steps, epochs_per_chunk, chunks_per_epoch, validate_every, config.epochs, steps_per_batch)

    def next_chunk(self, step: int) -> Schedule:
        """The schedule whose chunk starts at `step`: this one, or one whose chunk is cut short by the end of the run.

        A run resumed with other epochs may start off this schedule's beat; its first chunk is cut to fall in with it, or no
        chunk would ever end where a validation is due.
        """
        epoch = step // self.steps_per_epoch
        epochs = min(self.epochs_per_chunk - epoch % self.epochs_per_chunk, self.epochs - epoch)
        return self if epochs == self.epochs_per_chunk else dataclasses.replace(self, epochs_per_chunk=epochs)
