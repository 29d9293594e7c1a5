"""From a configuration and a description of the data to parts that fit together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..config import ResolvedConfig, RunConfig
from ..config.catalogue import class_of
from ..config.context import BuildContext, ObjectiveContext
from ..config.entry import KINDS
from ..data.dataset import Dataset
from ..data.labels import told_rows
from ..data.spec import DataSpec
from ..data.splits import Split
from ..data.transforms import choose_transform
from ..errors import ConfigurationError
from ..likelihoods.support import Support
from ..models import AbstractLatentVariableModel
from ..objectives import AbstractObjective
from ..storage.memory import in_memory
from .networks import resolve_network


def resolve(config: RunConfig, spec: DataSpec, parts: Mapping[str, Any] = {}) -> ResolvedConfig:
    """The configuration with every "auto" that the data decide replaced by what it stands for.

    - `parts`: objects that take the place of the configured parts, by kind. A likelihood that has no name decides for itself.

    Raises `ConfigurationError` when two choices do not go together, and `DataError` when the data are outside the likelihood's
    support, naming where, and the likelihoods that fit.
    """
    config = resolve_network(config, spec).updated({"data": {"kind": spec.layout}})
    if config.likelihood.name == "auto":
        if "likelihood" in parts:
            return ResolvedConfig(config)
        plain = "mixed" if spec.columns else "bernoulli" if spec.kind == "binary" else "gaussian"
        config = config.updated({"likelihood": {"name": plain}})
    class_of("likelihood", config.likelihood.name).support.check(config.likelihood.name, spec.of_model)
    return ResolvedConfig(config.updated({"data": {"scaling": _resolved_scaling(config)}}))


def infers_labels(config: RunConfig) -> bool:
    """Whether the model of a configuration takes the condition for a label that may be missing."""
    return class_of("model", config.model.name).infers_condition


def told_labels(config: RunConfig, dataset: Dataset, split: Split) -> np.ndarray | None:
    """(n,) booleans, the training examples whose label the model is told; None for a model that takes conditions for known."""
    if infers_labels(config):
        return told_rows(dataset, split, config.data.labelled, config.data.split_seed)
    if config.data.labelled:
        raise ConfigurationError(
            f"data.labelled is {config.data.labelled}, but the model {config.model.name!r} takes the condition of each example "
            "for known; leave it out, or set model.name=semi-supervised and objective.name=semi-supervised."
        )
    return None


def check_same_model(before: RunConfig, config: RunConfig) -> None:
    """Raise `ConfigurationError`, with all that differs, where training that goes on from a model asks for another model."""
    old, new = (
        {f"{section}.{key}": value for section, keys in each.to_dict().items() for key, value in keys.items()}
        for each in (before, config)
    )
    names = [name for name in {**old, **new} if old.get(name) != new.get(name) and _is_of_model(name)]
    if names:
        differ = "; ".join(f"{name} is {new.get(name)!r}, but the model to go on from has {old.get(name)!r}" for name in names)
        raise ConfigurationError(f"{differ}; expected the same. Leave it as it was, or train from the start.")


# Of a network, what says how it starts and how it is trained, and not what it is.
_NOT_OF_MODEL = ("dropout", "initial_scale", "output_bias")


def _is_of_model(name: str) -> bool:
    """Whether a key decides what weights a model has, and what they mean."""
    section, key = name.split(".")
    return name == "data.scaling" or (section in KINDS and section != "objective" and key not in _NOT_OF_MODEL)


def with_weights_of(
    model: AbstractLatentVariableModel, config: ResolvedConfig, spec: DataSpec, parts: Mapping[str, Any] = {}
) -> AbstractLatentVariableModel:
    """The model of the configuration with the weights of `model`, which is made of the same parts, up to its dropout.

    - `parts`: objects that take the place of the configured parts, by kind.

    Raises `ConfigurationError` where it is not: it may hold objects that no configuration names.
    """
    fresh = build_model(config, spec, jax.random.key(0), condition_dim=spec.condition_dim, parts=parts)
    like, rest = eqx.partition(fresh, eqx.is_array)
    weights = jax.tree.leaves(eqx.filter(model, eqx.is_array))
    if [leaf.shape for leaf in weights] != [leaf.shape for leaf in jax.tree.leaves(like)]:
        raise ConfigurationError(
            "the model to go on from has parts that its configuration does not name, given to an estimator as objects; go on in "
            "Python: VAE.load(path).set_params(warm_start=True).fit(X)."
        )
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(like), weights), rest)


def _resolved_scaling(config: RunConfig) -> str:
    """The scaling that the configuration asks for; "auto" is what its likelihood works best in.

    A free Gaussian mean wants standardised data (a decoder starts near 0), a bounded mean its range on [0, 1].
    """
    likelihood = class_of("likelihood", config.likelihood.name)
    needed, asked = likelihood.scaling, config.data.scaling
    if asked == "auto":
        if needed != "any":
            return needed
        return "standard" if config.likelihood.get("mean", "free") == "free" else "unit"
    # What matters of levels is that they are equally spaced, and the same everywhere.
    takes_any_lattice = likelihood.support is Support.LEVELS and needed == "unit" and asked == "none"
    if needed not in ("any", asked) and not takes_any_lattice:
        raise ConfigurationError(
            f"data.scaling is {asked!r}, but the likelihood {config.likelihood.name!r} is about data scaled as {needed!r}; set "
            "data.scaling=auto, which gives it that."
        )
    return asked


def build_context(
    config: ResolvedConfig, spec: DataSpec, key: PRNGKeyArray, *, condition_dim: int = 0, examples: np.ndarray | None = None
) -> BuildContext:
    """What the parts of this configuration are told."""
    spec = spec.of_model
    transform, input_transform = choose_transform(spec, config.data.scaling), choose_transform(spec, "standard")
    return BuildContext(spec, transform, input_transform, config.model.latent_dim, condition_dim, key, examples)


def build_model(
    config: ResolvedConfig,
    spec: DataSpec,
    key: PRNGKeyArray,
    *,
    condition_dim: int = 0,
    examples: np.ndarray | None = None,
    parts: Mapping[str, Any] = {},
) -> AbstractLatentVariableModel:
    """The model of the configuration with fresh weights.

    - `condition_dim`: the length of each example's condition; 0 for none.
    - `examples`: training examples, from which some parts start (a VampPrior's pseudo-inputs).
    - `parts`: objects that take the place of the configured parts, by kind ("prior", ...).
    """
    context = build_context(config, spec, key, condition_dim=condition_dim, examples=examples)
    with in_memory(_largest_sizes(config, spec)):
        model: AbstractLatentVariableModel = class_of("model", config.model.name).build(config, context, parts)
    return model


def _largest_sizes(config: RunConfig, spec: DataSpec) -> str:
    """What makes a model large, for an error's text: the keys with the largest numbers, and the example's own size."""
    sizes: dict[str, Any] = {}
    for kind in (kind for kind in KINDS if kind != "objective"):
        for key, value in config.to_dict()[kind].items():
            numbers = [each for each in (value if isinstance(value, list) else [value]) if type(each) is int]
            sizes |= {f"{kind}.{key}={value}": max(numbers)} if numbers else {}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    return (
        f"the model does not fit into memory. Its largest sizes are {', '.join(largest)}, and an example has the shape "
        f"{spec.event_shape}; make them smaller."
    )


def build_objective(config: RunConfig, steps_per_epoch: int, num_examples: int) -> AbstractObjective:
    """The objective of the configuration; its warm-up is given in epochs there and in steps here."""
    context = ObjectiveContext(steps_per_epoch, num_examples)
    return class_of("objective", config.objective.name).build(config.objective, context)
