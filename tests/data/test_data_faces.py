"""The built-in faces: the same bytes everywhere, no two alike, and every factor seen in the picture."""

import hashlib

import numpy as np
import pytest

from lowerbound.data.faces import FACTOR_NAMES, generate_faces, render_faces


@pytest.fixture(scope="module")
def faces():
    return generate_faces()


def _neutral(num_faces: int) -> np.ndarray:
    return np.zeros((num_faces, len(FACTOR_NAMES)), np.float32)


def _sweep(factor: str, values) -> np.ndarray:
    factors = _neutral(len(values))
    factors[:, FACTOR_NAMES.index(factor)] = values
    return render_faces(factors).astype(float)


def test_form(faces):
    assert faces.images.shape == (1965, 28, 20)
    assert faces.images.dtype == np.uint8
    assert faces.factors.shape == (1965, 10)
    assert faces.factors.dtype == np.float32
    assert faces.factor_names == FACTOR_NAMES
    assert np.abs(faces.factors).max() <= 1


def test_the_same_bytes_on_every_machine(faces):
    """Only operations that IEEE 754 defines exactly are used, so this digest is not a matter of the CPU."""
    assert (
        hashlib.sha256(faces.images.tobytes()).hexdigest() == "432fa5c0f6d43868ee251ffe9ddf14486f9a753860a9a42c95d3ac4094c2ca10"
    )
    assert (
        hashlib.sha256(faces.factors.tobytes()).hexdigest() == "cf299f9acfa67d4331935244d465070fb8d98a8eb0bb00eba988b1e9dbffd86f"
    )


def test_another_seed_gives_other_faces_and_the_batching_does_not_matter(faces, monkeypatch):
    few = generate_faces(10, seed=5)
    assert not np.array_equal(few.images, generate_faces(10, seed=6).images)
    in_batches = render_faces(few.factors)
    monkeypatch.setattr("lowerbound.data.faces._BATCH", 3)
    np.testing.assert_array_equal(render_faces(few.factors), in_batches)


def test_the_grey_levels_are_those_of_a_photograph(faces):
    assert faces.images.min() < 40
    assert faces.images.max() > 200
    assert faces.images.max() < 255, "nothing is overexposed"
    assert (faces.images.std(axis=0) > 2).all(), "no pixel is constant"


def test_faces_differ_from_each_other(faces):
    assert len({image.tobytes() for image in faces.images}) == 1965
    pixels = faces.images[:300].reshape(300, -1).astype(float)
    distances = np.sqrt(((pixels[:, None] - pixels[None]) ** 2).mean(axis=2))[np.triu_indices(300, 1)]
    assert distances.min() > 6, "further apart than sensor noise (2 * sqrt(2) grey levels)"
    assert distances.mean() > 25


@pytest.mark.parametrize("factor", FACTOR_NAMES)
def test_every_factor_moves_pixels_over_its_whole_range(factor):
    pictures = _sweep(factor, np.linspace(-1, 1, 5))
    changes = np.abs(np.diff(pictures, axis=0))
    # mouth_open is shut over the first part of its range, by design.
    for change in changes[1:] if factor == "mouth_open" else changes:
        assert change.max() > 10
        assert (change > 2).sum() >= 5


def test_what_the_factors_mean():
    columns, rows = np.arange(20) - 9.5, np.arange(28) - 13.5

    def centre_of_darkness(pictures, axis_values, region):
        dark = np.maximum(120 - pictures[:, region, :], 0)
        weights = dark.sum(axis=1) if axis_values is columns else dark.sum(axis=2)
        values = axis_values if axis_values is columns else axis_values[region]
        return (weights * values).sum(axis=1) / weights.sum(axis=1)

    left, right = _sweep("light", [-1, 1])
    assert left[:, :10].mean() > left[:, 10:].mean() + 20
    assert right[:, 10:].mean() > right[:, :10].mean() + 20
    closed, opened = _sweep("mouth_open", [-1, 1])
    assert opened[17:25, 7:13].min() < closed[17:25, 7:13].min() - 20
    shut, wide = _sweep("eyes_open", [-1, 1])
    assert (wide[9:14] < 80).sum() > (shut[9:14] < 80).sum()
    eyes = slice(10, 15)
    gaze = centre_of_darkness(_sweep("gaze", [-1, 1]), columns, eyes)
    assert gaze[0] < gaze[1]
    mouth = slice(18, 23)
    turn = centre_of_darkness(_sweep("turn", [-0.6, 0.6]), columns, mouth)
    assert turn[0] < -1
    assert turn[1] > 1
    up, down = _sweep("nod", [-1, 1])
    assert (down[:10] < 70).sum() > (up[:10] < 70).sum(), "looking down shows the crown"
    low, high = centre_of_darkness(_sweep("brow_raise", [-1, 1])[:, :, 4:16], rows, slice(6, 12))
    assert high < low, "raised brows are higher (y runs downwards)"
    sad, happy = _sweep("smile", [-1, 1])
    assert happy[16:24].max() > sad[16:24].max(), "teeth"
    left, right = _sweep("tilt", [-1, 1])
    assert (left[2:6, :10] < 70).sum() > (right[2:6, :10] < 70).sum()


def test_neutral_face_has_features_where_a_face_has_them():
    (face,) = render_faces(_neutral(1)).astype(float)
    skin = np.median(face[14:18, 6:14])
    assert face[12, 6:8].min() < skin - 60, "left eye"
    assert face[12, 12:14].min() < skin - 60, "right eye"
    assert face[3:6, 6:14].mean() < 80, "hair"
    assert face[18:22, 8:12].min() < skin - 40, "mouth"
    left_and_right = np.abs(face[10:24] - face[10:24, ::-1])
    assert left_and_right.mean() < 4, "symmetric below the hairline when it looks straight ahead"


def test_the_noise_is_that_of_a_sensor():
    factors = np.repeat(_neutral(1), 400, axis=0)
    noisy = render_faces(factors, np.random.Generator(np.random.PCG64(0))).astype(float)
    clean = render_faces(factors[:1]).astype(float)
    # Standard deviation 2 before rounding; rounding adds a variance of 1/12. Standard error of the estimate: 0.003.
    assert (noisy - noisy.mean(axis=0)).std() == pytest.approx((4 + 1 / 12) ** 0.5, abs=0.02)
    assert np.abs(noisy.mean(axis=0) - clean).max() < 1.0
