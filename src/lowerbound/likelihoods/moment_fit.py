"""Unconstrained arguments of a family of distributions from a mean and a standard deviation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float

_STARTS = (0.0, 1.0, 2.0, -1.0)
_NUM_STEPS = 200
# Where a family cannot have both (counts that vary less than a Poisson variable), the mean comes first.
WEIGHT_OF_MEAN = 10.0


def fit_moments(
    family: Callable[[Float[Array, "arguments ..."]], dist.Distribution],
    shape: tuple[int, ...],
    mean: np.ndarray,
    std: np.ndarray,
) -> np.ndarray:
    """Numbers of `shape` = (arguments, *event) for which `family` has this mean and, as well as it can, this deviation.

    Levenberg's and Marquardt's least squares on the relative errors of the mean (that of a family on the whole line: in
    units of the deviation) and of the deviation, for each element by itself. A family of one argument is
    fitted to the mean alone.
    """
    num_arguments = shape[0]
    wanted_mean, wanted_std = mean.reshape(-1).astype(np.float32), std.reshape(-1).astype(np.float32)
    wanted_std = np.maximum(wanted_std, 1e-3 * np.maximum(np.abs(wanted_mean), 1e-3))

    def residuals(raw: Float[Array, "arguments elements"]) -> Float[Array, "two elements"]:
        distribution = family(raw)
        found = jnp.asarray(distribution.mean, jnp.float32)
        # A logarithm makes the way to a mean of 1000 from one of 1 a short one.
        is_relative = (found > 0) & (wanted_mean > 0) & jnp.asarray(_is_above_zero(distribution))
        safe = jnp.where(is_relative, found, 1.0)
        relative = jnp.log(safe / jnp.where(is_relative, wanted_mean, 1.0)) * jnp.maximum(jnp.abs(wanted_mean / wanted_std), 1.0)
        off_mean = jnp.where(is_relative, relative, (found - wanted_mean) / wanted_std)
        variance = None if num_arguments == 1 else _variance(distribution)
        off_std = jnp.zeros_like(off_mean) if variance is None else 0.5 * jnp.log(variance / wanted_std**2)
        return jnp.stack([WEIGHT_OF_MEAN * off_mean, off_std])

    @jax.jit
    def residuals_and_jacobian(raw: Array) -> tuple[Array, Array]:
        # Elements do not depend on each other: one direction for each argument is the whole Jacobian.
        directions = [jnp.zeros_like(raw).at[number].set(1.0) for number in range(num_arguments)]
        derivatives = [jax.jvp(residuals, (raw,), (direction,))[1] for direction in directions]
        return residuals(raw), jnp.stack(derivatives)

    def evaluate(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with jax.numpy_dtype_promotion("standard"):
            values, jacobian = (np.asarray(part, np.float64) for part in residuals_and_jacobian(jnp.asarray(raw, jnp.float32)))
        # A variance that does not exist says nothing; a mean that does not exist is a bad start.
        values[1] = np.where(np.isfinite(values[1]), values[1], 0.0)
        loss = np.where(np.isfinite(values[0]), np.square(values).sum(0), np.inf)
        return np.nan_to_num(values), np.nan_to_num(jacobian), loss

    best = np.zeros((num_arguments, mean.size))
    starts = [np.full_like(best, start) for start in _STARTS]
    losses = np.stack([evaluate(start)[2] for start in starts])
    best = np.take_along_axis(np.stack(starts), losses.argmin(axis=0)[None, None], axis=0)[0]
    values, jacobian, loss = evaluate(best)
    damping = np.full(mean.size, 1.0)
    for _ in range(_NUM_STEPS):
        normal = np.einsum("prn,qrn->npq", jacobian, jacobian) + damping[:, None, None] * np.eye(num_arguments)
        slope = np.einsum("prn,rn->np", jacobian, values)
        step = np.clip(-np.linalg.solve(normal, slope[..., None])[..., 0].T, -1e6, 1e6)
        new_values, new_jacobian, new_loss = evaluate(best + step)
        better = new_loss < loss
        best, values = np.where(better, best + step, best), np.where(better, new_values, values)
        jacobian, loss = np.where(better, new_jacobian, jacobian), np.where(better, new_loss, loss)
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
        if loss.max() < 1e-10:
            break
    return best.reshape(shape).astype(np.float32)


def _variance(distribution: dist.Distribution) -> Array | None:
    try:
        return jnp.asarray(distribution.variance, jnp.float32)
    except NotImplementedError:
        return None


def _is_above_zero(distribution: Any) -> bool:
    """Whether the support holds 1 and not -1."""
    return bool(np.all(np.asarray(distribution.support(np.float32(1.0))) & ~np.asarray(distribution.support(np.float32(-1.0)))))
