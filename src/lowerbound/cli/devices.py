"""Which devices a command runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .runtime import say

if TYPE_CHECKING:
    from jax.sharding import Mesh


def check_devices(most: int | None) -> None:
    """Raise `ConfigurationError` for a number of devices that cannot be."""
    from ..config.rules import Integer

    if most is not None:
        Integer(1, 10**6).convert("--devices", most)


def devices_for(most: int | None) -> Mesh:
    """All devices, or `most` of them; where there are fewer than were asked for, that is said."""
    import jax

    from ..devices.mesh import all_devices

    found = jax.local_devices()
    if most is not None and most > len(found):
        kinds = ", ".join(sorted({device.device_kind for device in found}))
        say(f"note: --devices is {most}, but JAX finds {len(found)} here ({kinds}), and takes what it finds.")
    return all_devices(most)


def own_devices(most: int | None) -> Mesh:
    """Those of this process alone."""
    import jax

    from ..devices.mesh import mesh

    return mesh(most or jax.local_device_count())
