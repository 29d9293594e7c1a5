"""The contract of a deep latent-variable model, and the split of its numbers into trained and fixed."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Key, Num, PRNGKeyArray, PyTree

from ..config import RunConfig
from ..config.context import BuildContext
from ..data.examples import Example
from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..densities import AbstractPosterior, Space
from ..likelihoods import Given, Measure

_Tree = TypeVar("_Tree")
Condition = Float[Array, " condition"] | None

# The two halves of a model's trained numbers: phi, of the encoder and the posterior; theta, of the prior and the decoder.
Half = Literal["recognition", "generative"]


class LatentBlock(NamedTuple):
    """Some of a model's latents that share one posterior and one prior; z is all blocks, one after the other.

    - `dim`: how many. `space`: where they live. `posterior`: the name of the posterior's family, for people.
    - `is_factorised`: whether q is a product over them. `has_factorised_prior`: whether p(z) is. `has_normal_prior`: whether p(z)
      is N(0, I).
    - `has_prior_of_posterior`: whether the prior is made of the posterior itself.
    - `is_flow`: whether a density of q passes through the layers of a flow. `least_dim`: the fewest latents that it can have.
    """

    dim: int
    space: Space
    posterior: str
    is_factorised: bool
    has_factorised_prior: bool
    has_normal_prior: bool
    is_flow: bool = False
    least_dim: int = 1
    has_prior_of_posterior: bool = False


class Draws(eqx.Module):
    """How draws of z are made and differentiated; also batched, with the examples along the first axis of its arrays.

    - `num_samples`: how many. `training`: dropout is on.
    - `path_only`: the gradient of log q(z|x) flows through z alone and not through q's own parameters: its other part has
      expectation 0 (Roeder et al. 2017, arXiv 1703.09194). The values stay the same.
    - `path_scale`: the factor on the gradient that flows into each draw of z. The values stay the same.
    - `encoded_x`: what the encoder sees in place of x (a corrupted x, say).
    """

    num_samples: int = eqx.field(static=True)
    training: bool = eqx.field(static=True, default=False)
    path_only: bool = eqx.field(static=True, default=False)
    path_scale: Float[Array, "*examples samples"] | None = None
    encoded_x: Num[Array, "..."] | None = None


class LogTerms(eqx.Module):
    """What a model says of one example, from S draws z_s ~ q(z|x); all in nats.

    - `log_likelihood`: log p(x|z_s), about x in the user's own units.
    - `log_prior`: log p(z_s). `log_posterior`: log q(z_s|x).
    - `kl_by_block`: for each block of latents KL(q || p) where it has a closed form: one term for each latent where it is a sum
      over latents, otherwise a scalar; None where there is none. Of a block that depends on others, the mean over their draws.
    - `z`: the draws. `posterior`: q(z|x) itself.
    - `monitors`: fractions worth watching, from the likelihood (`fraction_at_floor`, for example).

    Their combination log p(x|z) + log p(z) - log q(z|x) is the importance weight of which every bound is made.
    """

    log_likelihood: Float[Array, " samples"]
    log_prior: Float[Array, " samples"]
    log_posterior: Float[Array, " samples"]
    kl_by_block: tuple[Float[Array, "..."] | None, ...]
    z: Float[Array, "samples latent"]
    posterior: AbstractPosterior
    monitors: dict[str, Float[Array, ""]]

    @property
    def log_weight(self) -> Float[Array, " samples"]:
        """log w_s = log p(x|z_s) + log p(z_s) - log q(z_s|x)."""
        return self.log_likelihood + self.log_prior - self.log_posterior

    @property
    def kl_by_latent(self) -> Float[Array, " latent"] | None:
        """KL(q(z_j|x) || p(z_j)) for each latent, where it has such a closed form."""
        blocks = [block for block in self.kl_by_block if block is not None and block.ndim == 1]
        return jnp.concatenate(blocks) if len(blocks) == len(self.kl_by_block) else None

    @property
    def has_exact_kl(self) -> bool:
        """Whether `kl` is a closed form that no draw comes into: a block of its own has one."""
        return len(self.kl_by_block) == 1 and self.kl_by_block[0] is not None

    @property
    def kl(self) -> Float[Array, ""]:
        """KL(q(z|x) || p(z)): in closed form where all blocks have one, otherwise the mean of log q - log p over the draws."""
        blocks = [block.sum() for block in self.kl_by_block if block is not None]
        if len(blocks) < len(self.kl_by_block):
            return jnp.mean(self.log_posterior - self.log_prior)
        return sum(blocks[1:], blocks[0])


class Filling(eqx.Module):
    """Of one z, for elements in the user's units: `mean`, one `draw`, and `probabilities` of the codes of each coded column."""

    mean: Float[Array, "..."]
    draw: Num[Array, "..."]
    probabilities: dict[int, Float[Array, " codes"]]


