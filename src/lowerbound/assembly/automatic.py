"""What the default recipe chooses from the data: each key that nobody set, with the reason for its value."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ..config import RunConfig
from ..config.catalogue import class_of, keys_of
from ..config.entry import KINDS
from ..config.run import with_changes
from ..data.spec import DataSpec
from .laws import Law, law_of
from .networks import sizes_for

# docs/results.md says which of these settings were looked at, and with which examples; the others are first guesses.
_LEARNED, _LARGEST_PRIOR = "mixture-of-gaussians", 50
# A component of the prior for so many training examples, or fewer components.
_EXAMPLES_A_COMPONENT = 20
_FEWEST_FOR_LEARNED_PRIOR = 200
# Tables of `_MANY` rows or more have a finer prior and finer laws of numbers, and two latents a column.
_LARGEST_PRIOR_OF_MANY, _BUMPS_OF_MANY = 200, 20
# Examples, below which weights decay most, and from which neither decay nor dropout is needed.
_FEW, _MANY = 5_000, 20_000
_VERY_FEW_ROWS, _FEW_ROWS = 400, 2_500
_OPTIMIZER = "adamw"
# What two cores do in less than ten minutes: numbers that pass through a network of convolutions, of which many small steps learn
# more than few large ones, and bumps of a mixture that are evaluated.
# `benchmarks/equal_time.py` says what a step takes.
_CONVOLVED_NUMBERS, _CONVOLVED_BATCH = {"conv": 180_000_000, "resnet": 80_000_000}, 32
_BUMPS = 1_500_000_000
_FEWEST_STEPS, _MOST_STEPS, _STEPS_AN_EXAMPLE, _FEWEST_EPOCHS = 4_000, 15_000, 3, 10
# Rows of numbers are quick, and go on learning: so many times as many steps (docs/results.md).
_LONGER_FOR_ROWS = 3
# Numbers in a picture, and in a row.
_SMALL_PICTURE, _FEW_COLUMNS = 1024, 100


@dataclasses.dataclass(frozen=True)
class Choice:
    """Keys of one section that were set together, by name, and why."""

    section: str
    values: Mapping[str, Any]
    reason: str

    @property
    def settings(self) -> str:
        """ "name=mlp, dropout=0.1"."""
        return ", ".join(f"{key}={_shown(value)}" for key, value in self.values.items())

    @property
    def words(self) -> str:
        """ "network: name=mlp, dropout=0.1 (because ...)"."""
        return f"{self.section}: {self.settings} (because {self.reason})"


def choose(
    config: RunConfig,
    given: Mapping[str, Mapping[str, Any]],
    spec: DataSpec,
    examples: np.ndarray,
    parts: Mapping[str, Any] = {},
    *,
    count: int | None = None,
) -> list[Choice]:
    """What the data decide of a configuration, of the keys that are not in `given`.

    - `config`: the default recipe with `given` on top of it. `examples`: the training examples, (n, *event_shape).
    - `parts`: those that were given as objects, by kind; of such a kind there is nothing to choose.
    - `count`: how many training examples there are, where `examples` are some of them; None where they are all.
    """
    posterior = type(parts["posterior"]) if "posterior" in parts else class_of("posterior", config.posterior.name)
    # Pixels that know each other cannot be hidden, and leave less for a code or a class to say.
    is_plain = posterior.has_density and not class_of("model", config.model.name).infers_condition
    may_join = is_plain and not given.get("training", {}).get("hide_elements")
    is_at_random = class_of("mask", config.mask.name).is_ignorable
    law = law_of(spec, examples, may_join=may_join, is_at_random=is_at_random)
    choices = _all(config, given, spec, law, len(examples) if count is None else count, posterior)
    return [kept for choice in choices if choice.section not in parts and (kept := _kept(choice, given))]


def with_choices(config: RunConfig, given: Mapping[str, Mapping[str, Any]], choices: Sequence[Choice]) -> RunConfig:
    """The configuration with the choices in it; of the parts, what was `given` stands also beside a name that was chosen."""
    chosen: dict[str, dict[str, Any]] = {}
    for choice in choices:
        chosen.setdefault(choice.section, {}).update(choice.values)
    parts = {section: keys for section, keys in given.items() if section in KINDS}
    return RunConfig.from_dict(with_changes(with_changes(config.to_dict(), chosen), parts))


def _all(
    config: RunConfig, given: Mapping[str, Mapping[str, Any]], spec: DataSpec, law: Law, count: int, posterior: Any
) -> Iterator[Choice]:
    """Every choice, whether its keys are free or not."""
    has_many_rows = bool(spec.columns) and count >= _MANY
    finer = {"num_components": _BUMPS_OF_MANY} if has_many_rows else {}
    yield Choice("likelihood", {**law.likelihood, **finer}, law.reason)
    network = Choice("network", *sizes_for(spec, given.get("network", ())))
    yield network
    # Tables do far better without dropout, at a higher rate and with less decay, all changed together (docs/results.md).
    is_table = not spec.is_image and spec.num_elements <= _FEW_COLUMNS
    # Of few rows probabilities and sharp densities are learned by heart; with dropout they are not, in more steps.
    is_sharp = bool(spec.columns) or class_of("likelihood", law.likelihood["name"]).measure == "mixed"
    has_few_rows = is_table and count < _FEW_ROWS and is_sharp
    has_codes = bool(spec.columns) and 2 * sum(column.is_coded for column in spec.columns) > len(spec.columns)
    if has_few_rows or (count < _MANY and not is_table):
        is_hard = spec.columns and (has_codes or count < _VERY_FEW_ROWS)
        rate = 0.1 if not is_table else 0.3 if is_hard else 0.1 if spec.columns else 0.05
        yield Choice("network", {"dropout": rate}, f"{count:,} training examples are few for a network of this size")
    yield Choice(
        "model",
        {"latent_dim": default_latents(spec, has_many_rows=has_many_rows)},
        "latents that are not needed switch themselves off",
    )
    if class_of("model", config.model.name).infers_condition:
        plain = {"name": KINDS["prior"].default}
        yield Choice("prior", plain, "a prior with places for the classes would leave nothing for the label to say")
    else:
        most = _LARGEST_PRIOR_OF_MANY if has_many_rows else _LARGEST_PRIOR
        yield _prior(posterior, count, most, is_wanted="num_components" in given.get("prior", {}))
    asked = given.get("training", {}).get("batch_size", 0)
    name = _name_of(network, given)
    convolves = name in _CONVOLVED_NUMBERS and jax.default_backend() == "cpu"
    batch = min(asked or (_CONVOLVED_BATCH if convolves else 100 if count < _MANY else 200), max(count, 1))
    # What few rows of numbers say is learned slowly; of codes, and of very few rows, it is soon learned by heart all the same.
    takes_all = has_few_rows and not (has_codes or (spec.columns and count < _VERY_FEW_ROWS))
    longer = _LONGER_FOR_ROWS if is_table and (takes_all or not (spec.columns or spec.holes)) else 1
    least, most = (longer * _MOST_STEPS if takes_all else _FEWEST_STEPS), longer * _MOST_STEPS
    wanted = int(min(most, max(least, longer * _STEPS_AN_EXAMPLE * count)))
    steps = min(wanted, _affordable(spec, law, name, batch))
    # What does not fill a batch waits for another epoch.
    each = max(count, 1) // batch
    epochs = max(_FEWEST_EPOCHS, math.ceil(steps / each))
    why = "" if steps == wanted else ", as many as two cores take in some minutes; more would be better"
    yield Choice("training", {"batch_size": batch, "epochs": epochs}, f"that is {epochs * each:,} steps of the optimiser{why}")
    yield Choice(
        "training",
        {"learning_rate": 0.003 if is_table else 0.001, "learning_rate_schedule": "cosine", "ema_decay": 0.995},
        "a rate that falls to 0 and averaged weights end with less noise",
    )
    # What follows is a part of the epochs that are trained, whoever chose their number.
    epochs = given.get("training", {}).get("epochs", epochs)
    # Random weights have a prior, which decay would be another of.
    are_random = class_of("model", config.model.name).weights_are_random
    if not are_random and given.get("training", {}).get("optimizer", _OPTIMIZER) == _OPTIMIZER:
        yield Choice(
            "training",
            {"optimizer": _OPTIMIZER, "weight_decay": 0.01 if is_table or count >= _MANY else 0.1 if count >= _FEW else 1.0},
            f"weights that decay learn less of {count:,} examples by heart",
        )
    if config.data.validation:
        patience = {"early_stopping_patience": max(20, epochs // 6)}
        yield Choice("training", patience, "training ends when the validation bound has stopped rising")
    yield Choice(
        "objective", {"warmup_epochs": max(1, epochs // 20)}, "a KL term that rises slowly does not switch latents off early"
    )
    if "labelled_epochs" in keys_of("objective", config.objective.name):
        fall = {"labelled_epochs": max(1, epochs // 4)}
        yield Choice("objective", fall, "the labels give the classes their meaning, and are then in too many batches")
    has_joined_colours = spec.is_image and len(spec.event_shape) == 3
    # Where it matters why a value is missing, one that is merely hidden would mislead the encoder.
    is_at_random = class_of("mask", config.mask.name).is_ignorable
    if (spec.columns or spec.holes) and not has_joined_colours and is_at_random:
        yield Choice("training", {"hide_elements": 0.5}, "cells are missing, or may be: the model learns to do without some")
    yield Choice("training", {"skip_spikes": True}, "a step whose gradient explodes would undo many others")


def _prior(posterior: Any, count: int, most: int, *, is_wanted: bool) -> Choice:
    learned = class_of("prior", _LEARNED)
    if not posterior.has_density or learned.space not in (None, posterior.space):
        return Choice("prior", {"name": KINDS["prior"].default}, "a learned prior does not go with this posterior")
    if count < _FEWEST_FOR_LEARNED_PRIOR and not is_wanted:
        return Choice("prior", {"name": KINDS["prior"].default}, f"{count:,} training examples are too few to learn a prior from")
    components = min(most, max(2, count // _EXAMPLES_A_COMPONENT))
    return Choice(
        "prior",
        {"name": _LEARNED, "num_components": components},
        "a prior that learns where the codes are leaves no hole, from which samples would not look like data",
    )


def _affordable(spec: DataSpec, law: Law, network: str, batch: int) -> int:
    """Steps in some ten minutes of two cores, where a step is slow; else more than are ever wanted."""
    if jax.default_backend() != "cpu":
        return _LONGER_FOR_ROWS * _MOST_STEPS
    if network in _CONVOLVED_NUMBERS:
        return max(1, _CONVOLVED_NUMBERS[network] // (batch * spec.num_elements))
    if components := law.likelihood.get("num_components"):
        return _BUMPS // (batch * spec.num_elements * components)
    return _LONGER_FOR_ROWS * _MOST_STEPS


def default_latents(spec: DataSpec, *, has_many_rows: bool = False) -> int:
    """How many latents are taken for such data: more than they need, by the number of pixels or columns."""
    if spec.is_image:
        return 32 if spec.num_elements <= _SMALL_PICTURE else 64
    return min(32, max(2, spec.num_elements * (2 if has_many_rows else 1)))


def _kept(choice: Choice, given: Mapping[str, Mapping[str, Any]]) -> Choice | None:
    """The choice without what was given, and without keys that a part which was given does not have.

    A part that does not have a key which was given is not chosen, where the one that stands for no choice has it.
    """
    own, values = given.get(choice.section, {}), choice.values
    if choice.section in KINDS:
        default = KINDS[choice.section].default
        name = own.get("name", values.get("name", default))
        unread = own.keys() - {"name"} - keys_of(choice.section, name).keys()
        if "name" in own:
            known, is_of_it = keys_of(choice.section, name), values.get("name", name) == name
            values = {key: value for key, value in values.items() if key in known and is_of_it}
        elif "name" in values and unread and unread <= keys_of(choice.section, default).keys():
            reason = f"{', '.join(sorted(unread))} was set, which {name} does not have"
            return Choice(choice.section, {"name": default}, reason)
    values = {key: value for key, value in values.items() if key not in own}
    return dataclasses.replace(choice, values=values) if values else None


def _name_of(choice: Choice, given: Mapping[str, Mapping[str, Any]]) -> str:
    """The part's name where it was given, else the one that is chosen beside what was given."""
    kept = _kept(choice, given)
    return given.get(choice.section, {}).get("name") or (kept or choice).values["name"]


def _shown(value: Any) -> str:
    return (
        "-".join(map(str, value)) if isinstance(value, list | tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    )
