"""What the guard against exploding gradients (`training.skip_spikes`) costs a step: with and without it, in turns.

    python benchmarks/guard_cost.py [--rounds 6]

The job is the seed's: the recipe `post-2018` on random 8-bit pictures of the Frey faces' size, no file is needed. A round is 40
epochs of 19 steps of each, one after the other in one process, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import statistics
import time

import jax
import numpy as np

from lowerbound.assembly.build import build_model, build_objective, resolve
from lowerbound.data.describe import describe
from lowerbound.recipes.registry import load_recipe
from lowerbound.training import Trainer

EPOCHS_PER_ROUND = 40


def trainer_of(images: np.ndarray, guarded: bool) -> Trainer:
    changes = {"training": {"epochs": 1_000_000, "validate_every": EPOCHS_PER_ROUND, "skip_spikes": guarded}}
    spec = describe(images, num_levels=256)
    config = resolve(load_recipe("post-2018").run_config().updated(changes), spec)
    objective = build_objective(config, len(images) // config.training.batch_size, len(images))
    return Trainer(build_model(config, spec, jax.random.key(0)), images, images[:0], objective, config.training)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    rounds = parser.parse_args().rounds
    images = np.random.default_rng(0).integers(0, 256, (1965, 28, 20)).astype(np.uint8)
    trainers = {guarded: trainer_of(images, guarded) for guarded in (False, True)}
    progress = {guarded: trainer.start() for guarded, trainer in trainers.items()}
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(rounds + 1):
        for guarded, trainer in trainers.items():
            steps = EPOCHS_PER_ROUND * trainer.schedule.steps_per_epoch
            last = int(progress[guarded].state.step) + steps
            progress[guarded].stop_reason = ""
            start = time.perf_counter()
            trainer.run(
                progress[guarded],
                should_stop=lambda guarded=guarded, last=last: "over" if int(progress[guarded].state.step) >= last else None,
            )
            # The first round compiles.
            if number:
                times[guarded].append((time.perf_counter() - start) / steps * 1000)
    for guarded, name in ((False, "without"), (True, "with")):
        shown = " ".join(f"{each:.2f}" for each in times[guarded])
        fastest, median = min(times[guarded]), statistics.median(times[guarded])
        print(f"{name} the guard: {shown} ms a step; fastest {fastest:.2f}, median {median:.2f}")
    print(
        f"with / without: fastest {min(times[True]) / min(times[False]):.3f}, "
        f"median {statistics.median(times[True]) / statistics.median(times[False]):.3f}"
    )


if __name__ == "__main__":
    main()
