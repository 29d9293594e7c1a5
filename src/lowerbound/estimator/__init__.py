"""The variational autoencoder as a scikit-learn estimator."""

from .classifier import VAEClassifier
from .outliers import VAEOutlierDetector
from .vae import VAE

__all__ = ["VAE", "VAEClassifier", "VAEOutlierDetector"]
