"""What each score is, in words that need no textbook, and how its figures are written."""

from __future__ import annotations

import math

from ..config.scoring import beside_in_short
from ..evaluation.estimates import name_of_density, name_of_elbo
from ..summaries import RunSummary, Score

MINUS = "\N{MINUS SIGN}"

TITLES = {
    "elbo_nats": "Evidence lower bound (ELBO)",
    "log_evidence_nats": "Log-evidence, estimated",
    "unit_scale_elbo_nats": "ELBO, data scaled to [0, 1]",
    "unit_scale_log_evidence_nats": "Log-evidence, data scaled to [0, 1]",
    "bits_per_dim": "Bits per dimension",
    "kl_nats": "KL divergence, code from prior",
}


def title_of(score: Score) -> str:
    """A score's name in words."""
    return TITLES.get(score.name, score.name)


def number(value: float, error: float = math.nan) -> str:
    """A figure with as many decimals as its standard error makes meaningful.

    >>> number(-1769.338, 11.2)
    '−1,769.3'
    """
    if not math.isfinite(value):
        return "not finite"
    scale = error if math.isfinite(error) and error > 0 else abs(value) / 100
    decimals = min(6, max(0, 1 - math.floor(math.log10(scale)))) if scale > 0 else 1
    decimals = min(decimals, 1) if abs(value) >= 10 and not math.isfinite(error) else decimals
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def error_text(score: Score) -> str:
    """`± 11.2`, or nothing where the error is not known."""
    if not math.isfinite(score.standard_error):
        return ""
    return f"± {score.standard_error:#.2g}" if score.standard_error < 9.5 else f"± {score.standard_error:,.0f}"


def measure_text(score: Score) -> str:
    """The base measure in words, and what the number is given."""
    kinds = {"counting": "probability", "lebesgue": "density", "mixed": "density and probability"}
    kind = kinds.get(score.measure, "\N{EN DASH}")
    return kind + beside_in_short(score.given)


def explanation(score: Score, summary: RunSummary) -> str:
    """What the score is, what it is not, and which way is better."""
    elements = summary.spec.num_elements
    if score.name in _OF_RANDOM_WEIGHTS and score.weights_kl_nats is not None:
        return _OF_RANDOM_WEIGHTS[score.name].format(elbo=name_of_elbo(score.given, score.weights_kl_nats))
    if score.name == "elbo_nats":
        return (
            f"A lower bound: the model gives an average example a log-{measure_text(score)} of at least this much, averaged over "
            f"{'one draw' if score.num_samples == 1 else f'{score.num_samples:,} draws'} of its code. Higher is better."
        )
    if score.name == "log_evidence_nats":
        return (
            f"A tighter bound from {score.num_samples:,} importance samples an example. In expectation it still lies below "
            f"the true {name_of_density(score.given)}, and it rises towards it with more samples. Higher is better."
        )
    if score.name in ("unit_scale_elbo_nats", "unit_scale_log_evidence_nats"):
        width = summary.spec.high - summary.spec.low
        shift = f"{elements} × log {width:g}" if width > 0 else "a constant"
        return (
            "The same number as if the data had been scaled to [0, 1] first, as published figures are given: "
            f"{shift} nats more. Nothing about the model differs."
        )
    if score.name == "bits_per_dim":
        return (
            f"Minus the log-evidence, divided by {elements} elements and log 2: what a perfect code built on the model would "
            "spend on each element. It exists because the data are discrete. Lower is better."
        )
    if score.name == "kl_nats":
        return (
            "How much the code tells about an example, on average "
            f"({number(score.value / math.log(2))} bits). A part of the bound, not a score: near zero, the latents are unused."
        )
    return ""


_OF_RANDOM_WEIGHTS = {
    "elbo_nats": "The ELBO for drawn weights of the decoder, {elbo}. Higher is better.",
    "log_evidence_nats": (
        "The log predictive density of an average example: over many draws of the decoder's weights, as training left them "
        "uncertain, and of its code. Higher is better; the examples that were not trained on count."
    ),
}


def measure_note(summary: RunSummary) -> str:
    """What kind of number a log-likelihood of these data is."""
    if summary.given == "mask too":
        return (
            "Values are taken to be missing because of what they are, and the model has a law of that: each number is "
            "log p(x, mask), of the values that are there and of which are there. It pays for the mask too: do not rank it "
            "beside a log p(x) of the values alone. That values are missing in this way is an assumption, which the data cannot "
            "show."
        )
    if summary.given is not None:
        over = "the examples with that total" if summary.given == "total" else "all examples, the total being taken for a size"
        return (
            "The data are counts, and the model is told the total of each example, so these are logarithms of probabilities "
            f"given it, log p(x | total), over {over}. They do not say how well a total is predicted: "
            "do not rank them beside a log p(x), nor beside numbers that are normalised otherwise. Bits per dimension are not "
            "given for the same reason."
        )
    if summary.measure == "counting":
        return (
            "The data are discrete, so these are logarithms of probabilities: never above zero, and comparable with any other "
            "model of the same data."
        )
    if summary.measure == "mixed":
        return (
            "Numbers have densities; categories, counts, and values that a column of numbers repeats have probabilities. Each "
            "score is a log-density of the ones and a log-probability of the others, in sum. It depends on the units of the "
            "numbers, may be above zero, and has no bits per dimension. Compare it only with models of the same table that give "
            "probabilities to the same values. Where a row has cells without a value, it is about the others."
        )
    return (
        "The likelihood is continuous, so these are logarithms of densities, not of probabilities. A density may exceed 1, so a "
        f"positive number is no mistake; and it depends on the units: were the data multiplied by 10, every number would fall by "
        f"{summary.spec.num_elements} × log 10 = {summary.spec.num_elements * math.log(10):,.0f} nats with nothing else changed. "
        "Compare it only with models of the same data in the same units. Bits per dimension are not given for the same reason."
    )
