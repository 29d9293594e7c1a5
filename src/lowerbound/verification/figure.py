"""One figure of a check, beside its truth."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

# How many of its standard errors a random figure may be off: one right figure in 26 million is further off by chance.
STANDARD_ERRORS = 5.5


@dataclasses.dataclass(frozen=True)
class Figure:
    """- `subject`: what was put to the test. `name`: the figure. `unit`: its unit, "" for a pure number.
    - `value`: what came out here. `truth`: what it is, known by other means. `tolerance`: how far apart they may be.
    """

    subject: str
    name: str
    value: float
    truth: float
    tolerance: float
    unit: str = ""

    @property
    def is_right(self) -> bool:
        """True when the value is within the tolerance of the truth; never where it is not a number."""
        return math.isfinite(self.value) and abs(self.value - self.truth) <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Plain values; a value that is not finite becomes None, which JSON can carry."""
        value = self.value if math.isfinite(self.value) else None
        return {**dataclasses.asdict(self), "value": value, "is_right": self.is_right}
