"""The front door to data: a name or a path in, a `Dataset` out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ConfigurationError, DataError, MissingDataError, closest_name, shortened
from ..storage.regular import not_a_file
from .binarization import binarized
from .cache import data_directory
from .checks import check_array
from .columns import Column
from .columns.sql import is_url
from .conditions import joined
from .counts import Memory, read_annotation, read_counts
from .dataset import Dataset
from .endings import COUNT_ENDINGS, FILES_IN_WORDS, TABLE_ENDINGS, ending_of
from .files import load_array_file, load_rows_file, shard_rows
from .images import load_image_folder
from .named import NAMED_SETS, NamedSet, read_original
from .streams import ArrayRows, rows_of
from .table_sets import TableOptions, load_table_set, tokens_of
from .validation import is_file, with_examples, with_marked
from .zarr_store import is_zarr, zarr_rows

if TYPE_CHECKING:
    from ..config.sections import DataConfig


_USUAL = TableOptions()


def load_dataset(
    name_or_path: str | Path,
    key: str = "",
    data_dir: str | Path | None = None,
    condition: str = "",
    *,
    image_size: str = "",
    background: str = "",
    validation: str = "",
    are_labels: bool = False,
    table: TableOptions = _USUAL,
    memory: Memory = "auto",
    fewest: int = 2,
) -> Dataset:
    """Load a named data set, or the user's own file or folder.

    - `name_or_path`: `"faces"`, `"digits"`, `"frey-faces"`, `"binarized-mnist"`, `"mnist"`; or the path of a .npy, .npz, .mat or
      idx file whose first axis is the examples, of a .csv, .tsv, .parquet or .feather table, or of a folder of images; or the URL
      of a database. Texts and idx files may be compressed by gzip.
    - `key`: the variable in a .npz or .mat file; empty for the only one there.
    - `condition`: what a conditional model is given with each example: "labels", "factors", or a variable of the same .npz or
      .mat file, with a row for each example, or a column of the same table, which is then not part of x; several of these, with
      commas between them; empty for nothing. Texts and booleans are categories.
    - `image_size`, `background`: for a folder of images, "HEIGHTxWIDTH" to which all are scaled, and the colour behind
      transparent pixels; empty for the size of most, and for white, with a warning where that changes an image.
    - `validation`: the path of examples for validation; or the column of a table, or the variable of a .npz or .mat file, that is
      1 or TRUE for the rows for validation; empty where nobody chose.
    - `are_labels`: whether the condition may have no value in some rows of a table.
    - `table`: of a table with texts, times or cells without a value, how it is read.
    - `memory`: whether the examples are one array ("resident") or are read as they are needed ("streamed"); "auto" decides by
      their size.
    - `fewest`: how many examples there must be: 2 to train on, 1 where a trained model is asked about them.
    - `data_dir`: where the files of named sets are, and where downloads go; else `$LOWERBOUND_DATA`, else the user's cache.

    Raises `MissingDataError`, `ChecksumError` or `DataError`, each saying which file and what to do.

    >>> load_dataset("digits").examples.shape
    (1797, 8, 8)
    """
    if not isinstance(name_or_path, str | Path):
        raise ConfigurationError(f"data is {shortened(repr(name_or_path), 40)}; expected a named data set or a path.")
    if not str(name_or_path).strip():
        # The path "" is that of the working directory.
        raise MissingDataError("the name of the data is empty; expected a named data set or a path. Is a variable unset?")
    path = Path(name_or_path).expanduser()
    if (reason := not_a_file(path)) is not None and reason.startswith("cannot"):
        raise MissingDataError(f"the data {shortened(str(name_or_path))!r} {reason}; expected a named data set or a path.")
    from_file = validation if validation and is_file(validation) else ""
    marks = "" if from_file else validation
    table = dataclasses.replace(table, memory=memory)
    _check_keys_of_folders(str(name_or_path), path, image_size=image_size, background=background)
    if is_url(str(name_or_path)) or (str(name_or_path) not in NAMED_SETS and ending_of(path) in TABLE_ENDINGS and path.is_file()):
        if key:
            raise DataError(f"data.key is {key!r}, but {path} is a table, which holds one array; leave the key out.")
        dataset = load_table_set(str(name_or_path), _names_of(condition), marks, are_labels=are_labels, options=table)
    else:
        dataset = _load(name_or_path, key, data_dir, image_size, background, memory, fewest)
        if condition:
            given = _condition(dataset, condition, may_lack=are_labels)
            dataset = dataclasses.replace(dataset, condition=given, condition_name=condition)
        if marks:
            dataset = with_marked(dataset, marks, _marks(dataset, path, marks))
    if not from_file:
        return dataset
    if path.is_dir():
        image_size = "{}x{}".format(*dataset.examples.shape[1:3])
    key = key if ending_of(Path(from_file)) in (".npz", ".mat", ".h5ad", ".loom") else ""
    other = load_dataset(
        from_file,
        key,
        data_dir,
        condition,
        image_size=image_size,
        background=background,
        table=dataclasses.replace(table, query="", schema="", columns=dataset.columns),
        memory="resident",
    )
    if rows_of(dataset.examples):
        raise DataError(
            f"data.validation is {validation!r}, a file of its own, and {dataset.name} is not in memory but read as needed. "
            "Give a share of its rows, or the column or variable that marks them; or set data.memory=resident."
        )
    return with_examples(dataset, other)


def load_configured(
    data: DataConfig,
    data_dir: str | Path | None = None,
    *,
    instead: str = "",
    key: str = "",
    are_labels: bool = False,
    columns: Sequence[Column] = (),
    may_lack: Sequence[str] = (),
    has_begun: bool = False,
) -> Dataset:
    """The data that a configuration names; or those of another name or path, read in the same way.

    - `are_labels`: whether the condition is a label, which rows may lack, and other data altogether.
    - `columns`: those of a model, by which a table is encoded whatever its own cells are; a row without any value stays.
    - `may_lack`: of these columns, those that a table may be without: then no row has a value of them.
    - `has_begun`: whether the configuration is that of a run, in which data.memory is "auto" where the data were one array.
    """
    if instead:
        data = dataclasses.replace(data, memory="auto")
    elif has_begun and data.memory == "auto":
        data = dataclasses.replace(data, memory="resident")
    if instead and are_labels and data.condition:
        try:
            return _load_configured(data, data_dir, instead, key, are_labels, columns, may_lack)
        except (DataError, MissingDataError):
            # Examples to be labelled have no labels. Whatever else is wrong with them is found again.
            data = dataclasses.replace(data, condition="")
    return _load_configured(data, data_dir, instead, key, are_labels, columns, may_lack)


def _load_configured(
    data: DataConfig,
    data_dir: str | Path | None,
    instead: str,
    key: str,
    are_labels: bool,
    columns: Sequence[Column],
    may_lack: Sequence[str],
) -> Dataset:
    name, own_key = (instead, key) if instead else (data.name, data.key)
    table = TableOptions(
        missing=tokens_of(data.missing),
        query=data.query if is_url(name) or not instead else "",
        schema="" if instead else data.schema,
        columns=tuple(columns),
        may_lack=tuple(may_lack),
        keeps_empty_rows=bool(instead),
    )
    dataset = load_dataset(
        name,
        own_key,
        data_dir,
        data.condition,
        image_size=data.image_size,
        background=data.background,
        validation=data.validation if isinstance(data.validation, str) and not instead else "",
        are_labels=are_labels,
        table=table,
        fewest=1 if instead else 2,
        memory=data.memory,
    )
    if data.memory == "streamed":
        dataset = _streamed(dataset)
    if data.binarize == "no":
        return dataset
    if rows_of(dataset.examples):
        raise ConfigurationError(
            f"data.binarize is {data.binarize!r}, which takes data in memory, and {dataset.name} is read as it is needed; set "
            "data.memory=resident, or give zeros and ones."
        )
    return binarized(dataset, anew=data.binarize == "dynamic")


def _streamed(dataset: Dataset) -> Dataset:
    """The data set with examples that are read by their numbers, out of memory where they are there already."""
    if rows_of(dataset.examples):
        return dataset
    if dataset.columns:
        raise ConfigurationError(
            f"data.memory is 'streamed', but {dataset.name} is a table with columns of several kinds that was read as a whole; "
            "save it as Parquet, or set data.memory=resident."
        )
    return dataclasses.replace(dataset, examples=ArrayRows(dataset.examples, dataset.name))


def _names_of(condition: str) -> list[str]:
    names = [name.strip() for name in condition.split(",")] if condition else []
    if len(set(names)) < len(names) or "" in names:
        raise ConfigurationError(f"data.condition is {condition!r}; expected one name, or several with commas between them.")
    return names


def _condition(dataset: Dataset, name: str, *, may_lack: bool) -> np.ndarray:
    labels = dataset.labels
    if labels is not None and dataset.label_names:
        labels = np.asarray(dataset.label_names)[labels]
    given = {"labels": labels, "factors": dataset.factors}
    own = {each: values for each, values in given.items() if values is not None}
    path = Path(dataset.name).expanduser()
    if name not in own and path.is_file():
        names = _names_of(name)
        columns = [_variable(path, each, len(dataset.examples), may_lack=may_lack) for each in names]
        return (
            joined(names, [_single(path, *each) for each in zip(names, columns, strict=True)]) if len(names) > 1 else columns[0]
        )
    if name not in own:
        have = ", ".join(own) or "nothing besides its examples"
        raise MissingDataError(f"data.condition is {name!r}, but the data set {dataset.name} has no {name}; it has {have}.")
    return own[name]


def _variable(path: Path, name: str, count: int, key: str = "data.condition", *, may_lack: bool = False) -> np.ndarray:
    """A variable of a file, with a row for each of `count` examples; of annotated counts, what is written beside each."""
    if ending_of(path) in (".h5ad", ".loom"):
        values = read_annotation(path, name, may_lack=may_lack, key=key)
    else:
        values = load_array_file(path, name)
    # MATLAB keeps a vector as one row.
    values = values[0] if values.shape == (1, count) else values
    if len(values) != count:
        raise DataError(
            f"{key} is {name!r}, which has {len(values)} rows in {path}, but there are {count} examples; expected a row for each."
        )
    return values


def _marks(dataset: Dataset, path: Path, name: str) -> np.ndarray:
    """The variable that says which rows are for validation."""
    if not path.is_file() or ending_of(path) not in (".npz", ".mat", ".h5ad", ".loom"):
        raise MissingDataError(
            f"data.validation is {name!r}: there is no such file, and {dataset.name} has no columns or variables by name. Give "
            "the path of a file, a fraction such as 0.1, or a number of examples."
        )
    return _variable(path, name, len(dataset.examples), "data.validation")


def _single(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """One of several variables, as a column."""
    if values.size != len(values):
        raise DataError(
            f"data.condition names several variables, of which {name!r} in {path} has the shape {values.shape}; expected one "
            "value for each example. Give it alone, or its columns as variables of their own."
        )
    return values.reshape(-1)


def _check_keys_of_folders(text: str, path: Path, **keys: str) -> None:
    for key, value in keys.items():
        if value and (text in NAMED_SETS or not path.is_dir()):
            raise ConfigurationError(
                f"data.{key} is {value!r}, which is about a folder of images, but {shortened(text)} is none. Leave it out."
            )


def _load(
    name_or_path: str | Path,
    key: str,
    data_dir: str | Path | None,
    image_size: str,
    background: str,
    memory: Memory,
    fewest: int,
) -> Dataset:
    text = str(name_or_path)
    path = Path(text).expanduser()
    if text in NAMED_SETS:
        return NAMED_SETS[text].load(data_directory(data_dir))
    if path.is_dir() and is_zarr(path):
        return Dataset(text, check_array(zarr_rows(path, key, memory), name=path.name, fewest=fewest))
    if path.is_dir() and (rows := shard_rows(path, key, memory)) is not None:
        return Dataset(text, check_array(rows, name=path.name))
    if path.is_dir():
        images, labels = load_image_folder(path, image_size, background, memory)
        names, numbers = (None, None) if labels is None else np.unique(labels, return_inverse=True)
        named = () if names is None else tuple(names.tolist())
        return Dataset(text, check_array(images, name=text, fewest=fewest), labels=numbers, label_names=named)
    if not path.exists() and not ("/" in text or "\\" in text or Path(text).suffix):
        nearest = closest_name(text, NAMED_SETS)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        raise MissingDataError(
            f"the data set {text!r} does not exist, as a name or as a file.{hint} Named sets: {', '.join(NAMED_SETS)}. "
            f"Your own data: the path of {FILES_IN_WORDS}, or of a folder of images."
        )
    if path.is_file() and (original := read_original(path)) is not None:
        return Dataset(text, original)
    label = f"{path.name}[{key!r}]" if key else path.name
    if path.is_file() and ending_of(path) in COUNT_ENDINGS:
        counts = read_counts(path, key, memory)
        return Dataset(text, check_array(counts.values, name=label, fewest=fewest), feature_names=counts.names)
    return Dataset(text, check_array(load_rows_file(path, key, memory), name=label, fewest=fewest))


@dataclasses.dataclass(frozen=True)
class DatasetStatus:
    """One line of `lowerbound datasets`.

    `present` is True when it can be loaded without a download; `where` is the folder its files are in or would go to,
    `"built in"` for those that need none; `size_bytes` is what lies there, 0 when nothing does.
    """

    name: str
    what: str
    num_examples: int
    event_shape: tuple[int, ...]
    present: bool
    where: str
    size_bytes: int


def dataset_status(data_dir: str | Path | None = None) -> list[DatasetStatus]:
    """What named sets there are and which are present; looks at names and sizes only, so it is quick."""
    return [
        DatasetStatus(named.name, named.what, named.num_examples, named.event_shape, *_place(named, data_directory(data_dir)))
        for named in NAMED_SETS.values()
    ]


def _place(named: NamedSet, directory: Path) -> tuple[bool, str, int]:
    """`present`, `where` and `size_bytes`."""
    if not named.files:
        return True, "built in", math.prod(named.event_shape) * named.num_examples
    paths = [directory / file.path for file in named.files]
    if named.alternative and (directory / named.alternative).is_file():
        paths = [directory / named.alternative]
    there = [path for path in paths if path.is_file()]
    return len(there) == len(paths), str(paths[0].parent), sum(path.stat().st_size for path in there)
