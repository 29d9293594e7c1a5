"""How often a right program fails a random test: one threshold, and the number of comparisons that each file makes with it.

A test with a fixed seed passes always or never with the same versions. The rates are for a change of the seed, or of a version
that draws other numbers from it. A mean of many draws is taken for normal; of fewer than a thousand it is Student's t.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from lowerbound.verification.figure import STANDARD_ERRORS

# Of one comparison: 3.8e-8.
RATE = float(2 * scipy.stats.norm.sf(STANDARD_ERRORS))
# Of one run of all tests.
MOST_A_RUN = 1e-4
# At least as many comparisons as each file makes, its negative controls among them: those of every parameter, and of every number
# of an array. A tolerance of its own counts where other seeds put it 5.5 deviations away. Whoever adds some raises the figure.
COMPARISONS = {
    "cli/test_cli_latents.py": 2,
    "cli/test_cli_outputs.py": 2,
    "data/test_data_plausibility.py": 30,
    "estimator/test_estimator_fit.py": 10,
    "estimator/test_estimator_methods.py": 1,
    "estimator/test_estimator_wishes.py": 30,
    "estimator/test_outlier_detector.py": 4,
    "evaluation/test_anomaly.py": 4,
    "evaluation/test_calibration.py": 8,
    "evaluation/test_comparison.py": 4,
    "evaluation/test_conformal.py": 40,
    "evaluation/test_disentanglement.py": 40,
    "evaluation/test_estimates.py": 6,
    "evaluation/test_intervals.py": 45,
    "evaluation/test_fidelity.py": 20,
    "evaluation/test_pooling.py": 2,
    "evaluation/test_table_rows.py": 8,
    "networks/test_networks_images.py": 1,
    "networks/test_networks_mlp.py": 8,
    "oracles/test_annealing.py": 60,
    "oracles/test_bayesian_decoder.py": 20,
    "oracles/test_bounds.py": 60,
    "oracles/test_completion.py": 8,
    "oracles/test_counts.py": 20,
    "oracles/test_densities.py": 400,
    "oracles/test_errors.py": 4,
    "oracles/test_gaussian_posteriors.py": 60,
    "oracles/test_gradient_estimators.py": 80,
    "oracles/test_joint_evidence.py": 8,
    "oracles/test_imputation.py": 60,
    "oracles/test_latent_statistics.py": 100,
    "oracles/test_linear_gaussian.py": 60,
    "oracles/test_masks.py": 60,
    "oracles/test_monte_carlo_em.py": 12,
    "oracles/test_neighbours.py": 22,
    "oracles/test_objectives_autoencoder.py": 4,
    "oracles/test_objectives_moments.py": 10,
    "oracles/test_posteriors.py": 100,
    "oracles/test_posterior_density.py": 10,
    "oracles/test_priors.py": 4,
    "oracles/test_proposals.py": 80,
    "oracles/test_inflated.py": 2,
    "oracles/test_table_likelihoods.py": 3,
    "oracles/test_von_mises_fisher.py": 40,
    "oracles/test_semi_supervised.py": 40,
    "oracles/test_wake_sleep.py": 40,
    "test_another_model.py": 10,
    "training/test_noise.py": 101,
    "training/test_training_holes.py": 4,
    "training/test_training_losses.py": 4,
    "training/test_training_schedule.py": 2,
    "training/test_training_stream.py": 3,
    # Through the figures of `lowerbound verify`, which have the same threshold.
    "oracles/test_units.py": 20,
    "test_verify.py": 260,
}
# How often the other random tests of a file fail a right program, where they say something else than 5.5 standard errors.
OTHER_RATES: dict[str, float] = {}


def agrees(value: Any, truth: Any, error: Any, slack: float = 0.0, num_draws: int | None = None) -> bool:
    """Whether random numbers are their truths, all within 5.5 standard errors (and a bias of `slack`).

    `num_draws`: how many gave `error`, where that is fewer than a thousand.
    """
    distance = np.abs(np.subtract(value, truth))
    return bool((distance <= _allowed(num_draws) * np.asarray(error) + slack).all())


def not_above(value: Any, bound: Any, error: Any, slack: float = 0.0, num_draws: int | None = None) -> bool:
    """Whether random numbers that are at most their bounds in the mean are no further above than chance brings them."""
    return bool((np.subtract(value, bound) <= _allowed(num_draws) * np.asarray(error) + slack).all())


def differs(value: Any, truth: Any, error: Any) -> bool:
    """A negative control: whether `agrees` would notice that each of these is something else.

    Make the mistake so large that it is about eleven errors away: then it is noticed with other seeds too, but for one in RATE.
    """
    return bool((np.abs(np.subtract(value, truth)) > STANDARD_ERRORS * np.asarray(error)).all())


def is_likely(p_value: float) -> bool:
    """Whether a p-value is one that chance brings, as often as a number within 5.5 standard errors."""
    return p_value > RATE


def _allowed(num_draws: int | None) -> float:
    return STANDARD_ERRORS if num_draws is None else float(scipy.stats.t.isf(RATE / 2, num_draws - 1))


def rate_of(file: str) -> float:
    """How often a right program fails one of the random tests of a file."""
    return COMPARISONS.get(file, 0) * RATE + OTHER_RATES.get(file, 0.0)


def table() -> str:
    """What CONTRIBUTING.md says of the rates, file by file."""
    files = sorted(COMPARISONS.keys() | OTHER_RATES.keys())
    rows = [f"| `tests/{file}` | {COMPARISONS.get(file, 0)} | {rate_of(file):.1e} |" for file in files]
    total = f"| all | {sum(COMPARISONS.values())} | {sum(map(rate_of, files)):.1e} |"
    return "\n".join(["| File | Comparisons, at most | Rate, at most |", "|---|---|---|", *rows, total])
