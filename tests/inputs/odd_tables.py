"""Tables as no one would wish them: columns of odd cells under odd names, with holes, in every format that is read."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import gzip
import io
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

Cells = list[Any]

_FORMULAS = ("=1+1", "+A1", "-B2", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1", "'=x", "''")
_WORDS = (
    "ä",
    "ß∂ƒ",
    "日本語",
    "🙂",
    "\u202eabc",
    "e\u0301",
    "\ufeffx",
    "a\u200bb",
    "\x07",
    "[bold]x[/]",
    "[/x]",
    "\x1b[31mred",
    "%s{}",
)
_QUOTED = ("a,b", "a;b", 'say "x"', "line\nbreak", "tab\there", "a|b", "'", '"', "\\", "# no comment", "\r", "x=1")
_NUMBERS_AS_TYPED = (
    "007",
    "1_000",
    "0x1F",
    "1e5",
    "1E-400",
    "١٢",
    "½",
    "1,5",
    "1.234,5",
    "12%",
    "$3.50",
    "1 000",
    "+5",
    ".5",
    "5.",
    "--1",
)
_DAYS_AS_TEXTS = ("2020-01-31", "31.01.2020", "01/31/2020", "2020-13-01", "0000-00-00", "9999-12-31", "0001-01-01T00:00:00Z")
_WORDS_OF_NOTHING = ("NA", "n/a", "None", "null", "-", "?", ".", "nan", "NaT", "#N/A", " ", "missing", "-999", "inf")


def _some(values: Sequence[Any]) -> Callable[[np.random.Generator, int], Cells]:
    return lambda rng, size: [values[place] for place in rng.integers(0, len(values), size)]


def _days(rng: np.random.Generator, size: int) -> Cells:
    return [datetime.date(2020, 1, 1) + datetime.timedelta(days=int(days)) for days in rng.integers(0, 900, size)]


def _moments(rng: np.random.Generator, size: int) -> Cells:
    return [datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=float(each)) for each in rng.uniform(0, 1e7, size)]


def _with_one(values: Cells, odd: Any) -> Cells:
    return [*values[:-1], odd]


# What the cells of a column are, by a name for it.
COLUMNS: dict[str, Callable[[np.random.Generator, int], Cells]] = {
    "real": lambda rng, size: rng.normal(size=size).tolist(),
    "skewed": lambda rng, size: np.exp(2 * rng.normal(size=size)).tolist(),
    "many zeros": lambda rng, size: (rng.exponential(size=size) * rng.integers(0, 2, size)).tolist(),
    "count": lambda rng, size: rng.poisson(3, size).tolist(),
    "levels": lambda rng, size: rng.integers(0, 4, size).tolist(),
    "two": lambda rng, size: rng.integers(0, 2, size).tolist(),
    "boolean": lambda rng, size: [bool(value) for value in rng.integers(0, 2, size)],
    "category": _some(("red", "green", "blue")),
    "all different": lambda rng, size: [f"k{number}" for number in range(size)],
    "sentence": lambda rng, size: [f"the row is number {number}" for number in range(size)],
    "day": _days,
    "moment": _moments,
    "first and last day": _some((datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2000, 2, 29))),
    "day as text": _some(_DAYS_AS_TEXTS),
    "constant": lambda rng, size: [7] * size,
    "nothing": lambda rng, size: [None] * size,
    "one value": lambda rng, size: _with_one([None] * size, 2.5),
    "one text": lambda rng, size: _with_one([None] * size, "x"),
    "huge": lambda rng, size: (rng.normal(size=size) * 1e30).tolist(),
    "beyond float32": lambda rng, size: (rng.normal(size=size) * 1e300).tolist(),
    "tiny": lambda rng, size: (rng.normal(size=size) * 1e-40).tolist(),
    "least": lambda rng, size: (rng.integers(-9, 9, size) * 5e-324).tolist(),
    "positive and tiny": lambda rng, size: (np.exp(2 * rng.normal(size=size)) * 1e-42).tolist(),
    "far from zero": lambda rng, size: (1.7e12 + rng.normal(size=size)).tolist(),
    "every size": lambda rng, size: (10.0 ** rng.uniform(-30, 30, size)).tolist(),
    "large whole": lambda rng, size: (2**60 + rng.integers(0, 9, size)).tolist(),
    "minus zero": lambda rng, size: [(-0.0, 0.0, 1.5)[place] for place in rng.integers(0, 3, size)],
    "an outlier": lambda rng, size: _with_one(rng.normal(size=size).tolist(), 1e25),
    "infinite": lambda rng, size: _with_one(rng.normal(size=size).tolist(), float("inf")),
    "number and one word": lambda rng, size: _with_one(rng.normal(size=size).tolist(), "x"),
    "mixed": _some((1, "a", 2.5, True, None, datetime.date(2020, 1, 1))),
    "formula": _some(_FORMULAS),
    "unicode": _some(_WORDS),
    "quoted": _some(_QUOTED),
    "as typed": _some(_NUMBERS_AS_TYPED),
    "words of nothing": _some(_WORDS_OF_NOTHING),
    "long": lambda rng, size: ["n" * 3000, *("ab" for _ in range(size - 1))],
}  # fmt: skip
PLAIN = ("real", "skewed", "many zeros", "count", "levels", "boolean", "category", "day")

NAMES = (
    *("a", "b", "height", "a b", " a", "a ", "A"),
    *("=1+1", "+x", "@y", "-z", "'q", "a,b", "a;b", 'say "x"', "two\nlines", "tab\tx", "x=y", "a|b"),
    *("ä", "日本", "🙂", "\u202ex", "[bold]", "\x1b[31m", "%s", "{}", "n" * 300, "0", "1", "1.5", "nan", "True"),
    *("a_low", "a_high", "score", "p_value", "flag", "data", "columns", "index", "__index_level_0__", "Unnamed: 0", "id", "\\"),
)
FORMATS = ("csv", "csv", "csv", "semicolon", "tab", "pipe", "gzip", "utf-16", "latin-1", "parquet", "feather", "database")


@dataclasses.dataclass(frozen=True)
class OddTable:
    """Names and columns of cells: Python's numbers, texts, booleans, days and moments, None for no value."""

    names: tuple[str, ...]
    columns: tuple[Cells, ...]

    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*self.columns, strict=True))

    def write(self, folder: Path, form: str) -> list[str]:
        """The table in a file of a form; how a command line names it: a path, or a database and its query."""
        if form == "database":
            return self._database(folder / "t.db")
        if form in ("parquet", "feather"):
            return [str(self._arrow(folder / f"t.{form}", form))]
        ending = {"tab": "tsv", "gzip": "csv.gz"}.get(form, "csv")
        text = io.StringIO()
        separator = {"semicolon": ";", "tab": "\t", "pipe": "|"}.get(form, ",")
        writer = csv.writer(text, delimiter=separator)
        writer.writerows([self.names, *(["" if cell is None else str(cell) for cell in row] for row in self.rows())])
        content = text.getvalue().encode(form if form in ("utf-16", "latin-1") else "utf-8", "replace")
        path = folder / f"t.{ending}"
        path.write_bytes(gzip.compress(content) if form == "gzip" else content)
        return [str(path)]

    def _arrow(self, path: Path, form: str) -> Path:
        import pyarrow
        import pyarrow.feather
        import pyarrow.parquet

        table = pyarrow.Table.from_arrays([_arrow_column(cells) for cells in self.columns], names=list(self.names))
        (pyarrow.feather.write_feather if form == "feather" else pyarrow.parquet.write_table)(table, str(path))
        return path

    def _database(self, path: Path) -> list[str]:
        # SQLite takes a name once, whatever its letters' case.
        names = [f"{name}{place}" for place, name in enumerate(self.names)]
        quoted = ['"' + name.replace('"', '""') + '"' for name in names]
        with sqlite3.connect(path) as base:
            base.execute(f"create table t ({', '.join(quoted)})")
            places = ", ".join("?" * len(names))
            rows = [[_for_database(cell) for cell in row] for row in self.rows()]
            base.executemany(f"insert into t values ({places})", rows)
        return [f"sqlite:///{path}", "--query", "select * from t"]


