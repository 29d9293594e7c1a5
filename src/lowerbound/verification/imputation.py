"""Hidden elements of linear-Gaussian data, whose law given the observed ones is a Gaussian in closed form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import scipy.stats

from ..data.examples import Example
from ..evaluation import impute
from ..models import AbstractLatentVariableModel
from .figure import STANDARD_ERRORS, Figure
from .linear_gaussian import TRUTH

SUBJECT = "hidden elements of linear-Gaussian data"
NUM_SAMPLES, NUM_DRAWS = 4000, 2000
LEVEL = 0.95
# Of three examples: one element hidden, every second one, and all but one.
HIDDEN = ((3,), (0, 2, 4), (0, 1, 2, 3, 5))


def hidden_elements(model: AbstractLatentVariableModel | None = None) -> Iterator[Figure]:
    """Conditional means, spreads of the draws and upper quantiles; `model`: one with another posterior than the encoder's own.

    The encoder was made for whole examples: with elements hidden its posterior is wrong, and the weights make up for it.
    """
    x = TRUTH.draw(len(HIDDEN), seed=5)
    observed = np.ones(x.shape, bool)
    for row, elements in enumerate(HIDDEN):
        observed[row, list(elements)] = False
    holes = np.where(observed, x, np.nan).astype(np.float32)
    data = Example(holes, observed=observed)
    found = impute(model or TRUTH.model(), data, num_samples=NUM_SAMPLES, num_draws=NUM_DRAWS, levels=(LEVEL,))
    for row, elements in enumerate(HIDDEN):
        mean, covariance = TRUTH.hidden(x[row], observed[row])
        spread, hidden = np.sqrt(np.diag(covariance)), list(elements)
        effective = float(found.effective_sample_size[row])
        what = f"{len(elements)} of {x.shape[1]} hidden"
        first = hidden[0]
        yield Figure(
            SUBJECT,
            f"E[x|observed], {what}",
            float(found.mean[row, first]),
            float(mean[0]),
            STANDARD_ERRORS * float(found.mean_error[row, first]),
        )
        # Of draws that share few effective z: at most the error of so many independent ones, and of the draws themselves.
        yield Figure(
            SUBJECT,
            f"spread of the draws, {what}",
            float(found.draws[:, row, first].std()),
            float(spread[0]),
            STANDARD_ERRORS * float(spread[0]) * np.sqrt(0.5 / NUM_DRAWS + 0.5 / effective),
        )
        density = float(scipy.stats.norm.pdf(scipy.stats.norm.ppf(LEVEL))) / spread[0]
        yield Figure(
            SUBJECT,
            f"{100 * LEVEL:g} % quantile, {what}",
            float(found.quantile(LEVEL)[row, first]),
            float(mean[0] + scipy.stats.norm.ppf(LEVEL) * spread[0]),
            STANDARD_ERRORS * float(np.sqrt(LEVEL * (1 - LEVEL) / effective) / density),
        )
