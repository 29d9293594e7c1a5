"""The VampPrior: the posterior itself, averaged over trained pseudo-inputs."""

from __future__ import annotations

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from typing_extensions import override

from ..config.context import BuildContext
from ..config.part import PartConfig
from ..densities import Mixture, Space
from ..errors import ConfigurationError
from ..networks.layers import seed_of
from .base import AbstractPrior, Recognise

# Pseudo-inputs that start from the same example would stay the same.
NOISE_OF_EXAMPLES = 0.01


class VampPrior(AbstractPrior):
    r"""p(z) = 1/K sum_k q(z|u_k), q the model's own encoder and posterior (Tomczak and Welling 2018, arXiv 1705.07120, eq. 9).

    The pseudo-inputs u_k are trained. They live in the encoder's input space, the standardised data, and start as training
    examples (or as noise from N(0, I), which is what standardised data look like at their coarsest). Any family of posteriors
    with a density will do. Where the model has a condition, the prior is 1/K sum_k q(z|u_k, c).

    - `latent_dim`: J. `pseudo_inputs`: their first values, (K, *shape of the encoder's input).

    Raises `ConfigurationError` when there is none.
    """

    pseudo_inputs: Float[Array, "component ..."] = eqx.field(converter=lambda value: jnp.asarray(value, jnp.float32))
    space: ClassVar[Space | None] = None
    is_made_of_posterior: ClassVar[bool] = True

    def __check_init__(self) -> None:
        if self.pseudo_inputs.ndim < 2 or self.pseudo_inputs.size == 0:
            raise ConfigurationError(
                f"VampPrior: pseudo_inputs has shape {self.pseudo_inputs.shape}; expected (num_components, *shape of an example)"
                " with at least one component, for example the first 500 training examples, standardised."
            )

    @property
    def num_components(self) -> int:
        """K."""
        return len(self.pseudo_inputs)

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> VampPrior:
        """From the training examples where they are known."""
        random, event_shape = np.random.default_rng(seed_of(context.key)), context.spec.event_shape
        noise = random.standard_normal((config.num_components, *event_shape))
        if context.examples is None:
            return cls(context.latent_dim, noise)
        count = len(context.examples)
        chosen = random.choice(count, config.num_components, replace=count < config.num_components)
        standardised = np.asarray(context.input_transform.forward(context.examples[chosen]))
        return cls(context.latent_dim, standardised + NOISE_OF_EXAMPLES * noise)

    @override
    def bind(self, recognise: Recognise, condition: Float[Array, " condition"] | None) -> Mixture:
        """The mixture, with the posterior of each pseudo-input worked out once."""
        first, again = (recognise(self.pseudo_inputs[0], condition) for _ in range(2))
        # A leaf that is the very same array both times was not made from the input: it is one of the model's own weights,
        # of which a copy for each pseudo-input would fill the memory.
        is_own = jax.tree.map(lambda a, b: eqx.is_array(a) and a is not b, first, again)
        common = eqx.filter(first, is_own, inverse=True)
        own = jax.vmap(lambda u: eqx.filter(recognise(u, condition), is_own))(self.pseudo_inputs)
        return Mixture(own, common, len(self.pseudo_inputs))
