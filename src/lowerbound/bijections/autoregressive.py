"""Masked autoregressive layers."""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from ..networks.layers import elu, seed_of
from .base import AbstractBijection, Conditioners, Context, Point, PointAndLogDet, require_sizes, with_context

Form = Literal["gate", "affine"]
# The raw number of a gate where it starts, sigmoid(2) = 0.88: like the bias of an LSTM's forget gate.
INITIAL_GATE = 2.0
# A layer scales by no less than e^-5 as a gate, by e^-3 to e^3 as an affine map: a stack and its inverse stay within float32.
GATE_LIMIT = 5.0
LOG_SCALE_LIMIT = 3.0


class MaskedAutoregressive(AbstractBijection):
    r"""A stack of maps in which the j-th number is scaled and shifted by a function of those before it and of the context h.

        y_j = s_j(z_{<j}, h) z_j + t_j(z_{<j}, h),      log|det dy/dz| = sum_j log s_j

        "gate":    s = sigmoid(a),  t = (1 - s) m       (Kingma et al. 2016, arXiv 1606.04934, algorithm 1: its stable form)
        "affine":  s = exp(3 tanh(a / 3)),  t = m       (Papamakarios et al. 2017, arXiv 1705.07057, eqs. 3 and 4, bounded)

    (a, m) come from one network for each layer, with masks that cut what must not be seen (Germain et al. 2015, MADE,
    arXiv 1502.03509, eqs. 8 and 9). The order of the latents is reversed after each layer. A gate's a is clipped to +-5.
    Forward takes one pass for each layer, the inverse J passes, one number at a time.

    With one latent nothing comes before it: a map that is linear in z.

    - `latent_dim`: J. `context_dim`: the length of h; 0 for none. `num_layers`, `hidden_width`: of the networks.
    """

    latent_dim: int = eqx.field(static=True)
    context_dim: int = eqx.field(static=True)
    hidden_width: int = eqx.field(static=True)
    form: Form = eqx.field(static=True)
    conditioners: Conditioners

    def __init__(
        self, latent_dim: int, context_dim: int, *, num_layers: int, hidden_width: int, form: Form, key: PRNGKeyArray
    ) -> None:
        require_sizes(
            "MaskedAutoregressive",
            latent_dim=latent_dim,
            context_dim=context_dim,
            num_layers=num_layers,
            hidden_width=hidden_width,
        )
        self.latent_dim, self.context_dim, self.hidden_width, self.form = latent_dim, context_dim, hidden_width, form
        bias = np.repeat([INITIAL_GATE if form == "gate" else 0.0, 0.0], latent_dim)
        self.conditioners = Conditioners.initial(
            num_layers, latent_dim + context_dim, hidden_width, bias, np.random.default_rng(seed_of(key))
        )

    @override
    def forward_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        def layer(carry: tuple[Array, Array], network: Conditioners) -> tuple[tuple[Array, Array], None]:
            z, log_det = carry
            log_scale, shift = self._log_scale_and_shift(network, z, context)
            return (jnp.flip(jnp.exp(log_scale) * z + shift), log_det + log_scale.sum()), None

        return jax.lax.scan(layer, (z, jnp.zeros(())), self.conditioners)[0]

    @override
    def inverse_and_log_det(self, z: Point, context: Context = None) -> PointAndLogDet:
        def layer(carry: tuple[Array, Array], network: Conditioners) -> tuple[tuple[Array, Array], None]:
            flipped, log_det = carry
            y = jnp.flip(flipped)

            def next_number(j: Int[Array, ""], z: Float[Array, " latent"]) -> Float[Array, " latent"]:
                log_scale, shift = self._log_scale_and_shift(network, z, context)
                # Numbers not yet found stay 0, so that nothing can overflow on the way.
                return z.at[j].set((y[j] - shift[j]) * jnp.exp(-log_scale[j]))

            z = jax.lax.fori_loop(0, self.latent_dim, next_number, jnp.zeros_like(y))
            log_scale, _ = self._log_scale_and_shift(network, z, context)
            return (z, log_det - log_scale.sum()), None

        return jax.lax.scan(layer, (z, jnp.zeros(())), self.conditioners, reverse=True)[0]

    def _log_scale_and_shift(
        self, network: Conditioners, z: Point, context: Context
    ) -> tuple[Float[Array, " latent"], Float[Array, " latent"]]:
        """log s and t, from the weights of one layer."""
        sees_input, sees_hidden = _masks(self.latent_dim, self.context_dim, self.hidden_width)
        hidden = elu(with_context(z, context) @ (network.hidden_weight * sees_input) + network.hidden_bias)
        output = hidden @ (network.output_weight * sees_hidden) + network.output_bias
        raw_scale, shift = output[: self.latent_dim], output[self.latent_dim :]
        if self.form == "affine":
            return LOG_SCALE_LIMIT * jnp.tanh(raw_scale / LOG_SCALE_LIMIT), shift
        raw_scale = jnp.clip(raw_scale, -GATE_LIMIT, GATE_LIMIT)
        return jax.nn.log_sigmoid(raw_scale), jax.nn.sigmoid(-raw_scale) * shift


def _masks(latent_dim: int, context_dim: int, hidden_width: int) -> tuple[np.ndarray, np.ndarray]:
    """Which inputs a hidden unit sees, (latent + context, hidden), and which hidden units an output sees, (hidden, 2 * latent).

    A hidden unit of degree d sees the first d latents, d from 0 to J - 1, and the whole context; the outputs of latent j (counted
    from 0) see the units of degree j or less.
    """
    degrees = np.arange(hidden_width) % latent_dim
    latents = np.arange(latent_dim)
    sees_latents = latents[:, None] < degrees[None, :]
    sees_input = np.concatenate([sees_latents, np.ones((context_dim, hidden_width), bool)])
    sees_hidden = np.tile(degrees[:, None] <= latents[None, :], (1, 2))
    return sees_input.astype(np.float32), sees_hidden.astype(np.float32)
