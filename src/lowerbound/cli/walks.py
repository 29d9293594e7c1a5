"""`traverse` and `interpolate`: walks through a run's latent space as pictures or arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigurationError
from ..storage.memory import check_number_fits
from .app import DataDir, Key, MeansFile, OtherData, Overwrite, Run, Split, app
from .opening import open_run
from .outputs import check_out, condition_rows, require_kind, write_npy
from .runtime import say

if TYPE_CHECKING:
    from ..data.examples import Example
    from ..evaluation.walks import Traversal


@app.command(
    epilog="Examples: lowerbound traverse runs/faces-1 --out latents.png · "
    "lowerbound traverse runs/digits-1 --grid --out plane.png (for a model of two latents)"
)
def traverse(
    run: Run,
    out: MeansFile,
    data: OtherData = None,
    start: Annotated[
        int | None,
        typer.Option(
            "--from",
            help="Start at the code of this example. [default: the mean of all codes, or the likeliest under a learned prior]",
        ),
    ] = None,
    latents: Annotated[int, typer.Option(help="How many latents, those that carry most first.")] = 10,
    columns: Annotated[int | None, typer.Option(help="Steps of each latent; 9, or 15 with --grid.")] = None,
    grid: Annotated[bool, typer.Option("--grid", help="The plane of a model with two latents.")] = False,
    split: Split = "test",
    key: Key = "",
    condition: Annotated[str, typer.Option(metavar="VALUES", help="For a conditional model: a category, or numbers.")] = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what each latent does: decoder means as one latent moves and the others stay."""
    check_out(out, (".png", ".npy"), overwrite=overwrite)
    columns = (15 if grid else 9) if columns is None else columns
    opened = open_run(run)
    model, spec = opened.model, opened.spec
    examples, name = opened.shown(split, data, key, data_dir)
    from ..evaluation import posterior_means
    from ..evaluation.walks import manifold, traverse

    if start is not None:
        _check_index("--from", start, examples, name)
    given = condition_rows(condition, 1, spec) if spec.condition is not None or condition else None
    row = None if given is None else given[0]
    if grid:
        require_kind(spec, out, takes_tables=False)
        plane = manifold(model, examples, condition=row, size=columns)
        if out.suffix == ".npy":
            write_npy(out, spec.to_user(plane.means))
        else:
            from ..report.walk_figures import save_manifold

            save_manifold(plane, spec.of_model, out, opened.folder.path.name)
        say(f"wrote the decoder's means over a grid of {columns} x {columns} codes to {out}")
        return
    base = None if start is None else posterior_means(model, examples[start : start + 1])[0]
    found = traverse(model, examples, base=base, condition=row, num_latents=latents, num_columns=columns)
    if out.suffix == ".npy":
        write_npy(out, spec.to_user(found.means))
    else:
        from ..report.walk_figures import save_traversal

        save_traversal(found, spec.of_model, out, opened.folder.path.name, _words_of_start(found, start, name))
    say(f"wrote traversals of {len(found.latents)} latents, {columns} steps each, to {out}")
    if model.latent_dim == 2 and spec.is_image:
        say(f"this model has two latents; see the whole plane with: lowerbound traverse {run} --grid --out {out}")


@app.command(epilog="Example: lowerbound interpolate runs/faces-1 --from 3 --to 17 --out strip.png")
def interpolate(
    run: Run,
    start: Annotated[int, typer.Option("--from", help="The example whose code is the start.")],
    end: Annotated[int, typer.Option("--to", help="The example whose code is the end.")],
    out: MeansFile,
    data: OtherData = None,
    steps: Annotated[int, typer.Option(help="Codes on the way, both ends among them.")] = 11,
    spherical: Annotated[bool, typer.Option("--spherical", help="Along a great circle instead of a straight line.")] = False,
    split: Split = "test",
    key: Key = "",
    data_dir: DataDir = None,
    overwrite: Overwrite = False,
) -> None:
    """Show what lies between two examples: decoder means from the code of one to the code of the other."""
    check_out(out, (".png", ".npy"), overwrite=overwrite)
    opened = open_run(run)
    model, spec = opened.model, opened.spec
    examples, name = opened.shown(split, data, key, data_dir)
    check_number_fits("--steps", steps, 16 * math.prod(spec.event_shape), "codes on the way, decoded,")
    import numpy as np

    from ..evaluation import decode, posterior_means
    from ..evaluation.walks import interpolate

    _check_index("--from", start, examples, name)
    _check_index("--to", end, examples, name)
    pair = examples[np.array([start, end])]
    spherical = spherical or model.space == "hypersphere"
    first_code, last_code = posterior_means(model, pair)
    codes = interpolate(first_code, last_code, steps, spherical=spherical)
    condition = None
    if pair.condition is not None:
        # The condition walks too, from one example's to the other's.
        first, last = np.asarray(pair.condition)
        share = np.linspace(0, 1, steps)[:, None]
        condition = ((1 - share) * first + share * last).astype(np.float32)
    means = decode(model, codes, condition=condition)
    if out.suffix == ".npy":
        write_npy(out, spec.to_user(means))
    else:
        require_kind(spec, out, takes_tables=False)
        from ..report.walk_figures import save_interpolation

        names = (f"{split} {start}", f"{split} {end}") if data is None else (f"example {start}", f"example {end}")
        save_interpolation(means, np.asarray(pair.x), names, spec.of_model, out, opened.folder.path.name, spherical=spherical)
    say(f"wrote {steps} decoder means between the codes of examples {start} and {end} of {name} to {out}")


def _words_of_start(found: Traversal, start: int | None, name: str) -> str:
    """Where the latents stay that do not move."""
    if start is not None:
        return f"the code of example {start} of {name}"
    if found.example is None:
        return "the mean of all codes"
    return f"the code of example {found.example} of {name}, the likeliest under the prior"


def _check_index(option: str, index: int, data: Example, name: str) -> None:
    if not 0 <= index < len(data):
        raise ConfigurationError(f"{option} is {index}, but {name} has {len(data):,} examples; choose from 0 to {len(data) - 1}.")
