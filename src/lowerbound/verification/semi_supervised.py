r"""The smallest model with a label whose every number is known: probabilistic PCA with a centre of its own for each class.

    y ~ 1 / K,   z ~ N(0, I),   x | y, z ~ N(W z + b_y, s^2 I)   =>   x | y ~ N(b_y, C),   C = W W^T + s^2 I

So p(x) is a mixture of Gaussians, p(y|x) is a softmax of linear functions of x, and with orthogonal columns of W the posterior of
z given x and y is a diagonal Gaussian: all three networks can hold the truth.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Array, Float, Key

from ..data.examples import Example
from ..data.transforms import Affine
from ..evaluation import estimate_evidence
from ..evaluation.estimates import mean_and_error
from ..likelihoods import Gaussian
from ..models import Draws, SemiSupervised, SingleLayer
from ..networks import MLP
from ..objectives import SemiSupervisedELBO
from ..objectives.base import batch_terms
from ..posteriors import DiagonalGaussian
from ..priors import StandardNormal
from .figure import STANDARD_ERRORS, Figure

SUBJECT = "classes of linear-Gaussian data"
NUM_DRAWS = 400


def _linear(in_dim: int, out_shape: tuple[int, ...], weight: np.ndarray, bias: np.ndarray, num_classes: int = 0) -> MLP:
    """A network without hidden layers; `weight` is (in_dim + num_classes, numbers in out_shape)."""
    network = MLP((in_dim,), out_shape, hidden_widths=(), condition_dim=num_classes, key=jax.random.key(0))
    weights = jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32)
    return eqx.tree_at(lambda network: (network.layers[0].weight, network.layers[0].bias), network, weights)


@dataclasses.dataclass(frozen=True)
class LabelledGaussians:
    """The truth, in double precision: W, (data, latent) with orthogonal columns; the centres, (classes, data); and s."""

    weight: np.ndarray
    centres: np.ndarray
    scale: float

    @classmethod
    def random(cls, num_classes: int, data_dim: int, latent_dim: int, seed: int = 0) -> LabelledGaussians:
        """Random W and centres; s = 0.7."""
        rng = np.random.default_rng(seed)
        weight = np.linalg.qr(rng.normal(size=(data_dim, latent_dim)))[0] * np.linspace(2, 1, latent_dim)
        return cls(weight, rng.normal(size=(num_classes, data_dim)), 0.7)

    def draw(self, num_examples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Examples and their classes."""
        rng = np.random.default_rng(seed)
        (data_dim, latent_dim), y = self.weight.shape, rng.integers(0, len(self.centres), num_examples)
        noise = self.scale * rng.normal(size=(num_examples, data_dim))
        x = rng.normal(size=(num_examples, latent_dim)) @ self.weight.T + self.centres[y] + noise
        return x.astype(np.float32), y

    def log_joint(self, x: np.ndarray) -> np.ndarray:
        """log p(x, y) of each example and class, (n, classes)."""
        covariance = self.weight @ self.weight.T + self.scale**2 * np.eye(len(self.weight))
        law: Any = scipy.stats.multivariate_normal  # SciPy's stubs take the covariance for a number
        each = [law.logpdf(np.asarray(x, np.float64), centre, covariance) for centre in self.centres]
        return np.stack(each, axis=1) - np.log(len(self.centres))

    def log_evidence(self, x: np.ndarray) -> np.ndarray:
        """log p(x) of each example."""
        return np.asarray(scipy.special.logsumexp(self.log_joint(x), axis=1))

    def model(self, *, variance_factor: float = 1.0, class_scale: float = 1.0) -> SemiSupervised:
        """With exact q(z|x, y) and q(y|x); or with variances so many times too large, and logits so many times too far apart."""
        (data_dim, latent_dim), num_classes = self.weight.shape, len(self.centres)
        m = np.sum(self.weight**2, axis=0) + self.scale**2
        to_latent = self.weight.T / m[:, None]
        precision = np.linalg.inv(self.weight @ self.weight.T + self.scale**2 * np.eye(data_dim))
        log_variance = np.log(variance_factor * self.scale**2 / m)
        encoder = _linear(
            data_dim,
            (2, latent_dim),
            np.pad(np.concatenate([to_latent.T, -self.centres @ to_latent.T]), ((0, 0), (0, latent_dim))),
            np.concatenate([np.zeros(latent_dim), log_variance]),
            num_classes,
        )
        decoder = _linear(
            latent_dim,
            (2, data_dim),
            np.pad(np.concatenate([self.weight.T, self.centres]), ((0, 0), (0, data_dim))),
            np.concatenate([np.zeros(data_dim), np.full(data_dim, np.log(self.scale))]),
            num_classes,
        )
        logits = precision @ self.centres.T, -0.5 * np.einsum("kd,de,ke->k", self.centres, precision, self.centres)
        classifier = _linear(data_dim, (num_classes,), class_scale * logits[0], class_scale * logits[1])
        unchanged = Affine(shift=np.float32(0), scale=np.float32(1))
        posterior, prior = DiagonalGaussian(latent_dim), StandardNormal(latent_dim)
        given_class = SingleLayer(unchanged, unchanged, encoder, posterior, prior, decoder, Gaussian((data_dim,), 1e-6))
        return SemiSupervised(given_class, classifier)


