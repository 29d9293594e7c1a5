"""The shapes of arrays are checked in every test, where the package says them."""

import jax.numpy as jnp
import jaxtyping
import pytest

from lowerbound.densities import DiagonalGaussianDensity


def test_a_wrong_shape_is_refused_by_the_function_that_says_it() -> None:
    density = DiagonalGaussianDensity(jnp.zeros(2), jnp.zeros(2))
    with pytest.raises(jaxtyping.TypeCheckError, match="latent"):
        density.log_prob(jnp.zeros((3, 2)))


def test_a_wrong_field_is_refused_by_its_class() -> None:
    with pytest.raises(jaxtyping.TypeCheckError, match="log_variance"):
        DiagonalGaussianDensity(jnp.zeros(2), jnp.zeros((2, 2)))
