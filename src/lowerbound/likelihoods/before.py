"""What the pixels before one say of it: by a small network, or by a filter of what they differ by from their means."""

from __future__ import annotations

import itertools
import math
from abc import abstractmethod
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..networks.layers import Linear


class AbstractBefore(eqx.Module):
    """What the pixels before one say of it, the same at every place of the picture.

    The pixels before one are those at most `reach` rows above and columns beside it that come before it, row by row from the
    top; each with a 1, or with zeros where the picture has ended.
    """

    reach: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def sizes(self) -> tuple[int, int]:
        """How many numbers it gives for a pixel, and of how many."""

    @abstractmethod
    def __call__(self, seen: Float[Array, "*places seen"]) -> Float[Array, "*places said"]:
        """g of the pixels before each place."""

    def canvas(self, pixels: Float[Array, "height width channels"]) -> Float[Array, "rows columns features"]:
        """The picture with the 1 of each pixel, and zeros around it."""
        with_place = jnp.concatenate([pixels, jnp.ones((*pixels.shape[:2], 1), pixels.dtype)], axis=2)
        return jnp.pad(with_place, ((self.reach, 0), (self.reach, self.reach), (0, 0)))

    def before(self, pixels: Float[Array, "height width channels"]) -> Float[Array, "height width seen"]:
        """The pixels before each."""
        height, width = pixels.shape[:2]
        canvas = self.canvas(pixels)
        shifted = [
            canvas[down : down + height, right : right + width]
            for down in range(self.reach + 1)
            for right in range(2 * self.reach + 1)
        ]
        return jnp.concatenate(shifted[: num_before(self.reach)], axis=2)

    def before_one(self, canvas: Float[Array, "rows columns features"], row: Array, column: Array) -> Float[Array, " seen"]:
        """The pixels before one."""
        sizes = (self.reach + 1, 2 * self.reach + 1, canvas.shape[2])
        patch = jax.lax.dynamic_slice(canvas, (row, column, jnp.zeros_like(row)), sizes)
        return patch.reshape(-1, canvas.shape[2])[: num_before(self.reach)].reshape(-1)


class Neighbours(AbstractBefore):
    r"""g(c) = V gelu(W c + b) + a of the pixels c before one.

    V and a start at 0: the pixels are independent given z until training finds better.

    - `channels`: numbers of a pixel, and those that g gives. `units`: of its hidden layer.
    """

    inward: Linear
    outward: Linear
    reach: int = eqx.field(static=True)

    def __init__(self, channels: int, *, units: int = 32, reach: int = 2, key: PRNGKeyArray) -> None:
        seen = num_before(reach) * (channels + 1)
        self.inward = Linear(jax.random.normal(key, (seen, units)) / math.sqrt(seen), jnp.zeros(units))
        self.outward = Linear(jnp.zeros((units, channels)), jnp.zeros(channels))
        self.reach = reach

    @property
    @override
    def sizes(self) -> tuple[int, int]:
        return self.outward.bias.size, self.inward.weight.shape[0]

    @override
    def __call__(self, seen: Float[Array, "*places seen"]) -> Float[Array, "*places said"]:
        return self.outward(jax.nn.gelu(self.inward(seen)))


class Filter(AbstractBefore):
    r"""A linear filter of what the pixels before one differ by from their means, and how much narrower a pixel is for it.

        g(c) = sum_j A_j c_j,     c - g(c) = (1 - B)(1 - L) c,   so that   A = L + B - B L

    L takes the pixel to the left and B the four next to it that come before. Of each, the absolute values of the weights for a
    number that it gives sum to 1 at most: what is drawn wrong dies away. Together they go on with a slope, as pictures do, which
    one of them alone cannot. All start at 0, and are fitted when training has ended (`AbstractLikelihood.noise`).

    - `left`, `around`: of each number of a pixel, for each that g gives, L and B before they are held to their bounds.
    - `log_width`, `log_spread`: of each number of a pixel, the logarithm of what the scales of its components are multiplied by,
      and their distances from the components' middle.
    """

    left: Float[np.ndarray | Array, "channels channels"]
    around: Float[np.ndarray | Array, "4 channels channels"]
    log_width: Float[np.ndarray | Array, " channels"]
    log_spread: Float[np.ndarray | Array, " channels"]
    reach: ClassVar[int] = 2

    @classmethod
    def none(cls, channels: int) -> Filter:
        """One that leaves all pixels, of so many numbers, independent."""
        shapes = (channels, channels), (4, channels, channels), (channels,), (channels,)
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))

    @property
    def weight(self) -> Float[Array, "before channels channels"]:
        """A: of each pixel before, of each of its numbers, for each number that is given."""
        left, around = _bounded(jnp.asarray(self.left)[None])[0], _bounded(jnp.asarray(self.around))
        places = {place: number for number, place in enumerate(_places_before(self.reach))}
        found = jnp.zeros((len(places), *left.shape), left.dtype).at[places[0, -1]].add(left)
        for (down, right), each in zip(_places_before(1), around, strict=True):
            found = found.at[places[down, right]].add(each).at[places[down, right - 1]].add(-left @ each)
        return found

    @property
    @override
    def sizes(self) -> tuple[int, int]:
        channels = len(self.left)
        return channels, num_before(self.reach) * (channels + 1)

    @override
    def __call__(self, seen: Float[Array, "*places seen"]) -> Float[Array, "*places said"]:
        channels = len(self.left)
        # Where the picture has ended there are zeros, as where a pixel is what z says.
        pixels = seen.reshape(*seen.shape[:-1], -1, channels + 1)[..., :channels]
        return pixels.reshape(*seen.shape[:-1], -1) @ self.weight.reshape(-1, channels)


def _bounded(weights: Float[Array, "before channels channels"]) -> Float[Array, "before channels channels"]:
    return weights / jnp.maximum(1.0, jnp.sum(jnp.abs(weights), axis=(0, 1)))


def _places_before(reach: int) -> list[tuple[int, int]]:
    """How far below and to the right of a pixel those before it lie, row by row."""
    places = itertools.product(range(-reach, 1), range(-reach, reach + 1))
    return list(itertools.takewhile(lambda place: place != (0, 0), places))


def num_before(reach: int) -> int:
    """How many pixels come before one within so many rows and columns."""
    return reach * (2 * reach + 1) + reach
