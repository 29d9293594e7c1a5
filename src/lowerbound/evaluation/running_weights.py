"""Importance weights as they stream by: their log-mean-exp, their effective number, and the bound for every K on the way."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

# A power of two, so that blocks of 1, 2, 4, ... weights never straddle two chunks.
CHUNK = 64
_CHUNK_LEVEL = CHUNK.bit_length() - 1


def bound_sizes(num_samples: int) -> tuple[int, ...]:
    """1, 2, 4, ... up to the largest power of two that is not above `num_samples`.

    >>> bound_sizes(20)
    (1, 2, 4, 8, 16)
    """
    return tuple(1 << level for level in range(num_samples.bit_length()))


class RunningWeights(eqx.Module):
    r"""What is kept of the weights w_1, w_2, ... of one example, in memory that grows as log K.

    - `log_sum`: log sum_k w_k. `log_square_sum`: log sum_k w_k^2. `not_finite`: how many log-weights were NaN or +inf.
    - `log_half_sums`: log of the sums over the even and over the odd k.
    - `block_sums`: for each j the sum over the disjoint blocks of 2^j weights of log (1/2^j) sum_{k in block} w_k. Their mean is
      an unbiased estimate of the bound E[log (1/K) sum_k w_k] at K = 2^j (Burda et al. 2016, eq. 8), from all the weights.
    - `pending`: for each j above a chunk's own the block of 2^j that waits for its neighbour: the digits of a binary counter.

    A weight that is not finite counts as 0. That can only lower the bound, and `not_finite` says that it happened.
    """

    log_sum: Float[Array, ""]
    log_square_sum: Float[Array, ""]
    log_half_sums: Float[Array, " two"]
    not_finite: Int[Array, ""]
    block_sums: Float[Array, " levels"]
    pending: Float[Array, " levels"]

    @classmethod
    def empty(cls, num_samples: int) -> RunningWeights:
        """Before the first of `num_samples` weights."""
        nothing, zero = jnp.float32(-jnp.inf), jnp.zeros(len(bound_sizes(num_samples)), jnp.float32)
        return cls(nothing, nothing, jnp.full(2, -jnp.inf, jnp.float32), jnp.int32(0), zero, zero)

    def add(self, log_weights: Float[Array, " weights"], chunk: Int[Array, ""] | int) -> RunningWeights:
        """With the next weights: a whole chunk, the `chunk`-th from 0, or at the very end fewer."""
        is_finite = ~(jnp.isnan(log_weights) | (log_weights == jnp.inf))
        log_weights = jnp.where(is_finite, log_weights, -jnp.inf)
        block_sums, log_mean = self._with_blocks_of(log_weights)
        # A chunk's size is even, so that every chunk begins with an even k; an end of one weight has no odd one.
        odd = log_weights[1::2]
        log_odd_sum = jax.nn.logsumexp(odd) if len(odd) else jnp.float32(-jnp.inf)
        halves = jnp.stack([jax.nn.logsumexp(log_weights[::2]), log_odd_sum])
        pending = self.pending
        if len(log_weights) == CHUNK and len(self.block_sums) > _CHUNK_LEVEL:
            block_sums, pending = self._carried(block_sums, log_mean, jnp.asarray(chunk))
        return RunningWeights(
            jnp.logaddexp(self.log_sum, jax.nn.logsumexp(log_weights)),
            jnp.logaddexp(self.log_square_sum, jax.nn.logsumexp(2 * log_weights)),
            jnp.logaddexp(self.log_half_sums, halves),
            self.not_finite + (~is_finite).sum(dtype=jnp.int32),
            block_sums,
            pending,
        )

    def _with_blocks_of(self, log_weights: Float[Array, " weights"]) -> tuple[Float[Array, " levels"], Float[Array, ""]]:
        """`block_sums` with the blocks inside one chunk added, and the log-mean of the chunk where it is whole."""
        levels = min(_CHUNK_LEVEL + 1, len(self.block_sums))
        place = np.arange(CHUNK)

        def one_level(blocks: Float[Array, " chunk"], inputs: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            # Every place of a block holds the block's log-mean; its partner in the other half is one bit away.
            size, partner, is_whole = inputs
            total = jnp.where(is_whole, blocks, 0).sum() / size
            return jnp.logaddexp(blocks, blocks[partner]) - jnp.log(jnp.float32(2)), total

        sizes = 1 << np.arange(levels)
        partners = place[None] ^ sizes[:, None]
        are_whole = (place[None] // sizes[:, None] + 1) * sizes[:, None] <= len(log_weights)
        padded = jnp.full(CHUNK, -jnp.inf, jnp.float32).at[: len(log_weights)].set(log_weights)
        # A loop, because the compiler takes a second for each of its turns written out.
        _, totals = jax.lax.scan(
            one_level, padded, (jnp.asarray(sizes, jnp.float32), jnp.asarray(partners), jnp.asarray(are_whole))
        )
        return self.block_sums.at[:levels].add(totals), totals[-1]

    def _carried(
        self, block_sums: Float[Array, " levels"], log_mean: Float[Array, ""], chunk: Int[Array, ""]
    ) -> tuple[Float[Array, " levels"], Float[Array, " levels"]]:
        """One added to the binary counter of chunks; each carry completes a block of twice the size."""

        def one_digit(carry: tuple[Array, Array], inputs: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
            log_mean, moves = carry
            digit, waiting = inputs
            waits, completes = moves & (digit == 0), moves & (digit == 1)
            pair = jnp.logaddexp(waiting, log_mean) - jnp.log(jnp.float32(2))
            completed = jnp.where(completes, pair, 0)
            return (jnp.where(completes, pair, log_mean), completes), (completed, jnp.where(waits, log_mean, waiting))

        digits = (chunk >> jnp.arange(len(block_sums) - _CHUNK_LEVEL)) & 1
        _, (completed, pending) = jax.lax.scan(one_digit, (log_mean, jnp.asarray(True)), (digits, self.pending[_CHUNK_LEVEL:]))
        # What the last digit completes would be larger than all the weights there are.
        return block_sums.at[_CHUNK_LEVEL + 1 :].add(completed[:-1]), self.pending.at[_CHUNK_LEVEL:].set(pending)

    def log_evidence(self, num_samples: int) -> Float[Array, ""]:
        """log (1/K) sum_k w_k."""
        return self.log_sum - jnp.log(jnp.float32(num_samples))

    def effective_sample_size(self) -> Float[Array, ""]:
        """(sum_k w_k)^2 / sum_k w_k^2: between 1, where one weight outweighs all others, and K; 0 where every weight is 0."""
        is_something = self.log_sum > -jnp.inf
        return jnp.where(is_something, jnp.exp(2 * self.log_sum - self.log_square_sum), jnp.zeros_like(self.log_sum))

    def half_bound(self, num_samples: int) -> Float[Array, ""]:
        """The mean of the bound from the even and the bound from the odd k: what half of the samples give; NaN for K = 1."""
        counts = jnp.asarray([(num_samples + 1) // 2, num_samples // 2], jnp.float32)
        return jnp.mean(self.log_half_sums - jnp.log(counts))

    def bounds(self, num_samples: int) -> Float[Array, " levels"]:
        """The bound at K = 1, 2, 4, ..."""
        counts = jnp.asarray([num_samples // size for size in bound_sizes(num_samples)], jnp.float32)
        return self.block_sums / counts
