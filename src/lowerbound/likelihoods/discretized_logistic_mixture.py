"""The likelihood of pixels by a mixture of discretised logistics, in grey or in colour."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import scipy.special
from jaxtyping import Array, Float
from typing_extensions import override

from ..errors import ConfigurationError
from .base import AbstractJoint, Hides
from .location_scale import LARGEST_LOG_SCALE
from .logistic_mixtures import ColourLogisticMixture, LogisticMixture
from .on_levels import AbstractLevels


class DiscretizedLogisticMixture(AbstractLevels, AbstractJoint):
    r"""A mixture of K discretised logistics for each element, or for the three colours of each pixel together.

    The masses are those of `LogisticMixture` and, with `colour`, of `ColourLogisticMixture` (PixelCNN++, Salimans et al. 2017,
    arXiv 1701.05517, eq. 1 to 3). Decoder outputs, each K arrays of the event's shape, along the first axis:

        grey    (l, a, s):     log pi = log-softmax of l,  mu = unit a,  scale = max(exp(s), floor), and at most e^30
        colour  (l, a, s, c):  the same, with coefficients tanh(c); a pixel's K numbers l fill ceil(K / 3) arrays of three colours

    The floor is a tenth of a step, as in `DiscretizedLogistic`. Often mis-copied: half a step is
    (high - low) / (num_levels - 1) / 2, which is 1/255 for a range of [-1, 1] alone; and the lowest and the highest level take
    their whole tails, without which the masses do not sum to 1.

    - `low`, `high`: lowest and highest level in the model's scale of the data; `num_levels`: how many there are.
    - `unit`: what a raw location of 1 stands for, in the model's scale of the data; where it is built for data, their typical
      standard deviation. An optimiser moves raw outputs by steps of one size: in units of the whole range they would be too
      coarse for locations that matter to a level.
    - `num_components`: K. `colour`: the event is (height, width, 3), and green depends on red, and blue on both.

    Raises `ConfigurationError` for fewer than 1 component, and for `colour` with another event.
    """

    num_components: int = eqx.field(static=True, default=3)
    colour: bool = eqx.field(static=True, default=False)
    unit: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if self.colour and (len(self.event_shape) != 3 or self.event_shape[-1] != 3):
            raise ConfigurationError(
                f"colour is True, but the event shape is {self.event_shape}; expected (height, width, 3), or colour=False."
            )

    @property
    def num_logit_arrays(self) -> int:
        """How many arrays of the event's shape hold the mixture's logits."""
        return -(-self.num_components // 3) if self.colour else self.num_components

    @property
    @override
    def heads(self) -> int:
        """(3 K, *event_shape), or (3 K + ceil(K / 3), height, width, 3) in colour."""
        return self.num_logit_arrays + (3 if self.colour else 2) * self.num_components

    def distribution(self, params: Float[Array, "heads ..."], total: Float[Array, ""] | None = None) -> dist.Distribution:
        """LogisticMixture or ColourLogisticMixture over the event."""
        blocks = self._blocks(params)
        return blocks.to_event(len(blocks.batch_shape))

    @property
    def hides(self) -> Hides:
        """Whole pixels in colour, any elements in grey."""
        return "pixels" if self.colour else "elements"

    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array:
        blocks = self._blocks(params)
        return blocks.log_prob_by_colour(y) if isinstance(blocks, ColourLogisticMixture) else blocks.log_prob(y)

    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array:
        each = self._blocks(params).log_prob(jnp.where(observed, y, self.low))
        if not self.colour:
            return jnp.sum(jnp.where(observed, each, 0.0))
        some, every = observed.any(-1), observed.all(-1)
        return jnp.sum(jnp.where(every, each, jnp.where(some, jnp.nan, 0.0)))

    def _blocks(self, params: Float[Array, "heads ..."]) -> LogisticMixture | ColourLogisticMixture:
        """LogisticMixture or ColourLogisticMixture: one distribution for each element, or for each pixel."""
        raw_logits, raw_loc, raw_scale, *coefficients = self._heads(params)
        loc = self.unit * raw_loc
        scale = jnp.exp(jnp.clip(raw_scale, self.levels.log_scale_floor, LARGEST_LOG_SCALE))
        if not self.colour:
            return LogisticMixture(raw_logits, loc, scale, self.levels)
        # (arrays, height, width, 3) to K numbers for each pixel.
        by_pixel = jnp.moveaxis(raw_logits, 0, -1).reshape(*self.event_shape[:2], -1)
        logits = jnp.moveaxis(by_pixel[..., : self.num_components], -1, 0)
        return ColourLogisticMixture(logits, loc, scale, jnp.tanh(coefficients[0]), self.levels)

    def centre(self, params: Float[Array, "heads ..."]) -> Float[Array, "..."]:
        """About E[x|z] of each element, in closed form, in the model's scale of the data."""
        return self._blocks(params).centre

    def middle_place(self, params: Float[Array, "heads ..."]) -> Float[Array, "..."]:
        """sum_k pi_k a_k, the mean of the raw locations of each element."""
        weights = jax.nn.softmax(self._blocks(params).logits, axis=0)
        return jnp.sum((weights[..., None] if self.colour else weights) * self._heads(params)[1], axis=0)

    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        """Even weights, and locations spread over half the variance, so that the components differ; the rest is their scales'.

        Components that start equal would have equal gradients for ever.
        """
        normal = scipy.special.ndtri((np.arange(self.num_components) + 0.5) / self.num_components)
        spread = np.sqrt(0.5) * normal / (normal.std() or 1.0)
        share = 0.5 if self.num_components > 1 else 1.0
        loc = mean + std * spread.reshape(-1, *(1,) * len(self.event_shape))
        # A logistic's variance is (pi scale)^2 / 3.
        log_scale = np.log(np.maximum(np.sqrt(3.0 * share) / np.pi * std, np.exp(self.levels.log_scale_floor)))
        heads = [np.zeros((self.num_logit_arrays, *self.event_shape)), loc / self.unit, np.broadcast_to(log_scale, loc.shape)]
        return np.concatenate([*heads, *([np.zeros(loc.shape)] if self.colour else [])]).astype(np.float32)

    def monitors(self, params: Float[Array, "heads ..."]) -> dict[str, Float[Array, ""]]:
        """`fraction_at_floor`: the fraction of the components' scales that are held up by the floor."""
        return {"fraction_at_floor": (self._heads(params)[2] <= self.levels.log_scale_floor).mean(dtype=jnp.float32)}

    def _heads(self, params: Float[Array, "heads ..."]) -> list[Float[Array, "..."]]:
        ends = [self.num_logit_arrays + self.num_components * number for number in range(3 if self.colour else 2)]
        return jnp.split(params, ends)
