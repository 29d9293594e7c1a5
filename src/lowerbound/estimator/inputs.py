"""What the estimator is given, as the arrays that jobs take: examples, conditions, counts; and rows in blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import validate_data

from ..config.sections import LARGEST_SEED
from ..data.checks import check_array, check_no_mask, check_size_for_float32
from ..data.columns.frames import check_is_frame, names_of_frame
from ..data.conditions import condition_array
from ..data.counts.sparse import Memory, rows_of_matrix
from ..data.examples import Example, mask_of
from ..data.holes import observed_in
from ..data.labels import label_column
from ..data.spec import DataSpec
from ..data.splits import Split, split_around
from ..data.streams import ArrayRows, rows_of
from ..errors import ConfigurationError, DataError

# Of an example, above 0.
_LEAST_WEIGHT = 1e-12


class NotNumberError(DataError, TypeError):
    """An element of the data is not a number at all."""


def numeric_examples(
    X: Any, estimator: BaseEstimator, event_shape: tuple[int, ...] | None = None, *, memory: Memory = "auto"
) -> Any:
    """`X` as a numeric array of examples; column names are noted in an estimator that is not fitted, else compared.

    A sparse matrix of SciPy stays sparse where it is large (`memory`, as in `rows_of_matrix`).
    """
    is_frame = hasattr(X, "columns")

    def compare(X: Any) -> None:
        try:
            validate_data(estimator, X=X, reset=event_shape is None, skip_check_array=True)
        except ValueError as error:
            raise DataError(
                f"{str(error).strip()} Give the columns that `fit` was given, in their order: X[list(model.feature_names_in_)]."
            ) from error

    if is_frame:
        check_is_frame(X)
        names = names_of_frame(X)
        # Names come first: a column that is missing explains a number of columns that is wrong.
        compare(X)
        _check_columns(X, names)
    if scipy.sparse.issparse(X):
        compare(X)
        return check_array(rows_of_matrix(X, "X", memory), event_shape=event_shape)
    array = check_array(as_numbers(X), event_shape=event_shape)
    if array.ndim == 2 and not is_frame:
        compare(array)
    return array


def examples_for_fit(X: Any, estimator: BaseEstimator, memory: str) -> Any:
    """`numeric_examples` of an estimator that is not fitted; rows that are read by their numbers where `memory` asks for it."""
    array = numeric_examples(X, estimator, memory=memory if memory in ("resident", "streamed") else "auto")
    return ArrayRows(array, "X") if memory == "streamed" and not rows_of(array) else array


def _check_columns(frame: Any, names: Sequence[Any]) -> None:
    """Refuse a column that does not hold a number in each row, by its name."""
    for name in names:
        try:
            column = np.asarray(frame[name])
        except Exception as error:
            # Each library has errors of its own for what NumPy cannot hold.
            raise NotNumberError(
                f"X: column {name!r} cannot become an array of NumPy's ({error}); turn it into floating-point numbers first."
            ) from error
        if column.dtype.kind in "iufb":
            wrong = np.flatnonzero(np.isinf(column)).tolist() if column.dtype.kind == "f" else []
        else:
            wrong = [row for row, value in enumerate(column) if column.dtype != object or not _is_number_or_hole(value)]
        if len(wrong):
            raise NotNumberError(
                f"X: column {name!r} has {str(column[wrong[0]])[:40]} in row {wrong[0]}; expected finite numbers. Fill missing "
                f"cells, encode text, categories and dates as numbers, or drop the column: X.drop(columns=[{name!r}])."
            )


def _is_number_or_hole(value: Any) -> bool:
    try:
        return _is_na(value) or not bool(np.isinf(float(value)))
    except (TypeError, ValueError):
        return False


def _is_na(value: Any) -> bool:
    """pandas' word for no value, which is no number of Python's."""
    return type(value).__name__ == "NAType"


def as_numbers(X: Any) -> Any:
    """Object arrays as float64, as everywhere in scikit-learn; everything else as it is.

    Raises `DataError` for what is no array at all, as a file's path, a dictionary or a generator.
    """
    check_no_mask(X, "X")
    if hasattr(X, "toarray"):
        return X
    try:
        array = np.asarray(X)
    except ValueError:
        # Rows of different lengths: `check_array` says it better.
        return X
    except Exception as error:
        # Each library of arrays has errors of its own: for those on another device, or that carry gradients.
        raise NotNumberError(
            f"X, a {type(X).__name__}, cannot become an array of NumPy's ({error}); give a NumPy array, or a data frame."
        ) from error
    if array.ndim == 0:
        raise NotNumberError(
            f"X is a {type(X).__name__}; expected examples: an array, (examples, features), a data frame or a sparse matrix."
            f"{_what_to_do_with(X)}"
        )
    if array.dtype != object:
        return X
    try:
        return np.where(np.asarray(np.frompyfunc(_is_na, 1, 1)(array), bool), np.nan, array).astype(np.float64)
    except TypeError as error:
        raise NotNumberError(
            f"X has an element that is no number: {error}. Encode text and categories as numbers, fill missing cells, or drop "
            "those columns."
        ) from error
    except ValueError:
        # Text: `check_array` says where.
        return X


def _what_to_do_with(X: Any) -> str:
    if isinstance(X, str | Path):
        return " A file is read by lowerbound.data.load_dataset(path).examples."
    if isinstance(X, Mapping):
        return " Columns by name become a data frame: pandas.DataFrame(X)."
    return " Make a list of it first: list(X)." if isinstance(X, Iterable) else ""


def with_examples_tags(tags: Tags) -> Tags:
    """scikit-learn's tags of an estimator that takes what `VAE` takes: pictures and series, sparse rows, holes."""
    tags.input_tags.three_d_array = True
    tags.input_tags.sparse = True
    # NaN stands for what has no value.
    tags.input_tags.allow_nan = True
    return tags


