"""Training, validation and test parts: explicit, seeded, and with fingerprints that tell other data apart."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import ConfigurationError, DataError
from ..storage.npz import read_npz, write_npz
from .streams import AbstractRows, rows_of

_PARTS = ("train", "validation", "test")
_SMALLEST_TRAINING_PART = 2
_FINGERPRINT_BLOCK = 1 << 26


@dataclasses.dataclass(frozen=True)
class Split:
    """Which examples are for what: three arrays of row numbers (int64) that share none.

    `method` is `"shuffled"` for a random split, `"as given"` for one that comes with the data; `seed` is the shuffle's.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    method: Literal["shuffled", "as given"] = "as given"
    seed: int | None = None

    @property
    def sizes(self) -> dict[str, int]:
        """The number of examples in each part."""
        return {part: len(getattr(self, part)) for part in _PARTS}

    @property
    def best_held_out(self) -> str:
        """The part that says most of a model: test, validation, or where nothing was held out train."""
        return next(part for part in reversed(_PARTS) if self.sizes[part])

    def sha256(self) -> str:
        """A fingerprint of the row numbers, in their order."""
        digest = hashlib.sha256()
        for part in _PARTS:
            indices = np.ascontiguousarray(getattr(self, part), dtype="<i8")
            digest.update(f"{part} {len(indices)}:".encode())
            digest.update(indices.tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the row numbers to an `.npz` file, atomically; raises `SavingError` when that is not possible."""
        seed = np.asarray(-1 if self.seed is None else self.seed)
        write_npz(path, {**{part: getattr(self, part) for part in _PARTS}, "seed": seed})

    @classmethod
    def load(cls, path: str | Path) -> Split:
        """Read what `save` wrote; raises `DataError` when the file is not that."""
        try:
            *parts, stored = read_npz(path, *_PARTS, "seed")
            seed = int(stored)
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path} does not hold a split ({error}); expected the arrays {', '.join(_PARTS)} and seed, as Split.save writes."
            ) from error
        train, validation, test = (part.astype(np.int64) for part in parts)
        return cls(train, validation, test, "as given" if seed < 0 else "shuffled", None if seed < 0 else seed)


def shuffled_split(
    num_examples: int,
    *,
    validation: float | int = 0.1,
    test: float | int = 0.1,
    seed: int = 0,
    kept: np.ndarray | None = None,
) -> Split:
    """A random split of `num_examples` rows, the same for the same arguments.

    - `validation`, `test`: a fraction of all examples (a float below 1; at least one example when above 0) or a count (an
      integer); 0 for none. Training gets the rest. The parts keep the shuffled order.
    - `seed`: of NumPy's PCG64. `kept`: (n,) booleans, rows that are held out only when no other is left.

    Raises `ConfigurationError` when a size is negative or fewer than two examples are left to train on.

    >>> shuffled_split(1965, validation=200, test=200).sizes
    {'train': 1565, 'validation': 200, 'test': 200}
    """
    num_validation = _count("data.validation", validation, num_examples)
    num_test = _count("data.test", test, num_examples)
    left = num_examples - num_validation - num_test
    if left < _SMALLEST_TRAINING_PART:
        enough = num_examples >= _SMALLEST_TRAINING_PART + 2
        remedy = "Make them smaller, for example 0.1 and 0.1, or 0 for none." if enough else "Give more examples, or 0 for none."
        raise ConfigurationError(
            f"data.validation={validation:g} and data.test={test:g} take {num_validation} and {num_test} of {num_examples} "
            f"examples, which leaves {max(left, 0)} to train on; expected at least {_SMALLEST_TRAINING_PART}. {remedy}"
        )
    order = np.random.Generator(np.random.PCG64(seed)).permutation(num_examples).astype(np.int64)
    if kept is not None:
        order = np.concatenate([order[~kept[order]], order[kept[order]]])
    test_rows, validation_rows, train_rows = np.split(order, [num_test, num_test + num_validation])
    return Split(train_rows, validation_rows, test_rows, "shuffled", seed)


def split_around(validation: np.ndarray, num_examples: int, *, test: float | int = 0.1, seed: int = 0) -> Split:
    """The split whose validation rows a person chose; of the others a random part is for the test.

    - `validation`: numbers of rows, in order. `test`, `seed`: as in `shuffled_split`, of the other rows.

    Raises `ConfigurationError` when fewer than two examples are left to train on.

    >>> split_around(np.array([1, 2]), 5, test=0).train
    array([0, 3, 4])
    """
    others = np.setdiff1d(np.arange(num_examples), validation).astype(np.int64)
    if len(others) < _SMALLEST_TRAINING_PART:
        raise ConfigurationError(
            f"validation leaves {len(others)} examples to train on; expected at least {_SMALLEST_TRAINING_PART}."
        )
    if not test:
        return Split(others, validation.astype(np.int64), np.empty(0, np.int64))
    rest = shuffled_split(len(others), validation=0, test=test, seed=seed)
    return Split(others[rest.train], validation.astype(np.int64), others[rest.test], rest.method, seed)


def consecutive_split(num_train: int, num_validation: int, num_test: int) -> Split:
    """The split of data that come in order: first training, then validation, then test."""
    rows = np.arange(num_train + num_validation + num_test, dtype=np.int64)
    train, validation, test = np.split(rows, [num_train, num_train + num_validation])
    return Split(train, validation, test, "as given")


def data_sha256(array: np.ndarray | AbstractRows) -> str:
    """A fingerprint of an array's type, shape and values, the same on every machine."""
    if rows_of(array):
        return array.fingerprint
    array = np.asarray(array)
    little_endian = array.dtype.newbyteorder("<")
    digest = hashlib.sha256(f"{little_endian.str} {array.shape}:".encode())
    rows = max(1, _FINGERPRINT_BLOCK // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows], dtype=little_endian).data)
    return digest.hexdigest()


def split_record(array: np.ndarray | AbstractRows, split: Split, condition: np.ndarray | None = None) -> dict[str, Any]:
    """What a run keeps of its data and split: plain numbers and text for JSON, compared by `check_same_data` on resuming."""
    return {
        "num_examples": len(array),
        "event_shape": list(array.shape[1:]),
        "dtype": str(array.dtype),
        "data_sha256": data_sha256(array),
        "method": split.method,
        "seed": split.seed,
        "sizes": split.sizes,
        "split_sha256": split.sha256(),
        "condition_sha256": None if condition is None else data_sha256(condition),
    }


def check_same_data(saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuse to go on with other data than a run began with; both are `split_record`s.

    Raises `DataError` that names what differs.
    """
    differences = [
        f"{what} was {saved.get(field)} and is {current.get(field)}"
        for field, what in (
            ("num_examples", "the number of examples"),
            ("event_shape", "an example's shape"),
            ("dtype", "the type of the values"),
            ("method", "the kind of split"),
            ("seed", "the split's seed"),
            ("sizes", "the split's sizes"),
        )
        if saved.get(field) != current.get(field)
    ]
    if not differences and saved.get("data_sha256") != current.get("data_sha256"):
        differences = ["the shape is the same, but the values are not (their SHA-256 differs)"]
    if not differences and saved.get("split_sha256") != current.get("split_sha256"):
        differences = ["the data are the same, but the rows of the split are not (their SHA-256 differs)"]
    if not differences and saved.get("condition_sha256") != current.get("condition_sha256"):
        differences = ["the examples are the same, but what is given with them (data.condition) is not (its SHA-256 differs)"]
    if differences:
        raise DataError(
            f"these are not the data that the run began with: {'; '.join(differences)}. "
            "Resume with the same data and split, or start a new run in another folder."
        )


def _count(argument: str, size: float | int, num_examples: int) -> int:
    is_count = isinstance(size, (int, np.integer)) and not isinstance(size, bool)
    if isinstance(size, bool) or not (size >= 0 and (is_count or size < 1)):
        raise ConfigurationError(
            f"{argument} is {size}; expected a fraction such as 0.1 (below 1), a whole number of examples such as 200, or 0."
        )
    if is_count:
        return int(size)
    return max(1, round(size * num_examples)) if size > 0 else 0
