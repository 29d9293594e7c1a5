"""Numbers some of which recur: masses and densities against SciPy, what both are in other units, and draws."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats
from checks import log_prob_of
from support.chance import is_likely

from lowerbound.assembly.build import build_model, resolve
from lowerbound.config import RunConfig
from lowerbound.data.describe import describe
from lowerbound.data.examples import Example
from lowerbound.evaluation import masses_of
from lowerbound.likelihoods import GaussianMixture, InflatedGaussianMixture, InflatedLogNormalMixture, Mixed

WEIGHTS, LOCS, LOG_SCALES = np.array([0.3, -0.4]), np.array([-1.0, 0.8]), np.array([-0.5, 0.2])
ATOM_LOGITS = np.array([0.4, -0.7])
PARAMS = np.concatenate([WEIGHTS, LOCS, LOG_SCALES, ATOM_LOGITS]).reshape(8, 1).astype(np.float32)
ATOMS = np.array([[0.25], [1.5]])
# P(y = 0.25), P(y = 1.5) and what is left.
MASSES = scipy.special.softmax([*ATOM_LOGITS, 0.0])
NUM_DRAWS = 20_000


def part(cls: type = InflatedGaussianMixture) -> InflatedGaussianMixture:
    return cls((1,), scale_floor=0.01, num_components=2, atoms=ATOMS, shares=np.array([[0.2], [0.3]]))


def density(u: np.ndarray | float) -> np.ndarray:
    """That of the mixture, by SciPy."""
    return scipy.stats.norm.pdf(np.asarray(u)[..., None], LOCS, np.exp(LOG_SCALES)) @ scipy.special.softmax(WEIGHTS)


def test_a_value_that_recurs_has_its_probability_and_others_the_rest_of_the_density() -> None:
    assert log_prob_of(part(), PARAMS, [0.25]) == pytest.approx(np.log(MASSES[0]), abs=1e-6)
    assert log_prob_of(part(), PARAMS, [1.5]) == pytest.approx(np.log(MASSES[1]), abs=1e-6)
    # As near as a scaled number comes to it, and as far as another value is.
    assert log_prob_of(part(), PARAMS, [1.5 + 4e-7]) == pytest.approx(np.log(MASSES[1]), abs=1e-6)
    for x in (-2.0, 0.2501, 1.4999):
        assert log_prob_of(part(), PARAMS, [x]) == pytest.approx(np.log(MASSES[2] * density(x)), abs=1e-5)
    of_logs = part(InflatedLogNormalMixture)
    assert log_prob_of(of_logs, PARAMS, [1.5]) == pytest.approx(np.log(MASSES[1]), abs=1e-6)
    assert log_prob_of(of_logs, PARAMS, [2.0]) == pytest.approx(np.log(MASSES[2] * density(np.log(2.0)) / 2), abs=1e-5)
    assert log_prob_of(of_logs, PARAMS, [-1.0]) == -np.inf


def test_masses_and_density_make_one_and_give_the_moments() -> None:
    u = np.linspace(-9, 9, 4001)
    log_prob = jax.jit(jax.vmap(lambda x: part().distribution(jnp.asarray(PARAMS)).log_prob(x[None])))
    with jax.numpy_dtype_promotion("standard"):
        between = np.exp(np.asarray(log_prob(jnp.asarray(u, jnp.float32)), np.float64))
        law = part().elements(jnp.asarray(PARAMS))
        mean, variance, nodes = float(law.mean[0]), float(law.variance[0]), law.nodes
    at_atoms = np.isin(u.astype(np.float32), ATOMS.astype(np.float32).ravel())
    between[at_atoms] = MASSES[2] * density(u[at_atoms])
    whole = [scipy.integrate.trapezoid(between * u**power, u) + MASSES[:2] @ ATOMS.ravel() ** power for power in range(3)]
    assert whole[0] == pytest.approx(1.0, abs=1e-5)
    assert mean == pytest.approx(whole[1], abs=1e-5)
    assert variance == pytest.approx(whole[2] - whole[1] ** 2, abs=1e-4)
    assert float((jnp.exp(nodes.log_mass) * nodes.value).sum()) == pytest.approx(mean, abs=1e-4)


def test_draws_are_the_values_that_recur_as_often_as_they_should() -> None:
    """Two tests with fixed seeds, each of which fails by chance as `is_likely` says."""
    with jax.numpy_dtype_promotion("standard"):
        drawn = np.asarray(part().elements(jnp.asarray(PARAMS)).sample(jax.random.key(5), (NUM_DRAWS,)))[:, 0]
    counts = [int((drawn == np.float32(atom)).sum()) for atom in ATOMS.ravel()]
    rest = drawn[~np.isin(drawn, ATOMS.astype(np.float32))]
    assert is_likely(float(scipy.stats.chisquare([*counts, len(rest)], MASSES * NUM_DRAWS).pvalue))
    scales, weights = np.exp(LOG_SCALES), scipy.special.softmax(WEIGHTS)
    found = scipy.stats.kstest(rest, lambda u: scipy.stats.norm.cdf((u[:, None] - LOCS) / scales) @ weights)
    assert is_likely(float(found.pvalue))
    # The negative control: masses the other way round.
    assert scipy.stats.chisquare([counts[1], counts[0], len(rest)], MASSES * NUM_DRAWS).pvalue < 1e-12


def test_training_starts_at_the_moments_and_the_shares_of_the_data() -> None:
    data = np.concatenate([np.full(20, 0.25), np.full(30, 1.5), np.random.default_rng(0).normal(-2, 0.7, 50)])
    mean, std = np.array([data.mean()]), np.array([data.std()])
    for cls, offset in ((InflatedGaussianMixture, 0.0), (InflatedLogNormalMixture, 5.0)):
        likelihood = cls((1,), scale_floor=0.01, num_components=3, atoms=ATOMS + offset, shares=np.array([[0.2], [0.3]]))
        law = likelihood.elements(jnp.asarray(likelihood.initial_params(mean + offset, std)))
        with jax.numpy_dtype_promotion("standard"):
            assert float(law.mean[0]) == pytest.approx(float(mean[0]) + offset, abs=0.01)
            assert np.exp(np.asarray(law.log_masses[0]))[:, 0] == pytest.approx([0.2, 0.3], abs=1e-6)


def _log_p(scale: float, rows: np.ndarray, observed: list[bool] | None) -> np.ndarray:
    """log p(x|z) of the first and the last row at one z, by untrained models of the same data in other units."""
    spec = describe(rows * scale, kind="rows")
    config = RunConfig.from_dict(
        {"likelihood": {"name": "inflated-gaussian-mixture"}, "model": {"latent_dim": 2}, "data": {"scaling": "standard"}}
    )
    model = build_model(resolve(config, spec), spec, jax.random.key(0))
    shown = None if observed is None else jnp.asarray(observed)
    examples = [Example(jnp.asarray(row * scale, jnp.float32), observed=shown) for row in rows[[0, -1]]]
    return np.asarray([float(model.log_likelihood(example, jnp.zeros(2))) for example in examples])


@pytest.mark.parametrize("observed", [None, [True, False, True]])
def test_a_probability_is_the_same_in_every_unit_and_a_density_is_not(observed: list[bool] | None) -> None:
    rows = np.random.default_rng(3).normal(size=(60, 3)) + 4
    # The first two columns of the first row are values that recur; nothing of the last row is.
    rows[:30, 0], rows[:20, 1] = 0.0, 7.0
    fall = _log_p(1.0, rows, observed) - _log_p(1000.0, rows, observed)
    counted = np.array([1, 3]) if observed is None else np.array([1, 2])
    assert fall == pytest.approx(counted * np.log(1000.0), abs=1e-3)


def test_blocks_of_a_table_say_which_of_their_values_have_masses() -> None:
    plain = GaussianMixture((1,), np.float32(0.01), num_components=2)
    mixed = Mixed((part(), plain), ((1,), (0,)))
    assert np.asarray(mixed.has_mass(jnp.asarray([0.25, 0.25]))).tolist() == [False, True]
    assert np.asarray(mixed.has_mass(jnp.asarray([0.25, 0.3]))).tolist() == [False, False]
    assert Mixed((plain,), ((0,),)).has_mass(jnp.zeros(1)) is None


def test_what_is_compared_says_which_values_have_probabilities() -> None:
    rows = np.random.default_rng(3).normal(size=(60, 2))
    rows[:30, 1] = 0.5
    spec = describe(rows, kind="rows")
    found = {}
    for name in ("gaussian-mixture", "inflated-gaussian-mixture"):
        config = resolve(RunConfig.from_dict({"likelihood": {"name": name}, "model": {"latent_dim": 2}}), spec)
        found[name] = masses_of(build_model(config, spec, jax.random.key(0)), spec)
    assert found["gaussian-mixture"] == ""
    assert found["inflated-gaussian-mixture"]
    # Another value that recurs is another sum.
    rows[:30, 1] = 0.75
    other = describe(rows, kind="rows")
    assert masses_of(build_model(config, other, jax.random.key(0)), other) not in found.values()
