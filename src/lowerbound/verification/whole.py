"""Whole models: bits of uniform levels, a change of units, gradients, and the same numbers from the same seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.stats
from jaxtyping import Array

from ..assembly.build import build_model, resolve
from ..config import RunConfig
from ..config.sections import TrainingConfig
from ..data.describe import describe
from ..data.examples import Example
from ..data.spec import DataSpec
from ..evaluation import active_units, evaluate, posterior_means
from ..evaluation.aggregate import aggregate_posterior
from ..evaluation.disentanglement import (
    factor_bins,
    factor_vae_score,
    groups_of_data,
    modularity,
    mutual_information,
    mutual_information_gap,
    sap,
)
from ..evaluation.disentanglement.information import entropy, information_bias
from ..models import AbstractLatentVariableModel, SingleLayer, split_trained
from ..objectives import ELBO
from ..training import Trainer
from .figure import STANDARD_ERRORS, Figure
from .linear_gaussian import TRUTH

_Tree = TypeVar("_Tree")


def _described_and_built(data: np.ndarray, likelihood: str = "gaussian", **network: Any) -> tuple[DataSpec, SingleLayer]:
    """What data are, and a small model with fresh weights for them."""
    sections = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [8], **network}, "likelihood": {"name": likelihood}}
    spec = describe(data)
    model = build_model(resolve(RunConfig.from_dict(sections), spec), spec, jax.random.key(0))
    assert isinstance(model, SingleLayer)
    return spec, model


def _silenced(tree: _Tree) -> _Tree:
    """The same networks, with weights and biases of 0."""
    return jax.tree.map(lambda leaf: jnp.zeros_like(leaf) if eqx.is_inexact_array(leaf) else leaf, tree)


def uniform_levels(logits: np.ndarray | None = None) -> Iterator[Figure]:
    """A model that is exactly uniform over 256 levels needs log2 256 = 8 bits for each element.

    - `logits`: of the levels, along the first of three axes; those of a uniform law by default.
    """
    data = np.random.default_rng(0).integers(0, 256, (20, 3, 2)).astype(np.uint8)
    data.flat[:2] = 0, 255
    spec, model = _described_and_built(data, "categorical")
    shape = model.decoder.out_shape
    found = np.zeros(shape, np.float32) if logits is None else np.broadcast_to(logits, shape).astype(np.float32)
    # Networks without weights: q(z|x) is the prior, and the decoder says its bias.
    encoder, decoder = _silenced((model.encoder, model.decoder))
    model = eqx.tree_at(lambda model: (model.encoder, model.decoder), model, (encoder, decoder.with_output_bias(found)))
    scores = evaluate(model, spec, data, num_samples=10)
    bits = math.nan if scores.bits_per_dim is None else scores.bits_per_dim
    yield Figure("uniform law over 256 levels", "bits per dimension", bits, 8.0, 1e-5, "bits")


def unit_scale() -> Iterator[Figure]:
    """The figure for data scaled to [0, 1] is the one that the same independent normals give in those units, by SciPy."""
    data = np.random.default_rng(2).integers(0, 256, (40, 2, 3)).astype(np.uint8)
    spec, model = _described_and_built(data)
    # q(z|x) is the prior, and a fresh decoder that z says nothing to stands for the data's own means and deviations.
    model = eqx.tree_at(lambda model: model.encoder, model, _silenced(model.encoder))
    model = eqx.tree_at(lambda model: model.decoder.layers[-1].weight, model, replace_fn=jnp.zeros_like)
    scores = evaluate(model, spec, data, num_samples=10)
    scaled = data.reshape(40, -1) / 255
    truth = float(scipy.stats.norm.logpdf(scaled, scaled.mean(axis=0), scaled.std(axis=0)).sum(axis=1).mean())
    for name in ("elbo", "log_evidence"):
        found = getattr(scores, f"unit_scale_{name}_nats")
        value = math.nan if found is None else found
        yield Figure("8-bit data under normals", f"{name} for data scaled to [0, 1]", value, truth, 1e-4, "nats")


def change_of_units(factor: float = 1000.0, expected: float | None = None) -> Iterator[Figure]:
    """Data in another unit: the log-density shifts by -log c for each number that has one, and nothing else changes.

    Values that recur have probabilities, which are the same in every unit.
    """
    data = np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32) * np.float32(3) + np.float32(1)
    recurring = data.copy()
    recurring[:20, 0] = 5.0
    for what, likelihood, rows, counted in (
        ("data", "gaussian", data, 4.0),
        ("data with values that recur,", "inflated-gaussian-mixture", recurring, 4.0 - 20 / 50),
    ):
        found: list[float] = []
        for scale in (1.0, factor):
            spec, model = _described_and_built(rows * np.float32(scale), likelihood)
            found.append(evaluate(model, spec, rows * np.float32(scale), num_samples=10).log_evidence_nats)
        truth = -counted * math.log(factor) if expected is None else expected
        yield Figure(f"{what} multiplied by {factor:g}", "shift of the log-density", found[1] - found[0], truth, 2e-3, "nats")


def path_gradient(objective: ELBO | None = None) -> Iterator[Figure]:
    """At the exact posterior the sticking-the-landing gradient of the encoder is 0 for each draw, not only on average.

    (Roeder et al. 2017, arXiv 1703.09194, section 3.)
    """
    objective = ELBO(gradient="stl") if objective is None else objective
    largest = _encoder_gradient(objective, TRUTH.model(), jnp.asarray(TRUTH.draw(5, seed=2)))
    yield Figure("sticking the landing at the exact posterior", "largest gradient of a draw", float(largest), 0.0, 1e-3, "nats")


@eqx.filter_jit
def _encoder_gradient(objective: ELBO, model: SingleLayer, batch: Array) -> Array:
    trained, rest = split_trained(model)

    def loss(trained: Any, key: Array) -> Array:
        return objective(eqx.combine(trained, rest), Example(batch), key, jnp.int32(0), training=True).loss

    gradients = jax.vmap(jax.grad(loss), (None, 0))(trained, jax.random.split(jax.random.key(1), 20))
    return jnp.stack([jnp.abs(leaf).max() for leaf in jax.tree.leaves(gradients.encoder)]).max()


def training_and_validation(dropout: float = 0.0) -> Iterator[Figure]:
    """Training and validation say the same of the same examples and draws, to the last bit.

    - `dropout`: what may differ, being on in training alone.
    """
    data = np.random.default_rng(6).standard_normal((20, 4)).astype(np.float32)
    _, model = _described_and_built(data, dropout=dropout)
    objective, batch = ELBO(num_samples=3), Example(jnp.asarray(data))
    both = [_record(objective, model, batch, training=training) for training in (True, False)]
    difference = max(float(jnp.abs(a - b).max()) for a, b in zip(*map(jax.tree.leaves, both), strict=True))
    yield Figure("one batch, in training and in validation", "largest difference", difference, 0.0, 0.0, "nats")


@eqx.filter_jit
def _record(objective: ELBO, model: AbstractLatentVariableModel, batch: Example, *, training: bool) -> Any:
    return objective(model, batch, jax.random.key(1), jnp.int32(0), training=training)


def same_seed_same_numbers(seeds: tuple[int, int] = (0, 0)) -> Iterator[Figure]:
    """Two trainings from one seed end in the same weights, bit for bit, and codes are the same each time."""
    data = np.random.default_rng(2).standard_normal((60, 4)).astype(np.float32)
    models: list[AbstractLatentVariableModel] = []
    for seed in seeds:
        options = TrainingConfig(epochs=2, batch_size=20, seed=seed)
        trainer = Trainer(_described_and_built(data)[1], data[:40], data[40:], ELBO(), options)
        models.append(trainer.model_of(trainer.run(trainer.start())))
    leaves = zip(*(jax.tree.leaves(split_trained(model)[0]) for model in models), strict=True)
    difference = max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in leaves)
    yield Figure("two trainings from one seed", "largest difference of a weight", difference, 0.0, 0.0)
    codes = [posterior_means(model, data) for model in (models[0], models[0])]
    yield Figure("encoding twice", "largest difference of a code", float(np.abs(codes[0] - codes[1]).max()), 0.0, 0.0)


def latents(turned: bool = False) -> Iterator[Figure]:
    r"""Statistics of codes where their values are known.

    Burda's on codes of variance 1, 0.02, 0.005 and 0. The parts of the mean KL on the linear-Gaussian model, where
    I(x; z) = (1/2) log det(I + W^T W / s^2) and q(z) is the prior. Scores of codes that are their factors, in another order and
    on other scales: 1.

    - `turned`: whether these codes are turned by half a right angle first, so that each knows of two factors.
    """
    means = np.random.default_rng(3).standard_normal((1000, 4))
    means = (means - means.mean(axis=0)) / means.std(axis=0) * np.sqrt([1.0, 0.02, 0.005, 0.0])
    yield Figure("codes of variance 1, 0.02, 0.005 and 0", "active units", float(active_units(means).sum()), 2.0, 0.0)
    found = aggregate_posterior(TRUTH.model(), TRUTH.draw(1000, seed=4))
    told = 0.5 * np.linalg.slogdet(np.eye(2) + TRUTH.weight.T @ TRUTH.weight / TRUTH.scale**2)[1]
    # The errors of the one draw an example, and the bias of a mean over 1000 codes in place of all.
    tolerance = STANDARD_ERRORS * found.mutual_information_error + 0.03
    yield Figure("probabilistic PCA", "I(x; z)", found.mutual_information_nats, float(told), tolerance, "nats")
    correlation, error = found.total_correlation_nats or 0.0, found.total_correlation_error or 0.0
    yield Figure("probabilistic PCA", "total correlation of q(z)", correlation, 0.0, STANDARD_ERRORS * error + 0.03, "nats")
    factors = np.random.default_rng(5).uniform(size=(2000, 3))
    codes = factors[:, [2, 0, 1]] * [1.0, -3.0, 2.0]
    if turned:
        codes[:, :2] = (codes[:, :2] - codes[:, :2].mean(axis=0)) / codes[:, :2].std(axis=0) @ [[1, 1], [-1, 1]]
    binned = factor_bins(factors)
    information = mutual_information(codes, binned)
    scores = {
        "MIG": mutual_information_gap(information, entropy(binned)),
        "SAP": sap(codes, factors),
        "modularity": modularity(information, information_bias(len(codes))),
        "FactorVAE score": factor_vae_score(groups_of_data(codes, binned), np.var(codes, axis=0)),
    }
    for name, score in scores.items():
        yield Figure("codes that are their factors", name, score, 1.0, 0.05)
