"""Flow posteriors whose steps the encoder chooses for each example: planar and Sylvester flows."""

import math
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from ..bijections import PlanarStep, SylvesterStep
from ..bijections.orthogonal import Axes, Reflections, orthogonalised
from ..bijections.sylvester import step_of, triangular_shapes
from ..densities import DiagonalGaussianDensity, Transformed
from ..errors import ConfigurationError
from .base import AbstractPosteriorFamily

# The base's log sigma^2 is as the encoder says up to WIDE, and below WIDE + ROOM always. Without a bound, a few images unlike all
# that the encoder saw get so wide a base (one of 66,000 of MNIST e^7.6, after 3,000) that they alone decide a mean over images.
WIDE, ROOM = 2.0, 2.0


class AbstractStepwiseFlow(AbstractPosteriorFamily):
    """A diagonal Gaussian pushed through steps of which the encoder puts out every number.

    The base's log sigma^2 = s is bounded: min(s, 2) + 2 tanh(max(s - 2, 0) / 2).
    """

    num_flows: eqx.AbstractVar[int]
    is_flow: ClassVar[bool] = True

    @property
    @abstractmethod
    def step_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shapes of the arrays that one step is made of."""

    @abstractmethod
    def steps(self, *arrays: Float[Array, "flows ..."]) -> Any:
        """The bijections made of these arrays, stacked along their first axis as the arrays are."""

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        """mu and log sigma^2, then each array of `step_shapes` for all steps; all flat."""
        return (2 * self.latent_dim + self.num_flows * sum(map(math.prod, self.step_shapes)),)

    @override
    def at(self, params: Float[Array, " params"]) -> Transformed:
        shapes = [(self.num_flows, *shape) for shape in self.step_shapes]
        ends = np.cumsum([self.latent_dim, self.latent_dim, *map(math.prod, shapes)])[:-1]
        mu, log_variance, *numbers = jnp.split(params, ends)
        steps = self.steps(*(each.reshape(shape) for each, shape in zip(numbers, shapes, strict=True)))
        each_step = tuple(jax.tree.map(lambda leaf, n=n: leaf[n], steps) for n in range(self.num_flows))
        bounded = jnp.minimum(log_variance, WIDE) + ROOM * jnp.tanh(jnp.maximum(log_variance - WIDE, 0.0) / ROOM)
        return Transformed(DiagonalGaussianDensity.clipped(mu, bounded), each_step)


class Planar(AbstractStepwiseFlow):
    r"""q(z|x) of a diagonal Gaussian pushed through planar steps whose w, u and b the encoder chooses for each example.

    (Rezende and Mohamed 2015, Variational Inference with Normalizing Flows, arXiv 1505.05770, section 4.)

    With an encoder output of 0 every step is the identity, and each has its own axis as w: at w = u = 0 nothing would have a
    gradient.

    - `num_flows`: K, steps.

    Raises `ConfigurationError` when it is below 1.
    """

    num_flows: int = eqx.field(static=True, default=4)

    @property
    @override
    def step_shapes(self) -> tuple[tuple[int, ...], ...]:
        """w, u and b."""
        return (self.latent_dim,), (self.latent_dim,), ()

    @override
    def steps(self, w: Float[Array, "flows ..."], u: Float[Array, "flows ..."], b: Float[Array, "flows ..."]) -> PlanarStep:
        axes = jnp.eye(self.latent_dim, dtype=w.dtype)[np.arange(self.num_flows) % self.latent_dim]
        return jax.vmap(PlanarStep)(w + axes, u, b)


class OrthogonalSylvester(AbstractStepwiseFlow):
    r"""Sylvester flows through M = `num_directions` directions of the encoder's choice.

    (van den Berg et al. 2018, Sylvester Normalizing Flows for Variational Inference, arXiv 1803.05649.)

    Each step has its own Q, of orthonormal columns. The paper orthogonalises by iterating Q <- Q (I + (I - Q^T Q) / 2) (its
    eq. 14) down to a tolerance; here Q is the exact factor of a QR decomposition. With Q^T Q off from I the log-determinant
    would be wrong, and for nearly dependent columns the iteration takes long.

    - `num_flows`: K, steps. `num_directions`: M, from 1 to `latent_dim`.

    Raises `ConfigurationError` when either is out of range.
    """

    num_flows: int = eqx.field(static=True, default=4)
    num_directions: int = eqx.field(static=True, default=8)

    def __check_init__(self) -> None:
        if not 1 <= self.num_directions <= self.latent_dim:
            raise ConfigurationError(
                f"posterior 'sylvester-orthogonal': num_directions is {self.num_directions}, but {self.latent_dim} latents have "
                f"from 1 to {self.latent_dim} orthogonal directions; set posterior.num_directions={self.latent_dim} or less."
            )

    @property
    @override
    def step_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The matrix for Q, and what `step_of` makes R, R~ and b of."""
        return (self.latent_dim, self.num_directions), *triangular_shapes(self.num_directions)

    @override
    def steps(self, matrices: Float[Array, "flows ..."], *rest: Float[Array, "flows ..."]) -> SylvesterStep:
        axes = jnp.eye(self.latent_dim, self.num_directions, dtype=matrices.dtype)
        directions = jax.vmap(orthogonalised)(axes + matrices)
        return jax.vmap(step_of)(directions, *rest)


