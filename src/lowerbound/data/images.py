"""A folder of images as one array, with the names of its sub-folders as labels."""

from __future__ import annotations

import collections
import copy
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError, DataError, MissingDataError, warn_of_data
from ..storage.memory import check_fits
from ..storage.regular import not_a_file
from .streams.arrays import ImageRows
from .streams.files import is_streamed

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
_FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
_GREY = {"1", "L", "I;16", "I;16B", "I;16L", "I", "F"}
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


def load_image_folder(
    folder: Path, size: str = "", background: str = "", memory: str = "resident"
) -> tuple[np.ndarray | ImageRows, np.ndarray | None]:
    """Every image under `folder`, sorted by path, as (n, H, W) grey or (n, H, W, 3) colour; and the sub-folder of each.

    8-bit images give uint8, 16-bit grey ones uint16, floating-point ones float32, and 1-bit ones 0 and 1. Where some are colour
    and some grey, all are colour. The orientation that a camera wrote into the file is applied.

    - `size`: "HEIGHTxWIDTH", to which every image is scaled, what juts out cut off on both sides; empty for the size of most,
      where others are scaled with a warning.
    - `background`: the colour behind transparent pixels ("white", "#204080"); empty for white, with a warning.

    - `memory`: "streamed" for rows that are decoded when they are read, "auto" for that where memory does not suffice.

    The labels, (n,) texts, are the first sub-folder of each image where all lie in one and there are several; else None.

    Raises `MissingDataError` when there is no image, and `DataError`, naming the file, when one cannot be read.
    """
    paths = sorted(
        (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith(".")),
        key=lambda path: path.relative_to(folder).as_posix(),
    )
    if not paths:
        raise MissingDataError(f"{folder} holds no images; expected files that end in {', '.join(IMAGE_ENDINGS)}.")
    target = _size_of(size) if size else None
    seen = _Background(background)
    if (rows := _image_rows(folder, paths, target, seen, memory)) is not None:
        return rows, _labels_of(folder, paths)
    images = []
    for path in paths:
        images.append(_read(path, target, seen))
        if len(images) == 1:
            check_fits(
                2 * images[0].nbytes * len(paths), f"{len(paths):,} images like {path}", "set data.image_size, or take fewer"
            )
    seen.warn()
    images = _of_one_size(paths, images, folder)
    if len({image.ndim for image in images}) > 1:
        images = [np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image for image in images]
    types = {image.dtype for image in images}
    if len(types) > 1:
        odd = next(path for path, image in zip(paths, images, strict=True) if image.dtype != images[0].dtype)
        raise DataError(
            f"{folder} mixes images of different depth: {paths[0].name} is {images[0].dtype}, {odd.name} is not. "
            "Convert them to one depth, 8 bits for example."
        )
    return np.stack(images), _labels_of(folder, paths)


def _labels_of(folder: Path, paths: list[Path]) -> np.ndarray | None:
    below = [path.relative_to(folder).parts for path in paths]
    labels = [parts[0] for parts in below if len(parts) > 1]
    return np.asarray(labels) if len(labels) == len(paths) and len(set(labels)) > 1 else None


def _image_rows(
    folder: Path, paths: list[Path], size: tuple[int, int] | None, background: _Background, memory: str
) -> ImageRows | None:
    """Images that are decoded when they are read, all of the size that is asked for or of that of most, by their headers."""
    # What it counts is for the images of an array.
    background = copy.copy(background)
    first = _read(paths[0], size, background)
    if not is_streamed(first.nbytes * len(paths), memory):
        return None
    import PIL.Image

    sizes, modes = collections.Counter[tuple[int, int]](), set[str]()
    for path in paths:
        try:
            with PIL.Image.open(path, formats=_FORMATS) as image:
                sizes[image.height, image.width] += 1
                modes.add(image.mode)
        except Exception as error:
            # Pillow's readers meet damage with whatever their parts raise.
            raise DataError(f"the image {path} could not be read ({error}). Repair it, or take it out.") from error
    usual = size or sizes.most_common(1)[0][0]
    if size is None and len(sizes) > 1:
        warn_of_data(
            f"{sizes.total() - sizes[usual]:,} of {len(paths):,} images in {folder} are not {usual[0]} x {usual[1]} (height x "
            "width): they are scaled to that, and cut where their sides differ. Set data.image_size for another size."
        )
    is_grey = modes <= _GREY | {"LA", "La"}

    def load(path: Path) -> np.ndarray:
        pixels = _read(path, usual, background)
        return pixels if is_grey or pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)

    example = load(paths[0])
    return ImageRows(folder, paths, example.shape, example.dtype, load)


