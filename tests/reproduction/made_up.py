"""A small plan and points that nobody trained."""

from __future__ import annotations

from lowerbound.reproduction.plan import AEVB, FREY, MNIST, Curve, Plan
from lowerbound.reproduction.record import Point, Reproduction, Trial

LEVELS = (10**5, 10**6, 10**7)
DIGITS, FACES = Curve(MNIST, AEVB, 3, (2,), LEVELS), Curve(FREY, AEVB, 20, (2,), LEVELS)
OTHER_SPLIT = Curve(FREY, AEVB, 20, (2,), LEVELS, split=1, rank=3.0)
SMALL = Plan((DIGITS, FACES, OTHER_SPLIT))
NOTHING = Reproduction("kingma-2014", 0, (2,))


def point(curve: Curve, level: int, test: float = -100.0, *, training: float = 10.0, around: float = 5.0) -> Point:
    return Point(curve.name, level, level, 0.02, test + 1, 0.2, test, 0.3, training, around)


def trials(curve: Curve, *scores: float | None) -> tuple[Trial, ...]:
    return tuple(Trial(curve.name, step, 10**5, score) for step, score in zip(SMALL.steps, scores, strict=True))
