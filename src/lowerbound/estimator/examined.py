"""How good a fitted model is, and why: scores with their errors, latents, what they move, new rows beside real ones, findings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

import lowerbound

from ..config.rules import COUNT
from ..config.scoring import check_method
from ..data.dataset import Dataset
from ..errors import ConfigurationError
from .holes import FillsHoles
from .inputs import condition_values, same_seed, weights_of
from .result import Fitted

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis
    from ..evaluation.fidelity import Fidelity
    from ..evaluation.methods import Found
    from .explaining import Explanation


class Examined(FillsHoles):
    """The methods of a fitted estimator that look at the model itself."""

    config: Mapping[str, Mapping[str, Any]] | None
    # Of the estimator: what its fit left.
    _fitted: Fitted

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
        - `proposal`: where the samples are drawn from: None for q(z|x), "refined", "widened", or a value such as
          `lowerbound.evaluation.Refined(num_steps=200)`.
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
        return lowerbound.evaluation.latent_table(self.model_, self._checked(X, condition), seed=same_seed(random_state))

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
