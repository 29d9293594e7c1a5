from .base import AbstractMask
from .self_masking import AtRandom, SelfMasking

__all__ = ["AbstractMask", "AtRandom", "SelfMasking"]
