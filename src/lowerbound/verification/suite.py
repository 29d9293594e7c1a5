"""All checks, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import jax

from . import bayesian_regression, bounds, densities, errors, imputation, masks, objectives, semi_supervised, whole
from .figure import Figure

# What is looked at, in words, and the check. Each is a function of its own subject, so that a test can put in a broken one.
CHECKS: Mapping[str, Callable[[], Iterator[Figure]]] = {
    "log-weights are exact": bounds.exact_log_weights,
    "bounds rise to the evidence": bounds.bounds_of_a_poor_posterior,
    "evidence as evaluated": bounds.evidence_of_the_evaluator,
    "evidence by annealing, from both sides": bounds.annealing,
    "annealed weights from the prior": lambda: bounds.annealed_weights(2, "prior"),
    "annealed weights from the posterior": lambda: bounds.annealed_weights(2, "posterior"),
    "evidence by a fitted posterior density": bounds.posterior_density,
    "weights that are random": bayesian_regression.evidence,
    "labels that are not known": semi_supervised.labels,
    "elements that are hidden": imputation.hidden_elements,
    "values that are missing because of what they are": masks.masks,
    "errors by hand": errors.errors,
    "likelihoods are normalised, and draw what they say": densities.likelihoods,
    "priors and posteriors draw what they say": densities.latent_densities,
    "flows keep volume in order": densities.flows,
    "divergences in closed form": densities.divergences,
    "laws by hand": densities.laws_by_hand,
    "gradients": whole.path_gradient,
    "bounds of the objectives": objectives.bounds_of_objectives,
    "gradients of importance weights": objectives.dreg_gradient,
    "the sleep half of wake-sleep": objectives.sleep_gradient,
    "penalties of the aggregate": objectives.penalties,
    "training and validation are one function": whole.training_and_validation,
    "bits of discrete data": whole.uniform_levels,
    "units": whole.change_of_units,
    "figures for data scaled to [0, 1]": whole.unit_scale,
    "the same seed gives the same numbers": whole.same_seed_same_numbers,
    "latents": whole.latents,
}


def verify(on_figure: Callable[[str, Figure], None] = lambda check, figure: None) -> dict[str, list[Figure]]:
    """Run every check on the default device; `on_figure` is told each figure as it comes."""
    found: dict[str, list[Figure]] = {}
    # On some devices products of float32 matrices are rounded to fewer digits unless this is asked for.
    with jax.default_matmul_precision("highest"):
        for name, check in CHECKS.items():
            found[name] = []
            for figure in check():
                found[name].append(figure)
                on_figure(name, figure)
    return found
