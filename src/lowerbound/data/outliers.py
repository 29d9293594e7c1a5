"""Which values of a column are far from all others, and beyond which new ones would be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Of a column's rows, as many as tell how its tails fall.
_MOST_ROWS = 10_000
_COLUMNS_AT_ONCE = 64
# A tail is told by the quarter of the values that lie furthest to its side: by so many at most, of few rows by half of them.
_SHARE_OF_TAIL, _MOST_IN_TAIL, _FEWEST_IN_TAIL = 4, 100, 25
# Where a side has fewer, the distances from the median of both sides tell of it.
_ENOUGH_FOR_A_SIDE = 15
# How many of all new cells may lie beyond a tail's limit, on average.
_EXPECTED_BEYOND = 0.005
# The shapes of generalised Pareto laws, from an exponential one to one a little heavier than Cauchy's. The heaviest that is less
# likely than the likeliest by this much in log p(data) at most, some three standard errors, is taken.
_SHAPES = np.linspace(0.02, 1.1, 28)[:, None]
_LOG_LIKELIHOOD_RATIO = 5.5
# A column that a normal law describes better than Student's t with three degrees of freedom by this much in log p(data) has light
# tails, and no shape above this one.
_EVIDENCE_FOR_LIGHT_TAILS, _LARGEST_LIGHT_SHAPE = 2.0, 0.34
_T_ITERATIONS = 15
# shape / scale of the law, in units of 1 / (mean distance beyond the threshold); the first is an exponential law's, nearly.
_RATIOS = np.concatenate([[1e-6], np.geomspace(0.02, 2000, 40)])
# So few cells of a column, no share of its rows, may hold nearly all of its variance before they are taken for mistakes.
SHARE_OF_OUTLIERS = 0.005
_LARGEST_STD_RATIO = 20.0
# That so many rows lie outside the range of the training rows by chance happens in less than one of 1e12 sets.
ENOUGH_ROWS = 10


class Plausible(NamedTuple):
    """Beyond what new values of some columns are implausible, as training rows tell it.

    - `low`, `high`: (columns,) further outside the training range than it is wide.
    - `tails`: (columns, 6) how far out fresh values of the same law come, by the number of new cells: the limit above is
      start + scale * cells ** power, that below minus as much, with the numbers (start, scale, power) of above and of below.
    """

    low: np.ndarray
    high: np.ndarray
    tails: np.ndarray

    @classmethod
    def of(cls, columns: np.ndarray, low: np.ndarray, high: np.ndarray) -> Plausible:
        """Of the law of `columns`, (n, columns), whose range without outliers is given.

        A column half of whose values are the same may change by its own size, or by 1; one that never changed by twice that.
        """
        some = columns[:: -(-len(columns) // _MOST_ROWS)]
        width, tails = high - low, np.empty((len(low), 6))
        # Of a column that hardly ever changes, the few other values do not show the range.
        own = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
        allowance = np.where(width == 0, 2 * own, own)
        for first in range(0, len(low), _COLUMNS_AT_ONCE):
            which = slice(first, first + _COLUMNS_AT_ONCE)
            block = np.clip(some[:, which].astype(np.float64), low[which], high[which])
            quarter, middle, three_quarters = np.quantile(block, (0.25, 0.5, 0.75), axis=0)
            shapes = np.where(_light_tails(block - middle), _LARGEST_LIGHT_SHAPE, _SHAPES[-1, 0])
            shapes = np.where(_are_two_whole_numbers(block), _SHAPES[0, 0], shapes)
            allowance[which] = np.where(quarter == three_quarters, allowance[which], 0.0)
            tails[which] = [(*_tail(column, most), *_tail(-column, most)) for column, most in zip(block.T, shapes, strict=True)]
        return cls(low - np.maximum(width, allowance), high + np.maximum(width, allowance), tails)

    def limits(self, cells: int) -> tuple[np.ndarray, np.ndarray]:
        """(columns,) the limits of a column's values among so many new cells, of all columns together.

        They are those of the range, or further out, where the tails make it likely that more than 0.005 of the cells lie there.
        """
        if not self.tails.size:
            return self.low, self.high
        (start, scale, power), (start_below, scale_below, power_below) = self.tails.T.reshape(2, 3, -1)
        above, below = start + scale * cells**power, start_below + scale_below * cells**power_below
        return np.minimum(self.low, -below), np.maximum(self.high, above)


def _are_two_whole_numbers(columns: np.ndarray) -> np.ndarray:
    """Which columns hold two whole numbers and nothing else: yes and no, or rare counts, of which few lie much higher."""
    low, high = columns.min(axis=0), columns.max(axis=0)
    are_ends = ((columns == low) | (columns == high)).all(axis=0)
    return are_ends & (low < high) & (low == np.rint(low)) & (high == np.rint(high))


def _light_tails(centred: np.ndarray) -> np.ndarray:
    """Which columns a normal law describes clearly better than Student's t with three degrees of freedom."""
    square, count = centred**2, len(centred)
    variance = np.maximum(square.mean(axis=0), np.finfo(np.float64).tiny)
    scale = variance / 2
    for _ in range(_T_ITERATIONS):
        scale = np.maximum((4 / (3 + square / scale) * square).mean(axis=0), np.finfo(np.float64).tiny)
    log_normal = -0.5 * count * (np.log(2 * np.pi * variance) + 1)
    log_t = count * np.log(2 / (3**0.5 * np.pi)) - 0.5 * count * np.log(scale) - 2 * np.log1p(square / (3 * scale)).sum(axis=0)
    return log_normal - log_t > _EVIDENCE_FOR_LIGHT_TAILS


