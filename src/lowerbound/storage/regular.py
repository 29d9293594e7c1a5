"""Whether a path is a file that ends: a pipe would be waited for, and a device read, for ever."""

from __future__ import annotations

import os
import stat
from pathlib import Path

# What is said of the commonest.
MISSING, FOLDER = "does not exist", "is a folder"
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def not_a_file(path: str | os.PathLike[str]) -> str | None:
    """What stands at a path in place of a regular file, for an error's text ("is a named pipe"); None where it is one.

    It is asked before the file is opened, and looks at nothing but the file's status.
    """
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return MISSING
    except (OSError, ValueError) as error:
        # A name too long, a folder that may not be entered, a circle of links, a byte 0 in the name.
        return f"cannot be looked at ({getattr(error, 'strerror', None) or error})"
    if stat.S_ISREG(mode):
        return None if os.access(path, os.R_OK) else "may not be read (its permissions)"
    return "is " + next((words for is_kind, words in _KINDS if is_kind(mode)), "no regular file")
