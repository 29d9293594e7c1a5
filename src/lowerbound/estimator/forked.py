"""A process that was forked after JAX was in use would wait for ever for threads that it does not have: it is told so."""

from __future__ import annotations

import os
import sys

from ..errors import ForkedProcessError

_was_forked_in_use = False


def _note_fork() -> None:
    global _was_forked_in_use
    bridge = sys.modules.get("jax._src.xla_bridge")
    _was_forked_in_use = _was_forked_in_use or bool(getattr(bridge, "_backends", None))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked() -> None:
    """Raise `ForkedProcessError` in a child of a process that had used JAX before it was forked."""
    if _was_forked_in_use:
        raise ForkedProcessError(
            "this process was forked from one that had used JAX already, whose threads it does not have: computing here would "
            "never end. Start workers anew: multiprocessing.get_context('spawn'), or joblib's default backend (n_jobs of "
            "scikit-learn), or fork before the first fit."
        )
