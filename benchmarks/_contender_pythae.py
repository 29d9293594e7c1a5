"""pythae as a contender, through its own training pipeline and its own `get_nll`."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings

import numpy as np
import torch
from _contender_torch import Network, negative_elbo
from _job import BATCH, EPOCHS_PER_ROUND, IMPORTANCE_SAMPLES, LATENTS, LEARNING_RATE, PIXELS
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig


class Encoder(BaseEncoder):
    """The job's encoder under pythae's names."""

    def __init__(self) -> None:
        BaseEncoder.__init__(self)
        self.layers = Network().encoder

    def forward(self, x: torch.Tensor) -> ModelOutput:
        """Mean and log-variance."""
        mu, log_variance = self.layers(x.reshape(len(x), PIXELS)).chunk(2, dim=1)
        return ModelOutput(embedding=mu, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """The job's decoder under pythae's names."""

    def __init__(self) -> None:
        BaseDecoder.__init__(self)
        self.layers = Network().decoder

    def forward(self, z: torch.Tensor) -> ModelOutput:
        """The pixels' mean, and their log-scale beside it."""
        mean, log_scale = self.layers(z).chunk(2, dim=1)
        return ModelOutput(reconstruction=mean, log_scale=log_scale)


class GaussianVAE(VAE):
    """pythae's VAE with a scale for every pixel, which its own `mse` loss has not; `get_nll` is pythae's own."""

    def forward(self, inputs: dict[str, torch.Tensor], **kwargs: object) -> ModelOutput:
        """As pythae's, with the job's loss."""
        x = inputs["data"].reshape(-1, PIXELS)
        encoded = self.encoder(x)
        z, _ = self._sample_gauss(encoded.embedding, torch.exp(0.5 * encoded.log_covariance))
        decoded = self.decoder(z)
        loss = negative_elbo(x, encoded.embedding, encoded.log_covariance, decoded.reconstruction, decoded.log_scale).mean()
        return ModelOutput(recon_loss=loss, reg_loss=loss, loss=loss, recon_x=decoded.reconstruction, z=z)


class Contender:
    """Float32 images on [0, 1], as pythae wants them."""

    def __init__(self, variant: str, images: np.ndarray) -> None:
        warnings.filterwarnings("ignore")
        logging.disable(logging.WARNING)
        torch.manual_seed(0)
        kept = len(images) // BATCH * BATCH
        self.data = (images[:kept].reshape(kept, 1, *images.shape[1:]) / 255).astype(np.float32)
        config = VAEConfig(input_dim=(1, *images.shape[1:]), latent_dim=LATENTS)
        self.model = GaussianVAE(config, encoder=Encoder(), decoder=Decoder())

    def _train(self, epochs: int) -> int:
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            settings = BaseTrainerConfig(
                output_dir=folder,
                num_epochs=epochs,
                learning_rate=LEARNING_RATE,
                per_device_train_batch_size=BATCH,
                optimizer_cls="Adam",
                no_cuda=True,
            )
            TrainingPipeline(model=self.model, training_config=settings)(train_data=self.data)
        return epochs * len(self.data)

    def first_epoch(self) -> None:
        """One epoch from nothing."""
        self._train(1)

    def prepare(self) -> None:
        """Warm up."""
        self._train(2)

    def train_round(self) -> int:
        """Train for a round of epochs; the number of examples seen."""
        return self._train(EPOCHS_PER_ROUND)

    def loss(self) -> float:
        """-ELBO of the training data, in nats on [0, 1]-scaled pixels, from one draw each."""
        with torch.no_grad():
            return float(self.model({"data": torch.from_numpy(self.data)}).loss)

    def evaluate(self, examples: int) -> int:
        """`get_nll` of some examples; the number of importance samples drawn."""
        with torch.no_grad():
            self.model.get_nll(torch.from_numpy(self.data[:examples]), n_samples=IMPORTANCE_SAMPLES, batch_size=1000)
        return examples * IMPORTANCE_SAMPLES
