"""Parts given as objects: checked against the data, named in the configuration, and stored as plain values.

A configuration names parts; a person with a part in hand gives the part itself. Its configuration then says as much of the part
as its keys can say, and the part's own fields are kept beside it, so that a saved model is rebuilt exactly.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..config import ResolvedConfig
from ..config.catalogue import class_of, entries_of, entry_of, name_of
from ..data.spec import DataSpec
from ..data.transforms import choose_transform
from ..errors import ConfigurationError, ModelFolderError
from ..likelihoods import AbstractLikelihood
from ..likelihoods.tracked import Tracked
from ..objectives import AbstractObjective
from ..posteriors import AbstractPosteriorFamily
from ..priors import AbstractPrior

KINDS: dict[str, type] = {
    "likelihood": AbstractLikelihood,
    "prior": AbstractPrior,
    "posterior": AbstractPosteriorFamily,
    "objective": AbstractObjective,
}
# A model has two networks, whose shapes the data decide: what is given is what makes them.
MAKERS = ("network",)
# How such a part is written.
_EXAMPLES = {
    "likelihood": "Bernoulli((64,))",
    "prior": "StandardNormal(20)",
    "posterior": "DiagonalGaussian(20)",
    "objective": "ELBO(num_samples=5)",
}


def check_kinds(parts: Mapping[str, Any]) -> None:
    """Refuse what is no part of its kind, such as a part's class; `parts` maps "likelihood", "prior", ... to objects.

    Raises `ConfigurationError`.
    """
    for argument, part in parts.items():
        if argument in MAKERS:
            _check_maker(argument, part)
        elif not isinstance(part, KINDS[argument]):
            got = f"the class {part.__name__}" if isinstance(part, type) else f"{part!r} ({type(part).__name__})"
            hint = " Make an instance of it." if isinstance(part, type) and issubclass(part, KINDS[argument]) else ""
            raise ConfigurationError(
                f"{argument} is {got}; expected a name, or a part of lowerbound.{KINDS[argument].__module__.split('.')[1]} "
                f"such as {_EXAMPLES[argument]}.{hint}"
            )


def _check_maker(argument: str, part: Any) -> None:
    if callable(part) and not isinstance(part, eqx.Module):
        return
    raise ConfigurationError(
        f"{argument} is {part!r} ({type(part).__name__}); expected a name, or what makes a network of given shapes: a class of "
        "lowerbound.networks, or a function such as lambda in_shape, out_shape, key: MyNetwork(in_shape, out_shape, key=key). It "
        "is called twice, for the encoder and for the decoder."
    )


def sections_of(parts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the configuration can say of these parts: nested keys; a part of a class of your own has no name there."""
    sections: dict[str, dict[str, Any]] = {}
    for argument, part in parts.items():
        name = name_of(argument, type(part))
        if name is not None:
            said = {key: _said_of(part, key) for key in entry_of(argument, name).keys}
            sections[argument] = {"name": name, **{key: value for key, value in said.items() if value is not None}}
        elif isinstance(part, AbstractLikelihood):
            # "auto" would look at the data for a scaling; without a name, the part itself decides.
            free = "none" if part.measure == "counting" else "standard"
            sections["data"] = {"scaling": free if part.scaling == "any" else part.scaling}
    return sections


def _said_of(part: Any, key: str) -> Any:
    """What a part says of one key of its section: its field or property of the same name; of epochs its steps, one in each."""
    if key.endswith("_epochs"):
        return getattr(part, key.replace("_epochs", "_steps"), None)
    value = getattr(part, key, None)
    return value if isinstance(value, int | float | str | tuple) else None


def check_fit(parts: Mapping[str, Any], config: ResolvedConfig, spec: DataSpec) -> None:
    """Refuse parts whose shapes or levels are not those of the data or of the configuration.

    Raises `ConfigurationError` with the part that would fit.
    """
    for argument in ("prior", "posterior"):
        part = parts.get(argument)
        if part is not None and part.latent_dim != config.model.latent_dim:
            raise ConfigurationError(
                f"{argument} has {part.latent_dim} latents, but latent_dim is {config.model.latent_dim}; expected the same "
                f"number: set latent_dim={part.latent_dim}, or build the part with {config.model.latent_dim}."
            )
    likelihood = parts.get("likelihood")
    if likelihood is None:
        return
    if tuple(likelihood.event_shape) != spec.event_shape:
        raise ConfigurationError(
            f"likelihood has the event shape {tuple(likelihood.event_shape)}, but one example of the data has shape "
            f"{spec.event_shape}; build it as {type(likelihood).__name__}({spec.event_shape}, ...)."
        )
    spec = spec.of_model
    reason = likelihood.misfit(spec, choose_transform(spec, config.data.scaling))
    if reason is not None:
        raise ConfigurationError(f"likelihood is a {type(likelihood).__name__} {reason}.")


