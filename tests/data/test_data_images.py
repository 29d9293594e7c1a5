"""Folders of images: every depth and colour, and the odd one named."""

import numpy as np
import PIL.Image
import pytest

from lowerbound.data.datasets import load_dataset
from lowerbound.data.describe import describe
from lowerbound.errors import ConfigurationError, DataError, DataWarning, MissingDataError

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (5, 7, 4)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (5, 7, 4, 3)).astype(np.uint8)


def _save(folder, images, ending="png", **options):
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        PIL.Image.fromarray(image).save(folder / f"{index:03d}.{ending}", **options)
    return folder


@pytest.mark.parametrize("images", [GREY, COLOUR], ids=["grey", "colour"])
def test_png_comes_back_exactly_in_the_order_of_names(images, tmp_path):
    examples = load_dataset(_save(tmp_path / "images", images)).examples
    assert examples.dtype == np.uint8
    np.testing.assert_array_equal(examples, images)


def test_jpeg_of_any_size_and_spelling_of_its_ending(tmp_path):
    smooth = np.add.outer(np.arange(79), np.arange(51)).astype(np.uint8)
    for ending in ("jpg", "jpeg", "JPG"):
        PIL.Image.fromarray(smooth).save(tmp_path / f"a.{ending}", quality=95)
    examples = load_dataset(tmp_path).examples
    assert examples.shape == (3, 79, 51)
    assert np.abs(examples - smooth.astype(int)).max() < 10


def test_sub_folders_are_read_and_hidden_and_other_files_are_not(tmp_path):
    _save(tmp_path / "b", GREY[:2])
    _save(tmp_path / "a", GREY[2:])
    (tmp_path / "a" / "._000.png").write_bytes(b"a Macintosh's notes")
    (tmp_path / "readme.txt").write_text("hello")
    np.testing.assert_array_equal(load_dataset(tmp_path).examples, GREY[[2, 3, 4, 0, 1]])


def test_one_bit_images_are_binary(tmp_path):
    bits = GREY > 127
    examples = load_dataset(_save(tmp_path / "bits", bits)).examples
    np.testing.assert_array_equal(examples, bits)
    assert describe(examples[:, 2:5, 1:3]).kind == "binary"


def test_sixteen_bit_images_keep_their_depth(tmp_path):
    deep = GREY.astype(np.uint16) * 257
    examples = load_dataset(_save(tmp_path / "deep", deep)).examples
    assert examples.dtype == np.uint16
    np.testing.assert_array_equal(examples, deep)


def test_grey_among_colour_becomes_colour(tmp_path):
    _save(tmp_path, COLOUR[:2])
    PIL.Image.fromarray(GREY[0]).save(tmp_path / "grey.png")
    examples = load_dataset(tmp_path).examples
    assert examples.shape == (3, 7, 4, 3)
    np.testing.assert_array_equal(examples[2], np.repeat(GREY[0][..., None], 3, axis=2))


def test_palette_images_become_colour(tmp_path):
    for index in range(2):
        PIL.Image.fromarray(np.full((7, 4, 3), 40 + index, np.uint8)).convert("P").save(tmp_path / f"{index}.png")
    assert load_dataset(tmp_path).examples.shape == (2, 7, 4, 3)


def test_an_opaque_alpha_channel_is_dropped_and_a_transparent_one_laid_on_a_colour(tmp_path):
    alpha = np.full((5, 7, 4, 1), 255, np.uint8)
    folder = _save(tmp_path / "alpha", np.concatenate([COLOUR, alpha], axis=3))
    np.testing.assert_array_equal(load_dataset(folder).examples, COLOUR)
    alpha[3, 2, 2] = 0
    _save(folder, np.concatenate([COLOUR, alpha], axis=3))
    with pytest.warns(
        DataWarning, match=r"the image .*003.png has transparent pixels; they are laid on white. Set data.background"
    ):
        on_white = load_dataset(folder).examples
    expected = COLOUR.copy()
    expected[3, 2, 2] = 255
    np.testing.assert_array_equal(on_white, expected)
    expected[3, 2, 2] = (0, 0, 128)
    np.testing.assert_array_equal(load_dataset(folder, background="navy").examples, expected)
    with pytest.raises(ConfigurationError, match=r"data.background is 'blau'; expected a colour such as white or #204080"):
        load_dataset(folder, background="blau")


