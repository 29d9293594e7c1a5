"""Bad input: every message says the argument, what was got, what was expected and what to do; what was fitted is kept."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from lowerbound import VAE
from lowerbound.errors import (
    ConfigurationError,
    ConfigurationWarning,
    DataError,
    DataWarning,
    LowerboundError,
    NonFiniteLossError,
)
from lowerbound.likelihoods import Bernoulli, DiscretizedLogistic
from lowerbound.objectives import ELBO, IWAE
from lowerbound.priors import StandardNormal

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(40, 3))
SMALL = {"latent_dim": 2, "hidden_widths": (8,), "epochs": 2, "random_state": 0, "automatic": False}


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(**SMALL).fit(TABLE)


@pytest.mark.parametrize(
    "objective",
    [{"objective": "iwae", "config": {"objective": {"num_samples": 1}}}, {"objective": IWAE(1)}],
    ids=["name", "part"],
)
def test_an_objective_that_is_the_plain_elbo_is_warned_of(objective) -> None:
    with pytest.warns(ConfigurationWarning, match="objective.num_samples is 1, and a single importance weight"):
        VAE(**{**SMALL, "epochs": 1}, **objective).fit(TABLE)


@pytest.fixture(scope="module")
def binary_vae() -> VAE:
    return VAE(**SMALL).fit(RNG.integers(0, 2, (40, 3)))


def with_value(value: float) -> np.ndarray:
    changed = TABLE.copy()
    changed[2, 1] = value
    return changed


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (with_value(np.inf), r"Input X contains 1 infinite of 120 values .* at index \(2, 1\).*drop or fill those rows"),
        (with_value(np.inf), r"Input X contains 1 infinite of 120 values"),
        (np.empty((0, 3)), r"X is empty: 0 sample\(s\)"),
        (TABLE[:1], r"X has only one row"),
        (TABLE[0], r"X has shape \(3,\); expected \(examples, features\)"),
        ([["a", "b"], ["c", "d"]], r"X has dtype <U1; expected numbers.*Encode text"),
        ([[1, 2], [3]], r"X is not a rectangle of numbers"),
        (np.array([[1, "two"], [3, 4]], dtype=object), r"first that is not a number is 'two' at index \(0, 1\)"),
        (np.array([[1, {}], [3, 4]], dtype=object), r"X has an element that is no number: .*'dict'.*Encode text"),
    ],
)
def test_data_that_cannot_be_fitted(data, message):
    with pytest.raises(DataError, match=message) as caught:
        VAE(**SMALL).fit(data)
    assert isinstance(caught.value, LowerboundError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples", "score", "evaluate"])
def test_examples_unlike_those_of_the_fit(vae, method):
    ask = getattr(vae, method)
    with pytest.raises(DataError, match=r"X has shape \(40, 2\); expected \(n, 3\), as in fit.*same columns as in fit"):
        ask(TABLE[:, :2])
    with pytest.raises(DataError, match=r"expected \(n, 3\), as in fit. This is one example"):
        ask(TABLE[0])
    with pytest.raises(DataError, match=r"Input X contains 1 infinite"):
        ask(with_value(np.inf))
    with pytest.raises(DataError, match=r"X is empty: 0 sample\(s\)"):
        ask(TABLE[:0])


def test_latents_of_the_wrong_number(vae):
    with pytest.raises(DataError, match=r"X has shape \(4, 3\); expected \(n, 2\)"):
        vae.inverse_transform(np.zeros((4, 3)))


@pytest.mark.parametrize("method", ["transform", "inverse_transform", "reconstruct", "score_samples", "score", "evaluate"])
def test_nothing_is_answered_before_a_fit(method):
    with pytest.raises(NotFittedError, match=r"This VAE instance is not fitted yet. Call 'fit'"):
        getattr(VAE(), method)(TABLE)
    with pytest.raises(NotFittedError, match=r"not fitted yet"):
        VAE().sample()
    with pytest.raises(NotFittedError, match=r"not fitted yet"):
        VAE().save("never-written")


def test_values_outside_the_support(binary_vae):
    with pytest.raises(DataError, match=r"is \{0, 1\}, but columns 0, 1, 2 hold continuous values.*fit these data: gaussian"):
        VAE(**SMALL, likelihood="bernoulli").fit(TABLE)
    with pytest.raises(DataError, match=r"whose support is equally spaced levels.*fit these data: gaussian"):
        VAE(**SMALL, likelihood="discretized-logistic").fit(TABLE)
    with pytest.raises(DataError, match=r"'bernoulli', whose support is \{0, 1\}"):
        VAE(**SMALL, likelihood=Bernoulli((3,))).fit(TABLE)
    for method in (binary_vae.score_samples, binary_vae.score, binary_vae.evaluate):
        with pytest.raises(DataError, match=r"outside the support of the likelihood 'bernoulli'.*the first is 0\.5"):
            method([[0, 1, 0], [0, 1, 0.5]])
    # A code can be asked of any numbers: the encoder has no support.
    assert binary_vae.transform([[0, 1, 0.5]]).shape == (1, 2)


def test_a_column_that_never_changes_is_warned_of_and_handled():
    data = np.column_stack([TABLE, np.full(40, 7.0)])
    with pytest.warns(DataWarning, match=r"X: 1 of 4 columns never change: 3 \(always 7\)"):
        fitted = VAE(**SMALL).fit(data)
    assert np.isfinite(fitted.score(data))
    np.testing.assert_allclose(fitted.reconstruct(data)[:, 3], 7, atol=0.1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"latent_dim": 0}, r"model.latent_dim is 0 \(an integer\); expected an integer >= 1"),
        ({"epochs": "many"}, r"training.epochs is 'many' \(text\); expected an integer >= 1"),
        ({"likelihood": "gausian"}, r"likelihood.name is 'gausian', which does not exist. Did you mean 'gaussian'\?"),
        ({"activations": ("elu", "tanh")}, r"expected one name for each hidden layer"),
        ({"hidden_widths": 8}, r"network.hidden_widths is 8 \(an integer\); expected a list"),
        (
            {"validation": 0, "early_stopping_patience": 100},
            r"early_stopping_patience is 100 but data.validation is 0.*early_stopping_patience=0",
        ),
        ({"validation": 39}, r"data.validation=39 .* leaves 1 to train on; expected at least 2.*or 0 for none"),
        ({"random_state": -1}, r"random_state is -1; expected an integer from 0 to 4294967295, a RandomState, or None"),
        ({"likelihood": Bernoulli}, r"likelihood is the class Bernoulli; expected a name, or a part .* Make an instance of it"),
        ({"prior": 3}, r"prior is 3 \(int\); expected a name, or a part of lowerbound.priors such as StandardNormal\(20\)"),
        ({"prior": ELBO()}, r"prior is ELBO.*expected a name, or a part of lowerbound.priors"),
        ({"prior": StandardNormal(5)}, r"prior has 5 latents, but latent_dim is 2.*set latent_dim=5"),
        ({"likelihood": Bernoulli((4,)), "scale_floor": 1.0}, r"scale_floor is 1.0, but likelihood is a part, Bernoulli"),
        ({"objective": ELBO(), "beta": 2.0}, r"beta is 2.0, but objective is a part, ELBO, .* leave beta out"),
        (
            {"objective": ELBO(), "config": {"objective": {"num_samples": 2}}},
            r"config has objective.num_samples, but objective is",
        ),
        ({"config": "frey-faces"}, r"config is 'frey-faces'; expected a dictionary.*VAE.from_recipe\('frey-faces'\)"),
        ({"config": {"model": {"latent_dim": 3}}}, r"which is the parameter latent_dim; expected it there: VAE\(latent_dim=3\)"),
        ({"config": {"training": {"seed": 3}}}, r"training.seed, which is the parameter random_state"),
        ({"config": {"data": {"test": 0.2}}}, r"data.test, which an estimator has no use for: .*train_test_split"),
        ({"config": {1: {}}}, r"config: configuration section is 1, which does not exist"),
        ({"config": {"training": {1: 2}}}, r"is 1, which does not exist"),
        ({"config": {"training": {"gradient_clp": 1}}}, r"config: .*Did you mean 'gradient_clip'"),
    ],
)
def test_parameters_that_are_not_possible(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        VAE(**{**SMALL, **parameters}).fit(TABLE)


def test_parts_that_do_not_fit_the_data():
    levels = RNG.integers(0, 256, (40, 3)).astype(np.uint8)
    with pytest.raises(
        ConfigurationError, match=r"event shape \(4,\), but one example of the data has shape \(3,\); build it as"
    ):
        VAE(**SMALL, likelihood=Bernoulli((4,))).fit(RNG.integers(0, 2, (40, 3)))
    wrong = DiscretizedLogistic((3,), 0.0, 255.0, 256)
    with pytest.raises(ConfigurationError, match=re.escape("expected DiscretizedLogistic((3,), 0, 1, 256), or the name")):
        VAE(**SMALL, likelihood=wrong).fit(levels)
    assert np.isfinite(VAE(**SMALL, likelihood=wrong, scaling="none").fit(levels).score(levels))


@pytest.mark.parametrize("count", [0, -1, True])
def test_numbers_of_samples_that_are_not_possible(vae, count):
    with pytest.raises(ConfigurationError, match=r"n_samples is .*; expected an integer >= 1"):
        vae.sample(count)
    for method in (vae.score_samples, vae.evaluate):
        with pytest.raises(ConfigurationError, match=r"num_samples is .*; expected an integer >= 1"):
            method(TABLE, num_samples=count)


def test_a_fit_that_fails_keeps_what_was_fitted():
    fitted = VAE(**SMALL).fit(TABLE)
    before = fitted.transform(TABLE)
    with pytest.raises(DataError):
        fitted.fit(with_value(np.inf))
    with pytest.raises(NonFiniteLossError, match=r"became (nan|-?inf) at step 2"):
        fitted.set_params(learning_rate=1000.0, hidden_widths=(8,) * 14).fit(TABLE)
    with pytest.raises(DataError, match=r"only one row"):
        fitted.fit(TABLE[:1, :2])
    assert fitted.n_features_in_ == 3
    np.testing.assert_array_equal(fitted.transform(TABLE), before)
