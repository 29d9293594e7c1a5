"""What the networks for images have in common: a body that encodes or decodes, and what is said of it."""

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from .base import AbstractNetwork
from .pyramid import ImageDecoder, ImageEncoder, dropout_keys


class AbstractImageNetwork(AbstractNetwork):
    """A network whose work is done by an `ImageEncoder` or an `ImageDecoder`."""

    body: eqx.AbstractVar[ImageEncoder | ImageDecoder]
    dropout: eqx.AbstractVar[float]

    @property
    def is_random_in_training(self) -> bool:
        """True with dropout."""
        return self.dropout > 0

    def __call__(
        self,
        x: Float[Array, "..."],
        *,
        condition: Float[Array, " condition"] | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "..."]:
        """The output for one example, of shape `out_shape`."""
        return self.body(x, condition, dropout_keys(key))

    def with_output_bias(self, bias: np.ndarray) -> "AbstractImageNetwork":
        """The same network with its output's bias replaced; `bias` has shape `out_shape`."""
        return eqx.tree_at(lambda network: network.body, self, self.body.with_output_bias(bias))
