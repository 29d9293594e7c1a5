"""Mistakes to plant in a copy of the source, and which oracle and which check of `lowerbound verify` must notice each.

When code moves, put the shortest text that is still there once into `old`, and mend what it becomes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"


@dataclasses.dataclass(frozen=True)
class Mutation:
    """- `file`: below `src/lowerbound`. `old` stands in it once, and `new` takes its place.
    - `oracle`: the test that must fail then, below `tests`. `check`: of `lowerbound verify`, one of whose figures must be wrong.
    """

    name: str
    file: str
    old: str
    new: str
    oracle: str
    check: str

    def text(self, source: Path = SOURCE) -> str:
        """The file with the mistake in it; raises `ValueError` where it does not fit exactly once."""
        path = source / "lowerbound" / self.file
        found = path.read_text(encoding="utf-8") if path.exists() else ""
        if (count := found.count(self.old)) != 1:
            raise ValueError(
                f"the planted mistake {self.name!r} fits {count} times in src/lowerbound/{self.file}; expected once. The "
                f"code has changed: mend file, old or new of this mistake in tests/mutations/planted.py. It looks for\n{self.old}"
            )
        return found.replace(self.old, self.new)


_LIKELIHOODS = "likelihoods are normalised, and draw what they say"
_FLOWS = "flows keep volume in order"
_ANNEALED = "oracles/test_annealing.py::test_the_mean_weight_is_the_evidence_however_few_temperatures"
_STREAMED = "oracles/test_proposals.py::test_streamed_weights_give_what_all_of_them_at_once_do"
_ERRORS = "oracles/test_errors.py::test_errors_and_effective_sample_sizes_by_hand"
_JOINT = "oracles/test_joint_evidence.py::test_the_mean_weight_is_the_evidence_of_weights_and_latents_together"
_COSTS = "oracles/test_objectives_elbo.py::test_costs_by_hand"

MUTATIONS = (
    Mutation(
        "the sign of the KL",
        "densities/kl.py",
        "return -0.5 * (1.0 + log_ratio",
        "return 0.5 * (1.0 + log_ratio",
        _COSTS,
        "divergences in closed form",
    ),
    Mutation(
        "missing values counted as there",
        "models/mask_terms.py",
        "jax.nn.log_sigmoid(-self.mask.logit(self._units(nodes.value)))",
        "jax.nn.log_sigmoid(self.mask.logit(self._units(nodes.value)))",
        "oracles/test_masks.py::test_the_bounds_of_objectives_are_bounds_and_reach_the_mask",
        "values that are missing because of what they are",
    ),
    Mutation(
        "what is missing filled as if at random",
        "models/mask_terms.py",
        "log_mass = nodes.log_mass + self._log_tilt(self._units(nodes.value), example)",
        "log_mass = nodes.log_mass",
        "oracles/test_masks.py::test_what_is_missing_is_filled_with_what_tends_to_be_missing",
        "values that are missing because of what they are",
    ),
    Mutation(
        "a Gaussian without log 2 pi",
        "likelihoods/diagonal_normal.py",
        " - 0.5 * math.log(2 * math.pi) * self.loc.size",
        "",
        "oracles/test_likelihoods.py::test_agrees_with_scipy",
        _LIKELIHOODS,
    ),
    Mutation(
        "an objective's log of a sum, not of a mean",
        "objectives/importance_weighted.py",
        " - jnp.log(jnp.float32(log_weight.shape[-1]))",
        "",
        "oracles/test_bounds.py::test_iwae_rises_to_the_evidence_at_the_rate_and_by_the_figures_of_the_prototype",
        "bounds of the objectives",
    ),
    Mutation(
        "the evidence's log of a sum, not of a mean",
        "evaluation/running_weights.py",
        "self.log_sum - jnp.log(jnp.float32(num_samples))",
        "self.log_sum",
        _STREAMED,
        "errors by hand",
    ),
    Mutation(
        "MIWAE with its axes swapped",
        "objectives/importance_weighted.py",
        "log_mean_exp(log_weight.reshape(self.num_groups, self.num_samples))",
        "log_mean_exp(log_weight.reshape(self.num_groups, self.num_samples).T)",
        "oracles/test_bounds.py::test_miwae_is_the_mean_over_groups_of_logarithms_of_means_in_a_group",
        "bounds of the objectives",
    ),
    Mutation(
        "beta in the bound",
        "objectives/elbo.py",
        "(log_likelihood - weight * cost), None",
        "(log_likelihood - weight * cost), log_likelihood - weight * kl",
        _COSTS,
        "bounds of the objectives",
    ),
    Mutation(
        "the units' Jacobian dropped",
        "models/single_layer.py",
        "return log_prob + self._log_jacobian(y, observed)",
        "return log_prob",
        "oracles/test_units.py::test_change_of_units_when_the_model_is_built_anew",
        "units",
    ),
    Mutation(
        "a probability that the unit changes",
        "models/single_layer.py",
        "has_density = True if has_mass is None else ~has_mass",
        "has_density = True",
        "oracles/test_inflated.py::test_a_probability_is_the_same_in_every_unit_and_a_density_is_not",
        "units",
    ),
    Mutation(
        "the lowest level without its tail",
        "likelihoods/level_distributions.py",
        "jnp.where(is_lowest, 0.0, jax.nn.log_sigmoid(-lower))",
        "jax.nn.log_sigmoid(-lower)",
        "oracles/test_likelihoods.py::test_discretized_logistic_masses",
        _LIKELIHOODS,
    ),
    Mutation(
        "half a Householder reflection",
        "bijections/orthogonal.py",
        "jnp.where(has_direction, 2.0 /",
        "jnp.where(has_direction, 1.0 /",
        "oracles/test_flows.py::test_reflections_are_undone_in_reverse",
        _FLOWS,
    ),
    Mutation(
        "planar steps that cannot be inverted",
        "bijections/planar.py",
        "jax.nn.softplus(jnp.maximum(self.w @ self.u + UNSHIFTED, SMALLEST_PRODUCT))",
        "1.0 + self.w @ self.u",
        "oracles/test_flows.py::test_planar_constraint_holds_at_any_parameters",
        _FLOWS,
    ),
    Mutation(
        "the root of the effective sample size",
        "evaluation/running_weights.py",
        "jnp.exp(2 * self.log_sum - self.log_square_sum)",
        "jnp.exp(self.log_sum - 0.5 * self.log_square_sum)",
        _STREAMED,
        "errors by hand",
    ),
    Mutation(
        "annealing that moves before it weighs",
        "evaluation/annealing.py",
        "log_weights + (beta - before) * path.log_ratio(places)",
        "log_weights + (beta - before) * path.log_ratio(path.move("
        "places, beta, jnp.exp(log_size), annealing.num_leapfrog, number, move_keys)[0])",
        f"{_ANNEALED}[prior-2]",
        "annealed weights from the prior",
    ),
    Mutation(
        "annealing without its last temperature",
        "evaluation/annealing.py",
        "jnp.arange(len(temperatures) - 1), temperatures[:-1], temperatures[1:]",
        "jnp.arange(len(temperatures) - 2), temperatures[:-2], temperatures[1:-1]",
        f"{_ANNEALED}[posterior-2]",
        "annealed weights from the posterior",
    ),
    Mutation(
        "the weights' divergence once a batch",
        "objectives/base.py",
        "share = model.weights_kl",
        "share = None if model.weights_kl is None else model.weights_kl * model.num_examples / len(batch)",
        "test_verify.py::test_every_figure_is_right[weights that are random]",
        "weights that are random",
    ),
    Mutation(
        "the harmonic estimator inverted",
        "evaluation/posterior_density.py",
        "return np.log(count) - total",
        "return total - np.log(count)",
        "oracles/test_posterior_density.py::test_it_is_the_exact_evidence_of_the_linear_model_within_its_stated_error[1]",
        "evidence by a fitted posterior density",
    ),
    Mutation(
        "the aggregate's own weight on the first column",
        "objectives/total_correlation.py",
        "np.fill_diagonal(weights, 1 / num_examples)",
        "weights[:, 0] = 1 / num_examples",
        "oracles/test_objectives_total_correlation.py::test_the_weights_give_the_aggregate_in_the_mean_over_all_batches",
        "penalties of the aggregate",
    ),
    Mutation(
        "dreg with v in place of v squared",
        "objectives/importance_weighted.py",
        "jax.nn.softmax(log_weight.reshape(self.num_groups, self.num_samples), axis=1).reshape(-1)",
        "jnp.ones_like(log_weight)",
        "oracles/test_gradient_estimators.py::test_estimator_agrees_with_the_brute_force_gradient[iwae-dreg]",
        "gradients of importance weights",
    ),
    Mutation(
        "a mask through which a latent sees itself",
        "bijections/autoregressive.py",
        "latents[:, None] < degrees[None, :]",
        "latents[:, None] <= degrees[None, :]",
        "oracles/test_bijections.py::test_a_masked_layer_sees_only_what_comes_before",
        _FLOWS,
    ),
    Mutation(
        "a VampPrior that sums its components",
        "densities/mixture.py",
        "jax.nn.logsumexp(each) - math.log(self.num_components)",
        "jax.nn.logsumexp(each)",
        "oracles/test_priors.py::test_vamp_is_the_mixture_of_posteriors",
        "laws by hand",
    ),
    Mutation(
        "a negative binomial without one of its corrections",
        "likelihoods/count_masses.py",
        "stirling_error(number) - stirling_error(theta)",
        "stirling_error(number)",
        "oracles/test_counts.py::test_log_masses_of_counts_keep_their_digits",
        _LIKELIHOODS,
    ),
    Mutation(
        "nats called bits",
        "evaluation/scores.py",
        "-evidence / (spec.num_elements * math.log(2))",
        "-evidence / spec.num_elements",
        "oracles/test_units.py::test_bits_per_dim_of_levels_do_not_know_of_units",
        "bits of discrete data",
    ),
    Mutation(
        "a standard error that is too small",
        "evaluation/estimates.py",
        "array.std(ddof=1) / math.sqrt(len(array))",
        "array.std(ddof=1) / math.sqrt(2 * len(array))",
        _ERRORS,
        "errors by hand",
    ),
    Mutation(
        "the sign in the KL on the sphere",
        "densities/kl.py",
        "log_normaliser(q.concentration, dim) - q.concentration * deficit",
        "log_normaliser(q.concentration, dim) + q.concentration * deficit",
        "oracles/test_posteriors.py::test_closed_forms_are_the_monte_carlo_means",
        "laws by hand",
    ),
    Mutation(
        "a Monte Carlo error that forgets the number of samples",
        "evaluation/estimates.py",
        "1 / effective - 1 / num_samples",
        "1 / effective",
        _ERRORS,
        "errors by hand",
    ),
    Mutation(
        "colours that are not centred",
        "likelihoods/logistic_mixtures.py",
        "(value[..., colour] - self._middle for colour",
        "(value[..., colour] for colour",
        "oracles/test_densities.py::test_draws_agree_with_the_density[likelihood-discretized-logistic-mixture-colour]",
        "laws by hand",
    ),
    Mutation(
        "a penalty of moments with 1 / (B - 1)",
        "objectives/dip.py",
        "centred.T @ centred / len(values)",
        "centred.T @ centred / (len(values) - 1)",
        "oracles/test_objectives_moments.py::test_dip_penalties_by_hand",
        "penalties of the aggregate",
    ),
    Mutation(
        "Hamiltonian moves without their acceptance test",
        "sampling/hamiltonian.py",
        "is_accepted = uniform < probability",
        "is_accepted = uniform < 2.0",
        "oracles/test_monte_carlo_em.py::test_the_chains_draw_the_exact_posterior_at_the_acceptance_that_was_asked_for",
        "evidence by annealing, from both sides",
    ),
    Mutation(
        "a sleep phase with the wrong direction of the divergence",
        "objectives/wake_sleep.py",
        "term.posterior.log_prob(z))",
        "term.log_weight.mean())",
        "oracles/test_wake_sleep.py::test_both_gradients_by_hand",
        "the sleep half of wake-sleep",
    ),
    Mutation(
        "the classes' prior left out of the bound",
        "objectives/semi_supervised.py",
        "log_classes = math.log(log_q.shape[1])",
        "log_classes = 0.0",
        "oracles/test_semi_supervised.py::test_every_figure_is_right_and_a_blunt_classifier_is_found_wrong",
        "labels that are not known",
    ),
    Mutation(
        "a mixture's density without its weights",
        "densities/mixture.py",
        "jax.nn.log_softmax(self.log_weights) + each",
        "each",
        "oracles/test_semi_supervised.py::test_every_figure_is_right_and_a_blunt_classifier_is_found_wrong",
        "labels that are not known",
    ),
    Mutation(
        "the sign of the change to the unit scale",
        "evaluation/scores.py",
        "elbo + to_unit",
        "elbo - to_unit",
        "oracles/test_units.py::test_figures_for_data_scaled_to_one_are_those_of_the_same_law_in_those_units",
        "figures for data scaled to [0, 1]",
    ),
    Mutation(
        "weights that are drawn and not paid for in the evidence of all examples",
        "evaluation/joint_evidence.py",
        "float(ratio + evidence)",
        "float(evidence)",
        _JOINT,
        "weights that are random",
    ),
    Mutation(
        "the ratio of the weights' densities upside down",
        "models/bayesian_decoder.py",
        "StandardNormalDensity(theta.size).log_prob(theta) - self.weights.log_prob(theta)",
        "self.weights.log_prob(theta) - StandardNormalDensity(theta.size).log_prob(theta)",
        _JOINT,
        "weights that are random",
    ),
    Mutation(
        "categories whose masses leave no room for what was not seen",
        "likelihoods/categories.py",
        "known = jnp.log1p(-unseen) + picked",
        "known = picked",
        "oracles/test_table_likelihoods.py::test_what_training_did_not_see_has_the_probability_that_is_stated",
        _LIKELIHOODS,
    ),
    Mutation(
        "hidden elements without the importance weights",
        "evaluation/imputation.py",
        "jnp.where(is_finite, log_weight, -jnp.inf)",
        "jnp.where(is_finite, 0.0, -jnp.inf)",
        "oracles/test_imputation.py::test_hidden_elements_have_their_conditional_law",
        "elements that are hidden",
    ),
)
