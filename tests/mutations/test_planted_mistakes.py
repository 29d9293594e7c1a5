"""The planted mistakes still fit the source, and the oracles named for them exist; `make test-mutations` plants them."""

from __future__ import annotations

import ast

import pytest
from planted import MUTATIONS, ROOT, Mutation
from support.collected import COLLECTED

from lowerbound.verification import CHECKS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_mistake_fits_and_its_oracle_exists(mutation: Mutation) -> None:
    changed = mutation.text()
    ast.parse(changed)
    file, _, test = mutation.oracle.partition("::")
    names = {each.name for each in ast.walk(ast.parse((ROOT / "tests" / file).read_text())) if isinstance(each, ast.FunctionDef)}
    assert test.partition("[")[0] in names, f"{mutation.oracle} is gone; name another oracle in tests/mutations/planted.py"
    assert mutation.check in CHECKS, f"verify has no check {mutation.check!r}; name another in tests/mutations/planted.py"


def missing(oracle: str, collected: frozenset[str]) -> bool:
    """Whether the oracle's file was collected, and the function is there without these parameters."""
    function, has_parameters, _ = oracle.partition("[")
    of_it = {each for each in collected if each.partition("[")[0] == f"tests/{function}"}
    # One without parameters stands for all of them.
    return bool(of_it) and bool(has_parameters) and f"tests/{oracle}" not in of_it


def test_the_parameters_of_each_oracle_exist(pytestconfig: pytest.Config) -> None:
    """Those of the files that are tested together with this one: of all, where all tests run."""
    collected = pytestconfig.stash[COLLECTED]
    gone = [mutation.oracle for mutation in MUTATIONS if missing(mutation.oracle, collected)]
    assert gone == [], "name the parameters as pytest does in tests/mutations/planted.py"


def test_a_parameter_that_was_renamed_is_noticed() -> None:
    collected = frozenset(("tests/a.py::test_x[1]", "tests/a.py::test_x[2]", "tests/a.py::test_y"))
    assert missing("a.py::test_x[3]", collected)
    assert missing("a.py::test_y[1]", collected)
    # Nothing is known of a function whose file was not collected.
    assert not any(missing(oracle, collected) for oracle in ("a.py::test_x[2]", "a.py::test_y", "b.py::test_x[1]"))


def test_there_are_at_least_25_different_mistakes_and_one_that_does_not_fit_says_what_to_do() -> None:
    assert len({(each.file, each.old) for each in MUTATIONS}) >= 25
    gone = Mutation("gone", "errors.py", "no such text", "", "", "")
    with pytest.raises(ValueError, match=r"(?s)'gone' fits 0 times in src/lowerbound/errors.py; .* tests/mutations/planted.py"):
        gone.text()
