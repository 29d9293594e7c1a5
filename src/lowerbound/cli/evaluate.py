"""`evaluate`: how good a run's model is, in numbers that say how far they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..devices.processes import check_place, ended, is_first, join
from ..errors import ConfigurationError
from .app import (
    SPLITS,
    Coordinator,
    DataDir,
    Devices,
    Json,
    Key,
    OtherData,
    Overwrite,
    Process,
    Processes,
    Run,
    SampleSeed,
    app,
    check_split,
)
from .console import counting, print_json, show_numbers, show_table, show_text
from .devices import check_devices, devices_for
from .opening import open_run
from .outputs import check_out
from .runtime import say

if TYPE_CHECKING:
    from ..data.examples import Example
    from ..evaluation import AbstractProposal, BoundCurve, Evaluation, Unfinished
    from ..runs.folder import RunFolder
    from .opening import OpenRun

PROPOSALS = ("posterior", "widened", "refined")


def check_options(given: Mapping[str, Any], method: str = "importance", proposal: str = "posterior") -> None:
    """Raise `ConfigurationError` for values that cannot be, and for options that the method or the proposal does not read.

    - `given`: the value of each option, by the name of its argument; None where it was not given.
    """
    from ..config.rules import COUNT, POSITIVE, OneOf, Real
    from ..config.scoring import check_method

    check_method(method, given, as_options=True)
    OneOf(PROPOSALS).convert("--proposal", proposal)
    share = Real(0.0, below=1.0, strictly_above=True)
    rules = {"widen": POSITIVE, "refine_steps": COUNT, "refine_rate": POSITIVE, "prior_share": share}
    for name, rule in rules.items():
        if given.get(name) is not None:
            rule.convert(f"--{name.replace('_', '-')}", given[name])
    for name in ("refine_steps", "refine_rate"):
        if given.get(name) is not None and proposal != "refined":
            option = f"--{name.replace('_', '-')}"
            raise ConfigurationError(f"{option} is read with --proposal refined alone; got --proposal {proposal}.")
    if given.get("widen") is not None and proposal == "posterior":
        raise ConfigurationError(
            "--widen spreads a proposal, and --proposal posterior is taken as it is. Use --proposal widened, or "
            "--proposal refined to widen what refinement finds."
        )


def not_none(**values: Any) -> dict[str, Any]:
    """The arguments that were given; the others keep the defaults of what is called."""
    return {name: value for name, value in values.items() if value is not None}


def build_proposal(
    name: str,
    widen: float | None = None,
    refine_steps: int | None = None,
    refine_rate: float | None = None,
    prior_share: float | None = None,
) -> AbstractProposal:
    """Where importance samples are drawn from."""
    from ..evaluation import Amortised, Defensive, Refined, Widened

    proposal = Refined(**not_none(num_steps=refine_steps, rate=refine_rate)) if name == "refined" else Amortised()
    if name == "widened" or widen is not None:
        proposal = Widened(of=proposal, **not_none(factor=widen))
    return proposal if prior_share is None else Defensive(prior_share, proposal)


@app.command(
    epilog="Examples: lowerbound evaluate runs/faces-1 --samples 5000 --json · "
    "lowerbound evaluate runs/faces-1 --proposal refined --bound-figure bound.png · "
    "lowerbound evaluate runs/faces-1 --method bdmc"
)
def evaluate(
    run: Run,
    data: OtherData = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="Importance samples per example, K; 1000 (100 with --method joint). Draws of p(z|x) with --method "
            "posterior-density; 50."
        ),
    ] = None,
    key: Key = "",
    split: Annotated[
        str | None,
        typer.Option(
            help="The part of the data: train, validation, test (the default; train with --method joint).", callback=check_split
        ),
    ] = None,
    data_dir: DataDir = None,
    seed: SampleSeed = 0,
    proposal: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where samples are drawn from: posterior, widened (spread about its mean), refined (fitted to each example).",
        ),
    ] = "posterior",
    widen: Annotated[float | None, typer.Option(help="How many times wider; 1.2 with --proposal widened.")] = None,
    refine_steps: Annotated[int | None, typer.Option(help="Steps of --proposal refined; 100.")] = None,
    refine_rate: Annotated[float | None, typer.Option(help="The first step size of --proposal refined; 0.02.")] = None,
    prior_share: Annotated[
        float | None, typer.Option(help="A share of the samples from the prior, which bounds the weights.")
    ] = None,
    bound_figure: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the bound against the number of samples.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="importance (the default); ais, annealing; bdmc, bounds from both sides on examples that the model makes; "
            "gap, what the encoder and the family of posteriors cost; posterior-density, for at most four latents; joint, "
            "log p(X) of all examples together where the decoder's weights are random. After a kill importance goes on where it "
            "was; the others begin again.",
        ),
    ] = "importance",
    temperatures: Annotated[int | None, typer.Option(help="Steps of --method ais and bdmc; 500.")] = None,
    chains: Annotated[int | None, typer.Option(help="Chains for each example of --method ais and bdmc; 8.")] = None,
    start: Annotated[str | None, typer.Option(help="Where ais and bdmc start: prior (the default) or posterior.")] = None,
    examples: Annotated[int | None, typer.Option(help="Random examples for the methods but importance and joint; 100.")] = None,
    weights: Annotated[int | None, typer.Option(help="Draws of the decoder's weights of --method joint; 100.")] = None,
    overwrite: Overwrite = False,
    devices: Devices = None,
    coordinator: Coordinator = None,
    processes: Processes = None,
    process: Process = None,
    json: Json = False,
) -> None:
    """Score a run: the ELBO, the evidence log p(x) by importance sampling, and whether K samples are enough for it."""
    scoring = {
        "num_samples": samples,
        "num_temperatures": temperatures,
        "num_chains": chains,
        "start": start,
        "num_examples": examples,
        "num_weights": weights,
    }
    of_importance = {
        "proposal": None if proposal == "posterior" else proposal,
        "widen": widen,
        "refine_steps": refine_steps,
        "refine_rate": refine_rate,
        "prior_share": prior_share,
        "bound_figure": bound_figure,
    }
    given = {**scoring, **of_importance}
    check_options(given, method, proposal)
    check_devices(devices)
    check_place(coordinator, processes, process)
    if bound_figure is not None:
        check_out(bound_figure, (".png",), overwrite=overwrite, option="--bound-figure")
    join(coordinator, processes, process)
    opened = open_run(run)
    split = split or ("train" if method == "joint" else "test")
    scored = opened.examples(split, data_dir) if data is None else opened.other_examples(data, key, data_dir)
    split = split if data is None else data
    is_of_codes = not opened.model.has_density and not any(value is not None for value in given.values())
    if method != "importance" or is_of_codes:
        # Not shared: the first process does it.
        if not is_first():
            return ended()
        if method == "importance":
            _evaluate_codes(opened, scored, split, as_json=json)
        else:
            from .methods import show_method

            show_method(method, opened.model, scored, split, seed, not_none(**scoring), as_json=json)
        return ended()
    from ..evaluation import evaluate

    with counting(len(scored), quiet=json or not is_first()) as advance:
        evaluation = evaluate(
            opened.model,
            opened.spec,
            scored,
            split=split,
            seed=seed,
            proposal=build_proposal(proposal, widen, refine_steps, refine_rate, prior_share),
            unfinished=keeping(opened.folder, len(scored)) if opened.has_data else None,
            mesh=devices_for(devices),
            on_progress=advance,
            **not_none(num_samples=samples),
        )
    ended()
    if not is_first():
        return None
    if bound_figure is not None:
        from ..report.bound_figure import save_bound_figure

        save_bound_figure(evaluation, bound_figure, opened.folder.path.name)
        say(f"wrote the bound against the number of samples to {bound_figure}")
    if json:
        print_json(evaluation.to_json())
    else:
        show_evaluation(evaluation)
        _show_bounds(evaluation.bounds)
    return None


def _evaluate_codes(opened: OpenRun, examples: Example, split: str, *, as_json: bool) -> None:
    """What a deterministic autoencoder has for a score, and what it has not."""
    from ..evaluation.reconstruction import NO_BOUND, reconstruction

    found = reconstruction(opened.model, opened.spec, examples, split=split)
    if as_json:
        return print_json(found.to_json())
    rows = [
        ("reconstruction error", found.root_mean_square, None, "root mean square of an element, in the data's units"),
        ("explained variance", f"{found.explained:.2%}", None, "of the elements' squared distances from the training mean"),
    ]
    show_numbers(f"{split}, {found.num_examples:,} examples", rows, "score")
    show_text(NO_BOUND)


def keeping(folder: RunFolder, total: int) -> Unfinished:
    """Where a run's evaluation is kept until it ends; where one that was stopped goes on, that is said."""
    from ..evaluation import Unfinished

    def tell(done: int) -> None:
        say(f"going on with an evaluation that was stopped: {done:,} of {total:,} examples are done")

    return Unfinished(folder.path / "unfinished", writes=is_first(), on_found=tell)


