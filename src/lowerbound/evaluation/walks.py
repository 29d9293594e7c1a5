"""Walks through the latent space, decoded: one latent at a time, over a grid of two, and from one code to another."""

from __future__ import annotations

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array

from ..config.rules import COUNT, Integer
from ..data.examples import Example
from ..errors import ConfigurationError
from ..models import AbstractLatentVariableModel
from ..storage.memory import check_fits, check_number_fits
from .latents import decode, kl_by_latent, posterior_means

# The ends of a walk: beyond them lie 2 percent of the latents on each side.
LOWEST_QUANTILE = 0.02
# A path has two ends.
_PATH = Integer(2)


@dataclasses.dataclass(frozen=True)
class Traversal:
    """What the decoder says as one latent at a time moves and the others stay.

    - `latents`: which, the one that carries most first. `carried`: what each carries, KL(q(z_j|x) || p(z_j)) in nats where
      `carried_unit` is "nats"; Var(E[z_j|x]) where there is no such KL (`carried_unit` is "variance of the code").
    - `quantiles`: of the latent at each column, in (0, 1). `values`: (latents, columns), the latent itself there.
    - `means`: (latents, columns, *event_shape), E[x|z] in the user's units.
    - `of_prior`: whether the quantiles are N(0, 1)'s; otherwise those of the codes of the data.
    - `example`: the number of the example at whose code the others stay; None where it was given, or is the mean of all codes.
    """

    latents: np.ndarray
    carried: np.ndarray
    carried_unit: str
    quantiles: np.ndarray
    values: np.ndarray
    means: np.ndarray
    of_prior: bool
    example: int | None = None


def traverse(
    model: AbstractLatentVariableModel,
    data: Example | np.ndarray,
    *,
    base: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    num_latents: int = 10,
    num_columns: int = 9,
) -> Traversal:
    """Traversals of the latents that carry most, from the code `base`.

    By default that is the mean of all codes; under a learned prior, whose mean may lie where no code does and decode to a blur,
    it is the likeliest code among those of `data`.

    - `data`: examples by which the latents are ordered, and from whose codes the quantiles come where the prior is not N(0, I).
    - `condition`: (condition_dim,), where the model takes one.

    Raises `ConfigurationError` on a hypersphere, where no latent moves alone, and for numbers below 1.
    """
    check_euclidean(model)
    COUNT.convert("num_latents", num_latents)
    _PATH.convert("num_columns", num_columns)
    in_a_column = min(num_latents, model.latent_dim) * _bytes_of_code(model)
    check_number_fits("num_columns", num_columns, in_a_column, "steps of each latent")
    codes = posterior_means(model, data)
    kl = kl_by_latent(model, data) if model.has_density else None
    carried = np.var(codes, axis=0) if kl is None else kl
    latents = np.argsort(-carried, kind="stable")[:num_latents]
    quantiles = np.linspace(LOWEST_QUANTILE, 1 - LOWEST_QUANTILE, num_columns)
    values = _at_quantiles(model, codes, quantiles)[latents]
    example = None
    if base is None:
        if not _has_normal_prior(model):
            example = _likeliest(model, codes, condition)
        base = codes.mean(axis=0) if example is None else codes[example]
    start = np.asarray(base, codes.dtype)
    rows = np.tile(start, (len(latents), num_columns, 1))
    rows[np.arange(len(latents))[:, None], np.arange(num_columns), latents[:, None]] = values
    means = _decoded(model, rows.reshape(-1, model.latent_dim), condition).reshape(len(latents), num_columns, *model.event_shape)
    unit = "variance of the code" if kl is None else "nats"
    return Traversal(latents, carried[latents], unit, quantiles, values, means, _has_normal_quantiles(model), example)


@dataclasses.dataclass(frozen=True)
class Manifold:
    """E[x|z] over a grid of the two latents (Kingma and Welling 2014, figure 4).

    - `values`: (2, size), each latent along its axis, rising. `means`: (size, size, *event_shape); the first latent changes
      along the second axis, the second latent along the first axis, its largest value first, as on a map.
    - `of_prior`: whether the values are N(0, 1)'s quantiles; otherwise those of the codes of the data.
    """

    values: np.ndarray
    means: np.ndarray
    of_prior: bool


