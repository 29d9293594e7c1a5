"""The step size of Hamiltonian moves, tuned to how often they are accepted."""

from __future__ import annotations

from jaxtyping import Array, Float

# Kingma and Welling (2014) take it for short chains; long trajectories waste the fewest gradients near 0.65 (Neal 2011).
WANTED_ACCEPTANCE = 0.9


def tuned(
    log_step_size: Float[Array, ""],
    acceptance: Float[Array, ""],
    gain: float,
    wanted: float | Float[Array, ""] = WANTED_ACCEPTANCE,
) -> Float[Array, ""]:
    """log step <- log step + gain (acceptance - wanted): longer steps where moves are accepted more often than wanted.

    (Robbins and Monro 1951, A Stochastic Approximation Method.) A chain whose step size its own moves tune leaves its density
    only nearly as it is: tune it on other chains, or before the draws that count, and hold it fixed for them.

    - `acceptance`: the probability with which the last move was accepted, or its mean over chains.
    """
    return log_step_size + gain * (acceptance - wanted)
