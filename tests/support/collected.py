"""What pytest found in the files that it was asked for, before marks and words chose among it."""

import pytest

# "tests/file.py::test[parameters]" of every test.
COLLECTED = pytest.StashKey[frozenset[str]]()