def storable(argument: str) -> dict[str, type]:
    """What a stored part of a kind may be rebuilt as: a name in a file chooses among these and can reach nothing else.

    They are this package's own classes, and those that other packages have put into the catalogue.
    """
    package = importlib.import_module(KINDS[argument].__module__.rpartition(".")[0])
    ours = [cls for _, cls in inspect.getmembers(package, inspect.isclass) if issubclass(cls, KINDS[argument])]
    theirs = [class_of(argument, name) for name, entry in entries_of(argument).items() if not entry.path.startswith(".")]
    return {cls.__name__: cls for cls in (*theirs, *ours) if not inspect.isabstract(cls)}


def part_to_json(argument: str, part: Any) -> dict[str, Any]:
    """A part's class and the arguments that it was made with, as plain values; its trained numbers are saved elsewhere.

    Raises `ConfigurationError` for a class that is not in the catalogue: rebuilding it would mean to run what a file names.
    """
    cls = type(part)
    if argument in MAKERS:
        raise ConfigurationError(
            f"{argument} was given as {part!r}, and a model with it cannot be saved: a saved model holds only numbers and the "
            "names of known parts, and no code. Keep the code, and pickle the estimator where you trust the file; or give the "
            "class an entry in lowerbound.config.CATALOGUE, and its name as the argument."
        )
    if storable(argument).get(cls.__name__) is not cls:
        raise ConfigurationError(
            f"{argument} is a {cls.__name__}, a class that is not in the catalogue, and a model with it cannot be saved: a saved "
            f"model holds only numbers and the names of known parts ({', '.join(storable(argument))}), and no code. Give the "
            "class an entry in lowerbound.config.CATALOGUE, or keep the code that makes the part and pickle the estimator "
            "where you trust the file."
        )
    made_of = [name for name in _arguments(cls) if _holds_parts(getattr(part, name, None))]
    if made_of:
        raise ConfigurationError(
            f"{argument} is a {cls.__name__} given as an object, whose {made_of[0]} are parts themselves, and a model with it "
            f"cannot be saved. Give {argument}={name_of(argument, cls)!r} by name, with a schema that names each column's own, "
            "or pickle the estimator where you trust the file."
        )
    return {"part": cls.__name__, "fields": {name: _to_plain(getattr(part, name)) for name in _arguments(cls) if name != "key"}}


def part_from_json(argument: str, stored: Any) -> Any:
    """The part that `part_to_json` described, with fresh weights; raises `ModelFolderError` when it is no such description."""
    if argument not in KINDS:
        raise ModelFolderError(f"there is a stored part of the kind {argument!r}; expected one of {', '.join(KINDS)}.")
    try:
        cls = storable(argument)[stored["part"]]
        fields = {name: _from_plain(value) for name, value in stored["fields"].items()}
        return cls(**fields, **({"key": jax.random.key(0)} if "key" in _arguments(cls) else {}))
    except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
        raise ModelFolderError(
            f"the stored {argument} {stored!r} is not one of ours ({error}); expected one of {', '.join(storable(argument))} "
            "with its own fields."
        ) from error


def _holds_parts(value: Any) -> bool:
    return isinstance(value, tuple | list) and any(isinstance(each, eqx.Module) for each in value)


def _arguments(cls: type) -> list[str]:
    """The names of a part's constructor's arguments; every part keeps each, but `key`, under its own name."""
    return list(inspect.signature(cls).parameters)


def _to_plain(value: Any) -> Any:
    value = value.value if isinstance(value, Tracked) else value
    if isinstance(value, np.ndarray | jax.Array):
        return {"shape": list(value.shape), "float32": np.asarray(value, np.float32).ravel().tolist()}
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return np.asarray(value["float32"], np.float32).reshape(value["shape"])
    return tuple(value) if isinstance(value, list) else value
