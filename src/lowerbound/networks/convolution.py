"""Convolutions of one image, and the shuffles between places and channels that make an image smaller or larger.

Measured on 2 CPU cores with 100 images. 16 x 16 x 32, 3 x 3 to 32 channels: XLA's own convolution takes 6 ms forward and 33 ms
with both gradients; as a matrix product of gathered patches 40 and 74, as nine shifted products 10 and 99. Channels first or last
are alike. What is slow is the transposed convolution: a step up from 8 x 8 x 64 to 16 x 16 x 32 with both gradients takes 131 ms,
and 32 ms as a convolution and a pixel shuffle.
"""

from __future__ import annotations

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .cpu_convolution import Padding, convolve
from .layers import drawn_weight

Size = tuple[int, int]


class Convolution(eqx.Module):
    """A discrete cross-correlation of a map (height, width, channels), zeros around it, with a bias for each channel or none.

    - `padding`: rows of zeros (above, below) and columns of zeros (left, right).
    """

    weight: Float[Array, "kernel_height kernel_width channels_in channels_out"]
    bias: Float[Array, " channels_out"] | None
    padding: Padding = eqx.field(static=True)

    @classmethod
    def initial(
        cls,
        kernel: Size,
        channels_in: int,
        channels_out: int,
        gain: float,
        seed: np.random.SeedSequence,
        *,
        padding: Padding,
        has_bias: bool = True,
    ) -> Convolution:
        """Weights from N(0, gain^2 / fan_in), where fan_in is the kernel's places times `channels_in`; biases at 0."""
        shape = (*kernel, channels_in, channels_out)
        weight = drawn_weight(shape, math.prod(shape[:3]), gain, seed)
        return cls(weight, jnp.zeros(channels_out) if has_bias else None, padding)

    @classmethod
    def same(
        cls,
        size: Size,
        channels_in: int,
        channels_out: int,
        gain: float,
        seed: np.random.SeedSequence,
        *,
        has_bias: bool = True,
    ) -> Convolution:
        """One that keeps a map's size: 3 places along an axis, and 1 along an axis that is a single place."""
        height, width = (3 if n > 1 else 1 for n in size)
        around = ((height // 2, height // 2), (width // 2, width // 2))
        return cls.initial((height, width), channels_in, channels_out, gain, seed, padding=around, has_bias=has_bias)

    def __call__(self, x: Float[Array, "height width channels_in"]) -> Float[Array, "height_out width_out channels_out"]:
        """The map of `channels_out` channels."""
        # The leading axis of 1 takes the batch when vmap comes: one convolution of a batch, with one gradient by the weight.
        y = convolve(x[None], self.weight, self.padding)[0]
        return y if self.bias is None else y + self.bias


class HalvingConvolution(eqx.Module):
    """A convolution of stride 2 with a kernel of 4 x 4, one row and column of zeros around (two after, where the size is odd).

    Written as a 2 x 2 convolution of the map's 2 x 2 blocks, which is the same sum: a stride would put holes into its gradients,
    which is what makes transposed convolutions slow. An axis of n places becomes one of ceil(n / 2); one of a single place is
    left alone.
    """

    convolution: Convolution
    size: Size = eqx.field(static=True)

    @classmethod
    def initial(
        cls, size: Size, channels_in: int, channels_out: int, gain: float, seed: np.random.SeedSequence
    ) -> HalvingConvolution:
        """For maps of this size."""
        factors = halving_factors(size)
        packed = math.prod(factors) * channels_in
        return cls(Convolution.initial(factors, packed, channels_out, gain, seed, padding=((0, 0), (0, 0))), size)

    def __call__(self, x: Float[Array, "height width channels_in"]) -> Float[Array, "height_out width_out channels_out"]:
        """The map at half the resolution."""
        factors = halving_factors(self.size)
        zeros = [(1, 1 + n % 2) if factor == 2 else (0, 0) for n, factor in zip(self.size, factors, strict=True)]
        return self.convolution(pixel_unshuffle(jnp.pad(x, (*zeros, (0, 0))), factors))


def halving_factors(size: Size) -> Size:
    """By how much the map at half the resolution is smaller: 2, and 1 along an axis that is a single place already."""
    height, width = size
    return (2 if height > 1 else 1), (2 if width > 1 else 1)


def pixel_shuffle(x: Float[Array, "height width packed"], factors: Size) -> Float[Array, "new_height new_width channels"]:
    """y[a i + p, b j + q, c] = x[i, j, (p b + q) C + c]: a map (a, b) times as large (Shi et al. 2016, arXiv 1609.05158).

    PyTorch's `PixelShuffle` packs them in another order, c a b + p b + q; to trained weights the order is immaterial.
    """
    height, width, packed = x.shape
    a, b = factors
    if factors == (1, 1):
        return x
    split = x.reshape(height, width, a, b, packed // (a * b))
    return split.transpose(0, 2, 1, 3, 4).reshape(a * height, b * width, packed // (a * b))


def pixel_unshuffle(x: Float[Array, "height width channels"], factors: Size) -> Float[Array, "new_height new_width packed"]:
    """The inverse of `pixel_shuffle`: a map (a, b) times as small, each block's places side by side as channels."""
    height, width, channels = x.shape
    a, b = factors
    if factors == (1, 1):
        return x
    split = x.reshape(height // a, a, width // b, b, channels)
    return split.transpose(0, 2, 1, 3, 4).reshape(height // a, width // b, a * b * channels)
