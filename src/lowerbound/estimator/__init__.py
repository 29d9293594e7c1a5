"""The variational autoencoder as a scikit-learn estimator."""

from .vae import VAE

__all__ = ["VAE"]
