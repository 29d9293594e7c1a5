"""lowerbound: variational autoencoders whose numbers can be trusted."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimator import VAE, VAEClassifier, VAEOutlierDetector
    from .estimator.comparing import compare_models

__version__ = "0.2.0"
__all__ = ["VAE", "VAEClassifier", "VAEOutlierDetector", "__version__", "compare_models"]


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


def __getattr__(name: str) -> Any:
    # The estimator pulls in scikit-learn and JAX; `import lowerbound` (and so the command line's help) must not.
    if name == "VAE":
        from .estimator import VAE

        return VAE
    if name == "VAEClassifier":
        from .estimator.classifier import VAEClassifier

        return VAEClassifier
    if name == "VAEOutlierDetector":
        from .estimator.outliers import VAEOutlierDetector

        return VAEOutlierDetector
    if name == "compare_models":
        from .estimator.comparing import compare_models

        return compare_models
    if name in _PACKAGES:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'lowerbound' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])
