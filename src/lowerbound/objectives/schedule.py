"""How a weight in the loss rises over the steps of a run."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Course = Literal["linear", "cyclical"]
# A step's number from 0; None for the end of every schedule, when each weight has come to its last value.
Step = Int[Array, ""] | None


class WarmUp(eqx.Module):
    r"""A factor that rises from 0 to 1, once or again and again.

        linear:    min(1, (t + 1) / T)                             (Sonderby et al. 2016, arXiv 1602.02282)
        cyclical:  min(1, 2 ((t mod T) + 1) / T)                   (Fu et al. 2019, arXiv 1903.10145, eq. 6 with R = 0.5)

    with t the step from 0 and T = `steps`: the whole rise of the linear course, one cycle of the cyclical, of which the first
    half rises and the second stays at 1. `steps` = 0 is no warm-up: always 1.
    """

    steps: int = eqx.field(static=True, default=0)
    course: Course = eqx.field(static=True, default="linear")

    def __call__(self, step: Step) -> Float[Array, ""]:
        """The factor at a step."""
        if self.steps == 0 or step is None:
            return jnp.float32(1.0)
        if self.course == "linear":
            return jnp.minimum(1.0, (step + 1).astype(jnp.float32) / self.steps)
        return jnp.minimum(1.0, 2.0 * (step % self.steps + 1).astype(jnp.float32) / self.steps)
