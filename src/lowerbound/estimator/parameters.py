"""The estimator's flat parameters and the configuration's sections: the one from the other, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..assembly.parts import KINDS, MAKERS, check_kinds, sections_of
from ..config import SECTIONS, RunConfig, check_keys, keys_of_section, merged
from ..config.entry import KINDS as KINDS_OF_PARTS
from ..errors import ConfigurationError
from ..recipes import DEFAULT_RECIPE, resolve_config

# A parameter and the configuration key that it sets. The parts' parameters may also hold a part itself.
PARAMETERS: dict[str, tuple[str, str]] = {
    "latent_dim": ("model", "latent_dim"),
    "model": ("model", "name"),
    "likelihood": ("likelihood", "name"),
    "mean": ("likelihood", "mean"),
    "scale_floor": ("likelihood", "scale_floor"),
    "prior": ("prior", "name"),
    "posterior": ("posterior", "name"),
    "mask": ("mask", "name"),
    "objective": ("objective", "name"),
    "beta": ("objective", "beta"),
    "network": ("network", "name"),
    "hidden_widths": ("network", "hidden_widths"),
    "decoder_widths": ("network", "decoder_widths"),
    "activations": ("network", "activations"),
    "dropout": ("network", "dropout"),
    "kind": ("data", "kind"),
    "scaling": ("data", "scaling"),
    "epochs": ("training", "epochs"),
    "batch_size": ("training", "batch_size"),
    "learning_rate": ("training", "learning_rate"),
    "validation": ("data", "validation"),
    "early_stopping_patience": ("training", "early_stopping_patience"),
    "random_state": ("training", "seed"),
}
# Keys that a fit to an array in memory has no use for, and why.
_WITHOUT_USE: dict[tuple[str, str], str] = {
    ("data", "name"): "the data are what fit is given",
    ("data", "key"): "the data are what fit is given",
    ("data", "test"): "fit uses all that it is given; keep test data back yourself, with sklearn's train_test_split for example",
    ("training", "checkpoint_every_seconds"): "only `lowerbound train` writes checkpoints",
    ("training", "images_every"): "only `lowerbound train` writes pictures",
}
_DATA_NAME = "array"
# Of a part, what a configuration says even where it is the default.
_ALWAYS_SAID = {*((kind, "name") for kind in KINDS_OF_PARTS if kind != "model"), ("model", "latent_dim")}


class Asked(NamedTuple):
    """What the parameters ask for.

    - `config`: the whole configuration. `parts`: those that were given as objects, by kind.
    - `given`: what was set, where the data choose the rest; None where they choose nothing.
    """

    config: RunConfig
    parts: dict[str, Any]
    given: dict[str, dict[str, Any]] | None


def configuration_of(parameters: Mapping[str, Any], further: Any, defaults: Mapping[str, Any], *, automatic: bool) -> Asked:
    """The configuration that the parameters ask for.

    - `parameters`: a value for each of `PARAMETERS`; `random_state` is an integer. None is left open.
    - `further`: more keys, by section, or None.
    - `defaults`: the parameters' defaults. One that a part makes meaningless must be left at its default.
    - `automatic`: whether the data choose what is left open, or the configuration's own defaults hold.

    Raises `ConfigurationError`.
    """
    parts = {name: parameters[name] for name in (*KINDS, *MAKERS) if not isinstance(parameters[name], str | None)}
    check_kinds(parts)
    further = {} if further is None else further
    _check_further(further, parts)
    nested: dict[str, dict[str, Any]] = {"data": {"name": _DATA_NAME, "test": 0, "split_seed": parameters["random_state"]}}
    for latent in (part for kind, part in parts.items() if kind in ("prior", "posterior")):
        nested = merged(nested, {"model": {"latent_dim": latent.latent_dim}})
    for name, (section, key) in PARAMETERS.items():
        if parameters[name] is None:
            continue
        if section not in parts:
            nested = merged(nested, {section: {key: parameters[name]}})
        elif name != section and parameters[name] != defaults[name]:
            raise ConfigurationError(f"{name} is {parameters[name]!r}, but {_one_or_the_other(section, parts, name)}")
    # A part of a class of your own has no name; the kind's default stands there.
    described = {kind: {"name": KINDS_OF_PARTS[kind].default} for kind in parts} | sections_of(parts)
    if parameters["scaling"] != defaults["scaling"]:
        described.pop("data", None)
    nested = merged(merged(nested, further), described)
    if not automatic:
        return Asked(RunConfig.from_dict(nested), parts, None)
    config, recipe = resolve_config(recipe=DEFAULT_RECIPE, flags=nested)
    return Asked(config, parts, recipe.given)


def parameters_of(config: RunConfig, parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters, and `config` for the rest, with which an estimator has this configuration and these parts.

    Nothing of it is left to the data.
    """
    names = {key: name for name, key in PARAMETERS.items()}
    values: dict[str, Any] = dict(parts)
    further: dict[str, dict[str, Any]] = {}
    for section in (section for section in SECTIONS if section not in parts):
        own = getattr(config, section)
        defaults = {key: known.default for key, known in keys_of_section(section, getattr(own, "kind", "") and own.name).items()}
        if section in KINDS_OF_PARTS:
            defaults = {"name": KINDS_OF_PARTS[section].default, **defaults}
        for key, default in defaults.items():
            where, value = (section, key), getattr(own, key)
            if where in names:
                is_left_to_the_part = section in KINDS_OF_PARTS and where not in _ALWAYS_SAID and value == default
                values[names[where]] = None if is_left_to_the_part else value
            elif value != default and where not in _WITHOUT_USE:
                further = merged(further, {section: {key: value}})
    return {**values, "automatic": False, "config": further or None}


def _check_further(further: Any, parts: Mapping[str, Any]) -> None:
    """Refuse what has a parameter of its own, belongs to a part that was given, or has no use."""
    if not isinstance(further, Mapping):
        raise ConfigurationError(
            f"config is {further!r}; expected a dictionary by section, for example {{'training': {{'gradient_clip': 100.0}}}}. "
            "For a recipe's settings: VAE.from_recipe('frey-faces')."
        )
    check_keys(further, "config")
    names = {key: name for name, key in PARAMETERS.items()}
    for section, keys in further.items():
        for key, value in keys.items():
            if (section, key) in names:
                name = names[section, key]
                raise ConfigurationError(
                    f"config has {section}.{key}, which is the parameter {name}; expected it there: VAE({name}={value!r})."
                )
            if (section, key) in _WITHOUT_USE:
                raise ConfigurationError(
                    f"config has {section}.{key}, which an estimator has no use for: {_WITHOUT_USE[section, key]}. Leave it out."
                )
            if section in parts:
                where = f"{section}.{key}"
                raise ConfigurationError(f"config has {where}, but {_one_or_the_other(section, parts, where)}")


def _one_or_the_other(section: str, parts: Mapping[str, Any], what: str) -> str:
    name = getattr(parts[section], "__name__", type(parts[section]).__name__)
    return (
        f"{section} is a part, {name}, which brings its own; expected one or the other: "
        f"leave {what} out, or give {section} by name."
    )
