"""What users of estimators ask for: spreads, weights, rows of their own for validation, going on, frames out, text conditions."""

from __future__ import annotations

import math
import pickle
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from support.chance import agrees

from lowerbound import VAE, VAEClassifier
from lowerbound.cli.evaluate import PROPOSALS
from lowerbound.data.splits import shuffled_split
from lowerbound.errors import ConfigurationError, DataError, DataWarning
from lowerbound.evaluation import Refined, Widened
from lowerbound.evaluation.proposals import NAMED_PROPOSALS
from lowerbound.networks import Wrapped

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2)) @ RNG.normal(size=(2, 4)) + 0.1 * RNG.normal(size=(60, 4))
SMALL: dict[str, Any] = {
    "latent_dim": 2,
    "hidden_widths": (8,),
    "epochs": 3,
    "batch_size": 20,
    "random_state": 0,
    "automatic": False,
}


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(**SMALL).fit(X)


def test_the_spread_of_the_posterior_is_that_of_its_draws(vae: VAE) -> None:
    means, stds = vae.transform(X[:5], return_std=True)
    np.testing.assert_array_equal(means, vae.transform(X[:5]))
    draws = vae.sample_posterior(X[:5], 4000, random_state=1)
    assert draws.shape == (4000, 5, 2)
    assert agrees(draws.mean(axis=0), means, stds / np.sqrt(4000))
    assert agrees(draws.std(axis=0), stds, stds / np.sqrt(2 * 4000))
    np.testing.assert_array_equal(draws, vae.sample_posterior(X[:5], 4000, random_state=1))


def test_a_family_without_a_closed_form_gives_its_spread_from_draws() -> None:
    flow = VAE(**SMALL, posterior="planar").fit(X)
    _, stds = flow.transform(X[:3], return_std=True)
    draws = flow.sample_posterior(X[:3], 4000, random_state=1)
    # The fixed draws are 256: a standard error of 4.4 %.
    assert agrees(draws.std(axis=0), stds, 0.046 * stds)


def test_a_deterministic_code_has_no_spread() -> None:
    code = VAE(**SMALL, posterior="deterministic", objective="autoencoder").fit(X)
    with pytest.raises(ConfigurationError, match=r"deterministic autoencoder: .* there is no spread of q\(z\|x\)"):
        code.transform(X, return_std=True)


def test_only_the_proportions_of_weights_matter_and_they_do() -> None:
    weight = np.ones(60)
    one, other = (VAE(**SMALL, validation=0, early_stopping_patience=0).fit(X, sample_weight=scale * weight) for scale in (1, 7))
    np.testing.assert_allclose(one.transform(X), other.transform(X), rtol=1e-4, atol=1e-5)
    halves = VAE(**SMALL, validation=0, early_stopping_patience=0).fit(X, sample_weight=np.arange(60) % 2)
    assert np.abs(halves.transform(X) - one.transform(X)).max() > 1e-3


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(3), r"sample_weight has the shape \(3,\); expected one number for each of the 60 examples"),
        (-np.ones(60), "sample_weight is -1 in row 0; expected finite numbers from 0 up"),
        (np.zeros(60), "sample_weight is zero in every row"),
        (np.full(60, 1e-300), "sample_weight is 1e-300 in row 0, and float32 cannot hold sums with it; expected 0"),
        (np.full(60, 1e300), "Divide all weights by their mean"),
        (["a"] * 60, "sample_weight holds what is no number"),
        (np.ma.masked_equal(np.arange(60), 3), "sample_weight is a masked array with 1 of 60 values masked"),
    ],
)
def test_wrong_weights_are_refused(weight: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        VAE(**SMALL).fit(X, sample_weight=weight)


def test_validation_rows_may_be_numbers_a_mask_or_examples() -> None:
    mask = np.arange(60) >= 50
    by_number = VAE(**SMALL, validation=np.arange(50, 60)).fit(X)
    by_mask = VAE(**SMALL, validation=mask).fit(X)
    by_rows = VAE(**SMALL, validation=X[50:]).fit(X[:50])
    for other in (by_mask, by_rows):
        np.testing.assert_array_equal(other.transform(X), by_number.transform(X))
        assert other.history_["validation_elbo_nats"][-1] == by_number.history_["validation_elbo_nats"][-1]
    assert by_number.config_.data.validation == 10


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        (np.arange(50, 70), "validation has the rows 50 to 69; expected numbers from 0 to 59"),
        (np.array([1, 1]), "1 of them different; expected numbers of rows, each once"),
        (np.zeros(60, bool), "expected numbers of rows, each once, a mask with at least one True"),
        (np.ones(59, bool), "validation is a mask of 59 rows, but there are 60 examples"),
        (np.ones(60, bool), "validation leaves 0 examples to train on"),
        (np.array([0.5, 1.5]), "validation holds 2 values of type float64"),
        (X[:, :3], r"^validation, examples of its own, does not go with X: X has shape \(60, 3\); expected \(n, 4\), as in fit"),
        (np.full((5, 4), np.nan), "validation holds no value"),
    ],
)
def test_rows_that_cannot_be_validated_on_are_refused(validation: Any, message: str) -> None:
    with pytest.raises((ConfigurationError, DataError), match=message):
        VAE(**SMALL, validation=validation).fit(X)


