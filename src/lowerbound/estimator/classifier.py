"""A classifier for examples of which few have a label: Kingma's M1, M2 and both together."""

from __future__ import annotations

import typing
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.utils import Tags
from sklearn.utils.validation import _num_samples, check_is_fitted, column_or_1d

from ..data.labels import UNLABELLED, label_values
from ..errors import ConfigurationError, DataError
from .inputs import seed_from, with_examples_tags
from .labels import infers_labels
from .vae import VAE

METHODS = ("m1", "m2", "m1+m2")
_CLASSIFIERS = ("logistic-regression", "k-nearest", "svm")
_SEMI_SUPERVISED = "semi-supervised"


class VAEClassifier(ClassifierMixin, BaseEstimator):
    r"""Labels for all examples, learned from few that have one and from many that have none (Kingma et al. 2014).

    - `"m1"`: a `VAE` of all examples, then a classifier of scikit-learn on the codes E[z|x] of those with a label.
    - `"m2"`: one model whose latents are z and the class y, p(x) = \sum_y p(y) \int p(z) p(x|y, z) dz; the sum is exact, and
      q(y|x) is the classifier.
    - `"m1+m2"`: M2 of the codes of M1, drawn anew from q(z|x) at each step of training.

    Parameters
    ----------
    method : "m1", "m2" or "m1+m2", default="m1+m2"
        Which of the three.
    m1 : VAE, default=None
        The model of all examples; None for `VAE()`, which the data choose.
    m2 : VAE, default=None
        The model with the class; None for `VAE(model="semi-supervised", objective="semi-supervised")`.
    classifier : str or a classifier of scikit-learn, default="logistic-regression"
        Of M1's codes: "logistic-regression", "k-nearest", "svm" (with a Gaussian kernel), each of standardised codes; or one of
        your own.
    random_state : int, RandomState or None, default=None
        Of both models, in place of their own.

    Attributes
    ----------
    classes_ : ndarray
        The classes, in order: those of which an example has the label.
    m1_, m2_ : VAE
        The models as fitted, where the method has them. `classifier_`: M1's classifier.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_digits
    >>> from lowerbound import VAE, VAEClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> y[50:] = -1  # only fifty have a label
    >>> some = VAE(latent_dim=8, likelihood="gaussian", epochs=5, random_state=0)
    >>> VAEClassifier("m1", m1=some).fit(X, y).predict(X[50:]).shape
    (1747,)

    References
    ----------
    Kingma, Rezende, Mohamed and Welling (2014), Semi-supervised Learning with Deep Generative Models, arXiv 1406.5298.
    """

    m1_: VAE
    m2_: VAE
    classifier_: Any

    @typing.no_type_check  # scikit-learn's convention: anything may be set, and `fit` is what refuses it
    def __init__(
        self,
        method: str = "m1+m2",
        *,
        m1: VAE | None = None,
        m2: VAE | None = None,
        classifier: Any = "logistic-regression",
        random_state: Any = None,
    ) -> None:
        self.method = method
        self.m1 = m1
        self.m2 = m2
        self.classifier = classifier
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> VAEClassifier:
        """Learn from all of `X`, and from the labels of those that have one.

        - `y`: (n,), a class for each example: whole numbers with -1, or texts with "", None or NaN, where there is no label.

        Raises `DataError` where no example, or examples of one class alone, have a label, and what `VAE.fit` raises.
        """
        if self.method not in METHODS:
            raise ConfigurationError(f"method is {self.method!r}; expected one of {', '.join(METHODS)}.")
        if y is None:
            raise DataError(
                "VAEClassifier requires y to be passed, but the target y is None; give a class for each example, -1 for none."
            )
        labels, known = label_values(_as_column(y), "y")
        if len(labels) != (count := _num_samples(X)):
            raise DataError(f"y has {len(labels)} labels, but X has {count} examples; expected one for each, -1 for none.")
        _check_categories(y, labels[known])
        classes, numbers = np.unique(labels[known], return_inverse=True)
        if len(classes) < 2:
            seen = f"all of 1 class, {classes[0]}" if len(classes) else "none at all"
            raise DataError(
                f"y has {known.sum()} labels, {seen}; expected examples of two classes or more, and -1, None or an empty text "
                "where there is no label."
            )
        codes = np.full(len(labels), UNLABELLED)
        codes[known] = numbers
        seed = seed_from(self.random_state)
        fitted: dict[str, Any] = {}
        if self.method != "m2":
            m1 = _template(self.m1, VAE(), "m1")
            fitted["m1_"] = m1.set_params(random_state=seed).fit(X)
        if self.method == "m1":
            fitted["classifier_"] = _classifier(self.classifier, seed).fit(m1.transform(X)[known], classes[numbers])
        else:
            default = VAE(model=_SEMI_SUPERVISED, objective=_SEMI_SUPERVISED)
            m2 = _template(self.m2, default, "m2").set_params(random_state=seed)
            if not infers_labels(m2):
                raise ConfigurationError(f"m2 has model={m2.model!r}; expected VAE(model={_SEMI_SUPERVISED!r}, ...).")
            if self.method == "m2":
                fitted["m2_"] = m2.fit(X, condition=codes)
            else:
                means, stds = m1.transform(X, return_std=True)
                fitted["m2_"] = m2.fit(means, condition=codes, spread=stds)
        for name in ("m1_", "m2_", "classifier_"):
            if hasattr(self, name):
                delattr(self, name)
        vars(self).update(fitted)
        self.classes_ = classes
        of_rows: Any = fitted.get("m1_") or fitted["m2_"]
        self.n_features_in_ = of_rows.n_features_in_
        if hasattr(of_rows, "feature_names_in_"):
            self.feature_names_in_ = of_rows.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each class, (n, classes), in the order of `classes_`.

        Raises `AttributeError` for a classifier of M1 that has none.
        """
        check_is_fitted(self)
        if self.method == "m1":
            return self.classifier_.predict_proba(self.m1_.transform(X))
        return self.m2_.predict_proba(X if self.method == "m2" else self.m1_.transform(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each example, (n,)."""
        check_is_fitted(self)
        if self.method == "m1":
            return self.classifier_.predict(self.m1_.transform(X))
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def sample(self, y: Any, random_state: Any = None) -> Any:
        """A new example of each of the classes `y`, (n,): z ~ p(z), x ~ p(x|y, z). Of M1 and M2 together, E[x] of a drawn code.

        Raises `ConfigurationError` for M1, which has no classes, and `DataError` for a class that `fit` did not see.
        """
        check_is_fitted(self)
        if self.method == "m1":
            raise ConfigurationError("method is 'm1', whose model knows nothing of the classes; expected 'm2' or 'm1+m2'.")
        wanted = np.atleast_1d(np.asarray(y))
        places = [np.flatnonzero(self.classes_ == each) for each in wanted]
        if unknown := [each for each, place in zip(wanted.tolist(), places, strict=True) if not len(place)]:
            raise DataError(f"y has the class {unknown[0]!r}; expected classes among {', '.join(map(str, self.classes_))}.")
        drawn = self.m2_.sample(len(wanted), condition=np.concatenate(places), random_state=random_state)
        return drawn if self.method == "m2" else self.m1_.inverse_transform(drawn)

    def __sklearn_tags__(self) -> Tags:
        return with_examples_tags(super().__sklearn_tags__())