def manifold(
    model: AbstractLatentVariableModel, data: Example | np.ndarray, *, condition: np.ndarray | None = None, size: int = 15
) -> Manifold:
    """The grid at equal steps of the quantiles, so that each cell stands for as much of the prior.

    Raises `ConfigurationError` when there are not two latents, or on a hypersphere.
    """
    check_euclidean(model)
    _PATH.convert("size", size)
    if model.latent_dim != 2:
        raise ConfigurationError(
            f"a grid shows two latents, and this model has {model.latent_dim}. Traverse them one by one (without --grid), or "
            "train with --set model.latent_dim=2."
        )
    check_fits(size**2 * _bytes_of_code(model), f"size is {size:,}: a grid of so many codes on each side", "give a smaller one")
    values = _at_quantiles(model, posterior_means(model, data), np.linspace(LOWEST_QUANTILE, 1 - LOWEST_QUANTILE, size))
    first, second = np.meshgrid(values[0], values[1][::-1])
    means = _decoded(model, np.stack([first.ravel(), second.ravel()], axis=1), condition)
    return Manifold(values, means.reshape(size, size, *model.event_shape), _has_normal_quantiles(model))


def interpolate(start: np.ndarray, end: np.ndarray, num_steps: int, *, spherical: bool) -> np.ndarray:
    r"""Codes from `start` to `end`, both among them, (num_steps, latent_dim).

        linear: (1 - t) a + t b        spherical: (sin((1 - t) w) a + sin(t w) b) / sin w,   cos w = a.b / (|a| |b|)

    The spherical path keeps the length of codes of equal length (Shoemake 1985); on the hypersphere it is the great circle. Codes
    that point the same way are joined by a line.

    Raises `ConfigurationError` when `num_steps` is below 2, and for opposite codes, between which no path is the shortest.
    """
    _PATH.convert("num_steps", num_steps)
    check_number_fits("num_steps", num_steps, 40 * len(start), "codes on the way")
    a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
    t = np.linspace(0.0, 1.0, num_steps)[:, None]
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    cosine = float(np.clip(a @ b / lengths, -1.0, 1.0)) if lengths > 0 else 1.0
    angle = float(np.arccos(cosine))
    if not spherical or angle < 1e-6:
        return ((1 - t) * a + t * b).astype(np.float32)
    if np.pi - angle < 1e-6:
        raise ConfigurationError("the two codes are opposite, and no great circle between them is the shortest; choose others.")
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype(np.float32)


def _bytes_of_code(model: AbstractLatentVariableModel) -> int:
    """Of a code, in both precisions, and what is decoded from it in blocks and as one array."""
    return 16 * (model.latent_dim + math.prod(model.event_shape))


def _at_quantiles(model: AbstractLatentVariableModel, codes: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """(latent_dim, columns)."""
    if _has_normal_quantiles(model):
        return np.tile(scipy.special.ndtri(quantiles), (model.latent_dim, 1)).astype(np.float32)
    return np.quantile(codes, quantiles, axis=0).T.astype(np.float32)


def _has_normal_prior(model: AbstractLatentVariableModel) -> bool:
    return all(block.has_normal_prior for block in model.latent_blocks)


def _has_normal_quantiles(model: AbstractLatentVariableModel) -> bool:
    # Nothing ties deterministic codes to the prior.
    return model.has_density and _has_normal_prior(model)


def _likeliest(model: AbstractLatentVariableModel, codes: np.ndarray, condition: np.ndarray | None) -> int:
    """The number of the code that is likeliest under the prior."""
    given = None if condition is None else jnp.asarray(condition, jnp.float32)
    return int(np.argmax(_log_priors(model, jnp.asarray(codes), given)))


@eqx.filter_jit
def _log_priors(model: AbstractLatentVariableModel, codes: Array, condition: Array | None) -> Array:
    return jax.lax.map(lambda z: model.log_prior(z, condition), codes, batch_size=512)


def _decoded(model: AbstractLatentVariableModel, latents: np.ndarray, condition: np.ndarray | None) -> np.ndarray:
    rows = None if condition is None else np.tile(condition, (len(latents), 1))
    return decode(model, latents, condition=rows)


def check_euclidean(model: AbstractLatentVariableModel) -> None:
    """Raise `ConfigurationError` where latents live on a sphere."""
    if model.space != "euclidean":
        raise ConfigurationError(
            "the latents of this model live on a sphere, where no latent can move while the others stay. Walk between two codes "
            "instead: lowerbound interpolate RUN --from 0 --to 1 --out FILE.png"
        )
