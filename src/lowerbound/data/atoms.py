"""Values that recur in a column of numbers: ends at which values are cut off, defaults, and the levels of one that has few."""

from __future__ import annotations

import numpy as np

# A column of so few different numbers has levels, each of which recurs; of so many values at least for each of them.
_MOST_LEVELS, _FEWEST_PER_LEVEL = 20, 10
# Else a value recurs that is so large a part of all, and so many times as frequent as most of so many next to it on each side:
# rounded numbers recur too, but as often as their neighbours.
_LEAST_SHARE, _TIMES_ITS_NEIGHBOURS, _NEIGHBOURS = 0.03, 4, 3
_FEWEST = 5
_MOST_LOOKED_AT = 100_000
_EPS = float(np.finfo(np.float32).eps)


def find_atoms(values: np.ndarray, origin: float = 0.0) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The values of a column that have a probability of their own, the most frequent first, and their shares of all.

    - `origin`: what is subtracted before values become float32; those that it takes for one are one.

    >>> find_atoms(np.concatenate([np.zeros(40), np.linspace(1, 2, 60)]))
    ((0.0,), (0.4,))
    >>> find_atoms(np.round(np.linspace(1, 2, 200), 1))[0][:3]
    (1.1, 1.2, 1.3)
    """
    # 0.0 besides, because -0.0 is no other number.
    values = values[:: -(-len(values) // _MOST_LOOKED_AT)] + 0.0
    _, first, counts = np.unique((values - origin).astype(np.float32), return_index=True, return_counts=True)
    if len(counts) < 2:
        return (), ()
    if len(counts) <= _MOST_LEVELS and len(values) >= _FEWEST_PER_LEVEL * len(counts):
        places = np.flatnonzero(counts >= _FEWEST)
    else:
        frequent = np.flatnonzero(counts >= max(_FEWEST, _LEAST_SHARE * len(values)))
        usual = np.asarray([_usual(counts, place) for place in frequent.tolist()])
        places = frequent[counts[frequent] > _TIMES_ITS_NEIGHBOURS * usual]
    places = places[np.argsort(-counts[places], kind="stable")][:_MOST_LEVELS]
    return tuple(values[first[places]].astype(float).tolist()), tuple((counts[places] / len(values)).tolist())


def _usual(counts: np.ndarray, place: int) -> float:
    """How frequent the values next to one are: a high quantile, because numbers that are rounded in two ways recur in turns.

    One more, because few counts scatter.
    """
    around = np.concatenate([counts[max(place - _NEIGHBOURS, 0) : place], counts[place + 1 : place + 1 + _NEIGHBOURS]])
    return float(np.quantile(around, 0.75)) + 1


def at_atoms(values: np.ndarray, atoms: np.ndarray, size: float) -> list[np.ndarray]:
    """Of each atom which of the values it is, but for what float32 rounds away of it and of a number of that size."""
    return [np.abs(values - atom) <= 2 * _EPS * max(abs(atom), size) for atom in atoms]