def show_evaluation(evaluation: Evaluation) -> None:
    """The scores as a small table: name, value, standard error, unit, and what the number is; below it the verdict."""
    from ..evaluation.estimates import kind_of_number, name_of_elbo

    kind = kind_of_number(evaluation.measure, evaluation.given)
    what = name_of_elbo(evaluation.given, evaluation.weights_kl_nats)
    elbo_error, error, evidence = evaluation.elbo_standard_error, evaluation.standard_error, evaluation.evidence
    unit = "the same, for data scaled to [0, 1]"
    rows = [
        ("ELBO [nats]", evaluation.elbo_nats, elbo_error, what),
        ("log evidence [nats]", evaluation.log_evidence_nats, error, f"{evidence.method}, {evaluation.num_samples:,} samples"),
        ("log probability [nats]", evaluation.discrete_log_evidence_nats, None, "of the categories and counts alone"),
        ("log density [nats]", _of_numbers(evaluation), None, "of the rest: numbers, given the categories and counts"),
        ("ELBO on [0, 1] [nats]", evaluation.unit_scale_elbo_nats, elbo_error, unit),
        ("log evidence on [0, 1] [nats]", evaluation.unit_scale_log_evidence_nats, error, unit),
        ("Monte Carlo error [nats]", evidence.monte_carlo_error, None, "of the log evidence, from the noise of its draws alone"),
        ("bits/dim", evaluation.bits_per_dim, None, "-log evidence / (dimensions x log 2); nothing dequantised"),
        ("KL [nats]", evaluation.kl_nats, None, "what the code tells about an example"),
        ("active units", f"{evaluation.active_units} of {evaluation.latent_dim}", None, "latents with Var(E[z|x]) > 0.01"),
    ]
    which = f"{evaluation.split} split" if evaluation.split in SPLITS else evaluation.split
    show_numbers(f"{which}, {evaluation.num_examples:,} examples, {kind}", rows, "score")
    show_text(evidence.verdict)


def _of_numbers(evaluation: Evaluation) -> float | None:
    """What is left of a log evidence of columns of several kinds without its log-probability."""
    discrete = evaluation.discrete_log_evidence_nats
    return None if discrete is None else evaluation.log_evidence_nats - discrete


def _show_bounds(curve: BoundCurve) -> None:
    """The bound against the number of samples, as a table."""
    columns = ("K", "bound [nats]", "rise per doubling [nats]", "its standard error")
    rows = [
        (f"{size:,}", f"{nats:,.3f}", *(("", "") if size == 1 else (f"{rise:.3f}", f"{error:.3f}")))
        for size, nats, rise, error in zip(curve.num_samples, curve.nats, curve.rises, curve.rise_errors, strict=True)
    ]
    show_table("the bound against the number of samples, from the same weights", columns, rows, numbers=columns)
