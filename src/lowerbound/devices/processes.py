"""The processes of one run: how they find each other, which of them writes, and how they end when one is gone.

JAX's own runtime connects them (`jax.distributed`). What is added here are sentences: JAX ends a process that lost another from
within, where nothing of Python runs any more, so a small second process waits beside each and says what happened.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError, LowerboundError

if TYPE_CHECKING:
    from jax.sharding import Mesh

# Until a process that says nothing counts as gone; until all must have come; until the first, which writes the report, ends.
HEARTBEAT_SECONDS, START_SECONDS, END_SECONDS = 60, 120, 24 * 3600
# What each scheduler tells a process of its place, and how many processes there are. JAX finds its way by the same.
_SCHEDULERS = {
    "Slurm": ("SLURM_NTASKS", ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_PROCID", "SLURM_LOCALID")),
    "Open MPI": ("OMPI_COMM_WORLD_SIZE", ("OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_RANK")),
}
_ADDRESS = re.compile(r"\S+:\d{1,5}")
GONE = (
    "error: the run has ended because one of its processes is gone, or because this one was killed. The log of the process that "
    "ended first says why. Nothing is half written; all up to the last checkpoint is kept: lowerbound train --resume RUN.\n"
)
NOT_COME = (
    "error: the processes of the run did not all come within {seconds} seconds, or the coordinator could not be reached. Start "
    "the same command on every host, the first (--process 0) on the coordinator's own; for this process alone: --processes 1.\n"
)
_WATCH = "import sys\nif not sys.stdin.buffer.read(): sys.stderr.write(sys.argv[1])"
_watch: subprocess.Popen[bytes] | None = None


class ProcessLostError(LowerboundError):
    """Another process of the run is gone."""


def scheduler(environment: Mapping[str, str] = os.environ) -> str | None:
    """The scheduler that started this process as one of several; None where it runs alone, in a shell of a job too."""
    for name, (count, others) in _SCHEDULERS.items():
        if environment.get(count, "1") not in ("", "1") and all(variable in environment for variable in others):
            return name
    # Every pod says where its cluster is: only one that has a number is one of several.
    return "Kubernetes" if {"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"} <= environment.keys() else None


def check_place(coordinator: str | None, processes: int | None, process: int | None) -> None:
    """Raise `ConfigurationError` where the three do not say which process of a run this is."""
    if coordinator is None and process is None and processes in (None, 1):
        return
    given = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    if missing := [name for name, value in given.items() if value is None]:
        raise ConfigurationError(
            f"{' and '.join(missing)} is missing; a run of several processes needs --coordinator HOST:PORT (a free port of the "
            "first one's host), --processes N and --process I (0 to N - 1), or a scheduler (Slurm, Open MPI, Kubernetes)."
        )
    assert coordinator is not None
    assert processes is not None
    assert process is not None
    if not _ADDRESS.fullmatch(coordinator):
        raise ConfigurationError(f"--coordinator is {coordinator!r}; expected HOST:PORT, as in node1:1234.")
    if processes < 1 or not 0 <= process < processes:
        raise ConfigurationError(
            f"--process is {process} and --processes {processes}; expected a number of each from 0 to --processes - 1."
        )


def join(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Become one process of a run: of the one that is named, or of the scheduler's where there is one; else nothing is done.

    It must come before JAX is used. Raises `ConfigurationError` where the three do not fit, and `ProcessLostError` where the
    others do not come.
    """
    global _watch
    check_place(coordinator, processes, process)
    found = scheduler()
    if processes == 1 or (coordinator is None and found is None):
        return
    import jax

    _keep_stdout()
    _watch = _watching(NOT_COME.format(seconds=START_SECONDS))
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            initialization_timeout=START_SECONDS,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=END_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        ended()
        raise ProcessLostError(f"JAX cannot connect the processes of the run: {str(error).splitlines()[0]}") from error
    ended()
    _watch = _watching(GONE)
    # It runs before JAX's own, which would wait for the others.
    atexit.register(leave, 1)


def _keep_stdout() -> None:
    """What is not Python's goes to standard error from here on: Gloo would say whom it found between lines of JSON."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        own = os.dup(sys.stdout.fileno())
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        sys.stdout = os.fdopen(own, "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)


def _watching(sentence: str) -> subprocess.Popen[bytes]:
    """A process that says the sentence where this one ends without `ended`."""
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", _WATCH, sentence], stdin=subprocess.PIPE, start_new_session=True)


def ended() -> None:
    """The command ended as it should."""
    global _watch
    if _watch is not None:
        watch, _watch = _watch, None
        watch.communicate(b".")


def leave(status: Any) -> None:
    """End now where the command failed: the others must not wait for this process."""
    if _watch is not None:
        ended()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status if isinstance(status, int) else 1)


def is_first() -> bool:
    """Whether this is the one that writes and speaks; the only process is."""
    import jax

    return jax.process_index() == 0


def wait_for_first(name: str) -> None:
    """Where there are several, all wait here for each other."""
    import jax
    from jax.experimental.multihost_utils import sync_global_devices

    if jax.process_count() > 1:
        sync_global_devices(name)


def agreed(reason: str, mesh: Mesh) -> str:
    """Why to stop, where any of the processes that share a mesh has a reason; "" where none has."""
    if not mesh.is_multi_process:
        return reason
    import numpy as np
    from jax.experimental.multihost_utils import process_allgather

    is_any = bool(np.asarray(process_allgather(np.int32(bool(reason)))).any())
    return (reason or "stopped on another process") if is_any else ""
