"""The description of a table with columns of several kinds, from its training rows alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..errors import DataError, warn_of_data
from .columns import Column, RawTable, infer_columns
from .columns.column import in_words
from .columns.infer import refitted
from .columns.left_out import kept_columns, reason_of, say_left_out
from .dataset import Dataset
from .describe import describe
from .holes import filled, share_of_holes
from .spec import DataSpec
from .streams import rows_of
from .streams.tables import encoded, names_of

_MOST_PATTERNS = 500
# Rows that are not in memory.
_MOST_LOOKED_AT = 10_000
# So many columns with values that training did not see are named; of so many rows not one is like training's by chance.
_MOST_SHOWN, _ENOUGH_ROWS = 5, 10


def describe_table(dataset: Dataset, rows: np.ndarray) -> DataSpec:
    """The `DataSpec` of a table's training rows; `dataset.table` is what was read.

    A coded column has the moments of its codes. Others are described as the columns of a table of numbers are.

    Raises `DataError` when no column is left, or one has no value in any training row; warns as `describe` does.
    """
    assert dataset.table is not None
    fitted = refitted(dataset.columns, dataset.table.rows(rows))
    columns = tuple(kept_columns(fitted, dataset.name, len(rows)))
    names = tuple(column.name for column in columns)
    encoded = np.stack([column.encode(dataset.table) for column in columns], axis=1)[rows]
    holes = share_of_holes(encoded)
    whole = filled(encoded, name=dataset.name, names=names)
    is_coded = np.asarray([column.is_coded for column in columns])
    size = len(columns)
    # Numbers that float32 cannot hold are refused later, by their row.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std, step = whole.mean(axis=0), whole.std(axis=0), np.ones(size)
    low, high, plausible_low, plausible_high = whole.min(axis=0), whole.max(axis=0), np.full(size, -1.0), np.full(size, 1.0)
    tails = np.zeros((size, 6))
    low[is_coded], high[is_coded] = 0.0, [column.num_codes - 1 for column in columns if column.is_coded]
    plausible_low[is_coded], plausible_high[is_coded] = low[is_coded], high[is_coded]
    origin, is_whole = np.zeros(size), is_coded.copy()
    atoms: dict[str, list[tuple[float, ...]]] = {}
    if not is_coded.all():
        others = np.flatnonzero(~is_coded)
        of_numbers = describe(whole[:, others], [names[element] for element in others], kind="rows", name=dataset.name, rows=rows)
        mean[others], std[others], step[others] = of_numbers.mean, of_numbers.std, _each(of_numbers.step, len(others))
        low[others], high[others] = of_numbers.element_low, of_numbers.element_high
        plausible_low[others], plausible_high[others] = of_numbers.plausible_low, of_numbers.plausible_high
        tails[others] = of_numbers.tails
        is_whole[others] = of_numbers.whole_elements
        if of_numbers.atoms:
            atoms = {"atoms": [()] * size, "atom_shares": [()] * size}
            for place, *own in zip(others, of_numbers.atoms, of_numbers.atom_shares, strict=True):
                atoms["atoms"][place], atoms["atom_shares"][place] = own
        if of_numbers.origin:
            origin[others] = of_numbers.origin
    return DataSpec(
        (size,),
        "continuous",
        float(low.min()),
        float(high.max()),
        tuple(step.tolist()),
        tuple(mean.tolist()),
        tuple(std.tolist()),
        names,
        element_low=tuple(low.tolist()),
        element_high=tuple(high.tolist()),
        is_whole=bool(is_whole.all()),
        not_whole=tuple(np.flatnonzero(~is_whole).tolist()) if is_whole.any() else (),
        origin=tuple(origin.tolist()) if origin.any() else (),
        plausible_low=tuple(plausible_low.tolist()),
        plausible_high=tuple(plausible_high.tolist()),
        tails=tuple(map(tuple, tails.tolist())),
        columns=columns,
        left_out=tuple(column for column in fitted if column.is_left_out),
        holes=tuple(holes.tolist()) if holes.any() else (),
        **{name: tuple(values) for name, values in atoms.items()},
        **_patterns(encoded),
    )


def _patterns(encoded: np.ndarray) -> dict[str, Any]:
    """`hole_patterns` and `pattern_counts`."""
    missing = np.isnan(encoded)
    if not missing.any():
        return {}
    patterns, counts = np.unique(missing, axis=0, return_counts=True)
    first = np.argsort(-counts, kind="stable")[:_MOST_PATTERNS]
    return {
        "hole_patterns": tuple(tuple(np.flatnonzero(patterns[number]).tolist()) for number in first),
        "pattern_counts": tuple(counts[first].tolist()),
    }


def _each(values: tuple[float, ...], count: int) -> np.ndarray:
    return np.broadcast_to(np.asarray(values), (count,))


def table_of_numbers(dataset: Dataset) -> RawTable | None:
    """Rows of numbers under names as a table, of data that are not in memory some of them; None where the data set is none."""
    if dataset.table is not None or not dataset.feature_names or dataset.examples.ndim != 2:
        return dataset.table
    examples = dataset.examples if dataset.sample is None else dataset.sample.examples
    return RawTable(dataset.name, dataset.feature_names, tuple(np.asarray(examples, np.float64).T))


def with_columns(dataset: Dataset) -> Dataset:
    """Rows of numbers under names with what each column is; a column that is left out is said by a `DataWarning`."""
    table = table_of_numbers(dataset)
    if dataset.columns or table is None:
        return dataset
    columns = infer_columns(table)
    if dataset.sample is not None:
        kept = [place for place, column in enumerate(columns) if not column.is_left_out]
        examples = encoded(dataset.examples, table.names, [columns[place] for place in kept])
        dataset = dataclasses.replace(dataset, examples=examples, sample=dataset.sample.of_columns(kept, table))
        table = None
    say_left_out(dataset.name, [reason_of(column) for column in columns if column.is_left_out])
    return dataclasses.replace(dataset, table=table, columns=columns)


def encoded_for(dataset: Dataset, spec: DataSpec) -> Dataset:
    """The data set with its cells encoded as the columns of a model are, whatever codes it has itself.

    Warns with `DataWarning` of categories that training did not see, of which nothing is known but that.

    Raises `DataError`, with the line and the column, for a cell that is no number where the model has numbers; when a column is
    missing; and when of ten rows or more none has a value of a column that training saw, where these values are numbers.
    """
    if rows_of(dataset.examples):
        return _encoded_rows(dataset, spec)
    table = table_of_numbers(dataset)
    if table is None:
        raise DataError(
            f"{dataset.name} is an array of shape {dataset.examples.shape} without the names of its columns; expected a table or "
            f"a data frame with {', '.join(spec.feature_names[:10])}{', ...' if len(spec.feature_names) > 10 else ''}, as in "
            "training."
        )
    _require(table.names, spec.columns, dataset.name)
    examples = np.stack([column.encode(table) for column in spec.columns], axis=1)
    _say_unseen(examples, table, spec, dataset.name)
    return dataclasses.replace(
        dataset, table=table, examples=examples, feature_names=spec.feature_names, columns=(*spec.columns, *spec.left_out)
    )


def _encoded_rows(dataset: Dataset, spec: DataSpec) -> Dataset:
    """`encoded_for` of rows that are read by their numbers; unseen values are said of the first of them."""
    _require(names_of(dataset.examples, dataset.feature_names), spec.columns, dataset.name)
    examples = encoded(dataset.examples, dataset.feature_names, spec.columns)
    first = np.arange(min(len(examples), _MOST_LOOKED_AT))
    _say_unseen(examples.read(first), examples.table(first), spec, dataset.name)
    columns = (*spec.columns, *spec.left_out)
    return dataclasses.replace(dataset, table=None, examples=examples, feature_names=spec.feature_names, columns=columns)


def _say_unseen(examples: np.ndarray, table: RawTable, spec: DataSpec, name: str) -> None:
    found = []
    for number, column in enumerate(spec.columns):
        if not column.is_coded:
            continue
        codes = examples[:, number]
        unseen, known = codes == len(column.categories), ~np.isnan(codes)
        if not unseen.any():
            continue
        cells = table.column(column.name)
        value = cells[int(np.argmax(unseen))]
        shown = in_words(float(value)) if cells.dtype.kind == "f" else repr(value) if isinstance(value, str) else str(value)
        if unseen.sum() == known.sum() >= _ENOUGH_ROWS and not column.has_texts:
            raise DataError(
                f"{name}: none of the {int(known.sum()):,} values of column {column.name!r} is one that training saw: the first "
                f"is {shown}, expected {column.words}. Give the data in the units of the training data; or, if they are right, "
                "train on rows like these too."
            )
        found.append(f"{column.name!r} ({int(unseen.sum()):,} cell{'' if unseen.sum() == 1 else 's'}, {shown} for one)")
    if found:
        more = f" and {len(found) - _MOST_SHOWN} more columns" if len(found) > _MOST_SHOWN else ""
        warn_of_data(
            f"{name}: values that training did not see, in {', '.join(found[:_MOST_SHOWN])}{more}. They are taken together as "
            "one category, of which nothing is known but that it is none of the others."
        )


def _require(names: tuple[str, ...], columns: tuple[Column, ...], path: str) -> None:
    from .tables import Table, columns_of

    columns_of(Table(np.zeros((0, len(names))), names), [column.name for column in columns], path)
