"""Random weights of the decoder: training against Bayesian regression, and all against the model whose weights are numbers.

Bounds and predictive densities of Bayesian linear regression are among the figures of `lowerbound verify`.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.built import build_model, in_training
from support.chance import agrees

from lowerbound import VAE
from lowerbound.assembly.build import build_objective
from lowerbound.cli.evaluate import show_evaluation
from lowerbound.config import RunConfig
from lowerbound.config.catalogue import CATALOGUE
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError
from lowerbound.evaluation import Refined, anneal, estimate_evidence, harmonic_evidence, inference_gap
from lowerbound.evaluation.estimates import monte_carlo_error, name_of_elbo
from lowerbound.models import BayesianDecoder, SingleLayer, split_trained
from lowerbound.objectives import ELBO, IWAE, BetaTCVAE, check_needs, recorded
from lowerbound.training import Trainer
from lowerbound.verification import linear_gaussian
from lowerbound.verification.bayesian_regression import TRUTH


def test_kl_of_the_weights_and_their_draws_by_hand() -> None:
    model = TRUTH.model()
    flat, std = TRUTH.mean.ravel(), np.exp(np.asarray(model.log_std, np.float64))
    kl = np.sum(0.5 * (std**2 + flat**2 - 1) - np.log(std))
    assert float(model.weights_kl) == pytest.approx(kl / 12, rel=1e-5)
    assert float(model.trained_on(4).weights_kl) == pytest.approx(kl / 4, rel=1e-5)
    drawn = jax.jit(jax.vmap(lambda key: model.drawn(key).decoder.weight))(jax.random.split(jax.random.key(1), 4000))  # pyright: ignore
    z = (np.asarray(drawn, np.float64).reshape(4000, -1) - flat) / std
    assert agrees(z.mean(axis=0), 0.0, 4000**-0.5)
    assert agrees((z**2).mean(axis=0), 1.0, (2 / 4000) ** 0.5)


def _narrow() -> tuple[SingleLayer, BayesianDecoder, np.ndarray]:
    """A model of numbers, and the same with weights that are random by less than float32 can tell."""
    plain = linear_gaussian.poor_model()
    narrow = BayesianDecoder.around(plain, 1e-12).trained_on(50)
    return plain, narrow, linear_gaussian.TRUTH.draw(5, seed=2)


@pytest.mark.long
@pytest.mark.parametrize("proposal", [None, Refined(num_steps=2)])
def test_with_hardly_random_weights_the_evidence_is_that_of_the_model_of_numbers(proposal: Any) -> None:
    plain, narrow, x = _narrow()
    of_plain, of_narrow = (estimate_evidence(model, x, 128, proposal=proposal) for model in (plain, narrow))
    np.testing.assert_allclose(of_narrow.log_evidence, of_plain.log_evidence, rtol=1e-5)
    np.testing.assert_allclose(of_narrow.kl, of_plain.kl, rtol=1e-5)
    # The bound carries the weights' share besides.
    np.testing.assert_allclose(of_narrow.elbo, np.asarray(of_plain.elbo) - float(narrow.weights_kl), rtol=1e-5)


@pytest.mark.parametrize(
    "objective",
    [ELBO(), *(pytest.param(objective, marks=pytest.mark.long) for objective in (IWAE(3), BetaTCVAE(num_examples=50, beta=4.0)))],
    ids=lambda objective: type(objective).__name__,
)
def test_a_record_is_the_plain_one_and_a_share_of_the_weights_divergence(objective: Any) -> None:
    plain, narrow, x = _narrow()

    @jax.jit
    def records(key: jax.Array) -> Any:
        batch = Example(x)
        direct = objective(plain, batch, key, jnp.int32(0))
        return direct, *(recorded(objective, model, batch, key, jnp.int32(0)) for model in (plain, narrow))

    direct, of_plain, of_narrow = records(jax.random.key(4))
    jax.tree.map(np.testing.assert_array_equal, of_plain, direct)
    share = float(narrow.weights_kl)
    assert share > 0
    np.testing.assert_allclose(of_narrow.loss, of_plain.loss + share, rtol=1e-5)
    np.testing.assert_allclose(of_narrow.bound, of_plain.bound - share, rtol=1e-5)
    np.testing.assert_allclose(of_narrow.log_likelihood - of_narrow.kl, of_plain.log_likelihood - of_plain.kl - share, rtol=1e-5)


BITS = np.random.default_rng(0).integers(0, 2, (8, 5)).astype(np.uint8)
_OF_ONE_POINT = {name for name in CATALOGUE["objective"] if "autoencoder" in name or name == "rae-l2"}


@pytest.mark.parametrize("name", CATALOGUE["objective"])
def test_every_objective_trains_random_weights_but_that_of_labels(name: str) -> None:
    sections = {"model": {"name": "bayesian-decoder", "latent_dim": 2}, "network": {"hidden_widths": [4]}}
    sections |= {"objective": {"name": name}} | ({"posterior": {"name": "deterministic"}} if name in _OF_ONE_POINT else {})
    config = RunConfig.from_dict(sections)
    model = build_model(config, describe(BITS), jax.random.key(0), examples=BITS)
    objective = build_objective(config, 5, 50)
    if name == "semi-supervised":
        with pytest.raises(ConfigurationError, match=r"model\.name=semi-supervised"):
            check_needs(objective, model)
        return
    check_needs(objective, model)
    batch, state = in_training(objective, model, BITS)
    parts: Any = (objective, model, batch, jax.random.key(0), jnp.int32(0), state)
    loss = eqx.filter_eval_shape(lambda: recorded(*parts, training=True)).loss
    assert loss.shape == ()


def test_training_finds_the_posterior_of_the_weights() -> None:
    start = TRUTH.model(shift=3.0, log_std_error=-1.5)
    options = TrainingConfig(epochs=400, batch_size=4, learning_rate=0.02, learning_rate_schedule="cosine")
    # A model that was made for other data is told of these.
    trainer = Trainer(start.trained_on(999), TRUTH.examples, TRUTH.examples[:0], ELBO(), options)
    progress = trainer.run(trainer.start())
    found: Any = trainer.model_of(progress)
    assert float(found.num_examples) == 12
    exact = TRUTH.model()
    distance = np.asarray(found.at_mean.decoder.weight - exact.at_mean.decoder.weight).ravel() / np.exp(exact.log_std)  # pyright: ignore
    assert np.abs(distance).max() < 0.5
    np.testing.assert_allclose(found.log_std, exact.log_std, atol=0.25)


def test_two_priors_of_the_weights_are_refused() -> None:
    options = TrainingConfig(optimizer="adagrad", weight_prior=1.0)
    with pytest.raises(ConfigurationError, match=r"training.weight_prior is 1, but the weights .* set training.weight_prior=0"):
        Trainer(TRUTH.model(), TRUTH.examples, TRUTH.examples[:0], ELBO(), options)


_RNG = np.random.default_rng(0)
DATA = (_RNG.normal(size=(60, 1)) * [1.0, -2.0, 0.5] + 0.5 * _RNG.normal(size=(60, 3))).astype(np.float32)


@pytest.fixture(scope="module")
def vae() -> VAE:
    sections = {"model": {"initial_std": 0.1}}
    options = {"hidden_widths": (8,), "epochs": 3, "batch_size": 10, "automatic": False, "validation": 10, "random_state": 0}
    weight = np.where(np.arange(60) < 30, 2.0, 1.0)
    return VAE(2, model="bayesian-decoder", config=sections, **options).fit(DATA, sample_weight=weight)


def test_it_counts_by_weight_and_is_saved_and_loaded_with_what_it_counted(vae: VAE, tmp_path: Path) -> None:
    model = vae.model_
    assert isinstance(model, BayesianDecoder)
    # Fifty of the rows were trained on.
    assert 50 < float(model.num_examples) < 90
    vae.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model").model_
    jax.tree.map(np.testing.assert_array_equal, *(jax.tree.map(np.asarray, jax.tree.leaves(each)) for each in (loaded, model)))


@pytest.mark.long
def test_samples_have_weights_of_their_own_and_means_those_in_the_middle(vae: VAE) -> None:
    @eqx.filter_jit
    def said(model: BayesianDecoder, key: jax.Array) -> Any:
        z = jnp.ones(2)
        means = jax.vmap(lambda key: model.drawn(key).decode_mean(z))(jax.random.split(key))
        drawn = model.decode_draw(z, key), model.drawn(key).decode_draw(z, key)
        return model.decode_mean(z), means, drawn, model.replicate(Example(DATA[0]), z, jax.random.split(key, 3))

    model = vae.model_
    at_mean, means, drawn, (mean, draws) = said(model, jax.random.key(0))
    wide = said(dataclasses.replace(model, log_std=model.log_std + 2), jax.random.key(0))
    np.testing.assert_array_equal(wide[0], at_mean)
    np.testing.assert_allclose(*drawn, rtol=1e-6)
    assert np.abs(np.asarray(means[0] - means[1])).max() > 0
    assert (mean.shape, draws.shape) == ((3,), (3, 3))
    assert vae.sample(4, random_state=0).shape == (4, 3)


@pytest.mark.long
def test_it_is_examined_like_any_other(vae: VAE) -> None:
    assert vae.reconstruct(DATA).shape == DATA.shape
    assert vae.doctor(DATA).findings is not None
    assert vae.latents(DATA) is not None


def test_scores_say_what_they_are_bounds_on(vae: VAE, capsys: pytest.CaptureFixture[str]) -> None:
    found = vae.evaluate(DATA, 64)
    assert found.weights_kl_nats == pytest.approx(float(vae.model_.weights_kl))
    assert found.to_json()["weights_kl_nats"] > 0
    assert found.evidence.method == (
        "log predictive density: importance sampling from the posterior and the weights from q(weights)"
    )
    show_evaluation(found)
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "a lower bound on log p(X) / N" in printed
    assert "log p(x)" not in printed
    assert name_of_elbo("total", 0.5).endswith("0.5 nats: for all N training examples X a lower bound on log p(X | totals) / N")
    # Errors of draws that all examples share need not even out.
    sizes = np.array([20.0, 50.0])
    by_hand = np.mean(np.sqrt(1 / sizes - 1 / 100))
    assert monte_carlo_error(sizes, 100, is_shared=True) == pytest.approx(by_hand)


def test_what_moves_z_alone_is_refused(vae: VAE) -> None:
    for method in (anneal, harmonic_evidence, inference_gap):
        with pytest.raises(
            ConfigurationError, match=r"weights of this model's decoder are random.* z alone.*--method importance"
        ):
            method(vae.model_, DATA[:2])


@pytest.mark.long
def test_each_half_can_be_held_fixed(vae: VAE) -> None:
    trained, rest = split_trained(vae.model_)

    @jax.jit
    def gradients(trained: Any) -> Any:
        def total(trained: Any, half: Any) -> jax.Array:
            model = eqx.combine(trained, rest).detached(half)
            return recorded(ELBO(), model, Example(DATA[:4]), jax.random.key(0), jnp.int32(0)).loss

        found = {half: jax.grad(total)(trained, half) for half in ("recognition", "generative")}
        parts = {half: {"weights": each.log_std, "encoder": each.at_mean.encoder} for half, each in found.items()}
        return jax.tree.map(lambda leaf: jnp.abs(leaf).sum(), parts)

    found = {
        half: {name: sum(jax.tree.leaves(part)) for name, part in parts.items()} for half, parts in gradients(trained).items()
    }
    assert found["recognition"]["weights"] > 0 == found["recognition"]["encoder"]
    assert found["generative"]["encoder"] > 0 == found["generative"]["weights"]
