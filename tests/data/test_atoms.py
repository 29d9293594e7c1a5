"""Values that recur in columns of numbers: which are found, what of them is kept, and where they come back exactly."""

from __future__ import annotations

import numpy as np
import pytest

from lowerbound.data.atoms import find_atoms
from lowerbound.data.describe import describe
from lowerbound.data.spec import DataSpec

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.concatenate([np.zeros(40), RNG.normal(size=60)]), (0.0,)),
        # Cut off at both ends.
        (np.clip(RNG.normal(size=1000), -1.0, 1.5), (-1.0, 1.5)),
        # Levels of a column that has few.
        (np.repeat([0.1, 0.2, 0.7], [50, 30, 20]), (0.1, 0.2, 0.7)),
        # Rounded numbers recur as often as their neighbours, and no number of a smooth law does.
        (np.round(RNG.normal(size=5000), 1), ()),
        (RNG.normal(size=5000), ()),
        # Marks, each of which some rows have by chance more often than others.
        (RNG.integers(0, 101, 400).astype(float), ()),
        (RNG.integers(0, 31, 400).astype(float), ()),
        # Once or twice is chance.
        (np.concatenate([np.zeros(4), RNG.normal(size=60)]), ()),
        (np.full(100, 3.0), ()),
    ],
)
def test_values_that_recur_are_found_and_rounded_ones_are_none(values: np.ndarray, expected: tuple[float, ...]) -> None:
    found, shares = find_atoms(values)
    assert found == expected
    assert shares == tuple(float(np.mean(values == value)) for value in found)


def _spec(offset: float = 0.0) -> tuple[DataSpec, np.ndarray]:
    rows = np.random.default_rng(1).normal(size=(200, 2)) + offset
    rows[:80, 1] = offset + 0.3
    return describe(rows, kind="rows"), rows


def test_rows_keep_theirs_and_pictures_have_none() -> None:
    spec, _ = _spec()
    assert spec.atoms == ((), (0.3,))
    assert spec.atom_shares == ((), (0.4,))
    assert spec.of_columns([1]).atoms == ((0.3,),)
    assert DataSpec.from_json(spec.to_json()).atoms == spec.atoms
    pictures = RNG.random((50, 8, 8))
    pictures[:25, :, 0] = 0.0
    assert describe(pictures, kind="pictures").atoms == ()


def test_values_that_recur_come_back_exactly_from_float32() -> None:
    spec, rows = _spec()
    back = spec.to_user((rows.astype(np.float32) * np.float32(3.0) / np.float32(3.0)).astype(np.float64))
    assert (back[:80, 1] == 0.3).all()
    assert np.abs(back - rows).max() < 1e-6
    single = spec.to_user(rows.astype(np.float32))
    assert single.dtype == np.float64
    assert (single[:80, 1] == 0.3).all()
    # Times in seconds: their mean is subtracted before float32.
    spec, rows = _spec(1.7e9)
    assert spec.origin
    own = spec.of_model
    assert own.atoms[1] == pytest.approx((1.7e9 + 0.3 - spec.origin[1],), abs=1e-6)
    assert (spec.to_user(spec.to_model(rows).astype(np.float32).astype(np.float64))[:80, 1] == 1.7e9 + 0.3).all()


def test_values_near_one_that_recurs_stay_what_they_are() -> None:
    """Moments in seconds, some hours from one that recurs: as near as a millionth of the number, and no atom."""
    rng = np.random.default_rng(2)
    moments = (1.7e9 + rng.normal(0, 36_000, (300, 1))).round()
    moments[:100] = 1.7e9
    spec = describe(moments, kind="rows")
    back = spec.to_user(spec.to_model(moments).astype(np.float32))
    assert np.abs(back - moments).max() < 0.1
    # Float32 takes 0.3 and 0.1 + 0.2 for one number, and so do atoms.
    twice = np.concatenate([np.full(30, 0.3), np.full(30, 0.1 + 0.2), rng.normal(size=60)])
    assert len(find_atoms(twice)[0]) == 1
    assert find_atoms(-np.concatenate([np.zeros(40), np.linspace(1, 2, 60)]))[0] == (0.0,)
    assert str(find_atoms(-np.concatenate([np.zeros(40), np.linspace(1, 2, 60)]))[0][0]) == "0.0"
