r"""The smallest model with random weights whose evidence is known: linear regression on a condition, with a z that nothing uses.

    W ~ N(0, I),   z_n ~ N(0, 1),   x_n | W, c_n ~ N(W c_n, s^2 I)

With orthogonal columns of the c_n the posterior of W is a product of Gaussians, so that q(W) can be it, and the bound log p(X).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array, Float, Key, PRNGKeyArray
from typing_extensions import override

from ..data.examples import Example
from ..data.transforms import Affine
from ..evaluation import JointSampling, estimate_evidence, joint_weights
from ..evaluation.estimates import mean_and_error, monte_carlo_error
from ..likelihoods import Gaussian
from ..models import BayesianDecoder, SingleLayer
from ..networks import AbstractNetwork
from ..objectives import ELBO, recorded
from ..posteriors import DiagonalGaussian
from ..priors import StandardNormal
from .figure import STANDARD_ERRORS, Figure
from .linear_gaussian import LinearNetwork

SUBJECT = "Bayesian linear regression"
BATCH_SIZE, NUM_DRAWS, NUM_JOINT_DRAWS = 4, 2000, 1000


class Regression(AbstractNetwork):
    """(W c, log s): a decoder that looks at the condition alone."""

    weight: Float[Array, "data condition"]
    log_spread: Float[np.ndarray, ""]
    is_random_in_training: ClassVar[bool] = False

    @override
    def __call__(
        self, x: Float[Array, " in"], *, condition: Array | None = None, key: PRNGKeyArray | None = None
    ) -> Float[Array, "two out"]:
        mean = self.weight @ jnp.asarray(condition)
        return jnp.stack([mean, jnp.broadcast_to(self.log_spread, mean.shape)])

    @override
    def with_output_bias(self, bias: np.ndarray) -> Regression:
        return self


@dataclasses.dataclass(frozen=True)
class BayesianRegression:
    """The truth, in double precision: N conditions with orthogonal columns, N rows of data, and s."""

    conditions: np.ndarray
    x: np.ndarray
    scale: float

    @classmethod
    def random(cls, num_examples: int, data_dim: int, condition_dim: int, seed: int = 0) -> BayesianRegression:
        """Data of random weights."""
        rng = np.random.default_rng(seed)
        conditions = np.linalg.qr(rng.normal(size=(num_examples, condition_dim)))[0] * np.linspace(3, 1, condition_dim)
        x = conditions @ rng.normal(size=(condition_dim, data_dim)) + 0.5 * rng.normal(size=(num_examples, data_dim))
        return cls(conditions.astype(np.float32), x.astype(np.float32), 0.5)

    @property
    def examples(self) -> Example:
        """As the model is given them."""
        return Example(self.x, self.conditions)

    @property
    def variance(self) -> np.ndarray:
        """Of each column of W given the data, (condition,); the columns are orthogonal to the rounding of float32."""
        return 1 / (1 + np.sum(np.square(self.conditions, dtype=np.float64), axis=0) / self.scale**2)

    @property
    def mean(self) -> np.ndarray:
        """E[W | X], (data, condition)."""
        return (self.x.T.astype(np.float64) @ self.conditions / self.scale**2) * self.variance

    @property
    def log_evidence(self) -> float:
        """log p(X), of all rows together."""
        covariance = self.scale**2 * np.eye(len(self.x)) + self.conditions.astype(np.float64) @ self.conditions.T
        law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
        return float(law.logpdf(self.x.T.astype(np.float64), None, covariance).sum())

    def log_predictive(self, examples: Example) -> np.ndarray:
        """log p(x | X, c) of each example."""
        conditions = np.asarray(examples.condition, np.float64)
        spread = np.sqrt(self.scale**2 + np.square(conditions) @ self.variance)
        return scipy.stats.norm.logpdf(examples.x, conditions @ self.mean.T, spread[:, None]).sum(axis=1)

    def model(self, *, shift: float = 0.0, log_std_error: float = 0.0) -> BayesianDecoder:
        """With q(W) = p(W | X), or with one whose means are `shift` of its deviations off, and its log-deviations so much."""
        (num_examples, data_dim), condition_dim = self.x.shape, self.conditions.shape[1]
        std = np.broadcast_to(np.sqrt(self.variance), (data_dim, condition_dim))
        weight, log_spread = jnp.asarray(self.mean + shift * std, jnp.float32), np.asarray(math.log(self.scale), np.float32)
        decoder = Regression((1,), (2, data_dim), condition_dim, weight, log_spread)
        zeros = jnp.zeros((1, data_dim)), jnp.zeros(1), jnp.zeros(1)
        # q(z|x) = p(z): nothing is to be known of z.
        encoder = LinearNetwork(weight=zeros[0], bias=zeros[1], log_spread=zeros[2], in_shape=(data_dim,), out_shape=(2, 1))
        unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
        parts = encoder, DiagonalGaussian(1), StandardNormal(1), decoder, Gaussian((data_dim,), 1e-6)
        log_std = jnp.asarray(np.log(std).ravel() + log_std_error, jnp.float32)
        model = BayesianDecoder.around(SingleLayer(unchanged, unchanged, *parts), 1.0).trained_on(num_examples)
        return dataclasses.replace(model, log_std=log_std)

    def lost(self, *, shift: float = 0.0, log_std_error: float = 0.0) -> float:
        """KL(q(W) || p(W | X)) of that q: what its bound is below log p(X)."""
        return self.mean.size * (0.5 * (math.exp(2 * log_std_error) + shift**2 - 1) - log_std_error)


TRUTH = BayesianRegression.random(num_examples=12, data_dim=3, condition_dim=2)


@eqx.filter_jit
def bounds_of_batches(model: BayesianDecoder, examples: Example, keys: Key[Array, " draws"]) -> Float[Array, " draws"]:
    """The sum of all examples' bounds, a batch at a time, as training sees them; once for each key."""

    def once(key: PRNGKeyArray) -> Array:
        starts = range(0, len(examples), BATCH_SIZE)
        batches = ((start, examples[start : start + BATCH_SIZE]) for start in starts)
        records = [recorded(ELBO(), model, batch, jax.random.fold_in(key, start), jnp.int32(0)) for start, batch in batches]
        return jnp.stack([jnp.asarray(record.bound).sum() for record in records]).sum()

    return jax.vmap(once)(keys)


