"""Writing that is all or nothing: a kill, a full disk or a power cut leaves the old file or folder, or the new one, never half.

Everything is written under a temporary name beside its place (`.NAME.partial-PID-N`), forced to the disk, then renamed.
A folder that replaces another first moves the old one aside (`.NAME.previous-PID-N`): a process killed between those two
renames leaves the old folder under that name, from which `recover_folder` brings it back. The next save in the same place
sweeps up whatever else a killed one left.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import LowerboundError, SavingError

_counter = itertools.count()
_in_use: set[str] = set()
_OLD_SECONDS = 3600.0
_LEFTOVER = re.compile(r"\.(.+)\.(partial|previous)-(\d+)-\d+")


def write_bytes(path: str | Path, content: bytes) -> None:
    """Make `path` a file with this content, or leave it as it was and raise `SavingError`."""
    path = Path(path)
    with _saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(path.parent)
        with _temporary_name(path, "partial") as temporary:
            write_and_sync(temporary, content)
            os.replace(temporary, path)
        _sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """`write_bytes` for text, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def new_folder(path: str | Path, *, replace: bool = True) -> Iterator[Path]:
    """A temporary folder to fill inside a `with`; at its end it becomes `path`, replacing what was there.

    - `replace`: False never replaces: it raises `SavingError` when something has come to be there.

    When the block raises, the temporary folder is removed and `path` is as it was; an `OSError` becomes a `SavingError`.
    """
    path = Path(path)
    with _saving(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        recover_folder(path)
        _remove_leftovers(path.parent)
        with _temporary_name(path, "partial") as temporary:
            temporary.mkdir()
            yield temporary
            for folder, _, _ in os.walk(temporary):
                _sync_folder(Path(folder))
            (_put_in_place if replace else os.rename)(temporary, path)
        _sync_folder(path.parent)


def write_and_sync(path: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk; for files inside a `new_folder`."""
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def recover_folder(path: str | Path) -> None:
    """Bring `path` back if a process was killed while replacing it; does nothing when `path` is there."""
    path = Path(path)
    if os.path.exists(path) or not os.path.isdir(path.parent):
        return
    moved_aside = _siblings(path, "previous")
    if moved_aside:
        # A reader may have no right to rename; it then finds the folder missing, and says so.
        with contextlib.suppress(OSError):
            os.rename(max(moved_aside, key=lambda folder: folder.stat().st_mtime), path)


def remove_folder(path: str | Path) -> None:
    """Delete a folder so that it is either all there or gone: it loses its name first."""
    path = Path(path)
    with _saving(path), _temporary_name(path, "partial") as doomed:
        os.rename(path, doomed)


def _put_in_place(folder: Path, path: Path) -> None:
    if not path.exists():
        os.rename(folder, path)
        return
    with _temporary_name(path, "previous") as moved_aside:
        os.rename(path, moved_aside)
        try:
            os.rename(folder, path)
        except BaseException:
            os.rename(moved_aside, path)
            raise


@contextlib.contextmanager
def _temporary_name(path: Path, purpose: str) -> Iterator[Path]:
    """A name beside `path` that no one else uses; whatever bears it at the end is deleted."""
    temporary = path.with_name(f".{path.name}.{purpose}-{os.getpid()}-{next(_counter)}")
    _in_use.add(temporary.name)
    try:
        yield temporary
    finally:
        _delete(temporary)
        _in_use.discard(temporary.name)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _siblings(path: Path, purpose: str) -> list[Path]:
    return [
        sibling
        for sibling in path.parent.iterdir()
        if (match := _LEFTOVER.fullmatch(sibling.name)) and match[1] == path.name and match[2] == purpose
    ]


def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left in `folder`, but nothing that `recover_folder` could still bring back."""
    for entry in folder.iterdir():
        match = _LEFTOVER.fullmatch(entry.name)
        if match is None or (match[2] == "previous" and not os.path.exists(folder / match[1])):
            continue
        with contextlib.suppress(OSError):
            is_old = time.time() - entry.stat().st_mtime > _OLD_SECONDS
            process = int(match[3])
            if entry.name not in _in_use and (is_old or process == os.getpid() or not _is_alive(process)):
                _delete(entry)


def _is_alive(process: int) -> bool:
    # On Windows, os.kill(pid, 0) would send Ctrl-C; there only old leftovers are deleted.
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    # A folder cannot be opened for this on Windows, and some network file systems refuse it.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


_ADVICE = {
    errno.ENOSPC: "Free some space, or save to a folder on another disk.",
    errno.EDQUOT: "Free some of your quota, or save to a folder on another disk.",
    errno.EFBIG: "The system limits the size of a file (see `ulimit -f`); raise the limit, or save to another disk.",
    errno.EACCES: "Ask for permission to write there, or save to a folder of your own.",
    errno.EPERM: "Ask for permission to write there, or save to a folder of your own.",
    errno.EROFS: "That disk is read-only; save to another one.",
    errno.ENOTDIR: "A part of that path is a file; save to a path whose parents are folders.",
    errno.EEXIST: "A part of that path is a file; save to a path whose parents are folders.",
    errno.ENOTEMPTY: "Another process made that folder meanwhile; give another one.",
    errno.ENAMETOOLONG: "Save to a shorter path.",
}


@contextlib.contextmanager
def _saving(path: Path) -> Iterator[None]:
    try:
        yield
    except LowerboundError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        advice = _ADVICE.get(error.errno or 0, "Check that the disk works and is mounted, or save to another folder.")
        raise SavingError(f"could not save {path}: {reason}. What was saved there before is untouched. {advice}") from error
