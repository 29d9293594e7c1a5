"""What a fitted model says of a label: any column of a table, the classes that it infers, those that it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if

import lowerbound

from ..config.catalogue import class_of, entries_of
from ..data.examples import Example
from ..data.labels import label_values
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from .inputs import same_seed

LABEL_SAMPLES = 200


def infers_labels(estimator: BaseEstimator) -> bool:
    """Whether there are labels to predict; scikit-learn says it in an `AttributeError` where there are none."""
    if (model := getattr(estimator, "model_", None)) is not None:
        return model.infers_condition
    name = getattr(estimator, "model", None)
    return isinstance(name, str) and name in entries_of("model") and class_of("model", name).infers_condition


def predicts(estimator: BaseEstimator) -> bool:
    """Whether there is something to predict: labels, classes that the model is given, or any column of a table."""
    spec = getattr(estimator, "spec_", None)
    given = None if spec is None else spec.condition
    return infers_labels(estimator) or bool(spec is not None and (spec.columns or (given is not None and given.categories)))


class PredictsLabels(BaseEstimator):
    """The methods of a fitted estimator about labels."""

    model_: Any
    spec_: DataSpec
    # Of the estimator: it is fitted; examples as the model sees them, and as numbers.
    _ready: Callable[[], None]
    _checked: Callable[..., Example]
    _rows: Callable[[Any], np.ndarray]

    @available_if(predicts)
    def predict_proba(
        self,
        X: Any,
        *,
        target: str | None = None,
        by: str = "auto",
        condition: Any = None,
        num_samples: int = LABEL_SAMPLES,
        random_state: Any = 0,
    ) -> np.ndarray:
        """The probability of each class given the rest of an example, (n, classes).

        - `target`: of a table, the column to predict: P(value | the other columns), in the order of the column's `categories`
          (`spec_.columns`). `X` may lack it, and what it has in it is not looked at. None for the classes that the model infers
          or is given (`condition` of `fit`), in the order of `spec_.condition.categories`.
        - `by`: of these, "classifier", q(y|x) of model="semi-supervised", or "bayes", p(y|x) from p(x|y) of each class and the
          shares of the classes in training; "auto" is the classifier where there is one.
        - `condition`: of each example, where the model is given one and a column is asked for.
        - `num_samples`: importance samples for each example; the classifier takes none.

        Raises `DataError` when the examples are not like those of `fit`, and `ConfigurationError` for a column of numbers.
        """
        label = self._label(target)
        data, seed = self._without(X, label, condition), same_seed(random_state)
        return lowerbound.evaluation.label_probabilities(self.model_, data, label, by=by, num_samples=num_samples, seed=seed)

    @available_if(predicts)
    def predict(
        self,
        X: Any,
        *,
        target: str | None = None,
        by: str = "auto",
        condition: Any = None,
        num_samples: int = LABEL_SAMPLES,
        random_state: Any = 0,
    ) -> np.ndarray:
        """The most probable class of each example, (n,); of a `target` that is a column, what `impute` fills it with.

        The arguments are those of `predict_proba`; the target may be a column of numbers too.
        """
        self._ready()
        if target is not None and target in (column.name for column in self.spec_.columns):
            from .imputing import filled_column

            return filled_column(self, X, target, condition, num_samples, same_seed(random_state))
        masses = self.predict_proba(
            X, target=target, by=by, condition=condition, num_samples=num_samples, random_state=random_state
        )
        return np.asarray(self._label(target).classes)[masses.argmax(axis=1)]

    @available_if(predicts)
    def evaluate_labels(
        self,
        X: Any,
        y: Any = None,
        *,
        X_train: Any = None,
        y_train: Any = None,
        target: str | None = None,
        by: str = "auto",
        condition: Any = None,
        num_samples: int = LABEL_SAMPLES,
        random_state: Any = 0,
    ) -> dict[str, lowerbound.evaluation.Classification]:
        """How right `predict_proba` is in rows that `fit` did not see, where the label is known: accuracy, calibration error.

        - `y`: the labels, with -1, None or NaN for none; of a `target` those in `X`.
        - `X_train`, `y_train`: the rows of `fit`, from which a classifier of scikit-learn learns, to stand beside "model", as the
          shares of the classes do; None for neither.

        What is said of rows without a label takes for granted that labels are missing at random.
        """
        label, seed = self._label(target), same_seed(random_state)
        says = self.predict_proba(
            X, target=target, by=by, condition=condition, num_samples=num_samples, random_state=random_state
        )
        known, labels = self._known_labels(X, y, label, "y")
        found = {"model": lowerbound.evaluation.classification(says[known], labels, seed=seed)}
        if X_train is None:
            return found
        own, numbers = self._known_labels(X_train, y_train, label, "y_train")
        columns = [column for place, column in enumerate(self.spec_.columns) if place != label.place]

        def others(X: Any, rows: np.ndarray) -> np.ndarray:
            examples = np.asarray(self._rows(X))[rows]
            return examples if label.place is None else np.delete(examples, label.place, axis=1)

        taught = lowerbound.evaluation.LabelledRows(others(X_train, own), numbers)
        asked = lowerbound.evaluation.LabelledRows(others(X, known), labels)
        return {**found, **lowerbound.evaluation.peers(taught, asked, columns, len(label.classes), seed=seed)}

    def _label(self, target: str | None) -> lowerbound.evaluation.Label:
        self._ready()
        return lowerbound.evaluation.label_of(self.model_, self.spec_, target)

    def _without(self, X: Any, label: lowerbound.evaluation.Label, condition: Any) -> Example:
        """The examples without their label."""
        if label.place is not None:
            from .imputing import examples_without

            return examples_without(self, X, label.place, condition)
        if condition is not None:
            raise ConfigurationError("condition is given, but it is what is asked for; leave it out.")
        given = self.spec_.condition
        assert given is not None
        unknown = None if given.is_label else np.repeat(np.asarray(label.classes)[:1], len(X))
        return self._checked(X, unknown)

    def _known_labels(self, X: Any, y: Any, label: lowerbound.evaluation.Label, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Which rows have a label, by their numbers, and the numbers of these labels."""
        if label.place is not None:
            codes = np.asarray(self._rows(X))[:, label.place]
            known = np.flatnonzero(codes < len(label.classes))
            return known, codes[known].astype(int)
        if y is None:
            raise ConfigurationError(f"{name} is missing: expected a class for each row, -1 or None where there is none.")
        values, found = label_values(y, name)
        known = np.flatnonzero(found)
        return known, lowerbound.evaluation.numbers_of_labels(label, values[known].tolist())
