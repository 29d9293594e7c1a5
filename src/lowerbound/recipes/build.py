"""From a configuration and a description of the data to parts that fit together."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..config import RunConfig
from ..data.spec import DataSpec
from ..data.transforms import Affine, choose_transform
from ..errors import ConfigurationError, DataError
from ..likelihoods import AbstractLikelihood, Bernoulli, DiscretizedLogistic, Gaussian
from ..models import SingleLayer
from ..networks import MLP
from ..objectives import ELBO, AbstractObjective
from ..posteriors import AbstractPosteriorFamily, DiagonalGaussian
from ..priors import AbstractPrior, StandardNormal
from ..training import TrainingOptions

# Continuous data recorded to many digits have no step worth the name; below this part of an element's own standard
# deviation a scale describes single examples, not the data.
SMALLEST_RELATIVE_SCALE = 1e-3


def resolve_likelihood_name(config: RunConfig, spec: DataSpec) -> str:
    """The likelihood that the configuration asks for; "auto" is Bernoulli for binary data, and Gaussian otherwise.

    Raises `DataError` when the data are outside the support of the likelihood asked for, naming one that fits.
    """
    name = config.likelihood.name
    if name == "auto":
        return "bernoulli" if spec.kind == "binary" else "gaussian"
    if name == "bernoulli" and spec.kind != "binary":
        fits = "discretized-logistic or gaussian" if spec.kind == "integer" else "gaussian"
        raise DataError(
            f"likelihood.name is 'bernoulli', whose support is {{0, 1}}, but the data are {spec.kind} with values from "
            f"{spec.low:g} to {spec.high:g}. A likelihood that fits: {fits}; or binarise the data first."
        )
    if name == "discretized-logistic" and not spec.is_discrete:
        raise DataError(
            "likelihood.name is 'discretized-logistic', whose support is equally spaced levels, but the data are continuous "
            f"with values from {spec.low:g} to {spec.high:g}. A likelihood that fits: gaussian; or give integer data "
            "(8-bit pixels as uint8)."
        )
    return name


def resolve_scaling(config: RunConfig, spec: DataSpec) -> str:
    """The scaling that the configuration asks for; "auto" is what its likelihood works best in.

    A free Gaussian mean wants standardised data (a decoder starts near 0), a bounded mean its range on [0, 1], levels
    [0, 1] and binary data themselves.
    """
    if config.data.scaling != "auto":
        return config.data.scaling
    likelihood = resolve_likelihood_name(config, spec)
    if likelihood == "gaussian":
        return "standard" if config.likelihood.mean == "free" else "unit"
    return "none" if likelihood == "bernoulli" else "unit"


def resolve(config: RunConfig, spec: DataSpec) -> RunConfig:
    """The configuration with every "auto" that the data decide replaced by what it stands for."""
    return config.updated(
        {"likelihood": {"name": resolve_likelihood_name(config, spec)}, "data": {"scaling": resolve_scaling(config, spec)}}
    )


def build_likelihood(config: RunConfig, spec: DataSpec, transform: Affine) -> AbstractLikelihood:
    """The likelihood of the configuration, in the model's scale of the data that `transform` defines."""
    name = resolve_likelihood_name(config, spec)
    if name == "bernoulli":
        return Bernoulli(spec.event_shape)
    low, high = ((np.asarray(limit, np.float32) - transform.shift) / transform.scale for limit in (spec.low, spec.high))
    if name == "discretized-logistic":
        if low.ndim > 0:
            raise ConfigurationError(
                "data.scaling is 'standard', which gives each element levels of its own; a discretised logistic needs the same "
                "levels everywhere. Set data.scaling to 'unit' (or 'auto')."
            )
        bounded = config.likelihood.mean == "sigmoid"
        return DiscretizedLogistic(spec.event_shape, float(low), float(high), spec.num_levels, bounded_mean=bounded)
    mean_range = None
    if config.likelihood.mean == "sigmoid":
        mean_range = np.stack([np.broadcast_to(limit, spec.event_shape) for limit in (low, high)])
    return Gaussian(spec.event_shape, scale_floor(config, spec, transform), mean_range)


