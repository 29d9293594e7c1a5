"""`evaluate`, `sample`, `reconstruct` and `encode`: a trained run in, numbers or files out."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigurationError, DataError
from .runtime import prepare_jax, say, warnings_as_sentences

if TYPE_CHECKING:
    from ..config import RunConfig
    from ..data.dataset import Dataset
    from ..data.examples import Examples
    from ..data.spec import DataSpec
    from ..evaluation import Evaluation
    from ..models import AbstractLatentVariableModel
    from ..runs.folder import RunFolder

SPLITS = ("train", "validation", "test")


def evaluate_run(run: Path, num_samples: int, split: str, data_dir: Path | None, seed: int, *, as_json: bool) -> None:
    """Print the scores of a run on one of its splits."""
    _check_split(split)
    if num_samples < 1:
        raise ConfigurationError(f"--samples is {num_samples}; it must be a whole number from 1 up, for example 1000.")
    folder, model, spec, config = _open(run)
    data = _own_examples(folder, config, spec, split, data_dir)
    from ..evaluation import evaluate

    with _counting(len(data), quiet=as_json) as advance:
        evaluation = evaluate(model, spec, data, num_samples=num_samples, split=split, seed=seed, on_progress=advance)
    if as_json:
        from .progress import print_json

        print_json(evaluation.to_json(), indent=2)
    else:
        show_evaluation(evaluation)


def show_evaluation(evaluation: Evaluation) -> None:
    """The scores as a small table: name, value, standard error, unit, and what the number is."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    kind = "log-probability" if evaluation.measure == "counting" else "log-density in your units"
    table = Table(title=f"{evaluation.split} split, {evaluation.num_examples:,} examples", title_justify="left")
    table.add_column("score")
    table.add_column("value", justify="right")
    table.add_column("standard error", justify="right")
    table.add_column("what it is")

    def row(name: str, value: float | None, error: float | None, what: str) -> None:
        if value is not None:
            cells = name, f"{value:,.3f}", "" if error is None else f"{error:.3f}", what
            table.add_row(*(escape(cell) for cell in cells))

    elbo_error, error = evaluation.elbo_standard_error, evaluation.standard_error
    row("ELBO [nats]", evaluation.elbo_nats, elbo_error, f"a lower bound on log p(x), {kind}")
    row("log evidence [nats]", evaluation.log_evidence_nats, error, f"importance sampling, {evaluation.num_samples} samples")
    row("ELBO on [0, 1] [nats]", evaluation.unit_scale_elbo_nats, elbo_error, "the same, for data scaled to [0, 1]")
    row("log evidence on [0, 1] [nats]", evaluation.unit_scale_log_evidence_nats, error, "the same, for data scaled to [0, 1]")
    row("bits/dim", evaluation.bits_per_dim, None, "-log evidence / (dimensions x log 2)")
    row("KL [nats]", evaluation.kl_nats, None, "what the code tells about an example")
    active = f"{evaluation.active_units} of {evaluation.latent_dim}"
    table.add_row("active units", active, "", escape("latents with Var(E[z|x]) > 0.01"))
    # Not on a terminal, a table must not be cut to a guessed width.
    console = Console() if sys.stdout.isatty() else Console(width=120)
    console.print(table)


def sample_run(run: Path, out: Path, count: int, mean: bool, seed: int, condition: str = "") -> None:
    """Write new examples to a picture or an array."""
    if count < 1:
        raise ConfigurationError(f"-n is {count}; it must be a whole number from 1 up, for example 100.")
    _check_suffix(out, (".png", ".npy"))
    _, model, spec, _ = _open(run)
    from ..evaluation import sample

    examples = sample(model, count, condition=_condition_rows(condition, count, spec), draw=not mean, seed=seed)
    if out.suffix == ".npy":
        _write_npy(out, examples)
    else:
        _require_images(spec, out)
        from ..report.figures import sample_picture

        _write_png(out, sample_picture(examples, spec, number=count))
    say(f"wrote {count:,} {'decoder means E[x|z]' if mean else 'draws x ~ p(x|z)'} of z ~ p(z) to {out}")


def reconstruct_run(run: Path, data: str | None, out: Path, split: str, key: str, data_dir: Path | None) -> None:
    """Write reconstructions to a picture, beside their originals, or to an array."""
    _check_split(split)
    _check_suffix(out, (".png", ".npy"))
    folder, model, spec, config = _open(run)
    if data is None:
        examples = _own_examples(folder, config, spec, split, data_dir)
    else:
        examples = _other_examples(data, key, data_dir, model, spec, config)
    from ..evaluation import decode, posterior_means

    if out.suffix == ".npy":
        _write_npy(out, decode(model, posterior_means(model, examples), condition=_rows(examples.condition)))
    else:
        _require_images(spec, out)
        from ..report.figures import MOST_PAIRS, pair_picture

        examples = examples[:MOST_PAIRS]
        means = decode(model, posterior_means(model, examples), condition=_rows(examples.condition))
        _write_png(out, pair_picture(np.asarray(examples.x), means, spec))
    say(f"wrote {len(examples):,} reconstructions E[x | z = E[z|x]] to {out}")


