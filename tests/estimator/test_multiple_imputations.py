"""Filled copies from models of their own: what differs between them, what does not, and what is refused."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from lowerbound import VAE, EnsembleVAE, multiple_imputations
from lowerbound.errors import ConfigurationError, DataError

pd = pytest.importorskip("pandas")

_RNG = np.random.default_rng(0)
_A = _RNG.normal(size=120)
WHOLE = pd.DataFrame({"a": _A, "b": 3 * _A + _RNG.normal(0, 0.3, 120), "group": np.where(_A > 0, "high", "low")})
HOLES = WHOLE.mask(_RNG.random(WHOLE.shape) < 0.2)
SMALL = VAE(2, hidden_widths=(8,), epochs=10, batch_size=40, prior="standard-normal")


def test_each_copy_has_a_model_of_its_own_and_only_the_first_compiles() -> None:
    compiled: list[float] = []

    def count(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(duration_secs)

    before = HOLES.copy(deep=True)
    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        first = multiple_imputations(SMALL, HOLES, 2, num_samples=20, random_state=1)
        assert compiled, "the control: the first calls compile"
        compiled.clear()
        again = multiple_imputations(SMALL, HOLES, 3, num_samples=20, random_state=1)
        assert not compiled
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    pd.testing.assert_frame_equal(HOLES, before)
    assert not hasattr(SMALL, "model_")
    assert len(again) == 3
    # The same seed gives the same copies, however many there are.
    for one, other in zip(first, again, strict=False):
        pd.testing.assert_frame_equal(one, other)
    lost = HOLES["a"].isna()
    for one, other in ((0, 1), (1, 2)):
        assert (again[one]["a"] != again[other]["a"])[lost].all()
        assert (again[one]["a"] == again[other]["a"])[~lost].all()
    assert not again[0].isna().any().any()


def test_what_is_no_multiple_imputation_is_refused() -> None:
    with pytest.raises(DataError, match="X has no hole, so there is nothing to impute; expected cells without a value, or NaN"):
        multiple_imputations(SMALL, WHOLE, 2)
    with pytest.raises(ConfigurationError, match=r"n_imputations is 1 \(an integer\); expected an integer >= 2"):
        multiple_imputations(SMALL, HOLES, 1)
    with pytest.raises(ConfigurationError, match="vae is a EnsembleVAE; expected a VAE, the model to fit to each bootstrap"):
        multiple_imputations(EnsembleVAE(SMALL), HOLES, 2)
