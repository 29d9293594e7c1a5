from .base import AbstractLatentVariableModel, Draws, Half, LatentBlock, LogTerms, is_trained, split_trained
from .single_layer import SingleLayer

__all__ = [
    "AbstractLatentVariableModel",
    "Draws",
    "Half",
    "LatentBlock",
    "LogTerms",
    "SingleLayer",
    "is_trained",
    "split_trained",
]
