"""Filled copies of a table that differ in the model too: what Rubin's rules ask for."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import clone

from ..config.rules import COUNT, Integer
from ..config.sections import LARGEST_SEED
from ..data.holes import has_holes
from ..errors import ConfigurationError, DataError, DataWarning
from .fit_data import dataset_for_fit
from .holes import IMPUTATION_SAMPLES
from .inputs import same_seed
from .vae import VAE

_COPIES = Integer(2)


def multiple_imputations(
    vae: Any,
    X: Any,
    n_imputations: int = 20,
    *,
    num_samples: int = IMPUTATION_SAMPLES,
    n_jobs: int | None = None,
    random_state: Any = 0,
) -> list[Any]:
    r"""Copies of `X`, each with a draw in every hole from a model of its own, fitted to a bootstrap sample of the rows.

    Copy i: weights w ~ Multinomial(n, 1/n) of the n rows, a fit of `vae` to `X` with these weights and a seed of its own, then
    x_hidden ~ p_i(x_hidden | x_observed) for all rows. So what differs between copies is both what is not known of a cell and
    what is not known of the model, and `lowerbound.evaluation.pool_estimates` makes one estimate of the copies with an interval.
    (Draws of one model, `VAE.impute(n_draws=...)`, lack the latter.) Cells must be missing at random.

    - `vae`: the model to fit, which is left as it is. `X`: a frame or an array with holes.
    - `n_imputations`: copies, 2 or more; they share their compiled programs, which is most of the time of a first one.
    - `num_samples`: importance samples of each row. `n_jobs`: how many copies are made at a time; None is one on each core of a
      CPU, and all trained as one program on an accelerator.

    Raises `DataError` where nothing is missing, and what `VAE.fit` and `VAE.impute` raise.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys; Little and Rubin (2002), section 10.2.3, for the bootstrap.
    """
    from ..training.together import Place, side_by_side, train_as_one

    if not isinstance(vae, VAE):
        raise ConfigurationError(f"vae is a {type(vae).__name__}; expected a VAE, the model to fit to each bootstrap sample.")
    copies = _COPIES.convert("n_imputations", n_imputations)
    jobs = None if n_jobs is None else COUNT.convert("n_jobs", n_jobs)
    none = dict.fromkeys(("validation", "condition", "sample_weight", "spread"))
    with warnings.catch_warnings():
        # `fit` says them again.
        warnings.simplefilter("ignore", DataWarning)
        examples = dataset_for_fit(X, VAE(), schema=vae.schema, memory="auto", **none).examples
    if not has_holes(examples):
        raise DataError("X has no hole, so there is nothing to impute; expected cells without a value, or NaN.")
    rng = np.random.default_rng(same_seed(random_state))
    count = len(X)

    def task_of(weights: np.ndarray, seed: int) -> Any:
        def task(place: Place) -> Any:
            copy: Any = clone(vae)
            copy._programs = place.programs
            copy.set_params(random_state=seed).fit(X, sample_weight=weights)
            (filled,) = copy.impute(X, n_draws=1, num_samples=num_samples, random_state=seed)
            return filled

        return task

    tasks = []
    for _ in range(copies):
        weights = np.bincount(rng.integers(count, size=count), minlength=count)
        tasks.append(task_of(weights, int(rng.integers(LARGEST_SEED))))
    return side_by_side(tasks, jobs, as_one=train_as_one())
