"""Pictures of walks through the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.spec import DataSpec
from ..evaluation.walks import Manifold, Traversal
from .figures import column_name
from .labelled_grid import save_labelled_grid, small_picture
from .style import CATEGORIES, INK, MUTED, put_title, save_png, sheet

MOST_LINES = 6


def save_traversal(found: Traversal, spec: DataSpec, path: str | Path, name: str, start: str) -> None:
    """One row for each latent, the one that carries most on top; `name` is the run's, `start` says where the others stay."""
    if not spec.is_image:
        _save_lines(found, spec, path, name, start)
        return
    rows = len(found.latents)
    labels = [_label(found, row) for row in range(rows)]
    picture = small_picture(found.means.reshape(-1, *found.means.shape[2:]), spec, found.means.shape[1])
    columns = [f"{100 * quantile:.0f} %" for quantile in found.quantiles]
    carries = "its KL from the prior" if found.carried_unit == "nats" else "the variance of its code"
    title = f"{name}: one latent moves along each row (beside it, {carries}); the others stay at {start}"
    save_labelled_grid(picture, columns, labels, _quantile_text(found.of_prior), "", title, path)


def save_manifold(found: Manifold, spec: DataSpec, path: str | Path, name: str) -> None:
    """E[x|z] over the plane of the two latents."""
    size = len(found.means)
    picture = small_picture(found.means.reshape(-1, *found.means.shape[2:]), spec, size)
    every = max(1, size // 7)
    first = [f"{value:.2f}" if number % every == 0 else "" for number, value in enumerate(found.values[0])]
    second = [f"{value:.2f}" if number % every == 0 else "" for number, value in enumerate(found.values[1][::-1])]
    steps = "N(0, 1)" if found.of_prior else "the codes"
    title = f"{name}: E[x|z] over the two latents, at equal steps of the quantiles of {steps}"
    save_labelled_grid(picture, first, second, "first latent", "second latent", title, path)


def save_interpolation(
    means: np.ndarray, originals: np.ndarray, ends: Sequence[str], spec: DataSpec, path: str | Path, name: str, *, spherical: bool
) -> None:
    """The decoded path as a strip, with the two examples whose codes it joins at its ends, `ends` by their names."""
    shown = np.concatenate([originals[:1], means, originals[1:]]).astype(np.float32)
    picture = small_picture(shown, spec, len(shown))
    steps = [f"{t:.1f}" for t in np.linspace(0, 1, len(means))]
    labels = [ends[0], *steps, ends[1]]
    path_text = "great circle" if spherical else "straight line"
    title = f"{name}: from one code to another along a {path_text}; the examples themselves at the ends"
    save_labelled_grid(picture, labels, [""], "share of the way", "", title, path)


def _save_lines(found: Traversal, spec: DataSpec, path: str | Path, name: str, start: str) -> None:
    """For a table: how each column's expectation moves with each latent, in the column's own standard deviations."""
    rows = len(found.latents)
    flat = found.means.reshape(*found.means.shape[:2], -1)
    mean, std = np.reshape(spec.mean, -1), np.reshape(spec.std, -1)
    moved = (flat - mean) / np.where(std > 0, std, 1.0)
    reach = np.ptp(moved, axis=1).max(axis=0)
    chosen = np.argsort(-reach, kind="stable")[:MOST_LINES]
    across = min(rows, 3)
    down = -(-rows // across)
    width = max(270 * across + 60, 480)
    with sheet(width, 190 * down + 110) as figure:
        grid: Any = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for row, axes in enumerate(grid.flat):
            if row >= rows:
                axes.set_visible(False)
                continue
            for number, column in enumerate(chosen):
                axes.plot(
                    100 * found.quantiles,
                    moved[row, :, column],
                    label=column_name(spec, int(column)),
                    color=CATEGORIES[number],
                    marker="os^Dvx"[number],
                    markersize=4,
                )
            of = "" if found.carried_unit == "nats" else ", the variance of its code"
            axes.set_title(_label(found, row) + of, color=INK)
            axes.axhline(0, color=MUTED, linewidth=0.8)
            # Its column's lowest panel, which is not in the last row where that is not full.
            axes.tick_params(labelbottom=row + across >= rows)
        figure.supxlabel(f"{_quantile_text(found.of_prior)} [%]", fontsize=9.5)
        figure.supylabel("E[x|z], in the column's standard deviations from its mean", fontsize=9.5)
        put_title(figure, f"{name}: one latent moves in each panel, the others stay at {start}", width)
        figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside right upper")
        save_png(figure, path)


def _label(found: Traversal, row: int) -> str:
    # The title says that it is a variance where it is no KL; a longer label would be cut off beside latents of two digits.
    unit = " nats" if found.carried_unit == "nats" else ""
    return f"z{found.latents[row]}: {found.carried[row]:.3g}{unit}"


def _quantile_text(of_prior: bool) -> str:
    return "quantile of the prior N(0, 1)" if of_prior else "quantile of the latent over the codes of the data"
