"""Pictures in rows and columns that have names: the cells of a walk, or of samples by their condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..data.spec import DataSpec
from .images import as_rgb, image_grid, shrink
from .style import TITLE_LINE, put_title, save_png, sheet

# Images are drawn with nearest neighbours, so that pixels stay pixels; large ones are shrunk to about this.
MOST_PIXELS, WIDTH = 64, 820
# CSS pixels: a few cells in a row would fill many screens.
MOST_OF_CELL, LEAST_WIDTH = 100, 480


def save_by_condition(examples: np.ndarray, names: Sequence[str], spec: DataSpec, path: str | Path, title: str) -> None:
    """Examples that take the conditions `names` in turn: a row for each condition. Raises `SavingError`."""
    across = math.ceil(len(examples) / len(names))
    # What is missing in the last rows is paper.
    missing = np.full((across * len(names) - len(examples), *spec.event_shape), spec.high, examples.dtype)
    by_row = np.concatenate([examples, missing]).reshape(across, len(names), *spec.event_shape).swapaxes(0, 1)
    picture = small_picture(by_row.reshape(-1, *spec.event_shape), spec, across)
    save_labelled_grid(picture, [""] * across, names, "", "", title, path)


def save_labelled_grid(
    picture: np.ndarray, columns: Sequence[str], rows: Sequence[str], x_label: str, y_label: str, title: str, path: str | Path
) -> None:
    """Write a picture of equal cells with the names of its columns and rows; raises `SavingError`."""
    height, width = picture.shape[:2]
    cell_width, cell_height = width / len(columns), height / len(rows)
    # At least so many CSS pixels for a row that its label can be read.
    scale = max(min((WIDTH - 150) / width, MOST_OF_CELL / cell_width), 18 / cell_height)
    whole = max(width * scale + 150, LEAST_WIDTH)
    with sheet(whole, height * scale + 90) as figure:
        lines = put_title(figure, title, whole)
        figure.set_figheight(figure.get_figheight() + (lines - 1) * TITLE_LINE / figure.dpi)
        axes: Any = figure.add_subplot()
        axes.imshow(picture, interpolation="nearest", aspect="equal")
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set_xticks((np.arange(len(columns)) + 0.5) * cell_width - 0.5, columns)
        axes.set_yticks((np.arange(len(rows)) + 0.5) * cell_height - 0.5, rows)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        save_png(figure, path)


def small_picture(images: np.ndarray, spec: DataSpec, columns: int) -> np.ndarray:
    """Images side by side, the large ones shrunk."""
    images = images.reshape(len(images), *spec.event_shape)
    shown = shrink(images if images.ndim == 4 else images[..., None], MOST_PIXELS)
    return image_grid(as_rgb(shown, (spec.low, spec.high)), columns, padding=1)
