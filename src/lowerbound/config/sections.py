"""The sections that name no part: the data and the training. Every key with its default, its rule and its help."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError
from .keys import CHANGED, Key
from .rules import Boolean, Integer, OneOf, PartOfData, Real, Rule, Text

LARGEST_SEED = 2**32 - 1
# Steps are counted in 32 bits.
LARGEST_STEP = 2**31 - 1
# Optax's; the papers start from 0.
_ADAGRAD_START = 0.1


def _key(default: Any, rule: Rule, help_text: str, papers: Mapping[Any, tuple[str, ...]] = {}) -> Any:
    return dataclasses.field(default=default, metadata={"key": Key(default, rule, help_text, papers)})


def _convert_fields(section: Any, name: str) -> None:
    """Check each value by its rule and make it plain: a list becomes a tuple, 1 becomes 1.0."""
    for field in dataclasses.fields(section):
        value = field.metadata["key"].rule.convert(f"{name}.{field.name}", getattr(section, field.name))
        object.__setattr__(section, field.name, value)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which data, how they are split, and how they are scaled before the networks see them."""

    name: str = _key("faces", Text(), "a named data set, or the path of a file or of a folder of images")
    key: str = _key("", Text(may_be_empty=True), "the variable in a .mat or .npz file; empty for the only one there")
    validation: float | int | str = _key(
        0.1,
        PartOfData(may_be_named=True),
        "examples kept for validation: a fraction or a count, 0 for none; or a file that holds them, or the column or variable "
        "that is 1 or TRUE for them",
    )
    test: float | int = _key(0.1, PartOfData(), "examples kept for the test: a fraction or a count, 0 for none")
    split_seed: int = _key(0, Integer(0, LARGEST_SEED), "the seed of the shuffle before splitting")
    condition: str = _key(
        "",
        Text(may_be_empty=True),
        "given besides the example: labels, factors, or a variable of the data's own file; empty for none",
    )
    missing: str = _key(
        "",
        Text(may_be_empty=True),
        "words and numbers that stand for no value in a table, with commas between them, besides an empty cell, NA, NaN, null, "
        "None, ? and -",
    )
    schema: str = _key(
        "", Text(may_be_empty=True), "a file that states the kinds of a table's columns (see lowerbound schema); empty to infer"
    )
    query: str = _key("", Text(may_be_empty=True), "of a database (sqlite:///FILE.db), the SQL whose rows are the table")
    labelled: int = _key(
        0,
        Integer(0),
        "training examples whose label a semi-supervised model is told, drawn evenly from the classes; 0 for all that have one",
    )
    kind: str = _key(
        "auto",
        OneOf(("auto", "pictures", "rows", "series")),
        "what an example is: a picture, a row, or a window of series; by default the data's type, shape and range decide",
    )
    image_size: str = _key(
        "", Text(may_be_empty=True), "HEIGHTxWIDTH to which a folder's images are scaled; empty for the size of most"
    )
    background: str = _key(
        "", Text(may_be_empty=True), "the colour behind transparent pixels of a folder's images; empty for white, with a warning"
    )
    binarize: str = _key(
        "no",
        OneOf(("no", "fixed", "dynamic")),
        "take grey levels for probabilities: zeros and ones drawn once (fixed), or at each step of training anew (dynamic), with "
        "scores on one fixed draw",
        {"fixed": ("salakhutdinov2008",), "dynamic": ("salakhutdinov2008", "burda2016")},
    )
    memory: str = _key(
        "auto",
        OneOf(("auto", "resident", "streamed")),
        "whether the examples lie in memory as one array (resident) or are read as steps need them (streamed); by default their "
        "size decides",
    )
    scaling: str = _key(
        "auto",
        OneOf(("auto", "unit", "open-unit", "standard", "none", "by-column")),
        "how a model sees the data: [0, 1], (0, 1) without its ends, z-scores, raw",
    )

    def __post_init__(self) -> None:
        _convert_fields(self, "data")
        fractions = [size for size in (self.validation, self.test) if isinstance(size, float)]
        if sum(fractions) >= 1:
            raise ConfigurationError(
                f"data.validation + data.test is {self.validation:g} + {self.test:g}, which leaves nothing to train on; "
                "expected fractions that sum to less than 1, for example 0.1 and 0.1."
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """The optimiser, its schedule, and when to look, keep and stop."""

    epochs: int = _key(100, Integer(1), "passes over the training data")
    batch_size: int = _key(100, Integer(1), "examples in a step")
    optimizer: str = _key(
        "adam",
        OneOf(("adam", "adamw", "adagrad", "adamax")),
        "the optimiser",
        {"adam": ("kingma2015adam",), "adamw": ("kingma2015adam", "loshchilov2019"), "adagrad": ("duchi2011",)},
    )
    learning_rate: float = _key(0.001, Real(0.0, strictly_above=True, at_most=1000.0), "the optimiser's (largest) learning rate")
    learning_rate_schedule: str = _key("constant", OneOf(("constant", "cosine")), "the learning rate's course over the run")
    learning_rate_warmup_epochs: int = _key(0, Integer(0), "epochs over which the learning rate rises from 0")
    weight_decay: float = _key(0.0, Real(0.0), "decoupled weight decay; needs the optimizer adamw")
    weight_prior: float = _key(
        0.0,
        Real(0.0),
        "precision of a prior N(0, I / precision) over all trained numbers, whose gradient, divided by the number of training "
        "examples, goes into the optimiser with the loss's; 0 for none",
        {CHANGED: ("kingma2014",)},
    )
    adagrad_start: float = _key(
        _ADAGRAD_START, Real(0.0), "what Adagrad's sums of squared gradients start from; needs the optimizer adagrad"
    )
    gradient_clip: float = _key(0.0, Real(0.0), "the largest global norm of a gradient; 0 for no clipping")
    skip_spikes: bool = _key(False, Boolean(), "scale down gradients beyond their running size, skip steps with one far beyond")
    hide_elements: float = _key(
        0.0,
        Real(0.0, below=1.0),
        "the largest share of an example's elements that a step hides from the model, at random and in half of the examples, so "
        "that it learns to do without them; 0 to hide none",
        {CHANGED: ("mattei2019",)},
    )
    ema_decay: float = _key(0.0, Real(0.0, below=1.0), "decay per step of the averaged weights that are kept; 0 for no averaging")
    early_stopping_patience: int = _key(
        0,
        Integer(0),
        "epochs without a better validation score before stopping; 0 for never",
    )
    validate_every: int = _key(0, Integer(0), "epochs between validations; 0 to choose from the number of epochs")
    checkpoint_every_seconds: float = _key(30.0, Real(0.0), "seconds between checkpoints; 0 for one at every look")
    images_every: int = _key(0, Integer(0), "validations between pictures for TensorBoard; 0 to choose")
    seed: int = _key(0, Integer(0, LARGEST_SEED), "the seed of the weights, the order of the examples and the noise")

    def __post_init__(self) -> None:
        _convert_fields(self, "training")
        if self.weight_decay > 0 and self.optimizer != "adamw":
            raise ConfigurationError(
                f"training.weight_decay is {self.weight_decay:g} but training.optimizer is {self.optimizer!r}, which has none; "
                "set training.optimizer=adamw, or training.weight_decay=0."
            )
        if self.adagrad_start != _ADAGRAD_START and self.optimizer != "adagrad":
            raise ConfigurationError(
                f"training.adagrad_start is {self.adagrad_start:g} but training.optimizer is {self.optimizer!r}, which has no "
                f"such sums; set training.optimizer=adagrad, or training.adagrad_start={_ADAGRAD_START:g}."
            )
