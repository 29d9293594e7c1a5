"""The commands and their options. Each command's work is imported when it runs, so that help and wrong use answer at once."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import ConfigurationError, LowerboundError
from .runtime import say, warnings_as_sentences

app = typer.Typer(
    name="lowerbound",
    help="Fit a variational autoencoder to your own data, trust the number it reports, and see what it learned.",
    epilog="Start here: lowerbound train (on built-in faces), then open the report.html that it names.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, as `lowerbound train` made it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where data files are; else $LOWERBOUND_DATA, else the user's cache.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")]
Split = Annotated[str, typer.Option("--split", help="The part of the data: train, validation, test.")]


@app.command(
    epilog="Examples: lowerbound train · lowerbound train digits --epochs 50 --set model.latent_dim=10 · "
    "lowerbound train my_images/ --out runs/mine · lowerbound train --resume runs/mine"
)
def train(
    data: Annotated[
        str | None,
        typer.Argument(
            metavar="DATA",
            help="A named set (`lowerbound datasets`), a .npy, .npz, .mat or .csv file, or a folder of images.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="NAME|FILE.toml", help="A recipe (see `lowerbound recipes`) or a TOML file.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="section.key=value", help="Set one key of the configuration; repeatable.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training data.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of the weights, the batches and the noise.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; by default runs/DATA-N.")] = None,
    data_dir: DataDir = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Continue this run from its newest checkpoint.")] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Scores, pictures and page at the end; --resume makes them later.")
    ] = True,
    json: Json = False,
) -> None:
    """Train a model; with no argument, on the built-in faces."""
    from .train import resume_training, start_training

    if resume is None:
        start_training(data, recipe, overrides or [], epochs, seed, out, data_dir, report=report, as_json=json)
        return
    given = {"DATA": data, "--recipe": recipe, "--set": overrides, "--seed": seed, "--out": out}
    unwanted = [name for name, value in given.items() if value is not None and value != []]
    if unwanted:
        raise ConfigurationError(
            f"--resume continues a run as it was configured; {', '.join(unwanted)} cannot be given with it (only --epochs, "
            "--data-dir, --no-report and --json can). Start a new run instead, or leave it out."
        )
    resume_training(resume, epochs, data_dir, report=report, as_json=json)


@app.command(
    epilog="Examples: lowerbound evaluate runs/faces-1 --samples 5000 --json · "
    "lowerbound evaluate runs/faces-1 --proposal refined --bound-figure bound.png · "
    "lowerbound evaluate runs/faces-1 --method bdmc"
)
def evaluate(
    run: Run,
    samples: Annotated[int | None, typer.Option(help="Importance samples per example, K; 1000.")] = None,
    split: Split = "test",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(help="The seed of the importance samples.")] = 0,
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
            "gap, what the encoder and the family of posteriors cost.",
        ),
    ] = "importance",
    temperatures: Annotated[int | None, typer.Option(help="Steps of --method ais and bdmc; 500.")] = None,
    chains: Annotated[int | None, typer.Option(help="Chains for each example of --method ais and bdmc; 8.")] = None,
    start: Annotated[str | None, typer.Option(help="Where ais and bdmc start: prior (the default) or posterior.")] = None,
    examples: Annotated[int | None, typer.Option(help="Random examples for --method ais, bdmc and gap; 100.")] = None,
    overwrite: Overwrite = False,
    json: Json = False,
) -> None:
    """Score a run: the ELBO, the evidence log p(x) by importance sampling, and whether K samples are enough for it."""
    from .evaluate import ProposalOptions, evaluate_run

    if method != "importance" or any(value is not None for value in (temperatures, chains, start, examples)):
        from .annealing import MethodOptions, evaluate_by

        given = {"--widen": widen, "--refine-steps": refine_steps, "--refine-rate": refine_rate, "--prior-share": prior_share}
        given |= {"--bound-figure": bound_figure, "--proposal": None if proposal == "posterior" else proposal}
        methods = MethodOptions(method, samples, temperatures, chains, start, examples)
        methods.check()
        unread = [option for option, value in given.items() if value is not None]
        if unread:
            raise ConfigurationError(f"{unread[0]} is read with --method importance alone; got --method {method}.")
        evaluate_by(run, methods, split, data_dir, seed, as_json=json)
        return
    options = ProposalOptions(proposal, widen, refine_steps, refine_rate, prior_share)
    evaluate_run(
        run, 1000 if samples is None else samples, split, data_dir, seed, options, bound_figure, overwrite=overwrite, as_json=json
    )


@app.command(epilog="Example: lowerbound compare runs/faces-1 runs/faces-2 --samples 1000")
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="The folders of two runs or more.")],
    samples: Annotated[int, typer.Option(help="Importance samples per example, K.")] = 1000,
    split: Split = "test",
    proposal: Annotated[str, typer.Option(metavar="NAME", help="As for evaluate: posterior, widened, refined.")] = "posterior",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(help="The seed of the importance samples.")] = 0,
    json: Json = False,
) -> None:
    """Rank runs by the evidence of the same examples, with paired error bars; refused where the numbers are not comparable."""
    from .compare import compare_runs
    from .evaluate import ProposalOptions

    compare_runs(runs, samples, split, data_dir, seed, ProposalOptions(proposal), as_json=json)


@app.command(
    epilog="Examples: lowerbound sample runs/faces-1 --out faces.png · lowerbound sample runs/faces-1 -n 1000 --out new.npy"
)
def sample(
    run: Run,
    out: Annotated[Path, typer.Option(help="A .png picture, a .npy array, or a .csv table.")],
    count: Annotated[int, typer.Option("-n", help="How many examples to draw.")] = 100,
    mean: Annotated[
        bool, typer.Option("--mean/--draw", help="E[x|z] of z ~ p(z), or a draw x ~ p(x|z), noise and all (the default).")
    ] = False,
    seed: Annotated[int, typer.Option(help="The seed of the draws.")] = 0,
    condition: Annotated[
        str, typer.Option(metavar="VALUES", help="For a conditional model: a category, `all` in turn, or numbers with commas.")
    ] = "",
    overwrite: Overwrite = False,
) -> None:
    """Draw new examples from a run's model."""
    from .outputs import sample_run

    sample_run(run, out, count, mean, seed, condition, overwrite=overwrite)


