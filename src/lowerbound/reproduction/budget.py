"""Which job comes next, and whether it fits into the time that is left: predicted from what earlier jobs took."""

from __future__ import annotations

from typing import NamedTuple

from .plan import Curve, Job, Plan, Quantity
from .record import Reproduction

# Compiling, and looking at the models, until they were measured: seconds on two cores.
_AROUND: dict[Quantity, float] = {"bound": 25.0, "evidence": 240.0}


class Cost(NamedTuple):
    """Seconds of training, and around it: compiling, loading, looking at the models."""

    training: float
    around: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.training + self.around


def open_jobs(plan: Plan, found: Reproduction) -> list[Job]:
    """What is left of the plan, in its order; nothing of curves that failed."""
    done = {(point.curve, point.level) for point in found.points}
    return [job for job in plan.jobs if (job.curve.name, job.level) not in done and job.curve.name not in found.failures]


def next_jobs(plan: Plan, found: Reproduction) -> list[Job]:
    """The next of each curve, in the plan's order: a level goes on from the one before."""
    firsts: dict[str, Job] = {}
    for job in open_jobs(plan, found):
        firsts.setdefault(job.curve.name, job)
    return list(firsts.values())


def samples_of(job: Job, plan: Plan, found: Reproduction) -> int:
    """The training samples that the job still needs, those of its trials among them."""
    done = max((point.level for point in found.points_of(job.curve.name)), default=0)
    if done:
        return job.level - done
    open_trials = len(plan.steps) - len(found.trials_of(job.curve.name))
    return max(0, job.level - plan.trial) + open_trials * plan.trial


def cost_of(job: Job, plan: Plan, found: Reproduction) -> Cost:
    """By the curve's own speed where it has points, else by a guess, corrected by how the guesses of the others did."""
    curves = {curve.name: curve for curve in plan.curves}
    points = [point for point in found.points if point.curve in curves]
    own = [point for point in points if point.curve == job.curve.name] or points
    guessed = sum(_guess(curves[point.curve], point.samples) for point in own)
    correction = sum(point.training_seconds for point in own) / guessed if guessed else 1.0
    around = [point.around_seconds for point in points if curves[point.curve].quantity == job.curve.quantity]
    training = correction * _guess(job.curve, samples_of(job, plan, found))
    return Cost(training, sum(around) / len(around) if around else _AROUND[job.curve.quantity])


def seconds_left(plan: Plan, found: Reproduction) -> float:
    """How long all that is missing will take."""
    costs: dict[str, list[Cost]] = {}
    for job in open_jobs(plan, found):
        costs.setdefault(job.curve.name, []).append(cost_of(job, plan, found))
    # Seen from now, the training of a later level holds that of the earlier ones.
    return sum(max(each.training for each in own) + sum(each.around for each in own) for own in costs.values())


def _guess(curve: Curve, samples: int) -> float:
    return curve.source.seconds * curve.method.cost * samples / 1e6
