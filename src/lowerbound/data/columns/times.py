"""Days and moments written as texts."""

from __future__ import annotations

import datetime
import re

import numpy as np

# What a text must look like before it is tried.
_DATE = re.compile(
    r"""
    \s* (\d{1,4}) ([-/.]) (\d{1,2}) \2 (\d{1,4})
    (?: [T\s] (\d{1,2}) : (\d{2}) (?: : (\d{2}) (?: [.,] (\d{1,9}) )? )? \s* (Z | [+-]\d{2}:?\d{2})? )? \s* $
    """,
    re.VERBOSE,
)


def parse_times(cells: np.ndarray) -> np.ndarray | None:
    """(n,) datetime64[us] of texts, NaT for None; None where one of them is no time.

    Read are year-month-day, and day-month-year or month-day-year where all cells agree on one of them, with -, / or . between,
    and hours, minutes and seconds behind; a zone is taken into account, so that moments are those of UTC. Where days and months
    cannot be told apart, the day comes first with points, and the month with slashes.
    """
    found = [None if cell is None else _DATE.match(cell) for cell in cells.tolist()]
    if any(match is None and cell is not None for match, cell in zip(found, cells.tolist(), strict=True)):
        return None
    groups = [match.groups() for match in found if match is not None]
    if not groups:
        return None
    orders = ("ymd",) if len(groups[0][0]) == 4 else (("dmy", "mdy") if groups[0][1] == "." else ("mdy", "dmy"))
    for order in orders:
        times = _in_order(found, order)
        if times is not None:
            return times
    return None


def _in_order(found: list[re.Match[str] | None], order: str) -> np.ndarray | None:
    times = np.full(len(found), np.datetime64("NaT", "us"))
    for row, match in enumerate(found):
        if match is None:
            continue
        first, _, second, third, hour, minute, second_, fraction, zone = match.groups()
        parts = dict(zip(order, (first, second, third), strict=True))
        if len(parts["y"]) not in (2, 4) or max(len(parts["m"]), len(parts["d"])) > 2:
            return None
        year = int(parts["y"]) if len(parts["y"]) == 4 else 2000 + int(parts["y"]) - (100 if int(parts["y"]) >= 70 else 0)
        micro = int((fraction or "0").ljust(6, "0")[:6])
        try:
            moment = datetime.datetime(
                year, int(parts["m"]), int(parts["d"]), int(hour or 0), int(minute or 0), int(second_ or 0), micro
            )
        except ValueError:
            return None
        if zone and zone != "Z":
            digits = zone[1:].replace(":", "")
            offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
            moment = moment - offset if zone[0] == "+" else moment + offset
        times[row] = np.datetime64(moment, "us")
    return times