def _arrow_column(cells: Cells) -> Any:
    import pyarrow

    try:
        return pyarrow.array(cells)
    except (pyarrow.ArrowException, OverflowError, TypeError):
        return pyarrow.array([None if cell is None else str(cell) for cell in cells])


def _for_database(cell: Any) -> Any:
    return str(cell) if isinstance(cell, datetime.date) or (isinstance(cell, int) and abs(cell) > 2**63) else cell


def with_holes(table: OddTable, share: float, rng: np.random.Generator) -> OddTable:
    """The table without the values of so large a share of its cells."""
    hidden = (rng.random(len(cells)) < share for cells in table.columns)
    columns = [
        [None if hides else cell for cell, hides in zip(cells, gone, strict=True)]
        for cells, gone in zip(table.columns, hidden, strict=True)
    ]
    return OddTable(table.names, tuple(columns))


@st.composite
def odd_tables(draw: Any, sizes: Sequence[int] = (1, 2, 3, 25, 60), most: int = 4) -> OddTable:
    """One column to `most` under any names, with holes in cells, rows and columns."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    size = draw(st.sampled_from(sizes))
    kinds = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=most))
    count = len(kinds)
    is_odd = draw(st.booleans())
    names = draw(st.lists(st.sampled_from(NAMES), min_size=count, max_size=count, unique=True)) if is_odd else "vwxyz"[:count]
    table = OddTable(tuple(names), tuple(COLUMNS[kind](rng, size) for kind in kinds))
    table = with_holes(table, draw(st.sampled_from((0.0, 0.0, 0.2, 0.6))), rng)
    empty = rng.random(size) < draw(st.sampled_from((0.0, 0.0, 0.2)))
    columns = [[None if is_empty else cell for cell, is_empty in zip(cells, empty, strict=True)] for cells in table.columns]
    return OddTable(table.names, tuple(columns))
