"""All figures of synthetic rows, of the floors and of the ceiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...data.columns import Column
from .boosting import Downstream, boosted_two_sample, downstream, target_place
from .coding import check_rows
from .floors import NUM_CLASSES, LatentClasses, independent_columns
from .neighbours import nearest_rows, num_copies
from .pairs import PairFigures, information_agreement, mean_trend, with_error_of_groups
from .record import Candidate, Fidelity, Measured
from .shapes import column_shapes, mean_shape, missing_agreement, missing_shares

# Of more, trees would take minutes, and find differences that nobody asks after.
MOST_COMPARED = 10_000
INDEPENDENT, MIXTURE, MODEL, REAL = "independent columns", f"{NUM_CLASSES} latent classes", "model", "real rows"


def fidelity(
    training: np.ndarray,
    held_out: np.ndarray,
    synthetic: np.ndarray,
    columns: Sequence[Column],
    *,
    target: str = "",
    seed: int = 0,
    on_progress: Callable[[str], None] = lambda name: None,
) -> Fidelity:
    """How near synthetic rows are to real ones that no model saw, beside two floors and a ceiling.

    The floors are columns drawn each by itself, and ten latent classes, both of `training`; the ceiling is `training` itself.
    Each is as many rows as `synthetic`, and as many of each are compared with as many of `held_out`: of fewer rows all figures
    differ.

    - `training`, `held_out`, `synthetic`: (n, C) each, as `Column.encode` gives them, NaN for no value.
    - `target`: a column that trees learn to predict from each kind of rows, and are asked of `held_out`.
    - `on_progress`: is told the name of each kind of rows before it is looked at.

    Raises `DataError` where rows do not fit the columns, are fewer than twenty, or there is no such target.
    """
    columns = tuple(columns)
    check_rows(columns, training=training, held_out=held_out, synthetic=synthetic)
    if target:
        target_place(target, columns)
    rng = np.random.default_rng(seed)
    size = min(len(training), len(synthetic))
    # A law of the cells says nothing of the holes: without them every row could be told at a glance, and nothing else be seen.
    holes_given = bool(np.isnan(training).any() and not np.isnan(synthetic).any())
    given = synthetic
    if holes_given:
        given = np.where(np.isnan(training[rng.integers(0, len(training), len(synthetic))]), np.nan, synthetic)
    makers: dict[str, Callable[[], np.ndarray]] = {
        INDEPENDENT: lambda: independent_columns(training, size, seed=seed),
        MIXTURE: lambda: LatentClasses(training, columns, seed=seed).sample(size, seed=seed),
        MODEL: lambda: _some(given, size, rng),
        REAL: lambda: _some(training, size, rng),
    }
    judge = _Judge(training, held_out, columns, target, min(size, len(held_out), MOST_COMPARED), seed)
    candidates: list[Candidate] = []
    for name, make in makers.items():
        on_progress(name)
        candidates.append(judge.look_at(name, make(), synthetic if name == MODEL else None))
    return Fidelity(
        columns=tuple(column.name for column in columns),
        kinds=tuple(column.kind for column in columns),
        candidates=tuple(candidates),
        num_synthetic=len(synthetic),
        num_taught=size,
        num_compared=judge.size,
        num_training=len(training),
        missing=missing_shares(held_out),
        target=target,
        measure=judge.measure,
        holes_given=holes_given,
    )


def _some(rows: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """As many of the rows, at random."""
    return rows[rng.permutation(len(rows))[:size]]


class _Judge:
    """Compares rows with the same real ones.

    - `size`: rows on each side. `measure`: that of `downstream`, once it was worked out; "" for no target.
    """

    measure = ""

    def __init__(
        self, training: np.ndarray, held_out: np.ndarray, columns: tuple[Column, ...], target: str, size: int, seed: int
    ) -> None:
        self._training, self._held_out, self._columns = training, held_out, columns
        self._target, self.size, self._seed = target, size, seed
        self._real = _some(held_out, size, np.random.default_rng(seed))
        self._pairs = PairFigures(training, columns)
        self._counts = self._pairs.by_group(self._real, seed)

    def look_at(self, name: str, rows: np.ndarray, drawn: np.ndarray | None) -> Candidate:
        """All figures of these rows; `drawn` are those before they were given holes."""
        some, columns, seed = rows[: self.size], self._columns, self._seed
        drawn = some if drawn is None else drawn
        counts, figures = self._pairs.by_group(some, seed + 1), self._pairs
        told = boosted_two_sample(self._real, some, columns, reference=self._training, seed=seed)
        # A row of training is one of them: how near real ones come is seen of those that are not.
        near = nearest_rows(self._real if name == REAL else some, self._training, columns, seed=seed)
        others = self._held_out if name == REAL else rows
        trends = information = None
        if len(columns) > 1:
            trends = Measured(*with_error_of_groups(lambda a, b: mean_trend(figures, a, b), self._counts, counts))
            information = Measured(*with_error_of_groups(information_agreement, self._counts, counts))
        learnt = self._learnt(rows)
        return Candidate(
            name=name,
            is_floor=name in (INDEPENDENT, MIXTURE),
            column_shapes=column_shapes(self._real, some, columns),
            missing=missing_shares(drawn),
            pair_trends=figures.trends(self._counts[0], counts[0]),
            shapes=Measured(*mean_shape(self._real, some, columns, seed)),
            trends=trends,
            information=information,
            holes=Measured(*missing_agreement(self._real, drawn, seed)),
            two_sample=Measured(told.score, told.score_error),
            auc=Measured(told.auc, told.auc_error),
            downstream=None if learnt is None else Measured(learnt.value, learnt.error),
            distance=Measured(near.median, near.median_error),
            num_copies=num_copies(others, self._training),
            num_rows=len(others),
        )

    def _learnt(self, rows: np.ndarray) -> Downstream | None:
        if not self._target:
            return None
        found = downstream(rows, self._held_out, self._columns, self._target, seed=self._seed)
        self.measure = found.measure
        return found
