"""From a configuration to a model's networks: what sees an example, and what gives the parameters of p(x|z)."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ..config import RunConfig
from ..config.catalogue import class_of
from ..config.context import BuildContext
from ..config.layers import of_decoder
from ..data.spec import DataSpec
from ..likelihoods import AbstractLikelihood
from ..networks import AbstractNetwork
from ..networks.column_encoder import ColumnEncoder, seen_shape

# The stream of the categories' points, beside that of the encoder's other weights.
_POINTS = 1


def sees_mask(spec: DataSpec) -> bool:
    """Whether the encoder of a model of such data is told which elements are observed."""
    return bool(spec.holes or spec.columns)


def build_encoder(
    config: RunConfig,
    context: BuildContext,
    parts: Mapping[str, Any],
    out_shape: tuple[int, ...],
    key: PRNGKeyArray,
    condition_dim: int,
) -> AbstractNetwork:
    """A network from an example, as an encoder sees it, to numbers of `out_shape`."""
    spec = context.spec
    in_shape = seen_shape(spec.event_shape) if sees_mask(spec) else spec.event_shape

    def make(in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> AbstractNetwork:
        if "network" in parts:
            return _own_network(parts, in_shape, out_shape, condition_dim, key)
        section = config.network
        # An image network encodes what has the image's shape.
        build = functools.partial(class_of("network", section.name).build, section, in_shape, out_shape)
        return build(condition_dim=condition_dim, image_shape=in_shape, key=key)

    if not spec.columns:
        return make(in_shape, out_shape)
    own = jax.random.fold_in(key, _POINTS)
    return ColumnEncoder(spec.columns, context.input_transform, out_shape, make, condition_dim=condition_dim, key=own)


def build_decoder(
    config: RunConfig,
    context: BuildContext,
    parts: Mapping[str, Any],
    latent_dim: int,
    likelihood: AbstractLikelihood,
    key: PRNGKeyArray,
) -> AbstractNetwork:
    """A network from z to the likelihood's parameters, which starts at the data's own marginal, or at 0."""
    spec, shapes = context.spec, ((latent_dim,), likelihood.param_shape)
    if "network" in parts:
        decoder = _own_network(parts, *shapes, context.condition_dim, key)
    else:
        section = of_decoder(config.network)
        build = class_of("network", config.network.name).build
        decoder = build(section, *shapes, condition_dim=context.condition_dim, image_shape=spec.event_shape, key=key)
    mean = (np.asarray(spec.mean).reshape(spec.event_shape) - context.transform.shift) / context.transform.scale
    std = np.asarray(spec.std).reshape(spec.event_shape) / np.abs(context.transform.scale)
    start = likelihood.initial_params(mean, std)
    is_at_zero = config.network.get("output_bias", "data") == "zero"
    return decoder.with_output_bias(np.zeros_like(start) if is_at_zero else start)


def _own_network(
    parts: Mapping[str, Any], in_shape: tuple[int, ...], out_shape: tuple[int, ...], condition_dim: int, key: PRNGKeyArray
) -> AbstractNetwork:
    """What a person's own class or function makes; it need not know of conditions where there is none."""
    condition = {"condition_dim": condition_dim} if condition_dim else {}
    return parts["network"](in_shape, out_shape, key=key, **condition)
