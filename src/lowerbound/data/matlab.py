"""What MATLAB keeps that is no plain array: cells of numbers and of texts become one; its objects are refused with a way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError


def read_mat(path: Path, name: str) -> Any:
    """The variable `name`: an array as stored; a list of cells as (n, ...), a table of single numbers as (n, columns).

    Cells that hold texts become an array of texts, and cells that hold a row or a column of numbers each become rows.

    Raises `DataError` for a structure, an object, and cells of several kinds or shapes.
    """
    import scipy.io

    value = scipy.io.loadmat(path, variable_names=[name]).get(name)
    where = f"{path}: {name}"
    if not isinstance(value, np.ndarray) or value.dtype.names:
        # A sparse matrix goes on as it is.
        if hasattr(value, "toarray"):
            return value
        fields = value.dtype.names if isinstance(value, np.ndarray) else None
        what = f"a structure with the fields {', '.join(fields)}" if fields else "an object of MATLAB's own"
        raise DataError(
            f"{where} is {what}; expected an array. Save it as one: a field S.x by itself, a table by table2array, texts and "
            "categories by cellstr."
        )
    return _from_cells(where, value) if value.dtype == object else value


def _from_cells(where: str, cells: np.ndarray) -> np.ndarray:
    is_list = cells.ndim == 2 and 1 in cells.shape
    flat = [_content(where, index, cell) for index, cell in enumerate(cells.reshape(-1))]
    if not flat:
        raise DataError(f"{where} is an empty list of cells; expected one for each example.")
    kinds = {"texts" if isinstance(each, str) else "numbers" for each in flat}
    if len(kinds) > 1:
        raise DataError(f"{where} has cells with numbers and cells with texts; expected one of them. Save each by itself.")
    if isinstance(flat[0], str):
        return np.asarray(flat) if is_list else np.asarray(flat).reshape(cells.shape)
    shapes = [each.shape for each in flat]
    odd = next((index for index, shape in enumerate(shapes) if shape != shapes[0]), None)
    if odd is not None:
        raise DataError(
            f"{where} has cells of several shapes: the first is {shapes[0]}, number {odd + 1} is {shapes[odd]}; expected one "
            "shape for all. Cut or pad them in MATLAB, and save one array (cat or vertcat)."
        )
    if not is_list:
        if shapes[0] != (1, 1):
            raise DataError(
                f"{where} is a table of cells {cells.shape}, each {shapes[0]}; expected one cell for each example, or single "
                "numbers."
            )
        return np.asarray([each.item() for each in flat]).reshape(cells.shape)
    stacked = np.stack(flat)
    # MATLAB has no vectors: a row or a column of numbers has two axes.
    return stacked.reshape(len(flat), -1) if 1 in shapes[0] else stacked


def _content(where: str, index: int, cell: Any) -> Any:
    """A text, or an array of numbers."""
    array = np.asarray(cell)
    if array.dtype.kind == "U" and array.size <= 1:
        return str(array.reshape(-1)[0]) if array.size else ""
    if array.dtype.kind in "biuf" and array.dtype.names is None:
        return array.astype(np.uint8) if array.dtype.kind == "b" else array
    raise DataError(
        f"{where} has a cell, number {index + 1}, which holds {'cells' if array.dtype == object else 'no numbers and no text'}; "
        "expected numbers, or one text, in each. Save the numbers as one array."
    )
