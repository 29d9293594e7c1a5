"""The estimator against a density known in closed form, against the jobs it calls, and inside scikit-learn's own tools."""

from __future__ import annotations

import inspect
import math
import pickle
from typing import Any

import jax
import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.built import build_model
from support.chance import differs, not_above

from lowerbound import VAE
from lowerbound.assembly.build import build_objective, resolve
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import for_device
from lowerbound.data.splits import shuffled_split
from lowerbound.errors import DataError, DataWarning
from lowerbound.estimator.parameters import PARAMETERS
from lowerbound.evaluation.estimates import mean_and_error
from lowerbound.likelihoods import Bernoulli
from lowerbound.objectives import ELBO
from lowerbound.posteriors import DiagonalGaussian
from lowerbound.priors import StandardNormal
from lowerbound.training import Trainer

# Height in cm and weight in kg: a Gaussian whose density is known.
_TRUTH = scipy.stats.multivariate_normal([170.0, 73.0], np.array([[100.0, 90.0], [90.0, 90.0]]))  # pyright: ignore[reportArgumentType]
PEOPLE = _TRUTH.rvs(500, random_state=0)
UNSEEN = _TRUTH.rvs(2000, random_state=1)
DIGITS: Any = load_digits()
SMALL = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 5, "random_state": 0, "automatic": False}
BEST = {"early_stopping_patience": 100, "automatic": False}


def people_vae(**changes) -> VAE:
    return VAE(**{"latent_dim": 2, "hidden_widths": (32,), "learning_rate": 0.01, "random_state": 0, **BEST, **changes})


@pytest.fixture(scope="module")
def vae() -> VAE:
    return people_vae().fit(PEOPLE)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return (DIGITS.images[:300, :, 2:6] * 15).astype(np.uint8)


@pytest.fixture(scope="module")
def image_vae(images) -> VAE:
    return VAE(latent_dim=8, hidden_widths=(32,), epochs=100, learning_rate=0.01, random_state=0, **BEST).fit(images)


def arrays(model) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(model) if isinstance(leaf, np.ndarray | jax.Array)]


def same_model(a: VAE, b: VAE) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(arrays(a.model_), arrays(b.model_), strict=True))


# The number ------------------------------------------------------------------------------------------------------------------


def test_scores_are_the_known_log_densities_of_the_users_units(vae):
    gap, error = mean_and_error(_TRUTH.logpdf(UNSEEN) - vae.score_samples(UNSEEN))
    # The mean gap is the KL divergence from the truth to the model: never below 0, and small once trained.
    assert not_above(-gap, 0.0, error)
    assert gap < 0.1


def test_data_in_other_units_have_the_density_of_other_units(vae):
    grams = people_vae().fit(PEOPLE * [1.0, 1000.0])
    per_gram = grams.score(UNSEEN * [1.0, 1000.0])
    assert per_gram + math.log(1000) == pytest.approx(vae.score(UNSEEN), abs=0.05)


def test_data_that_break_the_dependence_score_lower(vae):
    broken = np.stack([UNSEEN[:, 0], np.roll(UNSEEN[:, 1], 1)], axis=1)
    assert vae.score(broken) < vae.score(UNSEEN) - 2


def test_draws_have_the_moments_of_the_data(vae):
    draws = vae.sample(4000, random_state=0)
    assert draws.shape == (4000, 2)
    np.testing.assert_allclose(draws.mean(axis=0), PEOPLE.mean(axis=0), atol=1.5)
    np.testing.assert_allclose(np.cov(draws.T), np.cov(PEOPLE.T), rtol=0.3)
    # Means leave out the noise of p(x|z): they are not draws, and their spread is smaller.
    means = vae.sample(4000, random_state=0, mean=True)
    assert np.linalg.det(np.cov(means.T)) < 0.5 * np.linalg.det(np.cov(draws.T))


def test_more_importance_samples_give_a_higher_bound(vae):
    rows = _TRUTH.rvs(12_000, random_state=2)
    one, many = (vae.score_samples(rows, num_samples=count) for count in (1, 200))
    gain, error = mean_and_error(many - one)
    assert differs(gain, 0.0, error)


