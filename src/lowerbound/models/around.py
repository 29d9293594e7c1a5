"""A model that is made of one with one layer of latents, and is about the same data."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Bool, Float
from typing_extensions import override

from ..data.examples import Example
from ..data.spec import DataSpec
from ..data.transforms import Affine
from ..densities import Space
from ..likelihoods import Given, Measure
from .base import AbstractLatentVariableModel
from .single_layer import SingleLayer


class AbstractAround(AbstractLatentVariableModel):
    """What p(x|z) is about, and where z lives, is as the inner model says."""

    @property
    @abstractmethod
    def inner(self) -> SingleLayer:
        """The model with one layer of latents."""

    @property
    @override
    def event_shape(self) -> tuple[int, ...]:
        return self.inner.event_shape

    @property
    @override
    def condition_dim(self) -> int:
        return self.inner.condition_dim

    @property
    @override
    def measure(self) -> Measure:
        return self.inner.measure

    @property
    @override
    def discrete_elements(self) -> np.ndarray:
        return self.inner.discrete_elements

    @override
    def has_mass(self, x: Float[Array, "..."]) -> Bool[Array, "..."] | None:
        return self.inner.has_mass(x)

    @property
    @override
    def given(self) -> Given | None:
        return self.inner.given

    @property
    @override
    def hidden_need_observed(self) -> bool:
        return self.inner.hidden_need_observed

    @override
    def log_odds_of_presence(self, x: Float[Array, "..."]) -> Float[Array, "..."] | None:
        return self.inner.log_odds_of_presence(x)

    @property
    @override
    def noise(self) -> Any | None:
        return self.inner.noise

    @override
    def with_noise(self, noise: Any | None) -> "AbstractLatentVariableModel":
        return eqx.tree_at(lambda model: model.inner, self, self.inner.with_noise(noise))

    @property
    @override
    def noise_is_joined(self) -> bool:
        return self.inner.noise_is_joined

    @override
    def element_log_likelihood(self, example: Example, z: Float[Array, " latent"]) -> Float[Array, "..."] | None:
        return self.inner.element_log_likelihood(example, z)

    @property
    @override
    def has_density(self) -> bool:
        return self.inner.has_density

    @property
    @override
    def space(self) -> Space:
        return self.inner.space

    @property
    @override
    def encoder_units(self) -> Affine:
        return self.inner.encoder_units

    @property
    @override
    def decoder_params(self) -> Any:
        return self.inner.decoder_params

    @override
    def check_values(
        self, array: np.ndarray, spec: DataSpec | None = None, *, name: str = "X", rows: np.ndarray | None = None
    ) -> None:
        self.inner.check_values(array, spec, name=name, rows=rows)

    @override
    def check_observed(self, example: Example) -> None:
        self.inner.check_observed(example)