def _tail(values: np.ndarray, largest_shape: float) -> tuple[float, float, float]:
    """(start, scale, power) of the value that 0.005 of so many new cells exceed, start + scale * cells ** power.

    What lies beyond a high quantile follows a generalised Pareto law (Pickands, 1975), p(Y > y) = (1 + shape * y / scale) **
    (-1 / shape). Its shape, the tail index, is not the likeliest one but the largest that the values allow, up to
    `largest_shape`.
    """
    count, middle = len(values), float(np.median(values))
    wanted = min(_MOST_IN_TAIL, max(_FEWEST_IN_TAIL, count // _SHARE_OF_TAIL), count // 2)
    threshold = float(np.partition(values, count - wanted - 1)[count - wanted - 1])
    beyond = values[values > threshold] - threshold
    if len(beyond) < _ENOUGH_FOR_A_SIDE:
        distances = np.sort(np.abs(values - middle))[-_MOST_IN_TAIL:]
        threshold, beyond = middle, distances[distances > 0]
    if not len(beyond):
        # Zeros alone have no unit. Other columns that never change have their own size, which is allowed for already.
        return (0.0, (1 / count / _EXPECTED_BEYOND) ** _SHAPES[-1, 0], _SHAPES[-1, 0]) if middle == 0 else (middle, 0.0, 0.0)
    mean = float(beyond.mean())
    log_distance = np.log1p(_RATIOS[:, None] * (beyond / mean)).mean(axis=1)
    # (shapes, ratios)
    log_likelihood = len(beyond) * (np.log(_RATIOS / _SHAPES) - (1 / _SHAPES + 1) * log_distance)
    of_shape = log_likelihood.max(axis=1)
    allowed = (of_shape >= of_shape.max() - _LOG_LIKELIHOOD_RATIO) & (_SHAPES[:, 0] <= largest_shape)
    heaviest = int(np.flatnonzero(allowed)[-1]) if allowed.any() else int((_SHAPES[:, 0] <= largest_shape).sum()) - 1
    shape = float(_SHAPES[heaviest, 0])
    unit = mean / float(_RATIOS[log_likelihood[heaviest].argmax()])
    return threshold - unit, unit * (len(beyond) / count / _EXPECTED_BEYOND) ** shape, shape


def find_outliers(column: np.ndarray) -> np.ndarray | None:
    """The rows of a column, (n,), whose few values hold nearly all of its variance and lie far from all others; None if none do.

    "Few" are at most one in 200 rows, "nearly all" means a standard deviation 20 times that of the rest, and "far" is outside
    of the limits that the rest make `Plausible`.
    """
    values = column.astype(np.float64)
    most = max(1, int(SHARE_OF_OUTLIERS * len(values)))
    distance = np.abs(values - np.median(values))
    order = np.argsort(distance, kind="stable")
    suspects, rest = order[-most:], values[order[:-most]]
    low, high = rest.min(keepdims=True), rest.max(keepdims=True)
    # The mean of equal numbers is off by a rounding, and so their deviation is not quite 0.
    if low == high or values.std() <= _LARGEST_STD_RATIO * rest.std():
        return None
    below, above = Plausible.of(rest[:, None], low, high).limits(len(values))
    far = suspects[(values[suspects] < below) | (values[suspects] > above)]
    return np.sort(far) if len(far) else None
