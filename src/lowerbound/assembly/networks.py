"""`network.name = "auto"`: the kind of network and its sizes, from the shape of the data."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import jax

from ..config import RunConfig
from ..config.entry import AUTO
from ..data.spec import DataSpec

# 9,900 MNIST digits, discretised logistic, half a minute of one core: the MLP is 51 nats ahead of two levels of convolutions,
# with six steps in the time of one.
_LARGEST_FLAT_IMAGE = 1024
# 3,600 CIFAR images in the same way, 40 seconds: three levels of convolutions (to 4 x 4) are 58 nats ahead of two and 178 ahead
# of the MLP. A residual network costs 2.5 times as much a step and learns more in each: after 120 seconds and 260 steps it is
# where the plain one is after 320 steps, and still rises five times as fast. 320 Olivetti faces of 64 x 64, mixtures of three
# logistics, 240 seconds of a processor, validation bounds: plain -15,842 nats (470 steps of 32), residual -16,294 (200 steps),
# the MLP -16,611 (573 steps of 100, and it overfits). A processor has no time for residual blocks, an accelerator has.
_LARGEST_LAST_MAP = 25
# 30,000 rows of 15 columns then take some minutes of two cores.
_WIDEST_FOR_TABLES = 256


def resolve_network(config: RunConfig, spec: DataSpec) -> RunConfig:
    """The configuration with an automatic network replaced by what it stands for.

    - Rows of a table: an MLP of two layers, about four units for each column, from 64 to 512.
    - Images of up to 1,024 numbers: an MLP of two layers of 400.
    - Larger images: convolutions that halve the picture until at most 25 places are left, with residual blocks on an accelerator.

    Sizes that the configuration sets itself, to other than their defaults, are kept. Raises `ConfigurationError` when it sets a
    key that the chosen network does not read.
    """
    if config.network.name != AUTO:
        return config
    set_by_hand = config.network.changed
    return config.updated(
        {"network": {key: value for key, value in sizes_for(spec, set_by_hand)[0].items() if key not in set_by_hand}}
    )


def sizes_for(spec: DataSpec, given: Collection[str] = ()) -> tuple[dict[str, Any], str]:
    """The keys of the network for these data, and why; `given`: those that were set, one of which asks for residual blocks."""
    size = spec.num_elements
    if spec.columns:
        codes = sum(column.num_codes for column in spec.columns if column.is_coded)
        width = min(_WIDEST_FOR_TABLES, max(64, 2 ** math.ceil(math.log2(4 * size + codes))))
        return {"name": "mlp", "hidden_widths": [width, width]}, f"rows of {size:,} columns with {codes:,} categories in all"
    if not spec.is_image:
        width = min(512, max(64, 2 ** math.ceil(math.log2(4 * size))))
        return {"name": "mlp", "hidden_widths": [width, width]}, f"rows of {size:,} numbers have no neighbours to look at"
    if size <= _LARGEST_FLAT_IMAGE:
        return (
            {"name": "mlp", "hidden_widths": [400, 400]},
            f"on pictures of {size:,} numbers full layers learn more in the same time than convolutions",
        )
    height, width = spec.event_shape[:2]
    channels: list[int] = []
    while not channels or height * width > _LARGEST_LAST_MAP:
        height, width = -(-height // 2), -(-width // 2)
        channels.append(min(128, 32 * 2 ** len(channels)))
    name = "conv" if jax.default_backend() == "cpu" and "blocks" not in given else "resnet"
    return {"name": name, "channels": channels}, f"pictures of {size:,} numbers are learnt from their neighbourhoods"
