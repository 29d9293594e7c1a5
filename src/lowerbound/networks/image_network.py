"""Networks for images of any size, by convolutions, with or without residual blocks: an encoder or a decoder."""

from collections.abc import Sequence
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..config.catalogue import name_of
from ..config.context import check_values
from .base import AbstractNetwork
from .layers import seed_of
from .pyramid import Design, ImageDecoder, ImageEncoder, dropout_keys, image_body


class AbstractImageNetwork(AbstractNetwork):
    """A network whose work is done by an `ImageEncoder` or an `ImageDecoder`; `usual_blocks` is the default of `blocks`."""

    usual_blocks: eqx.AbstractClassVar[int]
    body: ImageEncoder | ImageDecoder
    image_shape: tuple[int, ...] = eqx.field(static=True)
    channels: tuple[int, ...] = eqx.field(static=True)
    blocks: int = eqx.field(static=True)
    activations: str = eqx.field(static=True)
    dropout: float = eqx.field(static=True)
    layer_norm: bool = eqx.field(static=True)

    def __init__(
        self,
        in_shape: Sequence[int],
        out_shape: Sequence[int],
        *,
        image_shape: Sequence[int],
        channels: Sequence[int] = (32, 64),
        blocks: int | None = None,
        activations: str = "elu",
        dropout: float = 0.0,
        layer_norm: bool = False,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        self.in_shape, self.out_shape, self.image_shape = tuple(in_shape), tuple(out_shape), tuple(image_shape)
        self.channels, self.activations, self.condition_dim = tuple(channels), activations, condition_dim
        self.dropout, self.layer_norm = dropout, layer_norm
        self.blocks = self.usual_blocks if blocks is None else blocks
        check_values("network", type(self), vars(self))
        design = Design(self.channels, self.blocks, activations, dropout, layer_norm)
        name = name_of("network", type(self)) or type(self).__name__
        self.body = image_body(name, design, self.in_shape, self.out_shape, self.image_shape, condition_dim, seed_of(key))

    @property
    @override
    def is_random_in_training(self) -> bool:
        return self.dropout > 0

    @override
    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        return self.body(x, condition, dropout_keys(key))

    @override
    def with_output_bias(self, bias: np.ndarray) -> "AbstractImageNetwork":
        return eqx.tree_at(lambda network: network.body, self, self.body.with_output_bias(bias))


class ConvNetwork(AbstractImageNetwork):
    r"""Convolutions at falling resolutions (LeCun et al. 1998), for images of any height, width and number of channels.

    The network encodes when `in_shape` is `image_shape`, and otherwise decodes; with C_l = `channels[l]` and an activation f:

        encoder:  h_1 = conv(x), h_l = conv(f(h_{l-1})), output = W f(h_L) + b      conv: 4 x 4, stride 2, to C_l channels
        decoder:  h_L = W z + b, h_{l-1} = shuffle(conv(f(h_l))), output = h_0 + output_bias      conv: 3 x 3, to 4 C_{l-1}

    where the pixel shuffle makes of four channels a map of twice the height and width (Shi et al. 2016, arXiv 1609.05158),
    cropped where the image's size is no multiple of two. There is no transposed convolution: it leaves a checkerboard, and its
    gradient is the slowest program of all on CPU.

    Weights start as N(0, 1/fan_in), the last layer's at a tenth. `layer_norm` normalises each map over its channels, at each
    place, before f. There is no batch normalisation: it would make an example's density depend on which others stand beside
    it, and log p(x) would be no function of x. Dropout drops whole channels after f. A condition is appended to the image as
    constant channels, and to z.

    - `image_shape`: (height, width) or (height, width, channels).
    - `channels`: at half the image's resolution, at a quarter, and so on.
    - `activations`: one name for all maps.

    Raises `ConfigurationError` when `image_shape` is not an image's, when the decoder's `out_shape` is not `image_shape` or
    (heads, *image_shape), and for `channels`, `activations` or `dropout` out of range.
    """

    usual_blocks: ClassVar[int] = 0


class ResNet(AbstractImageNetwork):
    r"""A convolutional network with residual blocks at each resolution, for images of any height, width and number of channels.

    As `ConvNetwork`, with `blocks` residual blocks after each step of the encoder and before each step of the decoder (He et al.
    2016, arXiv 1603.05027, fig. 4e: the activation before the convolution, and nothing on the skip):

        block:    h <- h + conv(f(conv(f(h))))      conv: 3 x 3, as many channels as h

    A block's second convolution starts at a tenth of the usual size, so that the network begins as the plain one. Dropout drops
    whole channels between a block's two convolutions and nowhere else (Zagoruyko and Komodakis 2016, arXiv 1605.07146).

    - `image_shape`: (height, width) or (height, width, channels).
    - `channels`: at half the image's resolution, at a quarter, and so on.
    - `blocks`: residual blocks at each resolution, at least 1; 1 where not given.
    - `activations`: one name for all maps.

    Raises `ConfigurationError` when `image_shape` is not an image's, when the decoder's `out_shape` is not `image_shape` or
    (heads, *image_shape), and for `channels`, `blocks`, `activations` or `dropout` out of range.
    """

    usual_blocks: ClassVar[int] = 1
