"""Examples laid out as one picture: pure NumPy, so that TensorBoard's images and the report's are the same."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from jaxtyping import Num, UInt8

from ..errors import DataError

Picture = UInt8[np.ndarray, "height width 3"]
_BACKGROUND = 255


def image_grid(
    images: Num[np.ndarray, "..."],
    columns: int,
    padding: int = 1,
    *,
    limits: tuple[float, float] = (0.0, 255.0),
    background: int = _BACKGROUND,
) -> Picture:
    """Lay images out row by row in one RGB picture.

    - `images`: (n, H, W) grey or (n, H, W, C) with C = 1 grey, 3 RGB or 4 RGB with opacity; n at least 1.
    - `columns`: images in a row; fewer when there are fewer images. `padding`: pixels of `background` around each image.
    - `limits`: the values shown as black and white; values beyond them are clipped, NaN is black.

    Raises `DataError` when `images` is not of such a shape, or is empty.
    """
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        raise DataError(
            f"images has shape {images.shape}; expected at least one image as (n, H, W), or (n, H, W, C) with C = 1, 3 or 4."
        )
    shown = as_rgb(images, limits)
    number, height, width, _ = shown.shape
    columns = max(1, min(columns, number))
    rows = math.ceil(number / columns)
    cell_height, cell_width = height + padding, width + padding
    grid = np.full((rows * cell_height + padding, columns * cell_width + padding, 3), background, np.uint8)
    for index, image in enumerate(shown):
        top, left = padding + index // columns * cell_height, padding + index % columns * cell_width
        grid[top : top + height, left : left + width] = image
    return grid


def as_rgb(
    images: Num[np.ndarray, "n height width channels"], limits: tuple[float, float]
) -> UInt8[np.ndarray, "n height width 3"]:
    """8-bit RGB; an opacity channel is laid over white."""
    low, high = limits
    width = high - low if high > low else 1.0
    unit = np.clip(np.nan_to_num((images.astype(np.float32) - low) / width, nan=0.0), 0.0, 1.0)
    if images.shape[-1] == 4:
        unit = unit[..., :3] * unit[..., 3:] + (1 - unit[..., 3:])
    return np.broadcast_to((unit * 255 + 0.5).astype(np.uint8), (*images.shape[:3], 3)).copy()


def pairs(originals: np.ndarray, reconstructions: np.ndarray, gap: int = 1, gap_value: float = 255.0) -> np.ndarray:
    """Each original above its reconstruction as one image, with `gap` rows of `gap_value` between them."""
    line = np.full((len(originals), gap, *originals.shape[2:]), gap_value, np.float32)
    return np.concatenate([originals.astype(np.float32), line, reconstructions.astype(np.float32)], axis=1)


def choose_columns(number: int, height: int, width: int, aspect: float = 1.0) -> int:
    """How many images to put in a row so that the whole is about `aspect` times as wide as high, without a ragged last row.

    >>> choose_columns(100, 28, 28)
    10
    """
    ideal = math.sqrt(number * aspect * height / width)
    near = list(range(max(1, math.floor(ideal / 1.25)), min(number, math.ceil(ideal * 1.25)) + 1))
    near = near or [max(1, min(number, round(ideal)))]
    return min(near, key=lambda columns: (-number % columns > 0, abs(math.log(columns / ideal))))


def shrink(images: np.ndarray, most: int) -> np.ndarray:
    """Average blocks of pixels, where an image's longer side exceeds `most`."""
    times = math.ceil(max(images.shape[1:3]) / most)
    if times == 1:
        return images
    number, height, width = images.shape[0], images.shape[1] // times, images.shape[2] // times
    whole = images[:, : height * times, : width * times].astype(np.float32)
    return whole.reshape(number, height, times, width, times, *images.shape[3:]).mean(axis=(2, 4))


def png_bytes(pixels: np.ndarray, **options: Any) -> bytes:
    """8-bit pixels (height, width), or with 1, 3 (RGB) or 4 channels (and opacity), as the content of a PNG file."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).save(content, format="PNG", **options)
    return content.getvalue()


def enlarge(
    picture: UInt8[np.ndarray, "height width channels"], width: int
) -> UInt8[np.ndarray, "larger_height larger_width channels"]:
    """Repeat pixels a whole number of times, so that the picture is as wide as possible without exceeding `width`."""
    times = max(1, width // picture.shape[1])
    return picture.repeat(times, axis=0).repeat(times, axis=1)
