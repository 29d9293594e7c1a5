"""Maps of an image at falling resolutions: the encoder goes down them, the decoder up.

With `blocks` 0 these are plain stacks of convolutions, otherwise residual networks; `image_network.py` gives both a name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..errors import ConfigurationError
from .base import with_condition
from .convolution import Convolution, HalvingConvolution, Size, halving_factors, pixel_shuffle
from .layers import ACTIVATIONS, LayerNorm, Linear


@dataclasses.dataclass(frozen=True)
class Design:
    """What encoder and decoder have in common.

    - `channels`: at half the image's resolution, at a quarter, and so on. `blocks`: residual blocks at each resolution.
    - `activation`, `layer_norm`: what a map goes through before a convolution.
    - `dropout`: the probability with which a channel is dropped, everywhere at once: a single number of a map says little
      that its neighbours do not say (Tompson et al. 2015, arXiv 1411.4280).
    """

    channels: tuple[int, ...]
    blocks: int
    activation: str
    dropout: float
    layer_norm: bool

    def __post_init__(self) -> None:
        if not self.channels:
            raise ConfigurationError(
                f"network.channels is {list(self.channels)}; expected the number of channels at each resolution, from half the "
                "image's own down, for example [32, 64]."
            )

    @property
    def dropout_between(self) -> float:
        """Dropout outside blocks: none where there are blocks, which have their own (Zagoruyko and Komodakis 2016)."""
        return self.dropout if self.blocks == 0 else 0.0

    def activated(self, num_channels: int, dropout: float) -> Activated:
        """The step before a convolution of a map of so many channels."""
        norm = LayerNorm.initial(num_channels) if self.layer_norm else None
        return Activated(norm, eqx.nn.Dropout(dropout), self.activation)

    def residual_blocks(self, size: Size, num_channels: int, seed: np.random.SeedSequence) -> tuple[ResidualBlock, ...]:
        """The blocks at one resolution."""
        return tuple(ResidualBlock.initial(self, size, num_channels, seed.spawn(1)[0]) for _ in range(self.blocks))


class Activated(eqx.Module):
    """Normalised over channels where there is a norm, put through the activation, and channels dropped where there is dropout."""

    norm: LayerNorm | None
    dropout: eqx.nn.Dropout
    activation: str = eqx.field(static=True)

    def __call__(
        self, x: Float[Array, "height width channels"], keys: Iterator[PRNGKeyArray]
    ) -> Float[Array, "height width channels"]:
        """A map of the same shape; a key is taken only for dropout, and `keys` has none when evaluating."""
        y = ACTIVATIONS[self.activation](x if self.norm is None else self.norm(x))
        key = next(keys, None) if self.dropout.p > 0 else None
        return y if key is None else y * self.dropout(jnp.ones(y.shape[-1]), key=key)


class ResidualBlock(eqx.Module):
    """x + conv(f(conv(f(x)))), both convolutions 3 x 3 and f before each (He et al. 2016, arXiv 1603.05027, fig. 4e).

    The second convolution starts at a tenth of the usual size, so that a block begins near the identity and needs no
    normalisation however many there are.
    """

    before: tuple[Activated, Activated]
    convolutions: tuple[Convolution, Convolution]

    @classmethod
    def initial(cls, design: Design, size: Size, num_channels: int, seed: np.random.SeedSequence) -> ResidualBlock:
        """A fresh block for maps of this size."""
        first, second = (
            Convolution.same(size, num_channels, num_channels, gain, part)
            for gain, part in zip((1.0, 0.1), seed.spawn(2), strict=True)
        )
        activated = design.activated(num_channels, 0.0), design.activated(num_channels, design.dropout)
        return cls(activated, (first, second))

    def __call__(
        self, x: Float[Array, "height width channels"], keys: Iterator[PRNGKeyArray]
    ) -> Float[Array, "height width channels"]:
        """A map of the same shape."""
        branch = x
        for activated, convolution in zip(self.before, self.convolutions, strict=True):
            branch = convolution(activated(branch, keys))
        return x + branch


class ImageEncoder(eqx.Module):
    """From an image to numbers: at each resolution a convolution of stride 2 (4 x 4) and the blocks, at the end a linear map.

    All but the first convolution, and the linear map, see the activated map. A condition is appended to every pixel as channels
    that are the same everywhere.
    """

    convolutions: tuple[HalvingConvolution, ...]
    blocks: tuple[tuple[ResidualBlock, ...], ...]
    activated: tuple[Activated, ...]
    last: Linear
    image_shape: tuple[int, int, int] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)

    @classmethod
    def initial(
        cls,
        design: Design,
        image_shape: tuple[int, int, int],
        out_shape: tuple[int, ...],
        condition_dim: int,
        seed: np.random.SeedSequence,
    ) -> ImageEncoder:
        """Fresh weights; the linear map's at a tenth, so that training starts from a nearly constant output."""
        sizes = _sizes(image_shape, len(design.channels))
        channels_in = (image_shape[2] + condition_dim, *design.channels[:-1])
        convolutions, blocks = [], []
        for size, smaller, num_in, num_out in zip(sizes[:-1], sizes[1:], channels_in, design.channels, strict=True):
            convolutions.append(HalvingConvolution.initial(size, num_in, num_out, 1.0, seed.spawn(1)[0]))
            blocks.append(design.residual_blocks(smaller, num_out, seed))
        num_features = math.prod(sizes[-1]) * design.channels[-1]
        return cls(
            tuple(convolutions),
            tuple(blocks),
            tuple(design.activated(number, design.dropout_between) for number in design.channels),
            Linear.initial(num_features, math.prod(out_shape), 0.1, seed.spawn(1)[0]),
            image_shape,
            out_shape,
            condition_dim,
        )

    def __call__(
        self, x: Float[Array, "..."], condition: Float[Array, " condition"] | None, keys: Iterator[PRNGKeyArray]
    ) -> Float[Array, "..."]:
        """An output of `out_shape` for one image."""
        pixels = x.reshape(self.image_shape)
        constant = with_condition(jnp.zeros(0, pixels.dtype), condition, self.condition_dim)
        hidden = jnp.concatenate([pixels, jnp.broadcast_to(constant, (*self.image_shape[:2], self.condition_dim))], axis=-1)
        for convolution, blocks, activated in zip(self.convolutions, self.blocks, self.activated, strict=True):
            hidden = convolution(hidden)
            for block in blocks:
                hidden = block(hidden, keys)
            hidden = activated(hidden, keys)
        return self.last(hidden.reshape(-1)).reshape(self.out_shape)

    def with_output_bias(self, bias: np.ndarray) -> ImageEncoder:
        """The same encoder with its linear map's bias replaced."""
        return eqx.tree_at(lambda encoder: encoder.last.bias, self, jnp.asarray(bias, jnp.float32).reshape(-1))