def test_masks_are_not_lost_of_rows_for_validation_spreads_and_labels(vae: VAE) -> None:
    masked = np.ma.masked_greater(X, 1.0)
    for refused in (
        lambda: VAE(**SMALL, validation=masked[50:]).fit(X[:50]),
        lambda: VAE(**SMALL).fit(X, spread=masked - masked.min()),
        lambda: vae.score(masked.astype(object)),
        lambda: vae.explain(X, y=np.ma.masked_equal(np.arange(60) % 3, 1)),
        lambda: VAEClassifier("m1").fit(X, np.ma.masked_equal(np.arange(60) % 3, 1)),
    ):
        with pytest.raises(DataError, match=r"is a masked array with \d+ of \d+ values masked"):
            refused()


def test_rows_for_validation_and_conditions_in_other_units_are_warned_of() -> None:
    once = {**SMALL, "epochs": 1}
    with pytest.warns(DataWarning, match="X, the rows for validation: every value of column 0 .* lies outside the range"):
        VAE(**once, validation=X[50:] + 1000).fit(X[:50])
    age = RNG.normal(40, 5, 60)
    of_age = VAE(**once, validation=0).fit(X, condition=age)
    for in_months in (lambda: of_age.transform(X, condition=age * 12), lambda: of_age.sample(20, condition=np.full(20, 480.0))):
        with pytest.warns(DataWarning, match=r"the condition 'condition' is \d+.* far outside the training data"):
            in_months()


def test_a_held_out_row_that_no_float32_holds_or_that_is_absurd_is_named() -> None:
    row, spoilt = int(shuffled_split(60, validation=0.1, test=0, seed=0).validation[2]), X.copy()
    spoilt[row, 1] = 1e6
    with pytest.warns(DataWarning, match=rf"X: row {row}, column 1 is 1e\+06, far outside the training data"):
        VAE(**{**SMALL, "epochs": 1}).fit(spoilt)
    spoilt[row, 1] = 1e300
    with pytest.raises(DataError, match=rf"X: row {row}, column 1 is 1e\+300, beyond the largest number of float32"):
        VAE(**SMALL).fit(spoilt)


def test_a_warm_start_goes_on_from_the_model(vae: VAE, tmp_path: Any) -> None:
    vae.save(tmp_path / "model")
    frozen = VAE.load(tmp_path / "model").set_params(warm_start=True, epochs=1, learning_rate=1e-9, random_state=1).fit(X)
    # One epoch at a learning rate of nothing: still the model that was there.
    np.testing.assert_allclose(frozen.transform(X), vae.transform(X), rtol=1e-4, atol=1e-5)
    dropped = frozen.set_params(dropout=0.5).fit(X)
    assert (dropped.config_.network.dropout, dropped.model_.encoder.dropout.p) == (0.5, 0.5), "it is no part of the weights"
    np.testing.assert_allclose(dropped.transform(X), vae.transform(X), rtol=1e-4, atol=1e-5)
    fresh = VAE(**{**SMALL, "epochs": 1, "learning_rate": 1e-9, "random_state": 1}).fit(X)
    assert np.abs(fresh.transform(X) - vae.transform(X)).max() > 0.1
    with pytest.raises(ConfigurationError, match=r"model.latent_dim is 3, but the model to go on from has 2; expected the same"):
        VAE.load(tmp_path / "model").set_params(warm_start=True, latent_dim=3).fit(X)


def test_frames_come_out_where_frames_came_in() -> None:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    fitted = VAE(**SMALL).fit(frame)
    for out in (fitted.sample(5, random_state=0), fitted.reconstruct(frame), fitted.inverse_transform(np.zeros((5, 2)))):
        assert isinstance(out, pd.DataFrame)
        assert out.columns.tolist() == ["a", "b", "c", "d"]
    assert isinstance(VAE(**SMALL).fit(X).sample(5), np.ndarray)


