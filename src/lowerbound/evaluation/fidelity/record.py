"""How near synthetic rows are to real ones, beside what anybody can have (floors) and what cannot be had (a ceiling)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .neighbours import NO_PROOF

# A difference of less is of no interest, whatever its error.
_LEAST_GAP = 0.02
_MOST_NAMED = 3


class Measured(NamedTuple):
    """A figure and its standard error."""

    value: float
    error: float

    @property
    def words(self) -> str:
        """ "0.932 ± 0.004"."""
        return f"{self.value:z.3f} ± {self.error:.3f}"


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """Some rows beside as many real ones that nobody was trained on. All figures but the distance are 1 at best.

    - `name`: what made them. `is_floor`: whether anybody can have them.
    - `column_shapes`: (C,), `missing`: (C,) shares of cells without a value, `pair_trends`: (C, C).
    - `shapes`, `trends`, `information`, `holes`: the figures of all columns, or pairs, together; None where there is no pair.
    - `two_sample`: the score of the classifier test; `auc`: the probability behind it.
    - `downstream`: how well trees that learn the target from these rows do on real ones; None without a target.
    - `distance`: the median distance to the nearest row of training. `num_copies`: how many of `num_rows` rows, all that there
      are, are one of them. Of real rows these are about those that no model saw.
    """

    name: str
    is_floor: bool
    column_shapes: np.ndarray
    missing: np.ndarray
    pair_trends: np.ndarray
    shapes: Measured
    trends: Measured | None
    information: Measured | None
    holes: Measured
    two_sample: Measured
    auc: Measured
    downstream: Measured | None
    distance: Measured
    num_copies: int
    num_rows: int

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; a figure is {"value": ..., "standard_error": ...}."""
        found: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Measured):
                value = {"value": _finite(value.value), "standard_error": _finite(value.error)}
            found[field.name] = _plain(value) if isinstance(value, np.ndarray) else value
        return found


