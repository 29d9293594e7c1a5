"""The configuration of a run: what may be set, its defaults, and its checks. Nothing here imports JAX."""

from .overrides import apply_overrides, parse_overrides, parse_value
from .run import SECTIONS, RunConfig, check_keys, load_toml, merged, write_toml
from .sections import (
    ACTIVATIONS,
    DataConfig,
    LikelihoodConfig,
    ModelConfig,
    NetworkConfig,
    ObjectiveConfig,
    PosteriorConfig,
    PriorConfig,
    TrainingConfig,
)

__all__ = [
    "ACTIVATIONS",
    "SECTIONS",
    "DataConfig",
    "LikelihoodConfig",
    "ModelConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "PosteriorConfig",
    "PriorConfig",
    "RunConfig",
    "TrainingConfig",
    "apply_overrides",
    "check_keys",
    "load_toml",
    "merged",
    "parse_overrides",
    "parse_value",
    "write_toml",
]
