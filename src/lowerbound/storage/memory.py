"""What memory is free, and whether something fits: asked before it is allocated, because the system ends what takes more."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import TooLargeError

_GROUPS = Path("/sys/fs/cgroup")
# Of a control group's two versions: (folder below _GROUPS, its limit, what it holds).
_GROUP_FILES = (("", "memory.max", "memory.current"), ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))


def free_bytes() -> int:
    """Memory in bytes that this process may still take: what the machine has free, or less where a control group or `ulimit -v`
    has a limit."""
    return max(0, min(_free_of_machine(), _free_of_addresses(), *_free_of_groups()))


def check_fits(num_bytes: float, what: str, remedy: str) -> None:
    """Raise `TooLargeError` where `num_bytes` are more than is free.

    - `what`: what would take them, with the argument or the key that asks for it.
    - `remedy`: what to do, a clause.
    """
    free = free_bytes()
    if num_bytes > free:
        raise TooLargeError(f"{what} would take {readable(num_bytes)} of memory, and {readable(free)} are free; {remedy}.")


@contextlib.contextmanager
def in_memory(what: str) -> Iterator[None]:
    """Turn the errors with which NumPy and XLA say that memory ran out into a `TooLargeError`; `what`: a sentence."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # XLA's own error is a RuntimeError
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise TooLargeError(f"{what} ({str(error).splitlines()[0]})") from error


def check_number_fits(argument: str, number: int, bytes_each: float, what: str) -> None:
    """Raise `TooLargeError`, with how many would fit, where `number` things of `bytes_each` are more than is free.

    - `argument`: what asks for them ("-n"). `what`: the things' name in the plural.
    """
    most = int(free_bytes() // max(1.0, bytes_each))
    check_fits(number * bytes_each, f"{argument} is {number:,}: so many {what}", f"about {most:,} would fit")


def readable(num_bytes: float) -> str:
    """A number of bytes for a person: '2.5 GB'."""
    size, units = float(num_bytes), ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
    power = 0 if size < 1000 else min(len(units) - 1, int(math.log10(size) // 3))
    scaled = size / 1000**power
    return f"{scaled:.0f} {units[power]}" if scaled >= 100 or not power else f"{scaled:.2g} {units[power]}"


def _free_of_machine() -> int:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        # Other systems do not say what is free: at least no more than there is.
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 2**63


def _free_of_addresses() -> int:
    """What `ulimit -v` leaves of the process's addresses, among them some that hold no memory; 2**63 where it sets no limit."""
    if sys.platform == "win32":
        return 2**63
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = next(iter(_lines(Path("/proc/self/statm"))), "0").split()[0]
    return 2**63 if most == resource.RLIM_INFINITY else most - int(pages) * resource.getpagesize()


def _free_of_groups() -> Iterator[int]:
    """What each control group around this process leaves, as far as it sets a limit."""
    yield 2**63
    own = [line.split(":", 2)[2].strip("/") for line in _lines(Path("/proc/self/cgroup")) if line.split(":")[1] in ("", "memory")]
    for below, limit, current in _GROUP_FILES:
        for group in {folder for path in own for folder in (Path(path), *Path(path).parents)} | {Path()}:
            try:
                most, held = (int((_GROUPS / below / group / name).read_text()) for name in (limit, current))
            except (OSError, ValueError):
                # No such group, or "max": no limit.
                continue
            yield most - held


def _lines(path: Path) -> Iterable[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ()
