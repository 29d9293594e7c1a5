"""A label without this model: the shares of the classes, and a strong classifier that learned from the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..data.columns import Column
from .calibration import Classification, classification
from .fidelity.coding import features

# More rows take minutes, and teach little more.
_MOST_ROWS = 20_000


class LabelledRows(NamedTuple):
    """- `rows`: (n, ...) examples in the user's units, NaN for no value. `labels`: (n,) the numbers of their classes."""

    rows: np.ndarray
    labels: np.ndarray


def peers(
    taught: LabelledRows, asked: LabelledRows, columns: Sequence[Column], num_classes: int, *, seed: int = 0
) -> dict[str, Classification]:
    """By name: "class shares", those of the labels taught, for each row, and a classifier of scikit-learn.

    The classifier is gradient-boosted trees (100 rounds) where the examples are rows, which takes holes as they are, and
    logistic regression of standardised numbers, holes at the mean, for pictures and the like.

    - `columns`: what each number of a row is, without the label; empty for arrays.
    """
    if len(taught.labels) > _MOST_ROWS:
        some = np.sort(np.random.default_rng(seed).permutation(len(taught.labels))[:_MOST_ROWS])
        taught = LabelledRows(taught.rows[some], taught.labels[some])
    counts = np.bincount(taught.labels, minlength=num_classes)
    shares = np.repeat((counts / counts.sum())[None], len(asked.labels), axis=0)
    found = {"class shares": classification(shares, asked.labels, seed=seed)}
    if np.count_nonzero(counts) < 2:
        return found
    name, says = _boosted(taught, asked.rows, columns, seed) if taught.rows.ndim == 2 else _linear(taught, asked.rows)
    probabilities = np.zeros((len(asked.labels), num_classes))
    probabilities[:, np.flatnonzero(counts)] = says
    return {name: classification(probabilities, asked.labels, seed=seed), **found}


def _boosted(taught: LabelledRows, rows: np.ndarray, columns: Sequence[Column], seed: int) -> tuple[str, np.ndarray]:
    # Imported here, because scikit-learn takes seconds to import.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    own, X = np.asarray(taught.rows, np.float64), np.asarray(rows, np.float64)
    options: dict[str, Any] = {"early_stopping": False, "random_state": seed}
    if columns:
        (own, options["categorical_features"]), (X, _) = (features(each, columns, taught.rows) for each in (own, X))
    # On a busy machine several threads wait for each other.
    with threadpool_limits(1, user_api="openmp"):
        return "gradient boosting", HistGradientBoostingClassifier(**options).fit(own, taught.labels).predict_proba(X)


def _linear(taught: LabelledRows, rows: np.ndarray) -> tuple[str, np.ndarray]:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    own, X = (np.asarray(each, np.float64).reshape(len(each), -1) for each in (taught.rows, rows))
    line = make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression(max_iter=2000))
    return "logistic regression", line.fit(own, taught.labels).predict_proba(X)
