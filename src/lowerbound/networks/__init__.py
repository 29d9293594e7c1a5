from .base import AbstractNetwork, with_condition
from .conv import ConvNetwork
from .gated import GatedMLP
from .layers import ACTIVATIONS, LayerNorm, Linear
from .mlp import MLP
from .resnet import ResNet

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
