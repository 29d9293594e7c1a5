"""Was a bound on the evidence what was trained?"""

from __future__ import annotations

import math

from ..config.entry import KINDS
from ..evaluation.reconstruction import NO_BOUND
from ..summaries import RunSummary
from .finding import Check, Finding, retrain, short


def _kl_weight(summary: RunSummary) -> Finding | None:
    objective = summary.config.objective
    beta, last, name = objective.get("beta", 1.0), summary.last("kl_weight"), objective.name
    if beta != 1.0 and name == KINDS["objective"].default:
        return Finding(
            "warning",
            "The KL term was weighted, so what was minimised is not a bound on the evidence. "
            "The bounds that are reported are: they are computed with weight 1.",
            f"KL weight {beta:g} (objective.beta)",
            "Compare this model with others by its ELBO or evidence, never by its loss; or train the bound itself.",
            retrain(summary, "objective.beta=1"),
        )
    warming = objective.get("warmup_epochs", 0)
    if warming and objective.get("warmup", "linear") == "linear" and math.isfinite(last) and last < 0.999:
        return Finding(
            "warning",
            "The KL warm-up had not ended when training did: the weights are those of an easier objective.",
            f"KL weight {last:.2f} at the end",
            f"Train beyond epoch {warming}, or set a smaller objective.warmup_epochs.",
            f"{summary.resume_command} --epochs {2 * warming}",
        )
    if not summary.loss_is_bound:
        settings = "".join(f", {key}={value}" for key, value in objective.changed.items())
        return Finding(
            "note",
            "What was minimised is not a bound on the evidence. The bounds that are reported are.",
            f"the objective is {name}{settings}",
            "Compare this model with others by its ELBO or evidence, never by its loss.",
        )
    return None


def _no_bound(summary: RunSummary) -> Finding | None:
    found = summary.reconstruction
    if found is None:
        return None
    return Finding(
        "note",
        f"This is an autoencoder without a likelihood of the data. {NO_BOUND}",
        f"root mean square error of an element {short(found.root_mean_square)}, {found.explained:.1%} of the variance "
        f"explained ({found.num_examples:,} examples of the {found.split} split)",
        "Compare it with other autoencoders, and with PCA, by this error on data that were not trained on. For a bound, train "
        "with a posterior and the ELBO.",
        retrain(summary, *(f"{kind}.name={KINDS[kind].default}" for kind in ("objective", "posterior"))),
    )


CHECKS = (
    Check("kl-weight", "a KL weight of 1", _kl_weight, lambda s: s.has_bound, "a model with a bound"),
    Check("no-bound", "a bound to report", _no_bound),
)
