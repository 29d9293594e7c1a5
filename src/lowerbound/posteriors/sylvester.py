"""Sylvester normalising flows: planar flows through several directions at once, three ways to choose the directions."""

from __future__ import annotations

import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..config.context import BuildContext
from ..config.sections import PosteriorConfig
from ..errors import ConfigurationError
from ..priors import Space
from .base import AbstractPosteriorFamily
from .checks import check_at_least_one
from .diagonal_gaussian import DiagonalGaussian
from .flows import FlowPosterior, unpacked
from .orthogonal import orthonormal_columns, product_of_reflections
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

    @classmethod
    def build(cls, config: PosteriorConfig, context: BuildContext) -> OrthogonalSylvester:
        """Over the model's latents."""
        return cls(context.latent_dim, config.num_flows, config.num_directions)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [(self.latent_dim, self.num_directions), *triangular_shapes(self.num_directions)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then for each step a matrix for Q, one for R and R~, the diagonal of R~, and b; all flat."""
        return (2 * self.latent_dim + self.num_flows * sum(map(math.prod, self._shapes)),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, *numbers = unpacked(params, [(2, self.latent_dim), *self._shapes * self.num_flows])
        axes = jnp.eye(self.latent_dim, self.num_directions, dtype=params.dtype)
        steps = tuple(step_of(orthonormal_columns(axes + matrix), *rest) for matrix, *rest in _groups(numbers, len(self._shapes)))
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), steps)


class HouseholderSylvester(AbstractPosteriorFamily):
    r"""Sylvester flows whose Q = H_n ... H_1 is a product of Householder reflections (van den Berg et al. 2018, arXiv
    1803.05649).

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

    @classmethod
    def build(cls, config: PosteriorConfig, context: BuildContext) -> HouseholderSylvester:
        """Over the model's latents."""
        return cls(context.latent_dim, config.num_flows, config.num_reflections)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return [(self.num_reflections, self.latent_dim), *triangular_shapes(self.latent_dim)]

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then for each step the vectors, a matrix for R and R~, the diagonal of R~, and b; all flat."""
        return (2 * self.latent_dim + self.num_flows * sum(map(math.prod, self._shapes)),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, *numbers = unpacked(params, [(2, self.latent_dim), *self._shapes * self.num_flows])
        identity = jnp.eye(self.latent_dim, dtype=params.dtype)
        steps = tuple(
            # A reflection needs a direction also where the encoder says nothing.
            step_of(product_of_reflections(identity, vectors + identity[0]), *rest)
            for vectors, *rest in _groups(numbers, len(self._shapes))
        )
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

    @classmethod
    def build(cls, config: PosteriorConfig, context: BuildContext) -> TriangularSylvester:
        """Over the model's latents."""
        return cls(context.latent_dim, config.num_flows)

    @property
    def _shapes(self) -> list[tuple[int, ...]]:
        return triangular_shapes(self.latent_dim)

    @property
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then for each step a matrix for R and R~, the diagonal of R~, and b; all flat."""
        return (2 * self.latent_dim + self.num_flows * sum(map(math.prod, self._shapes)),)

    def condition(self, params: Float[Array, " params"]) -> FlowPosterior:
        """q(z|x) with these parameters."""
        base, *numbers = unpacked(params, [(2, self.latent_dim), *self._shapes * self.num_flows])
        identity = jnp.eye(self.latent_dim, dtype=params.dtype)
        steps = tuple(
            step_of(identity[:: 1 - 2 * (number % 2)], *rest) for number, rest in enumerate(_groups(numbers, len(self._shapes)))
        )
        return FlowPosterior(DiagonalGaussian(self.latent_dim).condition(base), steps)


def _groups(numbers: list[Array], size: int) -> list[list[Array]]:
    """The numbers of each step."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]
