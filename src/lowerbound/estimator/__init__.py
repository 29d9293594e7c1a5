"""The variational autoencoder as a scikit-learn estimator."""

from .classifier import VAEClassifier
from .ensemble import EnsembleVAE
from .outliers import VAEOutlierDetector
from .vae import VAE

__all__ = ["VAE", "EnsembleVAE", "VAEClassifier", "VAEOutlierDetector"]
