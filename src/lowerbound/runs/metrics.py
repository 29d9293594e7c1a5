"""`metrics.csv`: one row for each look of the host at the training."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from pathlib import Path

import numpy as np

from ..errors import ModelFolderError, SavingError
from ..storage.atomic import write_text
from ..training import Record

COLUMNS = tuple(field.name for field in dataclasses.fields(Record))
_HEADER = ",".join(COLUMNS) + "\n"


class MetricsFile:
    """Appends `Record`s to a CSV file and reads them back; an absent figure is an empty cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Record) -> None:
        """Add one row, with a header first if the file is new. Raises `SavingError` when it cannot be written."""
        values = dataclasses.asdict(record).values()
        line = ",".join("" if math.isnan(value) else repr(value) for value in values) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write((_HEADER if file.tell() == 0 else "") + line)
        except OSError as error:
            raise SavingError(f"could not add to {self.path}: {error.strerror}. Free some space and resume the run.") from error

    def keep_until(self, step: int) -> None:
        """Drop the rows of later steps: a resumed run will write them again."""
        if self.path.exists():
            lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
            column = COLUMNS.index("step")
            kept = [line for line in lines[1:] if _is_whole(line) and int(line.split(",")[column]) <= step]
            write_text(self.path, "".join([_HEADER, *kept]))

    def read(self) -> dict[str, np.ndarray]:
        """The columns as arrays, float64; empty cells are NaN.

        Raises `ModelFolderError` when the file is not one of ours.
        """
        if not self.path.exists():
            return {name: np.empty(0) for name in COLUMNS}
        rows = list(csv.DictReader(io.StringIO(self.path.read_text(encoding="utf-8"))))
        if rows and set(rows[0]) != set(COLUMNS):
            raise ModelFolderError(f"{self.path} has the columns {list(rows[0])}; expected {list(COLUMNS)}.")
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in COLUMNS}


def _is_whole(line: str) -> bool:
    # A kill in the middle of a write leaves a last line without its end.
    return line.endswith("\n") and line.count(",") == len(COLUMNS) - 1
