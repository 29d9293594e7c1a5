"""Which columns of a table are a part of an example, and what is said of those that are none."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import DataError, shortened, warn_of_data
from .column import Column

_MOST_SHOWN = 10


def kept_columns(columns: Sequence[Column], source: str, num_rows: int) -> list[Column]:
    """Those that are a part of an example; raises `DataError`, with the reasons, where there is none."""
    kept = [column for column in columns if not column.is_left_out]
    if not kept:
        reasons = "; ".join(map(reason_of, columns[:_MOST_SHOWN]))
        remedy = "Give more rows" if num_rows == 1 else "State the kinds of columns in a schema"
        raise DataError(f"{source} has no column to learn from: {reasons}. {remedy}.")
    return kept


def reason_of(column: Column) -> str:
    """Why a column is of its kind, with its name."""
    return f"{column.name!r} ({column.kind}: {shortened(column.reason, 100)})"


def say_left_out(source: str, reasons: Sequence[str]) -> None:
    """Warn of the columns that are left out, each with its reason; of none nothing is said."""
    if reasons:
        more = f" and {len(reasons) - _MOST_SHOWN} more" if len(reasons) > _MOST_SHOWN else ""
        plural = "a column is" if len(reasons) == 1 else f"{len(reasons)} columns are"
        warn_of_data(f"{source}: {plural} left out: {'; '.join(reasons[:_MOST_SHOWN])}{more}.")
