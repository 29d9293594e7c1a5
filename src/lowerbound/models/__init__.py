from .base import AbstractLatentVariableModel, LogTerms, is_trained, split_trained
from .single_layer import SingleLayer

__all__ = ["AbstractLatentVariableModel", "LogTerms", "SingleLayer", "is_trained", "split_trained"]
