"""Likelihoods of pictures whose pixels depend, given z, on the pixels before them: samples without grains of single pixels."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from ..config.context import BuildContext, arguments_of
from ..config.part import PartConfig
from ..errors import ConfigurationError
from .base import AbstractJoint, AbstractLikelihood, Hides, Measure, Scaling, Support
from .before import AbstractBefore, Filter, Neighbours, num_before
from .bernoulli import Bernoulli
from .discretized_logistic_mixture import DiscretizedLogisticMixture
from .location_scale import arguments_from_data
from .on_levels import AbstractLevels

# Draws of the pixels before, over which a mean is taken.
_MEAN_DRAWS = 16


class PixelByPixel(dist.Distribution):
    r"""p(x) = prod_i p(x_i | x_before i), each factor of one family with the numbers params_i moved by g(the pixels before).

    - `likelihood`: whose family it is, and whose g. `params`: of its `param_shape`.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {}
    pytree_data_fields = ("likelihood", "params")

    def __init__(self, likelihood: AbstractNeighbours, params: Float[Array, "..."]) -> None:
        self.likelihood, self.params = likelihood, params
        super().__init__(batch_shape=(), event_shape=likelihood.event_shape)

    @property
    def support(self) -> Any:
        """That of independent pixels."""
        return self.likelihood.of_shape(self.event_shape).distribution(self.params).support

    def log_prob(self, value: Any, intermediates: Any = None) -> Array:
        """log P(x) in nats of each event in `value`."""
        family = self.likelihood.of_shape(self.event_shape)

        def of_one(y: Array) -> Array:
            return family.log_prob(self.likelihood.shifted(self.params, y), y)

        return _over_batch(of_one, jnp.asarray(value, self.params.dtype), len(self.event_shape))

    def sample(self, key: PRNGKeyArray, sample_shape: tuple[int, ...] = ()) -> Float[Array, "..."]:
        """Pixels in turn, each from its law given those that were drawn before."""
        keys = jax.random.split(key, math.prod(sample_shape))
        return jax.vmap(self._draw)(keys).reshape(*sample_shape, *self.event_shape)

    def _draw(self, key: PRNGKeyArray) -> Array:
        part, (height, width, channels) = self.likelihood, self.likelihood.picture_shape
        pixel = part.of_shape((1, 1, *self.event_shape[2:]))
        neighbours = part.neighbours
        by_pixel = part.by_pixel(self.params).reshape(height * width, -1)

        def one(canvas: Array, step: tuple[Array, Array, Array]) -> tuple[Array, Array]:
            place, own, own_key = step
            row, column = place // width, place % width
            said = neighbours(neighbours.before_one(canvas, row, column)).reshape(pixel.event_shape)
            params = part.as_params(own.reshape(1, 1, -1), pixel)
            drawn = jnp.asarray(pixel.draw(part.moved(params, said), own_key), own.dtype)
            seen = part.as_seen(params, drawn).reshape(1, 1, channels)
            start = (row + neighbours.reach, column + neighbours.reach, jnp.zeros_like(row))
            return jax.lax.dynamic_update_slice(canvas, seen, start), drawn

        start = neighbours.canvas(jnp.zeros(part.picture_shape, self.params.dtype))
        steps = jnp.arange(height * width), by_pixel, jax.random.split(key, height * width)
        return jax.lax.scan(one, start, steps)[1].reshape(self.event_shape)

    @property
    def mean(self) -> Float[Array, "..."]:
        """E[x_i], as the likelihood says it."""
        return self.likelihood.mean_over_before(self.params)