@app.command(epilog="Example: lowerbound reconstruct runs/faces-1 --out pairs.png")
def reconstruct(
    run: Run,
    out: Annotated[
        Path,
        typer.Option(help="A .png picture (originals above reconstructions), or their array (.npy) or table (.csv)."),
    ],
    data: Annotated[str | None, typer.Argument(metavar="DATA", help="Other data than the run's own.")] = None,
    split: Split = "test",
    key: Annotated[str, typer.Option(help="The variable in a .npz or .mat file.")] = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Encode examples and decode them again."""
    from .outputs import reconstruct_run

    reconstruct_run(run, data, out, split, key, data_dir, overwrite=overwrite)


@app.command(
    epilog="Examples: lowerbound traverse runs/faces-1 --out latents.png · "
    "lowerbound traverse runs/digits-1 --grid --out plane.png (for a model of two latents)"
)
def traverse(
    run: Run,
    out: Annotated[Path, typer.Option(help="A .png picture or a .npy array of decoder means.")],
    start: Annotated[
        int | None, typer.Option("--from", help="Start at the code of this example; by default at the mean of all codes.")
    ] = None,
    latents: Annotated[int, typer.Option(help="How many latents, those that carry most first.")] = 10,
    columns: Annotated[int | None, typer.Option(help="Steps of each latent; 9, or 15 with --grid.")] = None,
    grid: Annotated[bool, typer.Option("--grid", help="The plane of a model with two latents.")] = False,
    split: Split = "test",
    condition: Annotated[str, typer.Option(metavar="VALUES", help="For a conditional model: a category, or numbers.")] = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what each latent does: decoder means as one latent moves and the others stay."""
    from .walks import traverse_run

    columns = (15 if grid else 9) if columns is None else columns
    traverse_run(run, out, start, latents, columns, split, condition, data_dir, grid=grid, overwrite=overwrite)


@app.command(epilog="Example: lowerbound interpolate runs/faces-1 --from 3 --to 17 --out strip.png")
def interpolate(
    run: Run,
    start: Annotated[int, typer.Option("--from", help="The example whose code is the start.")],
    end: Annotated[int, typer.Option("--to", help="The example whose code is the end.")],
    out: Annotated[Path, typer.Option(help="A .png picture or a .npy array of decoder means.")],
    steps: Annotated[int, typer.Option(help="Codes on the way, both ends among them.")] = 11,
    spherical: Annotated[bool, typer.Option("--spherical", help="Along a great circle instead of a straight line.")] = False,
    split: Split = "test",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what lies between two examples: decoder means from the code of one to the code of the other."""
    from .walks import interpolate_run

    interpolate_run(run, out, start, end, steps, split, data_dir, spherical=spherical, overwrite=overwrite)


@app.command(epilog="Example: lowerbound latents runs/faces-1 --split train")
def latents(
    run: Run,
    split: Split = "test",
    data_dir: DataDir = None,
    seed: Annotated[int, typer.Option(help="The seed of the draws, groups and forests.")] = 0,
    json: Json = False,
) -> None:
    """Say what each latent carries, and score the code against the factors of the data where they are known (faces)."""
    from .latents import latents_run

    latents_run(run, split, data_dir, seed, as_json=json)


@app.command(epilog="Example: lowerbound encode runs/faces-1 faces --out codes.csv")
def encode(
    run: Run,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A named set, a file or a folder of images.")],
    out: Annotated[Path, typer.Option(help="A .npy or .csv file: one row of posterior means per example.")],
    key: Annotated[str, typer.Option(help="The variable in a .npz or .mat file.")] = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the latent code E[z|x] of each example; the same every time."""
    from .outputs import encode_run

    encode_run(run, data, out, key, data_dir, overwrite=overwrite)


@app.command(epilog="Example: lowerbound doctor runs/faces-1")
def doctor(
    run: Run,
    split: Annotated[
        str | None,
        typer.Option("--split", help="The part of the data to examine: train, validation, test; one held out if possible."),
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what is the matter with a run, the most important first, with the figure behind it and what to try."""
    from .doctor import doctor_run

    doctor_run(run, split, data_dir, as_json=json)


@app.command(epilog="Example: lowerbound info runs/faces-1")
def info(run: Run, json: Json = False) -> None:
    """Say what a run is: its data, model, training and files."""
    from .tables import show_info

    show_info(run, as_json=json)


@app.command(epilog="Example: lowerbound datasets --data-dir ~/data")
def datasets(data_dir: DataDir = None, json: Json = False) -> None:
    """List the named data sets, and which are present."""
    from .tables import show_datasets

    show_datasets(data_dir, as_json=json)


@app.command(epilog="Example: lowerbound train --recipe post-2018")
def recipes(json: Json = False) -> None:
    """List the recipes, with their papers and published figures."""
    from .tables import show_recipes

    show_recipes(as_json=json)


@app.command(epilog="Examples: lowerbound parts · lowerbound parts iwae · lowerbound train digits --set prior.name=vamp")
def parts(
    name: Annotated[
        str, typer.Argument(metavar="[KIND|NAME]", help="A kind (prior, ...), or a part, whose keys are explained then.")
    ] = "",
    json: Json = False,
) -> None:
    """List the parts by name, with the configuration keys that each reads and the papers it comes from."""
    from .tables import show_parts

    show_parts(name, as_json=json)


@app.command(epilog="Example: lowerbound verify")
def verify(json: Json = False) -> None:
    """Check on this machine and device that the numbers are right: figures whose truth is known, each beside it."""
    from .verify import verify_machine

    verify_machine(as_json=json)


@app.command(epilog="Examples: lowerbound cite runs/faces-1 · lowerbound cite vamp-2018")
def cite(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or the name of a recipe.")],
) -> None:
    """Print the BibTeX of the papers behind exactly the parts that a run uses."""
    from .tables import show_citations

    show_citations(run)


def _show_version(wanted: bool) -> bool:
    if wanted:
        from .. import __version__

        typer.echo(f"lowerbound {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


# Typer's status for a KeyboardInterrupt.
_INTERRUPTED = 130
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def main() -> None:
    """Run the command line; exit status 0, 1 (failed) or 2 (wrong use)."""
    try:
        try:
            with warnings_as_sentences(say):
                app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except ConfigurationError as error:
        _fail(error, 2)
    except LowerboundError as error:
        _fail(error, 1)
    except SystemExit as leaving:
        if leaving.code != _INTERRUPTED:
            raise
        say("stopped")
        sys.exit(1)
    except OSError as error:
        # Files are named in their errors; what has no name is the stream that results go to.
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        # What still waits would be written again, in vain, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _fail(LowerboundError(f"the result could not be written to stdout: {error.strerror}. Send it to another place."), 1)


def _fail(error: LowerboundError, status: int) -> None:
    say(f"error: {error}")
    sys.exit(status)
