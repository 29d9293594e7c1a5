"""Whether the numbers are right on this machine and device: oracles whose truth is known by other means."""

from .figure import Figure
from .suite import CHECKS, verify

__all__ = ["CHECKS", "Figure", "verify"]
