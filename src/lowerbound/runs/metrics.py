"""`metrics.csv`: one row for each look of the host at the training."""

from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np

from ..errors import ModelFolderError, SavingError
from ..storage.atomic import write_text
from ..storage.documents import read_file
from ..storage.upgrades import RENAMED_COLUMNS
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
            rows = [row for row in self._rows() if row["step"] <= step]
            lines = [",".join("" if math.isnan(row[name]) else _text(name, row[name]) for name in COLUMNS) + "\n" for row in rows]
            write_text(self.path, "".join([_HEADER, *lines]))

    def read(self) -> dict[str, np.ndarray]:
        """The columns as arrays, float64; empty cells are NaN, and so are columns that an earlier release did not write.

        Raises `ModelFolderError` when the file is not one of ours.
        """
        rows = self._rows() if self.path.exists() else []
        return {name: np.array([row[name] for row in rows]) for name in COLUMNS}

    def _rows(self) -> list[dict[str, float]]:
        """All whole rows: a kill in the middle of a write leaves a last line without its end."""
        try:
            lines = read_file(self.path).decode("utf-8").splitlines(keepends=True)
            rows = list(csv.reader(line for line in lines if line.endswith("\n")))
            header = [RENAMED_COLUMNS.get(name, name) for name in rows[0]] if rows else ["step"]
            if "step" not in header or not set(header) <= set(COLUMNS):
                raise ModelFolderError(f"{self.path} has the columns {header}; expected {list(COLUMNS)}.")
            absent = dict.fromkeys(COLUMNS, math.nan)
            whole = (row for row in rows[1:] if len(row) == len(header))
            return [absent | {name: float(cell or "nan") for name, cell in zip(header, row, strict=True)} for row in whole]
        except (UnicodeDecodeError, ValueError, csv.Error) as error:
            raise ModelFolderError(f"{self.path} cannot be read: {error}. Delete it: the run itself does not need it.") from error


def _text(name: str, value: float) -> str:
    return repr(int(value)) if name == "step" else repr(value)
