"""`lowerbound verify` finds every figure right here, and finds each kind of broken part wrong."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lowerbound import verification
from lowerbound.bijections import Context, PlanarStep
from lowerbound.densities import StandardNormalDensity, Transformed
from lowerbound.errors import VerificationError
from lowerbound.likelihoods import Poisson
from lowerbound.objectives import ELBO
from lowerbound.posteriors import Planar
from lowerbound.verification import CHECKS, Figure, bayesian_regression, bounds, densities, masks, whole
from lowerbound.verification.linear_gaussian import TRUTH


@pytest.mark.parametrize("name", CHECKS)
def test_every_figure_is_right(name: str) -> None:
    figures = list(CHECKS[name]())
    assert figures
    assert [figure for figure in figures if not figure.is_right] == []


class _NoDeterminant(PlanarStep):
    """Moves as a planar step and says that it keeps volume."""

    def forward_and_log_det(self, z: jax.Array, context: Context = None) -> tuple[jax.Array, jax.Array]:
        return super().forward_and_log_det(z)[0], jnp.float32(0)


def _flow_without_determinant() -> Iterator[Figure]:
    family = Planar(densities.LATENT_DIM, 1)
    posterior = family.at(jax.random.normal(jax.random.key(3), family.param_shape))
    assert isinstance(posterior, Transformed)
    (step,) = posterior.steps
    assert isinstance(step, PlanarStep)
    fields = {field.name: getattr(step, field.name) for field in dataclasses.fields(step)}
    return densities.flow("planar", Transformed(posterior.base, (_NoDeterminant(**fields),)))


_TOO_FEW_COUNTS = {"poisson": (Poisson((1,), False), np.arange(2.0))}
_NORMAL = StandardNormalDensity(densities.LATENT_DIM)
BROKEN: dict[str, Callable[[], Iterator[Figure]]] = {
    "a posterior off by a thousandth": lambda: bounds.exact_log_weights(TRUTH.model(mean_shift=1e-3)),
    "a likelihood whose sigma is half too large": lambda: bounds.evidence_of_the_evaluator(TRUTH.model(log_scale_error=0.4)),
    "annealing to another likelihood": lambda: bounds.annealing(TRUTH.model(log_scale_error=0.3)),
    "a posterior density of another likelihood": lambda: bounds.posterior_density(TRUTH.model(log_scale_error=0.3)),
    "a mask with slopes half as steep": lambda: masks.masks(masks.model_with_mask(masks.SLOPES / 2)),
    "weights' divergence over a batch": lambda: bayesian_regression.evidence(bayesian_regression.TRUTH.model().trained_on(4)),
    "weights of a posterior off by a hundredth": lambda: bayesian_regression.joint_evidence(
        bayesian_regression.TRUTH.model(shift=0.01)
    ),
    "another posterior than the bounds are about": lambda: bounds.bounds_of_a_poor_posterior(TRUTH.model()),
    "a law with mass where none is looked for": lambda: densities.likelihoods(_TOO_FEW_COUNTS),
    "draws a tenth too wide": lambda: densities.draws_of("normal", lambda key: 1.1 * _NORMAL.sample(key), _NORMAL.log_prob),
    "a flow without its determinant": _flow_without_determinant,
    "the plain gradient": lambda: whole.path_gradient(ELBO()),
    "levels that are not equally likely": lambda: whole.uniform_levels(np.linspace(0, 1, 256)[:, None, None]),
    "a change of units without its Jacobian": lambda: whole.change_of_units(expected=0.0),
    "codes that know of two factors": lambda: whole.latents(turned=True),
    "dropout in training": lambda: whole.training_and_validation(0.5),
    "two seeds": lambda: whole.same_seed_same_numbers((0, 1)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_found_wrong(name: str) -> None:
    with jax.numpy_dtype_promotion("standard"):
        assert any(not figure.is_right for figure in BROKEN[name]())


def test_a_figure_that_is_not_a_number_is_wrong() -> None:
    figure = Figure("a model", "bound", float("nan"), 0.0, 1.0, "nats")
    assert not figure.is_right
    assert figure.to_json()["value"] is None


def test_the_command_prints_each_figure_and_fails_loudly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from lowerbound.cli.verify import verify

    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    right, wrong = Figure("a model", "bound", 1.0, 1.001, 0.01, "nats"), Figure("a law", "total probability", 2.0, 1.0, 1e-4)
    checks = {"bounds": lambda: iter([right])}
    monkeypatch.setattr(verification.suite, "CHECKS", checks)
    verify(json=False)
    printed = capsys.readouterr().out
    assert "right  a model: bound 1 nats, truth 1.001 ± 0.01" in printed
    assert "1 of 1 figures are right" in printed
    monkeypatch.setattr(verification.suite, "CHECKS", {**checks, "laws": lambda: iter([wrong])})
    with pytest.raises(VerificationError, match=r"1 of 2 figures are WRONG .* a law: total probability is 2, but 1 ± 0.0001"):
        verify(json=True)
    said = json.loads(capsys.readouterr().out)
    assert said["num_wrong"] == 1
    assert said["checks"]["laws"][0] == {**wrong.to_json()}
