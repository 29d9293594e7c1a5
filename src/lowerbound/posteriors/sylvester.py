"""Sylvester normalising flows: planar flows through several directions at once, three ways to choose the directions."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..errors import ConfigurationError
from ..priors import Space
from .base import AbstractPosteriorFamily
from .checks import check_at_least_one
from .diagonal_gaussian import DiagonalGaussian
from .flows import FlowPosterior, num_numbers, unpacked, unstacked
from .orthogonal import Axes, Reflections, orthogonalised
from .sylvester_step import step_of, triangular_shapes


class OrthogonalSylvester(AbstractPosteriorFamily):
    r"""Sylvester flows through M = `num_directions` directions of the encoder's choice.

    (van den Berg et al. 2018, Sylvester Normalizing Flows for Variational Inference, arXiv 1803.05649.)

    Each step has its own Q, of orthonormal columns. The paper orthogonalises by iterating Q <- Q (I + (I - Q^T Q) / 2) (its
    eq. 14) down to a tolerance; here Q is the exact factor of a QR decomposition. With Q^T Q off from I the log-determinant
    would be wrong, and for nearly dependent columns the iteration takes long.

    - `num_flows`: K, steps. `num_directions`: M, from 1 to `latent_dim`.

    Raises `ConfigurationError` when either is out of range.
    """

    latent_dim: int = eqx.field(static=True)
    num_flows: int = eqx.field(static=True, default=4)
    num_directions: int = eqx.field(static=True, default=8)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("sylvester-orthogonal", num_flows=self.num_flows)
        if not 1 <= self.num_directions <= self.latent_dim:
            raise ConfigurationError(
                f"posterior 'sylvester-orthogonal': num_directions is {self.num_directions}, but {self.latent_dim} latents have "
                f"from 1 to {self.latent_dim} orthogonal directions; set posterior.num_directions={self.latent_dim} or less."
            )

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        directions = (self.num_flows, self.latent_dim, self.num_directions)
        return [(2, self.latent_dim), directions, *triangular_shapes(self.num_flows, self.num_directions)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then the matrices for Q, those for R and R~, the diagonals of R~, and every b; all flat."""
        return (num_numbers(self._shapes),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, matrices, *rest = unpacked(params, self._shapes)
        axes = jnp.eye(self.latent_dim, self.num_directions, dtype=params.dtype)
        directions = jax.vmap(orthogonalised)(axes + matrices)
        steps = unstacked(jax.vmap(step_of)(directions, *rest), self.num_flows)
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), steps)


class HouseholderSylvester(AbstractPosteriorFamily):
    r"""Sylvester flows whose Q = H_n ... H_1 is a product of Householder reflections.

    (van den Berg et al. 2018, Sylvester Normalizing Flows for Variational Inference, arXiv 1803.05649.)

    H_i = I - 2 v_i v_i^T / |v_i|^2, with M = `latent_dim` and vectors of the encoder's choice in each step.

    - `num_flows`: K, steps. `num_reflections`: n, reflections in each step.

    Raises `ConfigurationError` when either is below 1.
    """

    latent_dim: int = eqx.field(static=True)
    num_flows: int = eqx.field(static=True, default=4)
    num_reflections: int = eqx.field(static=True, default=8)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("sylvester-householder", num_flows=self.num_flows, num_reflections=self.num_reflections)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        vectors = (self.num_flows, self.num_reflections, self.latent_dim)
        return [(2, self.latent_dim), vectors, *triangular_shapes(self.num_flows, self.latent_dim)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then the vectors, the matrices for R and R~, the diagonals of R~, and every b; all flat."""
        return (num_numbers(self._shapes),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, vectors, *rest = unpacked(params, self._shapes)
        # A reflection needs a direction also where the encoder says nothing. In the other order, because `Reflections` is the
        # product H_1 ... H_n.
        vectors = (vectors + jnp.eye(1, self.latent_dim, dtype=params.dtype))[:, ::-1]
        directions = jax.vmap(Reflections)(vectors, jnp.ones((self.num_flows, self.latent_dim), params.dtype))
        steps = unstacked(jax.vmap(step_of)(directions, *rest), self.num_flows)
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), steps)


class TriangularSylvester(AbstractPosteriorFamily):
    r"""Sylvester flows whose Q is in turn the identity and the permutation that reverses the order of the latents.

    (van den Berg et al. 2018, arXiv 1803.05649.) M = `latent_dim`; the reversal lets every latent depend on every other after two
    steps.

    - `num_flows`: K, steps.

    Raises `ConfigurationError` when it is below 1.
    """

    latent_dim: int = eqx.field(static=True)
    num_flows: int = eqx.field(static=True, default=4)
    space: ClassVar[Space] = "euclidean"
    has_density: ClassVar[bool] = True
    is_factorised: ClassVar[bool] = False

    def __check_init__(self) -> None:
        check_at_least_one("sylvester-triangular", num_flows=self.num_flows)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [(2, self.latent_dim), *triangular_shapes(self.num_flows, self.latent_dim)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then the matrices for R and R~, the diagonals of R~, and every b; all flat."""
        return (num_numbers(self._shapes),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, *rest = unpacked(params, self._shapes)
        directions = jax.vmap(Axes)(jnp.asarray(np.arange(self.num_flows) % 2 == 1))
        steps = unstacked(jax.vmap(step_of)(directions, *rest), self.num_flows)
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), steps)
