"""What gradient-boosted trees make of synthetic rows: can they tell them from real ones, and can they learn from them?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.columns import Column
from ...errors import DataError, unknown_name_message
from .coding import as_numbers, features
from .jackknife import with_error

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

NUM_FOLDS = 5


@dataclasses.dataclass(frozen=True)
class BoostedTwoSample:
    """- `auc`: the cross-validated probability that a synthetic row looks more synthetic than a real one; 0.5 by guessing.
    - `auc_error`: its standard error over rows; trees that were taught other rows would differ by about as much again.
    - `num_rows`: rows of each of the two samples.
    """

    auc: float
    auc_error: float
    num_rows: int

    @property
    def score(self) -> float:
        """1 - (2 max(AUC, 1/2) - 1): 1 where no row can be told, 0 where each can."""
        return 2.0 - 2.0 * max(self.auc, 0.5)

    @property
    def score_error(self) -> float:
        """The standard error of `score`."""
        return 2.0 * self.auc_error


def boosted_two_sample(
    real: np.ndarray, other: np.ndarray, columns: Sequence[Column], *, reference: np.ndarray | None = None, seed: int = 0
) -> BoostedTwoSample:
    """Gradient-boosted trees (scikit-learn's, of 100 rounds) are taught to tell two samples apart, and asked of rows not taught.

    The classifier two-sample test (Lopez-Paz and Oquab 2017) with the score of the SDMetrics library, but for its order of mean
    and maximum: the AUC is a mean over five folds, and no fold's is raised to 1/2 by itself, so that guessing gives 1, not less.
    A stronger test finds more with more rows: scores of different numbers of rows are not comparable. As many rows of each sample
    are taken as the smaller one has.

    - `real`, `other`: (n, C) and (m, C), as `Column.encode` gives them. `reference`: rows that say which categories are rare,
      where there are more than trees take; `real` where it is None.
    """
    # Imported here, because scikit-learn takes seconds to import.
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    size = min(len(real), len(other))
    rows = np.concatenate([sample[np.sort(rng.permutation(len(sample))[:size])] for sample in (real, other)])
    X, categories = features(rows, columns, real if reference is None else reference)
    label = np.repeat([0, 1], size)
    looks, fold_of = np.empty(len(X)), np.empty(len(X), int)
    folds = StratifiedKFold(NUM_FOLDS, shuffle=True, random_state=seed).split(X, label)
    # Trees of so few rows take one thread 2 seconds; several that wait for each other on a busy machine take minutes.
    with threadpool_limits(1, user_api="openmp"):
        for fold, (train, test) in enumerate(folds):
            looks[test] = _classifier(categories, seed).fit(X[train], label[train]).predict_proba(X[test])[:, 1]
            fold_of[test] = fold

    def mean_auc(kept: np.ndarray) -> float:
        own = [kept & (fold_of == fold) for fold in range(NUM_FOLDS)]
        return float(np.mean([roc_auc_score(label[fold], looks[fold]) for fold in own if 0 < label[fold].mean() < 1]))

    return BoostedTwoSample(*with_error(mean_auc, len(X), seed), num_rows=size)


@dataclasses.dataclass(frozen=True)
class Downstream:
    """How well a column of real rows is predicted from the others by trees that were taught other rows.

    - `value`: of a category, the area under the curve (of several, each against the rest, weighted by how often it is); of
      numbers, R^2. `error`: its standard error over the real rows. `measure`: "AUC" or "R2".
    """

    value: float
    error: float
    measure: str


def target_place(target: str, columns: Sequence[Column]) -> int:
    """The number of the column of this name; raises `DataError`, with the nearest right one, for another."""
    names = [column.name for column in columns]
    if target not in names:
        raise DataError(unknown_name_message("target", target, names))
    if len(names) < 2:
        raise DataError(f"target is {target!r}, the only column; expected another one to predict it from.")
    return names.index(target)


def downstream(train: np.ndarray, test: np.ndarray, columns: Sequence[Column], target: str, *, seed: int = 0) -> Downstream:
    """Trees that learn a column from `train`, (n, C), and are asked of `test`, (m, C), which are real.

    Rows without a value of the target, or with one that training did not see, are left out.

    Raises `DataError` when there is no such column, or when the real rows have one value of it alone.
    """
    place = target_place(target, columns)
    is_class = columns[place].is_coded and columns[place].kind != "ordinal"
    rest = [number for number in range(len(columns)) if number != place]
    others = [columns[number] for number in rest]
    taught, asked = (_with_target(rows, columns, place) for rows in (train, test))
    y, y_test = (as_numbers(rows, columns)[:, place] for rows in (taught, asked))
    if len(np.unique(y_test)) < 2:
        raise DataError(f"the real rows have fewer than two values of {target!r}; expected rows in which the target differs.")
    (X, categories), (X_test, _) = (features(rows[:, rest], others, train[:, rest]) for rows in (taught, asked))
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="openmp"):
        learn = _auc if is_class else _r_squared
        return Downstream(*learn(X, y, X_test, y_test, categories, seed), measure="AUC" if is_class else "R2")


def _with_target(rows: np.ndarray, columns: Sequence[Column], place: int) -> np.ndarray:
    target = as_numbers(rows, columns)[:, place]
    unseen = columns[place].is_coded & (rows[:, place] >= len(columns[place].categories))
    return rows[~np.isnan(target) & ~unseen]


def _auc(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, categories: np.ndarray, seed: int
) -> tuple[float, float]:
    from sklearn.metrics import roc_auc_score

    classes, counts = np.unique(y_test, return_counts=True)
    says = {}
    if len(np.unique(y)) > 1:
        fitted = _classifier(categories, seed).fit(X, y)
        says = dict(zip(fitted.classes_.tolist(), fitted.predict_proba(X_test).T, strict=True))
    # Of a class that was never taught every row is as likely as any other.
    probabilities = np.stack([says.get(each, np.zeros(len(y_test))) for each in classes.tolist()], axis=1)

    def area(kept: np.ndarray) -> float:
        # Of two classes each against the other is one and the same.
        own = range(1 if len(classes) == 2 else 0, len(classes))
        some = [each for each in own if 0 < (y_test[kept] == classes[each]).mean() < 1]
        areas = [roc_auc_score(y_test[kept] == classes[each], probabilities[kept, each]) for each in some]
        return float(np.average(areas, weights=counts[some]))

    return with_error(area, len(y_test), seed)


def _r_squared(
    X: np.ndarray, y: np.ndarray, X_test: np.ndarray, y_test: np.ndarray, categories: np.ndarray, seed: int
) -> tuple[float, float]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import r2_score

    predicted = HistGradientBoostingRegressor(**_options(categories, seed)).fit(X, y).predict(X_test)
    return with_error(lambda kept: float(r2_score(y_test[kept], predicted[kept])), len(y_test), seed)


def _classifier(categories: np.ndarray, seed: int) -> HistGradientBoostingClassifier:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(**_options(categories, seed))


def _options(categories: np.ndarray, seed: int) -> dict[str, Any]:
    # Early stopping begins at 10,000 rows: the test would be another one there.
    return {"categorical_features": categories, "early_stopping": False, "random_state": seed}
