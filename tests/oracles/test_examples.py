"""What an example carries besides x: a weight counts as copies of the row, and an element that is not observed as its absence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from support.built import build_model

from lowerbound.config import RunConfig
from lowerbound.config.sections import TrainingConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.errors import ConfigurationError, DataError
from lowerbound.evaluation import estimate_evidence
from lowerbound.evaluation.estimates import mean_and_error, monte_carlo_error
from lowerbound.evaluation.latents import active_units
from lowerbound.evaluation.predictive import predictive_check
from lowerbound.models import SingleLayer
from lowerbound.objectives import (
    CIWAE,
    DIPVAEI,
    DIPVAEII,
    ELBO,
    IWAE,
    MIWAE,
    PIWAE,
    AbstractObjective,
    Autoencoder,
    BetaTCVAE,
    DenoisingAutoencoder,
    InfoVAE,
    RegularisedAutoencoder,
    RenyiBound,
    SparseAutoencoder,
    WassersteinAutoencoder,
)
from lowerbound.runs.model_folder import load_arrays_into, save_model_folder
from lowerbound.training import Trainer

TABLE = np.exp(np.random.default_rng(0).normal(size=(40, 3))).astype(np.float32)
HIDDEN = np.random.default_rng(1).random(TABLE.shape) < 0.4
OF_DENSITIES: tuple[AbstractObjective, ...] = (
    ELBO(num_samples=2),
    ELBO(free_nats=0.1),
    ELBO(capacity_nats=2.0, capacity_steps=1),
    ELBO(gradient="stl"),
    IWAE(3, "dreg"),
    MIWAE(2, 2),
    CIWAE(2),
    PIWAE(2, 2),
    RenyiBound(2),
    BetaTCVAE(num_examples=20),
    DIPVAEI(),
    DIPVAEII(),
    InfoVAE(alpha=0.5, kernel="rbf"),
    WassersteinAutoencoder(),
)
OF_CODES: tuple[AbstractObjective, ...] = (
    Autoencoder(),
    DenoisingAutoencoder(0.0),
    SparseAutoencoder(),
    RegularisedAutoencoder(),
    WassersteinAutoencoder(),
)


def model_of(likelihood: str, **sections: Any) -> SingleLayer:
    config = {"model": {"latent_dim": 2}, "network": {"hidden_widths": [4]}, "likelihood": {"name": likelihood}, **sections}
    model = build_model(RunConfig.from_dict(config), describe(TABLE), jax.random.key(0))
    assert isinstance(model, SingleLayer)
    return model


@pytest.fixture
def same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example has the same noise wherever it stands in a batch, so that a copy of a row is its copy in everything."""
    log_terms, sample_latent = SingleLayer.log_terms, SingleLayer.sample_latent
    monkeypatch.setattr(SingleLayer, "log_terms", lambda self, x, key, draws: log_terms(self, x, jax.random.key(1), draws))
    monkeypatch.setattr(SingleLayer, "sample_latent", lambda self, key, given=None: sample_latent(self, jax.random.key(2), given))


@pytest.mark.usefixtures("same_draws")
@pytest.mark.parametrize(
    ("objectives", "posterior"), [(OF_DENSITIES, "diagonal-gaussian"), (OF_CODES, "deterministic")], ids=["densities", "codes"]
)
def test_a_row_of_weight_2_is_the_row_twice_and_one_of_weight_0_is_not_there(
    objectives: tuple[AbstractObjective, ...], posterior: str
) -> None:
    model = model_of("gaussian", posterior={"name": posterior})

    @eqx.filter_jit
    def records(batch: Example) -> list[Any]:
        said = [one(model, batch, jax.random.key(0), jnp.int32(0)) for one in objectives]
        return [(one.loss, one.monitors, None if one.bound is None else batch.mean(one.bound)) for one in said]

    weighted = records(Example(jnp.asarray(TABLE[:4]), weight=jnp.asarray([2.0, 1.0, 0.0, 3.0])))
    copies = records(Example(jnp.asarray(TABLE[[0, 0, 1, 3, 3, 3]])))
    without = records(Example(jnp.asarray(TABLE[:4]), weight=jnp.ones(4)))
    for objective, found, expected, other in zip(objectives, weighted, copies, without, strict=True):
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=2e-5), objective
        assert float(found[0]) != pytest.approx(float(other[0]), rel=1e-3), objective
        for one, two in zip(jax.tree.leaves(found[1:]), jax.tree.leaves(expected[1:]), strict=True):
            assert float(one) == pytest.approx(float(two), rel=2e-5), objective


def test_a_batch_that_weighs_nothing_has_mean_0_and_what_weighs_nothing_may_be_nan() -> None:
    values = jnp.asarray([1.0, jnp.nan])
    assert float(Example(values, weight=jnp.zeros(2)).mean(values)) == 0
    assert float(Example(values, weight=jnp.asarray([0.5, 0.0])).mean(values)) == 1


def test_means_errors_and_active_latents_of_weighted_scores_are_those_of_copies() -> None:
    values, weight = np.random.default_rng(0).normal(size=(5, 2)), np.array([2.0, 1.0, 3.0, 1.0, 1.0])
    copies = np.repeat(values, weight.astype(int), axis=0)
    np.testing.assert_allclose(mean_and_error(values[:, 0], weight), mean_and_error(copies[:, 0]))
    for scale in (0.05, 0.3):
        np.testing.assert_array_equal(active_units(scale * values, weight), active_units(scale * copies))
    # One estimate that counts twice, and not two with noise of their own.
    assert monte_carlo_error(np.array([5.0]), 10, np.array([2.0])) == monte_carlo_error(np.array([5.0]), 10)


