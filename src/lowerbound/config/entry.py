"""What the catalogue says of a part, and of a kind of part."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from .keys import Key

# The name that stands for another, chosen from the data when the model is built.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Entry:
    """One part.

    - `path`: "module:Class", the module within this package (".priors.vamp") or anywhere ("my_package.priors").
    - `keys`: the keys of its section, besides `name`. A key is the constructor's argument of the same name.
    - `papers`: keys of `references.toml`, what `lowerbound cite` prints for it.
    - `check`: given the section's name for errors and its values, raises `ConfigurationError` where they contradict each other.
    - `remark`: given the values, a sentence on values with which this is another, simpler part, said when training begins; "" for
      others.
    """

    path: str
    keys: Mapping[str, Key] = dataclasses.field(default_factory=dict)
    papers: tuple[str, ...] = ()
    check: Callable[[str, Mapping[str, Any]], None] = lambda section, values: None
    remark: Callable[[Mapping[str, Any]], str] = lambda values: ""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        keys = {key: known.to_json() for key, known in self.keys.items()}
        return {"path": self.path, "keys": keys, "papers": list(self.papers)}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of part: the name that holds where none is given, what it is, and what "auto" may become (empty: there is none)."""

    default: str
    help: str
    automatic: tuple[str, ...] = ()


KINDS: dict[str, Kind] = {
    "model": Kind("single-layer", "the form of the latent-variable model"),
    "prior": Kind("standard-normal", "p(z), the prior over the latent variables"),
    "posterior": Kind("diagonal-gaussian", "q(z|x), the family of the approximate posterior"),
    "likelihood": Kind(AUTO, "p(x|z); auto chooses it from the kind of the data", ("bernoulli", "gaussian")),
    "mask": Kind("at-random", "p(which elements have a value | x), why values are missing"),
    "network": Kind(
        "mlp", "the encoder's and the decoder's; auto chooses it, and its sizes, from the data's shape", ("mlp", "resnet")
    ),
    "objective": Kind("elbo", "what is optimised"),
}
