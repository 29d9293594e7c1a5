"""Parts given as objects: checked against the data, named in the configuration, and stored as plain values.

A configuration names parts; a person with a part in hand gives the part itself. Its configuration then says as much of the part
as its keys can say, and the part's own fields are kept beside it, so that a saved model is rebuilt exactly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..config import RunConfig
from ..data.spec import DataSpec
from ..data.transforms import choose_transform
from ..errors import ConfigurationError, ModelFolderError
from ..likelihoods import AbstractLikelihood, Bernoulli, DiscretizedLogistic, Gaussian
from ..objectives import ELBO, AbstractObjective
from ..posteriors import AbstractPosteriorFamily, DiagonalGaussian
from ..priors import AbstractPrior, StandardNormal
from .build import build_likelihood, resolve_scaling

KINDS: dict[str, type] = {
    "likelihood": AbstractLikelihood,
    "prior": AbstractPrior,
    "posterior": AbstractPosteriorFamily,
    "objective": AbstractObjective,
}
# What a stored part may be rebuilt as: a name in a file chooses among these and can reach nothing else.
STORABLE: dict[str, dict[str, type]] = {
    "likelihood": {cls.__name__: cls for cls in (Gaussian, Bernoulli, DiscretizedLogistic)},
    "prior": {"StandardNormal": StandardNormal},
    "posterior": {"DiagonalGaussian": DiagonalGaussian},
    "objective": {"ELBO": ELBO},
}


def check_kinds(parts: Mapping[str, Any]) -> None:
    """Refuse what is no part of its kind, such as a part's class; `parts` maps "likelihood", "prior", ... to objects.

    Raises `ConfigurationError`.
    """
    for argument, part in parts.items():
        if not isinstance(part, KINDS[argument]):
            got = f"the class {part.__name__}" if isinstance(part, type) else f"{part!r} ({type(part).__name__})"
            hint = " Make an instance of it." if isinstance(part, type) and issubclass(part, KINDS[argument]) else ""
            raise ConfigurationError(
                f"{argument} is {got}; expected a name, or a part of lowerbound.{KINDS[argument].__module__.split('.')[1]} "
                f"such as {example_of(argument)}.{hint}"
            )


def example_of(argument: str) -> str:
    """How such a part is written."""
    return {
        "likelihood": "Bernoulli((64,))",
        "prior": "StandardNormal(20)",
        "posterior": "DiagonalGaussian(20)",
        "objective": "ELBO(num_samples=5)",
    }[argument]


def sections_of(parts: Mapping[str, Any], steps_per_epoch: int = 1) -> dict[str, dict[str, Any]]:
    """What the configuration can say of these parts: nested keys; a part of a class of your own has no name there."""
    sections: dict[str, dict[str, Any]] = {}
    for argument, part in parts.items():
        if type(part) is Gaussian:
            sections[argument] = {"name": "gaussian", "mean": "free" if part.mean_range is None else "sigmoid"}
        elif type(part) is DiscretizedLogistic:
            sections[argument] = {"name": "discretized-logistic", "mean": "sigmoid" if part.bounded_mean else "free"}
        elif type(part) is Bernoulli:
            sections[argument] = {"name": "bernoulli"}
        elif type(part) is ELBO:
            warmup = -(-part.warmup_steps // steps_per_epoch)
            sections[argument] = {"name": "elbo", "num_samples": part.num_samples, "beta": part.beta, "warmup_epochs": warmup}
        elif isinstance(part, AbstractLikelihood):
            # "auto" would look at the data for a scaling; without a name, the base measure decides.
            sections["data"] = {"scaling": "none" if part.measure == "counting" else "standard"}
    return sections


def check_fit(parts: Mapping[str, Any], config: RunConfig, spec: DataSpec) -> None:
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
    if type(likelihood) is DiscretizedLogistic:
        fitting = build_likelihood(config, spec, choose_transform(spec, resolve_scaling(config, spec)))
        got, expected = (
            (part.low, part.high, part.num_levels) for part in (likelihood, fitting) if isinstance(part, DiscretizedLogistic)
        )
        if not np.allclose(got, expected, rtol=1e-6):
            raise ConfigurationError(
                f"likelihood has {got[2]} levels from {got[0]:g} to {got[1]:g}, but the data, scaled by "
                f"{config.data.scaling!r}, have {expected[2]} levels from {expected[0]:g} to {expected[1]:g}; expected "
                f"DiscretizedLogistic({spec.event_shape}, {expected[0]:g}, {expected[1]:g}, {expected[2]}), or the name "
                "'discretized-logistic', which finds them."
            )


def part_to_json(argument: str, part: Any) -> dict[str, Any]:
    """A part's class and fields as plain values.

    Raises `ConfigurationError` for a class that is not this package's own: rebuilding it would mean to run what a file names.
    """
    cls = type(part)
    if STORABLE[argument].get(cls.__name__) is not cls:
        raise ConfigurationError(
            f"{argument} is a {cls.__name__}, a class of your own, and a model with it cannot be saved: a saved model holds only "
            f"numbers and the names of this package's parts ({', '.join(STORABLE[argument])}), and no code. Keep the code "
            "that makes the part, and pickle the estimator where you trust the file."
        )
    fields = {field.name: getattr(part, field.name) for field in dataclasses.fields(part)}
    return {"part": cls.__name__, "fields": {name: _to_plain(value) for name, value in fields.items()}}


def part_from_json(argument: str, stored: Any) -> Any:
    """The part that `part_to_json` described; raises `ModelFolderError` when this is not such a description."""
    try:
        cls = STORABLE[argument][stored["part"]]
        return cls(**{name: _from_plain(value) for name, value in stored["fields"].items()})
    except (KeyError, TypeError, ValueError, AttributeError, ConfigurationError) as error:
        raise ModelFolderError(
            f"the stored {argument} {stored!r} is not one of ours ({error}); expected one of {', '.join(STORABLE[argument])} "
            "with its own fields."
        ) from error


def _to_plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "float32": np.asarray(value, np.float32).ravel().tolist()}
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        return np.asarray(value["float32"], np.float32).reshape(value["shape"])
    return tuple(value) if isinstance(value, list) else value
