"""Whatever is thrown at it, the answer is a result or a sentence: no traceback, no hang."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
from commands import Result, command

from lowerbound.errors import LowerboundError

# Generated inputs of each test: a sample in `make test`, more in `make test-inputs`.
NUMBER = int(os.environ.get("LOWERBOUND_TEST_INPUTS", "6"))
# Of an answer to one input, a compilation within it on a slow machine.
LONGEST_SECONDS = 120

generated = hypothesis.settings(
    max_examples=NUMBER,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=tuple(hypothesis.HealthCheck),  # pyright: ignore[reportArgumentType]
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
)
# For inputs each of which is trained on.
few_generated = hypothesis.settings(generated, max_examples=max(1, NUMBER // 10))


class Hang(BaseException):
    """No answer came in time."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Hang` in the block when it takes longer."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def answers(*words: object) -> Result:
    """How `lowerbound WORDS` ended; asserts that it is with a result or a sentence."""
    try:
        with within(LONGEST_SECONDS):
            result = command(*words)
    except Hang:
        raise AssertionError(f"no answer in {LONGEST_SECONDS} seconds: lowerbound {words}") from None
    except Exception as error:
        raise AssertionError(f"lowerbound {words}\n{_last(error)}") from error
    assert result.status in (0, 1, 2), (words, result)
    assert "Traceback" not in result.stderr, (words, result)
    assert result.status == 0 or len(result.stderr.strip()) > 10, (words, result)
    assert "\x1b" not in result.stderr + result.stdout, (words, result)
    return result


def answered(function: Callable[[], object]) -> object:
    """What `function` gives, or None where it raises one of our own errors; any other is a failure."""
    try:
        with within(LONGEST_SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return function()
    except LowerboundError as error:
        return _sentence(error)
    except Hang:
        raise AssertionError(f"no answer in {LONGEST_SECONDS} seconds") from None
    except Exception as error:
        raise AssertionError(_last(error)) from error


def _sentence(error: LowerboundError) -> None:
    assert len(str(error)) > 10, repr(error)


def _last(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)[-4:])
