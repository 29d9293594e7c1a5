"""PyTorch as a contender: plain Adam, fused Adam, and torch.compile with fused Adam."""

from __future__ import annotations

import math

import numpy as np
import torch
from _job import (
    BATCH,
    EPOCHS_PER_ROUND,
    HIDDEN,
    LATENTS,
    LEARNING_RATE,
    LOG_SCALE_FLOOR,
    PIXELS,
    product_flops_per_second,
    random_matrices,
)
from torch import nn


class Network(nn.Module):
    """The Gaussian VAE; calling it on a batch of pixels on [0, 1] gives -ELBO in nats, the mean over the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(PIXELS, HIDDEN), nn.ELU(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2 * LATENTS)
        )
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, HIDDEN), nn.ELU(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2 * PIXELS)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """-ELBO."""
        mu, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mu + torch.exp(0.5 * log_variance) * torch.randn_like(mu)
        mean, log_scale = self.decoder(z).chunk(2, dim=1)
        return negative_elbo(x, mu, log_variance, mean, log_scale).mean()


def negative_elbo(
    x: torch.Tensor, mu: torch.Tensor, log_variance: torch.Tensor, mean: torch.Tensor, log_scale: torch.Tensor
) -> torch.Tensor:
    """-ELBO of each example, with the scale's floor and the analytic KL."""
    log_scale = log_scale.clamp(min=LOG_SCALE_FLOOR)
    terms = 0.5 * ((x - mean) * torch.exp(-log_scale)) ** 2 + log_scale + 0.5 * math.log(2 * math.pi)
    kl = -0.5 * (1 + log_variance - mu**2 - log_variance.exp()).sum(dim=1)
    return terms.sum(dim=1) + kl


class Contender:
    """A hand-written loop over the data held as one uint8 tensor, scaled in the step."""

    def __init__(self, variant: str, images: np.ndarray) -> None:
        torch.manual_seed(0)
        self.data = torch.from_numpy(images.reshape(len(images), PIXELS))
        network = Network()
        self.optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=variant != "plain")
        self.network = torch.compile(network) if variant == "compile" else network

    def first_epoch(self) -> None:
        """One epoch from nothing."""
        self._epoch()

    def prepare(self) -> None:
        """Warm up."""
        for _ in range(3):
            self._epoch()

    def _epoch(self) -> int:
        steps = len(self.data) // BATCH
        for index in torch.randperm(len(self.data))[: steps * BATCH].view(steps, BATCH):
            self.optimizer.zero_grad(set_to_none=True)
            self.network(self.data[index].float() / 255).backward()
            self.optimizer.step()
        return steps * BATCH

    def train_round(self) -> int:
        """Train for a round of epochs; the number of examples seen."""
        return sum(self._epoch() for _ in range(EPOCHS_PER_ROUND))

    def loss(self) -> float:
        """-ELBO of the training data, in nats on [0, 1]-scaled pixels, from one draw each."""
        with torch.no_grad():
            return float(self.network(self.data.float() / 255))

    def product_rate(self) -> float:
        """Floating-point operations a second of a large product."""
        first, second = (torch.from_numpy(matrix) for matrix in random_matrices())
        return product_flops_per_second(lambda: first @ second)
