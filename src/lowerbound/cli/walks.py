"""`traverse` and `interpolate`: walks through a run's latent space as pictures or arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError
from .opening import check_split, open_run, own_examples
from .outputs import check_out, condition_rows, require_kind, write_npy
from .runtime import say

if TYPE_CHECKING:
    from ..data.examples import Example


def traverse_run(
    run: Path,
    out: Path,
    start: int | None,
    num_latents: int,
    num_columns: int,
    split: str,
    condition: str,
    data_dir: Path | None,
    *,
    grid: bool,
    overwrite: bool,
) -> None:
    """Write what the decoder says as one latent at a time moves, or over a grid of two."""
    check_out(out, (".png", ".npy"), overwrite=overwrite)
    check_split(split)
    folder, model, spec, config = open_run(run)
    data = own_examples(folder, config, spec, split, data_dir)
    from ..evaluation import posterior_means
    from ..evaluation.walks import manifold, traverse

    if start is not None:
        _check_index("--from", start, data, split)
    given = condition_rows(condition, 1, spec) if spec.condition is not None or condition else None
    row = None if given is None else given[0]
    if grid:
        require_kind(spec, out)
        plane = manifold(model, data, condition=row, size=num_columns)
        if out.suffix == ".npy":
            write_npy(out, spec.to_user(plane.means))
        else:
            from ..report.walk_figures import save_manifold

            save_manifold(plane, spec.of_model, out)
        say(f"wrote the decoder's means over a grid of {num_columns} x {num_columns} codes to {out}")
        return
    base = None if start is None else posterior_means(model, data[start : start + 1])[0]
    found = traverse(model, data, base=base, condition=row, num_latents=num_latents, num_columns=num_columns)
    if out.suffix == ".npy":
        write_npy(out, spec.to_user(found.means))
    else:
        from ..report.walk_figures import save_traversal

        save_traversal(
            found, spec.of_model, out, "the mean of all codes" if start is None else f"the code of {split} example {start}"
        )
    say(f"wrote traversals of {len(found.latents)} latents, {num_columns} steps each, to {out}")
    if model.latent_dim == 2 and spec.is_image:
        say(f"this model has two latents; see the whole plane with: lowerbound traverse {run} --grid --out {out}")


def interpolate_run(
    run: Path,
    out: Path,
    start: int,
    end: int,
    num_steps: int,
    split: str,
    data_dir: Path | None,
    *,
    spherical: bool,
    overwrite: bool,
) -> None:
    """Write what the decoder says between the codes of two examples."""
    check_out(out, (".png", ".npy"), overwrite=overwrite)
    check_split(split)
    folder, model, spec, config = open_run(run)
    data = own_examples(folder, config, spec, split, data_dir)
    from ..evaluation import decode, posterior_means
    from ..evaluation.walks import interpolate

    _check_index("--from", start, data, split)
    _check_index("--to", end, data, split)
    pair = data[np.array([start, end])]
    spherical = spherical or model.space == "hypersphere"
    first_code, last_code = posterior_means(model, pair)
    codes = interpolate(first_code, last_code, num_steps, spherical=spherical)
    condition = None
    if pair.condition is not None:
        # The condition walks too, from one example's to the other's.
        first, last = np.asarray(pair.condition)
        share = np.linspace(0, 1, num_steps)[:, None]
        condition = ((1 - share) * first + share * last).astype(np.float32)
    means = decode(model, codes, condition=condition)
    if out.suffix == ".npy":
        write_npy(out, spec.to_user(means))
    else:
        require_kind(spec, out)
        from ..report.walk_figures import save_interpolation

        names = (f"{split} {start}", f"{split} {end}")
        save_interpolation(means, np.asarray(pair.x), names, spec.of_model, out, spherical=spherical)
    say(f"wrote {num_steps} decoder means between the codes of {split} examples {start} and {end} to {out}")


def _check_index(option: str, index: int, data: Example, split: str) -> None:
    if not 0 <= index < len(data):
        raise ConfigurationError(
            f"{option} is {index}, but the {split} split has {len(data):,} examples; choose from 0 to {len(data) - 1}."
        )
