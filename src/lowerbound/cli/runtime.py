"""What the command line sets up around a job: JAX's compile cache, warnings as sentences, signals as requests to stop."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import typer

from ..errors import ConfigurationWarning, DataWarning
from .console import visible

# Seconds.
_UNTIL_AGAIN = 0.05


def prepare_jax() -> None:
    """Keep compiled programs on disk, so that only the first run of a kind waits for the compiler."""
    import jax
    import platformdirs

    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("lowerbound") + "/compiled")
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        # Each entry would otherwise be looked for again by XLA's own caches, which CPU does not have.
        jax.config.update("jax_persistent_cache_enable_xla_caches", "none")


@contextlib.contextmanager
def warnings_as_sentences(say: Callable[[str], None]) -> Iterator[None]:
    """Show each warning once as a plain sentence, without a file and a line of code."""

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        say(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        for category in (DataWarning, ConfigurationWarning):
            warnings.simplefilter("always", category)
        yield


@contextlib.contextmanager
def interrupts_heard() -> Iterator[None]:
    """Repeat an interrupt that was lost, because it came while a callback ran whose errors nobody is told.

    Python's collector of garbage calls such ones, JAX's among them: a command would go on as if nothing had been typed.
    """
    before = sys.unraisablehook

    def hear(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            return before(lost)
        # Once the callback is over.
        again = threading.Timer(_UNTIL_AGAIN, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = before


class StopRequest:
    """Turns the first SIGINT or SIGTERM into a reason to stop after the running chunk; a second one stops at once."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._previous: dict[int, Any] = {}

    def __call__(self) -> str | None:
        """The reason to stop, or None."""
        return self.reason

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.reason is not None:
            raise KeyboardInterrupt
        self.reason = f"stopped by {signal.Signals(number).name}"
        # A program that is being compiled is waited for, half a minute perhaps.
        say("stopping after the running steps, and saving; once more stops at once")


def say(text: str) -> None:
    """A sentence for a person, on stderr: stdout is for results."""
    typer.echo(visible(text), err=True)
