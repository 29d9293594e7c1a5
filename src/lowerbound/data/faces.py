"""Faces drawn by arithmetic: the built-in data set, with the factors that made each picture.

A head is an ellipsoid seen by a camera. Its features are painted on the ellipsoid's surface, so that turning the head
foreshortens them as it should, and light falls on it from a chosen side. Only +, -, *, /, the square root and comparisons
are used, which IEEE 754 defines exactly: the pictures are the same bytes on every machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

HEIGHT, WIDTH = 28, 20
FACTOR_NAMES = ("turn", "tilt", "nod", "smile", "mouth_open", "brow_raise", "frown", "eyes_open", "gaze", "light")
_DEFAULT_SEED = 1965
_SUPERSAMPLING = 4
_BATCH = 4
_NOISE_SPREAD = np.float32(2.0 * 3**0.5)

# Lengths in pixels from the picture's middle, y downwards; grey levels 0 to 255.
_HEAD_X, _HEAD_Y, _HEAD_HALF_WIDTH, _HEAD_HALF_HEIGHT, _NECK_Y = 0.0, -0.1, 8.5, 12.5, 13.0
_SKIN, _HAIR, _BROW, _SHIRT, _WALL = 212.0, 46.0, 58.0, 70.0, 186.0

_Grid = np.ndarray


@dataclasses.dataclass(frozen=True)
class Faces:
    """`images` (n, 28, 20) uint8; `factors` (n, k) float32, each in [-1, 1], in the order of `factor_names`."""

    images: np.ndarray
    factors: np.ndarray
    factor_names: tuple[str, ...]


def generate_faces(num_faces: int = 1965, seed: int = _DEFAULT_SEED) -> Faces:
    """Draw `num_faces` faces with independent factors, each from -1 to 1.

    - `turn`: the head turns to the picture's left or right. `tilt`: it leans towards a shoulder. `nod`: it looks up or down.
    - `smile`: from sad to a broad smile. `mouth_open`: closed (below about -0.2) to wide open.
    - `brow_raise`: low to high. `frown`: brows worried to angry. `eyes_open`: nearly shut to wide. `gaze`: eyes left to right.
    - `light`: the lamp is at the picture's left or right.

    Sensor noise (standard deviation 2 grey levels) is added before rounding to 8 bits, as in a real picture.

    >>> generate_faces(2).images.shape
    (2, 28, 20)
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    uniform = rng.random((2, num_faces, len(FACTOR_NAMES))) * 2 - 1
    factors = uniform[0]
    # People mostly face the camera: the rotations are averages of two.
    factors[:, :3] = (uniform[0, :, :3] + uniform[1, :, :3]) / 2
    factors = factors.astype(np.float32)
    return Faces(render_faces(factors, rng), factors, FACTOR_NAMES)


