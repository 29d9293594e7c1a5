"""`network.name = "auto"`: the kind of network and its sizes, from the shape of the data."""

from __future__ import annotations

import math

from ..config import RunConfig
from ..config.catalogue import AUTOMATIC
from ..data.spec import DataSpec

# On 2 cores an MLP is both faster and better than a small convolutional network up to about the size of a MNIST image.
_LARGEST_FLAT_IMAGE = 1024


def resolve_network(config: RunConfig, spec: DataSpec) -> RunConfig:
    """The configuration with an automatic network replaced by what it stands for.

    - Rows of a table: an MLP of two layers, about four units for each column, from 64 to 512.
    - Images of up to 1,024 grey pixels: an MLP of two layers of 300.
    - Larger or coloured images: a residual convolutional network that halves the picture until its shorter side is at most 8.
    """
    if config.network.name != AUTOMATIC["network"]:
        return config
    size = spec.num_elements
    if not spec.is_image:
        width = min(512, max(64, 2 ** math.ceil(math.log2(4 * size))))
        return config.updated({"network": {"name": "mlp", "hidden_widths": [width, width]}})
    is_grey = len(spec.event_shape) == 2 or spec.event_shape[2] == 1
    if is_grey and size <= _LARGEST_FLAT_IMAGE:
        return config.updated({"network": {"name": "mlp", "hidden_widths": [300, 300]}})
    halvings = max(1, math.ceil(math.log2(min(spec.event_shape[:2]) / 8)))
    channels = [min(128, 32 * 2**level) for level in range(halvings)]
    return config.updated({"network": {"name": "resnet", "channels": channels}})
