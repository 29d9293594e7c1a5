"""How far a row lies from the training rows that are nearest to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..data.spec import DataSpec

NUM_NEIGHBOURS = 5
# So many training rows stand for all of them: the search takes their number times that of the rows to judge.
MOST_ROWS = 20_000
# Codes of a column that have an axis of their own.
MOST_CODES = 20
# What a row gets of which no distance can be told (an infinite number in it): farther than any other, and still a number.
FARTHEST = 1e30


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
    """The mean Euclidean distance to the `NUM_NEIGHBOURS` nearest of some rows, after (row - centre) / scale.

    A cell without a value counts as its column's mean. Of a coded column each of the 20 most frequent codes is an axis of its
    own, on which rows with it are at 1 (two codes are then as far apart as two random numbers are, in the mean of squares); the
    rarer ones are one axis, and codes that no row has another. A cell without a value is at 0 on all of them.

    - `centre`, `scale`: a number for each element (flattened). `coded`: of a coded element its most frequent codes, and all.
    - `searched`: the numbers of the rows that are searched, in the order in which `search` has them.
    """

    centre: np.ndarray
    scale: np.ndarray
    coded: Mapping[int, tuple[np.ndarray, np.ndarray]]
    search: Any
    searched: Int[np.ndarray, " searched"]

    @classmethod
    def of(cls, rows: np.ndarray, *, seed: int = 0) -> Neighbours:
        """Neighbours among `rows`, (n, *event), as they are; of more than 20,000 a random part."""
        ones = np.ones(int(np.prod(np.shape(rows)[1:])))
        return cls(0 * ones, ones, {}, None, np.arange(0)).again(rows, seed=seed)

    @classmethod
    def in_data(cls, rows: np.ndarray, spec: DataSpec, *, seed: int = 0) -> Neighbours:
        """Neighbours in the data's own standardised scale: that of each column, or one for all pixels of pictures."""
        from sklearn.preprocessing import StandardScaler

        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        # Of a column without any value scikit-learn gives NaN.
        with np.errstate(invalid="ignore"):
            scaler = StandardScaler().fit(flat)
        centre, scale = np.nan_to_num(np.asarray(scaler.mean_)), np.nan_to_num(np.asarray(scaler.scale_), nan=1.0)
        if spec.is_image:
            scale = np.full_like(scale, np.sqrt(np.mean(scale**2)))
        coded: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for element in np.flatnonzero(spec.coded).tolist():
            codes, counts = np.unique(flat[~np.isnan(flat[:, element]), element], return_counts=True)
            coded[element] = codes[np.argsort(-counts, kind="stable")[:MOST_CODES]], codes
        return cls(centre, scale, coded, None, np.arange(0)).again(rows, seed=seed)

    def again(self, rows: np.ndarray, *, seed: int = 0) -> Neighbours:
        """Neighbours among other rows, in the same scale."""
        # scikit-learn takes seconds to import.
        from sklearn.neighbors import NearestNeighbors

        flat, searched = np.asarray(rows).reshape(len(rows), -1), np.arange(len(rows))
        if len(flat) > MOST_ROWS:
            searched = np.random.default_rng(seed).choice(len(flat), MOST_ROWS, replace=False)
        return dataclasses.replace(self, search=NearestNeighbors().fit(self._placed(flat[searched])), searched=searched)

    def distance(self, rows: np.ndarray, own: Int[np.ndarray, " rows"] | None = None) -> Float[np.ndarray, " rows"]:
        """The mean distance of each row to its nearest; `FARTHEST` where it is not a finite number.

        - `own`: which of the searched rows each is itself, by number; that one is no neighbour of it.
        """
        placed = self._placed(np.asarray(rows).reshape(len(rows), -1))
        found = np.full(len(placed), FARTHEST)
        finite = (np.abs(placed) < FARTHEST).all(axis=1)
        if finite.any():
            count = len(self.searched)
            most = min(NUM_NEIGHBOURS, count if own is None else max(1, count - 1))
            distances, places = self.search.kneighbors(placed[finite], n_neighbors=most if own is None else min(most + 1, count))
            if own is not None:
                distances = np.sort(np.where(self.searched[places] == own[finite, None], np.inf, distances), axis=1)
            found[finite] = distances[:, :most].mean(axis=1)
        return np.minimum(found, FARTHEST)

    def _placed(self, flat: np.ndarray) -> np.ndarray:
        values = flat.astype(np.float64)
        placed = (np.where(np.isnan(values), self.centre, values) - self.centre) / self.scale
        if not self.coded:
            return placed
        numbers = [element for element in range(values.shape[1]) if element not in self.coded]
        return np.concatenate(
            [placed[:, numbers], *(_axes(values[:, element], *codes) for element, codes in self.coded.items())], axis=1
        )


def _axes(values: np.ndarray, frequent: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The axes of one coded column: a frequent code each, the rare ones, the unknown ones."""
    is_frequent, is_known, has_value = np.isin(values, frequent), np.isin(values, known), ~np.isnan(values)
    own = values[:, None] == frequent
    return np.concatenate([own, (is_known & ~is_frequent)[:, None], (has_value & ~is_known)[:, None]], axis=1).astype(np.float64)
