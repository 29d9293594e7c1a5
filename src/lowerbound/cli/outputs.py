"""`sample`, `reconstruct` and `encode`: a trained run in, files out."""

from __future__ import annotations

import csv
import io
import math
import os
import shlex
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ConfigurationError, LowerboundError
from ..storage.memory import check_number_fits
from .app import DataDir, Key, OtherData, Overwrite, Run, Split, app, seed_option
from .opening import open_run
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.spec import DataSpec
    from ..models import AbstractLatentVariableModel

# Of float32.
_LARGEST = 3.4e38
# Of tables; those with columns of several kinds may be written as any of them.
_TABLES = (".csv", ".tsv", ".parquet", ".feather")


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
    seed: Annotated[int, seed_option("the draws")] = 0,
    condition: Annotated[
        str, typer.Option(metavar="VALUES", help="For a conditional model: a category, `all` in turn, or numbers with commas.")
    ] = "",
    given: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Of a table: a column's value in all rows; the others are drawn under it."),
    ] = None,
    holes: Annotated[
        bool, typer.Option("--holes/--complete", help="Of a table: cells without a value as often as in the training rows.")
    ] = True,
    overwrite: Overwrite = False,
) -> None:
    """Draw new examples from a run's model."""
    from ..config.rules import COUNT

    COUNT.convert("-n", count)
    if wrong := [text for text in given or [] if "=" not in text]:
        raise ConfigurationError(_WRONG_GIVEN.format(wrong[0]))
    check_out(out, (".png", ".npy", *_TABLES), overwrite=overwrite)
    folder, model, spec, _ = open_run(run)
    require_kind(spec, out)
    check_number_fits("-n", count, 16 * math.prod(spec.event_shape), "new examples")
    conditions = condition_rows(condition, count, spec)
    if spec.columns:
        known = _pairs_of(given or [], [column.name for column in spec.columns])
        _sample_table(model, spec, count, known, conditions, mean=mean, holes=holes, seed=seed, out=out)
        return
    if given:
        raise ConfigurationError(
            "--given is about a table with columns by name, and this model has none. A conditional model takes --condition."
        )
    from ..evaluation import sample

    examples = sample(model, count, condition=conditions, draw=not mean, seed=seed)
    plural = "" if count == 1 else "s"
    what = f"{count:,} {f'decoder mean{plural} E[x|z]' if mean else f'draw{plural} x ~ p(x|z)'} of z ~ p(z)"
    if out.suffix == ".png" and condition == "all" and spec.condition is not None:
        from ..data.conditions import in_words
        from ..report.labelled_grid import save_by_condition

        # With fewer examples than categories, only the first have one.
        names = [in_words(category) for category in spec.condition.categories][:count]
        save_by_condition(
            examples, names, spec, out, f"{folder.path.name}: {what}, a row for each value of {spec.condition.name}"
        )
    elif out.suffix == ".png":
        from ..report.figures import sample_picture, save_picture

        save_picture(sample_picture(examples, spec, number=count), f"{folder.path.name}: {what}", out)
    else:
        _write_array(out, spec.to_user(examples), spec)
    say(f"wrote {what} to {out}")


