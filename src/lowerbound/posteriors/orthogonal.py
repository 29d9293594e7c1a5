"""Orthogonal matrices from unconstrained numbers, by Householder reflections: exact to rounding at any numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Below this squared length a vector has no direction: its reflection is the identity, which is orthogonal too.
SMALLEST_SQUARED_LENGTH = 1e-12


def reflected(x: Float[Array, "dim ..."], vector: Float[Array, " dim"]) -> Float[Array, "dim ..."]:
    """(I - 2 v v^T / |v|^2) x, for a vector x or for each column of a matrix x."""
    squared = jnp.sum(jnp.square(vector))
    has_direction = squared > SMALLEST_SQUARED_LENGTH
    factor = jnp.where(has_direction, 2.0 / jnp.where(has_direction, squared, 1.0), 0.0)
    along = jnp.tensordot(vector, x, axes=1) * factor
    return x - jnp.tensordot(vector, along, axes=0)


def product_of_reflections(
    x: Float[Array, "dim ..."], vectors: Float[Array, "reflections dim"], *, reverse: bool = False
) -> Float[Array, "dim ..."]:
    """H_n ... H_2 H_1 x; with `reverse` its inverse and transpose, H_1 H_2 ... H_n x."""
    return jax.lax.scan(lambda x, vector: (reflected(x, vector), None), x, vectors, reverse=reverse)[0]


def orthonormal_columns(matrix: Float[Array, "dim columns"]) -> Float[Array, "dim columns"]:
    r"""Q of matrix = Q R, R upper triangular with a positive diagonal, dim >= columns: Householder's QR.

    Q^T Q = I to rounding whatever the matrix: where a column depends on those before it, Q has some other unit vector there.
    LAPACK's QR gives the same Q up to signs, but its derivative divides by R and is not finite where R is singular.
    """
    dim, columns = matrix.shape
    rows = np.arange(dim)

    def eliminate(rest: Array, k: Array) -> tuple[Array, tuple[Array, Array]]:
        """The reflection that turns column k of `rest` to an axis, from row k on."""
        below = jnp.where(rows >= k, rest[:, k], 0.0)
        squared = jnp.sum(jnp.square(below))
        has_length = squared > SMALLEST_SQUARED_LENGTH
        length = jnp.where(has_length, jnp.sqrt(jnp.where(has_length, squared, 1.0)), 0.0)
        # Away from the axis: v = x + sign(x_k) |x| e_k never cancels.
        sign = jnp.where(below[k] < 0, -1.0, 1.0).astype(matrix.dtype)
        vector = below + jnp.where(rows == k, sign * length, 0.0)
        # A reflection without a vector leaves the axis; the others turn it to the far side.
        return reflected(rest, vector), (vector, jnp.where(has_length, -sign, 1.0).astype(matrix.dtype))

    _, (vectors, signs) = jax.lax.scan(eliminate, matrix, jnp.arange(columns))
    return product_of_reflections(jnp.eye(dim, columns, dtype=matrix.dtype), vectors, reverse=True) * signs
