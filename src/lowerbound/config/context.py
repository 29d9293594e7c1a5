"""What a part is told when it is built: the data, the model's scale of them, and the sizes that all parts share."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..errors import ConfigurationError
from .catalogue import keys_of, name_of
from .part import PartConfig


def arguments_of(cls: type, config: PartConfig, *, elsewhere: Collection[str] = (), **sizes: Any) -> dict[str, Any]:
    """The arguments that a part's constructor takes, by name, of its keys and of the `sizes`, which go before them.

    - `elsewhere`: keys that are not the constructor's. Raises `ConfigurationError` for any other key that it does not take.
    """
    names, known = inspect.signature(cls).parameters, {**config.values, **sizes}
    unread = [key for key in config.values if key not in names and key not in elsewhere]
    if unread:
        raise ConfigurationError(
            f"the entry of the {config.kind} {config.name!r} has the key {unread[0]!r}, but {cls.__name__} takes no such "
            f"argument; expected one of {', '.join(names)}, or a `build` of the class's own that reads it."
        )
    return {name: known[name] for name in names if name in known}


def check_values(kind: str, cls: type, values: Mapping[str, Any]) -> None:
    """Hold what a part of this class is made with to the rules of its keys, as a configuration does; arrays are its own matter.

    Raises `ConfigurationError`. A class that is not in the catalogue has no keys.
    """
    name = name_of(kind, cls)
    for key, known in ({} if name is None else keys_of(kind, name)).items():
        argument = key if key in values else key.replace("_epochs", "_steps")
        value = values.get(argument)
        if argument in values and not isinstance(value, np.ndarray | jax.Array):
            known.rule.convert(f"{kind}.{argument}", value)


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

    @property
    def sizes(self) -> dict[str, Any]:
        """What a part's constructor may take besides its keys."""
        return {"latent_dim": self.latent_dim, "condition_dim": self.condition_dim, "key": self.key}

    def split(self, count: int) -> list[PRNGKeyArray]:
        """Keys for several networks of one part."""
        return list(jax.random.split(self.key, count))


@dataclasses.dataclass(frozen=True)
class ObjectiveContext:
    """What an objective is told when it is built: a configuration speaks of epochs, an objective of steps."""

    steps_per_epoch: int
    num_examples: int