def render_faces(factors: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Pictures (n, 28, 20) uint8 of faces with the given factors (n, 10); with sensor noise where `rng` is given."""
    factors = np.asarray(factors, dtype=np.float32)
    images = np.empty((len(factors), HEIGHT, WIDTH), dtype=np.uint8)
    for start in range(0, len(factors), _BATCH):
        grey = _average_blocks(_draw(factors[start : start + _BATCH]))
        if rng is not None:
            # A sum of uniform numbers: near enough to Gaussian, and the same on every machine.
            uniform = rng.random((4, *grey.shape), dtype=np.float32)
            grey += ((uniform[0] + uniform[1]) + (uniform[2] + uniform[3]) - np.float32(2)) * _NOISE_SPREAD
        images[start : start + _BATCH] = np.floor(np.clip(grey, 0, 255) + np.float32(0.5)).astype(np.uint8)
    return images


def _average_blocks(fine: _Grid) -> _Grid:
    """The mean of each block of supersamples, added in a fixed order."""
    s = _SUPERSAMPLING
    total = np.zeros((len(fine), HEIGHT, WIDTH), dtype=np.float32)
    for row in range(s):
        for column in range(s):
            total += fine[:, row::s, column::s]
    return total / np.float32(s * s)


@dataclasses.dataclass(frozen=True)
class _Surface:
    """The visible side of the head at every supersample.

    - `x`, `y`: where on the head the sample lies, as seen from the head's own front; (0, 0) is the middle of the face, 1 its rim.
    - `u`, `v`: the same as seen by the camera, so that the head covers the circle of radius 1: `inside`.
    - `shade`: how bright skin of albedo 1 is there.
    """

    x: _Grid
    y: _Grid
    u: _Grid
    v: _Grid
    shade: _Grid
    inside: _Grid


def _draw(factors: np.ndarray) -> _Grid:
    """Grey levels (n, 4 * 28, 4 * 20) of a batch of faces."""
    named = {name: np.ascontiguousarray(column)[:, None, None] for name, column in zip(FACTOR_NAMES, factors.T, strict=True)}
    step = np.float32(1 / _SUPERSAMPLING)
    y = ((np.arange(HEIGHT * _SUPERSAMPLING, dtype=np.float32) + np.float32(0.5)) * step - np.float32(HEIGHT / 2))[:, None]
    x = ((np.arange(WIDTH * _SUPERSAMPLING, dtype=np.float32) + np.float32(0.5)) * step - np.float32(WIDTH / 2))[None, :]
    head = _head_surface(x, y, **named)
    picture = _draw_behind(x, y, head, **named)
    face = _draw_face(head, **named)
    return np.where(head.inside, face, picture)


def _head_surface(
    x: _Grid, y: _Grid, *, turn: _Grid, tilt: _Grid, nod: _Grid, mouth_open: _Grid, light: _Grid, **_: _Grid
) -> _Surface:
    sine, cosine = _sine_cosine(0.075 * tilt)
    dx, dy = x, y - np.float32(_NECK_Y)
    along_x = cosine * dx + sine * dy - np.float32(_HEAD_X) - np.float32(0.9) * turn
    along_y = cosine * dy - sine * dx + np.float32(_NECK_Y - _HEAD_Y) - np.float32(0.5) * nod
    v = along_y / (np.float32(_HEAD_HALF_HEIGHT) * (1 + np.float32(0.05) * _opening(mouth_open)))
    jaw = np.maximum(v, 0)
    u = along_x / (np.float32(_HEAD_HALF_WIDTH) * (1 - np.float32(0.2) * jaw * jaw))
    radius_squared = u * u + v * v
    depth = np.sqrt(np.maximum(1 - radius_squared, 0))
    turn_sine, turn_cosine = _sine_cosine(0.27 * turn)
    nod_sine, nod_cosine = _sine_cosine(0.11 * nod)
    surface_x = turn_cosine * u - turn_sine * depth
    ahead = turn_sine * u + turn_cosine * depth
    surface_y = nod_cosine * v - nod_sine * ahead
    lamp_x, lamp_y, lamp_z = _lamp(light)
    lit = np.maximum(lamp_x * u + lamp_y * v + lamp_z * depth, 0)
    shade = (np.float32(0.4) + np.float32(0.6) * lit) * (np.float32(0.8) + np.float32(0.2) * depth)
    return _Surface(surface_x, surface_y, u, v, shade, radius_squared < 1)


def _lamp(light: _Grid) -> tuple[_Grid, np.float32, _Grid]:
    """The direction to the lamp, of length 1: sideways by `light`, always somewhat above."""
    sideways = np.float32(0.75) * light
    up = np.float32(-0.22)
    return sideways, up, np.sqrt(1 - sideways * sideways - up * up)


def _draw_behind(x: _Grid, y: _Grid, head: _Surface, *, turn: _Grid, light: _Grid, **_: _Grid) -> _Grid:
    """The wall, the neck and the shirt, the ears, and the hair that stands out from the head."""
    wall = np.float32(_WALL) + np.float32(1.2) * light * x - np.float32(0.9) * y
    neck_x = x - np.float32(0.5) * turn
    side = neck_x / np.float32(5.4)
    roundness = np.sqrt(np.maximum(1 - side * side, 0))
    neck = np.float32(_SKIN * 0.62) * (
        np.float32(0.45) + np.float32(0.55) * np.clip(roundness + np.float32(0.5) * light * side, 0, 1)
    )
    picture = _blend(wall, neck, (np.abs(side) < 1) & (y > 5))
    shoulders = np.float32(11.6) + np.float32(0.02) * x * x + np.float32(2.6) * _bump(x * x / np.float32(20))
    picture = _blend(picture, np.float32(_SHIRT) + np.float32(2) * light * x, y > shoulders)
    sine, cosine = _sine_cosine(0.27 * turn)
    for which in (-1, 1):
        ear_x = (head.u - np.float32(which * 1.03) * cosine + np.float32(0.12) * sine) / np.float32(0.13)
        ear_y = (head.v - np.float32(0.02)) / np.float32(0.17)
        ear = np.float32(_SKIN * 0.62) * (1 + np.float32(0.35 * which) * light)
        picture = _blend(picture, ear, ear_x * ear_x + ear_y * ear_y < 1)
    height = (head.v + np.float32(0.03)) * (head.v + np.float32(0.03)) / np.float32(1.05**2)
    crown = head.u * head.u / np.float32(1.1**2) + height * (np.float32(0.4) + np.float32(0.6) * height)
    return _blend(picture, np.float32(_HAIR), (crown < 1) & (head.v < np.float32(-0.08)))


def _draw_face(
    head: _Surface,
    *,
    turn: _Grid,
    smile: _Grid,
    mouth_open: _Grid,
    brow_raise: _Grid,
    frown: _Grid,
    eyes_open: _Grid,
    gaze: _Grid,
    light: _Grid,
    **_: _Grid,
) -> _Grid:
    """Skin, then each feature over it."""
    grey = np.float32(_SKIN) * head.shade

    def draw(feature: Callable[..., _Grid], low: float, high: float, *arguments: _Grid) -> None:
        # Only the rows of the picture that the feature can reach, from y = low to high on the surface.
        reached = np.flatnonzero(((head.y > np.float32(low)) & (head.y < np.float32(high))).any(axis=(0, 2)))
        rows = (slice(None), slice(reached[0], reached[-1] + 1))
        grey[rows] = feature(grey[rows], head.x[rows], head.y[rows], head.shade[rows], *arguments)

    draw(_draw_nose, -0.3, 0.4, turn, light)
    draw(_draw_cheeks, 0.03, 0.57, smile)
    draw(_draw_mouth, 0.25, 1.0, smile, mouth_open)
    draw(_draw_eyes, -0.42, 0.13, eyes_open, gaze)
    draw(_draw_brows, -0.68, -0.1, brow_raise, frown)
    draw(_draw_hair, -1.1, 0.08)
    return grey


def _draw_nose(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid, turn: _Grid, light: _Grid) -> _Grid:
    # The nose stands out, so in a turned head its tip moves further than the skin below it.
    down = np.clip((y + np.float32(0.2)) / np.float32(0.42), 0, 1)
    sideways = x - np.float32(0.14) * turn * down
    across = sideways / (np.float32(0.1) + np.float32(0.1) * down)
    along = _ramp(y + np.float32(0.2), 0.1) * _ramp(np.float32(0.26) - y, 0.06)
    slope = across * _bump(across * across * np.float32(0.6))
    skin = skin * (1 + along * (np.float32(0.5) * light * slope - np.float32(0.10) * np.abs(slope)))
    skin = skin + np.float32(16) * along * _bump(across * across * 5)
    skin = _darken(skin, 0.35, _spot(sideways, y - np.float32(0.3), 0.26, 0.09))
    for side in (-1, 1):
        skin = _darken(skin, 0.75, _spot(sideways - np.float32(side * 0.1), y - np.float32(0.245), 0.09, 0.055))
    return skin


def _draw_cheeks(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid, smile: _Grid) -> _Grid:
    smiling = np.maximum(smile, 0)
    off = np.abs(x)
    fold = off - (np.float32(0.26) + np.float32(0.75) * (y - np.float32(0.2)))
    between = _ramp(y - np.float32(0.22), 0.05) * _ramp(np.float32(0.46) - y, 0.1)
    skin = _darken(skin, 0.22 * smiling + 0.05, _bump(fold * fold / np.float32(0.07**2)) * between)
    return skin + np.float32(14) * smiling * _spot(off - np.float32(0.47), y - np.float32(0.24), 0.25, 0.2)


def _opening(mouth_open: _Grid) -> _Grid:
    return np.maximum((mouth_open + np.float32(0.2)) / np.float32(1.2), 0)


def _draw_mouth(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid, smile: _Grid, mouth_open: _Grid) -> _Grid:
    opening = _opening(mouth_open)
    smiling = np.maximum(smile - np.float32(0.2), 0)
    half_width = np.float32(0.39) + np.float32(0.1) * smile - np.float32(0.05) * opening
    across = x / half_width
    fullness = np.maximum(1 - across * across, 0)
    centre = np.float32(0.51) - np.float32(0.13) * smile * (np.float32(0.6) - fullness)
    top = centre - (np.float32(0.09) * opening + np.float32(0.05) * smiling) * fullness
    bottom = centre + (np.float32(0.27) * opening + np.float32(0.08) * smiling) * fullness
    within = _ramp(1 - np.abs(across), 0.06)
    upper_lip = _ramp(top - y, 0.02) * _ramp(y - top + np.float32(0.03) + np.float32(0.06) * fullness, 0.02)
    lower_lip = _ramp(y - bottom, 0.02) * _ramp(bottom + np.float32(0.03) + np.float32(0.08) * fullness - y, 0.025)
    skin = _darken(skin, 0.5 + 0.25 * smiling, upper_lip * within)
    skin = _darken(skin, 0.36 + 0.4 * smiling, lower_lip * within)
    skin = _darken(skin, 0.16, _spot(x, y - bottom - np.float32(0.19), 0.26, 0.07))
    gap = _ramp(np.minimum(y - top, bottom - y) - np.float32(0.005), 0.015) * within
    teeth = _ramp(top + np.float32(0.09) - y, 0.015)
    skin = _blend(skin, _blend(np.float32(34), np.float32(242) * shade, teeth), gap)
    corner = (np.abs(x) - half_width) * (np.abs(x) - half_width) / np.float32(0.1**2)
    skin = _darken(skin, 0.5 * smiling, _bump(corner + (y - centre) * (y - centre) / np.float32(0.07**2)))
    line = y - centre
    return _darken(
        skin, 0.65 * np.maximum(1 - 1.5 * opening - 2 * smiling, 0), _bump(line * line / np.float32(0.045**2)) * within
    )


def _draw_eyes(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid, eyes_open: _Grid, gaze: _Grid) -> _Grid:
    dx, dy = np.abs(x) - np.float32(0.38), y + np.float32(0.12)
    height = np.float32(0.085) + np.float32(0.065) * eyes_open
    skin = _darken(skin, 0.28, _spot(dx + np.float32(0.03), dy + np.float32(0.03), 0.38, 0.25))
    across = dx / np.float32(0.255)
    lens = height * (1 - across * across)
    white = _ramp(lens - np.abs(dy), 0.02)
    look = dx - np.float32(0.11) * gaze * np.sign(x)
    iris = _ramp(np.float32(1) - (look * look + dy * dy * np.float32(1.7)) / np.float32(0.135**2), 0.35)
    eye = _blend(np.float32(228) * shade, np.float32(36), iris)
    skin = _blend(skin, eye, white)
    lid = dy + lens
    lash = _bump(lid * lid / np.float32(0.06**2)) * _ramp(1 - np.abs(across), 0.1)
    return _darken(skin, 0.72, lash)


def _draw_brows(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid, brow_raise: _Grid, frown: _Grid) -> _Grid:
    dx = np.abs(x) - np.float32(0.39) + np.float32(0.03) * frown
    middle = np.float32(-0.39) - np.float32(0.075) * brow_raise + np.float32(0.02) * frown
    curve = middle - np.float32(0.3) * frown * dx + np.float32(0.55) * dx * dx
    thickness = np.float32(0.045) - np.float32(0.03) * dx
    brow = _ramp(thickness - np.abs(y - curve), 0.025) * _ramp(np.float32(0.29) - np.abs(dx), 0.04)
    return _blend(skin, np.float32(_BROW), np.float32(0.85) * brow)


def _draw_hair(skin: _Grid, x: _Grid, y: _Grid, shade: _Grid) -> _Grid:
    parting = x + np.float32(0.35)
    hairline = np.float32(-0.7) + np.float32(0.22) * parting * parting
    temple = _ramp(np.abs(x) - np.float32(0.86), 0.04) * _ramp(np.float32(0.02) - y, 0.05)
    hair = np.maximum(_ramp(hairline - y, 0.04), temple)
    strands = np.abs(x * 4 - np.floor(x * 4) - np.float32(0.5))
    shine = _bump((y + np.float32(0.82)) * (y + np.float32(0.82)) / np.float32(0.02))
    grey = np.float32(_HAIR) * (np.float32(0.5) + np.float32(0.8) * shade) + np.float32(26) * shine * strands * shade
    return _blend(skin, grey, hair)


def _spot(dx: _Grid, dy: _Grid, radius_x: float, radius_y: float) -> _Grid:
    dx, dy = dx * np.float32(1 / radius_x), dy * np.float32(1 / radius_y)
    return _bump(dx * dx + dy * dy)


def _bump(squared_distance: _Grid) -> _Grid:
    """A smooth hill: 1 at distance 0, 0 from distance 1 on."""
    height = np.maximum(1 - squared_distance, 0)
    return height * height


def _ramp(value: _Grid, softness: float) -> _Grid:
    """0 where value is below -softness, 1 above softness, linear between."""
    return np.clip(value * np.float32(0.5 / softness) + np.float32(0.5), 0, 1)


def _blend(under: _Grid | np.floating, over: _Grid | np.floating, amount: _Grid) -> _Grid:
    return under + (over - under) * amount


def _darken(grey: _Grid, amount: float | _Grid, where: _Grid) -> _Grid:
    return grey * (1 - np.float32(amount) * where)


def _sine_cosine(half_tangent: _Grid) -> tuple[_Grid, _Grid]:
    """Sine and cosine of an angle from the tangent of its half, without a transcendental function."""
    half_tangent = half_tangent.astype(np.float32)
    squared = half_tangent * half_tangent
    return 2 * half_tangent / (1 + squared), (1 - squared) / (1 + squared)
