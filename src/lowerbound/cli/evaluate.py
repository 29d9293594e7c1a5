"""`evaluate`: how good a run's model is, in numbers that say how far they can be trusted."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, unknown_name_message
from .console import is_terminal, show_numbers, show_table, show_text, visible
from .opening import check_split, open_run, own_examples
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    from ..evaluation import AbstractProposal, BoundCurve, Evaluation, Unfinished
    from ..runs.folder import RunFolder

PROPOSALS = ("posterior", "widened", "refined")


@dataclasses.dataclass(frozen=True)
class ProposalOptions:
    """The options that say where importance samples are drawn from; None where one was not given."""

    name: str = "posterior"
    widen: float | None = None
    refine_steps: int | None = None
    refine_rate: float | None = None
    prior_share: float | None = None

    def check(self) -> None:
        """Raise `ConfigurationError` for values that cannot be, and for options that this proposal does not read."""
        if self.name not in PROPOSALS:
            raise ConfigurationError(unknown_name_message("--proposal", self.name, PROPOSALS))
        for option, value, example in (("--widen", self.widen, "1.2"), ("--refine-rate", self.refine_rate, "0.02")):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigurationError(f"{option} is {value:g}; it must be above 0, for example {example}.")
        if self.refine_steps is not None and self.refine_steps < 1:
            raise ConfigurationError(f"--refine-steps is {self.refine_steps}; it must be a whole number from 1 up, such as 100.")
        if self.prior_share is not None and not 0 < self.prior_share < 1:
            raise ConfigurationError(
                f"--prior-share is {self.prior_share:g}; it must be between 0 and 1, for example 0.1 for a tenth of the draws."
            )
        refining = {"--refine-steps": self.refine_steps, "--refine-rate": self.refine_rate}
        unread = [option for option, value in refining.items() if value is not None and self.name != "refined"]
        if unread:
            raise ConfigurationError(f"{unread[0]} is read with --proposal refined alone; got --proposal {self.name}.")
        if self.widen is not None and self.name == "posterior":
            raise ConfigurationError(
                "--widen spreads a proposal, and --proposal posterior is taken as it is. Use --proposal widened, or "
                "--proposal refined to widen what refinement finds."
            )

    def build(self) -> AbstractProposal:
        """The proposal itself."""
        from ..evaluation import Amortised, Defensive, Refined, Widened

        proposal: AbstractProposal = Amortised()
        if self.name == "refined":
            standard = Refined()
            proposal = Refined(
                num_steps=standard.num_steps if self.refine_steps is None else self.refine_steps,
                rate=standard.rate if self.refine_rate is None else self.refine_rate,
            )
        if self.name == "widened" or self.widen is not None:
            proposal = Widened(Widened().factor if self.widen is None else self.widen, proposal)
        return proposal if self.prior_share is None else Defensive(self.prior_share, proposal)


def evaluate_run(
    run: Path,
    num_samples: int,
    split: str,
    data_dir: Path | None,
    seed: int,
    options: ProposalOptions | None = None,
    bound_figure: Path | None = None,
    *,
    overwrite: bool = False,
    as_json: bool,
) -> None:
    """Print the scores of a run on one of its splits."""
    options = ProposalOptions() if options is None else options
    check_split(split)
    check_samples(num_samples)
    options.check()
    if bound_figure is not None:
        check_out(bound_figure, (".png",), overwrite=overwrite, option="--bound-figure")
    folder, model, spec, config = open_run(run)
    data = own_examples(folder, config, spec, split, data_dir)
    from ..evaluation import evaluate

    with counting(len(data), quiet=as_json) as advance:
        evaluation = evaluate(
            model,
            spec,
            data,
            num_samples=num_samples,
            split=split,
            seed=seed,
            proposal=options.build(),
            unfinished=keeping(folder, len(data)),
            on_progress=advance,
        )
    if bound_figure is not None:
        from ..report.bound_figure import save_bound_figure

        save_bound_figure(evaluation, bound_figure)
        say(f"wrote the bound against the number of samples to {bound_figure}")
    if as_json:
        from .progress import print_json

        print_json(evaluation.to_json(), indent=2)
    else:
        show_evaluation(evaluation)
        show_bounds(evaluation.bounds)


def keeping(folder: RunFolder, total: int) -> Unfinished:
    """Where a run's evaluation is kept until it ends; where one that was stopped goes on, that is said."""
    from ..evaluation import Unfinished

    def tell(done: int) -> None:
        say(f"going on with an evaluation that was stopped: {done:,} of {total:,} examples are done")

    return Unfinished(folder.path / "unfinished", on_found=tell)


def check_samples(num_samples: int) -> None:
    """Raise `ConfigurationError` when there is not even one sample."""
    if num_samples < 1:
        raise ConfigurationError(f"--samples is {num_samples}; it must be a whole number from 1 up, for example 1000.")


def show_evaluation(evaluation: Evaluation) -> None:
    """The scores as a small table: name, value, standard error, unit, and what the number is; below it the verdict."""
    from ..evaluation.estimates import kind_of_number, name_of_density

    kind = kind_of_number(evaluation.measure, evaluation.given)
    elbo_error, error, evidence = evaluation.elbo_standard_error, evaluation.standard_error, evaluation.evidence
    unit = "the same, for data scaled to [0, 1]"
    rows = [
        ("ELBO [nats]", evaluation.elbo_nats, elbo_error, f"a lower bound on {name_of_density(evaluation.given)}"),
        ("log evidence [nats]", evaluation.log_evidence_nats, error, f"{evidence.method}, {evaluation.num_samples:,} samples"),
        ("ELBO on [0, 1] [nats]", evaluation.unit_scale_elbo_nats, elbo_error, unit),
        ("log evidence on [0, 1] [nats]", evaluation.unit_scale_log_evidence_nats, error, unit),
        ("Monte Carlo error [nats]", evidence.monte_carlo_error, None, "of the log evidence, from the noise of its draws alone"),
        ("bits/dim", evaluation.bits_per_dim, None, "-log evidence / (dimensions x log 2); nothing dequantised"),
        ("KL [nats]", evaluation.kl_nats, None, "what the code tells about an example"),
        ("active units", f"{evaluation.active_units} of {evaluation.latent_dim}", None, "latents with Var(E[z|x]) > 0.01"),
    ]
    show_numbers(f"{evaluation.split} split, {evaluation.num_examples:,} examples, {kind}", rows, "score")
    show_text(evidence.verdict)


def show_bounds(curve: BoundCurve) -> None:
    """The bound against the number of samples, as a table."""
    columns = ("K", "bound [nats]", "rise per doubling [nats]", "its standard error")
    rows = [
        (f"{size:,}", f"{nats:,.3f}", *(("", "") if size == 1 else (f"{rise:.3f}", f"{error:.3f}")))
        for size, nats, rise, error in zip(curve.num_samples, curve.nats, curve.rises, curve.rise_errors, strict=True)
    ]
    show_table("the bound against the number of samples, from the same weights", columns, rows, numbers=columns)


@contextlib.contextmanager
def counting(total: int, *, quiet: bool, what: str = "evaluating") -> Iterator[Callable[[int], None]]:
    """A bar over examples with the time left, on a terminal; nothing elsewhere. Gives the function that moves it."""
    if quiet or not is_terminal(sys.stderr):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(visible(what), total=total)
        yield lambda done: progress.update(task, completed=done)
