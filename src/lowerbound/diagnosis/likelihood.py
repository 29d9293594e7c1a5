"""Does the likelihood fit the data: their support, their levels, their tails, their spread?"""

from __future__ import annotations

import math

import numpy as np

from ..config import catalogue
from ..likelihoods.remedies import Misfit, better_likelihoods, data_measure
from ..likelihoods.support import Support, fitting_likelihoods
from ..summaries import RunSummary
from .collapse import is_collapsed
from .finding import Check, Finding, named_elements, retrain, short

# Below one in a hundred, an element that never changes or a dark corner explains it; from one in five the bound is mostly the
# floor's doing.
FLOOR_SHARE, SERIOUS_FLOOR_SHARE = 0.01, 0.2
# The predicted distribution function is off by so much somewhere. Healthy models of images and tables stay below 0.12.
MISFIT_DISTANCE, SERIOUS_MISFIT_DISTANCE = 0.15, 0.3
# With so few levels most of a density's mass would lie between them.
FEW_LEVELS = 32
# A likelihood narrower than this many steps of the data is at its floor, which is another finding.
_STEPS_AT_FLOOR = 0.75
# The residuals' shape, and the counts' variance over the likelihood's, from which a cause is named.
_SKEWED, _HEAVY, _OVERDISPERSED, _UNDERDISPERSED = 1.0, 3.0, 1.3, 0.7
_MORE_ZEROS = 0.05
# Among so many pixels a few are always odd; each column of a table counts.
_SHARE_OF_PIXELS = 0.05


def _with_likelihood(summary: RunSummary, name: str) -> str:
    # The scaling as resolved was chosen for the old likelihood.
    return retrain(summary, f"likelihood.name={name}", "data.scaling=auto")


def _of_the_data(names: list[str], summary: RunSummary) -> list[str]:
    """The likelihoods of the measure that the data have: whole numbers have probabilities, and no density is comparable."""
    measure = data_measure(summary.spec)
    return [name for name in names if catalogue.class_of("likelihood", name).measure == measure]


def _floor(summary: RunSummary) -> Finding | None:
    share = summary.monitors["fraction_at_floor"]
    if share <= FLOOR_SHARE:
        return None
    if summary.measure == "counting":
        # A logistic variable of a tenth of a step has 0.9866 of its mass within half a step of its location.
        return Finding(
            "note",
            "Some of the decoder's scales lie at their floor: there one level is all but sure. That is no fault, because "
            "a probability is at most 1; with a lower floor the bound would rise by at most 0.014 nats for each of them.",
            f"{share:.1%} of scales at the floor of a tenth of a level",
            "Nothing is to be done.",
        )
    floor = summary.config.likelihood.get("scale_floor", None)
    advice, command = "Compare bounds only between models with the same floor.", ""
    if summary.spec.is_discrete and summary.measure == "lebesgue":
        better = better_likelihoods("levels", summary.spec)[0]
        advice += f" The data have levels, so a likelihood without a floor exists: {better}."
        command = _with_likelihood(summary, better)
    elif summary.measure == "lebesgue" and (recurring := better_likelihoods("recurring", summary.spec)):
        count = sum(bool(values) for values in summary.spec.atoms)
        advice += (
            f" In {count} of {summary.spec.num_elements} columns single values recur; {recurring[0]} gives them probabilities."
        )
        command = _with_likelihood(summary, recurring[0])
    return Finding(
        "serious" if share > SERIOUS_FLOOR_SHARE else "warning",
        "Some of the decoder's scales lie at their floor: there the bound is set by the floor rather than by the data, "
        "and would grow without limit if the floor were lower.",
        f"{share:.1%} of elements at the floor" + (f" of {floor:g}" if isinstance(floor, float | int) else ""),
        advice,
        command,
    )


def _support(summary: RunSummary) -> Finding | None:
    name, spec = summary.config.likelihood.name, summary.spec
    elements = catalogue.class_of("likelihood", name).support.outside(spec)
    if elements is not None:
        fitting = _of_the_data(fitting_likelihoods(spec), summary)
        return Finding(
            "serious",
            f"Wrong likelihood: the data are not in the support of {name}, so its number is not a log-likelihood of them.",
            f"{named_elements(summary, np.flatnonzero(elements))} outside the support",
            f"Likelihoods that fit these data: {', '.join(fitting)}.",
            _with_likelihood(summary, fitting[0]) if fitting else "",
        )
    if not spec.is_discrete or summary.measure == "counting":
        return None
    better, levels = better_likelihoods("levels", spec)[0], spec.num_levels
    figure = f"the data have {levels} levels from {spec.low:g} to {spec.high:g}, and {name} is a density"
    advice = f"Likelihoods of levels give bits per dimension, and need no floor: {better}."
    sentence = (
        f"Wrong likelihood: a density for data of {levels} levels. It is largest where it falls between the levels' spikes, "
        "and its number cannot be compared with a probability."
        if levels <= FEW_LEVELS
        else "The likelihood is a density, and the data are levels: the number is a log-density that has no bits per dimension."
    )
    severity = "warning" if levels <= FEW_LEVELS else "note"
    return Finding(severity, sentence, figure, advice, _with_likelihood(summary, better))