def test_the_network_and_the_proposal_are_chosen() -> None:
    gated = VAE(**SMALL, network="gated-mlp").fit(X)
    assert gated.config_.network.name == "gated-mlp"
    plain, refined = (gated.evaluate(X, 50, proposal=proposal) for proposal in (None, Refined(num_steps=5)))
    assert "refined" in refined.evidence.method
    assert refined.log_evidence_nats != plain.log_evidence_nats
    assert gated.evaluate(X, 50, proposal="widened").evidence.method == gated.evaluate(X, 50, proposal=Widened()).evidence.method
    assert set(NAMED_PROPOSALS) == set(PROPOSALS)
    for odd in ("refind", 3):
        with pytest.raises(
            ConfigurationError, match=rf"proposal is {odd!r}; expected 'posterior', 'widened', 'refined', a value"
        ):
            gated.evaluate(X, 50, proposal=odd)
    weighted = gated.evaluate(X, 50, sample_weight=np.arange(60) % 2)
    assert weighted.elbo_nats == pytest.approx(gated.evaluate(X[1::2], 50).elbo_nats, rel=1e-4)


@pytest.mark.parametrize(
    "condition",
    [
        np.where(X[:, 0] > 0, "high", "low"),
        pd.Series(np.where(X[:, 0] > 0, "high", "low"), dtype="category"),
        X[:, 0] > 0,
        (np.arange(60) % 3).astype(object),
        pd.DataFrame({"batch": np.where(X[:, 0] > 0, "a", "b"), "age": X[:, 1]}),
    ],
    ids=["text", "category", "boolean", "objects", "frame"],
)
def test_conditions_are_texts_categories_booleans_or_several_columns(condition: Any, tmp_path: Any) -> None:
    fitted = VAE(**SMALL).fit(X, condition=condition)
    fitted.save(tmp_path / "model")
    loaded = VAE.load(tmp_path / "model")
    assert loaded.spec_.condition == fitted.spec_.condition
    np.testing.assert_array_equal(loaded.transform(X, condition=condition), fitted.transform(X, condition=condition))


def test_an_unknown_text_is_named() -> None:
    fitted = VAE(**SMALL).fit(X, condition=np.where(X[:, 0] > 0, "high", "low"))
    with pytest.raises(DataError, match=r"the condition 'condition' has the value hgih in row 1; expected one of high, low"):
        fitted.transform(X[:2], condition=["low", "hgih"])


class _Scaled(eqx.Module):
    """A module of a person's own: a linear map, scaled."""

    linear: eqx.nn.Linear

    def __call__(self, x: Any) -> Any:
        return 0.5 * self.linear(x.reshape(-1))


def _own_network(in_shape: tuple[int, ...], out_shape: tuple[int, ...], *, condition_dim: int = 0, key: Any) -> Wrapped:
    linear = eqx.nn.Linear(math.prod(in_shape) + condition_dim, math.prod(out_shape), key=key)
    return Wrapped(_Scaled(linear), in_shape, out_shape, condition_dim=condition_dim)


@pytest.mark.parametrize("condition", [None, RNG.normal(size=60)])
def test_networks_of_ones_own_are_trained_like_ours(condition: Any, tmp_path: Any) -> None:
    own = VAE(2, network=_own_network, epochs=60, batch_size=20, learning_rate=0.01, random_state=0, automatic=False)
    before = VAE(**{**own.get_params(), "epochs": 1}).fit(X, condition=condition).score(X, condition=condition)
    own.fit(X, condition=condition)
    assert isinstance(own.model_.encoder, Wrapped)
    assert own.score(X, condition=condition) > before + 1
    assert pickle.loads(pickle.dumps(own)).score(X, condition=condition) == own.score(X, condition=condition)
    with pytest.raises(ConfigurationError, match=r"network was given as <function .* cannot be saved: .*CATALOGUE"):
        own.save(tmp_path / "model")


def test_a_network_that_is_none_is_refused_with_what_is_one() -> None:
    refused = (
        r"(?s)network is .*MLP.*expected a name, or what makes a network of given shapes: .* called twice, for the encoder and"
    )
    with pytest.raises(ConfigurationError, match=refused):
        VAE(**SMALL | {"hidden_widths": None}, network=eqx.nn.MLP(4, 4, 8, 1, key=jax.random.key(0))).fit(X)
    with pytest.raises(
        ConfigurationError, match=r"hidden_widths is \(8,\), but network is a part, _own_network, which brings its own"
    ):
        VAE(**SMALL, network=_own_network).fit(X)
    with pytest.raises(
        ConfigurationError, match=r"module is a function, which gives an array of shape \(3,\); expected .*=\(2, 5\) has, 10"
    ):
        Wrapped(lambda x: x, (3,), (2, 5))
    with pytest.raises(ConfigurationError, match=r"module is a function, which cannot be called with an array of shape \(5,\)"):
        Wrapped(lambda x: x @ np.ones((4, 4), np.float32), (3,), (4,), condition_dim=2)
