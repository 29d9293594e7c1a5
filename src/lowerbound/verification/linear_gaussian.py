"""The one deep latent-variable model whose every number is known: probabilistic PCA (Tipping and Bishop 1999).

    z ~ N(0, I),   x | z ~ N(W z + b, s^2 I)   =>   x ~ N(b, W W^T + s^2 I),   z | x ~ N(M^-1 W^T (x - b), s^2 M^-1)

with M = W^T W + s^2 I. Where the columns of W are orthogonal, M is diagonal and so is the exact posterior.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..data.transforms import Affine
from ..likelihoods import Gaussian
from ..models import SingleLayer
from ..networks import AbstractNetwork
from ..posteriors import DiagonalGaussian
from ..priors import StandardNormal


class LinearNetwork(AbstractNetwork):
    """(W x + b, a logarithm of spreads that does not depend on x), a decoder or an encoder.

    - `log_spread`: log s, for every element of the data; or log-variances of the latents: with an orthogonal W of the truth such
      an encoder holds the exact posterior.
    """

    weight: Float[Array, "out in"]
    bias: Float[Array, " out"]
    log_spread: Float[Array, "..."]
    condition_dim: ClassVar[int] = 0
    is_random_in_training: ClassVar[bool] = False

    @override
    def __call__(
        self, x: Float[Array, " in"], *, condition: Array | None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, "two out"]:
        mean = self.weight @ x + self.bias
        return jnp.stack([mean, jnp.broadcast_to(self.log_spread, mean.shape)])

    @override
    def with_output_bias(self, bias: np.ndarray) -> LinearNetwork:
        log_spread = bias[1] if self.log_spread.ndim else bias[1].mean()
        return dataclasses.replace(self, bias=jnp.asarray(bias[0]), log_spread=jnp.asarray(log_spread))


@dataclasses.dataclass(frozen=True)
class LinearGaussian:
    """The truth, in double precision."""

    weight: np.ndarray
    bias: np.ndarray
    scale: float

    @classmethod
    def random(cls, data_dim: int, latent_dim: int, *, orthogonal: bool, seed: int = 0) -> LinearGaussian:
        """Random W and b, s = 0.7; with orthogonal columns of W the exact posterior is a diagonal Gaussian."""
        rng = np.random.default_rng(seed)
        weight = rng.normal(size=(data_dim, latent_dim))
        if orthogonal:
            weight = np.linalg.qr(weight)[0] * np.linspace(2, 1, latent_dim)
        return cls(weight, rng.normal(size=data_dim), 0.7)

    @property
    def covariance(self) -> np.ndarray:
        """W W^T + s^2 I."""
        return self.weight @ self.weight.T + self.scale**2 * np.eye(len(self.bias))

    def draw(self, num_examples: int, seed: int) -> np.ndarray:
        """Examples in float32, as a user would give them."""
        rng = np.random.default_rng(seed)
        return rng.multivariate_normal(self.bias, self.covariance, size=num_examples).astype(np.float32)

    def log_evidence(self, x: np.ndarray) -> Any:
        """log p(x), exactly."""
        law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
        return law.logpdf(np.asarray(x, np.float64), self.bias, self.covariance)

    def posterior(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of p(z|x)."""
        m = self.weight.T @ self.weight + self.scale**2 * np.eye(self.weight.shape[1])
        return np.linalg.solve(m, self.weight.T @ (x - self.bias)), self.scale**2 * np.linalg.inv(m)

    def hidden(self, x: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of the elements of x that are not observed, given those that are."""
        known, lost = np.ix_(observed, observed), np.ix_(~observed, observed)
        gain = np.linalg.solve(self.covariance[known], self.covariance[lost].T).T
        mean = self.bias[~observed] + gain @ (np.asarray(x, np.float64)[observed] - self.bias[observed])
        return mean, self.covariance[np.ix_(~observed, ~observed)] - gain @ self.covariance[lost].T

    def model(
        self, *, mean_shift: float | np.ndarray = 0.0, variance_factor: float = 1.0, log_scale_error: float = 0.0
    ) -> SingleLayer:
        """The same as a model of the package, with its exact posterior, or with one that is off by what is said.

        The arrays take the precision that JAX has at the moment.
        """
        data_dim, latent_dim = self.weight.shape
        m = np.sum(self.weight**2, axis=0) + self.scale**2
        encoder_weight = self.weight.T / m[:, None]
        encoder = LinearNetwork(
            weight=jnp.asarray(encoder_weight),
            bias=jnp.asarray(mean_shift - encoder_weight @ self.bias),
            log_spread=jnp.asarray(np.log(variance_factor * self.scale**2 / m)),
            in_shape=(data_dim,),
            out_shape=(2, latent_dim),
        )
        decoder = LinearNetwork(
            weight=jnp.asarray(self.weight),
            bias=jnp.asarray(self.bias),
            log_spread=jnp.asarray(np.log(self.scale) + log_scale_error),
            in_shape=(latent_dim,),
            out_shape=(2, data_dim),
        )
        unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
        posterior, prior = DiagonalGaussian(latent_dim), StandardNormal(latent_dim)
        return SingleLayer(unchanged, unchanged, encoder, posterior, prior, decoder, Gaussian((data_dim,), 1e-6))

    def elbo(self, x: np.ndarray, model: SingleLayer) -> float:
        """log p(x) - KL(q(z|x) || p(z|x)), exactly, for the model's own q."""
        params = np.asarray(model.encoder(jnp.asarray(x)), np.float64)
        q_mean, q_variance = params[0], np.exp(params[1])
        mean, covariance = self.posterior(x)
        precision, shift = np.linalg.inv(covariance), mean - q_mean
        log_ratio = np.linalg.slogdet(covariance)[1] - np.log(q_variance).sum()
        kl = 0.5 * (np.sum(np.diag(precision) * q_variance) + shift @ precision @ shift - len(shift) + log_ratio)
        return float(self.log_evidence(x) - kl)


TRUTH = LinearGaussian.random(6, 2, orthogonal=True)
LOG_EVIDENCE = -9.4667


def example() -> np.ndarray:
    """An x with log p(x) = -9.4667 under `TRUTH`."""
    direction = np.ones(6)
    at_zero = TRUTH.log_evidence(TRUTH.bias)
    per_square = at_zero - TRUTH.log_evidence(TRUTH.bias + direction)
    x = TRUTH.bias + direction * np.sqrt((at_zero - LOG_EVIDENCE) / per_square)
    return x.astype(np.float32)


def poor_model() -> SingleLayer:
    """`TRUTH` with a q whose mean is 1.6 of its deviations off in one latent, and whose variances are 2.4 times too large."""
    deviation = TRUTH.scale / np.sqrt(np.sum(TRUTH.weight**2, axis=0) + TRUTH.scale**2)
    shift = np.array([1.6, 0.0]) * deviation
    return TRUTH.model(mean_shift=shift, variance_factor=2.4)