def _predictive(summary: RunSummary) -> Finding | None:
    assert summary.examination is not None
    check, spec, name = summary.examination.predictive, summary.spec, summary.config.likelihood.name
    step = np.broadcast_to(np.asarray(spec.step), (spec.num_elements,))[check.elements]
    varies = np.broadcast_to(np.asarray(spec.std) > 0, (spec.num_elements,))[check.elements]
    # A density at its floor is as wide as the rounding: that is the floor's finding, and says nothing of the family.
    has_masses = (summary.measure == "counting") | spec.coded[check.elements]
    varies = varies & (has_masses | (check.scale > _STEPS_AT_FLOOR * step))
    wrong = np.flatnonzero(varies & (check.distance > max(MISFIT_DISTANCE, check.critical_distance)))
    share = len(wrong) / max(int(varies.sum()), 1)
    if not len(wrong) or is_collapsed(summary) or (spec.is_image and share < _SHARE_OF_PIXELS):
        return None
    wrong = wrong[np.argsort(-check.distance[wrong], kind="stable")]
    worst = float(check.distance[wrong[0]])
    if spec.columns:
        return _of_columns(summary, check.elements[wrong], worst, int(varies.sum()))
    what, better, figure = _cause(summary, wrong)
    fitting = _of_the_data(fitting_likelihoods(spec), summary)
    return Finding(
        "serious" if worst > SERIOUS_MISFIT_DISTANCE and share > 0.5 else "warning",
        f"Wrong likelihood: training examples do not look like draws from {name}; {what}.",
        f"{named_elements(summary, check.elements[wrong])} ({len(wrong)} of {int(varies.sum())} that vary): the predicted "
        f"distribution function is off by up to {worst:.2f}{figure}",
        f"Try {better[0]}{f', or {better[1]}' if len(better) > 1 else ''}."
        if better
        else f"No other likelihood that these data allow is likelier to fit ({', '.join(fitting)}); look at "
        "the columns themselves, and at a larger decoder.",
        _with_likelihood(summary, better[0]) if better else "",
    )


def _of_columns(summary: RunSummary, wrong: np.ndarray, worst: float, varying: int) -> Finding:
    """That columns of a table do not look like draws from their own laws."""
    first = summary.spec.columns[int(wrong[0])]
    return Finding(
        "warning",
        "Columns of training examples do not look like draws from their laws.",
        f"{named_elements(summary, wrong)} ({len(wrong)} of {varying} that vary): the predicted distribution function is off by "
        f"up to {worst:.2f}",
        f"Give {first.name!r}, now {first.likelihood}, another likelihood or kind in a schema (lowerbound schema DATA --out "
        "schema.toml, then train with --schema schema.toml), or take more components (likelihood.num_components).",
    )


def _cause(summary: RunSummary, wrong: np.ndarray) -> tuple[str, list[str], str]:
    """What is wrong in words, the likelihoods that would do better, and the figure that says so."""
    assert summary.examination is not None
    check, likelihood = summary.examination.predictive, summary.config.likelihood
    dispersion = float(np.median(check.dispersion[wrong]))
    kurtosis, skewness = (float(np.median(values[wrong])) for values in (check.excess_kurtosis, check.skewness))
    spread = f"; the data's variance is {short(dispersion)} times the likelihood's"
    tried = {config.likelihood.name for config in (summary.config, *summary.tried)}

    def choose(misfit: Misfit) -> list[str]:
        return better_likelihoods(misfit, summary.spec, tried)

    if catalogue.class_of("likelihood", likelihood.name).support is Support.COUNTS and math.isfinite(dispersion):
        # A wider law has more zeros too, so the spread is asked first.
        if dispersion > _OVERDISPERSED:
            return "the counts scatter more than it allows", choose("overdispersed"), spread
        more_zeros = float(np.median((check.zeros - check.expected_zeros)[wrong]))
        if more_zeros > _MORE_ZEROS:
            return "there are more zeros than it allows", choose("more-zeros"), f"; {more_zeros:.0%} more zeros"
    figure = f"; residuals have skewness {short(skewness)} and excess kurtosis {short(kurtosis)}"
    if abs(skewness) > _SKEWED and min(np.asarray(summary.spec.element_low or (0.0,))) > 0:
        return "the noise is positive and skewed", choose("positive-skew"), figure
    if kurtosis > _HEAVY or abs(skewness) > _SKEWED:
        return "the noise has heavier tails", choose("heavy-tails"), figure
    if math.isfinite(dispersion) and not _UNDERDISPERSED < dispersion < _OVERDISPERSED:
        wide = "narrower" if dispersion > 1 else "wider"
        scale = likelihood.get("scale", "from-z")
        return f"it is {wide} than the data" + (f" (likelihood.scale={scale})" if scale != "from-z" else ""), [], spread
    return "the noise has another shape", choose("other-shape"), figure


CHECKS = (
    Check(
        "scale-floor",
        "scales at their floor",
        _floor,
        lambda s: "fraction_at_floor" in s.monitors,
        "a likelihood with a scale, and a record of it",
    ),
    Check(
        "likelihood-support",
        "a likelihood of the data's kind",
        _support,
        lambda s: bool(s.spec.element_low),
        "the extremes of each element",
        needs_training=False,
    ),
    Check(
        "likelihood-fit",
        "data that look like draws from the likelihood",
        _predictive,
        lambda s: bool(s.spec.element_low) and s.has_bound and s.examination is not None,
        "training data and a density",
    ),
)
