"""The sections of a run's configuration. The same names serve TOML files, `--set section.key=value` and the estimator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from . import catalogue
from .rules import AnyReal, Boolean, Integer, ListOf, NameOrList, OneOf, PartName, PartOfData, Real, Rule, Text, WordOr

LARGEST_SEED = 2**32 - 1
# Of a decoder: the encoder in the other direction.
MIRRORED = "mirrored"
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


def _convert_part(section: Any) -> None:
    """The same for a section that names a part: a key that this part does not read must be at its default."""
    _convert_fields(section)
    kind = section_name(section)
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if field.name == "name" or value == field.default or catalogue.reads(kind, section.name, field.name):
            continue
        raise ConfigurationError(
            f"{kind}.{field.name} is {value!r}, but {kind}.name is {section.name!r}, which does not read it; leave it out, or "
            f"choose a {kind} that does: {', '.join(catalogue.readers_of(kind, field.name))}."
        )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which data, how they are split, and how they are scaled before the networks see them."""

    name: str = _key("faces", Text(), "a named data set, or the path of a file or of a folder of images")
    key: str = _key("", Text(may_be_empty=True), "the variable in a .mat or .npz file; empty for the only one there")
    validation: float | int = _key(0.1, PartOfData(), "examples kept for validation: a fraction or a count, 0 for none")
    test: float | int = _key(0.1, PartOfData(), "examples kept for the test: a fraction or a count, 0 for none")
    split_seed: int = _key(0, Integer(0, LARGEST_SEED), "the seed of the shuffle before splitting")
    condition: str = _key(
        "",
        Text(may_be_empty=True),
        "given besides the example: labels, factors, or a variable of the data's own file; empty for none",
    )
    scaling: str = _key(
        "auto",
        OneOf(("auto", "unit", "open-unit", "standard", "none")),
        "how a model sees the data: [0, 1], (0, 1) without its ends, z-scores, raw",
    )

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

    name: str = _key("standard-normal", PartName("prior"), "the prior over the latent variables")
    num_components: int = _key(10, Integer(1), "components of a mixture; pseudo-inputs of a VampPrior")
    num_layers: int = _key(4, Integer(1), "layers of a flow")
    hidden_width: int = _key(64, Integer(1), "units in the hidden layers of a flow's, or a conditional prior's, networks")
    num_bins: int = _key(8, Integer(2), "bins of a rational-quadratic spline")

    def __post_init__(self) -> None:
        _convert_part(self)


@dataclasses.dataclass(frozen=True)
class PosteriorConfig:
    """q(z | x)."""

    name: str = _key("diagonal-gaussian", PartName("posterior"), "the family of the approximate posterior")
    rank: int = _key(2, Integer(1), "rank of a low-rank covariance")
    num_flows: int = _key(4, Integer(1), "steps of a flow")
    num_directions: int = _key(8, Integer(1), "M, orthogonal directions of an orthogonal Sylvester flow (at most the latents)")
    num_reflections: int = _key(8, Integer(1), "Householder reflections in each step of a Householder-Sylvester flow")
    hidden_width: int = _key(128, Integer(1), "units in the hidden layers of a flow's networks")
    context_dim: int = _key(32, Integer(1), "numbers that the encoder tells the networks of a flow")
    num_bins: int = _key(8, Integer(2), "bins of a rational-quadratic spline")
    refinement_steps: int = _key(0, Integer(0), "gradient steps on each example's posterior parameters; 0 for none")
    refinement_rate: float = _key(0.1, Real(0.0, strictly_above=True), "the size of these steps")

    def __post_init__(self) -> None:
        _convert_part(self)


