"""Scores by another method than importance sampling of each example: one door for the command line and the estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..config.scoring import NUM_EXAMPLES, check_method
from ..data.examples import Example
from ..models import AbstractLatentVariableModel
from .annealing import Annealing, anneal, annealed_estimate
from .bidirectional import Sandwich, sandwich
from .estimates import Estimate
from .inference_gap import InferenceGap, inference_gap
from .joint_evidence import JointEvidence, JointSampling, joint_evidence
from .posterior_density import PosteriorDensity, harmonic_evidence, harmonic_record

Found = Estimate | Sandwich | InferenceGap | JointEvidence


def evaluate_by(
    method: str,
    model: AbstractLatentVariableModel,
    data: Example,
    arguments: Mapping[str, Any],
    *,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Found:
    """What a method says of random examples of `data`, of as many that the model makes ("bdmc"), or of all ("joint").

    - `arguments`: those that `lowerbound.config.scoring` names and that the method reads; others keep their defaults.
    - `on_progress`: is told how much is done of `steps_of`.

    Raises `ConfigurationError` where an argument is not read or cannot be, and where the model does not suit the method.
    """
    check_method(method, arguments)
    rest = dict(arguments)
    count = rest.pop("num_examples", NUM_EXAMPLES)
    if method == "joint":
        return joint_evidence(model, data, JointSampling(**rest), seed=seed, on_progress=on_progress)
    # Seeded, and the same for every method, so that their numbers are about the same examples.
    chosen = data[np.sort(np.random.default_rng(seed).permutation(len(data))[:count])]
    if method == "gap":
        return inference_gap(model, chosen, seed=seed, on_progress=on_progress, **rest)
    if method == "posterior-density":
        settings = PosteriorDensity(**rest)
        found = harmonic_evidence(model, chosen, settings, seed=seed, on_progress=on_progress)
        return harmonic_record(found, settings, model)
    annealing = Annealing(**rest)
    if method == "ais":
        return annealed_estimate(anneal(model, chosen, annealing, seed=seed, on_progress=on_progress), annealing, model)
    condition = None if chosen.condition is None else np.asarray(chosen.condition)
    return sandwich(model, len(chosen), annealing, condition=condition, seed=seed, on_progress=on_progress)


def steps_of(method: str, data: Example, arguments: Mapping[str, Any]) -> int:
    """How many steps `evaluate_by` tells of: draws of the weights or examples, which "bdmc" goes through twice."""
    if method == "joint":
        return arguments.get("num_weights", JointSampling.num_weights)
    return min(len(data), arguments.get("num_examples", NUM_EXAMPLES)) * (2 if method == "bdmc" else 1)
