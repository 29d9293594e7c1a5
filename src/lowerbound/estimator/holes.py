"""Holes filled by a fitted model."""

from __future__ import annotations

from typing import Any

from ..data.examples import Example
from .inputs import same_seed
from .labels import PredictsLabels

IMPUTATION_SAMPLES = 200


class FillsHoles(PredictsLabels):
    """The methods of a fitted estimator about what is not known.

    - `_held_out`: the examples for validation, as the model sees them; None where there were none, and after loading.
    """

    _held_out: Example | None = None

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
        """`X` with its holes filled (NaN, or cells of a frame without a value), all else as it was: a frame, with its index and
        the types of its columns, where `X` is one.

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
