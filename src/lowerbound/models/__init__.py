from .base import AbstractLatentVariableModel, Draws, Half, LogTerms, is_trained, split_trained
from .single_layer import SingleLayer

__all__ = ["AbstractLatentVariableModel", "Draws", "Half", "LogTerms", "SingleLayer", "is_trained", "split_trained"]
