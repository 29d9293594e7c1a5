"""What a fitted model answers: codes, reconstructions, samples, log-densities."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.utils import Tags, TransformerTags
from sklearn.utils.validation import check_is_fitted

import lowerbound

from ..config.rules import COUNT
from ..data.checks import check_array, check_size_for_float32
from ..data.examples import Example, as_model_has_it
from ..data.plausibility import check_in_units, check_like_training
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from ..storage.memory import check_number_fits
from .examined import Examined
from .forked import check_not_forked
from .frames import as_frame, module_of_frame, with_index_of
from .inputs import (
    as_numbers,
    numeric_examples,
    same_seed,
    with_condition,
    with_examples_tags,
)
from .result import Fitted
from .table_inputs import encoded_rows, frame_of_rows

if TYPE_CHECKING:
    from ..assembly.automatic import Choice
    from ..config import ResolvedConfig

# Importance samples of `score_samples`: enough to rank examples; a number to publish takes more.
EVIDENCE_SAMPLES = 100
_EVIDENCE_SEED = 0


class AbstractFitted(Examined, ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseEstimator):
    """The methods of an estimator that need its fitted model, and none of its parameters.

    - `_frame`: the library of the data frame that `fit` was given; empty for an array, and after loading.
    """

    config: Mapping[str, Mapping[str, Any]] | None
    model_: Any
    spec_: DataSpec
    config_: ResolvedConfig
    history_: Mapping[str, np.ndarray]
    choices_: tuple[Choice, ...]
    _parts: Mapping[str, Any]
    _frame: str = ""

    def transform(self, X: Any, *, condition: Any = None, return_std: bool = False) -> Any:
        """E_q[z|x] of each example: (n, latent_dim), float32. The same example gives the same numbers, bit for bit.

        - `return_std`: give the standard deviation of each z_j under q(z|x) too, as a second array of the same shape.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        examples = self._checked(X, condition)
        means = self._posterior_means(examples)
        if not return_std:
            return means
        lowerbound.evaluation.check_density(self.model_, "spread of q(z|x)")
        stds = functools.partial(lowerbound.evaluation.posterior_stds, self.model_)
        return means, lowerbound.evaluation.in_blocks(self.model_, stds, examples)

    def sample_posterior(self, X: Any, n_draws: int = 1, *, condition: Any = None, random_state: Any = None) -> np.ndarray:
        """Draws z ~ q(z|x) of each example: (n_draws, n, latent_dim), float32.

        - `random_state`: an integer makes the draws repeatable; None draws others each time.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        examples, count = self._checked(X, condition), COUNT.convert("n_draws", n_draws)
        check_number_fits("n_draws", count, 8 * len(examples) * self.model_.latent_dim, "draws of these examples")
        return lowerbound.evaluation.posterior_draws(self.model_, examples, count, seed=same_seed(random_state))

    def inverse_transform(self, X: Any, *, condition: Any = None) -> Any:
        """E[x|z] for each row z of `X`, (n, latent_dim): (n, *example), in the data's units.

        Here and in `reconstruct` and `sample` the numbers are float32, and float64 where float32 could not tell the data apart
        (times in seconds, coordinates).

        Raises `DataError` when `X` does not have latent_dim columns.
        """
        self._ready()
        latents = check_array(as_numbers(X), event_shape=(self.model_.latent_dim,), may_have_holes=False)
        check_size_for_float32(latents, "X")
        means = self._decoder_means(with_condition(np.asarray(latents, np.float32), condition, self.spec_))
        return with_index_of(self._as_given(means, module_of_frame(X) or self._frame), X)

    def reconstruct(self, X: Any, *, condition: Any = None) -> Any:
        """Each example as the model sees it: E[x|z] at z = E_q[z|x]; in the shape and the units of the data.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        examples = self._checked(X, condition)
        examples = lowerbound.evaluation.completed(self.model_, examples)
        means = self._decoder_means(Example(self._posterior_means(examples), examples.condition))
        return with_index_of(self._as_given(means, module_of_frame(X)), X)

    def sample(
        self,
        n_samples: int = 1,
        *,
        condition: Any = None,
        given: Mapping[str, Any] | None = None,
        random_state: Any = None,
        mean: bool = False,
    ) -> Any:
        """New examples, (n_samples, *example), in the data's units: z ~ p(z), then x ~ p(x|z). A data frame where `fit` had one.

        - `condition`: of each new example, (n_samples,) or (n_samples, k), for a model that was fitted with one.
        - `given`: of a table, the values of some columns by name, under which the others are drawn, x ~ p(x | x_given).
        - `random_state`: an integer makes the draws repeatable; None draws others each time.
        - `mean`: True gives E[x|z] in place of a draw of x. It looks smoother, and it is not a sample of p(x).

        Raises `ConfigurationError` when `n_samples` is not a whole number from 1 up.
        """
        self._ready()
        count = COUNT.convert("n_samples", n_samples)
        seed = same_seed(random_state)
        check_number_fits("n_samples", count, 16 * math.prod(self.spec_.event_shape), "new examples")
        labels = with_condition(np.zeros((count, 1), np.float32), condition, self.spec_).condition
        chosen = None if labels is None else np.asarray(labels)
        if given is not None and not isinstance(given, Mapping):
            raise ConfigurationError(f"given is {given!r}; expected values of columns by their names, {{'town': 'Oslo'}}.")
        known = {str(name): _as_typed(value) for name, value in (given or {}).items()}
        if known:
            if mean:
                raise ConfigurationError("mean=True cannot be given with given, whose rows are draws; leave one of them out.")
            found = lowerbound.evaluation.sample_given(self.model_, self.spec_, known, count, condition=chosen, seed=seed)
            return self._as_given(found.rows, self._frame)
        if self.spec_.columns:
            rows = lowerbound.evaluation.sample_rows(
                self.model_, self.spec_, count, condition=chosen, draw=not mean, holes=True, seed=seed
            )
            return self._as_given(rows, self._frame)
        drawn = self.spec_.to_user(lowerbound.evaluation.sample(self.model_, count, condition=labels, draw=not mean, seed=seed))
        return self._as_given(drawn, self._frame)

    def score_samples(self, X: Any, num_samples: int = EVIDENCE_SAMPLES, *, condition: Any = None) -> np.ndarray:
        """log p(x) of each example in nats, about x in the data's units: (n,), by importance sampling.

        Each is a lower bound on log p(x) in expectation, log (1/K) sum_k p(x|z_k) p(z_k) / q(z_k|x) with K = `num_samples` draws
        z_k ~ q(z|x), and it rises with K. The draws derive from the example's own values alone: the same example gives the
        same number, whatever else is in `X` and in whatever order. Use 1000 or more for a number to publish.

        Raises `DataError` when the examples are not like those of `fit` or outside the likelihood's support.
        """
        data, count = self._checked(X, condition, in_support=True), COUNT.convert("num_samples", num_samples)
        streams = lowerbound.evaluation.own_streams(data)
        estimate = lowerbound.evaluation.estimate_evidence(self.model_, data, count, seed=_EVIDENCE_SEED, streams=streams)
        return np.asarray(estimate.log_evidence, np.float64)

    def score(self, X: Any, y: Any = None, *, condition: Any = None) -> float:
        """The mean of `score_samples(X)`, nats per example: higher is better. `y` is ignored."""
        return float(self.score_samples(X, condition=condition).mean())

    def __sklearn_tags__(self) -> Tags:
        tags = with_examples_tags(super().__sklearn_tags__())
        tags.transformer_tags = TransformerTags(preserves_dtype=["float32"])
        return tags

    @property
    def _n_features_out(self) -> int:
        return self.model_.latent_dim

    @property
    def _fitted(self) -> Fitted:
        return Fitted(self.model_, self.spec_, self.config_, self._parts, self.history_, self.choices_)

    def _as_given(self, array: np.ndarray, module: str) -> Any:
        if self.spec_.columns:
            return frame_of_rows(array, self.spec_, module or self._frame)
        return as_frame(array, self.spec_.feature_names, module) if self.spec_.feature_names else array

    def examples_of(self, X: Any, condition: Any = None, *, may_be_odd: bool = False) -> Example:
        """The rows of `X`, with their conditions, as the model scores them; raises `DataError` when it cannot.

        - `may_be_odd`: whether they may be unlike those of `fit`, in other units too, or outside the likelihood's support.
        """
        return self._checked(X, condition, in_support=not may_be_odd, may_be_odd=may_be_odd)

    def _ready(self) -> None:
        check_is_fitted(self)
        check_not_forked()

    def _checked(self, X: Any, condition: Any, *, in_support: bool = False, may_be_odd: bool = False) -> Example:
        self._ready()
        array = self._rows(X)
        if in_support:
            self.model_.check_values(array, self.spec_)
        if may_be_odd:
            check_in_units(array, self.spec_, "X")
        else:
            check_like_training(array, self.spec_)
        return with_condition(as_model_has_it(array, self.spec_), condition, self.spec_)

    def _rows(self, X: Any) -> np.ndarray:
        """The examples as an array; of a table its cells encoded."""
        if self.spec_.columns:
            return encoded_rows(X, self.spec_)
        return numeric_examples(X, self, event_shape=self.spec_.event_shape)

    def _posterior_means(self, examples: Example) -> np.ndarray:
        return lowerbound.evaluation.in_blocks(
            self.model_, lambda block: lowerbound.evaluation.posterior_means(self.model_, block), examples
        )

    def _decoder_means(self, latents: Example) -> np.ndarray:
        def means(block: Example) -> np.ndarray:
            condition = None if block.condition is None else np.asarray(block.condition)
            return lowerbound.evaluation.decode(self.model_, np.asarray(block.x), condition=condition)

        return self.spec_.to_user(lowerbound.evaluation.in_blocks(self.model_, means, latents))


def _as_typed(value: Any) -> str:
    """A value as `--given` takes it: 1 and 1.0 are one number."""
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)
