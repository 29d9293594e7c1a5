"""The program that the commands are put into, and the options that several of them have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..config.rules import Integer
from ..config.sections import LARGEST_SEED
from ..errors import ConfigurationError, unknown_name_message

SPLITS = ("train", "validation", "test")


def check_split(split: str | None) -> str | None:
    """The name of a part of the data; raises `ConfigurationError`, with the nearest right one, for another."""
    if split is not None and split not in SPLITS:
        raise ConfigurationError(unknown_name_message("--split", split, SPLITS))
    return split


# Scikit-learn's folds and trees take no larger one.
LARGEST_TREE_SEED = 2**31 - 1


def seed_option(whose: str, *, largest: int = LARGEST_SEED) -> Any:
    """The option `--seed`, held to what the generators of random numbers take."""

    def check(value: int | None) -> int | None:
        return None if value is None else Integer(0, largest).convert("--seed", value)

    return typer.Option("--seed", help=f"The seed of {whose}.", callback=check)


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
OtherData = Annotated[str | None, typer.Argument(metavar="DATA", help="Other data than the run's own.")]
Key = Annotated[str, typer.Option(help="The variable in a .npz or .mat file.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")]
Split = Annotated[str, typer.Option("--split", help="The part of the data: train, validation, test.", callback=check_split)]
Devices = Annotated[
    int | None, typer.Option("--devices", metavar="N", help="Devices (GPUs) of this process to use, at most; all by default.")
]
Coordinator = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="Of a run of several processes: where the first one listens.")
]
Processes = Annotated[int | None, typer.Option(help="How many processes share the run; 1 for this one alone.")]
Process = Annotated[int | None, typer.Option(help="Which of them this is, from 0.")]
SampleSeed = Annotated[int, seed_option("the importance samples")]
MeansFile = Annotated[Path, typer.Option(help="A .png picture or a .npy array of decoder means.")]
