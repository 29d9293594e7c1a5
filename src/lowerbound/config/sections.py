"""The sections of a run's configuration. The same names serve TOML files, `--set section.key=value` and the estimator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .rules import AutoOrReal, Integer, ListOf, NameOrList, OneOf, PartOfData, Real, Rule, Text

LARGEST_SEED = 2**32 - 1
LIKELIHOODS = ("auto", "gaussian", "bernoulli", "discretized-logistic")
ACTIVATIONS = ("elu", "tanh", "relu", "silu", "gelu", "softplus")


def _key(default: Any, rule: Rule, help_text: str) -> Any:
    return dataclasses.field(default=default, metadata={"rule": rule, "help": help_text})


def section_name(section: Any) -> str:
    """`"training"` for `TrainingConfig` or an instance of it."""
    cls = section if isinstance(section, type) else type(section)
    return cls.__name__.removesuffix("Config").lower()


def converted(cls: type, keys: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a section's `keys`, each checked by its rule and made plain: a list becomes a tuple, 1 becomes 1.0."""
    rules = {field.name: field.metadata["rule"] for field in dataclasses.fields(cls)}
    return {key: rules[key].convert(f"{section_name(cls)}.{key}", value) for key, value in keys.items()}


def _convert_fields(section: Any) -> None:
    """The same for a section that was built directly."""
    for key, value in converted(type(section), vars(section)).items():
        object.__setattr__(section, key, value)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which data, how they are split, and how they are scaled before the networks see them."""

    name: str = _key("faces", Text(), "a named data set, or the path of a file or of a folder of images")
    key: str = _key("", Text(may_be_empty=True), "the variable in a .mat or .npz file; empty for the only one there")
    validation: float | int = _key(0.1, PartOfData(), "examples kept for validation: a fraction or a count, 0 for none")
    test: float | int = _key(0.1, PartOfData(), "examples kept for the test: a fraction or a count, 0 for none")
    split_seed: int = _key(0, Integer(0, LARGEST_SEED), "the seed of the shuffle before splitting")
    scaling: str = _key("auto", OneOf(("auto", "unit", "standard", "none")), "how a model sees the data: [0, 1], z-scores, raw")

    def __post_init__(self) -> None:
        _convert_fields(self)
        fractions = [size for size in (self.validation, self.test) if isinstance(size, float)]
        if sum(fractions) >= 1:
            raise ConfigurationError(
                f"data.validation + data.test is {self.validation:g} + {self.test:g}, which leaves nothing to train on; "
                "expected fractions that sum to less than 1, for example 0.1 and 0.1."
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The form of the latent-variable model."""

    name: str = _key("single-layer", OneOf(("single-layer",)), "the form of the model")
    latent_dim: int = _key(20, Integer(1), "the number of latent variables")

    def __post_init__(self) -> None:
        _convert_fields(self)


@dataclasses.dataclass(frozen=True)
class PriorConfig:
    """p(z)."""

    name: str = _key("standard-normal", OneOf(("standard-normal",)), "the prior over the latent variables")

    def __post_init__(self) -> None:
        _convert_fields(self)


@dataclasses.dataclass(frozen=True)
class PosteriorConfig:
    """q(z | x)."""

    name: str = _key("diagonal-gaussian", OneOf(("diagonal-gaussian",)), "the family of the approximate posterior")

    def __post_init__(self) -> None:
        _convert_fields(self)


