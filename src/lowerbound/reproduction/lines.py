"""Points as the lines of a figure: the splits of one set of data are one line, their mean."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from .plan import Curve, Plan
from .record import Point, Reproduction


class Mean(NamedTuple):
    """Nats per example: a mean with its standard error, over splits where there are several, else over examples."""

    nats: float
    error: float


class LinePoint(NamedTuple):
    """What a line says after `samples` training samples, from `num_splits` splits."""

    level: int
    samples: int
    train: Mean
    test: Mean
    num_splits: int


class Line(NamedTuple):
    """The curve of the first split with the points of all, fewest samples first.

    - `steps`: those that did best. `seconds`: what its points took.
    """

    curve: Curve
    points: list[LinePoint]
    steps: list[float]
    seconds: float

    def at(self, level: int) -> LinePoint | None:
        """The point of this level, where there is one."""
        return next((point for point in self.points if point.level == level), None)


def lines_of(plan: Plan, found: Reproduction, figure: int) -> list[Line]:
    """The lines of a figure, those without a point too, in the plan's order."""
    families: dict[tuple[object, ...], list[Curve]] = {}
    for curve in plan.curves:
        if figure in curve.figures:
            families.setdefault(curve.family, []).append(curve)
    return [_line(curves, found) for curves in families.values()]


def _line(curves: Sequence[Curve], found: Reproduction) -> Line:
    own = [point for curve in curves for point in found.points_of(curve.name)]
    by_level: dict[int, list[Point]] = {}
    for point in sorted(own, key=lambda point: point.level):
        by_level.setdefault(point.level, []).append(point)
    points = [
        LinePoint(
            level,
            points[0].samples,
            _mean([(point.train, point.train_error) for point in points]),
            _mean([(point.test, point.test_error) for point in points]),
            len(points),
        )
        for level, points in by_level.items()
    ]
    newest = {point.curve: point for point in own}
    seconds = sum(point.training_seconds for point in newest.values()) + sum(point.around_seconds for point in own)
    return Line(curves[0], points, sorted({point.step for point in own}), seconds)


def samples_text(number: float) -> str:
    """A number of training samples in short.

    >>> samples_text(30_000_000)
    '3e7'
    """
    return f"{number:.0e}".replace("e+0", "e").replace("e+", "e")


def _mean(values: list[tuple[float, float]]) -> Mean:
    if len(values) == 1:
        return Mean(*values[0])
    nats = [value for value, _ in values]
    return Mean(statistics.fmean(nats), statistics.stdev(nats) / math.sqrt(len(nats)))
