"""A detector of outliers whose false-alarm rate holds."""

from __future__ import annotations

import math
import typing
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.utils import Tags, _safe_indexing
from sklearn.utils.validation import _num_samples, check_is_fitted

import lowerbound

from ..config.rules import COUNT, Real
from ..data.examples import Example
from ..errors import ConfigurationError, DataError, warn_of_data
from .inputs import numeric_examples, seed_from, with_examples_tags
from .table_inputs import table_of
from .vae import VAE

_AUTO, _USUAL_RATE = "auto", 0.05
# Shares of the rows: held out to calibrate at least, at most, and at most for a rate that was asked for; held out to stop the
# training of a single model by and to choose a score by, and at most for that.
_CALIBRATION, _MOST_CALIBRATION, _MOST_FOR_A_RATE, _VALIDATION, _MOST_VALIDATION = 0.1, 0.25, 0.5, 0.1, 0.2
_FEWEST_VALIDATION, _FEWEST_ROWS, _FEWEST_LEARNT = 12, 8, 4
# Where rows are few, one model is a matter of luck, and the rows that it does not learn from are missed.
_MODELS, _FEW_ROWS = 5, 5000
# In standard deviations of each column; docs/results.md ("Anomalies") says how these were looked at.
_SCALE_FLOOR, _BATCH, _STEPS, _FEWEST_EPOCHS = 0.3, 100, 2000, 10
_SEEDS = 2**31 - 1
_CONTAMINATION, _SHARE = Real(0.0, at_most=0.5, strictly_above=True), Real(0.0, below=1.0, strictly_above=True)


