"""The kinds of a table's columns as a TOML file that a person edits and gives back."""

from __future__ import annotations

import dataclasses
import json
import tomllib
import typing
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...errors import DataError, MissingDataError, closest_name, shortened, unknown_name_message
from ...storage.regular import MISSING, not_a_file
from .column import CODED, KINDS_IN_WORDS, LEFT_OUT, Column, ColumnKind, in_words
from .infer import infer_columns
from .raw import RawTable, is_missing

# Longer lists of categories are not written: they are found again.
_MOST_CATEGORIES = 40
_KEYS = ("kind", "likelihood", "categories")
_LARGEST_FILE = 2**26


@dataclasses.dataclass(frozen=True)
class Stated:
    """What a schema says of one column: its kind, and where a person chose them the name of its law and its categories."""

    kind: ColumnKind
    likelihood: str = ""
    categories: tuple[float | str, ...] = ()


def to_toml(columns: Sequence[Column], source: str) -> str:
    """The text of a schema: a section for each column, with the reason for its kind as a comment.

    >>> print(to_toml([Column("age", "count", "whole numbers from 0 to 90")], "t.csv").split("\\n\\n")[1])
    [columns.age]
    kind = "count"  # whole numbers from 0 to 90
    """
    kinds = "\n".join(f"#   {kind + ':':<15}{words}" for kind, words in KINDS_IN_WORDS.items())
    lines = [
        f"# The columns of {_comment(source)}.\n"
        "# Edit it, and give it back: lowerbound train DATA --schema FILE. A column without a section is inferred. Kinds:\n"
        f"{kinds}\n"
        f"# What is {', '.join(LEFT_OUT[:-1])} or {LEFT_OUT[-1]} is left out. The categories of an ordinal column stand in their "
        "order."
    ]
    for column in columns:
        reason = f"  # {_comment(column.reason)}" if column.reason else ""
        written = [f"[columns.{_key(column.name)}]", f"kind = {_value(column.kind)}{reason}"]
        if column.likelihood:
            written.append(f"likelihood = {_value(column.likelihood)}")
        if column.is_coded and len(column.categories) <= _MOST_CATEGORIES:
            written.append(f"categories = [{', '.join(map(_value, column.categories))}]")
        lines.append("\n".join(written))
    return "\n\n".join(lines) + "\n"


def _key(name: str) -> str:
    is_bare = bool(name) and name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _value(name)


def _value(value: float | str) -> str:
    if isinstance(value, str):
        # TOML's basic strings are JSON's, but for one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(int(value) if float(value).is_integer() and abs(value) < 2**53 else value)


def _comment(text: str) -> str:
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def read_schema(path: str | Path) -> dict[str, Stated]:
    """What a schema says of each column it names.

    Raises `MissingDataError` where there is no such file, and `DataError`, with the file and the key, for what is no schema, for
    a kind that is not known, and for categories that are no list of texts or numbers.
    """
    path = Path(path).expanduser()
    reason = not_a_file(path)
    if reason == MISSING:
        raise MissingDataError(f"there is no schema {path}; write one: lowerbound schema DATA --out {path}.")
    if reason is not None or path.stat().st_size > _LARGEST_FILE:
        raise DataError(f"the schema {path} {reason or 'is no text that a person wrote'}; expected a TOML file.")
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(
            f"the schema {path} is no TOML ({error}); correct it, or write it again: lowerbound schema DATA."
        ) from error
    unknown = [key for key in sections if key != "columns"]
    columns = sections.get("columns")
    if unknown or not isinstance(columns, dict) or not columns:
        what = f"has {unknown[0]!r}" if unknown else "has no section of a column"
        raise DataError(f'the schema {path} {what}; expected sections such as [columns.age] with kind = "count".')
    return {name: stated_of(f"{path}: columns.{_key(name)}", values) for name, values in columns.items()}


def stated_of(where: str, values: Any) -> Stated:
    """What a section says of a column; raises `DataError`, with `where`, for what is none."""
    if not isinstance(values, dict):
        raise DataError(f'{where} is {shortened(repr(values))}; expected a section with kind = "count" or another kind.')
    for key in values:
        if key not in _KEYS:
            raise DataError(f"{where}: {unknown_name_message('the key', key, _KEYS)}")
    kinds = typing.get_args(ColumnKind)
    kind = values.get("kind")
    if not isinstance(kind, str):
        raise DataError(f"{where}.kind is {shortened(repr(kind))}; expected one of {', '.join(kinds)}.")
    if kind not in kinds:
        raise DataError(unknown_name_message(f"{where}.kind", kind, kinds))
    likelihood, categories = values.get("likelihood", ""), values.get("categories", [])
    if not isinstance(likelihood, str):
        raise DataError(f"{where}.likelihood is {shortened(repr(likelihood))}; expected the name of a likelihood.")
    are_texts = isinstance(categories, list) and all(isinstance(each, str) for each in categories)
    are_numbers = isinstance(categories, list) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in categories
    )
    if not (are_texts or are_numbers) or len(set(categories)) < len(categories):
        raise DataError(
            f"{where}.categories is {shortened(repr(categories))}; expected a list of texts or of numbers, each once."
        )
    if categories and kind not in CODED:
        raise DataError(f"{where}.categories is given, but its kind is {kind!r}, which has none; leave it out.")
    return Stated(cast(ColumnKind, kind), likelihood, tuple(each if are_texts else float(each) for each in categories))


