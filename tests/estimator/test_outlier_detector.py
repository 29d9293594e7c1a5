"""The detector of outliers: what it flags, and at which rate; scikit-learn's own checks of it are with those of the others."""

from __future__ import annotations

import doctest
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from support.chance import RATE, is_likely

import lowerbound.estimator.outliers
from lowerbound import VAE, VAEOutlierDetector
from lowerbound.errors import ConfigurationError, DataError, DataWarning
from lowerbound.evaluation import SCORES, flags_allowed, p_values

_TINY: dict[str, Any] = {"latent_dim": 2, "hidden_widths": (8,), "automatic": False}
TINY = VAE(epochs=5, **_TINY)


def tiny(**parameters: Any) -> VAEOutlierDetector:
    return VAEOutlierDetector(**{"vae": TINY, "n_estimators": 1, "random_state": 0, **parameters})


RNG = np.random.default_rng(0)


def rows(count: int, rng: np.random.Generator = RNG) -> np.ndarray:
    """Three columns that go together."""
    return rng.normal(size=(count, 1)) * [1.0, 2.0, -3.0] + 0.2 * rng.normal(size=(count, 3))


X = rows(320)


@pytest.fixture(scope="module")
def detector() -> VAEOutlierDetector:
    return VAEOutlierDetector(VAE(epochs=100, **_TINY), n_estimators=2, random_state=0).fit(X)


def test_odd_rows_are_outliers_and_the_column_that_made_them_odd_is_named(detector: VAEOutlierDetector) -> None:
    new = np.tile(np.median(X, axis=0), (3, 1))
    new[1, 1] += 6.0
    new[2, 2] -= 8.0
    assert detector.predict(new).tolist() == [1, -1, -1]
    assert detector.lost_nats(new)[1:].argmax(axis=1).tolist() == [1, 2]
    assert detector.scorer_.score in SCORES
    # Far beyond float32's squares, and outside all that training saw: no error, the oddest row.
    assert detector.predict([[1e30, 0.0, 0.0]]).tolist() == [-1]


def test_predictions_p_values_and_offset_say_the_same(detector: VAEOutlierDetector) -> None:
    new = rows(200, np.random.default_rng(1))
    p, n = detector.p_values(new), len(detector.calibration_scores_)
    assert n == 32
    assert detector.false_alarm_rate_ == flags_allowed(n, 0.05) / (n + 1) == 1 / 33
    np.testing.assert_array_equal(detector.predict(new) == -1, p <= 0.05)
    np.testing.assert_array_equal(detector.decision_function(new), detector.score_samples(new) - detector.offset_)
    np.testing.assert_allclose(p * 33, np.round(p * 33), atol=1e-9)


def test_new_normal_rows_are_flagged_at_the_rate_and_calibration_by_training_rows_breaks_it() -> None:
    """Within the beta-binomial law of one calibration; the control calibrates with rows that were trained on."""
    rng, rate = np.random.default_rng(4), 0.1
    own, fresh = rng.normal(size=(260, 6)), rng.normal(size=(2000, 6))
    found = tiny(method="data-neighbours", false_alarm_rate=rate, calibration=0.5, random_state=1).fit(own)
    n = len(found.calibration_scores_)
    assert n == 130
    law = scipy.stats.betabinom(len(fresh), flags_allowed(n, rate), n + 1 - flags_allowed(n, rate))
    flagged = int((found.predict(fresh) == -1).sum())
    assert is_likely(2 * min(float(law.cdf(flagged)), float(law.sf(flagged - 1))))
    # A row that is not taken out of the neighbours finds itself, at no distance.
    broken = int((p_values(-found.score_samples(own), -found.score_samples(fresh)) <= rate).sum())
    assert law.sf(broken - 1) < RATE


def test_each_model_holds_out_rows_of_its_own_and_as_many() -> None:
    found = VAEOutlierDetector(VAE(epochs=2, **_TINY), random_state=0).fit(X[:103])
    # Of 103 rows 19 calibrate: 84 are left, and five times 16 are held out.
    assert len(found.vaes_) == 5
    assert len(found.calibration_scores_) == 19
    held_out = [np.flatnonzero(np.isin(np.arange(84), vae.validation)) for vae in found.vaes_]
    assert [len(rows) for rows in held_out] == [16] * 5
    assert len(np.unique(np.concatenate(held_out))) == 80
    assert len({vae.random_state for vae in found.vaes_}) == 5
    assert "80 held-out rows against" in found.scorer_.reason


def test_contamination_is_a_share_of_the_rows_of_fit() -> None:
    found = tiny(contamination=0.1).fit(X)
    assert (found.predict(X) == -1).sum() == 32
    assert np.isnan(found.false_alarm_rate_)


