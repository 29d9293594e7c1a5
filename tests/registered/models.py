"""Small data of each kind, and models of each kind of data."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.models import AbstractLatentVariableModel, Draws
from lowerbound.recipes import list_recipes

from .case import EXTREME, LATENT_DIM, Case

_IMAGE_SHAPE = (3, 2)
_RNG = np.random.default_rng(0)
DATA: dict[str, np.ndarray] = {
    "8-bit": _RNG.integers(0, 256, (50, *_IMAGE_SHAPE)).astype(np.uint8),
    "binary": _RNG.integers(0, 2, (50, *_IMAGE_SHAPE)).astype(np.uint8),
    "table": (_RNG.normal(size=(50, 4)) * [1, 10, 100, 1000]).astype(np.float32),
}
_SMALL = {"model": {"latent_dim": LATENT_DIM}, "network": {"hidden_widths": [8], "activations": "elu"}}

# (kind of data, configuration): each likelihood on the kinds of data that it fits.
CONFIGURATIONS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "8-bit-gaussian-free": ("8-bit", {**_SMALL, "likelihood": {"name": "gaussian"}}),
    "8-bit-gaussian-sigmoid": ("8-bit", {**_SMALL, "likelihood": {"name": "gaussian", "mean": "sigmoid"}}),
    "8-bit-discretized-logistic": ("8-bit", {**_SMALL, "likelihood": {"name": "discretized-logistic"}}),
    "binary-bernoulli": ("binary", {**_SMALL, "likelihood": {"name": "bernoulli"}}),
    "table-gaussian-standard": ("table", {**_SMALL, "likelihood": {"name": "gaussian"}}),
    "table-bayesian-decoder": ("table", {**_SMALL, "model": {"name": "bayesian-decoder", "latent_dim": LATENT_DIM}}),
    "8-bit-semi-supervised": ("8-bit", {**_SMALL, "model": {"name": "semi-supervised", "latent_dim": LATENT_DIM}}),
    "table-gaussian-dropout": ("table", {**_SMALL, "network": {"hidden_widths": [8], "dropout": 0.3}}),
}
# Every preset, at its own size of network; held to the invariants of training, which are made of all the others.
RECIPES: dict[str, RunConfig] = {recipe.name: recipe.run_config() for recipe in list_recipes()}


def model_of(name: str, key: PRNGKeyArray, **changes: Any) -> AbstractLatentVariableModel:
    """The model of one of `CONFIGURATIONS`, with fresh weights."""
    kind, config = CONFIGURATIONS[name]
    return build_model(RunConfig.from_dict(config).updated(changes), describe(DATA[kind]), key)


def model_case(name: str) -> Case:
    def inputs(part: AbstractLatentVariableModel, key: PRNGKeyArray) -> tuple[Any, ...]:
        return jnp.asarray(DATA[CONFIGURATIONS[name][0]][0]), jax.random.normal(key, (part.latent_dim,)), key

    def call(part: AbstractLatentVariableModel, x: Array, z: Array, key: PRNGKeyArray) -> dict[str, Any]:
        terms = part.log_terms(Example(x), key, Draws(3))
        return {
            "log_likelihood": terms.log_likelihood,
            "log_prior": terms.log_prior,
            "log_posterior": terms.log_posterior,
            "log_weight": terms.log_weight,
            "kl": terms.kl,
            "encoded": part.encode(Example(x)).mean,
            "decode_mean": part.decode_mean(z),
            "decode_draw": part.decode_draw(z, key),
            "latent": part.sample_latent(key),
        }

    def shapes(part: AbstractLatentVariableModel) -> dict[str, Any]:
        samples = dict.fromkeys(("log_likelihood", "log_prior", "log_posterior", "log_weight"), (3,))
        events = dict.fromkeys(("decode_mean", "decode_draw"), part.event_shape)
        return {**samples, **events, "kl": (), "encoded": (part.latent_dim,), "latent": (part.latent_dim,)}

    def extremes(part: AbstractLatentVariableModel) -> list[tuple[Any, ...]]:
        data = DATA[CONFIGURATIONS[name][0]]
        z = jnp.full((part.latent_dim,), EXTREME, jnp.float32)
        return [(jnp.full_like(data[0], limit), z, jax.random.key(0)) for limit in (data.min(), data.max())]

    return Case(functools.partial(model_of, name), inputs, extremes, call, shapes)