def weights_of(sample_weight: Any, count: int) -> np.ndarray | None:
    """How many examples each row stands for, or None for one each."""
    if sample_weight is None:
        return None
    check_no_mask(sample_weight, "sample_weight")
    try:
        weight = np.asarray(sample_weight)
        weight = weight.astype(object if np.iscomplexobj(weight) else np.float64).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"sample_weight holds what is no number ({error}); expected a number for each example.") from error
    if weight.shape != (count,):
        raise DataError(f"sample_weight has the shape {weight.shape}; expected one number for each of the {count} examples.")
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        raise DataError(f"sample_weight is {weight[wrong[0]]:g} in row {wrong[0]}; expected finite numbers from 0 up.")
    if weight.sum() == 0:
        raise DataError("sample_weight is zero in every row; expected at least one example that counts.")
    wrong = np.flatnonzero((weight > 0) & ((weight < _LEAST_WEIGHT) | (weight > 1 / _LEAST_WEIGHT)))
    if len(wrong):
        raise DataError(
            f"sample_weight is {weight[wrong[0]]:g} in row {wrong[0]}, and float32 cannot hold sums with it; expected 0, or "
            f"numbers from {_LEAST_WEIGHT:g} to {1 / _LEAST_WEIGHT:g}. Divide all weights by their mean."
        )
    return weight


