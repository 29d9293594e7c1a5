"""What a part is told when it is built: the data, the model's scale of them, and the sizes that all parts share."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..data.spec import DataSpec
from ..data.transforms import Affine


@dataclasses.dataclass(frozen=True)
class BuildContext:
    """What `build` of a part may use besides its own section of the configuration.

    - `spec`: one example of the data. `transform`: y = transform(x) is what the likelihood sees; `input_transform`: what the
      encoder sees.
    - `latent_dim`: the number of latents. `condition_dim`: the length of the condition; 0 where there is none.
    - `key`: of this part's own fresh weights.
    - `examples`: a few hundred training examples in the user's units, to start from; None when a model is rebuilt to be filled.
    """

    spec: DataSpec
    transform: Affine
    input_transform: Affine
    latent_dim: int
    condition_dim: int
    key: PRNGKeyArray
    examples: np.ndarray | None = None

    def scaled(self, value: np.ndarray | float) -> np.ndarray:
        """A value in the user's units as the likelihood sees it; for arrays in the event's shape, or numbers."""
        return np.asarray((np.asarray(value, np.float32) - self.transform.shift) / self.transform.scale)

    @property
    def low(self) -> np.ndarray:
        """The smallest possible value as the likelihood sees it: a number, or one for each element."""
        return self.scaled(self.spec.low)

    @property
    def high(self) -> np.ndarray:
        """The largest possible value as the likelihood sees it."""
        return self.scaled(self.spec.high)

    def split(self, count: int) -> list[PRNGKeyArray]:
        """Keys for several networks of one part."""
        return list(jax.random.split(self.key, count))


@dataclasses.dataclass(frozen=True)
class ObjectiveContext:
    """What an objective is told when it is built: a configuration speaks of epochs, an objective of steps."""

    steps_per_epoch: int
    num_examples: int
