"""The planted mistakes still fit the source, and the oracles named for them exist; `make test-mutations` plants them."""

from __future__ import annotations

import ast

import pytest
from planted import MUTATIONS, ROOT, Mutation

from lowerbound.verification import CHECKS


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_mistake_fits_and_its_oracle_exists(mutation: Mutation) -> None:
    changed = mutation.text()
    ast.parse(changed)
    file, _, test = mutation.oracle.partition("::")
    names = {each.name for each in ast.walk(ast.parse((ROOT / "tests" / file).read_text())) if isinstance(each, ast.FunctionDef)}
    assert test.partition("[")[0] in names, f"{mutation.oracle} is gone; name another oracle in tests/mutations/planted.py"
    assert mutation.check in CHECKS, f"verify has no check {mutation.check!r}; name another in tests/mutations/planted.py"


def test_there_are_at_least_25_different_mistakes_and_one_that_does_not_fit_says_what_to_do() -> None:
    assert len({(each.file, each.old) for each in MUTATIONS}) >= 25
    gone = Mutation("gone", "errors.py", "no such text", "", "", "")
    with pytest.raises(ValueError, match=r"(?s)'gone' fits 0 times in src/lowerbound/errors.py; .* tests/mutations/planted.py"):
        gone.text()
