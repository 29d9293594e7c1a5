"""The convolutional network: an encoder from images, a decoder to images, of any size."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
from jaxtyping import PRNGKeyArray

from ..config.context import check_values
from .image_network import AbstractImageNetwork
from .layers import seed_of
from .pyramid import Design, ImageDecoder, ImageEncoder, image_body


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

    body: ImageEncoder | ImageDecoder
    in_shape: tuple[int, ...] = eqx.field(static=True)
    out_shape: tuple[int, ...] = eqx.field(static=True)
    image_shape: tuple[int, ...] = eqx.field(static=True)
    channels: tuple[int, ...] = eqx.field(static=True)
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
        activations: str = "elu",
        dropout: float = 0.0,
        layer_norm: bool = False,
        condition_dim: int = 0,
        key: PRNGKeyArray,
    ) -> None:
        self.in_shape, self.out_shape, self.image_shape = tuple(in_shape), tuple(out_shape), tuple(image_shape)
        self.channels, self.activations, self.condition_dim = tuple(channels), activations, condition_dim
        self.dropout, self.layer_norm = dropout, layer_norm
        check_values("network", ConvNetwork, vars(self))
        design = Design(self.channels, 0, activations, dropout, layer_norm)
        self.body = image_body("conv", design, self.in_shape, self.out_shape, self.image_shape, condition_dim, seed_of(key))
