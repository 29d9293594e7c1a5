"""Grey levels as probabilities: each example as zeros and ones, drawn once for scores, and at each step anew for training.

MNIST is binarised so since Salakhutdinov & Murray (2008), "On the quantitative analysis of deep belief networks"; drawing anew at
each step is what Burda, Grosse & Salakhutdinov (2016, arXiv 1509.00519) did.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from ..errors import DataError
from .checks import chunks_of_rows
from .dataset import Dataset

# One draw for all runs, whatever their seeds: what is scored must not depend on them.
_SEED = 0


def binarized(dataset: Dataset, *, anew: bool) -> Dataset:
    """The data set with one fixed draw of zeros and ones in the place of its values.

    The probability of a one is the value itself where none is above 1, else its share of the highest level (255 for pixels).

    - `anew`: keep the probabilities too, from which training draws at each step.

    Raises `DataError` when a value is below 0 or above the highest level.
    """
    values, low, high = dataset.examples, float(dataset.examples.min()), float(dataset.examples.max())
    top = 1.0 if high <= 1 else 255.0 if dataset.num_levels is None else dataset.num_levels - 1.0
    if not 0 <= low <= high <= top:
        raise DataError(
            f"data.binarize takes values for probabilities, but those of {dataset.name} lie from {low:g} to {high:g}; expected "
            f"values in [0, 1], or levels from 0 to {top:g}."
        )
    rng, drawn, blocks = np.random.Generator(np.random.PCG64(_SEED)), np.empty(values.shape, np.uint8), chunks_of_rows(values)
    for start in blocks:
        block = values[start : start + blocks.step]
        drawn[start : start + blocks.step] = rng.random(block.shape, np.float32) < block.astype(np.float32) / np.float32(top)
    probability = (values, top) if anew else None
    # What makes examples of factors gives values again.
    return dataclasses.replace(dataset, examples=drawn, probability=probability, num_levels=None, render=None)