def test_the_score_agrees_with_the_evaluation_record(vae):
    record = vae.evaluate(UNSEEN[:500], num_samples=100)
    assert record.log_evidence_nats == pytest.approx(vae.score(UNSEEN[:500]), abs=0.03)
    assert record.elbo_nats < record.log_evidence_nats
    assert (record.num_samples, record.measure, record.bits_per_dim) == (100, "lebesgue", None)


# Determinism -----------------------------------------------------------------------------------------------------------------


def test_an_example_has_the_same_numbers_whatever_comes_with_it(vae):
    rows = UNSEEN[:600]
    order = np.random.default_rng(0).permutation(len(rows))
    for method in (vae.transform, vae.score_samples, vae.reconstruct):
        whole = method(rows)
        np.testing.assert_array_equal(method(rows[order]), whole[order])
        np.testing.assert_array_equal(np.concatenate([method(row[None]) for row in rows[:3]]), whole[:3])


def test_the_seed_decides_everything_and_none_means_another_one_each_time():
    first, again, other = (VAE(**{**SMALL, "random_state": seed}).fit(PEOPLE) for seed in (3, 3, 4))
    assert same_model(first, again)
    assert not same_model(first, other)
    assert (first.config_.training.seed, first.config_.data.split_seed) == (3, 3)
    assert not same_model(first, VAE(**{**SMALL, "random_state": None}).fit(PEOPLE))
    np.testing.assert_array_equal(first.sample(3, random_state=1), first.sample(3, random_state=1))
    assert not np.array_equal(first.sample(3), first.sample(3))


def test_the_type_of_the_numbers_does_not_matter(image_vae, images):
    for dtype in (np.int64, np.float64):
        np.testing.assert_array_equal(image_vae.transform(images[:20].astype(dtype)), image_vae.transform(images[:20]))
        np.testing.assert_array_equal(image_vae.score_samples(images[:5].astype(dtype)), image_vae.score_samples(images[:5]))


# It only translates ----------------------------------------------------------------------------------------------------------