def scale_floor(config: RunConfig, spec: DataSpec, transform: Affine) -> np.ndarray:
    """The smallest sigma in the model's scale: half a step of the data, or the configuration's own number.

    For continuous data recorded more finely than a thousandth of their standard deviation, that thousandth takes the
    step's place. One number when all elements share it.
    """
    if config.likelihood.scale_floor != "auto":
        floor = np.asarray(config.likelihood.scale_floor, np.float64)
    else:
        floor = 0.5 * _per_element(spec.step, spec)
        if not spec.is_discrete:
            floor = np.maximum(floor, SMALLEST_RELATIVE_SCALE * _per_element(spec.std, spec))
    scaled = floor / np.abs(transform.scale)
    # An element that never changes has neither a step nor a deviation.
    scaled = np.where(scaled > 0, scaled, SMALLEST_RELATIVE_SCALE)
    return np.asarray(scaled.flat[0] if np.all(scaled == scaled.flat[0]) else scaled, np.float32)


def build_model(
    config: RunConfig,
    spec: DataSpec,
    key: PRNGKeyArray,
    *,
    likelihood: AbstractLikelihood | None = None,
    prior: AbstractPrior | None = None,
    posterior: AbstractPosteriorFamily | None = None,
) -> SingleLayer:
    """The model of the configuration with fresh weights; a part that is given takes the place of the configured one."""
    transform = choose_transform(spec, resolve_scaling(config, spec))
    likelihood = likelihood or build_likelihood(config, spec, transform)
    prior = prior or StandardNormal(config.model.latent_dim)
    posterior = posterior or DiagonalGaussian(config.model.latent_dim)
    network = config.network
    encoder_key, decoder_key = jax.random.split(key)

    def mlp(in_shape: tuple[int, ...], out_shape: tuple[int, ...], widths: tuple[int, ...], key: PRNGKeyArray) -> MLP:
        return MLP(in_shape, out_shape, hidden_widths=widths, activations=network.activations, dropout=network.dropout, key=key)

    encoder = mlp(spec.event_shape, posterior.param_shape, network.hidden_widths, encoder_key)
    decoder = mlp((prior.latent_dim,), likelihood.param_shape, network.hidden_widths, decoder_key)
    mean, std = _moments(spec, transform)
    decoder = decoder.with_output_bias(likelihood.initial_params(mean, std))
    return SingleLayer(transform, choose_transform(spec, "standard"), encoder, posterior, prior, decoder, likelihood)


def build_objective(config: RunConfig, steps_per_epoch: int) -> AbstractObjective:
    """The objective of the configuration; its warm-up is given in epochs there and in steps here."""
    objective = config.objective
    return ELBO(objective.num_samples, objective.beta, objective.warmup_epochs * steps_per_epoch)


def training_options(config: RunConfig) -> TrainingOptions:
    """The part of the training section that the loop needs."""
    names = {field.name for field in dataclasses.fields(TrainingOptions)}
    return TrainingOptions(**{name: value for name, value in dataclasses.asdict(config.training).items() if name in names})


def _moments(spec: DataSpec, transform: Affine) -> tuple[np.ndarray, np.ndarray]:
    """The training data's mean and standard deviation in the model's scale, in the event's shape."""
    mean = (np.asarray(spec.mean).reshape(spec.event_shape) - transform.shift) / transform.scale
    std = np.asarray(spec.std).reshape(spec.event_shape) / np.abs(transform.scale)
    return mean, std


def _per_element(values: tuple[float, ...], spec: DataSpec) -> np.ndarray:
    """One number for all elements, or one for each in the event's shape."""
    array = np.asarray(values, np.float64)
    return array.reshape(()) if array.size == 1 else array.reshape(spec.event_shape)
