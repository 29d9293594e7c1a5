"""Keras on TensorFlow as a contender, through `fit`: as it comes, and with XLA and 19 steps an execution."""

from __future__ import annotations

import math
import os
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
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
from keras import layers, ops


class Network(keras.Model):
    """The Gaussian VAE; its loss is -ELBO in nats."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds = keras.random.SeedGenerator(0)
        self.scale = layers.Rescaling(1 / 255)
        self.encoder = self._stack(2 * LATENTS)
        self.decoder = self._stack(2 * PIXELS)

    @staticmethod
    def _stack(outputs: int) -> keras.Sequential:
        return keras.Sequential(
            [layers.Dense(HIDDEN, activation="elu"), layers.Dense(HIDDEN, activation="tanh"), layers.Dense(outputs)]
        )

    def call(self, x: Any) -> Any:
        """(mu, log sigma^2, the decoder's output)."""
        mu, log_variance = ops.split(self.encoder(self.scale(x)), 2, axis=1)
        z = mu + ops.exp(0.5 * log_variance) * keras.random.normal(ops.shape(mu), seed=self.seeds)
        return mu, log_variance, self.decoder(z)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, **_: Any) -> Any:
        """-ELBO, with the scale's floor and the analytic KL."""
        mu, log_variance, params = y_pred
        mean, log_scale = ops.split(params, 2, axis=1)
        log_scale = ops.maximum(log_scale, LOG_SCALE_FLOOR)
        terms = 0.5 * ops.square((self.scale(x) - mean) * ops.exp(-log_scale)) + log_scale + 0.5 * math.log(2 * math.pi)
        kl = -0.5 * ops.sum(1 + log_variance - ops.square(mu) - ops.exp(log_variance), axis=1)
        return ops.mean(ops.sum(terms, axis=1) + kl)


class Contender:
    """`fit` on the array of uint8 images."""

    def __init__(self, variant: str, images: np.ndarray) -> None:
        # Whole batches only, as for the others: Keras has no option to leave out the last part of an epoch.
        kept = len(images) // BATCH * BATCH
        self.data = images.reshape(len(images), PIXELS)[:kept]
        self.network = Network()
        extra = {"jit_compile": True, "steps_per_execution": kept // BATCH} if variant == "xla" else {}
        self.network.compile(optimizer=keras.optimizers.Adam(LEARNING_RATE), **extra)

    def _fit(self, epochs: int) -> int:
        self.network.fit(self.data, batch_size=BATCH, epochs=epochs, shuffle=True, verbose=0)
        return epochs * len(self.data)

    def first_epoch(self) -> None:
        """One epoch from nothing."""
        self._fit(1)

    def prepare(self) -> None:
        """Warm up."""
        self._fit(3)

    def train_round(self) -> int:
        """Train for a round of epochs; the number of examples seen."""
        return self._fit(EPOCHS_PER_ROUND)

    def loss(self) -> float:
        """-ELBO of the training data, in nats on [0, 1]-scaled pixels, from one draw each."""
        return float(self.network.compute_loss(x=self.data, y_pred=self.network(self.data)))

    def product_rate(self) -> float:
        """Floating-point operations a second of a large product."""
        first, second = (tf.constant(matrix) for matrix in random_matrices())
        return product_flops_per_second(lambda: tf.matmul(first, second).numpy()[0, 0])
