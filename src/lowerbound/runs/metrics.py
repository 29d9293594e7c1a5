"""`metrics.csv`: one row for each look of the host at the training."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ..errors import ModelFolderError, SavingError
from ..storage.atomic import write_text
from ..storage.documents import read_file
from ..storage.upgrades import RENAMED_COLUMNS
from ..training import MONITOR, Record

# Behind them stand those of the likelihood's monitors.
COLUMNS = tuple(field.name for field in dataclasses.fields(Record) if field.name != "monitors")
_WHOLE_NUMBERS = ("step", "skipped_steps")


class MetricsFile:
    """Appends `Record`s to a CSV file and reads them back; an absent figure is an empty cell."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: Record) -> None:
        """Add one row; a file that lacks some of its columns gets them. Raises `SavingError` when it cannot be written."""
        row = record.figures
        try:
            with self.path.open("a+", encoding="utf-8") as file:
                file.seek(0)
                columns = file.readline().rstrip("\n").split(",")
                if set(row) <= set(columns):
                    file.write(_line(row, columns))
                    return
        except OSError as error:
            raise SavingError(f"could not add to {self.path}: {error.strerror}. Free some space and resume the run.") from error
        self._write([*self._rows(), row])

    def keep_until(self, step: int) -> None:
        """Drop the rows of later steps: a resumed run will write them again."""
        if self.path.exists():
            self._write([row for row in self._rows() if row["step"] <= step])

    def read(self) -> dict[str, np.ndarray]:
        """The columns as arrays, float64; empty cells are NaN, and so are columns that an earlier release did not write.

        Raises `ModelFolderError` when the file is not one of ours.
        """
        rows = self._rows()
        return {name: np.array([row.get(name, math.nan) for row in rows]) for name in _columns(rows)}

    def _write(self, rows: list[dict[str, float]]) -> None:
        columns = _columns(rows)
        write_text(self.path, ",".join(columns) + "\n" + "".join(_line(row, columns) for row in rows))

    def _rows(self) -> list[dict[str, float]]:
        """All whole rows: a kill in the middle of a write leaves a last line without its end."""
        try:
            lines = read_file(self.path).decode("utf-8").splitlines(keepends=True) if self.path.exists() else []
            rows = list(csv.reader(line for line in lines if line.endswith("\n")))
            header = [RENAMED_COLUMNS.get(name, name) for name in rows[0]] if rows else ["step"]
            if "step" not in header or not {name for name in header if not name.startswith(MONITOR)} <= set(COLUMNS):
                raise ModelFolderError(f"{self.path} has the columns {header}; expected {list(COLUMNS)}.")
            whole = (row for row in rows[1:] if len(row) == len(header))
            return [{name: float(cell or "nan") for name, cell in zip(header, row, strict=True)} for row in whole]
        except (UnicodeDecodeError, ValueError, csv.Error) as error:
            raise ModelFolderError(f"{self.path} cannot be read: {error}. Delete it: the run itself does not need it.") from error


def _columns(rows: list[dict[str, float]]) -> tuple[str, ...]:
    """All that a record has, and the monitors that any row has."""
    return tuple(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))


def _line(row: Mapping[str, float], columns: Iterable[str]) -> str:
    cells = {name: repr(int(value) if name in _WHOLE_NUMBERS else value) for name, value in row.items() if not math.isnan(value)}
    return ",".join(cells.get(name, "") for name in columns) + "\n"
