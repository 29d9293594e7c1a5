from .base import AbstractNetwork, with_condition
from .mlp import ACTIVATIONS, MLP, Linear

__all__ = ["ACTIVATIONS", "MLP", "AbstractNetwork", "Linear", "with_condition"]
