from .base import AbstractNetwork, with_condition
from .image_network import ConvNetwork, ResNet
from .layers import ACTIVATIONS, LayerNorm, Linear
from .mlp import MLP, GatedMLP

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "AbstractNetwork",
    "ConvNetwork",
    "GatedMLP",
    "LayerNorm",
    "Linear",
    "ResNet",
    "with_condition",
]