class HouseholderSylvester(AbstractStepwiseFlow):
    r"""Sylvester flows whose Q = H_n ... H_1 is a product of Householder reflections.

    (van den Berg et al. 2018, Sylvester Normalizing Flows for Variational Inference, arXiv 1803.05649.)

    H_i = I - 2 v_i v_i^T / |v_i|^2, with M = `latent_dim` and vectors of the encoder's choice in each step.

    - `num_flows`: K, steps. `num_reflections`: n, reflections in each step.

    Raises `ConfigurationError` when either is below 1.
    """

    num_flows: int = eqx.field(static=True, default=4)
    num_reflections: int = eqx.field(static=True, default=8)

    @property
    @override
    def step_shapes(self) -> tuple[tuple[int, ...], ...]:
        """The vectors, and what `step_of` makes R, R~ and b of."""
        return (self.num_reflections, self.latent_dim), *triangular_shapes(self.latent_dim)

    @override
    def steps(self, vectors: Float[Array, "flows ..."], *rest: Float[Array, "flows ..."]) -> SylvesterStep:
        # A reflection needs a direction also where the encoder says nothing. In the other order, because `Reflections` is the
        # product H_1 ... H_n.
        vectors = (vectors + jnp.eye(1, self.latent_dim, dtype=vectors.dtype))[:, ::-1]
        directions = jax.vmap(Reflections)(vectors, jnp.ones((self.num_flows, self.latent_dim), vectors.dtype))
        return jax.vmap(step_of)(directions, *rest)


class TriangularSylvester(AbstractStepwiseFlow):
    r"""Sylvester flows whose Q is in turn the identity and the permutation that reverses the order of the latents.

    (van den Berg et al. 2018, arXiv 1803.05649.) M = `latent_dim`; the reversal lets every latent depend on every other after two
    steps.

    - `num_flows`: K, steps.

    Raises `ConfigurationError` when it is below 1.
    """

    num_flows: int = eqx.field(static=True, default=4)

    @property
    @override
    def step_shapes(self) -> tuple[tuple[int, ...], ...]:
        """What `step_of` makes R, R~ and b of."""
        return triangular_shapes(self.latent_dim)

    @override
    def steps(self, *rest: Float[Array, "flows ..."]) -> SylvesterStep:
        directions = jax.vmap(Axes)(jnp.asarray(np.arange(self.num_flows) % 2 == 1))
        return jax.vmap(step_of)(directions, *rest)
