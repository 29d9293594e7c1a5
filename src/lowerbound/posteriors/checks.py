"""Checks of the arguments of posterior families."""

from __future__ import annotations

from ..errors import ConfigurationError


def check_at_least_one(posterior: str, **arguments: int) -> None:
    """Raises `ConfigurationError` when one of the arguments is below 1."""
    for name, value in arguments.items():
        if value < 1:
            raise ConfigurationError(
                f"posterior {posterior!r}: {name} is {value}; it must be a whole number from 1 up, for example "
                f"posterior.{name}=4."
            )