@dataclasses.dataclass(frozen=True)
class LikelihoodConfig:
    """p(x | z)."""

    name: str = _key("auto", PartName("likelihood"), "the likelihood; auto chooses it from the kind of the data")
    mean: str = _key("free", OneOf(("free", "sigmoid")), "the mean: any number, or through a sigmoid into the data's range")
    scale: str = _key(
        "from-z",
        OneOf(("from-z", "per-element", "shared", "fixed", "optimal")),
        "a Gaussian's scale: a function of z, learned for each element, one learned number, fixed, or its analytic optimum",
    )
    fixed_scale: float = _key(0.1, Real(0.0, strictly_above=True), "the scale when it is fixed, in the data's units")
    scale_floor: float | str = _key(
        "auto",
        WordOr("auto", Real(0.0, strictly_above=True)),
        "the smallest scale, in the data's units; auto is half a step of the data",
    )
    rank: int = _key(5, Integer(1), "rank of a low-rank covariance")
    num_components: int = _key(3, Integer(1), "components of a mixture")
    dispersion: str = _key("per-element", OneOf(("from-z", "per-element")), "counts' dispersion: a function of z, or learned")
    library_size: bool = _key(True, Boolean(), "counts are given the example's own total; false for a size learned from z")
    distribution: str = _key("", Text(may_be_empty=True), "the class in numpyro.distributions, for name = numpyro")

    def __post_init__(self) -> None:
        _convert_part(self)


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """The encoder's and the decoder's networks."""

    name: str = _key("mlp", PartName("network"), "the kind of network; auto chooses it, and its sizes, from the data's shape")
    hidden_widths: tuple[int, ...] = _key(
        (200, 200), ListOf(Integer(1)), "units in each hidden layer of the encoder; [] for a linear map"
    )
    decoder_widths: str | tuple[int, ...] = _key(
        MIRRORED,
        WordOr(MIRRORED, ListOf(Integer(1))),
        "units in each hidden layer of the decoder; mirrored: the encoder's, reversed",
    )
    activations: str | tuple[str, ...] = _key(
        "elu", NameOrList(ACTIVATIONS), "one activation for all hidden layers, or a list with one for each"
    )
    dropout: float = _key(0.0, Real(0.0, below=1.0), "the probability with which a hidden unit is dropped in training")
    layer_norm: bool = _key(False, Boolean(), "layer normalisation before each activation")
    residual: bool = _key(False, Boolean(), "skip connections around hidden layers of equal width")
    channels: tuple[int, ...] = _key((32, 64), ListOf(Integer(1)), "channels at each resolution of a network for images")
    blocks: int = _key(1, Integer(1), "residual blocks at each resolution")

    def __post_init__(self) -> None:
        _convert_part(self)
        if isinstance(self.activations, str):
            return
        if not catalogue.reads("network", self.name, "hidden_widths"):
            raise ConfigurationError(
                f"network.activations is {list(self.activations)}, but network.name is {self.name!r}, which takes one name for "
                "all its layers, for example network.activations=elu."
            )
        for key, widths in (("hidden_widths", self.hidden_widths), ("decoder_widths", self.widths_of_decoder)):
            if len(self.activations) != len(widths):
                raise ConfigurationError(
                    f"network.activations is {list(self.activations)} ({len(self.activations)} names) but network.{key} is "
                    f"{list(widths)} ({len(widths)} layers); expected one name for each hidden layer, "
                    "or one name for all, for example network.activations=elu."
                )

    @property
    def widths_of_decoder(self) -> tuple[int, ...]:
        """Units in each hidden layer of the decoder, from z on."""
        return self.hidden_widths[::-1] if isinstance(self.decoder_widths, str) else self.decoder_widths

    @property
    def of_decoder(self) -> NetworkConfig:
        """The same section for the decoder: its own widths; a list of activations keeps its order, from input to output."""
        return dataclasses.replace(self, hidden_widths=self.widths_of_decoder, decoder_widths=MIRRORED)

    @property
    def activation_of_all_layers(self) -> str:
        """The one name, for a network that takes no list (`__post_init__` refuses it one)."""
        return self.activations if isinstance(self.activations, str) else self.activations[0]

    @property
    def activation_of_each_layer(self) -> tuple[str, ...]:
        """One name per hidden layer, however `activations` was written."""
        if isinstance(self.activations, str):
            return (self.activations,) * len(self.hidden_widths)
        return self.activations


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What is optimised; by default E_q[log p(x | z)] - beta KL(q(z | x), p(z)), estimated with `num_samples` draws."""

    name: str = _key("elbo", PartName("objective"), "the objective")
    num_samples: int = _key(1, Integer(1), "Monte Carlo samples per example in each step (K, of importance weights)")
    num_groups: int = _key(1, Integer(1), "M: groups of num_samples importance weights, for miwae and piwae")
    beta: float = _key(1.0, Real(0.0), "the weight of the KL term; 1 makes the loss minus the evidence lower bound")
    warmup_epochs: int = _key(0, Integer(0), "epochs over which the KL term's weight rises from 0 to beta")
    warmup: str = _key("linear", OneOf(("linear", "cyclical")), "the rise: once, or again every warmup_epochs")
    free_nats: float = _key(0.0, Real(0.0), "nats of each latent that cost nothing in the loss (free bits)")
    capacity_nats: float = _key(
        0.0, Real(0.0), "the KL's target in nats, beta times the distance to it being the cost; 0 for none"
    )
    capacity_epochs: int = _key(0, Integer(0), "epochs over which the target rises from 0")
    gradient: str = _key("plain", OneOf(("plain", "stl", "dreg")), "the encoder's gradient estimator")
    elbo_weight: float = _key(0.5, Real(0.0), "ciwae: the weight of the ELBO, the rest being IWAE's; from 0 to 1")
    alpha: float = _key(1.0, AnyReal(), "renyi: the order; beta-tc: weight of the mutual information; info-vae: its alpha")
    gamma: float = _key(1.0, Real(0.0), "beta-tc: the weight of the dimension-wise KL")
    off_diagonal_weight: float = _key(10.0, Real(0.0), "dip: the weight of the covariances' squares")
    diagonal_weight: float = _key(5.0, Real(0.0), "dip: the weight of the squared distances of the variances from 1")
    mmd_weight: float = _key(10.0, Real(0.0), "info-vae, wae-mmd: the weight of the maximum mean discrepancy")
    kernel: str = _key("imq", OneOf(("imq", "rbf")), "its kernel: inverse multiquadratic, or Gaussian")
    noise: float = _key(0.1, Real(0.0), "denoising-autoencoder: the noise's standard deviation, in the elements' own deviations")
    sparsity_weight: float = _key(0.01, Real(0.0), "sparse-autoencoder: the weight of the code's absolute values")
    latent_weight: float = _key(1.0, Real(0.0), "rae-l2: the weight of the code's squared norm")
    decoder_weight: float = _key(1e-4, Real(0.0), "rae-l2: the weight of the decoder's squared weights")

    def __post_init__(self) -> None:
        _convert_part(self)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The optimiser, its schedule, and when to look, keep and stop."""

    epochs: int = _key(100, Integer(1), "passes over the training data")
    batch_size: int = _key(100, Integer(1), "examples in a step")
    optimizer: str = _key("adam", OneOf(("adam", "adamw", "adagrad", "adamax")), "the optimiser")
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
