"""scikit-learn's own checks of an estimator; none is expected to fail."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from lowerbound import VAE


# Some checks fit columns that never change, of which `fit` warns, rightly.
@pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")
@parametrize_with_checks([VAE(latent_dim=2, hidden_widths=(8,), epochs=5)])
def test_scikit_learn_check(estimator, check):
    check(estimator)