class ImageDecoder(eqx.Module):
    """From numbers to images: a linear map to the smallest map, and at each resolution the blocks and one step up.

    A step up is a 3 x 3 convolution to four times the channels and a pixel shuffle (Shi et al. 2016, arXiv 1609.05158), cropped
    to the size that the encoder has there, so that any size can be put out. The last one puts out every head's colours side by
    side. A condition is appended to the latents.

    A convolution shares its bias between places, and a picture's mean is not the same everywhere: `output_bias`, trained, one
    number for each output, is added in place of the last convolution's own.
    """

    first: Linear
    blocks: tuple[tuple[ResidualBlock, ...], ...]
    activated: tuple[Activated, ...]
    convolutions: tuple[Convolution, ...]
    output_bias: Float[Array, "..."]
    image_shape: tuple[int, int, int] = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)

    @classmethod
    def initial(
        cls,
        design: Design,
        num_latents: int,
        image_shape: tuple[int, int, int],
        out_shape: tuple[int, ...],
        condition_dim: int,
        seed: np.random.SeedSequence,
    ) -> ImageDecoder:
        """Fresh weights; the last convolution's at a tenth, and its bias at 0."""
        sizes = _sizes(image_shape, len(design.channels))
        num_heads = math.prod(out_shape) // math.prod(image_shape)
        channels_out = (num_heads * image_shape[2], *design.channels[:-1])
        num_features = math.prod(sizes[-1]) * design.channels[-1]
        first = Linear.initial(num_latents + condition_dim, num_features, 1.0, seed.spawn(1)[0])
        convolutions, blocks = [], []
        levels = zip(sizes[1:], sizes[:-1], design.channels, channels_out, strict=True)
        for number, (size, larger, num_in, num_out) in reversed(list(enumerate(levels))):
            blocks.append(design.residual_blocks(size, num_in, seed))
            gain, packed = (1.0 if number > 0 else 0.1), math.prod(halving_factors(larger)) * num_out
            convolutions.append(Convolution.same(size, num_in, packed, gain, seed.spawn(1)[0], has_bias=number > 0))
        activated = tuple(design.activated(number, design.dropout_between) for number in reversed(design.channels))
        return cls(first, tuple(blocks), activated, tuple(convolutions), jnp.zeros(out_shape), image_shape, condition_dim)

    def __call__(
        self, z: Float[Array, "..."], condition: Float[Array, " condition"] | None, keys: Iterator[PRNGKeyArray]
    ) -> Float[Array, "..."]:
        """An output of `output_bias`'s shape."""
        sizes = _sizes(self.image_shape, len(self.convolutions))[::-1]
        flat = self.first(with_condition(z.reshape(-1), condition, self.condition_dim))
        hidden = flat.reshape(*sizes[0], -1)
        for blocks, activated, convolution, size in zip(self.blocks, self.activated, self.convolutions, sizes[1:], strict=True):
            for block in blocks:
                hidden = block(hidden, keys)
            packed = convolution(activated(hidden, keys))
            hidden = pixel_shuffle(packed, halving_factors(size))[: size[0], : size[1]]
        height, width, colours = self.image_shape
        heads_first = jnp.moveaxis(hidden.reshape(height, width, -1, colours), 2, 0)
        return heads_first.reshape(self.output_bias.shape) + self.output_bias

    def with_output_bias(self, bias: np.ndarray) -> ImageDecoder:
        """The same decoder with its additive bias replaced."""
        return eqx.tree_at(lambda decoder: decoder.output_bias, self, jnp.asarray(bias, jnp.float32))


