"""`explain`: which columns, or pixels, each latent of a run moves, and how much of a label a straight line finds in the codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError, DataError, unknown_name_message
from .app import LARGEST_TREE_SEED, DataDir, Json, Key, OtherData, Overwrite, Run, Split, app, seed_option
from .console import print_json, show_table, show_text
from .opening import OpenRun, open_run
from .outputs import check_out, write_csv, write_npy
from .runtime import say

if TYPE_CHECKING:
    import numpy as np

    from ..data.dataset import Dataset
    from ..evaluation.effects import LatentEffects
    from ..evaluation.probe import Probe

# An effect of so many standard deviations can be seen.
_SEEN = 0.2


@app.command(epilog="Examples: lowerbound explain runs/faces-1 · lowerbound explain runs/adult-1 --label income")
def explain(
    run: Run,
    data: OtherData = None,
    split: Split = "test",
    key: Key = "",
    latents: Annotated[int, typer.Option(help="How many latents, those that carry most first.")] = 10,
    columns: Annotated[int, typer.Option(help="How many columns, or pixels, of each latent to show.")] = 4,
    label: Annotated[
        str,
        typer.Option(
            metavar="COLUMN", help="Tell this column from codes of the others; without it, the labels that data come with."
        ),
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="A .csv table: every effect with its interval; or a .npy array (latents, quantities).")
    ] = None,
    seed: Annotated[int, seed_option("the draws and resamplings", largest=LARGEST_TREE_SEED)] = 0,
    data_dir: DataDir = None,
    json: Json = False,
    overwrite: Overwrite = False,
) -> None:
    """Say what each latent moves, in standard deviations with intervals, and what of a label is in the codes, beside PCA."""
    from ..config.rules import COUNT

    COUNT.convert("--latents", latents)
    COUNT.convert("--columns", columns)
    if out is not None:
        check_out(out, (".csv", ".npy"), overwrite=overwrite)
    opened = open_run(run)
    from ..evaluation.effects import latent_effects

    if data is not None and label:
        raise ConfigurationError("--label is fitted to training rows and asked of held-out ones, so it goes without other data.")
    examples, shown = opened.shown(split, data, key, data_dir)
    place = _place(label, opened) if label else None
    effects = latent_effects(opened.model, opened.spec, examples, num_latents=latents, seed=seed)
    probe = None if data else _probe(opened, opened.dataset(data_dir), split, place, seed)
    if out is not None:
        _write(out, effects)
        say(f"wrote the effects of {len(effects.latents)} latents on {len(effects.names):,} quantities to {out}")
    if json:
        about = {"split": split if data is None else None, "data": data}
        print_json({**about, **effects.to_json(), "probe": None if probe is None else probe.to_json()})
    else:
        _show(effects, opened, shown.removeprefix("the "), columns, probe)


def _place(label: str, opened: OpenRun) -> int:
    """The element of the column of this name; raises `ConfigurationError` for another, and for one that has no classes."""
    spec = opened.spec
    if not spec.feature_names:
        raise ConfigurationError(
            f"--label is {label!r}, but the examples have no columns with names. Leave it out: the data's own labels are used."
        )
    if label not in spec.feature_names:
        raise ConfigurationError(unknown_name_message("--label", label, spec.feature_names))
    return spec.feature_names.index(label)


def _probe(opened: OpenRun, dataset: Dataset, split: str, place: int | None, seed: int) -> Probe | None:
    """None where the data have no labels, and no column is asked for."""
    import numpy as np

    from ..data.examples import examples_of
    from ..evaluation.probe import MOST_ROWS, LabelledRows, probe_codes

    if place is None and dataset.labels is None:
        return None
    rng = np.random.default_rng(seed)
    y = np.asarray(dataset.labels) if place is None else _classes(opened, dataset, place)
    known = ~np.isnan(y.astype(np.float64))
    parts = [rows[known[rows]] for rows in (opened.part("train"), opened.part(split))]
    fitted, asked = (np.sort(rng.permutation(rows)[:MOST_ROWS]) for rows in parts)
    sides = [
        LabelledRows(examples_of(dataset, rows, opened.spec), np.asarray(dataset.examples)[rows], y[rows])
        for rows in (fitted, asked)
    ]
    name = "the label" if place is None else opened.spec.element_name(place)
    return probe_codes(opened.model, opened.spec, sides[0], sides[1], label=name, place=place, seed=seed)


def _classes(opened: OpenRun, dataset: Dataset, place: int) -> np.ndarray:
    """The column's values; raises `DataError` where they are numbers and no classes."""
    import numpy as np

    from ..evaluation.probe import has_classes

    values = np.asarray(dataset.examples)[:, place]
    if not has_classes(values, opened.spec, place):
        raise DataError(
            f"--label is {opened.spec.element_name(place)}, a column of many numbers; expected one of categories or a few levels."
        )
    return values


def _show(effects: LatentEffects, opened: OpenRun, of: str, columns: int, probe: Probe | None) -> None:
    import numpy as np

    word = opened.spec.element_word
    head = ["latent", f"carries [{effects.carried_unit}]", "from", "to", "moves, in standard deviations"]
    if word != "column":
        head.insert(4, f"{word}s moved")
    rows: list[tuple[str, ...]] = []
    for number, latent in enumerate(effects.latents.tolist()):
        shown = [quantity for quantity in effects.strongest(number, columns) if effects.sizes[number, quantity] >= _SEEN / 2]
        cells = [f"z{latent}", f"{effects.carried[number]:.3f}", f"{effects.low[number]:z.2f}", f"{effects.high[number]:z.2f}"]
        if word != "column":
            cells.append(f"{np.mean(effects.sizes[number] > _SEEN):.0%}")
        moves = "\n".join(effects.in_words(number, quantity) for quantity in shown)
        rows.append((*cells, moves or f"no {word} by {_SEEN / 2:g}"))
    title = f"{of}: each latent from its 5 % to its 95 % quantile, the others at the codes of {effects.num_rows:,} examples"
    show_table(title, head, rows, numbers=head[1:-1])
    text = "In brackets: intervals at 95 % over the examples, each by itself."
    if word != "column":
        text += f" {word.capitalize()}s moved: the share that moves by {_SEEN:g} standard deviations or more, up or down."
    show_text(text)
    if probe is not None:
        show_text(probe.words)


def _write(out: Path, effects: LatentEffects) -> None:
    from ..data.columns.cells import guarded

    if out.suffix == ".npy":
        write_npy(out, effects.effects)
        return
    rows = []
    for number, latent in enumerate(effects.latents.tolist()):
        for quantity, name in enumerate(effects.names):
            values = (each[number, quantity] for each in (effects.effects, effects.lower, effects.upper, effects.sizes))
            rows.append([f"z{latent}", guarded(name), *(f"{value:.6g}" for value in values)])
    write_csv(out, ["latent", "what", "effect", "lower", "upper", "mean_absolute_effect"], rows)
