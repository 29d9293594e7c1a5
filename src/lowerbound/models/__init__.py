from .base import AbstractLatentVariableModel, Half, LogTerms, is_trained, split_trained
from .single_layer import SingleLayer

__all__ = ["AbstractLatentVariableModel", "Half", "LogTerms", "SingleLayer", "is_trained", "split_trained"]
