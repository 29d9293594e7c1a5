"""Random tests together fail a right program once in ten thousand changes of the seed at most, and CONTRIBUTING.md says so."""

import re
from pathlib import Path

import numpy as np
from support import chance
from support.chance import COMPARISONS, MOST_A_RUN, OTHER_RATES, RATE, agrees, differs, is_likely, not_above, rate_of, table

TESTS = Path(__file__).parent


def test_the_rates_of_all_files_add_up_to_less_than_one_in_ten_thousand() -> None:
    assert sum(rate_of(file) for file in COMPARISONS.keys() | OTHER_RATES.keys()) <= MOST_A_RUN == 1e-4


def test_every_file_that_compares_by_chance_states_how_often() -> None:
    found = {
        str(file.relative_to(TESTS))
        for file in TESTS.rglob("test_*.py")
        if file != Path(__file__) and re.search(r"from support\.chance import", file.read_text())
    }
    assert found - COMPARISONS.keys() == set(), "state in tests/support/chance.py how many comparisons these make at most"
    gone = {file for file in COMPARISONS.keys() | OTHER_RATES.keys() if not (TESTS / file).is_file()}
    assert gone == set(), "tests/support/chance.py states rates of files that are not there"


def test_the_guide_shows_the_table() -> None:
    assert table() in (TESTS.parent / "CONTRIBUTING.md").read_text(), f"put this table into CONTRIBUTING.md:\n{table()}"


def test_a_comparison_fails_as_often_as_it_states() -> None:
    """By the normal quantile, and by Student's t where few draws gave the error: the share of errors beyond the threshold."""
    assert 3.7e-8 < RATE < 3.9e-8
    assert agrees(np.array([5.4, -5.4]), 0.0, 1.0)
    assert not agrees(np.array([0.0, -5.6]), 0.0, 1.0)
    assert not_above(-100.0, 0.0, 1.0)
    assert not not_above(5.6, 0.0, 1.0)
    assert differs(5.6, 0.0, 1.0)
    assert not differs(np.array([9.0, 5.4]), 0.0, 1.0)
    # Student's t with 9 degrees of freedom is beyond 17.0 as often as a normal number is beyond 5.5.
    for threshold, num_draws in ((17.0, 10), (6.26, 64)):
        assert agrees(threshold - 0.1, 0.0, 1.0, num_draws=num_draws)
        assert not not_above(threshold + 0.1, 0.0, 1.0, num_draws=num_draws)
    assert is_likely(4e-8)
    assert not is_likely(3e-8)


def test_what_is_not_a_number_agrees_with_nothing() -> None:
    for compare in (agrees, not_above, differs):
        assert not compare(np.nan, 0.0, 1.0), compare
        assert not compare(1.0, 0.0, np.nan), compare
    assert not chance.is_likely(np.nan)
