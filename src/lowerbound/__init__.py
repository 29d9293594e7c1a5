"""lowerbound: variational autoencoders whose numbers can be trusted."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimator import VAE, EnsembleVAE, VAEClassifier, VAEOutlierDetector
    from .estimator.comparing import compare_models
    from .estimator.multiple import multiple_imputations

__version__ = "0.2.0"
__all__ = ["VAE", "EnsembleVAE", "VAEClassifier", "VAEOutlierDetector", "__version__", "compare_models", "multiple_imputations"]


_PACKAGES = (
    "config",
    "data",
    "evaluation",
    "likelihoods",
    "models",
    "networks",
    "objectives",
    "posteriors",
    "priors",
    "training",
)


_ESTIMATORS = {
    "VAE": "vae",
    "EnsembleVAE": "ensemble",
    "VAEClassifier": "classifier",
    "VAEOutlierDetector": "outliers",
    "compare_models": "comparing",
    "multiple_imputations": "multiple",
}


def __getattr__(name: str) -> Any:
    # The estimator pulls in scikit-learn and JAX; `import lowerbound` (and so the command line's help) must not.
    if name in _ESTIMATORS:
        return getattr(importlib.import_module(f".estimator.{_ESTIMATORS[name]}", __name__), name)
    if name in _PACKAGES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lowerbound' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
