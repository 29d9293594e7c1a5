"""What one example is: its shape, the kind of its values, and how finely they are recorded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..errors import ModelFolderError, shortened
from ..storage.schema import checked
from .atoms import at_atoms
from .columns.column import Column
from .conditions import ConditionSpec
from .layout import Layout, as_columns, layout_in_words
from .outliers import Plausible

Kind = Literal["binary", "integer", "continuous"]


@dataclasses.dataclass(frozen=True)
class DataSpec:
    """Describes one example x, independently of any data set's size.

    Everything that a model must know of the data is here, so a model can be rebuilt without them.

    - `event_shape`: the shape of one example: `(28, 20)`, `(32, 32, 3)` or `(13,)`.
    - `kind`: `"binary"` (every value 0 or 1), `"integer"` (levels 0, 1, ..., `num_levels` - 1, e.g. 8-bit pixels)
      or `"continuous"`.
    - `low`, `high`: the smallest and largest possible value in the user's units (0 and 255 for 8-bit pixels), or, for continuous
      data where no such limit is known, the training data's own minimum and maximum.
    - `step`: the data's precision in the user's units: one number for all elements, or one per element (flattened). 1 for
      binary and integer data; for continuous data the smallest gap between two distinct recorded values.
    - `mean`, `std`: of the training data, per element (flattened), in the user's units; where each step draws values anew, those
      of its draws.
    - `feature_names`: names of the columns of a table, else empty.
    - `element_low`, `element_high`: the training data's own extremes, per element (flattened). `is_whole`: every value is a whole
      number. `not_whole`: which elements hold one that is not, by their numbers in the flattened example; empty where that
      is so of none or of all, or where an earlier release did not look.
    - `condition`: what is given besides the example; None for nothing.
    - `layout`: whether examples are pictures, rows or windows of series; only pictures share one scale and one step.
    - `origin`: what is subtracted in double precision before anything becomes float32, per element (flattened), where float32
      could not tell the values apart; empty where it can.
    - `unit`: what the model's 1 is in the user's units: 255 for zeros and ones that are stored as 0 and 255, else 1.
    - `plausible_low`, `plausible_high`: beyond them new values are warned of, for each column (of a table, or of a series), or
      one for all pixels; empty where an earlier release did not find them. `tails`: how far out fresh values of training's own
      law come, for each column, as `Plausible` has them; empty for pictures, and where an earlier release did not look.
    - `columns`: of a table with columns of several kinds, what each element is; empty for others. `left_out`: columns that are
      no part of an example.
    - `holes`: the share of training examples in which each element (flattened) has no value; empty where none is missing.
    - `hole_patterns`: which elements have no value together in a training row, the most frequent patterns first, and
      `pattern_counts`, how many rows have each; a row without holes has the empty pattern. Of a table only.
    - `atoms`: of rows of numbers, the values of each element that recur so often that they have a probability of their own, and
      `atom_shares`, which part of the training values they are; empty for others, and where an earlier release did not look.
    - `limits_known`: True when `low` and `high` are limits of the format (0 and 1 for floating-point pixels), False when they
      are only the extremes of the training data.
    """

    event_shape: tuple[int, ...]
    kind: Kind
    low: float
    high: float
    step: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    feature_names: tuple[str, ...] = ()
    limits_known: bool = False
    element_low: tuple[float, ...] = ()
    element_high: tuple[float, ...] = ()
    is_whole: bool = False
    not_whole: tuple[int, ...] = ()
    condition: ConditionSpec | None = None
    layout: Layout = "rows"
    origin: tuple[float, ...] = ()
    plausible_low: tuple[float, ...] = ()
    plausible_high: tuple[float, ...] = ()
    tails: tuple[tuple[float, ...], ...] = ()
    unit: float = 1.0
    columns: tuple[Column, ...] = ()
    left_out: tuple[Column, ...] = ()
    holes: tuple[float, ...] = ()
    hole_patterns: tuple[tuple[int, ...], ...] = ()
    pattern_counts: tuple[int, ...] = ()
    atoms: tuple[tuple[float, ...], ...] = ()
    atom_shares: tuple[tuple[float, ...], ...] = ()

    @property
    def is_of_shares(self) -> bool:
        """True for rows of numbers from 0 to 1, which are rates, fractions or probabilities perhaps."""
        return self.layout == "rows" and not self.columns and not self.is_discrete and self.low >= 0 and self.high <= 1

    @property
    def is_table(self) -> bool:
        """True for a table with columns of several kinds."""
        return bool(self.columns)

    @property
    def coded(self) -> np.ndarray:
        """Which elements (flattened) are codes of categories: (elements,) booleans."""
        if not self.columns:
            return np.zeros(self.num_elements, bool)
        return np.asarray([column.is_coded for column in self.columns])

    @property
    def num_elements(self) -> int:
        """D, the number of scalars in one example."""
        return math.prod(self.event_shape)

    @property
    def is_discrete(self) -> bool:
        """True when bits per dimension are legitimate: the values lie on a known lattice of levels."""
        return self.kind in ("binary", "integer")

    @property
    def num_levels(self) -> int:
        """The number of levels of discrete data (256 for 8-bit pixels)."""
        return round((self.high - self.low) / self.unit) + 1

    def element_name(self, element: int) -> str:
        """How an element (numbered in the flattened example) is called in a message: its column's name, or its position."""
        if self.feature_names:
            return f"{self.feature_names[element]!r}"
        if len(self.event_shape) == 1:
            return str(element)
        return str(tuple(int(i) for i in np.unravel_index(element, self.event_shape)))

    @property
    def element_word(self) -> str:
        """ "column", "pixel" or "element"."""
        if len(self.event_shape) == 1:
            return "column"
        return "pixel" if self.is_image else "element"

    @property
    def whole_elements(self) -> np.ndarray:
        """Whether every value of each element (flattened) is a whole number."""
        if not self.not_whole:
            return np.full(self.num_elements, self.is_whole)
        return ~np.isin(np.arange(self.num_elements), self.not_whole)

    @property
    def condition_dim(self) -> int:
        """The length of the condition; 0 for none."""
        return 0 if self.condition is None else self.condition.dim

    @property
    def is_image(self) -> bool:
        """True for pictures."""
        return self.layout == "pictures"

    @property
    def ranges(self) -> tuple[np.ndarray, np.ndarray]:
        """The training data's own extremes, each as one example, (1, *event_shape)."""
        low, high = (np.asarray(each, np.float64).reshape(1, *self.event_shape) for each in (self.element_low, self.element_high))
        return low, high

    @property
    def plausible(self) -> Plausible:
        """Beyond what new values are implausible, in each column of a table or a series, or in any pixel."""
        if self.plausible_low:
            return Plausible(np.asarray(self.plausible_low), np.asarray(self.plausible_high), np.asarray(self.tails))
        least, most = (as_columns(each, self.layout) for each in self.ranges)
        low, high = (np.array([self.low]), np.array([self.high])) if self.is_image else (least.min(axis=0), most.max(axis=0))
        return Plausible(2 * low - high, 2 * high - low, np.empty((0, 6)))

    @property
    def words(self) -> str:
        """What one example is, and how it was recorded."""
        if self.columns:
            kinds = [column.kind for column in self.columns]
            counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
            holes = f"; {np.mean(self.holes):.1%} of the cells have no value" if self.holes else ""
            return f"rows of {len(kinds)} columns ({counted}){holes}"
        values = {
            "binary": f"values {self.low:g} or {self.high:g}",
            "integer": f"whole numbers from {self.low:g} to {self.high:g}",
            "continuous": f"{'whole numbers' if self.is_whole else 'real values'} from {self.low:.4g} to {self.high:.4g}",
        }[self.kind]
        holes = f"; {np.mean(self.holes):.1%} of them have no value" if self.holes else ""
        return f"{layout_in_words(self.layout, self.event_shape)}, {values}{holes}"

    def of_columns(self, places: Sequence[int]) -> DataSpec:
        """The description of some columns of a table as a table of its own."""
        chosen = list(places)
        known: dict[str, Any] = {name: getattr(self, name) for name in _BY_ELEMENT}
        each = {
            name: tuple(np.asarray(values)[chosen].tolist()) if len(values) == self.num_elements else values
            for name, values in known.items()
        }
        whole = self.whole_elements[chosen]
        return dataclasses.replace(
            self,
            **each,
            event_shape=(len(chosen),),
            **{name: tuple(values[place] for place in chosen) if values else () for name, values in self._ragged.items()},
            feature_names=tuple(self.feature_names[place] for place in chosen) if self.feature_names else (),
            low=float(min(each["element_low"], default=self.low)),
            high=float(max(each["element_high"], default=self.high)),
            is_whole=bool(whole.all()),
            not_whole=tuple(np.flatnonzero(~whole).tolist()) if whole.any() else (),
            columns=tuple(self.columns[place] for place in chosen) if self.columns else (),
            left_out=(),
            hole_patterns=(),
            pattern_counts=(),
        )

    @property
    def _ragged(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """What has several numbers for each element."""
        return {"tails": self.tails, "atoms": self.atoms, "atom_shares": self.atom_shares}

    def to_model(self, array: np.ndarray) -> np.ndarray:
        """Examples as the model gets them, (x - `origin`) / `unit`, in double precision; unchanged where that is x."""
        if self.origin:
            array = array - np.asarray(self.origin, np.float64).reshape(self.event_shape)
        if self.unit == 1:
            return array
        if array.dtype == np.int8:
            # It cannot hold 255.
            array = array.astype(np.int16)
        with np.errstate(invalid="ignore"):
            whole, rest = np.divmod(array, array.dtype.type(self.unit))
        # Zeros and ones stay in the type that they came in, which is 8 bits for pictures.
        return array / self.unit if rest.any() else whole

    def to_user(self, array: np.ndarray) -> np.ndarray:
        """The inverse of `to_model`; a number that is a value that recurs, but for rounding, becomes that value."""
        found = array if self.unit == 1 else array * self.unit
        found = found + np.asarray(self.origin, np.float64).reshape(self.event_shape) if self.origin else found
        return self._with_atoms(found, array) if any(self.atoms) else found

    def _with_atoms(self, found: np.ndarray, of_model: np.ndarray) -> np.ndarray:
        """Compared as the model has them, where nothing that float32 cannot hold was added."""
        # Values of double precision need it to come back.
        is_wide = any(float(np.float32(value)) != value for own in self.atoms for value in own)
        flat = found.reshape(-1, self.num_elements).astype(np.float64 if is_wide else found.dtype)
        seen = of_model.reshape(flat.shape)
        origin = self.origin or (0.0,) * self.num_elements
        for element in (element for element, own in enumerate(self.atoms) if own):
            atoms = (np.asarray(self.atoms[element]) - origin[element]) / self.unit
            size = abs(self.mean[element] - origin[element]) / self.unit
            for value, here in zip(self.atoms[element], at_atoms(seen[:, element], atoms, size), strict=True):
                flat[here, element] = value
        return flat.reshape(found.shape)

    @property
    def of_model(self) -> DataSpec:
        """The description of the same data as the model gets them."""
        if not self.origin and self.unit == 1:
            return self
        origin = self.origin or (0.0,) * self.num_elements
        low, high, mean = ((np.asarray(each) - origin) / self.unit for each in (self.element_low, self.element_high, self.mean))
        own = [self.element_name(element).strip("'") for element in range(self.num_elements)]
        names = (f"{name} less {less:.15g}" if less else name for name, less in zip(own, origin, strict=True))
        scaled = {
            name: tuple((np.asarray(getattr(self, name)) / self.unit).tolist())
            for name in ("step", "std", "plausible_low", "plausible_high")
        }
        return dataclasses.replace(
            self,
            **scaled,
            low=float(low.min()),
            high=float(high.max()),
            mean=tuple(mean.tolist()),
            element_low=tuple(low.tolist()),
            element_high=tuple(high.tolist()),
            feature_names=tuple(names) if self.origin else self.feature_names,
            origin=(),
            tails=(),
            atoms=tuple(
                tuple((value - less) / self.unit for value in own) for own, less in zip(self.atoms, origin, strict=False)
            ),
            unit=1.0,
            columns=tuple(column.shifted(less) for column, less in zip(self.columns, origin, strict=False)),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, for `config.json`."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: Any, source: str = "data_spec") -> DataSpec:
        """Rebuild from `to_json`; raises `ModelFolderError`, naming `source`, when a field is missing, foreign or impossible."""
        spec = checked(cls, fields, source, "data_spec.")
        if not spec.event_shape or not all(0 < size < 2**31 for size in spec.event_shape):
            shape = spec.event_shape
            raise ModelFolderError(
                f"{source}: data_spec.event_shape is {shape}; expected one size or more, each from 1 up, such as (28, 20)."
            )
        if not 0 < spec.unit < math.inf:
            raise ModelFolderError(f"{source}: data_spec.unit is {spec.unit:g}; expected a number above 0.")
        for name, others in _LENGTHS.items():
            if (length := len(getattr(spec, name))) not in (spec.num_elements, *others):
                raise ModelFolderError(
                    f"{source}: data_spec.{name} has {length} entries; expected {spec.num_elements}, one for each element of "
                    f"{spec.event_shape}."
                )
        for column in (*spec.columns, *spec.left_out):
            numbers = [value for value in column.categories if not isinstance(value, str)]
            if (numbers and column.has_texts) or not all(map(math.isfinite, numbers)):
                raise ModelFolderError(
                    f"{source}: data_spec, categories of the column {column.name!r}: {shortened(str(column.categories))}; "
                    "expected all texts, or all finite numbers."
                )
        return spec


_BY_ELEMENT = ("step", "mean", "std", "element_low", "element_high", "origin", "plausible_low", "plausible_high", "holes")
# How many entries are right besides one for each element.
_LENGTHS: dict[str, tuple[int, ...]] = {
    "step": (1,),
    "mean": (),
    "std": (),
    "feature_names": (0,),
    "holes": (0,),
    "columns": (0,),
    "element_low": (0,),
    "element_high": (0,),
    "origin": (0,),
    "atoms": (0,),
    "atom_shares": (0,),
}
