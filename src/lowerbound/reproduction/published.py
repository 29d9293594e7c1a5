"""What Kingma and Welling print in figures 2 and 3, as numbers.

Read off the vector figures of arXiv 1312.6114: to about 0.3 nats on MNIST, to about 5 nats on the Frey faces (whose pixels are
scaled to [0, 1]).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Published:
    """One curve of the paper: nats per example by number of training samples, as far as it was read off."""

    test: Mapping[int, float]
    train: Mapping[int, float]


def _curve(test: tuple[float, float, float], train: float) -> Published:
    """Read at 1e6, 1e7 and 1e8 samples; of the training examples at 1e8 alone."""
    return Published(dict(zip((10**6, 10**7, 10**8), test, strict=True)), {10**8: train})


# Figure 2, by data, method and number of latents.
BOUNDS: Mapping[tuple[str, str, int], Published] = {
    ("mnist", "AEVB", 3): _curve((-153.0, -138.0, -133.4), -130.3),
    ("mnist", "AEVB", 5): _curve((-138.9, -124.1, -119.1), -116.5),
    ("mnist", "AEVB", 10): _curve((-128.3, -108.5, -103.7), -100.7),
    ("mnist", "AEVB", 20): _curve((-124.2, -104.8, -100.2), -98.2),
    ("mnist", "AEVB", 200): _curve((-119.9, -103.9, -100.2), -98.5),
    ("mnist", "wake-sleep", 3): Published({10**8: -138.9}, {}),
    ("mnist", "wake-sleep", 5): Published({10**8: -121.9}, {}),
    ("mnist", "wake-sleep", 10): Published({10**8: -107.6}, {}),
    ("mnist", "wake-sleep", 20): Published({10**8: -104.6}, {}),
    ("mnist", "wake-sleep", 200): Published({10**8: -104.4}, {}),
    ("frey", "AEVB", 2): _curve((673.0, 823.0, 872.0), 935.0),
    ("frey", "AEVB", 5): _curve((761.0, 1044.0, 1115.0), 1233.0),
    ("frey", "AEVB", 10): _curve((792.0, 1171.0, 1306.0), 1463.0),
    ("frey", "AEVB", 20): _curve((754.0, 1200.0, 1311.0), 1488.0),
    ("frey", "wake-sleep", 2): Published({10**8: 569.0}, {10**8: 579.0}),
    ("frey", "wake-sleep", 5): Published({10**8: 569.0}, {10**8: 579.0}),
    ("frey", "wake-sleep", 10): Published({10**8: 569.0}, {10**8: 578.0}),
    ("frey", "wake-sleep", 20): Published({10**8: 569.0}, {10**8: 578.0}),
}

# Figure 3, by method and number of training examples: log p(x) of models with 3 latents.
EVIDENCES: Mapping[tuple[str, int], Published] = {
    ("AEVB", 1000): Published({6 * 10**7: -143.2}, {6 * 10**7: -109.1}),
    ("wake-sleep", 1000): Published({6 * 10**7: -144.8}, {6 * 10**7: -125.5}),
    ("Monte Carlo EM", 1000): Published({6 * 10**7: -141.6}, {6 * 10**7: -109.2}),
    ("AEVB", 50_000): Published({6 * 10**7: -138.1}, {6 * 10**7: -131.1}),
    ("wake-sleep", 50_000): Published({6 * 10**7: -140.8}, {6 * 10**7: -137.1}),
    ("Monte Carlo EM", 50_000): Published({6 * 10**7: -150.4}, {6 * 10**7: -148.8}),
}
