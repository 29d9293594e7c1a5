"""Pictures of walks through the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.spec import DataSpec
from ..evaluation.walks import Manifold, Traversal
from .figures import column_name
from .images import as_rgb, image_grid, shrink
from .style import CATEGORIES, INK, MUTED, save_png, sheet

# Images are drawn with nearest neighbours, so that pixels stay pixels; large ones are shrunk to about this.
MOST_PIXELS, WIDTH = 64, 820
MOST_LINES = 6


def save_traversal(found: Traversal, spec: DataSpec, path: str | Path, start: str) -> None:
    """One row for each latent, the one that carries most on top; `start` says where the other latents stay."""
    if not spec.is_image:
        _save_lines(found, spec, path, start)
        return
    rows = len(found.latents)
    labels = [_label(found, row) for row in range(rows)]
    picture = _grid(found.means.reshape(-1, *found.means.shape[2:]), spec, found.means.shape[1])
    columns = [f"{100 * quantile:.0f} %" for quantile in found.quantiles]
    carries = "its KL from the prior" if found.carried_unit == "nats" else "the variance of its code"
    title = f"One latent moves along each row (beside it, {carries});\nthe others stay at {start}"
    _save_grid(picture, columns, labels, _quantile_text(found.of_prior), "", title, path)


def save_manifold(found: Manifold, spec: DataSpec, path: str | Path) -> None:
    """E[x|z] over the plane of the two latents."""
    size = len(found.means)
    picture = _grid(found.means.reshape(-1, *found.means.shape[2:]), spec, size)
    every = max(1, size // 7)
    first = [f"{value:.2f}" if number % every == 0 else "" for number, value in enumerate(found.values[0])]
    second = [f"{value:.2f}" if number % every == 0 else "" for number, value in enumerate(found.values[1][::-1])]
    steps = "N(0, 1)" if found.of_prior else "the codes"
    title = f"E[x|z] over the two latents, at equal steps of the quantiles of {steps}"
    _save_grid(picture, first, second, "first latent", "second latent", title, path)


def save_interpolation(
    means: np.ndarray, originals: np.ndarray, names: Sequence[str], spec: DataSpec, path: str | Path, *, spherical: bool
) -> None:
    """The decoded path as a strip, with the two examples whose codes it joins at its ends."""
    shown = np.concatenate([originals[:1], means, originals[1:]]).astype(np.float32)
    picture = _grid(shown, spec, len(shown))
    steps = [f"{t:.1f}" for t in np.linspace(0, 1, len(means))]
    labels = [names[0], *steps, names[1]]
    path_text = "great circle" if spherical else "straight line"
    title = f"From one code to another along a {path_text}; the examples themselves at the ends"
    _save_grid(picture, labels, [""], "share of the way", "", title, path)


def _save_grid(
    picture: np.ndarray, columns: Sequence[str], rows: Sequence[str], x_label: str, y_label: str, title: str, path: str | Path
) -> None:
    height, width = picture.shape[:2]
    cell_width, cell_height = width / len(columns), height / len(rows)
    # At least so many CSS pixels for a row that its label can be read.
    scale = max((WIDTH - 150) / width, 18 / cell_height)
    with sheet(width * scale + 150, height * scale + 90) as figure:
        axes: Any = figure.add_subplot()
        axes.imshow(picture, interpolation="nearest", aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xticks((np.arange(len(columns)) + 0.5) * cell_width - 0.5, columns)
        axes.set_yticks((np.arange(len(rows)) + 0.5) * cell_height - 0.5, rows)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.set_title(title)
        save_png(figure, path)


def _save_lines(found: Traversal, spec: DataSpec, path: str | Path, start: str) -> None:
    """For a table: how each column's expectation moves with each latent, in the column's own standard deviations."""
    rows = len(found.latents)
    flat = found.means.reshape(*found.means.shape[:2], -1)
    mean, std = np.reshape(spec.mean, -1), np.reshape(spec.std, -1)
    moved = (flat - mean) / np.where(std > 0, std, 1.0)
    reach = np.ptp(moved, axis=1).max(axis=0)
    chosen = np.argsort(-reach, kind="stable")[:MOST_LINES]
    across = min(rows, 3)
    down = -(-rows // across)
    with sheet(270 * across + 60, 190 * down + 90) as figure:
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
        figure.suptitle(f"One latent moves in each panel, the others stay at {start}", x=0.01, ha="left", fontweight="bold")
        figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside right upper")
        save_png(figure, path)


def _grid(images: np.ndarray, spec: DataSpec, columns: int) -> np.ndarray:
    images = images.reshape(len(images), *spec.event_shape)
    shown = shrink(images if images.ndim == 4 else images[..., None], MOST_PIXELS)
    return image_grid(as_rgb(shown, (spec.low, spec.high)), columns, padding=1)


def _label(found: Traversal, row: int) -> str:
    # The title says that it is a variance where it is no KL; a longer label would be cut off beside latents of two digits.
    unit = " nats" if found.carried_unit == "nats" else ""
    return f"z{found.latents[row]}: {found.carried[row]:.3g}{unit}"


def _quantile_text(of_prior: bool) -> str:
    return "quantile of the prior N(0, 1)" if of_prior else "quantile of the latent over the codes of the data"
