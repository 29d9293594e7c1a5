"""The residual convolutional network: an encoder from images, a decoder to images, of any size."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ..config.context import check_values
from .image_network import AbstractImageNetwork
from .layers import seed_of
from .pyramid import Design, ImageDecoder, ImageEncoder, image_body


class ResNet(AbstractImageNetwork):
    r"""A convolutional network with residual blocks at each resolution, for images of any height, width and number of channels.

    As `ConvNetwork`, with `blocks` residual blocks after each step of the encoder and before each step of the decoder (He et al.
    2016, arXiv 1603.05027, fig. 4e: the activation before the convolution, and nothing on the skip):

        block:    h <- h + conv(f(conv(f(h))))      conv: 3 x 3, as many channels as h

    A block's second convolution starts at a tenth of the usual size, so that the network begins as the plain one. Dropout drops
    whole channels between a block's two convolutions and nowhere else (Zagoruyko and Komodakis 2016, arXiv 1605.07146).

    - `image_shape`: (height, width) or (height, width, channels).
    - `channels`: at half the image's resolution, at a quarter, and so on.
    - `blocks`: residual blocks at each resolution, at least 1.
    - `activations`: one name for all maps.

    Raises `ConfigurationError` when `image_shape` is not an image's, when the decoder's `out_shape` is not `image_shape` or
    (heads, *image_shape), and for `channels`, `blocks`, `activations` or `dropout` out of range.
    """

    body: ImageEncoder | ImageDecoder
    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    image_shape: tuple[int, ...] = eqx.field(static=True)
    channels: tuple[int, ...] = eqx.field(static=True)
    blocks: int = eqx.field(static=True)
    activations: str = eqx.field(static=True)
    dropout: float = eqx.field(static=True)
    layer_norm: bool = eqx.field(static=True)
    condition_dim: int = eqx.field(static=True)

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        image_shape: Sequence[int],
        channels: Sequence[int] = (32, 64),
        blocks: int = 1,
        activations: str = "elu",
        dropout: float = 0.0,
        layer_norm: bool = False,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        self.in_shape, self.out_shape, self.image_shape = tuple(in_shape), tuple(out_shape), tuple(image_shape)
        self.channels, self.activations, self.condition_dim = tuple(channels), activations, condition_dim
        self.dropout, self.layer_norm, self.blocks = dropout, layer_norm, blocks
        check_values("network", ResNet, vars(self))
        design = Design(self.channels, blocks, activations, dropout, layer_norm)
        self.body = image_body("resnet", design, self.in_shape, self.out_shape, self.image_shape, condition_dim, seed_of(key))
