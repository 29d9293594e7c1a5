"""What a fitted model answers: codes, samples, densities, scores, and what is the matter with it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, TransformerMixin
from sklearn.utils import Tags, TransformerTags
from sklearn.utils.validation import check_is_fitted

import lowerbound

from ..config.rules import COUNT
from ..config.scoring import check_method
from ..data.checks import check_array, check_size_for_float32
from ..data.dataset import Dataset
from ..data.examples import Example, as_model_has_it
from ..data.plausibility import check_in_units, check_like_training
from ..data.spec import DataSpec
from ..errors import ConfigurationError
from ..storage.memory import check_number_fits
from .forked import check_not_forked
from .holes import FillsHoles
from .inputs import (
    as_frame,
    as_numbers,
    condition_values,
    module_of_frame,
    numeric_examples,
    same_seed,
    seed_from,
    weights_of,
    with_condition,
)
from .result import Fitted
from .table_inputs import encoded_rows, frame_of_rows

if TYPE_CHECKING:
    from ..assembly.automatic import Choice
    from ..config import ResolvedConfig
    from ..diagnosis import Diagnosis
    from ..evaluation.fidelity import Fidelity
    from ..evaluation.methods import Found
    from .explaining import Explanation

# Importance samples of `score_samples`: enough to rank examples; a number to publish takes more.
EVIDENCE_SAMPLES = 100
_EVIDENCE_SEED = 0


class AbstractFitted(FillsHoles, ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, BaseEstimator):
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
        return lowerbound.evaluation.posterior_draws(self.model_, examples, count, seed=seed_from(random_state))

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
        return self._as_given(means, module_of_frame(X) or self._frame)

    def reconstruct(self, X: Any, *, condition: Any = None) -> Any:
        """Each example as the model sees it: E[x|z] at z = E_q[z|x]; in the shape and the units of the data.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        examples = self._checked(X, condition)
        examples = lowerbound.evaluation.completed(self.model_, examples)
        means = self._decoder_means(Example(self._posterior_means(examples), examples.condition))
        return self._as_given(means, module_of_frame(X))

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
        seed = seed_from(random_state)
        check_number_fits("n_samples", count, 16 * math.prod(self.spec_.event_shape), "new examples")
        labels = with_condition(np.zeros((count, 1), np.float32), condition, self.spec_).condition
        chosen = None if labels is None else np.asarray(labels)
        known = {name: str(value) for name, value in (given or {}).items()}
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

    @overload
    def evaluate(
        self,
        X: Any,
        num_samples: int | None = None,
        *,
        condition: Any = None,
        sample_weight: Any = None,
        proposal: Any = None,
        random_state: Any = 0,
    ) -> lowerbound.evaluation.Evaluation: ...

    @overload
    def evaluate(
        self,
        X: Any,
        num_samples: int | None = None,
        *,
        condition: Any = None,
        sample_weight: Any = None,
        proposal: Any = None,
        method: str,
        num_temperatures: int | None = None,
        num_chains: int | None = None,
        start: str | None = None,
        num_examples: int | None = None,
        num_weights: int | None = None,
        random_state: Any = 0,
    ) -> lowerbound.evaluation.Evaluation | Found: ...

    def evaluate(
        self,
        X: Any,
        num_samples: int | None = None,
        *,
        condition: Any = None,
        sample_weight: Any = None,
        proposal: Any = None,
        method: str = "importance",
        num_temperatures: int | None = None,
        num_chains: int | None = None,
        start: str | None = None,
        num_examples: int | None = None,
        num_weights: int | None = None,
        random_state: Any = 0,
    ) -> lowerbound.evaluation.Evaluation | Found:
        """All that can be said of `X` in numbers, with units and standard errors: ELBO, evidence, KL, bits/dim, active units.

        - `num_samples`: importance samples of each example; 1000 (100 with method="joint", 50 with "posterior-density").
        - `sample_weight`: how many each example stands for, (n,).
        - `proposal`: where the samples are drawn from: None for q(z|x), or `lowerbound.evaluation.Refined()`, `Widened()`, ...
        - `method`: as `lowerbound evaluate --method`, with the same records: "importance"; "ais", annealing; "bdmc", bounds from
          both sides on examples that the model makes; "gap", what the encoder and the family of posteriors cost;
          "posterior-density", for at most four latents; "joint", log p(X) of all examples together where weights are random.
        - `num_temperatures` (500), `num_chains` (8), `start` ("prior" or "posterior"): of "ais" and "bdmc".
        - `num_examples` (100): how many random rows of `X` the methods look at; "importance" and "joint" take all.
        - `num_weights` (100): draws of the decoder's weights of "joint".
        - `random_state`: of all draws.

        Raises `DataError` when the examples are not like those of `fit` or outside the likelihood's support, and
        `ConfigurationError` for an argument that the method does not read, or a model that does not suit it.
        """
        given = {
            "num_samples": num_samples,
            "num_temperatures": num_temperatures,
            "num_chains": num_chains,
            "start": start,
            "num_examples": num_examples,
            "num_weights": num_weights,
        }
        check_method(method, {**given, "proposal": proposal})
        if method == "bdmc" and sample_weight is not None:
            raise ConfigurationError("sample_weight is of the rows of X, and method bdmc looks at examples that the model makes.")
        data, seed = self._checked(X, condition, in_support=True), same_seed(random_state)
        if (weight := weights_of(sample_weight, len(data))) is not None:
            data = dataclasses.replace(data, weight=weight.astype(np.float32))
        arguments = {name: value for name, value in given.items() if value is not None}
        if method != "importance":
            return lowerbound.evaluation.evaluate_by(method, self.model_, data, arguments, seed=seed)
        return lowerbound.evaluation.evaluate(self.model_, self.spec_, data, split="X", seed=seed, proposal=proposal, **arguments)

    def latents(self, X: Any, *, condition: Any = None, random_state: Any = 0) -> lowerbound.evaluation.LatentTable:
        """What each latent carries about the examples of `X`: its KL, its variance, whether it is active; `print` shows a table.

        - `random_state`: of the draws behind what is said of all latents together.

        Raises `DataError` when the examples are not like those of `fit`.
        """
        return lowerbound.evaluation.latent_table(self.model_, self._checked(X, condition), seed=seed_from(random_state))

    def explain(
        self,
        X: Any,
        y: Any = None,
        *,
        target: str | None = None,
        n_latents: int = 10,
        condition: Any = None,
        random_state: Any = 0,
    ) -> Explanation:
        """Which columns (or pixels) each latent moves, with intervals, and what of a label is in the codes, beside PCA.

        - `y`: a class for each row of `X`. `target`: in its place a column of `X`, which the codes then do not see. Without
          either there is no probe. The line is fitted to one half of the rows, drawn at random, and asked of the other.
        - `n_latents`: how many latents, those that carry most first.

        `effects` and `probe` of what is given have the figures; `print` shows both. Raises `ConfigurationError` and `DataError`
        where `lowerbound explain` would.
        """
        from .explaining import explain

        COUNT.convert("n_latents", n_latents)
        data = self._checked(X, condition)
        return explain(self, self._rows(X), data, y, target, n_latents, same_seed(random_state))

    def fidelity(
        self,
        X: Any,
        X_new: Any,
        n_samples: int | None = None,
        *,
        target: str = "",
        condition: Any = None,
        random_state: Any = 0,
    ) -> Fidelity:
        """How near new rows from this model are to real ones: columns, pairs, a classifier; `print` shows a table.

        - `X`: the rows of `fit`, of which the floors and the ceiling are made. `X_new`: real rows that `fit` did not see.
        - `n_samples`: how many rows are drawn; None for as many as `X` has, up to 20,000.
        - `target`: a column that gradient-boosted trees learn from new rows, and are asked of `X_new`. Columns without names are
          x0, x1, ...
        - `condition`: of the rows of `X`, for a model that was fitted with one; that of each new row is one of these.
        - `random_state`: of the draws, folds and trees.

        Raises `ConfigurationError` where the examples are no rows of a table, and `DataError` for fewer than twenty rows.
        """
        from ..evaluation.fidelity.of_model import check_is_rows, model_fidelity

        count = 0 if n_samples is None else COUNT.convert("n_samples", n_samples)
        self._ready()
        check_is_rows(self.spec_)
        training, given = self._rows(X), self._checked(X, condition).condition
        return model_fidelity(
            self.model_,
            self.spec_,
            training,
            self._rows(X_new),
            condition=None if given is None or self.model_.infers_condition else np.asarray(given),
            num_rows=count,
            target=target,
            seed=same_seed(random_state),
        )

    def doctor(self, X: Any, y: Any = None, *, condition: Any = None) -> Diagnosis:
        """What is the matter with the model, the most important first, and what to try; `print` shows it. `y` is ignored.

        - `X`: examples to look at, those of `fit` or better new ones. How training went is known from `history_`.

        Raises `DataError` when the examples are not like those of `fit` or outside the likelihood's support.
        """
        from .advice import diagnose_fitted

        self._checked(X, condition, in_support=True)
        array = self._rows(X)
        given = None if condition is None else condition_values(condition, len(array))
        dataset = Dataset("X", array, condition=given, condition_name="condition")
        return diagnose_fitted(self._fitted, dataset, self.config)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        # NaN stands for what has no value.
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        # Models compute in float32, whatever the type of the data.
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
