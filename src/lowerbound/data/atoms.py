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


def find_atoms(values: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The values of a column that have a probability of their own, the most frequent first, and their shares of all.

    >>> find_atoms(np.concatenate([np.zeros(40), np.linspace(1, 2, 60)]))
    ((0.0,), (0.4,))
    >>> find_atoms(np.round(np.linspace(1, 2, 200), 1))[0][:3]
    (1.1, 1.2, 1.3)
    """
    values = values[:: -(-len(values) // _MOST_LOOKED_AT)]
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 2:
        return (), ()
    if len(distinct) <= _MOST_LEVELS and len(values) >= _FEWEST_PER_LEVEL * len(distinct):
        recurs = counts >= _FEWEST
    else:
        around = np.pad(counts.astype(float), _NEIGHBOURS, constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(around, 2 * _NEIGHBOURS + 1)
        # A high quantile, because numbers that are rounded in two ways recur in turns; one more, because few counts scatter.
        usual = np.nanquantile(np.delete(windows, _NEIGHBOURS, axis=1), 0.75, axis=1) + 1
        recurs = (counts >= max(_FEWEST, _LEAST_SHARE * len(values))) & (counts > _TIMES_ITS_NEIGHBOURS * usual)
    places = np.flatnonzero(recurs)
    places = places[np.argsort(-counts[places], kind="stable")][:_MOST_LEVELS]
    return tuple(distinct[places].astype(float).tolist()), tuple((counts[places] / len(values)).tolist())