def _size_of(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if match is None or "0" in match.groups():
        raise ConfigurationError(f"data.image_size is {text!r}; expected HEIGHTxWIDTH in pixels, for example 64x64.")
    return int(match[1]), int(match[2])


class _Background:
    """The colour behind transparent pixels, and the first image that needed one that nobody chose."""

    def __init__(self, colour: str) -> None:
        import PIL.ImageColor

        try:
            self.colour = PIL.ImageColor.getrgb(colour or "white")[:3]
        except ValueError as error:
            raise ConfigurationError(f"data.background is {colour!r}; expected a colour such as white or #204080.") from error
        self.is_chosen, self.count, self.first = bool(colour), 0, Path()

    def laid_under(self, image: Image, path: Path) -> Image:
        """The image without its transparency."""
        import PIL.Image

        is_grey = image.mode in ("LA", "La")
        if np.asarray(image.getchannel("A")).min() < 255:
            self.first = self.first if self.count else path
            self.count += 1
            whole = image.convert("RGBA")
            image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", whole.size, (*self.colour, 255)), whole)
        return image.convert("L" if is_grey else "RGB")

    def warn(self) -> None:
        """Say what was chosen for whom."""
        if self.count and not self.is_chosen:
            others = f" and {self.count - 1} more" if self.count > 1 else ""
            warn_of_data(
                f"the image {self.first}{others} has transparent pixels; they are laid on white. Set data.background for another "
                "colour, such as data.background=black.",
                stacklevel=5,
            )


def _read(path: Path, size: tuple[int, int] | None, background: _Background) -> np.ndarray:
    import PIL.Image
    import PIL.ImageOps

    if (reason := not_a_file(path)) is not None:
        raise DataError(f"the image {path} {reason}; expected a PNG, JPEG, TIFF, WebP or BMP file. Take it out.")
    try:
        with PIL.Image.open(path, formats=_FORMATS) as image:
            if (pages := getattr(image, "n_frames", 1)) > 1:
                raise DataError(f"the image {path} holds {pages} pictures; expected one in each file. Save each by itself.")
            image.load()
            upright = PIL.ImageOps.exif_transpose(image)
            if upright.mode == "P":
                upright = upright.convert("RGBA" if "transparency" in upright.info else "RGB")
            if upright.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
                upright = background.laid_under(upright, path)
            if upright.mode not in _GREY and upright.mode != "RGB":
                upright = upright.convert("RGB")
            return _pixels(upright if size is None else _scaled(upright, size))
    except DataError:
        raise
    except Exception as error:
        # Pillow's readers meet damage with whatever their parts raise.
        raise DataError(
            f"the image {path} could not be read ({error}); it is corrupt or no PNG, JPEG, TIFF, WebP or BMP. Repair it, or take "
            "it out."
        ) from error


def _scaled(image: Image, size: tuple[int, int]) -> Image:
    """Scaled to (height, width), what juts out cut off on both sides; as it is where it has that size."""
    import PIL.Image
    import PIL.ImageOps

    wanted = (size[1], size[0])
    if image.size == wanted:
        return image
    # Bits have no shades between them.
    method = PIL.Image.Resampling.NEAREST if image.mode == "1" else PIL.Image.Resampling.LANCZOS
    if image.mode.startswith("I;16"):
        image = image.convert("I")
    return PIL.ImageOps.fit(image, wanted, method)


def _pixels(image: Image) -> np.ndarray:
    pixels = np.asarray(image)
    if image.mode == "1":
        return pixels.astype(np.uint8)
    if image.mode.startswith("I"):
        return np.clip(pixels, 0, 2**16 - 1).astype(np.uint16)
    return pixels


def _of_one_size(paths: list[Path], images: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    import PIL.Image

    sizes = [image.shape[:2] for image in images]
    (usual, number), *others = collections.Counter(sizes).most_common()
    if not others:
        return images
    odd = [index for index, size in enumerate(sizes) if size != usual]
    more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    warn_of_data(
        f"the image {paths[odd[0]]}{more} is {sizes[odd[0]][0]} x {sizes[odd[0]][1]} (height x width), but {number} of "
        f"{len(paths)} in {folder} are {usual[0]} x {usual[1]}: those of another size are scaled to that, and cut where their "
        f"sides differ. Set data.image_size for another size, such as data.image_size={usual[0]}x{usual[1]}.",
        stacklevel=4,
    )
    return [
        image if image.shape[:2] == usual else _pixels(_scaled(PIL.Image.fromarray(image), usual)).astype(image.dtype)
        for image in images
    ]