class AbstractLatentVariableModel(eqx.Module):
    """p(x, z) = p(z) p(x|z) with an amortised q(z|x), written for one example x in the user's own units.

    A model may be given a condition c for each example, a vector; then every density is one given c.
    """

    @classmethod
    @abstractmethod
    def build(cls, config: RunConfig, context: BuildContext, parts: Mapping[str, Any]) -> "AbstractLatentVariableModel":
        """The model that a configuration asks for, with fresh weights.

        - `config`: with nothing left to the data to decide. `context`: its `key` is the whole model's.
        - `parts`: objects, by their kind ("prior", ...), that take the place of the configured parts.

        Raises `ConfigurationError` when the parts do not fit together, and `DataError` when they do not fit the data.
        """

    @property
    def latent_dim(self) -> int:
        """J, the number of latents."""
        return sum(block.dim for block in self.latent_blocks)

    # What a model replaces whose condition may be missing, and no other.

    # Whether a condition that is missing (None, or 0 everywhere) is a latent variable of the model: a label.
    infers_condition: ClassVar[bool] = False

    def completed(self, example: Example) -> Example:
        """The example with its most probable condition where that is missing and the model infers it; else as it is.

        Its densities are then those given this condition.
        """
        return example

    # What a model whose weights are random replaces, and no other.

    # Whether the decoder's weights have a posterior, and a prior of their own.
    weights_are_random: ClassVar[bool] = False

    def drawn(self, key: PRNGKeyArray) -> "AbstractLatentVariableModel":
        """The model with weights theta ~ q(theta), one draw for all examples of a batch; itself where weights are numbers."""
        return self

    def weights_log_ratio(self, key: PRNGKeyArray) -> Float[Array, ""] | None:
        """log p(theta) - log q(theta), in nats, of the theta of `drawn(key)`; None where weights are numbers."""
        return None

    @property
    def weights_kl(self) -> Float[Array, ""] | None:
        """KL(q(theta) || p(theta)) / N, in nats per example, N being the number of training examples; None where weights are
        numbers. A bound less this share is one on log p(X) / N for all examples X together, and none on log p(x).
        """
        return None

    def trained_on(self, num_examples: float) -> "AbstractLatentVariableModel":
        """The model for so many training examples, a row of weight 2 counted twice; itself where that does not matter."""
        return self

    # What a model replaces whose likelihood may say so, and no other.

    @property
    def noise(self) -> Any | None:
        """Numbers of p(x|z) that are 0 while the model is trained and fitted when that has ended; None where there are none."""
        return None

    def with_noise(self, noise: Any | None) -> "AbstractLatentVariableModel":
        """The model with other numbers in place of `noise`; None is as 0, and costs nothing."""
        raise NotImplementedError(f"{type(self).__name__} has no numbers that are fitted when training has ended")

    @property
    def hidden_need_observed(self) -> bool:
        """Whether hidden elements depend on the observed ones given z too, so that z alone does not tell of them."""
        return False

    def log_odds_of_presence(self, x: Float[Array, "..."]) -> Float[Array, "..."] | None:
        """log P(s_j=1|x) - log P(s_j=0|x) of each element of an example x, that it has a value, by the law of the mask.

        Infinite for an element that is missing at random; None where the model has no law of the mask.
        """
        return None

    @property
    def noise_is_joined(self) -> bool:
        """Whether pixels depend on each other given z, so that draws given one z are whole examples."""
        return False

    @property
    def shows_draws(self) -> bool:
        """Whether draws and not E[x|z] show what the model has learned: it was trained with pixels that depend on each other.

        Where they depend on each other only since training has ended, z says all that it would say of independent ones.
        """
        return self.noise_is_joined and self.noise is None

    def element_log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, "..."] | None:
        """Where `noise_is_joined`, log p of each element given z and the elements before it, in nats; else None."""
        return None

    @property
    @abstractmethod
    def event_shape(self) -> tuple[int, ...]:
        """The shape of one example."""

    @property
    @abstractmethod
    def condition_dim(self) -> int:
        """The length of the condition; 0 where there is none."""

    @property
    @abstractmethod
    def measure(self) -> Measure:
        """The base measure of p(x)."""

    @property
    def discrete_elements(self) -> np.ndarray:
        """Which elements have probabilities and not densities, booleans of the event's shape; none where that is not known."""
        return np.full(self.event_shape, self.measure == "counting")

    def has_mass(self, x: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        """Which elements of x have a probability and not a density, where their values decide; None where they do not."""
        return None

    @property
    @abstractmethod
    def given(self) -> Given | None:
        """What p(x) is given of x itself; None for p(x) proper, which sums or integrates to 1 over all x."""

    @property
    @abstractmethod
    def has_density(self) -> bool:
        """False for a deterministic code, of which no bound on log p(x) can be made."""

    @property
    @abstractmethod
    def space(self) -> Space:
        """Where z lives."""

    @property
    @abstractmethod
    def latent_blocks(self) -> tuple[LatentBlock, ...]:
        """What z is made of."""

    @property
    @abstractmethod
    def outputs_per_example(self) -> int:
        """How many numbers p(x|z) takes from the networks for one draw of z, by which memory is planned."""

    @property
    @abstractmethod
    def encoder_units(self) -> Affine:
        """The units in which the encoder sees each element of x."""

    @property
    @abstractmethod
    def decoder_params(self) -> PyTree:
        """What makes the parameters of p(x|z) from z, with its trained numbers."""

    @abstractmethod
    def check_values(
        self, array: np.ndarray, spec: DataSpec | None = None, *, name: str = "X", rows: np.ndarray | None = None
    ) -> None:
        """Raise `DataError` where some of these examples have no probability; `name` is what the message calls the array.

        - `spec`: of the data, in whose units the examples are; None for the model's own.
        """

    @abstractmethod
    def check_observed(self, example: Example) -> None:
        """Raise `ConfigurationError` where the elements left out of some of these examples cannot be left out of p(x|z)."""

    @abstractmethod
    def log_terms(self, example: Example, key: PRNGKeyArray, draws: Draws) -> LogTerms:
        """The logarithms of which every bound on log p(x) is made, from these draws of z."""

    def encode(self, example: Example) -> AbstractPosterior:
        """q(z|x); deterministic."""
        return self.posterior_from(self.posterior_params(example))

    @abstractmethod
    def posterior_params(self, example: Example) -> PyTree[Float[Array, "..."]]:
        """The unconstrained parameters of q(z|x) for one example."""

    @abstractmethod
    def posterior_from(self, params: PyTree[Float[Array, "..."]]) -> AbstractPosterior:
        """The member of the posterior's family with these parameters."""

    @abstractmethod
    def log_prior(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, ""]:
        """log p(z) in nats."""

    @abstractmethod
    def log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, ""]:
        """log p(x|z) in nats, about x in the user's own units; of the elements that are observed alone, where some are not."""

    @abstractmethod
    def decode_mean(self, z: Float[Array, " latent"], condition: Condition = None) -> Float[Array, "..."]:
        """E[x|z] in the user's units; of a column of categories the code of the most probable that training saw."""

    def decode_probabilities(self, z: Float[Array, " latent"], condition: Condition = None) -> dict[int, Float[Array, " codes"]]:
        """P(x_j = k|z) of each code k of each column j of categories, the last for what training did not see; {} without any."""
        return {}

    @abstractmethod
    def decode_draw(self, z: Float[Array, " latent"], key: PRNGKeyArray, condition: Condition = None) -> Float[Array, "..."]:
        """One draw x ~ p(x|z) in the user's units, noise and all."""

    def fill(self, example: Example, z: Float[Array, " latent"], key: PRNGKeyArray) -> Filling:
        """What p(x|z) says of the elements of this example that have no value; its condition is known.

        Where the model has a law of the mask, p(x_j|z) of a missing element is that given that it is missing.
        """
        condition = example.condition
        mean, draw = self.decode_mean(z, condition), self.decode_draw(z, key, condition)
        return Filling(mean, draw, self.decode_probabilities(z, condition))

    @abstractmethod
    def replicate(
        self, example: Example, z: Float[Array, " latent"], keys: Key[Array, " draws"]
    ) -> tuple[Float[Array, "..."], Float[Array, "draws ..."]]:
        """E[x'|z] and draws x' ~ p(x'|z), which x itself should look like: with x's own total where the density is given it."""

    @abstractmethod
    def sample_latent(self, key: PRNGKeyArray, condition: Condition = None) -> Float[Array, " latent"]:
        """One draw z ~ p(z)."""

    @abstractmethod
    def detached(self, half: Half) -> "AbstractLatentVariableModel":
        """The same model, through one half of whose trained numbers no gradient flows."""


def is_trained(leaf: Any) -> bool:
    """True for a number that training changes: a floating-point JAX array. A part's constants are NumPy arrays."""
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jnp.inexact)


def split_trained(model: _Tree) -> tuple[_Tree, _Tree]:
    """(trained parameters, everything else), to be joined again by `equinox.combine`."""
    return eqx.partition(model, is_trained)
