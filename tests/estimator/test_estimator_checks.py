"""scikit-learn's own checks of an estimator; one is expected to fail, and why is said."""

from __future__ import annotations

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from lowerbound import VAE

# As scikit-learn's own estimators that are trained in batches say of themselves.
EXPECTED_TO_FAIL = {
    "check_sample_weight_equivalence_on_dense_data": "a step draws rows, not weights: a weight of 2 is trained otherwise than "
    "the row given twice",
}


# Some checks fit columns that never change, of which `fit` warns, rightly.
@pytest.mark.filterwarnings("ignore::lowerbound.errors.DataWarning")
@parametrize_with_checks(
    [VAE(latent_dim=2, hidden_widths=(8,), epochs=5, automatic=False)], expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL
)
def test_scikit_learn_check(estimator, check):
    check(estimator)
