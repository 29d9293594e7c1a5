"""How odd each row is: by its evidence, by its distance to training rows, or by both; which one is chosen without any anomaly."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from ..data.examples import Example
from ..data.spec import DataSpec
from ..errors import ConfigurationError, DataError
from ..models import AbstractLatentVariableModel
from .corruptions import corrupted
from .evidence import estimate_evidence, own_streams
from .latents import in_blocks, posterior_means
from .neighbours import FARTHEST, MOST_ROWS, Neighbours

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

    Wherever rows are given, they are given once for each model, as that model takes them.

    - `score`: which one it is, of `SCORES`. `reason`: why. `areas`: of each score the area under the ROC curve on held-out rows
      against rows made odd; empty where nothing was chosen.
    - `models`: p(x) is the mean of their densities, and the codes of all of them stand side by side.
    - `centre`, `spread`: of each component of `joined`, its median on the held-out rows, and by how much those above it are above
      it in the mean. Where a tail falls off exponentially, (s - centre) / spread is minus log of the share of rows beyond s, but
      for a constant: the two components are compared by how rare a row is.
    """

    score: str
    reason: str
    areas: Mapping[str, float]
    models: tuple[AbstractLatentVariableModel, ...]
    in_data: Neighbours
    in_codes: Neighbours
    centre: Mapping[str, float]
    spread: Mapping[str, float]

    def __call__(self, data: Sequence[Example], own: Int[np.ndarray, " rows"] | None = None) -> Float[np.ndarray, " rows"]:
        """The score of each row, high for odd.

        - `own`: which of the rows that neighbours are sought among each is itself; that one is no neighbour of it.
        """
        names = _JOINED if self.score == JOINED else (self.score,)
        return self._of({name: self._component(name, data, own) for name in names}, self.score)

    def all(self, data: Sequence[Example]) -> dict[str, Float[np.ndarray, " rows"]]:
        """Each of `SCORES`, whichever was chosen."""
        return self._all({name: self._component(name, data) for name in SCORES if name != JOINED})

    def calibrated(
        self, rows: Sequence[Example], normal: Sequence[Example]
    ) -> tuple[AnomalyScorer, Float[np.ndarray, " calibration"]]:
        """The scorer that seeks neighbours among the calibration rows too, and the scores of these, each without itself.

        The p-values of these scores are as exact as those of a scorer that never saw the rows. For were the new row one more
        neighbour of the calibration rows, all of them were treated alike, and p <= a would have probability a at most (full
        conformal prediction, Vovk et al. 2005, chapter 2). That neighbour makes the calibration scores smaller or leaves them:
        without it p is larger, if anything. It is p-values one by one that this holds for; for what is said of many together
        (a false discovery rate, the law of one calibration's rate) there is no proof. Where there are more rows than are
        searched, the calibration rows are left out.

        - `rows`: those of `fit_scorer`. `normal`: the calibration rows.
        """
        first, count = len(rows[0]), len(normal[0])
        if first + count > MOST_ROWS:
            return self, self(normal)
        x = np.concatenate([np.asarray(rows[0].x), np.asarray(normal[0].x)])
        codes = np.concatenate([_codes(self.models, rows), _codes(self.models, normal)])
        wider = dataclasses.replace(self, in_data=self.in_data.again(x), in_codes=self.in_codes.again(codes))
        return wider, wider(normal, first + np.arange(count))

    def _all(self, components: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: self._of(components, name) for name in SCORES}

    def _of(self, components: Mapping[str, np.ndarray], name: str) -> np.ndarray:
        if name != JOINED:
            return components[name]
        return np.max([(components[each] - self.centre[each]) / self.spread[each] for each in _JOINED], axis=0)

    def _component(self, name: str, data: Sequence[Example], own: np.ndarray | None = None) -> np.ndarray:
        if name == EVIDENCE:
            return _surprise(self.models, data)
        if name == IN_DATA:
            return self.in_data.distance(np.asarray(data[0].x), own)
        return self.in_codes.distance(_codes(self.models, data), own)

    def _held_out(self, blocks: Sequence[Sequence[Example]], own: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """Each component but `joined` of rows that were held out, a block for each model; the evidence is by that model alone."""
        found: dict[str, list[np.ndarray]] = {name: [] for name in SCORES if name != JOINED}
        for number, (model, block) in enumerate(zip(self.models, blocks, strict=True)):
            found[EVIDENCE].append(_surprise([model], [block[number]]))
            for name in (IN_DATA, IN_CODES):
                found[name].append(self._component(name, block, own[number]))
        return {name: np.concatenate(values) for name, values in found.items()}


def check_score(method: object) -> None:
    """Raise `ConfigurationError` for a score that does not exist."""
    if method not in (AUTO, *SCORES):
        raise ConfigurationError(f"method is {method!r}; expected one of {', '.join((AUTO, *SCORES))}.")


def fit_scorer(
    models: Sequence[AbstractLatentVariableModel],
    spec: DataSpec,
    rows: Sequence[Example],
    held_out: Sequence[Int[np.ndarray, " rows"]],
    *,
    method: str = AUTO,
    seed: int = 0,
) -> AnomalyScorer:
    """The score for these data, or the one that is asked for.

    No anomaly is looked at. Held-out rows are told from the same rows made odd, `corrupted`, and the area under the ROC curve is
    taken. The score is `joined`, unless another has an area that is larger by 0.05 and by four standard errors of the difference
    (over the held-out rows) at least; then the one with the largest. Rows made odd are no anomalies: where small differences were
    believed, real anomalies were found less well (docs/results.md, "Anomalies").

    - `rows`: the same rows for each model, as it takes them; those that it was trained on, and those that were held out. All of
      them are neighbours. `spec`: what the first model's rows are.
    - `held_out`: for each model the numbers of the rows that it was not trained on, and by which nothing is calibrated
      afterwards. They give each component its unit, and the choice; no row is a neighbour of itself there.

    Raises `ConfigurationError` for a score that does not exist, and `DataError` where there are no held-out rows.
    """
    check_score(method)
    if not all(len(own) for own in held_out):
        raise DataError("there are no held-out rows to choose a score by; expected one at least: hold out rows for validation.")
    models = tuple(models)
    in_data = Neighbours.in_data(np.asarray(rows[0].x), spec, seed=seed)
    in_codes = Neighbours.of(_codes(models, rows), seed=seed)
    first = AnomalyScorer(JOINED if method == AUTO else method, "it was asked for", {}, models, in_data, in_codes, {}, {})
    blocks = [[each[own] for each in rows] for own in held_out]
    normal = first._held_out(blocks, held_out)
    centre = {name: float(np.median(normal[name])) for name in _JOINED}
    scorer = dataclasses.replace(first, centre=centre, spread={name: _spread(normal[name]) for name in _JOINED})
    if method != AUTO:
        return scorer
    best, areas = _choice(scorer, spec, rows, blocks, held_out, normal, seed)
    listed = ", ".join(f"{name} {areas[name]:.3f}" for name in SCORES)
    why = "no other is clearly better" if best == JOINED else f"it is clearly better than {JOINED}"
    count = len(normal[EVIDENCE])
    reason = f"area under the ROC curve, {count:,} held-out rows against the same rows made odd: {listed}; {why}"
    return dataclasses.replace(scorer, score=best, reason=reason, areas=areas)


def _choice(
    scorer: AnomalyScorer,
    spec: DataSpec,
    rows: Sequence[Example],
    blocks: Sequence[Sequence[Example]],
    held_out: Sequence[np.ndarray],
    normal: Mapping[str, np.ndarray],
    seed: int,
) -> tuple[str, dict[str, float]]:
    """The name of the best score, and the area of each."""
    is_real = ~spec.whole_elements & ~spec.coded if spec.kind == "continuous" else np.zeros(spec.num_elements, bool)
    copies = -(-_NUM_CORRUPTED // len(normal[EVIDENCE]))
    # The same cells for each model, which takes them in its own way.
    made = [
        [
            corrupted(data, each, is_real, copies, np.random.default_rng([seed, block]))
            for data, each in zip(own, rows, strict=True)
        ]
        for block, own in enumerate(blocks)
    ]
    odd = scorer._all(scorer._held_out(made, [np.tile(own, copies) for own in held_out]))
    usual = scorer._all(normal)
    # A row outside the support is told by its evidence alone, and is no test of it.
    kept = odd[EVIDENCE] < FARTHEST
    if not kept.any():
        return JOINED, dict.fromkeys(SCORES, math.nan)
    # Of each held-out row the share of the odd ones that are odder, ties by half; the mean over the rows is the area.
    shares = {name: _share_above(np.sort(odd[name][kept]), usual[name]) for name in SCORES}
    areas = {name: float(values.mean()) for name, values in shares.items()}
    better = [
        name
        for name in SCORES
        if (found := shares[name] - shares[JOINED]).mean() > max(_MARGIN, _ERRORS * found.std() / len(found) ** 0.5)
    ]
    return max(better, key=areas.__getitem__, default=JOINED), areas


def _surprise(models: Sequence[AbstractLatentVariableModel], data: Sequence[Example]) -> np.ndarray:
    """Minus log of the mean of the models' p(x). A row of which no evidence can be found is as odd as can be."""
    found = [
        np.asarray(estimate_evidence(model, each, NUM_SAMPLES, streams=own_streams(each)).log_evidence, np.float64)
        for model, each in zip(models, data, strict=True)
    ]
    together = np.logaddexp.reduce(np.nan_to_num(found, nan=-np.inf, posinf=np.inf, neginf=-np.inf), axis=0)
    return np.clip(math.log(len(found)) - together, -FARTHEST, FARTHEST)


def _share_above(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    below = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return 1 - sum(below, np.zeros(len(values))) / (2 * len(ordered))


def _codes(models: Sequence[AbstractLatentVariableModel], data: Sequence[Example]) -> np.ndarray:
    found = [
        in_blocks(model, lambda block, model=model: posterior_means(model, block), each)
        for model, each in zip(models, data, strict=True)
    ]
    return np.nan_to_num(np.concatenate(found, axis=1, dtype=np.float64), nan=np.inf, posinf=np.inf, neginf=np.inf)


def _spread(values: np.ndarray) -> float:
    """The mean excess of the values above their median; of less than two different ones 1."""
    above = values[values > np.median(values)]
    return float((above - np.median(values)).mean()) if len(above) else 1.0