class VAEOutlierDetector(OutlierMixin, BaseEstimator):
    r"""Outliers by a variational autoencoder, with a false-alarm rate that holds for new rows.

    A part of the rows calibrates, and no model learns from it. Of the others each model holds out its own part, which ends its
    training and gives the score its units: the larger of minus log p(x), where p is the mean of the models' densities, and of the
    distance to the nearest rows of `fit`; or one of them alone where it tells rows that were held out from rows made odd on
    purpose clearly better. A new row is an outlier where its conformal p-value is at most the false-alarm rate, so that of new
    rows like those of `fit` no more than this share is called so, in the mean over calibrations. (The calibration rows are
    neighbours too, each without itself, which keeps this exact: `lowerbound.evaluation.AnomalyScorer.calibrated`.)

    Parameters
    ----------
    vae : VAE, default=None
        The model, unfitted. None is a VAE whose Gaussian scales are 0.3 of each column's deviation at least (a density with sharp
        peaks at values that are frequent calls all other values odd); for a data frame with texts, days or cells without a value
        `VAE()`, each column of which has a law of its own.
    method : str, default="auto"
        The score: "evidence", "data-neighbours", "code-neighbours", "joined" (`lowerbound.evaluation.SCORES`), or "auto": `fit`
        chooses.
    false_alarm_rate : "auto" or float, default="auto"
        Share of new normal rows that are called outliers. "auto" is 0.05, or the smallest that few rows allow.
    contamination : float, default=None
        In place of a false-alarm rate, the share of the rows of `fit` that are called outliers; nothing is promised then of new
        rows. Above 0, 0.5 at most.
    calibration : "auto" or float, default="auto"
        Share of the rows of `fit` that are held out to calibrate. "auto" is as many as the rate takes, a tenth at least.
    n_estimators : "auto" or int, default="auto"
        How many models are trained, each without another part of the rows. "auto" is 5, and 1 where there are more than 5,000
        rows.
    random_state : int, RandomState or None, default=None
        Of the parts, the models and the choice.

    Attributes
    ----------
    vaes_ : tuple of VAE
        The models as fitted.
    scorer_ : AnomalyScorer
        The score: `scorer_.score` is its name, `scorer_.reason` says why.
    calibration_scores_ : ndarray
        The scores of the rows held out to calibrate, high for odd, in order.
    false_alarm_rate_ : float
        The rate that holds, k / (n + 1) for n calibration rows; NaN with `contamination`.
    offset_ : float
        `decision_function` is `score_samples` less this.
    n_features_in_, feature_names_in_
        As in `VAE`.

    Examples
    --------
    >>> import numpy as np
    >>> from lowerbound import VAEOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 1)) * [1, 2, 3] + rng.normal(scale=0.3, size=(300, 3))
    >>> detector = VAEOutlierDetector(random_state=0).fit(X)
    >>> detector.predict([[0.5, 1.0, 1.5], [1.0, -2.0, 3.0]])  # each cell of the second is usual by itself
    array([ 1, -1])
    >>> detector.p_values([[1.0, -2.0, 3.0]]) <= 1 / len(detector.calibration_scores_)
    array([ True])

    References
    ----------
    Bates, Candes, Lei, Romano and Sesia (2023), Testing for outliers with conformal p-values, arXiv 2104.08279.
    """

    vaes_: tuple[VAE, ...]
    scorer_: lowerbound.evaluation.AnomalyScorer
    calibration_scores_: np.ndarray
    offset_: float
    false_alarm_rate_: float
    n_features_in_: int

    @typing.no_type_check  # scikit-learn's convention: anything may be set, and `fit` is what refuses it
    def __init__(
        self,
        vae: VAE | None = None,
        *,
        method: str = "auto",
        false_alarm_rate: str | float = "auto",
        contamination: float | None = None,
        calibration: str | float = "auto",
        n_estimators: str | int = "auto",
        random_state: Any = None,
    ) -> None:
        self.vae = vae
        self.method = method
        self.false_alarm_rate = false_alarm_rate
        self.contamination = contamination
        self.calibration = calibration
        self.n_estimators = n_estimators
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> VAEOutlierDetector:
        """Learn what is normal from the rows of `X`; `y` is ignored.

        Raises `ConfigurationError` when a parameter is not possible or a rate takes more rows, `DataError` when `X` cannot be
        used, and what `VAE.fit` raises.
        """
        # Before models are trained for it.
        lowerbound.evaluation.check_score(self.method)
        seed, rate = seed_from(self.random_state), self._checked_rate()
        vae = self._unfitted()
        table = table_of(X, vae.schema)
        rows = X if hasattr(X, "columns") else numeric_examples(X, VAE(), memory="resident")
        count = _num_samples(rows)
        if count < _FEWEST_ROWS:
            raise DataError(
                f"X has {count} sample{'s' if count > 1 else ''} (rows); expected {_FEWEST_ROWS} at least, of which some are "
                "held out to choose a score by and to calibrate."
            )
        order = np.random.default_rng(seed).permutation(count)
        num_calibration = self._num_calibration(rate, count)
        calibration, rest = np.sort(order[:num_calibration]), np.sort(order[num_calibration:])
        held_out = self._held_out(np.searchsorted(rest, order[num_calibration:]), count)
        if self.vae is None and table is None:
            vae.set_params(**_defaults(np.shape(rows)[1:], len(rest) - len(held_out[0])))
        learnt, vaes = _safe_indexing(rows, rest), []
        for number, own in enumerate(held_out):
            each = cast(VAE, clone(vae)).set_params(validation=own, random_state=(seed + number) % _SEEDS)
            vaes.append(each.fit(learnt))
        self.vaes_ = tuple(vaes)
        known, self._normal = self._examples(learnt), self._examples(_safe_indexing(rows, calibration))
        models = [each.model_ for each in vaes]
        scorer = lowerbound.evaluation.fit_scorer(models, vaes[0].spec_, known, held_out, method=self.method, seed=seed)
        self.scorer_, scores = scorer.calibrated(known, self._normal)
        self.calibration_scores_ = np.sort(scores)
        self.n_features_in_ = vaes[0].n_features_in_
        if hasattr(vaes[0], "feature_names_in_"):
            self.feature_names_in_ = vaes[0].feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if self.contamination is None:
            # p <= k / (n + 1) where the score is above the k-th largest of the calibration scores.
            allowed = lowerbound.evaluation.flags_allowed(num_calibration, _USUAL_RATE if rate is None else rate)
            if allowed == 0:
                allowed = 1
                warn_of_data(
                    f"X has {count} rows, of which {num_calibration} calibrate: new normal rows are called outliers with "
                    f"probability 1/{num_calibration + 1}, and not {_USUAL_RATE:g}. More rows, or calibration=0.4, allow less."
                )
            self.false_alarm_rate_ = allowed / (num_calibration + 1)
            self.offset_ = -float(self.calibration_scores_[-allowed])
        else:
            self.false_alarm_rate_ = math.nan
            self.offset_ = float(np.quantile(self.score_samples(rows), self.contamination))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """How normal each row is, (n,): higher is more normal; what a row gets depends on the row alone."""
        check_is_fitted(self)
        return -self.scorer_(self._examples(X))

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`, (n,): below 0 for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, 1 for the others, (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X: Any) -> np.ndarray:
        """The conformal p-value of each row, (n,): of new normal rows a share of a at most has one of a or less.

        `lowerbound.evaluation.flags_at_false_discovery_rate(p, 0.1)` calls rows outliers so that a tenth of them at most, in
        expectation, are normal. That is proved where calibration rows have no part in the score (method="evidence", or more than
        20,000 rows); where they are neighbours too it held in simulations.
        """
        return lowerbound.evaluation.p_values(self.calibration_scores_, -self.score_samples(X))

    def lost_nats(self, X: Any) -> np.ndarray:
        """By how much each column makes each row unlikely, in nats beside a usual row: (n, n_features_in_).

        Usual is the median calibration row; the mean over the models. It says what the densities find odd, whichever score is
        used.
        """
        check_is_fitted(self)
        of_each = zip(self.vaes_, self._examples(X), self._normal, strict=True)
        return np.mean([lowerbound.evaluation.lost_nats(vae.model_, own, normal) for vae, own, normal in of_each], axis=0)

    def _examples(self, X: Any) -> list[Example]:
        """The rows as each model takes them."""
        return [vae.examples_of(X, may_be_odd=True) for vae in self.vaes_]

    def _held_out(self, order: np.ndarray, count: int) -> list[np.ndarray]:
        """For each model the rows that it does not learn from, in order; all as many, so that one compiled program trains all.

        - `order`: the rows that are not for calibration, at random. `count`: how many rows there are with those.
        """
        if self.n_estimators == _AUTO:
            number = max(1, min(_MODELS, len(order) // 2)) if count <= _FEW_ROWS else 1
        else:
            number = COUNT.convert("n_estimators", self.n_estimators)
        size = len(order) // number
        if number == 1:
            most = min(max(1, int(_MOST_VALIDATION * count)), len(order) // 2)
            size = min(max(round(_VALIDATION * count), _FEWEST_VALIDATION), most)
        if size == 0:
            raise ConfigurationError(
                f"n_estimators is {number}, but each model holds out rows of its own, and {len(order)} are left beside those "
                "that calibrate; expected as many models at most."
            )
        return [np.sort(order[size * each : size * (each + 1)]) for each in range(number)]

    def _checked_rate(self) -> float | None:
        """The false-alarm rate that was asked for; None for "auto", and with `contamination`."""
        if self.contamination is not None:
            _CONTAMINATION.convert("contamination", self.contamination)
            if self.false_alarm_rate != _AUTO:
                raise ConfigurationError(
                    f"contamination is {self.contamination!r} and false_alarm_rate is {self.false_alarm_rate!r}; expected one of "
                    "them: a share of the rows of fit, or of new normal rows."
                )
            return None
        if self.false_alarm_rate == _AUTO:
            return None
        return lowerbound.evaluation.RATE.convert("false_alarm_rate", self.false_alarm_rate)

    def _num_calibration(self, rate: float | None, count: int) -> int:
        """How many rows are held out to calibrate; raises `ConfigurationError` where they are too few for the rate."""
        if self.calibration != _AUTO:
            share = _SHARE.convert("calibration", self.calibration)
            number = max(1, round(share * count))
            if number > count - _FEWEST_LEARNT:
                raise ConfigurationError(
                    f"calibration is {share:g}, which takes {number} of {count} rows; expected a share that leaves "
                    f"{_FEWEST_LEARNT} rows or more to learn from."
                )
        else:
            most = int((_MOST_CALIBRATION if rate is None else _MOST_FOR_A_RATE) * count)
            needed = lowerbound.evaluation.rows_needed(_USUAL_RATE if rate is None else rate)
            number = min(max(needed, round(_CALIBRATION * count)), max(1, most))
        if rate is not None:
            lowerbound.evaluation.check_calibration("false_alarm_rate", rate, number, f"calibration rows among {count:,}")
        return number

    def _unfitted(self) -> VAE:
        if self.vae is None:
            return VAE()
        if not isinstance(self.vae, VAE):
            raise ConfigurationError(f"vae is {self.vae!r}; expected an unfitted VAE, or None.")
        return cast(VAE, clone(self.vae))

    def __sklearn_tags__(self) -> Tags:
        return with_examples_tags(super().__sklearn_tags__())


def _defaults(shape: tuple[int, ...], num_training: int) -> dict[str, Any]:
    """The parameters of a VAE of numbers, where nobody chose a model."""
    batch_size = min(_BATCH, num_training)
    return {
        "likelihood": lowerbound.likelihoods.Gaussian(event_shape=shape, scale_floor=np.float32(_SCALE_FLOOR)),
        "scaling": "standard",
        "batch_size": batch_size,
        "epochs": max(_FEWEST_EPOCHS, math.ceil(_STEPS / (num_training // batch_size))),
    }