@app.command(epilog="Example: lowerbound reconstruct runs/faces-1 --out pairs.png")
def reconstruct(
    run: Run,
    out: Annotated[
        Path,
        typer.Option(help="A .png picture (originals above reconstructions), or their array (.npy) or table (.csv)."),
    ],
    data: OtherData = None,
    split: Split = "test",
    key: Key = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Encode examples and decode them again."""
    check_out(out, (".png", ".npy", *_TABLES), overwrite=overwrite)
    opened = open_run(run)
    model, spec = opened.model, opened.spec
    require_kind(spec, out)
    examples = opened.examples(split, data_dir) if data is None else opened.other_examples(data, key, data_dir)
    import numpy as np

    from ..evaluation import completed, decode, posterior_means
    from ..report.figures import MOST_PAIRS, pair_picture, save_picture

    if out.suffix == ".png":
        examples = examples[:MOST_PAIRS]
    examples = completed(model, examples)
    means = decode(model, posterior_means(model, examples), condition=examples.condition)
    if out.suffix == ".png":
        title = f"{opened.folder.path.name}: {len(examples):,} examples above their reconstructions E[x | z = E[z|x]]"
        save_picture(pair_picture(np.asarray(examples.x), means, spec), title, out)
    elif spec.columns:
        from ..evaluation.table_rows import tidied

        write_rows(out, tidied(np.asarray(spec.to_user(means), np.float64), spec.columns), spec)
    else:
        _write_array(out, spec.to_user(means), spec)
    say(f"wrote {len(examples):,} reconstructions E[x | z = E[z|x]]{_of_categories(spec)} to {out}")


@app.command(epilog="Example: lowerbound encode runs/faces-1 faces --out codes.csv")
def encode(
    run: Run,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A named set, a file or a folder of images.")],
    out: Annotated[Path, typer.Option(help="A .npy or .csv file: one row of posterior means per example.")],
    key: Key = "",
    std: Annotated[bool, typer.Option("--std", help="The standard deviations of q(z|x) too, as further columns.")] = False,
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the latent code E[z|x] of each example; the same every time."""
    check_out(out, (".npy", ".csv"), overwrite=overwrite)
    opened = open_run(run)
    import numpy as np

    from ..evaluation import check_density, posterior_means, posterior_stds

    examples = opened.other_examples(data, key, data_dir)
    codes = [posterior_means(opened.model, examples)]
    names = [f"z{index}" for index in range(opened.model.latent_dim)]
    if std:
        check_density(opened.model, "spread of q(z|x)", str(run))
        codes.append(posterior_stds(opened.model, examples))
        names += [f"{name}_std" for name in names]
    means = np.concatenate(codes, axis=1)
    if out.suffix == ".npy":
        write_npy(out, means)
    else:
        write_table(out, means, names)
    say(f"wrote the codes E[z|x] of {len(means):,} examples, {means.shape[1]} latents each, to {out}")


_WRONG_GIVEN = "--given is {!r}; expected COLUMN=VALUE, each column once: --given sex=Female."


def _pairs_of(given: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """Columns and their values of `--given COLUMN=VALUE`; of columns with "=" in their names the longest that fits."""
    pairs: dict[str, str] = {}
    for text in given:
        name = max((name for name in names if text.startswith(f"{name}=")), key=len, default=text.split("=", 1)[0])
        if name in pairs:
            raise ConfigurationError(_WRONG_GIVEN.format(text))
        pairs[name] = text[len(name) + 1 :]
    return pairs


def _sample_table(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    count: int,
    given: Mapping[str, str],
    condition: np.ndarray | None,
    *,
    mean: bool,
    holes: bool,
    seed: int,
    out: Path,
) -> None:
    """Rows as people write them, under the values that are given."""
    from ..evaluation.table_rows import sample_given, sample_rows, with_holes

    plural = "" if count == 1 else "s"
    if not given:
        rows = sample_rows(model, spec, count, condition=condition, draw=not mean, holes=holes, seed=seed)
        write_rows(out, rows, spec)
        means = f"decoder mean{plural} E[x|z]{_of_categories(spec)}"
        say(f"wrote {count:,} {means if mean else f'draw{plural} x ~ p(x|z)'} of z ~ p(z) to {out}")
        return
    if mean:
        raise ConfigurationError("--mean cannot be given with --given, whose rows are draws; leave one of them out.")
    found = sample_given(model, spec, given, count, condition=condition, seed=seed)
    rows = found.rows
    if holes:
        with_any = with_holes(rows, spec, model, seed=seed)
        fixed = [number for number, column in enumerate(spec.columns) if column.name in given]
        with_any[:, fixed] = rows[:, fixed]
        rows = with_any
    write_rows(out, rows, spec)
    what = ", ".join(f"{name} = {value}" for name, value in given.items())
    few = "" if found.effective_sample_size >= count else ", fewer than the rows, some of which share their code"
    say(
        f"wrote {count:,} draw{plural} x ~ p(x | {what}) to {out}: z by importance resampling, effective sample size "
        f"{found.effective_sample_size:,.0f} of {found.num_samples:,}{few}"
    )


def _of_categories(spec: DataSpec) -> str:
    """What stands in the place of a mean where there is none."""
    return " (of coded columns the most probable value)" if any(column.is_coded for column in spec.columns) else ""


def write_rows(path: Path, rows: np.ndarray, spec: DataSpec) -> None:
    """Encoded rows of a table under the names of its columns, as people write them; a .npy file holds the codes."""
    if path.suffix == ".npy":
        write_npy(path, rows)
        return
    from ..data.columns.column import whole_columns
    from ..data.columns.writing import write_table as write_cells
    from ..evaluation.table_rows import as_table

    table = as_table(rows, spec)
    write_cells(path, table.names, table.columns, whole=whole_columns(spec.columns))


def condition_rows(text: str, count: int, spec: DataSpec) -> np.ndarray | None:
    """`--condition` as a row for each of `count` examples; categories are cycled through when none is chosen."""
    given = spec.condition
    if given is None:
        if text:
            raise ConfigurationError(f"--condition is {text!r}, but this model was trained without a condition; leave it out.")
        return None
    from ..data.conditions import in_words

    parts = given.columns or (given,)
    if not text and given.is_label:
        return None
    if not text:
        example = ",".join(
            in_words(part.categories[0]) if part.categories else ",".join(f"{value:.3g}" for value in part.mean) for part in parts
        )
        raise ConfigurationError(
            f"the model was trained with the condition {given.name!r} ({given.words}), and none was given; add for example "
            f"--condition {shlex.quote(example)}{', or --condition all for every category in turn' if given.categories else ''}."
        )
    import numpy as np

    if text == "all" and given.categories:
        return given.encode(np.resize(np.asarray(given.categories), count))
    # A text may hold a comma itself.
    pieces = [text] if given.categories else text.split(",")
    sizes = [len(part.mean) or 1 for part in parts]
    values: list[np.ndarray] = []
    try:
        if len(pieces) != sum(sizes):
            raise ValueError(f"{len(pieces)} values")
        for part, start, size in zip(parts, np.cumsum([0, *sizes]), sizes, strict=False):
            own = pieces[start : start + size]
            is_text = bool(part.categories) and isinstance(part.categories[0], str)
            typed = np.asarray(own if is_text else [[float(piece) for piece in own]]).reshape(1, -1)[:, :size]
            values.append(part.encode(typed))
            part.check_like_training(typed)
    except ValueError as error:
        if isinstance(error, LowerboundError):
            raise
        raise ConfigurationError(f"--condition is {text!r}; expected {given.words}, separated by commas.") from None
    return np.repeat(np.concatenate(values, axis=1), count, axis=0)


def check_out(out: Path, allowed: tuple[str, ...], *, overwrite: bool, option: str = "--out") -> None:
    """Raise `ConfigurationError` when a file's name says that it is of another kind, or it is there and not to be replaced."""
    if out.suffix not in allowed:
        ending = repr(out.suffix) if out.suffix else "nothing"
        raise ConfigurationError(f"{option} is {out}, which ends in {ending}; expected {' or '.join(allowed)}.")
    if out.is_dir() or (os.path.lexists(out) and not overwrite):
        remedy = "Give another name." if out.is_dir() else "Give another name, or add --overwrite to replace it."
        what = "a folder" if out.is_dir() else "there already"
        raise ConfigurationError(f"{option} is {out}, which is {what}; nothing was touched. {remedy}")
    folder = next(each for each in (out.absolute(), *out.absolute().parents)[1:] if os.path.lexists(each))
    # Before hours of work, and not after them; a full disk shows at the end alone.
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        why = "may not be written to, or lies on a read-only disk" if os.path.isdir(folder) else "is no folder"
        raise ConfigurationError(f"{option} is {out}, but {folder} {why}; nothing was touched. Give another place.")


def require_kind(spec: DataSpec, out: Path, *, takes_tables: bool = True) -> None:
    """Raise `ConfigurationError` when a picture is asked for and the examples are no images, or a table and they are no rows.

    - `takes_tables`: whether the command writes tables too, so that one can be advised.
    """
    if out.suffix in _TABLES[1:] and not spec.columns:
        raise ConfigurationError(f"--out is {out}, but this model is of plain numbers; give a .csv or a .npy file.")
    if out.suffix == ".csv" and len(spec.event_shape) != 1:
        raise ConfigurationError(
            f"--out is {out}, a table, but the examples have shape {spec.event_shape}, which is no row. Give a .npy file."
        )
    if out.suffix == ".png" and not spec.is_image:
        raise ConfigurationError(
            f"--out is {out}, a picture, but the examples have shape {spec.event_shape}, which is no image. Give "
            f"{'a .csv or a .npy' if takes_tables and len(spec.event_shape) == 1 else 'a .npy'} file."
        )


def write_npy(path: Path, array: np.ndarray) -> None:
    """Write an array, or leave the file as it was."""
    import numpy as np

    from ..storage.atomic import write_bytes

    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def _write_array(path: Path, examples: np.ndarray, spec: DataSpec) -> None:
    """Examples as an array, or as a table under the names of its columns."""
    if path.suffix == ".npy":
        write_npy(path, examples)
    else:
        write_table(path, examples, spec.feature_names or [f"x{index}" for index in range(spec.num_elements)])


def write_table(path: Path, rows: np.ndarray, names: Sequence[str]) -> None:
    """Write rows of numbers below their names, or leave the file as it was."""
    from ..data.columns.cells import guarded

    words = _in_nine if rows.dtype == "float32" else _as_read
    write_csv(path, list(map(guarded, names)), ([words(value) for value in row] for row in rows.tolist()))


def _as_read(value: float) -> str:
    """A number in so many digits that it is read back, but those that float32 has not; a whole one keeps its form."""
    short = f"{value:.15g}"
    is_single = abs(value) < _LARGEST and struct.unpack("f", struct.pack("f", value))[0] == value
    return short if is_single or float(short) == value else repr(value)


def _in_nine(value: float) -> str:
    return f"{value:.9g}"


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write cells as they are, a person's texts `guarded`; or leave the file as it was."""
    from ..storage.atomic import write_text

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([names, *rows])
    write_text(path, text.getvalue())
