"""The expected calibration error against laws of which it is known, and what stands beside a model."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss
from support.chance import agrees, not_above

from lowerbound.data.columns import Column
from lowerbound.errors import DataError
from lowerbound.evaluation import LabelledRows, classification, peers

_COUNT = 3000


def _drawn(seed: int, sharpness: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of two classes, and labels whose log-odds are so many times as far from even."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=_COUNT)
    stated, true = (1 / (1 + np.exp(-factor * logits)) for factor in (1.0, sharpness))
    return np.stack([1 - stated, stated], axis=1), (rng.random(_COUNT) < true).astype(int)


def test_probabilities_that_are_right_have_the_error_of_chance_alone() -> None:
    found = classification(*_drawn(0, 1.0))
    assert agrees(found.calibration_error, found.calibration_error_by_chance, found.calibration_error_standard_error)
    assert found.num_bins == 15
    # Of this many rows chance alone makes an error that is above 0.
    assert 0.005 < found.calibration_error_by_chance < 0.05


def test_probabilities_that_are_too_sure_are_found() -> None:
    found = classification(*_drawn(0, 0.3))
    error = found.calibration_error_standard_error
    assert not not_above(found.calibration_error, found.calibration_error_by_chance, error)


def test_the_error_of_one_confidence_is_its_distance_from_the_accuracy() -> None:
    probabilities = np.tile([0.9, 0.1], (400, 1))
    labels = np.repeat([0, 1], [240, 160])
    np.random.default_rng(0).shuffle(labels)
    found = classification(probabilities, labels)
    assert found.accuracy == pytest.approx(0.6)
    assert found.accuracy_standard_error == pytest.approx((0.24 / 400) ** 0.5)
    assert found.log_loss == pytest.approx(log_loss(labels, probabilities))
    # Each bin is too sure, so that their distances add up.
    assert found.calibration_error == pytest.approx(0.3)
    assert found.calibration_error_standard_error == pytest.approx((0.24 / 400) ** 0.5, rel=0.15)


def test_without_labels_there_is_nothing_to_count() -> None:
    with pytest.raises(DataError, match="no example has a label; expected one at least"):
        classification(np.empty((0, 2)), np.empty(0, int))


@pytest.mark.parametrize("form", ["rows of a table", "rows", "pictures"])
def test_peers_learn_what_is_there_and_take_holes(form: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.concatenate([rng.integers(0, 2, 300), [3]])
    rows = rng.normal(size=(301, 4)) + 3 * labels[:, None]
    rows[rng.random(rows.shape) < 0.2] = np.nan
    columns: list[Column] = []
    if form == "rows of a table":
        rows[:, 0] = rng.integers(0, 3, 301)
        columns = [Column("c", "categorical", categories=("a", "b", "c")), *(Column(f"x{i}", "real") for i in range(3))]
    if form == "pictures":
        rows = rows.reshape(301, 2, 2)
    taught, asked = LabelledRows(rows[100:], labels[100:]), LabelledRows(rows[:100], labels[:100])
    name, shares = peers(taught, asked, columns, 5).items()
    assert name[0] == ("logistic regression" if form == "pictures" else "gradient boosting")
    assert shares[0] == "class shares"
    # Groups three deviations apart in two columns or more; a coin's accuracy would be 5.5 errors below.
    assert name[1].accuracy > 0.9 > shares[1].accuracy + 5.5 * shares[1].accuracy_standard_error
