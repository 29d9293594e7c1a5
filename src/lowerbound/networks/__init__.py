from .base import AbstractNetwork, with_condition
from .image_network import ConvNetwork, ResNet
from .layers import ACTIVATIONS, LayerNorm, Linear
from .mlp import MLP, GatedMLP
from .wrapped import Wrapped

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "AbstractNetwork",
    "ConvNetwork",
    "GatedMLP",
    "LayerNorm",
    "Linear",
    "ResNet",
    "Wrapped",
    "with_condition",
]