def evidence(model: BayesianDecoder | None = None) -> Iterator[Figure]:
    """The bound of the exact q(W) is log p(X), another's is below by their divergence, and p(x | X) is that of the books.

    - `model`: another one than the truth, which must not pass.
    """
    keys, off = jax.random.split(jax.random.key(0), NUM_DRAWS), {"shift": 0.5, "log_std_error": 0.4}
    exact = TRUTH.model() if model is None else model
    for name, each, lost in (("exact q(W)", exact, 0.0), ("a q(W) that is off", TRUTH.model(**off), TRUTH.lost(**off))):
        value, error = mean_and_error(bounds_of_batches(each, TRUTH.examples.on_device(), keys))
        yield Figure(SUBJECT, f"bound, {name}", value, TRUTH.log_evidence - lost, STANDARD_ERRORS * error, "nats")
    # New examples that happen to be equal to those of the data.
    others = TRUTH.examples
    found = estimate_evidence(exact, others, NUM_DRAWS)
    difference = float(np.mean(np.asarray(found.log_evidence, np.float64) - TRUTH.log_predictive(others)))
    error = monte_carlo_error(np.asarray(found.effective_sample_size), NUM_DRAWS, is_shared=True)
    assert error is not None
    # The bound of so many draws is below by half a relative variance, at most a hundredth of a nat here.
    yield Figure(SUBJECT, "log predictive density, less the exact one", difference, 0.0, STANDARD_ERRORS * error + 0.01, "nats")
    yield from joint_evidence(exact)


def joint_evidence(model: BayesianDecoder | None = None) -> Iterator[Figure]:
    """log p(X) of all examples from draws of W and z: each weight of the exact q(W), and the mean weight of another one.

    - `model`: another one than the truth, which must not pass.
    """
    exact = TRUTH.model() if model is None else model
    # Each sum over examples is of numbers of float32.
    found = joint_weights(exact, TRUTH.examples, JointSampling(8, 1))
    furthest = float(np.max(np.abs(found.log_weights - TRUTH.log_evidence)))
    yield Figure(SUBJECT, "log p(X) by one draw, the furthest of 8 from the exact one", furthest, 0.0, 1e-3, "nats")
    off = joint_weights(TRUTH.model(shift=0.5, log_std_error=0.4), TRUTH.examples, JointSampling(NUM_JOINT_DRAWS, 1))
    mean, error = mean_and_error(np.exp(off.log_weights - TRUTH.log_evidence))
    yield Figure(SUBJECT, "mean weight of a q(W) that is off, less p(X), relative", mean - 1, 0.0, STANDARD_ERRORS * error)