def _template(given: Any, default: VAE, name: str) -> VAE:
    """An unfitted copy of the model that was given, or of the default."""
    if given is None:
        return default
    if not isinstance(given, VAE):
        raise ConfigurationError(f"{name} is {given!r}; expected a VAE, or None.")
    return cast(VAE, clone(given))


def _classifier(given: Any, seed: int) -> Any:
    """An unfitted classifier, by its name or as a copy of the one that was given."""
    if not isinstance(given, str):
        if not (hasattr(given, "fit") and hasattr(given, "predict")) or isinstance(given, type):
            raise ConfigurationError(f"classifier is {given!r}; expected a classifier of scikit-learn, or {_named()}.")
        return clone(given)
    # scikit-learn takes seconds to import.
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    named = {
        "logistic-regression": LogisticRegression(max_iter=5000),
        "k-nearest": KNeighborsClassifier(1),
        "svm": SVC(C=10.0, random_state=seed),
    }
    if given not in named:
        raise ConfigurationError(f"classifier is {given!r}; expected a classifier of scikit-learn, or {_named()}.")
    return make_pipeline(StandardScaler(), named[given])


def _named() -> str:
    return f"one of {', '.join(map(repr, _CLASSIFIERS))}"


def _as_column(y: Any) -> Any:
    """The labels as they are; a column of an array as a row of labels, of which scikit-learn warns everywhere."""
    if y is None:
        raise DataError("VAEClassifier requires y to be passed, but the target y is None; give -1 where there is no label.")
    if not isinstance(y, np.ndarray):
        return y
    if y.dtype.kind == "c":
        raise DataError(f"Complex data not supported: y has the type {y.dtype}; expected whole numbers or texts.")
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _check_categories(y: Any, labels: np.ndarray) -> None:
    """Refuse a series of categories one of which no example has."""
    stated, seen = getattr(getattr(y, "dtype", None), "categories", None), set(labels.astype(str).tolist())
    missing = [each for each in ([] if stated is None else stated.tolist()) if each != UNLABELLED and str(each) not in seen]
    if missing:
        raise DataError(
            f"y is a series of categories, and no example has the label {missing[0]!r}; give one at least, or leave the category "
            "out: y.cat.remove_unused_categories()."
        )
