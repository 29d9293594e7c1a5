"""What a fitted model says of what is not known: holes filled, a column predicted from the others, the label of an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

import lowerbound

from ..config.catalogue import class_of, entries_of
from ..data.columns import Column
from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from .inputs import same_seed

IMPUTATION_SAMPLES = 200


def infers_labels(estimator: FillsHoles) -> bool:
    """Whether there are labels to predict; scikit-learn says it in an `AttributeError` where there are none."""
    if hasattr(estimator, "model_"):
        return estimator.model_.infers_condition
    name = getattr(estimator, "model", None)
    return isinstance(name, str) and name in entries_of("model") and class_of("model", name).infers_condition


def predicts(estimator: FillsHoles) -> bool:
    """Whether there is something to predict: labels, or any column of a table."""
    return infers_labels(estimator) or bool(hasattr(estimator, "spec_") and estimator.spec_.columns)


class FillsHoles(BaseEstimator):
    """The methods of a fitted estimator about what is not known.

    - `_held_out`: the examples for validation, as the model sees them; None where there were none, and after loading.
    """

    model_: Any
    spec_: DataSpec
    _held_out: Example | None = None
    # Of the estimator: it is fitted; examples as the model sees them, and as numbers.
    _ready: Callable[[], None]
    _checked: Callable[..., Example]
    _rows: Callable[[Any], np.ndarray]

    def impute(
        self,
        X: Any,
        n_draws: int = 0,
        *,
        interval: float | None = None,
        calibration: Any = None,
        condition: Any = None,
        num_samples: int = IMPUTATION_SAMPLES,
        random_state: Any = 0,
    ) -> Any:
        """`X` with its holes filled (NaN, or cells of a frame without a value), all else as it was; a frame where `X` is one.

        Real numbers are filled with their mean given what is observed, categories with the most probable one, numbers of few
        values and counts with their median: by importance sampling, with `num_samples` draws of z for each example.

        - `n_draws`: give a list of so many filled copies in place of one, each with a draw in every hole: multiple imputation.
        - `interval`: the coverage of intervals, 0.9 for example; an `Imputed` then, with `values`, `low`, `high` and `columns`,
          which says how intervals held where the value is known.
        - `calibration`: rows that were not trained on, with which intervals are measured; None for those that `fit` held out. An
          interval holds with its probability where cells are missing at random, and the rows are like these.

        Raises `DataError` when the examples are not like those of `fit`, and `ConfigurationError` for a model that cannot.
        """
        from .imputing import impute

        known = self._held_out if calibration is None else self._checked(calibration, None)
        data, rows = self._checked(X, condition), self._rows(X)
        sizes = {"n_draws": n_draws, "num_samples": num_samples, "seed": same_seed(random_state)}
        return impute(self, X, rows, data, interval=interval, calibration=known, **sizes)

    @available_if(predicts)
    def predict_proba(self, X: Any, *, target: str | None = None, condition: Any = None) -> np.ndarray:
        """q(y|x) of each class y, (n, classes), in the order of `spec_.condition.categories`; for model="semi-supervised".

        - `target`: of a table, the column to predict in its place: P(value | the other columns), in the order of the column's
          `categories` (`spec_.columns`). `X` may lack it, and what it has in it is not looked at.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        if target is not None or not infers_labels(self):
            column, _, masses = self._target(X, target, condition)
            if not masses.size:
                raise ConfigurationError(f"target is {target!r}, which is {column.kind} and no category; use predict.")
            return masses
        return lowerbound.evaluation.class_probabilities(self.model_, self._checked(X, None))

    @available_if(predicts)
    def predict(self, X: Any, *, target: str | None = None, condition: Any = None) -> np.ndarray:
        """The most probable class of each example, (n,); for model="semi-supervised".

        - `target`: of a table, the column to predict in its place, as `impute` fills it.
        """
        if target is not None or not infers_labels(self):
            column, likely, _ = self._target(X, target, condition)
            return column.decode(likely)
        given = self.spec_.condition
        assert given is not None
        return np.asarray(given.categories)[self.predict_proba(X).argmax(axis=1)]

    def _target(self, X: Any, target: str | None, condition: Any) -> tuple[Column, np.ndarray, np.ndarray]:
        from .imputing import masses_of

        self._ready()
        if target is None:
            names = ", ".join(column.name for column in self.spec_.columns[:10])
            raise ConfigurationError(f"target is missing: expected the name of the column to predict, of {names}.")
        return masses_of(self, X, target, condition)
