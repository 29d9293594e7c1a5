from .base import AbstractLatentVariableModel, Draws, Filling, Half, LatentBlock, LogTerms, is_trained, split_trained
from .bayesian_decoder import BayesianDecoder
from .semi_supervised import SemiSupervised
from .single_layer import SingleLayer

__all__ = [
    "AbstractLatentVariableModel",
    "BayesianDecoder",
    "Draws",
    "Filling",
    "Half",
    "LatentBlock",
    "LogTerms",
    "SemiSupervised",
    "SingleLayer",
    "is_trained",
    "split_trained",
]