class AbstractNeighbours(AbstractJoint):
    r"""p(x|z) = prod_i p(x_i | x_before i, z): the decoder's numbers for a pixel, moved by what the pixels before it are.

        numbers of pixel i = decoder(z)_i, moved by g(x_j: j before i, at most `reach` rows above and columns beside)

    Where z leaves an edge open, independent pixels fall on either side of it one by one, and samples have grains that no example
    has. Here each pixel knows on which side its neighbours fell. It is the density of a small masked convolution (PixelCNN, van
    den Oord et al. 2016; beside latents: PixelVAE, Gulrajani et al. 2017) and costs no more draws. `neighbours`: g.
    """

    neighbours: eqx.AbstractVar[AbstractBefore]
    hides: ClassVar[Hides] = "nothing"
    noise_is_joined: ClassVar[bool] = True
    tied: ClassVar[str] = (
        "each pixel depends on those before it. Use a likelihood of single elements, bernoulli or discretized-logistic-mixture"
    )

    @abstractmethod
    def of_shape(self, event_shape: tuple[int, ...]) -> AbstractLikelihood:
        """The likelihood of independent pixels with the same law, for pictures of a shape."""

    @abstractmethod
    def as_seen(self, params: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
        """Pixels as g sees them, about 0, where the decoder's numbers for them are params."""

    def moved(self, params: Float[Array, "..."], said: Float[Array, "..."]) -> Float[Array, "..."]:
        """The decoder's numbers, of any picture's shape, moved by what the pixels before say, of the picture's shape."""
        return params + said

    def mean_over_before(self, params: Float[Array, "..."]) -> Float[Array, "..."]:
        """E[x_i], as the average of E[x_i | x_before i] over 16 draws of what is before, always the same ones."""
        family = self.of_shape(self.event_shape)

        def given(total: Array, drawn: Array) -> tuple[Array, None]:
            return total + family.mean_of(self.shifted(params, drawn)), None

        drawn = self.distribution(params).sample(jax.random.key(0), (_MEAN_DRAWS,))
        return jax.lax.scan(given, jnp.zeros(self.event_shape, params.dtype), drawn)[0] / _MEAN_DRAWS

    @property
    def picture_shape(self) -> tuple[int, int, int]:
        """(height, width, numbers of a pixel)."""
        height, width, *channels = self.event_shape
        return height, width, math.prod(channels)

    @property
    @override
    def param_shape(self) -> tuple[int, ...]:
        return self.of_shape(self.event_shape).param_shape

    def distribution(self, params: Float[Array, "..."], total: Float[Array, ""] | None = None) -> PixelByPixel:
        """The law of all pixels."""
        return PixelByPixel(self, params)

    def shifted(self, params: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
        """The numbers of all pixels, where the picture is y."""
        pixels = self.as_seen(params, y).reshape(self.picture_shape)
        return self.moved(params, self.neighbours(self.neighbours.before(pixels)).reshape(self.event_shape))

    def by_pixel(self, params: Float[Array, "..."]) -> Float[Array, "height width outputs"]:
        """The decoder's numbers, those of a pixel side by side."""
        height, width, channels = self.picture_shape
        heads = params.reshape(-1, height, width, channels)
        return jnp.moveaxis(heads, 0, 2).reshape(height, width, -1)

    def as_params(self, numbers: Float[Array, "height width outputs"], family: AbstractLikelihood) -> Float[Array, "..."]:
        """The inverse of `by_pixel`, for pictures of the family's shape."""
        heads = numbers.reshape(*numbers.shape[:2], -1, self.picture_shape[2])
        return jnp.moveaxis(heads, 2, 0).reshape(family.param_shape)

    def _element_log_prob(self, params: Array, y: Array, total: Array | None) -> Array:
        return self.of_shape(self.event_shape).element_log_prob(self.shifted(params, y), y)

    def _marginal_log_prob(self, params: Array, y: Array, observed: Array, total: Array | None) -> Array:
        raise NotImplementedError("nothing can be hidden")

    @override
    def initial_params(self, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
        return self.of_shape(self.event_shape).initial_params(mean, std)


def _check(part: AbstractNeighbours) -> None:
    shape = part.event_shape
    if len(shape) not in (2, 3):
        raise ConfigurationError(
            f"the event shape is {shape}, and {type(part).__name__} is about pictures; expected (height, width) or (height, "
            "width, channels). Rows of numbers have no neighbours: use a likelihood of single elements."
        )
    channels, (said, seen) = part.picture_shape[2], part.neighbours.sizes
    expected = num_before(part.neighbours.reach) * (channels + 1)
    if (said, seen) != (channels, expected):
        raise ConfigurationError(
            f"neighbours gives {said} numbers for a pixel, of {seen} that it sees; expected {channels} of {expected}: "
            f"{type(part.neighbours).__name__}({channels}, ...)."
        )


class NeighbourBernoulli(AbstractNeighbours):
    """Zeros and ones, whose logits know the pixels before; see `AbstractNeighbours`."""

    neighbours: Neighbours
    measure: ClassVar[Measure] = "counting"
    support: ClassVar[Support] = Support.BINARY
    scaling: ClassVar[Scaling] = "none"

    def __check_init__(self) -> None:
        _check(self)

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> NeighbourBernoulli:
        shape = context.spec.event_shape
        return cls(shape, Neighbours(math.prod(shape[2:]), units=config.units, reach=config.reach, key=context.key))

    @override
    def of_shape(self, event_shape: tuple[int, ...]) -> Bernoulli:
        return Bernoulli(event_shape)

    @override
    def as_seen(self, params: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
        return 2 * y - 1


class NeighbourLogistics(AbstractLevels, AbstractNeighbours):
    r"""Levels, by a mixture of discretised logistics whose places know by how much the pixels before missed their means.

        place of component k of pixel i = m_i + e^u (place_ik - m_i) + sum_j A_j (x_j - E[x_j|z]),     scale = e^w scale_ik

    place_ik and scale_ik are the decoder's, m_i the mean of its places, and E[x_j|z] that of independent pixels. What z leaves
    open of a photograph is smooth, and not salt and pepper. The filter A, w and u are 0 while the model is trained and fitted
    when that has ended, with all else as it is: they explain what training left, and z goes on saying what is in a picture.
    (Trained together with the rest they would explain so much of a photograph that z says little of it.) See
    `AbstractNeighbours`, and `DiscretizedLogisticMixture` for the other arguments. `is_plain`: for
    independent pixels, of which nothing is computed that is 0.
    """

    neighbours: Filter = eqx.field(kw_only=True)
    has_late_noise: ClassVar[bool] = True
    num_components: int = eqx.field(static=True, default=3)
    unit: float = eqx.field(static=True, default=1.0)
    is_plain: bool = eqx.field(static=True, default=False, kw_only=True)

    def __check_init__(self) -> None:
        _check(self)

    @classmethod
    @override
    def build(cls, config: PartConfig, context: BuildContext) -> NeighbourLogistics:
        arguments = arguments_of(cls, config, **arguments_from_data(config, context))
        return cls(**arguments, neighbours=Filter.none(math.prod(context.spec.event_shape[2:])))

    @property
    @override
    def noise(self) -> Filter:
        return self.neighbours

    @override
    def with_noise(self, noise: Filter | None) -> NeighbourLogistics:
        if noise is None:
            return dataclasses.replace(self, neighbours=Filter.none(self.picture_shape[2]), is_plain=True)
        return dataclasses.replace(self, neighbours=noise, is_plain=False)

    @override
    def shifted(self, params: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
        return params if self.is_plain else super().shifted(params, y)

    @override
    def moved(self, params: Float[Array, "..."], said: Float[Array, "..."]) -> Float[Array, "..."]:
        family, count = self.of_shape(said.shape), self.num_components
        first = family.num_logit_arrays
        places, widths = params[first : first + count], params[first + count : first + 2 * count]
        middle = family.middle_place(params)
        spread, width = (
            (each if said.ndim == 3 else each[0]) for each in (self.neighbours.log_spread, self.neighbours.log_width)
        )
        places = middle + (places - middle) * jnp.exp(spread) + said
        return params.at[first : first + 2 * count].set(jnp.concatenate([places, widths + width]))

    @override
    def mean_over_before(self, params: Float[Array, "..."]) -> Float[Array, "..."]:
        """E[x_i] where no pixel before has missed its mean, which all do by 0 on average.

        So it is without noise. Near the ends of the range, where draws are cut off, the mean of many draws lies a hundredth or
        two of the range off.
        """
        unmoved = self.moved(params, jnp.zeros(self.event_shape, params.dtype))
        return self.of_shape(self.event_shape).mean_of(params if self.is_plain else unmoved)

    @staticmethod
    def _family(event_shape: tuple[int, ...], **arguments: Any) -> DiscretizedLogisticMixture:
        colour = len(event_shape) == 3 and event_shape[-1] == 3
        return DiscretizedLogisticMixture(event_shape, colour=colour, **arguments)

    @override
    def of_shape(self, event_shape: tuple[int, ...]) -> DiscretizedLogisticMixture:
        names = ("low", "high", "num_levels", "num_components", "unit")
        return self._family(event_shape, **{name: getattr(self, name) for name in names})

    @override
    def as_seen(self, params: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, "..."]:
        return (y - self.of_shape(y.shape).centre(params)) / self.unit


def _over_batch(function: Any, value: Array, event_dim: int) -> Array:
    batch = value.shape[: value.ndim - event_dim]
    return jax.vmap(function)(value.reshape(-1, *value.shape[len(batch) :])).reshape(batch) if batch else function(value)