@dataclasses.dataclass(frozen=True, eq=False)
class Fidelity:
    """What `fidelity` found.

    - `columns`: their names, `kinds`: of what kind each is.
    - `candidates`: the floors, the model's rows, and real rows of training, which are the ceiling.
    - `num_synthetic`: rows that were drawn. `num_taught`: rows of each candidate from which trees learn the target.
    - `num_compared`: rows of each candidate that stand beside as many real ones; `num_training`: rows of training.
    - `missing`: (C,) shares of cells without a value in the real rows.
    - `target`, `measure`: the column that is predicted and in what, "AUC" or "R2"; "" for none.
    - `holes_given`: whether the model draws no holes, and was given those of rows of training for every other figure.
    """

    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    num_synthetic: int
    num_taught: int
    num_compared: int
    num_training: int
    missing: np.ndarray
    target: str = ""
    measure: str = ""
    holes_given: bool = False

    @property
    def model(self) -> Candidate:
        """The rows that are judged."""
        return self.candidates[-2]

    @property
    def ceiling(self) -> Candidate:
        """Real rows of training."""
        return self.candidates[-1]

    @property
    def floors(self) -> tuple[Candidate, ...]:
        """What anybody can have."""
        return self.candidates[:-2]

    def figures(self) -> list[tuple[str, tuple[Measured | None, ...]]]:
        """Of each figure of all columns together what it is, and that of each candidate."""
        named = [("two-sample test: 1 - (2 max(AUC, .5) - 1)", "two_sample")]
        named += [("column shapes, mean", "shapes"), ("pair trends, mean", "trends")]
        named += [("information between columns, weighted", "information"), ("cells without a value", "holes")]
        if self.target:
            named.append((f"{self.measure} for {self.target!r}, learnt from these rows", "downstream"))
        named.append(("distance to the nearest row of training, median", "distance"))
        return [
            (words, tuple(getattr(each, name) for each in self.candidates))
            for words, name in named
            if getattr(self.model, name) is not None and (name != "holes" or self.has_holes)
        ]

    @property
    def has_holes(self) -> bool:
        """Whether any cell of the real rows, or of those that are judged, has no value."""
        return bool(self.missing.any() or self.model.missing.any())

    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The head and the rows of the table of all figures, as texts."""
        rows = [(words, *("" if each is None else each.words for each in found)) for words, found in self.figures()]
        rows.append(("rows that are one of training", *(f"{each.num_copies:,} of {each.num_rows:,}" for each in self.candidates)))
        return ("figure", *(each.name for each in self.candidates)), rows

    def columns_table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The same of each column, the one farthest from the ceiling first."""
        own, best = self.model, self.ceiling
        head = ("column", "kind", *(each.name for each in self.candidates), "pairs", "of real rows")
        holes = ("missing", "in real rows") if self.has_holes else ()
        rows: list[tuple[str, ...]] = []
        for place in np.argsort(own.column_shapes - best.column_shapes, kind="stable").tolist():
            shapes = (f"{each.column_shapes[place]:.3f}" for each in self.candidates)
            pairs = (f"{_mean(each.pair_trends[place]):.3f}" for each in (own, best))
            missing = (f"{share:.1%}" for share in (own.missing[place], self.missing[place])[: len(holes)])
            rows.append((self.columns[place], self.kinds[place], *shapes, *pairs, *missing))
        return (*head, *holes), rows

    @property
    def sentences(self) -> list[str]:
        """What the figures say, in words."""
        own, best = self.model, self.ceiling
        found = [
            f"Of each of the {len(self.candidates)} kinds {self.num_compared:,} rows stand beside as many real rows that no "
            "model saw; the last kind are rows of training, and what they reach is the most that can be reached."
        ]
        if self.target:
            found.append(f"Trees learn {self.target!r} from {self.num_taught:,} rows of each kind.")
        found += [
            f"{what} farthest from real ones: {', '.join(worst)}."
            for what, worst in (("Columns", list(self._worst_columns())), ("Pairs", list(self._worst_pairs())))
            if worst
        ]
        behind = [words.split(":")[0].split(",")[0] for words, each in self.figures() if self._is_behind(words, each)]
        if behind:
            found.append(f"No better than a floor in: {', '.join(behind)}.")
        if self.holes_given:
            found.append(
                "The model draws a value for each cell. For every figure but that of cells without a value its rows were given "
                "the holes of rows of training."
            )
        found.append(
            f"{own.num_copies:,} of {own.num_rows:,} rows of the model are rows of training, cell by cell; of real rows that no "
            f"model saw {best.num_copies:,} of {best.num_rows:,} are."
        )
        return [*found, NO_PROOF]

    def _worst_columns(self) -> Iterator[str]:
        gaps = self.ceiling.column_shapes - self.model.column_shapes
        for place in np.argsort(-np.nan_to_num(gaps), kind="stable")[:_MOST_NAMED].tolist():
            if gaps[place] > _LEAST_GAP:
                yield f"{self.columns[place]} ({self.model.column_shapes[place]:.2f})"

    def _worst_pairs(self) -> Iterator[str]:
        first, second = np.triu_indices(len(self.columns), 1)
        gaps = (self.ceiling.pair_trends - self.model.pair_trends)[first, second]
        for pair in np.argsort(-np.nan_to_num(gaps), kind="stable")[:_MOST_NAMED].tolist():
            if gaps[pair] > _LEAST_GAP:
                j, k = first[pair], second[pair]
                yield f"{self.columns[j]} and {self.columns[k]} ({self.model.pair_trends[j, k]:.2f})"

    def _is_behind(self, words: str, found: tuple[Measured | None, ...]) -> bool:
        """Whether a floor is as good as the model; and where the ceiling is no better either, there is nothing to gain."""
        own, best = found[-2], found[-1]
        if own is None or best is None or words.startswith("distance") or own.value >= best.value - _LEAST_GAP:
            return False
        return any(each is not None and each.value >= own.value for each in found[:-2])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and text: schema of `lowerbound fidelity --json`."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "candidates"}
        own |= {"missing": _plain(self.missing), "columns": list(self.columns), "kinds": list(self.kinds)}
        return {"version": 1, **own, "candidates": [each.to_json() for each in self.candidates], "says": self.sentences}

    def lines(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Every figure as a line of a table: what it is, of which column or pair, of which rows, its value and standard error."""
        found: list[tuple[str, ...]] = []
        for words, each in self.figures():
            for candidate, figure in zip(self.candidates, each, strict=True):
                if figure is not None:
                    found.append((words, "", candidate.name, f"{figure.value:.6g}", f"{figure.error:.6g}"))
        for candidate in self.candidates:
            found.append(
                ("rows that are one of training", "", candidate.name, f"{candidate.num_copies / candidate.num_rows:.6g}", "")
            )
            for place, name in enumerate(self.columns):
                found.append(("column shape", name, candidate.name, f"{candidate.column_shapes[place]:.6g}", ""))
                found.append(("missing", name, candidate.name, f"{candidate.missing[place]:.6g}", ""))
                for other in range(place):
                    pair = f"{self.columns[other]} | {name}"
                    found.append(("pair trend", pair, candidate.name, f"{candidate.pair_trends[other, place]:.6g}", ""))
        return ("figure", "of", "rows", "value", "standard_error"), found

    def __str__(self) -> str:
        head, rows = self.table()
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in (head, *rows)
        ]
        return "\n".join([*lines, *self.sentences])


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(array: np.ndarray) -> list[Any]:
    return [_plain(each) if each.ndim else _finite(float(each)) for each in array]