def image_body(
    name: str,
    design: Design,
    in_shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    image_shape: tuple[int, ...],
    condition_dim: int,
    seed: np.random.SeedSequence,
) -> ImageEncoder | ImageDecoder:
    """The encoder where `in_shape` is the image's, otherwise the decoder.

    Raises `ConfigurationError` where the data are no images, or the decoder's output is not made of images.
    """
    if len(image_shape) not in (2, 3) or min(image_shape) < 1:
        raise ConfigurationError(
            f"network.name is {name!r}, a network for images, but one example of the data has shape {image_shape}; expected "
            "height x width, or height x width x channels. Set network.name=mlp, which takes any shape, or network.name=auto."
        )
    height, width, colours = (*image_shape, 1)[:3]
    if in_shape == image_shape:
        return ImageEncoder.initial(design, (height, width, colours), out_shape, condition_dim, seed)
    if out_shape[-len(image_shape) :] != image_shape:
        raise ConfigurationError(
            f"network.name is {name!r}, whose decoder puts out images of shape {image_shape}, one or several for each example, "
            f"but this likelihood needs numbers of shape {out_shape}; set network.name=mlp, which puts out any shape."
        )
    return ImageDecoder.initial(design, math.prod(in_shape), (height, width, colours), out_shape, condition_dim, seed)


def dropout_keys(key: PRNGKeyArray | None) -> Iterator[PRNGKeyArray]:
    """As many keys as are asked for, made when they are; none at all without a key."""
    while key is not None:
        key, one = jax.random.split(key)
        yield one


def _sizes(image_shape: tuple[int, int, int], num_levels: int) -> list[Size]:
    """(height, width) of the image and of every map below it, each half of the one before, rounded up."""
    sizes = [image_shape[:2]]
    for _ in range(num_levels):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes
