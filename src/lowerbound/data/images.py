"""A folder of PNG or JPEG images as one array."""

from __future__ import annotations

import collections
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataError, MissingDataError

if TYPE_CHECKING:
    from PIL.Image import Image

_ENDINGS = (".png", ".jpg", ".jpeg")
_GREY = {"1", "L", "I;16", "I;16B", "I;16L", "I"}


def load_image_folder(folder: Path) -> np.ndarray:
    """Every PNG and JPEG under `folder`, sorted by path, as (n, H, W) grey or (n, H, W, 3) colour.

    8-bit images give uint8, 16-bit grey ones uint16, and 1-bit ones 0 and 1. Where some are colour and some grey, all are
    colour. The orientation that a camera wrote into the file is applied. An alpha channel is dropped where it is opaque.

    Raises `MissingDataError` when there is no image, and `DataError`, naming the file, when one cannot be read, has another
    size than most, or has transparent pixels.
    """
    paths = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS and not path.name.startswith(".")),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    if not paths:
        raise MissingDataError(f"{folder} holds no images; expected files that end in {', '.join(_ENDINGS)}.")
    images = [_read(path) for path in paths]
    _check_sizes(paths, images, folder)
    if len({image.ndim for image in images}) > 1:
        images = [np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image for image in images]
    types = {image.dtype for image in images}
    if len(types) > 1:
        odd = next(path for path, image in zip(paths, images, strict=True) if image.dtype != images[0].dtype)
        raise DataError(
            f"{folder} mixes images of different depth: {paths[0].name} is {images[0].dtype}, {odd.name} is not. "
            "Convert them to one depth, 8 bits for example."
        )
    return np.stack(images)


def _read(path: Path) -> np.ndarray:
    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(path, formats=("PNG", "JPEG")) as image:
            image.load()
            return _pixels(PIL.ImageOps.exif_transpose(image), path)
    except DataError:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, PIL.Image.DecompressionBombError) as error:
        raise DataError(
            f"the image {path} could not be read ({error}); it is corrupt or not a PNG or JPEG. Repair it, or take it out."
        ) from error


def _pixels(image: Image, path: Path) -> np.ndarray:
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        if np.asarray(image.getchannel("A")).min() < 255:
            raise DataError(
                f"the image {path} has transparent pixels, whose colour is not defined; expected opaque images. "
                "Lay them on a background first (Pillow's Image.alpha_composite)."
            )
        image = image.convert("L" if image.mode in ("LA", "La") else "RGB")
    if image.mode not in _GREY and image.mode != "RGB":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if image.mode == "1":
        return pixels.astype(np.uint8)
    return pixels.astype(np.uint16) if image.mode.startswith("I") else pixels


def _check_sizes(paths: list[Path], images: list[np.ndarray], folder: Path) -> None:
    sizes = [image.shape[:2] for image in images]
    counts = collections.Counter(sizes)
    if len(counts) == 1:
        return
    (usual, number), *_ = counts.most_common()
    odd = [index for index, size in enumerate(sizes) if size != usual]
    others = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    raise DataError(
        f"the image {paths[odd[0]]}{others} is {sizes[odd[0]][0]} x {sizes[odd[0]][1]} (height x width), but {number} of "
        f"{len(paths)} in {folder} are {usual[0]} x {usual[1]}; expected one size. Crop or resize the odd ones, or take them out."
    )
