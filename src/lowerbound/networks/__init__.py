from .base import AbstractNetwork
from .mlp import ACTIVATIONS, MLP

__all__ = ["ACTIVATIONS", "MLP", "AbstractNetwork"]
