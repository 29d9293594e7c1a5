"""`evaluate --method ais`, `bdmc` and `gap`: the evidence by annealing, from both sides, and what the encoder costs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigurationError, unknown_name_message
from .console import show_numbers, show_text
from .evaluate import counting
from .opening import check_split, open_run, own_examples

if TYPE_CHECKING:
    from ..data.examples import Example
    from ..evaluation import Estimate, InferenceGap, Sandwich

METHODS = ("importance", "ais", "bdmc", "gap")
NUM_EXAMPLES, NUM_SAMPLES = 100, 1000


@dataclasses.dataclass(frozen=True)
class MethodOptions:
    """The options of the other methods; None where one was not given."""

    name: str = "importance"
    samples: int | None = None
    temperatures: int | None = None
    chains: int | None = None
    start: str | None = None
    examples: int | None = None

    def check(self) -> None:
        """Raise `ConfigurationError` for values that cannot be, and for options that the method does not read."""
        if self.name not in METHODS:
            raise ConfigurationError(unknown_name_message("--method", self.name, METHODS))
        annealing = {"--temperatures": self.temperatures, "--chains": self.chains, "--start": self.start}
        unread = [option for option, value in annealing.items() if value is not None and self.name not in ("ais", "bdmc")]
        unread += ["--examples"] if self.examples is not None and self.name == "importance" else []
        if unread:
            readers = "gap, ais or bdmc" if unread[0] == "--examples" else "ais or bdmc"
            raise ConfigurationError(f"{unread[0]} is read with --method {readers}; got --method {self.name}.")
        if self.samples is not None and self.name in ("ais", "bdmc"):
            raise ConfigurationError(
                f"--samples is read with --method importance or gap; got --method {self.name}, which draws --chains "
                f"{self.samples} chains for each example if you ask for them."
            )
        for option, value in (
            ("--samples", self.samples),
            ("--temperatures", self.temperatures),
            ("--chains", self.chains),
            ("--examples", self.examples),
        ):
            if value is not None and value < 1:
                raise ConfigurationError(f"{option} is {value}; it must be a whole number from 1 up, for example 100.")
        if self.start not in (None, "prior", "posterior"):
            raise ConfigurationError(unknown_name_message("--start", self.start, ("prior", "posterior")))


def evaluate_by(run: Path, options: MethodOptions, split: str, data_dir: Path | None, seed: int, *, as_json: bool) -> None:
    """Print what the method says of a random part of one of the run's splits, or of examples that the model makes."""
    options.check()
    check_split(split)
    folder, model, spec, config = open_run(run)
    data = own_examples(folder, config, spec, split, data_dir)
    from ..evaluation import Annealing, anneal, annealed_estimate, inference_gap, sandwich

    number = NUM_EXAMPLES if options.examples is None else options.examples
    # Seeded, and the same for every method, so that their numbers are about the same examples.
    chosen: Example = data[np.sort(np.random.default_rng(seed).permutation(len(data))[:number])]
    if options.name == "gap":
        with counting(len(chosen), quiet=as_json) as advance:
            gap = inference_gap(
                model,
                chosen,
                num_samples=NUM_SAMPLES if options.samples is None else options.samples,
                seed=seed,
                on_progress=advance,
            )
        _show({"split": split, **gap.to_json()}, as_json, lambda: _show_gap(gap, split))
        return
    given = {"num_temperatures": options.temperatures, "num_chains": options.chains, "start": options.start}
    annealing = Annealing(**{name: value for name, value in given.items() if value is not None})
    if options.name == "ais":
        with counting(len(chosen), quiet=as_json, what="annealing") as advance:
            found = anneal(model, chosen, annealing, seed=seed, on_progress=advance)
        estimate = annealed_estimate(found, annealing, model)
        _show({"split": split, **estimate.to_json()}, as_json, lambda: _show_estimate(estimate, split))
        return
    condition = None if chosen.condition is None else np.asarray(chosen.condition)
    with counting(2 * len(chosen), quiet=as_json, what="annealing") as advance:
        both = sandwich(model, len(chosen), annealing, condition=condition, seed=seed, on_progress=advance)
    _show(both.to_json(), as_json, lambda: _show_sandwich(both))


def _show(found: dict[str, Any], as_json: bool, show: Any) -> None:
    if as_json:
        from .progress import print_json

        print_json(found, indent=2)
    else:
        show()


def _show_estimate(estimate: Estimate, split: str) -> None:
    from ..evaluation.estimates import kind_of_number

    rows = [
        ("log evidence [nats]", estimate.value, estimate.standard_error, estimate.method),
        ("Monte Carlo error [nats]", estimate.monte_carlo_error, None, "from the noise of the chains alone"),
    ]
    show_numbers(f"{split} split, {estimate.num_examples:,} examples, {kind_of_number(estimate.measure, estimate.given)}", rows)
    show_text(estimate.verdict)


def _show_sandwich(found: Sandwich) -> None:
    from ..evaluation.estimates import kind_of_number, name_of_density

    rows = [
        ("lower bound [nats]", found.lower_nats, found.lower_standard_error, f"annealing from the {found.start}"),
        ("upper bound [nats]", found.upper_nats, found.upper_standard_error, "annealing back from the examples' own z"),
        ("gap [nats]", found.gap_nats, found.gap_standard_error, f"{name_of_density(found.given)} lies between, in expectation"),
    ]
    show_numbers(f"{found.num_examples:,} examples that the model made, {kind_of_number(found.measure, found.given)}", rows)
    show_text(found.verdict)


def _show_gap(found: InferenceGap, split: str) -> None:
    from ..evaluation.estimates import kind_of_number

    optimised = f"the best q for each example by itself, {found.num_steps} steps"
    rows = [
        (
            "log evidence [nats]",
            found.log_evidence_nats,
            found.log_evidence_standard_error,
            f"{found.num_samples:,} samples from that q",
        ),
        ("ELBO, optimised q [nats]", found.optimised_elbo_nats, found.optimised_elbo_standard_error, optimised),
        ("ELBO, the encoder's q [nats]", found.amortised_elbo_nats, found.amortised_elbo_standard_error, "what was trained"),
        (
            "approximation gap [nats]",
            found.approximation_gap_nats,
            found.approximation_gap_standard_error,
            "what the family of q cannot do",
        ),
        (
            "amortisation gap [nats]",
            found.amortisation_gap_nats,
            found.amortisation_gap_standard_error,
            "what the encoder loses by answering for all examples",
        ),
    ]
    show_numbers(f"{split} split, {found.num_examples:,} examples, {kind_of_number(found.measure, found.given)}", rows)
    show_text(found.verdict)
