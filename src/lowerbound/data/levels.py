"""Values as the device gets them."""

from __future__ import annotations

import numpy as np


def for_device(array: np.ndarray) -> np.ndarray:
    """The same values in the type that the device gets: 8-bit whole numbers stay 8-bit, everything else becomes float32."""
    if array.dtype in (np.uint8, np.bool_):
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype.kind in "iu" and array.size and array.min() >= 0 and array.max() <= 255:
        return array.astype(np.uint8)
    return np.ascontiguousarray(array, np.float32)
