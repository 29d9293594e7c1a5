"""Elements whose value is known, hidden from the model as the holes of other examples are: what filling is judged by."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import DataError
from ..models import AbstractLatentVariableModel
from .filling import points
from .imputation import impute

# More rows show the same.
MOST_ROWS = 2000
# Of a row of many elements (a picture) not each can be hidden once; and so many numbers are held for all rows together.
_MOST_PASSES, _MOST_NUMBERS = 64, 2**23
# The rates of pairs of columns are known up to so many.
_MOST_OF_PAIRS = 2048


class Hidings(NamedTuple):
    """Rows, each perhaps several times, with more elements hidden: `row` (m,), `hidden` (m, elements), `scored` (m, elements).

    Of what is hidden, each element of a row is scored once, so that the scores of a column come from as many different rows.
    """

    row: np.ndarray
    hidden: np.ndarray
    scored: np.ndarray


@dataclasses.dataclass(frozen=True)
class HiddenCells:
    """Known elements and what the model says of them when it does not see them: one entry for each, (m,).

    - `row`: of the examples, `element`: flattened. `share`: of the row's elements, how many were hidden.
    - `truth`: the value; `point`: what it would be filled with; `low`, `high`: the quantiles at `levels` of its law.
    - In the user's units; categories by their codes.
    """

    row: np.ndarray
    element: np.ndarray
    share: np.ndarray
    truth: np.ndarray
    point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    levels: tuple[float, float]

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, chosen: np.ndarray) -> HiddenCells:
        names = [field.name for field in dataclasses.fields(self) if field.name != "levels"]
        return dataclasses.replace(self, **{name: getattr(self, name)[chosen] for name in names})


def hide_and_fill(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    data: Example,
    pattern: np.ndarray,
    *,
    levels: tuple[float, float],
    num_samples: int,
    num_draws: int = 0,
    seed: int = 0,
) -> HiddenCells:
    """Known elements of `data` as the model fills them when they are hidden as those of other examples are.

    - `data`: examples that the model was not trained on, with their own holes. `pattern`: (n, *event) booleans, True where the
      examples to be filled have no value. `num_draws`: of `impute`, which is compiled once if all calls have the same.

    Raises `DataError` when no example of `data` has a known value in an element that is missing in `pattern`.
    """
    rng = np.random.default_rng(seed)
    most = min(MOST_ROWS, max(1, _MOST_NUMBERS // (spec.num_elements * min(_MOST_PASSES, spec.num_elements))))
    chosen = np.arange(len(data)) if len(data) <= most else np.sort(rng.choice(len(data), most, replace=False))
    data = data[chosen]
    known = np.ones(data.x.shape, bool) if data.observed is None else np.asarray(data.observed)
    hidings = hidings_like(known.reshape(len(known), -1), pattern.reshape(len(pattern), -1), rng)
    if not len(hidings.row):
        raise DataError(
            f"none of the {len(data)} examples to calibrate with has a value in an element that is missing elsewhere; expected "
            "examples with values there, which the model was not trained on."
        )
    observed = known.reshape(len(known), -1)[hidings.row] & ~hidings.hidden
    rows = data[hidings.row].showing(~hidings.hidden.reshape(-1, *spec.event_shape))
    wanted = (levels[0], 0.5, levels[1])
    found = impute(model, rows, num_samples=num_samples, num_draws=num_draws, levels=wanted, seed=seed)
    at, element = np.nonzero(hidings.scored)

    def of_cells(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(values), -1)[at, element].astype(np.float64)

    return HiddenCells(
        row=chosen[hidings.row[at]],
        element=element,
        share=1 - observed.mean(axis=1)[at],
        truth=of_cells(spec.to_user(np.asarray(rows.x, np.float64))),
        point=of_cells(points(found, spec)),
        low=of_cells(spec.to_user(found.quantile(levels[0]).astype(np.float64))),
        high=of_cells(spec.to_user(found.quantile(levels[1]).astype(np.float64))),
        levels=levels,
    )


def hidings_like(known: np.ndarray, holes: np.ndarray, rng: np.random.Generator) -> Hidings:
    """Each known element of each row hidden once, with others that go missing together with it among the rows with holes.

    - `known`: (n, elements), what has a value in the rows to hide from; `holes`: (m, elements), what has none in the others.

    With an element j goes what is missing in one of the rows in which j is. Rows that have holes of their own already lack some
    of it: of the others, element c goes with j only with the probability with which

        P(c missing | j hidden) = P(c missing | j missing)

    comes out as it is among the rows with holes, where that can be reached. So complete rows get just their patterns, and rows
    with holes of the same kind, at random, lose j alone.
    """
    size = holes.shape[1]
    with_hole = [np.flatnonzero(column) for column in holes.T]
    wanted = np.asarray([len(rows) > 0 for rows in with_hole])
    together = _kept_with(known, holes) if size <= _MOST_OF_PAIRS else None
    rows, hidden, scored = [], [], []
    for row, own in enumerate(known):
        left = own & wanted
        for _ in range(_MOST_PASSES):
            places = np.flatnonzero(left)
            if not len(places):
                break
            first = rng.choice(places)
            new = holes[rng.choice(with_hole[first])] & own
            if together is not None:
                new &= rng.random(size) < together[:, first]
            new[first] = True
            rows.append(row)
            hidden.append(new)
            scored.append(new & left)
            left &= ~new
    shape = (len(rows), size)
    return Hidings(np.asarray(rows, int), np.asarray(hidden, bool).reshape(shape), np.asarray(scored, bool).reshape(shape))


def _kept_with(known: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """(c, j): of what is missing with j elsewhere, with which probability c is hidden with j."""
    missing, lacking, there = holes.astype(np.float32), (~known).astype(np.float32), known.astype(np.float32)
    elsewhere = missing.T @ missing / np.maximum(missing.sum(axis=0), 1.0)
    already = lacking.T @ there / np.maximum(there.sum(axis=0), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = (elsewhere - already) / (elsewhere * (1 - already))
    return np.clip(np.nan_to_num(kept, nan=0.0), 0.0, 1.0)
