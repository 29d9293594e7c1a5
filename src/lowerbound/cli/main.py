"""The command line as a whole. Each command's work is imported when it runs, so that help and wrong use answer at once."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Annotated

import typer

from ..devices.processes import leave
from ..errors import ConfigurationError, LowerboundError, shortened

# isort: off
# Help lists the commands in this order.
from . import train, explain, schema, evaluate, score, compare, outputs, impute, classify, walks, latents  # noqa: F401
from . import fidelity, effects, doctor, tables, verify, sweep, tune, reproduce  # noqa: F401

# isort: on
from .app import app
from .runtime import interrupts_heard, say, warnings_as_sentences


def _show_version(wanted: bool) -> bool:
    if wanted:
        from .. import __version__

        typer.echo(f"lowerbound {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


# Typer's status for a KeyboardInterrupt, and every shell's.
_INTERRUPTED = 130
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def main() -> None:
    """Run the command line; exit status 0, 1 (failed), 2 (wrong use) or 130 (interrupted)."""
    try:
        _run()
    except SystemExit as leaving:
        leave(leaving.code)
        raise


def _run() -> None:
    try:
        try:
            with interrupts_heard(), warnings_as_sentences(say):
                app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except ConfigurationError as error:
        _fail(error, 2)
    except LowerboundError as error:
        _fail(error, 1)
    except SystemExit as leaving:
        if leaving.code != _INTERRUPTED:
            raise
        # A key that is still held down would be met by whatever ends last, with a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        say("stopped")
        sys.exit(_INTERRUPTED)
    except OSError as error:
        # Files are named in their errors; what has no name is the stream that results go to.
        if error.filename is not None:
            _fail(LowerboundError(f"{shortened(str(error.filename))} cannot be used: {error.strerror}."), 1)
        if error.errno not in _UNWRITABLE:
            raise
        # What still waits would be written again, in vain, when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if sys.stdout is None else sys.stdout.fileno())
        _fail(LowerboundError(f"the result could not be written to stdout: {error.strerror}. Send it to another place."), 1)


def _fail(error: LowerboundError, status: int) -> None:
    say(f"error: {error}")
    sys.exit(status)
