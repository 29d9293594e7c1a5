"""Which values of a column are far from all others, and beyond which new ones would be."""

from __future__ import annotations

import numpy as np

# Of a column's rows, as many as tell a normal law from one with heavy tails.
_MOST_ROWS_FOR_TAILS = 1000
# log p(data | normal) - log p(data | Student's t with 3 degrees of freedom), each at its best, above which a law has light tails.
_EVIDENCE_FOR_LIGHT_TAILS = 4.5
_T_ITERATIONS = 15
# With 50 rows of a log-normal law, whose logarithm has a deviation of 2, a limit at one width was passed too often.
_LOGARITHMIC_WIDTHS = 1.5
# So few cells of a column, no share of its rows, may hold nearly all of its variance before they are taken for mistakes.
SHARE_OF_OUTLIERS = 0.005
_LARGEST_STD_RATIO = 20.0
# That so many rows lie outside the range of the training rows by chance happens in less than one of 1e12 sets.
ENOUGH_ROWS = 10


def plausible_limits(columns: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The limits beyond which a value is implausible for rows of the law of `columns`, (n, columns), whose range is given.

    They lie further outside the range than it is wide: in the data's units where the tails are certainly light, else in units of
    asinh((x - median) / scale), which are logarithmic far out, so that fresh rows of a law with heavy tails stay inside. A column
    half of whose values are the same may change by its own size, or by 1; one that never changed by twice that.
    """
    some = columns[:: -(-len(columns) // _MOST_ROWS_FOR_TAILS)].astype(np.float64)
    some = np.clip(some, low, high)
    quarter, middle, three_quarters = np.quantile(some, (0.25, 0.5, 0.75), axis=0)
    scale = (three_quarters - quarter) / 2
    scale = np.where(scale > 0, scale, np.abs(some - middle).mean(axis=0))
    scale = np.where(scale > 0, scale, np.where(high > low, high - low, 1.0))
    light = _light_tails(some - middle)
    ends = [np.where(light, end, np.arcsinh((end - middle) / scale)) for end in (low, high)]
    width = (ends[1] - ends[0]) * np.where(light, 1.0, _LOGARITHMIC_WIDTHS)
    found = [
        np.where(light, end, middle + scale * np.sinh(np.where(light, 0.0, end))) for end in (ends[0] - width, ends[1] + width)
    ]
    # Of a column that hardly ever changes, the few other values do not show the range.
    own = np.maximum(np.maximum(np.abs(low), np.abs(high)), 1.0)
    allowance = np.where(quarter == three_quarters, np.where(low == high, 2 * own, own), 0.0)
    return np.minimum(found[0], low - allowance), np.maximum(found[1], high + allowance)


def _light_tails(centred: np.ndarray) -> np.ndarray:
    """Which columns a normal law describes better than Student's t with three degrees of freedom, beyond doubt."""
    square, count = centred**2, len(centred)
    variance = np.maximum(square.mean(axis=0), np.finfo(np.float64).tiny)
    scale = variance / 2
    for _ in range(_T_ITERATIONS):
        scale = np.maximum((4 / (3 + square / scale) * square).mean(axis=0), np.finfo(np.float64).tiny)
    log_normal = -0.5 * count * (np.log(2 * np.pi * variance) + 1)
    log_t = count * np.log(2 / (3**0.5 * np.pi)) - 0.5 * count * np.log(scale) - 2 * np.log1p(square / (3 * scale)).sum(axis=0)
    return log_normal - log_t > _EVIDENCE_FOR_LIGHT_TAILS


def find_outliers(column: np.ndarray) -> np.ndarray | None:
    """The rows of a column, (n,), whose few values hold nearly all of its variance and lie far from all others; None if none do.

    "Few" are at most one in 200 rows, "nearly all" means a standard deviation 20 times that of the rest, and "far" is outside
    of their `plausible_limits`.
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
    (below,), (above,) = plausible_limits(rest[:, None], low, high)
    far = suspects[(values[suspects] < below) | (values[suspects] > above)]
    return np.sort(far) if len(far) else None
