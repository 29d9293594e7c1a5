"""Filled copies of a table that differ in the model too: what Rubin's rules ask for."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from ..config.rules import Integer
from ..config.sections import LARGEST_SEED
from ..errors import ConfigurationError, DataError
from .holes import IMPUTATION_SAMPLES
from .inputs import same_seed
from .vae import VAE

_COPIES = Integer(2)


def multiple_imputations(
    vae: Any, X: Any, n_imputations: int = 20, *, num_samples: int = IMPUTATION_SAMPLES, random_state: Any = 0
) -> list[Any]:
    r"""Copies of `X`, each with a draw in every hole from a model of its own, fitted to a bootstrap sample of the rows.

    Copy i: weights w ~ Multinomial(n, 1/n) of the n rows, a fit of `vae` to `X` with these weights and a seed of its own, then
    x_hidden ~ p_i(x_hidden | x_observed) for all rows. So what differs between copies is both what is not known of a cell and
    what is not known of the model, and `lowerbound.evaluation.pool_estimates` makes one estimate of the copies with an interval.
    (Draws of one model, `VAE.impute(n_draws=...)`, lack the latter.) Cells must be missing at random.

    - `vae`: the model to fit, which is left as it is. `X`: a frame or an array with holes.
    - `n_imputations`: copies, 2 or more; each takes as long as a fit, but that only the first one compiles.

    Raises `DataError` where nothing is missing, and what `VAE.fit` and `VAE.impute` raise.

    References
    ----------
    Rubin (1987), Multiple Imputation for Nonresponse in Surveys; Little and Rubin (2002), section 10.2.3, for the bootstrap.
    """
    if not isinstance(vae, VAE):
        raise ConfigurationError(f"vae is a {type(vae).__name__}; expected a VAE, the model to fit to each bootstrap sample.")
    rng = np.random.default_rng(same_seed(random_state))
    count, copies = len(X), []
    for _ in range(_COPIES.convert("n_imputations", n_imputations)):
        weights = np.bincount(rng.integers(count, size=count), minlength=count)
        seed = int(rng.integers(LARGEST_SEED))
        copy: Any = clone(vae)
        fitted = copy.set_params(random_state=seed).fit(X, sample_weight=weights)
        if not fitted.spec_.holes:
            raise DataError("X has no hole, so there is nothing to impute; expected cells without a value, or NaN.")
        copies += fitted.impute(X, n_draws=1, num_samples=num_samples, random_state=seed)
    return copies