def test_the_camera_s_orientation_is_applied(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn a quarter to the right
    _save(tmp_path / "photos", GREY, exif=exif)
    np.testing.assert_array_equal(load_dataset(tmp_path / "photos").examples, np.rot90(GREY, k=-1, axes=(1, 2)))


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "flipped"])
def test_a_corrupt_image_is_named(damage, tmp_path):
    folder = _save(tmp_path / "images", np.kron(GREY, np.ones((1, 9, 9), np.uint8)))
    victim = folder / "002.png"
    good = victim.read_bytes()
    middle = bytearray(good)
    middle[len(good) // 2] ^= 0xFF
    victim.write_bytes(
        {"truncated": good[: len(good) // 2], "noise": RNG.bytes(300), "empty": b"", "flipped": bytes(middle)}[damage]
    )
    with pytest.raises(
        DataError,
        match=r"the image .*002.png could not be read \(.*\); it is corrupt or no PNG, JPEG, TIFF, WebP or BMP. Repair it",
    ):
        load_dataset(folder)


def test_a_truncated_jpeg_is_named(tmp_path):
    folder = _save(tmp_path / "images", np.kron(GREY, np.ones((1, 9, 9), np.uint8)), "jpg")
    victim = folder / "004.jpg"
    victim.write_bytes(victim.read_bytes()[:700])
    with pytest.raises(DataError, match=r"004.jpg could not be read"):
        load_dataset(folder)


def test_an_image_of_another_size_is_scaled_with_a_warning(tmp_path):
    folder = _save(tmp_path / "images", GREY)
    PIL.Image.fromarray(GREY[1].T.copy()).save(folder / "001.png")
    with pytest.warns(
        DataWarning,
        match=r"001.png is 4 x 7 \(height x width\), but 4 of 5 in .* are 7 x 4: .* such as data.image_size=7x4",
    ):
        examples = load_dataset(folder).examples
    np.testing.assert_array_equal(np.delete(examples, 1, 0), np.delete(GREY, 1, 0))
    assert examples.shape == (5, 7, 4)


def test_images_are_scaled_to_a_size_that_is_asked_for(tmp_path):
    folder = _save(tmp_path / "images", np.kron(GREY, np.ones((1, 2, 2), np.uint8)))
    examples = load_dataset(folder, image_size="7x4").examples
    assert examples.shape == (5, 7, 4)
    # Each pixel was four alike, so that only the filter's edges remain.
    assert np.corrcoef(examples.ravel(), GREY.ravel())[0, 1] > 0.9
    with pytest.raises(
        ConfigurationError, match=r"data.image_size is '7x4', which is about a folder of images, but digits is none"
    ):
        load_dataset("digits", image_size="7x4")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,5\n")
    with pytest.raises(
        ConfigurationError, match=r"data.background is 'red', which is about a folder of images, but .*t.csv is none"
    ):
        load_dataset(tmp_path / "t.csv", background="red")
    with pytest.raises(ConfigurationError, match=r"data.image_size is '7'; expected HEIGHTxWIDTH in pixels, for example 64x64"):
        load_dataset(folder, image_size="7")


def test_sub_folders_are_labels_and_may_be_the_condition(tmp_path):
    _save(tmp_path / "images" / "dog", GREY[:2])
    _save(tmp_path / "images" / "cat", GREY[2:])
    dataset = load_dataset(tmp_path / "images")
    np.testing.assert_array_equal(dataset.labels, [0, 0, 0, 1, 1])  # pyright: ignore[reportArgumentType]
    assert dataset.label_names == ("cat", "dog")
    given = load_dataset(tmp_path / "images", condition="labels").condition
    np.testing.assert_array_equal(given, ["cat"] * 3 + ["dog"] * 2)  # pyright: ignore[reportArgumentType]
    _save(tmp_path / "images", GREY[:1])
    assert load_dataset(tmp_path / "images").labels is None


@pytest.mark.parametrize("ending", ["tif", "webp", "bmp"])
def test_other_formats_are_read(ending, tmp_path):
    (tmp_path / "images").mkdir()
    for index, image in enumerate(COLOUR):
        PIL.Image.fromarray(image).save(tmp_path / "images" / f"{index}.{ending}", None, lossless=True)
    np.testing.assert_array_equal(load_dataset(tmp_path / "images").examples, COLOUR)


def test_a_tiff_of_sixteen_bits_or_of_many_pages(tmp_path):
    deep = GREY.astype(np.uint16) * 200
    (tmp_path / "deep").mkdir()
    for index, image in enumerate(deep):
        PIL.Image.fromarray(image).save(tmp_path / "deep" / f"{index}.tiff")
    np.testing.assert_array_equal(load_dataset(tmp_path / "deep").examples, deep)
    pages = [PIL.Image.fromarray(image) for image in GREY]
    pages[0].save(tmp_path / "deep" / "0.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"0.tiff holds 5 pictures; expected one in each file. Save each by itself."):
        load_dataset(tmp_path / "deep")


def test_mixed_depths_are_refused(tmp_path):
    folder = _save(tmp_path / "images", GREY)
    PIL.Image.fromarray(GREY[4].astype(np.uint16) * 257).save(folder / "004.png")
    with pytest.raises(DataError, match=r"mixes images of different depth: 000.png is uint8, 004.png is not"):
        load_dataset(folder)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(MissingDataError, match=r"holds no images; expected files that end in .png, .jpg, .jpeg"):
        load_dataset(tmp_path)


def test_a_single_image_is_too_few(tmp_path):
    with pytest.raises(DataError, match=r"has only one row"):
        load_dataset(_save(tmp_path / "one", GREY[:1]))