@pytest.mark.parametrize("likelihood", ["laplace", "log-normal"])
def test_the_likelihood_is_that_of_the_observed_elements_and_what_is_hidden_reaches_nothing(likelihood: str) -> None:
    model, z = model_of(likelihood), jnp.asarray([0.3, -0.2])
    x, observed = jnp.asarray(TABLE[:5]), jnp.asarray(~HIDDEN[:5])

    @eqx.filter_jit
    def said(model: SingleLayer, hidden: float) -> Any:
        def one(model: SingleLayer) -> Any:
            batch = Example(jnp.where(observed, x, hidden), observed=observed)
            log_likelihood = jax.vmap(lambda example: model.log_likelihood(example, z))(batch)
            return ELBO()(model, batch, jax.random.key(0), jnp.int32(0)).loss, log_likelihood

        return eqx.filter_value_and_grad(one, has_aux=True)(model)

    of_nan, of_number = said(model, float("nan")), said(model, 1e6)
    assert eqx.tree_equal(of_nan, of_number)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(of_nan))
    y, params = model.transform.forward(x), np.asarray(model.decoder(z), np.float64)
    location, scale = params[0], np.asarray(model.likelihood.distribution(jnp.asarray(params, jnp.float32)).base_dist.scale)  # pyright: ignore
    law: Any = (
        scipy.stats.laplace(location, scale) if likelihood == "laplace" else scipy.stats.lognorm(scale, scale=np.exp(location))
    )
    by_element = law.logpdf(np.asarray(y, np.float64)) - np.log(np.broadcast_to(model.transform.scale, (3,)))
    np.testing.assert_allclose(of_nan[0][1], np.where(~HIDDEN[:5], by_element, 0).sum(axis=1), rtol=1e-4, atol=1e-5)


def test_a_model_trains_on_examples_with_holes_and_is_evaluated_and_saved(tmp_path: Path) -> None:
    data = Example(np.where(HIDDEN, np.nan, TABLE), observed=~HIDDEN)
    trainer = Trainer(model_of("gaussian"), data[:30], data[30:], ELBO(), TrainingConfig(epochs=2, batch_size=10))
    model = trainer.model_of(trainer.run(trainer.start()))
    found = estimate_evidence(model, data, 8)
    assert np.isfinite(found.log_evidence).all()
    complete = estimate_evidence(model, Example(TABLE, observed=np.ones_like(HIDDEN)), 8)
    np.testing.assert_allclose(complete.log_evidence, estimate_evidence(model, TABLE, 8).log_evidence, rtol=1e-5)
    save_model_folder(tmp_path / "model", {}, describe(TABLE), model)
    loaded = load_arrays_into(tmp_path / "model", model_of("gaussian"))
    np.testing.assert_array_equal(estimate_evidence(loaded, data, 8).log_evidence, found.log_evidence)


def test_training_and_evidence_refuse_holes_that_the_likelihood_cannot_leave_out() -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (12, 2, 2, 3)).astype(np.uint8)
    config = {"network": {"hidden_widths": [4]}, "likelihood": {"name": "discretized-logistic-mixture"}}
    model = build_model(RunConfig.from_dict(config), describe(pictures), jax.random.key(0))
    observed = np.ones(pictures.shape, bool)
    observed[3, 1, 0, 2] = False
    holes = Example(pictures, observed=observed)
    message = r"observed is False for some elements, but .* example 3 has a pixel of which only some are hidden"
    with pytest.raises(ConfigurationError, match=message):
        Trainer(model, holes, pictures, ELBO(), TrainingConfig(epochs=1))
    with pytest.raises(ConfigurationError, match=message):
        Trainer(model, pictures, holes, ELBO(), TrainingConfig(epochs=1))
    with pytest.raises(ConfigurationError, match=message):
        estimate_evidence(model, holes, 8)
    observed[3, 1, 0] = False
    Trainer(model, Example(pictures, observed=observed), pictures, ELBO(), TrainingConfig(epochs=1))


def test_a_model_says_what_its_latents_are_and_how_much_a_draw_of_them_takes() -> None:
    (block,) = model_of("gaussian").latent_blocks
    assert block == (2, "euclidean", "DiagonalGaussian", True, True, True, False, 1, False)
    (block,) = model_of("gaussian", posterior={"name": "full-gaussian"}, prior={"name": "mixture-of-gaussians"}).latent_blocks
    assert block == (2, "euclidean", "FullGaussian", False, False, False, False, 1, False)
    (block,) = model_of("gaussian", posterior={"name": "coupling-spline"}).latent_blocks
    assert (block.is_flow, block.least_dim) == (True, 2)
    assert model_of("gaussian").outputs_per_example == 6
    with pytest.raises(DataError, match="outside the support of the likelihood 'log-normal'"):
        model_of("log-normal").check_values(-TABLE)


def test_what_cannot_be_left_out_is_refused_with_what_can() -> None:
    with pytest.raises(DataError, match=r"observed has shape \(3,\), but x has \(40, 3\); give one boolean for each element"):
        Example(TABLE, observed=np.ones(3, bool))
    example = Example(TABLE[0], observed=~HIDDEN[0])
    with pytest.raises(ConfigurationError, match=r"these have `weight`\. Give it examples without"):
        predictive_check(model_of("laplace"), Example(TABLE, weight=np.ones(40, np.float32)))
    counts = np.round(TABLE * 10)
    config = RunConfig.from_dict({"likelihood": {"name": "poisson"}, "network": {"hidden_widths": [4]}})
    model = build_model(config, describe(counts), jax.random.key(0))
    with pytest.raises(ConfigurationError, match=r"Poisson is one of counts given their sum, which is not known where"):
        model.log_likelihood(dataclasses.replace(example, x=counts[0]), jnp.zeros(model.latent_dim))