def columns_by(stated: Mapping[str, Stated], table: RawTable, source: str, set_aside: Collection[str] = ()) -> tuple[Column, ...]:
    """The columns of a table, of the kinds that a schema states, and of those that the cells show where it says nothing.

    - `source`: the schema's path. `set_aside`: names of columns of which it may speak although the table lacks them.

    Raises `DataError`, with the schema and the key, for a column that the table lacks, and for a kind that the cells contradict.
    """
    stated = {name: each for name, each in stated.items() if name not in set_aside}
    for name in stated:
        if name not in table.names:
            hint = f" Did you mean {nearest!r}?" if (nearest := closest_name(name, table.names)) else ""
            raise DataError(
                f"{source}: columns.{_key(name)}: {table.source} has no column {name!r}.{hint} It has "
                f"{', '.join(map(repr, table.names[:10]))}{', ...' if len(table.names) > 10 else ''}."
            )
    known = {name: _known(name, each, table, f"{source}: columns.{_key(name)}", source) for name, each in stated.items()}
    return infer_columns(table, known)


def _known(name: str, stated: Stated, table: RawTable, where: str, source: str) -> Column:
    cells = table.column(name)
    missing = is_missing(cells)
    column = Column(name, stated.kind, f"stated in {source}", likelihood=stated.likelihood, categories=stated.categories)
    if column.is_left_out:
        return column
    if missing.all():
        raise DataError(
            f'{where}.kind is {stated.kind!r}, but no cell of the column has a value; leave it out: kind = "constant".'
        )
    if not column.is_coded:
        _check_numbers(column, table, where)
        return column
    if not stated.categories:
        if stated.kind == "ordinal" and cells.dtype.kind != "f":
            raise DataError(
                f'{where}.kind is \'ordinal\', but its cells are texts; state their order: categories = ["low", "high"].'
            )
        # Whether its values are texts is seen by its categories; which there are is counted.
        column = dataclasses.replace(column, categories=(0.0,) if cells.dtype.kind == "f" else ("",))
    if not column.has_texts:
        _check_numbers(column, table, where)
    fitted = column.fitted(table)
    if stated.categories and (unknown := set(fitted.categories) - set(stated.categories)):
        value = min(unknown, key=str)
        texts = [None if lacks else in_words(cell) for cell, lacks in zip(cells.tolist(), missing, strict=True)]
        row = texts.index(in_words(value)) if in_words(value) in texts else int(np.argmax(~missing))
        raise DataError(
            f"{table.where(row, name)} is {in_words(value)!r}, which is none of the values in {where}.categories; add it "
            "there, or correct the cell."
        )
    if stated.kind == "binary" and len(fitted.categories) > 2:
        shown = ", ".join(in_words(category) for category in fitted.categories[:5])
        raise DataError(
            f"{where}.kind is 'binary', but the column has {len(fitted.categories):,} different values ({shown}, ...); expected "
            "'categorical', or for numbers 'ordinal'."
        )
    return column


def _check_numbers(column: Column, table: RawTable, where: str) -> None:
    """Raise `DataError` where a cell is no number, or none of those that the kind allows."""
    try:
        values = column.encode(table)
    except DataError as error:
        raise DataError(f"{where}.kind is {column.kind!r}, but {error}") from error
    rules = {
        "positive": ("numbers above 0", lambda values: values > 0),
        "zero-inflated": ("numbers from 0 up", lambda values: values >= 0),
        "count": ("whole numbers from 0 up", lambda values: (values >= 0) & (values == np.rint(values))),
    }
    if column.kind not in rules:
        return
    expected, is_right = rules[column.kind]
    wrong = np.flatnonzero(~(np.isnan(values) | is_right(values)))
    if len(wrong):
        raise DataError(
            f"{where}.kind is {column.kind!r}, but {table.where(int(wrong[0]), column.name)} is {values[wrong[0]]:g}; expected "
            f"{expected}, or another kind, such as 'real'."
        )
