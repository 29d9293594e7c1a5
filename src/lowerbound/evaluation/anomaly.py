"""How odd each row is: by its evidence, by its distance to training rows, or by both; which one is chosen without any anomaly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError
from ..models import AbstractLatentVariableModel
from .corruptions import corrupted
from .evidence import estimate_evidence, own_streams
from .latents import in_blocks, posterior_means
from .neighbours import FARTHEST, Neighbours

EVIDENCE, IN_CODES, IN_DATA, JOINED, AUTO = "evidence", "code-neighbours", "data-neighbours", "joined", "auto"
# What `joined` is the larger of.
_JOINED = (EVIDENCE, IN_DATA)
SCORES = (JOINED, EVIDENCE, IN_DATA, IN_CODES)
WORDS = {
    EVIDENCE: "minus log p(x)",
    IN_CODES: "the mean distance to the 5 nearest training rows among the codes E[z|x]",
    IN_DATA: "the mean distance to the 5 nearest training rows in the data's own standardised scale",
    JOINED: "the larger of minus log p(x) and the distance to the 5 nearest training rows, each in units of usual rows",
}
# Enough samples to rank rows, and about so many rows made odd.
NUM_SAMPLES, _NUM_CORRUPTED = 100, 400
# What another score must be better by than `joined`: so many standard errors of the difference, and this much area.
_ERRORS, _MARGIN = 4.0, 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class AnomalyScorer:
    """A score of oddness, high for odd; what a row gets depends on the row alone.

    - `score`: which one it is, of `SCORES`. `reason`: why. `areas`: of each score the area under the ROC curve on held-out rows
      against rows made odd; empty where nothing was chosen.
    - `centre`, `spread`: of each component of `joined`, its median on the held-out rows, and by how much those above it are above
      it in the mean. Where a tail falls off exponentially, (s - centre) / spread is minus log of the share of rows beyond s, but
      for a constant: the two components are compared by how rare a row is.
    """

    score: str
    reason: str
    areas: Mapping[str, float]
    in_data: Neighbours
    in_codes: Neighbours
    centre: Mapping[str, float]
    spread: Mapping[str, float]

    def __call__(self, model: AbstractLatentVariableModel, data: Example) -> Float[np.ndarray, " rows"]:
        """The score of each row, high for odd."""
        names = _JOINED if self.score == JOINED else (self.score,)
        return self._of({name: self._component(name, model, data) for name in names}, self.score)

    def all(self, model: AbstractLatentVariableModel, data: Example) -> dict[str, Float[np.ndarray, " rows"]]:
        """Each of `SCORES`, whichever was chosen."""
        found = {name: self._component(name, model, data) for name in SCORES if name != JOINED}
        return {name: self._of(found, name) for name in SCORES}

    def _of(self, components: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name != JOINED:
            return components[name]
        return np.max([(components[each] - self.centre[each]) / self.spread[each] for each in _JOINED], axis=0)

    def _component(self, name: str, model: AbstractLatentVariableModel, data: Example) -> np.ndarray:
        if name == EVIDENCE:
            found = estimate_evidence(model, data, NUM_SAMPLES, streams=own_streams(data)).log_evidence
            # A row of which no evidence can be found is as odd as can be.
            return np.clip(np.nan_to_num(-np.asarray(found, np.float64), nan=FARTHEST), -FARTHEST, FARTHEST)
        if name == IN_DATA:
            return self.in_data.distance(np.asarray(data.x))
        return self.in_codes.distance(_codes(model, data))


def fit_scorer(
    model: AbstractLatentVariableModel,
    spec: DataSpec,
    training: Example,
    held_out: Example,
    *,
    method: str = AUTO,
    seed: int = 0,
) -> AnomalyScorer:
    """The score for these data, or the one that is asked for.

    No anomaly is looked at. Held-out rows are told from the same rows made odd, `corrupted`, and the area under the ROC curve is
    taken. The score is `joined`, unless another has an area that is larger by 0.05 and by four standard errors of the difference
    (over the held-out rows) at least; then the one with the largest. Rows made odd are no anomalies: where small differences were
    believed, real anomalies were found less well (docs/results.md, "Anomalies").

    - `training`: the rows that the model was trained on, among which neighbours are sought.
    - `held_out`: rows that it was not trained on, and by which nothing is calibrated afterwards. They give each component its
      unit, and the choice; afterwards they are neighbours like the training rows.

    Raises `ConfigurationError` for a score that does not exist, and `DataError` where there are no held-out rows.
    """
    if method not in (AUTO, *SCORES):
        raise ConfigurationError(f"method is {method!r}; expected one of {', '.join((AUTO, *SCORES))}.")
    if len(held_out) == 0:
        raise DataError("there are no held-out rows to choose a score by; expected one at least: hold out rows for validation.")
    codes, held_out_codes = _codes(model, training), _codes(model, held_out)
    units: dict[str, float] = {}
    in_data, in_codes = Neighbours.in_data(np.asarray(training.x), spec, seed=seed), Neighbours.of(codes, seed=seed)
    first = AnomalyScorer(method, "it was asked for", {}, in_data, in_codes, units, units)
    normal = {name: first._component(name, model, held_out) for name in _JOINED}
    centre = {name: float(np.median(values)) for name, values in normal.items()}
    spread = {name: _spread(values) for name, values in normal.items()}
    scorer = dataclasses.replace(first, centre=centre, spread=spread)
    if method == AUTO:
        best, areas = _choice(scorer, model, spec, training, held_out, seed)
        listed = ", ".join(f"{name} {areas[name]:.3f}" for name in SCORES)
        why = "no other is clearly better" if best == JOINED else f"it is clearly better than {JOINED}"
        reason = f"area under the ROC curve, {len(held_out):,} held-out rows against the same rows made odd: {listed}; {why}"
        scorer = dataclasses.replace(scorer, score=best, reason=reason, areas=areas)
    rows = np.concatenate([np.asarray(training.x), np.asarray(held_out.x)])
    both = np.concatenate([codes, held_out_codes])
    # In the training rows' scale still: the units of the distances were found with it.
    wider = {"in_data": scorer.in_data.again(rows, seed=seed), "in_codes": scorer.in_codes.again(both, seed=seed)}
    return dataclasses.replace(scorer, **wider)


def _choice(
    scorer: AnomalyScorer, model: AbstractLatentVariableModel, spec: DataSpec, training: Example, held_out: Example, seed: int
) -> tuple[str, dict[str, float]]:
    """The name of the best score, and the area of each."""
    is_real = ~spec.whole_elements & ~spec.coded if spec.kind == "continuous" else np.zeros(spec.num_elements, bool)
    copies = -(-_NUM_CORRUPTED // len(held_out))
    odd = scorer.all(model, corrupted(held_out, training, is_real, copies, np.random.default_rng(seed)))
    normal = scorer.all(model, held_out)
    # A row outside the support is told by its evidence alone, and is no test of it.
    kept = odd[EVIDENCE] < FARTHEST
    if not kept.any():
        return JOINED, dict.fromkeys(SCORES, math.nan)
    # Of each held-out row the share of the odd ones that are odder, ties by half; the mean over the rows is the area.
    shares = {name: _share_above(np.sort(odd[name][kept]), normal[name]) for name in SCORES}
    areas = {name: float(values.mean()) for name, values in shares.items()}
    better = [
        name
        for name in SCORES
        if (found := shares[name] - shares[JOINED]).mean() > max(_MARGIN, _ERRORS * found.std() / len(found) ** 0.5)
    ]
    return max(better, key=areas.__getitem__, default=JOINED), areas


def _share_above(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    below = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return 1 - sum(below, np.zeros(len(values))) / (2 * len(ordered))


def _codes(model: AbstractLatentVariableModel, data: Example) -> np.ndarray:
    found = in_blocks(model, lambda block: posterior_means(model, block), data)
    return np.nan_to_num(found.astype(np.float64), nan=np.inf, posinf=np.inf, neginf=np.inf)


def _spread(values: np.ndarray) -> float:
    """The mean excess of the values above their median; of less than two different ones 1."""
    above = values[values > np.median(values)]
    return float((above - np.median(values)).mean()) if len(above) else 1.0
