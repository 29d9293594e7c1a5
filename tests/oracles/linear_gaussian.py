"""The oracle of the package, by its short name."""

from lowerbound.verification.linear_gaussian import *  # noqa: F403
