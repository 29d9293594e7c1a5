"""What the doctor measures on a model and its data, as plain numbers; the checks judge it."""

from __future__ import annotations

import dataclasses

import numpy as np

from ..data.examples import Example
from ..data.spec import DataSpec
from ..evaluation.aggregate import AggregateEstimate, aggregate_posterior, posterior_draws
from ..evaluation.latents import decode, prior_draws
from ..evaluation.predictive import PredictiveCheck, predictive_check
from ..evaluation.sensitivity import input_sensitivity
from ..evaluation.two_sample import TwoSample, mean_discrepancy, neighbour_agreement
from ..models import AbstractLatentVariableModel

# Seconds, not minutes: the statistics compare all pairs.
MOST_EXAMPLES, MOST_REFERENCES = 1000, 3000
# Each of the pairs' densities takes a pass through the layers of a flow, or back through them.
MOST_EXAMPLES_OF_FLOWS = 200
# Beyond the farthest twentieth of reconstructions, a decoded sample is called far from the data.
FAR_QUANTILE = 0.95


@dataclasses.dataclass(frozen=True)
class Examination:
    """- `split`, `num_examples`: on which data the codes were examined.
    - `aggregate`: I(x; z) and KL(q(z) || p(z)); None for a deterministic code.
    - `discrepancy`, `neighbours`: aggregate posterior against prior, by MMD^2 and by nearest neighbours, in the active latents
      (all of them where none is); None for fewer than two examples.
    - `far_share`: the share of decoded prior draws that lie farther from every training example than all but 5 % of decoded
      posterior draws; `median_distance_ratio`: of their median distances.
    - `predictive`: whether training examples look like draws from the likelihood.
    - `sensitivity`: (D,), how far the code moves with each element of the input.
    """

    split: str
    num_examples: int
    aggregate: AggregateEstimate | None
    discrepancy: TwoSample | None
    neighbours: TwoSample | None
    far_share: float
    median_distance_ratio: float
    predictive: PredictiveCheck
    sensitivity: np.ndarray


def examine(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    shown: Example,
    train: Example,
    *,
    split: str,
    active: np.ndarray | None = None,
    seed: int = 0,
) -> Examination:
    """Examine a model on at most a thousand examples of a split (200 of a flow), and its likelihood on training examples.

    - `shown`: examples of the split named `split`. `train`: training examples; the same ones where that split is "train".
    - `active`: the latents in which codes and prior are compared; all where none is.
    """
    shown = shown[: MOST_EXAMPLES_OF_FLOWS if any(block.is_flow for block in model.latent_blocks) else MOST_EXAMPLES]
    condition = None if shown.condition is None else np.asarray(shown.condition)
    codes = posterior_draws(model, shown, seed=seed)
    prior = prior_draws(model, len(shown), condition=condition, seed=seed)
    used = active if active is not None and active.any() else np.ones(model.latent_dim, bool)
    far_share, ratio = _far_from_data(model, spec, codes, prior, condition, train, leave_own_out=split == "train")
    comparable = len(shown) > 1
    return Examination(
        split=split,
        num_examples=len(shown),
        aggregate=aggregate_posterior(model, shown, seed=seed) if model.has_density else None,
        discrepancy=mean_discrepancy(codes[:, used], prior[:, used], seed=seed) if comparable else None,
        neighbours=neighbour_agreement(codes[:, used], prior[:, used], seed=seed) if comparable else None,
        far_share=far_share,
        median_distance_ratio=ratio,
        predictive=predictive_check(
            model, train, step=np.asarray(spec.step), origin=np.asarray(spec.element_low or (0.0,)), seed=seed
        ),
        sensitivity=input_sensitivity(model, train, np.asarray(spec.std), seed=seed),
    )


def _far_from_data(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    codes: np.ndarray,
    prior: np.ndarray,
    condition: np.ndarray | None,
    train: Example,
    *,
    leave_own_out: bool,
) -> tuple[float, float]:
    """`far_share` and `median_distance_ratio`: means against means, so that neither side has the likelihood's noise."""
    mean = np.asarray(spec.mean).reshape(spec.event_shape)
    reference = np.asarray(train.x[:MOST_REFERENCES], np.float64)
    # What has no value is at no distance from the middle.
    reference = np.where(np.isnan(reference), mean, reference)
    std = np.asarray(spec.std).reshape(spec.event_shape)
    # Pixels share one unit; columns each have their own.
    unit = 1.0 if spec.is_image else np.where(std > 0, std, 1.0)
    decoded = [np.asarray(decode(model, z, condition=condition), np.float64) for z in (codes, prior)]
    finite = np.logical_and.reduce([np.isfinite(means).reshape(len(means), -1).all(axis=0) for means in decoded])
    # Codes of categories are at no distance from each other.
    finite &= ~spec.coded
    if not finite.any():
        return float("nan"), float("nan")

    def flat(examples: np.ndarray) -> np.ndarray:
        return (examples / unit).reshape(len(examples), -1)[:, finite]

    own, others = (flat(means) for means in decoded)
    references = flat(reference)
    own_distance = _nearest(own, references, leave_own_out=leave_own_out)
    distance = _nearest(others, references, leave_own_out=False)
    limit, middle = np.quantile(own_distance, FAR_QUANTILE), float(np.median(own_distance))
    return float(np.mean(distance > limit)), float(np.median(distance)) / middle if middle > 0 else float("nan")


def _nearest(points: np.ndarray, references: np.ndarray, *, leave_own_out: bool) -> np.ndarray:
    """The distance of each point to its nearest reference; `leave_own_out` skips the reference of the point's own number."""
    # Imported here, because scikit-learn takes seconds to import.
    from sklearn.neighbors import NearestNeighbors

    centre = references.mean(axis=0)
    number = 2 if leave_own_out and len(references) > 1 else 1
    search = NearestNeighbors(n_neighbors=number, algorithm="brute").fit(references - centre)
    distances, nearest = search.kneighbors(points - centre)
    is_own = nearest[:, 0] == np.arange(len(points)) if number == 2 else np.zeros(len(points), bool)
    return np.where(is_own, distances[:, -1], distances[:, 0])
