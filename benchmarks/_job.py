"""The job that all contenders do: data, network, and the exact count of its arithmetic. Nothing here imports a framework."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

PIXELS, HIDDEN, LATENTS, BATCH = 560, 200, 20, 100
LEARNING_RATE = 1e-3
# Half a quantisation step of 8-bit pixels on [0, 1].
LOG_SCALE_FLOOR = float(np.log(0.5 / 255))
EPOCHS_PER_ROUND = 50
PRODUCT_SIDE = 2048
EVALUATED_EXAMPLES, IMPORTANCE_SAMPLES = 100, 1000

LAYERS = (
    (PIXELS, HIDDEN),
    (HIDDEN, HIDDEN),
    (HIDDEN, 2 * LATENTS),
    (LATENTS, HIDDEN),
    (HIDDEN, HIDDEN),
    (HIDDEN, 2 * PIXELS),
)


def multiplications_per_example() -> int:
    """Multiply-adds of one example in the matrix products of one step.

    Each layer has a product forward, one for its weights' gradient and one for its input's gradient, all with fan_in x fan_out
    multiply-adds; the first layer's input is data and needs no gradient:

        3 * sum(fan_in * fan_out) - 560 * 200 = 1,172,000
    """
    return 3 * sum(fan_in * fan_out for fan_in, fan_out in LAYERS) - PIXELS * HIDDEN


def flops_per_step() -> int:
    """Floating-point operations in the matrix products of one step: two for each multiply-add, 100 examples."""
    return 2 * BATCH * multiplications_per_example()


def load_images(data_dir: str | None) -> tuple[np.ndarray, str]:
    """(uint8 images [1965, 28, 20], their name): the Frey faces where they are at hand, else the package's own faces.

    Both have the same shape and type, so the arithmetic is the same.
    """
    from lowerbound.data.datasets import dataset_status, load_dataset

    present = any(status.present for status in dataset_status(data_dir) if status.name == "frey-faces")
    dataset = load_dataset("frey-faces" if present else "faces", data_dir=data_dir)
    return np.ascontiguousarray(dataset.examples, np.uint8), dataset.name


def product_flops_per_second(multiply: Callable[[], object], repeats: int = 6) -> float:
    """The rate of a product of two 2048 x 2048 float32 matrices: the fastest of a few."""
    multiply()
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        multiply()
        best = min(best, time.perf_counter() - start)
    return 2 * PRODUCT_SIDE**3 / best


def random_matrices() -> tuple[np.ndarray, np.ndarray]:
    """Two float32 matrices to multiply."""
    generator = np.random.default_rng(0)
    first, second = generator.standard_normal((2, PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    return first, second