def encode_run(run: Path, data: str, out: Path, key: str, data_dir: Path | None) -> None:
    """Write posterior means, one row for each example."""
    _check_suffix(out, (".npy", ".csv"))
    _, model, spec, config = _open(run)
    examples = _other_examples(data, key, data_dir, model, spec, config)
    from ..evaluation import posterior_means
    from ..storage.atomic import write_text

    means = posterior_means(model, examples)
    if out.suffix == ".npy":
        _write_npy(out, means)
    else:
        header = ",".join(f"z{index}" for index in range(means.shape[1]))
        rows = (",".join(repr(float(value)) for value in row) for row in means)
        write_text(out, "\n".join([header, *rows]) + "\n")
    say(f"wrote the codes E[z|x] of {len(means):,} examples, {means.shape[1]} latents each, to {out}")


def _rows(condition: Any) -> np.ndarray | None:
    return None if condition is None else np.asarray(condition)


def _condition_rows(text: str, count: int, spec: DataSpec) -> np.ndarray | None:
    """`--condition` as a row for each of `count` examples; categories are cycled through when none is chosen."""
    given = spec.condition
    if given is None:
        if text:
            raise ConfigurationError(f"--condition is {text!r}, but this model was trained without a condition; leave it out.")
        return None
    if not text:
        raise ConfigurationError(
            f"the model was trained with the condition {given.name!r} ({given.words}), and none was given; add for example "
            f"--condition {f'{given.categories[0]:g}' if given.categories else ','.join(f'{value:.3g}' for value in given.mean)}"
            f"{', or --condition all for every category in turn' if given.categories else ''}."
        )
    if text == "all" and given.categories:
        return given.encode(np.resize(np.asarray(given.categories), count))
    try:
        values = np.asarray([float(piece) for piece in text.split(",")])
    except ValueError:
        raise ConfigurationError(f"--condition is {text!r}; expected {given.words}, separated by commas.") from None
    return given.encode(np.repeat(values, count) if given.categories else np.tile(values, (count, 1)))


def _open(run: Path) -> tuple[RunFolder, AbstractLatentVariableModel, DataSpec, RunConfig]:
    prepare_jax()
    from ..runs.folder import RunFolder, load_model
    from ..storage.checkpoints import latest_checkpoint

    folder = RunFolder.open(run)
    if not folder.model.exists() and (checkpoint := latest_checkpoint(folder.checkpoints)) is not None:
        say(
            f"note: {run} has not ended; this is its checkpoint of step {checkpoint.step:,}. "
            f"Continue it with: lowerbound train --resume {shlex.quote(str(run))}"
        )
        return folder, *load_model(checkpoint.path)
    return folder, *folder.load_model()


def _own_examples(folder: RunFolder, config: RunConfig, spec: DataSpec, split: str, data_dir: Path | None) -> Examples:
    from ..data.datasets import load_dataset
    from ..data.examples import examples_of
    from ..data.splits import check_same_data, split_record

    with warnings_as_sentences(say):
        dataset: Dataset = load_dataset(config.data.name, config.data.key, data_dir, config.data.condition)
    rows = folder.split()
    check_same_data(folder.info()["data"], split_record(dataset.examples, rows, dataset.condition))
    if rows.sizes[split] == 0:
        held = next(name for name in ("test", "validation", "train") if rows.sizes[name])
        raise DataError(
            f"the {split} split of {folder.path} is empty: nothing was held out for it. "
            f"Use --split {held} ({rows.sizes[held]:,} examples), or train again with data.{split} above 0."
        )
    return examples_of(dataset, getattr(rows, split), spec)


def _other_examples(
    data: str, key: str, data_dir: Path | None, model: AbstractLatentVariableModel, spec: DataSpec, config: RunConfig
) -> Examples:
    from ..data.checks import check_array
    from ..data.datasets import load_dataset
    from ..data.examples import examples_of
    from ..likelihoods.support import check_values
    from ..models import SingleLayer

    with warnings_as_sentences(say):
        dataset = load_dataset(data, key, data_dir, config.data.condition)
    examples = check_array(dataset.examples, name=data, event_shape=spec.event_shape)
    if isinstance(model, SingleLayer):
        check_values(examples, config.likelihood.name, model.likelihood.support, spec, name=data)
    return examples_of(dataclasses.replace(dataset, examples=examples), np.arange(len(examples)), spec)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        from ..errors import unknown_name_message

        raise ConfigurationError(unknown_name_message("--split", split, SPLITS))


def _check_suffix(out: Path, allowed: tuple[str, ...]) -> None:
    if out.suffix not in allowed:
        ending = repr(out.suffix) if out.suffix else "nothing"
        raise ConfigurationError(f"--out is {out}, which ends in {ending}; expected {' or '.join(allowed)}.")


def _require_images(spec: DataSpec, out: Path) -> None:
    if not spec.is_image:
        raise ConfigurationError(
            f"--out is {out}, a picture, but the examples have shape {spec.event_shape}, which is no image. Give a .npy file."
        )


def _write_npy(path: Path, array: np.ndarray) -> None:
    from ..storage.atomic import write_bytes

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def _write_png(path: Path, picture: np.ndarray) -> None:
    from PIL import Image

    from ..report.images import enlarge
    from ..storage.atomic import write_bytes

    buffer = io.BytesIO()
    Image.fromarray(enlarge(picture, 1000)).save(buffer, format="PNG")
    write_bytes(path, buffer.getvalue())


@contextlib.contextmanager
def _counting(total: int, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A bar over examples on a terminal; nothing elsewhere. Gives the function that moves it."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("evaluating", total=total)
        yield lambda done: progress.update(task, completed=done)
