"""The pictures of a run's folder: each function writes one PNG, all of it or nothing.

Sizes are for a README's column, about 800 CSS pixels; files have twice as many, for sharp screens. matplotlib is imported only
when a picture is drawn, through `charts` and `style`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..data.spec import DataSpec
from ..summaries import RunSummary
from .images import choose_columns, enlarge, image_grid, pairs, shrink
from .latent_view import choose_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 800
MOST_IMAGES = 100
MOST_PAIRS = 24
MOST_COLUMNS = 16
_MARGIN, _TITLE, _LARGEST_SIDE = 16, 44, 256
# How many times a picture of pairs is as wide as high.
_PAIRS_ASPECT = 2.6


def save_all(summary: RunSummary, folder: str | Path) -> list[Path]:
    """Write the four pictures into `folder`; the paths. Raises `SavingError`."""
    writers = {
        "samples.png": save_samples,
        "reconstructions.png": save_reconstructions,
        "learning_curve.png": save_learning_curve,
        "latent_space.png": save_latent_space,
    }
    for name, write in writers.items():
        write(summary, Path(folder) / name)
    return [Path(folder) / name for name in writers]


def save_samples(summary: RunSummary, path: str | Path) -> None:
    """Up to 100 new examples; for a table, the columns' histograms beside the data's. Raises `SavingError`.

    Images are shown as decoder means where the summary has them, and the title says so: a pixel's own noise, drawn
    independently of its neighbours', hides what z has decided. The page shows the draws beside them. Where pixels know their
    neighbours, draws are shown.
    """
    if not summary.spec.is_image:
        _save_columns(summary, path, "samples")
        return
    images, what = summary.samples, "draws x ~ p(x|z)"
    if summary.sample_means is not None:
        images, what = summary.sample_means, "decoder means E[x|z]"
    title = f"{summary.name}: {min(len(images), MOST_IMAGES)} new examples, {what} of z ~ p(z)"
    save_picture(sample_picture(images, summary.spec), title, path)


def save_reconstructions(summary: RunSummary, path: str | Path) -> None:
    """Originals above what the decoder makes of their codes; for a table, one against the other. Raises `SavingError`."""
    if summary.spec.is_image:
        title = f"{summary.name}: {summary.split_shown} examples above their reconstructions"
        save_picture(pair_picture(summary.originals, summary.reconstructions, summary.spec), title, path)
    else:
        _save_columns(summary, path, "reconstructions")


def save_learning_curve(summary: RunSummary, path: str | Path) -> None:
    """The bound and the KL against epochs. Raises `SavingError`."""
    from .charts import draw_bound, draw_kl
    from .style import put_title, save_png, sheet

    with sheet(WIDTH, 570) as figure:
        put_title(figure, f"{summary.name}: the course of training", WIDTH)
        upper, lower = figure.subplots(2, 1, height_ratios=[1.35, 1])
        draw_bound(upper, summary)
        draw_kl(lower, summary)
        upper.set_xlabel(upper.get_xlabel().removeprefix("epoch").replace("those", "epochs").strip(" ()"))
        save_png(figure, path)


def save_latent_space(summary: RunSummary, path: str | Path) -> None:
    """Posterior means in two dimensions, and what each latent carries. Raises `SavingError`."""
    from .charts import draw_latent_kl, draw_latent_means
    from .style import put_title, save_png, sheet

    with sheet(WIDTH, 430) as figure:
        put_title(figure, f"{summary.name}: the latent space", WIDTH)
        left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
        draw_latent_means(left, choose_view(summary))
        draw_latent_kl(right, summary)
        save_png(figure, path)


def sample_picture(images: np.ndarray, spec: DataSpec, number: int = MOST_IMAGES, background: int = 255) -> np.ndarray:
    """Up to `number` images as one RGB picture, about as wide as high."""
    images = shrink(images[:number], _LARGEST_SIDE)
    height, width = images.shape[1:3]
    columns = choose_columns(len(images), height, width)
    return image_grid(images, columns, _gap(height, width), limits=(spec.low, spec.high), background=background)


def pair_picture(originals: np.ndarray, reconstructions: np.ndarray, spec: DataSpec, background: int = 255) -> np.ndarray:
    """Up to `MOST_PAIRS` originals, each above its reconstruction, as one RGB picture."""
    originals, reconstructions = (shrink(images[:MOST_PAIRS], _LARGEST_SIDE) for images in (originals, reconstructions))
    gap = _gap(*originals.shape[1:3])
    both = pairs(originals, reconstructions, gap, spec.high if background else spec.low)
    columns = choose_columns(len(both), both.shape[1], both.shape[2], _PAIRS_ASPECT)
    return image_grid(both, columns, 2 * gap, limits=(spec.low, spec.high), background=background)


def _gap(height: int, width: int) -> int:
    return max(1, round(0.04 * min(height, width)))


def save_picture(picture: np.ndarray, title: str, path: str | Path) -> None:
    """A picture with whole enlarged pixels under a title. Raises `SavingError`."""
    from .style import TITLE_LINE, TITLE_SIZE, save_png, sheet, wrapped

    drawn = enlarge(picture, 2 * (WIDTH - 2 * _MARGIN))
    height, width = drawn.shape[0] / 2, drawn.shape[1] / 2
    total_width = max(width + 2 * _MARGIN, WIDTH)
    with sheet(total_width, WIDTH, tight=False) as figure:
        left = (total_width - width) / 2
        title = wrapped(figure, title, total_width - left - _MARGIN)
        above = _TITLE + title.count("\n") * TITLE_LINE
        total_height = above + height + _MARGIN
        figure.set_size_inches(total_width / figure.dpi, total_height / figure.dpi)
        style = {"va": "center", "fontsize": TITLE_SIZE, "fontweight": "bold"}
        figure.text(left / total_width, 1 - 0.5 * above / total_height, title, **style)
        axes = figure.add_axes((left / total_width, _MARGIN / total_height, width / total_width, height / total_height))
        axes.imshow(drawn, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
        save_png(figure, path)


def _save_columns(summary: RunSummary, path: str | Path, what: str) -> None:
    from .style import put_title, save_png, sheet

    columns, total = columns_of(summary, what), summary.spec.num_elements
    down, across = math.ceil(len(columns) / 4), min(4, len(columns))
    beyond = "" if len(columns) == total else f" (the first {len(columns)} of {total} columns)"
    title = (
        f"{summary.name}: reconstruction against original, {summary.split_shown} examples"
        if what != "samples"
        else f"{summary.name}: data and samples, column by column"
    )
    with sheet(WIDTH, 70 + 165 * down) as figure:
        grid = figure.subplots(down, across, squeeze=False).ravel()
        for spare in grid[len(columns) :]:
            spare.set_axis_off()
        for (_, draw), axes in zip(columns, grid, strict=False):
            draw(axes)
        put_title(figure, f"{title}{beyond}", WIDTH)
        if what == "samples":
            figure.legend(*grid[0].get_legend_handles_labels(), loc="upper right", ncols=2, fontsize=8)
        save_png(figure, path)


def columns_of(summary: RunSummary, what: str) -> list[tuple[str, Callable[[Axes], None]]]:
    """Up to 16 columns of a table: the name of each, and what draws its distributions ("samples"), or its "reconstructions"."""
    from .charts import draw_marginal, draw_reconstructed_column

    is_samples = what == "samples"
    draw, of_data = (draw_marginal, summary.real) if is_samples else (draw_reconstructed_column, summary.originals)
    made = summary.samples if is_samples else summary.reconstructions
    left, right = (np.asarray(array, float).reshape(len(array), -1) for array in (of_data, made))
    names = [column_name(summary.spec, index) for index in range(min(summary.spec.num_elements, MOST_COLUMNS))]
    if columns := summary.spec.columns:
        from .table_charts import column_drawing

        return [
            (name, column_drawing(columns[index], name, left[:, index], right[:, index], are_samples=is_samples))
            for index, name in enumerate(names)
        ]
    return [
        (name, lambda axes, index=index, name=name: draw(axes, left[:, index], right[:, index], name))
        for index, name in enumerate(names)
    ]


def column_name(spec: DataSpec, index: int) -> str:
    """The name of one element of a table's row."""
    return spec.feature_names[index] if index < len(spec.feature_names) else f"column {index}"
