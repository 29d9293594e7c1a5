"""Every density of the registry is normalised, and its sampler draws from it; broken samplers are caught by the same tests."""

from __future__ import annotations

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from checks import Density, chi_squared_p_value, kolmogorov_smirnov_p_value
from registered.likelihoods import LIKELIHOODS, levels_of
from registry import DENSITIES
from support.chance import is_likely

from lowerbound.data.describe import describe
from lowerbound.data.transforms import Affine
from lowerbound.likelihoods.support import Support

# Hundreds of traced programs; the other oracles run the same code under the measurement of coverage, which costs a quarter.
pytestmark = pytest.mark.no_cover

NUM_DRAWS = 20_000
LARGEST_P_VALUE_OF_A_BROKEN_SAMPLER = 1e-8

every_density = pytest.mark.parametrize("name", DENSITIES)


@functools.cache
def _density(name: str, seed: int) -> tuple[Density, np.ndarray]:
    """A density at random parameters, and its masses on the grid."""
    case = DENSITIES[name]
    assert case.density is not None
    density = case.density(case.make(jax.random.key(seed)), jax.random.key(seed + 10))
    return density, density.masses()


@functools.cache
def _draws(name: str) -> np.ndarray:
    """Draws from the first of these densities."""
    return _density(name, 0)[0].draws(jax.random.key(20), NUM_DRAWS)


@pytest.mark.parametrize("seed", [0, 1, 2])
@every_density
def test_sums_or_integrates_to_one(name: str, seed: int) -> None:
    density, masses = _density(name, seed)
    assert masses.sum() == pytest.approx(1.0, abs=density.tolerance)


@pytest.mark.parametrize("name", [name for name, make in LIKELIHOODS.items() if levels_of(make()) is not None])
def test_levels_are_those_of_the_data_and_nothing_else_has_a_probability(name: str) -> None:
    """A part is held to data of its own levels and refuses one level more; its masses on them sum to 1 (above)."""
    part, (density, _) = LIKELIHOODS[name](), _density(f"likelihood-{name}", 0)
    low, high, num_levels = levels_of(part) or (0.0, 0.0, 0)
    step = (high - low) / (num_levels - 1)
    data = np.broadcast_to(np.arange(num_levels).reshape(-1, *(1,) * len(part.event_shape)), (num_levels, *part.event_shape))
    as_seen = Affine(-low / step, 1 / step)
    assert part.misfit(describe(data, num_levels=num_levels), as_seen) is None
    one_more = np.concatenate([data, np.full_like(data[:1], num_levels)])
    is_bounded = part.support is not Support.COUNTS
    assert (part.misfit(describe(one_more, num_levels=num_levels + 1), as_seen) is not None) == is_bounded
    log_prob = eqx.filter_jit(density.log_prob)
    for wrong in (low - step, low + step / 2, low + 0.9 * step, *([high + step] if is_bounded else [])):
        x = np.full(part.event_shape, low, np.float32)
        x.flat[-1] = wrong
        assert float(log_prob(jnp.asarray(x))) == -np.inf, wrong


@every_density
def test_draws_agree_with_the_density(name: str) -> None:
    density, masses = _density(name, 0)
    draws = _draws(name)
    assert is_likely(chi_squared_p_value(density, masses, draws))
    if not density.discrete:
        assert is_likely(kolmogorov_smirnov_p_value(density, masses, draws))


@every_density
def test_draws_of_discrete_data_are_levels(name: str) -> None:
    density, _ = _density(name, 0)
    if density.discrete:
        draws = _draws(name)
        nearest = np.abs(draws[:, :, None] - np.stack(density.axes)).min(axis=-1)
        assert nearest.max() < 1e-4 * (density.axes[0][1] - density.axes[0][0])


@every_density
def test_broken_samplers_are_caught(name: str) -> None:
    """The negative control: a sampler that sticks, one whose elements depend on each other, one that is a tenth too wide."""
    density, masses = _density(name, 0)
    draws = _draws(name)
    sticking = np.where(np.arange(len(draws))[:, None] % 10 == 0, draws[:1], draws)
    assert chi_squared_p_value(density, masses, sticking) < LARGEST_P_VALUE_OF_A_BROKEN_SAMPLER
    dependent = np.sort(draws, axis=0)
    assert chi_squared_p_value(density, masses, dependent) < LARGEST_P_VALUE_OF_A_BROKEN_SAMPLER
    if not density.discrete:
        wide = draws.mean(axis=0) + 1.1 * (draws - draws.mean(axis=0))
        assert kolmogorov_smirnov_p_value(density, masses, wide) < LARGEST_P_VALUE_OF_A_BROKEN_SAMPLER
