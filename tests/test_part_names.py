"""General code asks parts for facts and does not know them by name: a part from outside is then judged like one of ours."""

from __future__ import annotations

import ast
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import lowerbound
from lowerbound.config.catalogue import CATALOGUE
from lowerbound.config.entry import KINDS
from lowerbound.data.columns import ColumnKind

ROOMS = ("diagnosis", "summaries", "report", "evaluation", "training", "runs", "models", "cli")
# Also what a measure is, of what kind a column of a table is, and a key of its schema.
WORDS = {"mixed", "categories", *typing.get_args(ColumnKind)}
NAMES = {name for entries in CATALOGUE.values() for name in entries} - WORDS
KEYS = {key for entries in CATALOGUE.values() for entry in entries.values() for key in entry.keys}
# A name alone; one that a setting gives; and, in a sentence, one that is no word of English.
_SETTING = re.compile(rf"\b(?:{'|'.join(KINDS)})\.name=({'|'.join(map(re.escape, NAMES))})\b")
_IN_TEXT = re.compile(rf"(?<![\w-])(?:{'|'.join(name for name in NAMES if '-' in name)})(?![\w-])")

ALLOWED = {
    ("cli/score.py", "elbo"): "the bound in nats, a column's name",
    ("cli/tables.py", "vamp"): "an example in the help",
    ("cli/methods.py", "elbo"): "the key of a bound in a record",
    ("evaluation/imputation.py", "iwae"): "a word of `Refined`: the bound that it climbs",
    ("evaluation/joint_evidence.py", "bayesian-decoder"): "an error says which model has random weights",
    ("evaluation/proposals.py", "elbo"): "a word of `Refined` itself: the bound that it climbs",
    ("evaluation/proposals.py", "iwae"): "a word of `Refined` itself: the bound that it climbs",
    ("runs/training.py", "numpyro"): "the package, whose version is recorded",
}


def names_in(source: str) -> Iterator[str]:
    """The names of parts in the string literals of a file, its docstrings apart."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    docstrings = {id(first.value) for first in bodies if isinstance(first, ast.Expr)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
            continue
        if node.value in NAMES - KEYS:
            yield node.value
        yield from _SETTING.findall(node.value)
        yield from _IN_TEXT.findall(node.value)


def test_what_counts_as_a_name() -> None:
    source = """
    'a docstring about student-t'
    x = ["gaussian", "beta", "a Gaussian or gaussian law", "set posterior.name=planar", "student-t is one", "a non-planar one"]
    """
    assert list(names_in(source.replace("\n    ", "\n"))) == ["gaussian", "planar", "student-t"]


def test_general_code_knows_no_part_by_name() -> None:
    package = Path(lowerbound.__file__).parent
    files = [file for room in ROOMS for file in sorted((package / room).rglob("*.py"))]
    found = {
        (file.relative_to(package).as_posix(), name) for file in files for name in names_in(file.read_text(encoding="utf-8"))
    }
    assert len(files) > 60
    assert found == set(ALLOWED)
