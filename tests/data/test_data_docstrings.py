"""Every example in the data modules' docstrings prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import lowerbound.data

MODULES = [module.name for module in pkgutil.iter_modules(lowerbound.data.__path__, "lowerbound.data.")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name):
    assert doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS).failed == 0


def test_there_are_examples():
    found = [doctest.DocTestFinder().find(importlib.import_module(name)) for name in MODULES]
    assert sum(len(test.examples) for tests in found for test in tests) >= 5
