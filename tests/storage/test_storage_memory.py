"""What the errors become with which NumPy and XLA say that memory ran out, and that no other becomes it."""

from __future__ import annotations

import jax
import pytest

from lowerbound.errors import TooLargeError
from lowerbound.storage.memory import in_memory

WORDS = "a step does not fit into memory; make training.batch_size smaller."


@pytest.mark.parametrize(
    "error", [MemoryError("no 8 GB"), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: no 8 GB\nmore")], ids=["NumPy", "XLA"]
)
def test_errors_of_memory_say_what_to_make_smaller(error: Exception) -> None:
    with pytest.raises(TooLargeError) as caught, in_memory(WORDS):
        raise error
    assert str(caught.value).startswith(f"{WORDS} (")
    assert str(caught.value).endswith("no 8 GB)")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [jax.errors.JaxRuntimeError("INVALID_ARGUMENT"), ValueError("RESOURCE_EXHAUSTED")], ids=str)
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, in_memory(WORDS):
        raise error
    assert caught.value is error
