"""How far decoded codes are from what was encoded: all the score that a deterministic autoencoder has."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from .latents import decode, in_blocks, posterior_means

NO_BOUND = (
    "The code is one point and no distribution, so there is no bound on log p(x), no evidence, no KL divergence and no bits per "
    "dimension; the reconstruction term of the loss is none of these."
)


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """Of the examples x and what the decoder makes of their codes, E[x|z] at z = E[z|x]. It is no bound on anything.

    - `split`, `num_examples`: which examples.
    - `root_mean_square`: the error of an element, in the user's units.
    - `explained`: 1 - sum of squared errors / sum of squared distances from the training data's mean; NaN where nothing varies.
    """

    split: str
    num_examples: int
    root_mean_square: float
    explained: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, and what there is not: schema of `lowerbound evaluate --json` of an autoencoder."""
        nothing = dict.fromkeys(("elbo_nats", "log_evidence_nats", "kl_nats", "bits_per_dim"))
        return {"version": 1, "has_density": False, **dataclasses.asdict(self), **nothing}


def reconstruction(model: AbstractLatentVariableModel, spec: DataSpec, data: Example, *, split: str = "test") -> Reconstruction:
    """The error over all elements of all examples, which must be complete and of weight 1; `ConfigurationError` otherwise."""
    if data.observed is not None or data.weight is not None:
        raise ConfigurationError(
            "a reconstruction error counts every element of every example alike, but these have `observed` or `weight`. Give it "
            "complete examples alone: Example(x, condition)."
        )
    codes = posterior_means(model, data)
    given = None if data.condition is None else np.asarray(data.condition)
    means = in_blocks(model, lambda rows: np.asarray(decode(model, rows[0], condition=rows[1]), np.float64), (codes, given))
    x = np.asarray(data.x, np.float64)
    errors = float(np.square(x - means).sum())
    spread = float(np.square(x - np.asarray(spec.mean, np.float64).reshape(spec.event_shape)).sum())
    return Reconstruction(split, len(x), (errors / x.size) ** 0.5, 1 - errors / spread if spread > 0 else float("nan"))