def test_a_fit_is_the_same_as_the_jobs_called_by_hand():
    fitted = VAE(**SMALL, beta=2.0, config={"training": {"gradient_clip": 10.0}, "objective": {"warmup_epochs": 2}}).fit(PEOPLE)
    config = RunConfig.from_dict(
        {
            "model": {"latent_dim": 2},
            "network": {"hidden_widths": [8]},
            "objective": {"beta": 2.0, "warmup_epochs": 2},
            "training": {"epochs": 5, "gradient_clip": 10.0},
        }
    )
    split, data = shuffled_split(500, validation=0.1, test=0, seed=0), for_device(PEOPLE)
    spec = describe(PEOPLE[split.train])
    config = resolve(config, spec)
    trainer = Trainer(
        build_model(config, spec, jax.random.key(0)),
        data[split.train],
        data[split.validation],
        build_objective(config, 4, 400),
        config.training,
    )
    by_hand = trainer.model_of(trainer.run(trainer.start()))
    assert fitted.spec_ == spec
    for ours, theirs in zip(arrays(fitted.model_), arrays(by_hand), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_rows_held_out_tell_the_model_nothing():
    held_out = shuffled_split(500, validation=0.1, test=0, seed=0).validation
    changed = PEOPLE.copy()
    changed[held_out[0]] = 1e4
    usual, other = VAE(**{**SMALL, "epochs": 1}), VAE(**{**SMALL, "epochs": 1})
    usual.fit(PEOPLE)
    with pytest.warns(DataWarning, match="far outside the training data"):
        other.fit(changed)
    assert other.spec_ == usual.spec_
    for ours, theirs in zip(arrays(other.model_), arrays(usual.model_), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_held_out_row_that_the_likelihood_cannot_take_is_named():
    bits = (PEOPLE.mean(axis=0) < PEOPLE).astype(int)
    row = int(shuffled_split(500, validation=0.1, test=0, seed=0).validation[3])
    bits[row, 1] = 2
    with pytest.raises(DataError, match=rf"X has 1 of 100 values outside .* 'bernoulli': the first is 2 in row {row}, column 1"):
        VAE(**SMALL).fit(bits)


def test_what_is_not_left_open_has_the_default_of_the_configuration():
    defaults = {name: parameter.default for name, parameter in inspect.signature(VAE).parameters.items()}
    assert set(defaults) == set(PARAMETERS) | {"automatic", "config", "schema", "verbose", "warm_start"}
    stated = {name: where for name, where in PARAMETERS.items() if defaults[name] is not None}
    assert set(stated) == {"posterior", "objective", "kind", "scaling", "validation"}
    for name, (section, key) in stated.items():
        assert defaults[name] == getattr(getattr(RunConfig(), section), key), name
    # Without choices, what is open has it too.
    config = VAE(automatic=False, random_state=0)._configuration().config
    assert config == RunConfig().updated({"data": {"name": "array", "test": 0}})


def test_every_parameter_reaches_the_configuration():
    changed = {
        "latent_dim": 3,
        "model": "single-layer",
        "likelihood": "gaussian",
        "mean": "sigmoid",
        "scale_floor": 0.5,
        "prior": "standard-normal",
        "posterior": "diagonal-gaussian",
        "mask": "at-random",
        "objective": "elbo",
        "beta": 0.5,
        "network": "mlp",
        "hidden_widths": (4, 5),
        "decoder_widths": (6, 3),
        "activations": ("elu", "tanh"),
        "dropout": 0.1,
        "kind": "rows",
        "scaling": "unit",
        "epochs": 3,
        "batch_size": 50,
        "learning_rate": 0.01,
        "validation": 40,
        "early_stopping_patience": 2,
        "random_state": 9,
    }
    assert set(changed) == set(PARAMETERS)
    fitted = VAE(**changed, automatic=False).fit(PEOPLE)
    for name, (section, key) in PARAMETERS.items():
        assert getattr(getattr(fitted.config_, section), key) == changed[name], name
    assert fitted.model_.latent_dim == 3
    assert len(fitted.history_["epoch"]) == 3


def test_a_recipe_sets_the_parameters_and_the_rest(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text("[model]\nlatent_dim = 7\n[training]\nepochs = 9\ngradient_clip = 5\nseed = 3\n[data]\nname = 'faces'\n")
    recipe = VAE.from_recipe(file, epochs=8)
    assert (recipe.latent_dim, recipe.epochs, recipe.early_stopping_patience, recipe.random_state) == (7, 8, 0, None)
    assert recipe.config == {"training": {"gradient_clip": 5.0}}
    assert not recipe.automatic
    assert VAE.from_recipe("default", epochs=3).get_params() == VAE(epochs=3).get_params()


# Images ----------------------------------------------------------------------------------------------------------------------


def test_images_keep_their_shape(image_vae, images):
    assert image_vae.n_features_in_ == 32
    assert not hasattr(image_vae, "feature_names_in_")
    assert image_vae.transform(images).shape == (300, 8)
    assert image_vae.inverse_transform(np.zeros((2, 8))).shape == (2, 8, 4)
    assert image_vae.sample(3).shape == (3, 8, 4)
    np.testing.assert_array_equal(image_vae.reconstruct(images), image_vae.inverse_transform(image_vae.transform(images)))


def test_reconstructions_tell_images_apart(image_vae, images):
    def error(guess: np.ndarray) -> float:
        return float(np.mean((guess - images) ** 2))

    ours = error(image_vae.reconstruct(images))
    assert ours < 0.6 * error(images.mean(axis=0))
    # The negative control: another image's reconstruction is worse than the mean image.
    assert error(np.roll(image_vae.reconstruct(images), 1, axis=0)) > 1.5 * ours


def test_colour_images_and_probability_masses(images):
    colour = np.stack([images[:100], images[100:200], images[200:]], axis=-1)[:, 2:4, 1:3]
    fitted = VAE(**SMALL, likelihood="discretized-logistic").fit(colour)
    assert fitted.n_features_in_ == 12
    draws = fitted.sample(2, random_state=0)
    assert draws.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(draws, np.clip(np.rint(draws), 0, 255), atol=1e-4)
    assert fitted.score(colour[:10]) < 0  # a mass is below 1


# scikit-learn's tools --------------------------------------------------------------------------------------------------------


def test_names_of_the_outputs(vae):
    assert vae.get_feature_names_out().tolist() == ["vae0", "vae1"]


def test_clone_keeps_the_parameters_and_forgets_the_fit(vae):
    parts = VAE(likelihood=Bernoulli((4,)), objective=ELBO(num_samples=2), config={"training": {"ema_decay": 0.9}})
    copy: Any = clone(parts)
    assert copy.objective == parts.objective
    assert copy.config == parts.config
    assert not hasattr(clone(vae), "model_")


def test_a_pipeline_and_a_grid_search():
    search = GridSearchCV(make_pipeline(StandardScaler(), people_vae()), {"vae__beta": [1.0, 50.0]}, cv=2).fit(PEOPLE)
    # Fifty times the KL leaves nothing in the code, and so loses the dependence between the columns.
    assert search.best_params_["vae__beta"] == 1.0
    scores = dict(zip(map(str, search.cv_results_["params"]), search.cv_results_["mean_test_score"], strict=True))
    assert max(scores.values()) > min(scores.values()) + 0.5
    z = search.transform(PEOPLE)
    back = search.best_estimator_.inverse_transform(z)
    assert np.abs(back - PEOPLE).mean() < 5


def test_an_estimator_in_memory_can_be_pickled(vae):
    again = pickle.loads(pickle.dumps(vae))
    np.testing.assert_array_equal(again.score_samples(UNSEEN[:10]), vae.score_samples(UNSEEN[:10]))


def test_the_history_tells_the_training(vae):
    history = vae.history_
    assert history["epoch"].tolist() == list(range(1, 101))
    assert history["validation_elbo_nats"][-1] > history["validation_elbo_nats"][0]
    assert {len(column) for column in history.values()} == {100}


def test_the_weights_kept_are_those_of_the_best_validation_bound():
    # Nothing but noise: whatever is learned beyond the margins is wrong elsewhere.
    data = np.random.default_rng(0).normal(size=(80, 10))
    settings = {"epochs": 100, "learning_rate": 0.02, "hidden_widths": (64,), "validation": 40}
    best, last = (people_vae(**settings, early_stopping_patience=patience).fit(data) for patience in (100, 0))
    bounds = best.history_["validation_elbo_nats"]
    np.testing.assert_array_equal(bounds, last.history_["validation_elbo_nats"])
    there = people_vae(**{**settings, "epochs": int(np.argmax(bounds)) + 1}, early_stopping_patience=0).fit(data)
    assert same_model(best, there)
    assert not same_model(best, last)


def test_verbose_prints_about_twenty_lines(capsys):
    VAE(**{**SMALL, "epochs": 40}, verbose=True).fit(PEOPLE)
    lines = capsys.readouterr().out.splitlines()
    assert lines.pop(0).startswith("X is taken for rows of 2 columns, real values from ")
    assert len(lines) == 20
    assert lines[-1].startswith("epoch 40/40  ELBO in nats: train -")
    VAE(**{**SMALL, "epochs": 40}).fit(PEOPLE)
    assert capsys.readouterr().out == ""


# Parts -----------------------------------------------------------------------------------------------------------------------


def test_a_part_is_the_same_as_its_name():
    binary = DIGITS.images[:200, :, 2:6].reshape(200, 32) > 7
    by_name = VAE(**SMALL, likelihood="bernoulli", config={"objective": {"num_samples": 3}}).fit(binary)
    by_part = VAE(
        **SMALL,
        likelihood=Bernoulli((32,)),
        prior=StandardNormal(2),
        posterior=DiagonalGaussian(2),
        objective=ELBO(num_samples=3),
    ).fit(binary)
    assert same_model(by_name, by_part)
    assert by_name.config_ == by_part.config_
    assert not same_model(by_part, VAE(**SMALL, likelihood="bernoulli").fit(binary))
