"""Orthogonal directions from unconstrained numbers, by Householder reflections: exact to rounding at any numbers."""

from __future__ import annotations

from abc import abstractmethod

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from typing_extensions import override

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


class AbstractDirections(eqx.Module):
    """Q, M orthonormal directions in R^J: Q^T Q = I."""

    @abstractmethod
    def times(self, y: Float[Array, " directions"]) -> Float[Array, " latent"]:
        """Q y."""

    @abstractmethod
    def components(self, z: Float[Array, " latent"]) -> Float[Array, " directions"]:
        """Q^T z."""


class Axes(AbstractDirections):
    """The axes themselves, M = J, in their order or from the last to the first."""

    is_reversed: Bool[Array, ""]

    @override
    def times(self, y: Float[Array, " latent"]) -> Float[Array, " latent"]:
        return jnp.where(self.is_reversed, y[::-1], y)

    @override
    def components(self, z: Float[Array, " latent"]) -> Float[Array, " latent"]:
        """The same: a reversal undoes itself."""
        return self.times(z)


class Reflections(AbstractDirections):
    r"""Q = H_1 ... H_n E diag(s), E the first M axes, s_i = 1 or -1; never made, but applied as its reflections.

    A product with Q takes 4 n J operations so, and making it would take 4 n J M.
    """

    vectors: Float[Array, "reflections latent"]
    signs: Float[Array, " directions"]

    @override
    def times(self, y: Float[Array, " directions"]) -> Float[Array, " latent"]:
        padding = (0, self.vectors.shape[1] - len(self.signs))
        return product_of_reflections(jnp.pad(self.signs * y, padding), self.vectors, reverse=True)

    @override
    def components(self, z: Float[Array, " latent"]) -> Float[Array, " directions"]:
        return self.signs * product_of_reflections(z, self.vectors)[: len(self.signs)]


def orthonormal_columns(matrix: Float[Array, "dim columns"]) -> Float[Array, "dim columns"]:
    r"""Q of matrix = Q R, as a matrix (see `orthogonalised`)."""
    found = orthogonalised(matrix)
    axes = jnp.eye(*matrix.shape, dtype=matrix.dtype)
    return product_of_reflections(axes, found.vectors, reverse=True) * found.signs


def orthogonalised(matrix: Float[Array, "dim columns"]) -> Reflections:
    r"""Q of matrix = Q R, R upper triangular with a positive diagonal, dim >= columns: Householder's QR.

    Q^T Q = I to rounding whatever the matrix: where a column depends on those before it, Q has some other unit vector there.
    LAPACK's QR gives the same Q up to signs, but its derivative divides by R and is not finite where R is singular.
    """
    rows, columns = np.arange(len(matrix)), matrix.shape[1]

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
    return Reflections(vectors, signs)
