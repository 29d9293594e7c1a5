"""From a configuration and a description of the data to parts that fit together."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..config import RunConfig
from ..config.catalogue import class_of
from ..config.context import BuildContext, ObjectiveContext
from ..config.layers import of_decoder
from ..data.spec import DataSpec
from ..data.transforms import Affine, choose_transform
from ..errors import ConfigurationError, DataError
from ..likelihoods import AbstractLikelihood
from ..likelihoods.support import check_support
from ..models import SingleLayer
from ..objectives import AbstractObjective
from ..posteriors import AbstractPosteriorFamily, Refinement
from ..priors import AbstractPrior
from .networks import resolve_network


def resolve_likelihood_name(config: RunConfig, spec: DataSpec) -> str:
    """The likelihood that the configuration asks for; "auto" is Bernoulli for binary data, and Gaussian otherwise.

    Raises `DataError` when the data are outside its support, naming where, and the likelihoods that fit.
    """
    name = config.likelihood.name
    if name == "auto":
        return "bernoulli" if spec.kind == "binary" else "gaussian"
    check_support(name, class_of("likelihood", name).support, spec)
    return name


def resolve_scaling(config: RunConfig, spec: DataSpec) -> str:
    """The scaling that the configuration asks for; "auto" is what its likelihood works best in.

    A free Gaussian mean wants standardised data (a decoder starts near 0), a bounded mean its range on [0, 1].

    Raises `ConfigurationError` when the likelihood needs another one.
    """
    name = resolve_likelihood_name(config, spec)
    likelihood = class_of("likelihood", name)
    needed = likelihood.scaling
    asked = config.data.scaling
    if asked == "auto":
        if needed != "any":
            return needed
        return "standard" if config.likelihood.get("mean", "free") == "free" else "unit"
    # What matters of levels is that they are equally spaced, and the same everywhere.
    takes_any_lattice = likelihood.support == "levels" and needed == "unit" and asked == "none"
    if needed not in ("any", asked) and not takes_any_lattice:
        raise ConfigurationError(
            f"data.scaling is {asked!r}, but the likelihood {name!r} is about data scaled as {needed!r}; set data.scaling=auto, "
            "which gives it that."
        )
    return asked


def resolve(config: RunConfig, spec: DataSpec) -> RunConfig:
    """The configuration with every "auto" that the data decide replaced by what it stands for."""
    changes = {"likelihood": {"name": resolve_likelihood_name(config, spec)}, "data": {"scaling": resolve_scaling(config, spec)}}
    return resolve_network(config, spec).updated(changes)


def build_likelihood(config: RunConfig, context: BuildContext) -> AbstractLikelihood:
    """The likelihood of the configuration, in the model's scale of the data; raises `DataError` where the data do not fit it."""
    name = resolve_likelihood_name(config, context.spec)
    likelihood: AbstractLikelihood = class_of("likelihood", name).build(config.likelihood, context)
    reason = likelihood.misfit(context.spec, context.transform)
    if reason is not None:
        raise DataError(f"likelihood.name is {name!r}, {reason}.")
    return likelihood


def build_context(
    config: RunConfig, spec: DataSpec, key: PRNGKeyArray, *, condition_dim: int = 0, examples: np.ndarray | None = None
) -> BuildContext:
    """What the parts of this configuration are told."""
    transform, input_transform = choose_transform(spec, resolve_scaling(config, spec)), choose_transform(spec, "standard")
    return BuildContext(spec, transform, input_transform, config.model.latent_dim, condition_dim, key, examples)


def build_model(
    config: RunConfig,
    spec: DataSpec,
    key: PRNGKeyArray,
    *,
    condition_dim: int = 0,
    examples: np.ndarray | None = None,
    likelihood: AbstractLikelihood | None = None,
    prior: AbstractPrior | None = None,
    posterior: AbstractPosteriorFamily | None = None,
) -> SingleLayer:
    """The model of the configuration with fresh weights; a part that is given takes the place of the configured one.

    - `condition_dim`: the length of each example's condition; 0 for none.
    - `examples`: training examples, from which some parts start (a VampPrior's pseudo-inputs).
    """
    config = resolve_network(config, spec)
    encoder_key, decoder_key = jax.random.split(key)
    context = build_context(config, spec, key, condition_dim=condition_dim, examples=examples)

    def part_context(number: int) -> BuildContext:
        return dataclasses.replace(context, key=jax.random.fold_in(key, number))

    likelihood = build_likelihood(config, part_context(1)) if likelihood is None else likelihood
    if prior is None:
        made: AbstractPrior = class_of("prior", config.prior.name).build(config.prior, part_context(2))
        prior = made
    if posterior is None:
        family: AbstractPosteriorFamily = class_of("posterior", config.posterior.name).build(config.posterior, part_context(3))
        posterior = family
    network, sizes = class_of("network", config.network.name), {"condition_dim": condition_dim, "image_shape": spec.event_shape}
    encoder = network.build(config.network, spec.event_shape, posterior.param_shape, key=encoder_key, **sizes)
    decoder = network.build(of_decoder(config.network), (prior.latent_dim,), likelihood.param_shape, key=decoder_key, **sizes)
    mean, std = _moments(spec, context.transform)
    decoder = decoder.with_output_bias(likelihood.initial_params(mean, std))
    steps = config.posterior.get("refinement_steps", 0)
    refinement = Refinement(steps, config.posterior.refinement_rate) if steps > 0 else None
    return SingleLayer(context.transform, context.input_transform, encoder, posterior, prior, decoder, likelihood, refinement)


def build_objective(config: RunConfig, steps_per_epoch: int, num_examples: int) -> AbstractObjective:
    """The objective of the configuration; its warm-up is given in epochs there and in steps here."""
    context = ObjectiveContext(steps_per_epoch, num_examples)
    return class_of("objective", config.objective.name).build(config.objective, context)


def _moments(spec: DataSpec, transform: Affine) -> tuple[np.ndarray, np.ndarray]:
    """The training data's mean and standard deviation in the model's scale, in the event's shape."""
    mean = (np.asarray(spec.mean).reshape(spec.event_shape) - transform.shift) / transform.scale
    std = np.asarray(spec.std).reshape(spec.event_shape) / np.abs(transform.scale)
    return mean, std
