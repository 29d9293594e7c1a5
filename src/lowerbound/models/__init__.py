from .base import AbstractLatentVariableModel, Draws, Half, LatentBlock, LogTerms, is_trained, split_trained
from .bayesian_decoder import BayesianDecoder
from .single_layer import SingleLayer

__all__ = [
    "AbstractLatentVariableModel",
    "BayesianDecoder",
    "Draws",
    "Half",
    "LatentBlock",
    "LogTerms",
    "SingleLayer",
    "is_trained",
    "split_trained",
]