def test_few_rows_allow_a_rate_that_is_said() -> None:
    with pytest.warns(
        DataWarning, match=r"X has 40 rows, of which 10 calibrate: new normal rows .* probability 1/11, and not 0.05"
    ):
        found = tiny().fit(X[:40])
    assert found.false_alarm_rate_ == 1 / 11


def test_frames_keep_their_names_and_a_fit_is_repeatable(detector: VAEOutlierDetector) -> None:
    frame = pd.DataFrame(X[:100], columns=["a", "b", "c"])
    first, second = (tiny(n_estimators=2, random_state=3).fit(frame) for _ in range(2))
    assert list(first.feature_names_in_) == ["a", "b", "c"]
    np.testing.assert_array_equal(first.score_samples(frame), second.score_samples(frame))
    with pytest.raises(DataError, match="feature names"):
        first.predict(frame.rename(columns={"a": "z"}))
    restored = pickle.loads(pickle.dumps(detector))
    np.testing.assert_array_equal(restored.predict(X[:50]), detector.predict(X[:50]))
    np.testing.assert_allclose(restored.lost_nats(X[:2]), detector.lost_nats(X[:2]), rtol=1e-5, atol=1e-5)


def test_a_row_without_a_probability_is_an_outlier_and_no_error() -> None:
    counts = RNG.poisson(4, (120, 5))
    vae = VAE(likelihood="poisson", epochs=40, **_TINY)
    found = tiny(vae=vae, method="evidence").fit(counts)
    # Between two counts, below 0, and usual.
    assert found.predict(np.array([[3.5, 4, 4, 4, 4], [4, 4, -1, 4, 4], [4, 4, 3, 5, 4]])).tolist() == [-1, -1, 1]


def test_a_frame_with_texts_and_holes_is_a_table_like_any() -> None:
    rng, count = np.random.default_rng(5), 200
    kind = rng.integers(0, 2, count)
    frame = pd.DataFrame(
        {
            "kind": np.where(kind == 1, "large", "small"),
            "size": np.where(rng.random(count) < 0.1, np.nan, 10.0 * kind + rng.normal(size=count)),
            "weight": 3.0 * kind + rng.normal(size=count),
        }
    )
    vae = VAE(likelihood="mixed", epochs=60, batch_size=50, learning_rate=0.01, **_TINY)
    found = tiny(vae=vae, n_estimators=2).fit(frame)
    new = pd.DataFrame({"kind": ["large", "small", "small"], "size": [10.0, 10.0, None], "weight": [3.0, 0.0, 0.0]})
    assert found.predict(new).tolist() == [1, -1, 1]
    lost = found.lost_nats(new)
    assert lost.shape == (3, 3)
    assert lost[2, 1] == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"false_alarm_rate": 0.001},
            "false_alarm_rate is 0.001, but there are 160 calibration rows among 320, and 999 are",
        ),
        ({"false_alarm_rate": 0.01, "calibration": 0.1}, "there are 32 calibration rows among 320, and 99 are needed"),
        ({"false_alarm_rate": 2.0}, r"false_alarm_rate is 2.0 \(a number\); expected a number > 0 and < 1"),
        ({"contamination": 0.6}, "contamination is 0.6 .*; expected a number > 0 and <= 0.5"),
        (
            {"contamination": 0.1, "false_alarm_rate": 0.1},
            "contamination is 0.1 and false_alarm_rate is 0.1; expected one",
        ),
        ({"calibration": 1.5}, "calibration is 1.5 .*; expected a number > 0 and < 1"),
        ({"n_estimators": 0}, r"n_estimators is 0 \(an integer\); expected an integer >= 1"),
        ({"n_estimators": 300}, "n_estimators is 300, but each model holds out rows of its own, and 288 are left beside"),
        ({"method": "best"}, "method is 'best'; expected one of auto, joined"),
        ({"vae": "a model"}, "vae is 'a model'; expected an unfitted VAE, or None"),
        (
            {"calibration": 0.999},
            r"calibration is 0.999, which takes \d+ of \d+ rows; expected a share that leaves 4 rows or more",
        ),
    ],
)
def test_what_cannot_be_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tiny(**parameters).fit(X)


def test_a_score_that_does_not_exist_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAE, "fit", lambda *_, **__: pytest.fail("a model was trained"))
    with pytest.raises(ConfigurationError, match=r"method is 'best'"):
        tiny(method="best").fit(X)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match=r"X has 7 samples \(rows\); expected 8 at least"):
        tiny().fit(X[:7])


@pytest.mark.long
def test_the_example_of_the_docstring_prints_what_it_says() -> None:
    found = doctest.testmod(lowerbound.estimator.outliers)
    assert found.attempted >= 5
    assert found.failed == 0