TRUTH = LabelledGaussians.random(num_classes=3, data_dim=4, latent_dim=2)


@eqx.filter_jit
def _log_weights(model: SemiSupervised, data: Example, key: Key[Array, ""]) -> Float[Array, "examples draws"]:
    terms = batch_terms(model, data, key, Draws(20))
    return terms.log_likelihood + terms.log_prior - terms.log_posterior


@eqx.filter_jit
def _bounds(model: SemiSupervised, data: Example, keys: Key[Array, " draws"]) -> Float[Array, "draws examples"]:
    objective = SemiSupervisedELBO()
    return jax.vmap(lambda key: jnp.asarray(objective(model, data, key, jnp.int32(0)).bound))(keys)


def labels(model: SemiSupervised | None = None) -> Iterator[Figure]:
    """Log-weights of the exact q are log p(x); bounds are log p(x) and log p(x, y), less what a wrong q(y|x) loses.

    - `model`: another one than the truth, which must not pass.
    """
    exact = TRUTH.model() if model is None else model
    x, y = TRUTH.draw(40, seed=1)
    log_joint, log_evidence = TRUTH.log_joint(x), TRUTH.log_evidence(x)
    label, keys = np.eye(len(TRUTH.centres), dtype=np.float32)[y], jax.random.split(jax.random.key(0), NUM_DRAWS)
    weights = np.asarray(_log_weights(exact, Example(x), keys[0]), np.float64)
    furthest = float(np.abs(weights - log_evidence[:, None]).max())
    yield Figure(SUBJECT, "log-weight furthest from log p(x)", furthest, 0.0, 5e-5, "nats")
    blunt = TRUTH.model(class_scale=0.3)
    shares = scipy.special.softmax(0.3 * log_joint, axis=1)
    lost = np.sum(shares * (np.log(shares) - (log_joint - log_evidence[:, None])), axis=1)
    for name, each, data, truth in (
        ("bound without a label", exact, Example(x), log_evidence),
        ("bound with a label", exact, Example(x, label), log_joint[np.arange(len(y)), y]),
        ("bound of a blunt q(y|x)", blunt, Example(x), log_evidence - lost),
    ):
        value, error = mean_and_error(np.asarray(_bounds(each, data, keys), np.float64).mean(axis=1))
        yield Figure(SUBJECT, f"{name}, less the exact one", value - float(truth.mean()), 0.0, STANDARD_ERRORS * error, "nats")
    # So many draws of a q that is off give the evidence all the same.
    off = estimate_evidence(TRUTH.model(variance_factor=1.5, class_scale=0.5), x, 4000)
    difference = float(np.mean(np.asarray(off.log_evidence, np.float64) - log_evidence))
    yield Figure(SUBJECT, "log p(x) of another q, less the exact one", difference, 0.0, 0.02, "nats")