def spread_of(spread: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The standard deviations with which examples of this shape are drawn anew."""
    check_no_mask(spread, "spread")
    try:
        std = np.asarray(spread)
    except ValueError as error:
        raise DataError(f"spread is not a rectangle of numbers ({error}); expected one for each of X, {shape}.") from error
    if std.shape != shape or std.dtype.kind not in "iuf" or not (np.isfinite(std) & (std >= 0)).all():
        raise DataError(
            f"spread has the type {std.dtype} and the shape {std.shape}; expected finite numbers from 0 up, of the shape of X, "
            f"{shape}."
        )
    check_size_for_float32(std, "spread")
    return std.astype(np.float32)


def own_validation(validation: Any, examples: np.ndarray, estimator: BaseEstimator) -> tuple[Split, np.ndarray] | None:
    """The split that a person chose, and the examples with rows of their own added; None where `validation` is a size.

    - `validation`: a mask of the examples, (n,) booleans; the rows' numbers, whole ones; or examples that are not among them.
    """
    if isinstance(validation, str):
        raise ConfigurationError(
            f"validation is {validation!r}; expected a fraction, a count, a mask of the rows, their numbers, or examples. A file "
            "is read by load_dataset(path).examples."
        )
    if validation is None or (np.ndim(validation) == 0 and not hasattr(validation, "columns")):
        return None
    check_no_mask(validation, "validation")
    count = len(examples)
    values = None if hasattr(validation, "columns") else np.asarray(validation)
    if values is not None and values.ndim == 1:
        rows = _chosen_rows(values, count)
    else:
        if rows_of(examples):
            raise ConfigurationError(
                "validation holds examples of its own, but X is not one array in memory; give the rows among X, with their "
                "numbers as validation, or set data.memory to resident."
            )
        try:
            added = numeric_examples(validation, estimator, event_shape=examples.shape[1:])
        except DataError as error:
            raise DataError(f"validation, examples of its own, does not go with X: {error}") from error
        if not observed_in(added).any():
            raise DataError("validation holds no value; expected examples with at least one.")
        rows, examples = np.arange(count, count + len(added)), np.concatenate([examples, added])
    return split_around(rows, len(examples), test=0), examples


def _chosen_rows(values: np.ndarray, count: int) -> np.ndarray:
    """Numbers of rows, in order, from a mask or from themselves."""
    is_mask = values.dtype == bool
    if is_mask and len(values) != count:
        raise ConfigurationError(
            f"validation is a mask of {len(values)} rows, but there are {count} examples; expected one each."
        )
    rows = np.flatnonzero(values) if is_mask else np.unique(values)
    if len(rows) == 0 or rows.dtype.kind not in "iu" or (len(rows) < len(values) and not is_mask):
        raise ConfigurationError(
            f"validation holds {len(values)} values of type {values.dtype}, {len(rows)} of them different; expected numbers of "
            "rows, each once, a mask with at least one True, or examples."
        )
    if rows[0] < 0 or rows[-1] >= count:
        raise ConfigurationError(f"validation has the rows {rows[0]} to {rows[-1]}; expected numbers from 0 to {count - 1}.")
    return rows


def seed_from(random_state: Any) -> int:
    """A seed from whatever scikit-learn takes for `random_state`."""
    try:
        return int(check_random_state(random_state).randint(2**31 - 1))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"random_state is {random_state!r}; expected a whole number from 0 to {2**32 - 1}, a RandomState, or None."
        ) from error


def same_seed(random_state: Any) -> int:
    """An integer as it is, as the command line's --seed takes it; else `seed_from`. Raises `ConfigurationError` as that does."""
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool) and 0 <= random_state <= LARGEST_SEED:
        return int(random_state)
    return seed_from(random_state)


def condition_values(condition: Any, count: int, *, are_labels: bool = False) -> np.ndarray:
    """A row for each of `count` examples, whatever the values.

    - `are_labels`: whether it is a label, which examples may lack.
    """
    values = (label_column if are_labels else condition_array)(condition, "condition")
    if len(values) != count:
        raise DataError(f"condition has shape {values.shape}; expected a row for each of the {count} examples.")
    return values


def with_condition(x: np.ndarray, condition: Any, spec: DataSpec) -> Example:
    """The rows with their conditions as the model takes them; one is refused where the model takes none, and the reverse."""
    observed = mask_of(x, spec) if x.shape[1:] == spec.event_shape else None
    if spec.condition is None:
        if condition is not None:
            raise ConfigurationError("condition is given, but this model was fitted without one; leave it out, or fit with one.")
        return Example(x, observed=observed)
    if spec.condition.is_label and condition is None:
        return Example(x, np.zeros((len(x), spec.condition.dim), np.float32), observed)
    if condition is None:
        raise ConfigurationError(
            f"condition is missing: this model was fitted with one ({spec.condition.words}); give a row for each of the "
            f"{len(x)} examples."
        )
    given = condition_values(condition, len(x))
    encoded = spec.condition.encode(given)
    spec.condition.check_like_training(given)
    return Example(x, encoded, observed)