@dataclasses.dataclass(frozen=True)
class LikelihoodConfig:
    """p(x | z)."""

    name: str = _key("auto", OneOf(LIKELIHOODS), "the likelihood; auto chooses it from the kind of the data")
    mean: str = _key("free", OneOf(("free", "sigmoid")), "the mean: any number, or through a sigmoid into the data's range")
    scale_floor: float | str = _key(
        "auto",
        AutoOrReal(Real(0.0, strictly_above=True)),
        "the smallest scale, in the data's units; auto is half a step of the data",
    )

    def __post_init__(self) -> None:
        _convert_fields(self)


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The encoder's and the decoder's networks."""

    name: str = _key("mlp", OneOf(("mlp",)), "the kind of network")
    hidden_widths: tuple[int, ...] = _key((200, 200), ListOf(Integer(1)), "units in each hidden layer; [] for a linear map")
    activations: str | tuple[str, ...] = _key(
        "elu", NameOrList(ACTIVATIONS), "one activation for all hidden layers, or a list with one for each"
    )
    dropout: float = _key(0.0, Real(0.0, below=1.0), "the probability with which a hidden unit is dropped in training")

    def __post_init__(self) -> None:
        _convert_fields(self)
        if not isinstance(self.activations, str) and len(self.activations) != len(self.hidden_widths):
            raise ConfigurationError(
                f"network.activations is {list(self.activations)} ({len(self.activations)} names) but network.hidden_widths is "
                f"{list(self.hidden_widths)} ({len(self.hidden_widths)} layers); expected one name for each hidden layer, "
                "or one name for all, for example network.activations=elu."
            )

    @property
    def activation_of_each_layer(self) -> tuple[str, ...]:
        """One name per hidden layer, however `activations` was written."""
        if isinstance(self.activations, str):
            return (self.activations,) * len(self.hidden_widths)
        return self.activations


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What is optimised: E_q[log p(x | z)] - beta KL(q(z | x), p(z)), estimated with `num_samples` draws."""

    name: str = _key("elbo", OneOf(("elbo",)), "the objective")
    num_samples: int = _key(1, Integer(1), "Monte Carlo samples per example in each step")
    beta: float = _key(1.0, Real(0.0), "the weight of the KL term; 1 makes the loss minus the evidence lower bound")
    warmup_epochs: int = _key(0, Integer(0), "epochs over which the KL term's weight rises from 0 to beta")

    def __post_init__(self) -> None:
        _convert_fields(self)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The optimiser, its schedule, and when to look, keep and stop."""

    epochs: int = _key(100, Integer(1), "passes over the training data")
    batch_size: int = _key(100, Integer(1), "examples in a step")
    optimizer: str = _key("adam", OneOf(("adam", "adamw")), "the optimiser")
    learning_rate: float = _key(0.001, Real(0.0, strictly_above=True), "the optimiser's (largest) learning rate")
    learning_rate_schedule: str = _key("constant", OneOf(("constant", "cosine")), "the learning rate's course over the run")
    learning_rate_warmup_epochs: int = _key(0, Integer(0), "epochs over which the learning rate rises from 0")
    weight_decay: float = _key(0.0, Real(0.0), "decoupled weight decay; needs the optimizer adamw")
    gradient_clip: float = _key(0.0, Real(0.0), "the largest global norm of a gradient; 0 for no clipping")
    ema_decay: float = _key(0.0, Real(0.0, below=1.0), "decay per step of the averaged weights that are kept; 0 for no averaging")
    early_stopping_patience: int = _key(0, Integer(0), "epochs without a better validation bound before stopping; 0 for never")
    validate_every: int = _key(0, Integer(0), "epochs between validations; 0 to choose from the number of epochs")
    checkpoint_every_seconds: float = _key(30.0, Real(0.0), "seconds between checkpoints; 0 for one at every look")
    images_every: int = _key(0, Integer(0), "validations between pictures for TensorBoard; 0 to choose")
    seed: int = _key(0, Integer(0, LARGEST_SEED), "the seed of the weights, the order of the examples and the noise")

    def __post_init__(self) -> None:
        _convert_fields(self)
        if self.weight_decay > 0 and self.optimizer != "adamw":
            raise ConfigurationError(
                f"training.weight_decay is {self.weight_decay:g} but training.optimizer is {self.optimizer!r}, which has none; "
                "set training.optimizer=adamw, or training.weight_decay=0."
            )
