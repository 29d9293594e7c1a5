"""Rows from models that anybody can have: what a figure of fidelity must be better than to mean something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.special
import scipy.stats

from ...data.columns import Column

NUM_CLASSES = 10
_MOST_ROWS, _MOST_ROUNDS, _RESTARTS, _ENOUGH = 10_000, 100, 3, 1e-4
# A pseudocount for each value that a category has, and the least spread of a class: a tenth of a column's own.
_PSEUDOCOUNT, _LEAST_STD = 0.1, 0.1


def independent_columns(training: np.ndarray, num_rows: int, *, seed: int = 0) -> np.ndarray:
    """Rows in which each column is drawn from training's by itself, holes and all, (num_rows, C): no column tells of another."""
    rng = np.random.default_rng(seed)
    return np.stack([column[rng.integers(0, len(column), num_rows)] for column in training.T], axis=1)


class LatentClasses:
    r"""A mixture of a few classes, in each of which the columns are independent (Lazarsfeld and Henry 1968), fitted by EM.

        p(x) = sum_k w_k prod_j p(x_j | k)

    A coded column is a category in each class, its holes one more value. A column of numbers is missing with a probability of
    the class and otherwise normal, after a map of its values to normal scores, Phi^-1 of the share of training below; what is
    drawn is mapped back, so that its own law is about training's, steps and tails and all. A stronger floor than Gaussians of raw
    numbers. At most 10,000 rows are used, at random, and the best of three starts.

    - `log_likelihoods`: the mean log-likelihood of each round of EM, of the codes and normal scores, with the pseudocounts'
      log-prior added; it never falls.
    """

    def __init__(self, training: np.ndarray, columns: Sequence[Column], num_classes: int = NUM_CLASSES, *, seed: int = 0) -> None:
        self._columns = tuple(columns)
        self._coded = [place for place, column in enumerate(columns) if column.is_coded]
        self._numeric = [place for place, column in enumerate(columns) if not column.is_coded]
        self._sorted = {place: np.sort(training[~np.isnan(training[:, place]), place]) for place in self._numeric}
        rng = np.random.default_rng(seed)
        some = training[rng.permutation(len(training))[:_MOST_ROWS]]
        codes, scores = self._codes_of(some), self._scores_of(some)
        self._has_holes = np.asarray(np.isnan(scores).any(axis=0))
        found = [self._fit(codes, scores, num_classes, rng) for _ in range(_RESTARTS)]
        self.log_likelihoods, self.weights, self._log_shares, self._mean, self._std, self._missing = max(
            found, key=lambda each: each[0][-1]
        )

    def sample(self, num_rows: int, *, seed: int = 0) -> np.ndarray:
        """New rows, (num_rows, C), as `Column.encode` gives them."""
        rng = np.random.default_rng(seed)
        rows = np.empty((num_rows, len(self._columns)))
        classes = rng.choice(len(self.weights), num_rows, p=self.weights)
        for place, log_shares in zip(self._coded, self._log_shares, strict=True):
            at = rng.random(num_rows)
            code = np.empty(num_rows)
            # Class by class: a table of rows and codes would not fit where there are many categories.
            for number, below in enumerate(np.cumsum(np.exp(log_shares), axis=1)):
                code[classes == number] = np.searchsorted(below, at[classes == number] * below[-1], side="right")
            rows[:, place] = np.where(code == self._columns[place].num_codes, np.nan, code)
        for number, place in enumerate(self._numeric):
            score = rng.normal(self._mean[classes, number], self._std[classes, number])
            known = self._sorted[place]
            at = np.clip((scipy.stats.norm.cdf(score) * len(known)).astype(int), 0, len(known) - 1)
            hole = rng.random(num_rows) < self._missing[classes, number] * self._has_holes[number]
            rows[:, place] = np.where(hole, np.nan, known[at] if len(known) else np.nan)
        return rows

    def _codes_of(self, rows: np.ndarray) -> np.ndarray:
        """(coded columns, n) whole numbers, a hole one more than the last code."""
        found = [np.where(np.isnan(rows[:, place]), self._columns[place].num_codes, rows[:, place]) for place in self._coded]
        return np.rint(np.reshape(found, (len(self._coded), len(rows)))).astype(int)

    def _scores_of(self, rows: np.ndarray) -> np.ndarray:
        """(n, numeric columns) normal scores, NaN for no value."""
        found = np.full((len(rows), len(self._numeric)), np.nan)
        for number, place in enumerate(self._numeric):
            known, own = self._sorted[place], ~np.isnan(rows[:, place])
            below, upto = (np.searchsorted(known, rows[own, place], side=side) for side in ("left", "right"))
            found[own, number] = scipy.stats.norm.ppf(np.clip((below + upto) / 2, 0.5, len(known) - 0.5) / max(len(known), 1))
        return found

    def _fit(self, codes: np.ndarray, scores: np.ndarray, num_classes: int, rng: np.random.Generator) -> tuple:
        size = scores.shape[0]
        present = ~np.isnan(scores)
        x, seen = np.where(present, scores, 0.0), present.astype(np.float64)
        log_likelihoods: list[float] = []
        # Each row begins in one class, nearly.
        belongs: np.ndarray = scipy.special.softmax(3 * rng.standard_normal((size, num_classes)), axis=1)
        while True:
            weights = (belongs.sum(axis=0) + _PSEUDOCOUNT) / (size + _PSEUDOCOUNT * num_classes)
            log_shares = [
                _log_shares(code, belongs, self._columns[place].num_codes + 1)
                for code, place in zip(codes, self._coded, strict=True)
            ]
            count = belongs.T @ seen
            mean = (belongs.T @ x) / (count + _PSEUDOCOUNT)
            square = belongs.T @ x**2 - 2 * mean * (belongs.T @ x) + mean**2 * count
            # A normal prior of the mean and a prior spread of 1, worth a tenth of a row.
            std = np.maximum(np.sqrt((square + _PSEUDOCOUNT * (1 + mean**2)) / (count + _PSEUDOCOUNT)), _LEAST_STD)
            total = belongs.sum(axis=0)[:, None]
            missing = (total - count + _PSEUDOCOUNT / 2) / (total + _PSEUDOCOUNT)
            log_joint = np.log(weights) + sum(
                (shares.T[code] for shares, code in zip(log_shares, codes, strict=True)), np.zeros((size, num_classes))
            )
            log_joint += (1 - seen) @ np.log(missing).T + seen @ (np.log1p(-missing) - np.log(std)).T
            log_joint -= 0.5 * (x**2 @ (1 / std**2).T - 2 * x @ (mean / std**2).T + seen @ (mean**2 / std**2).T)
            each = np.asarray(scipy.special.logsumexp(log_joint, axis=1))
            belongs = np.exp(log_joint - each[:, None])
            prior = _PSEUDOCOUNT * (np.log(weights).sum() + sum(float(each[np.isfinite(each)].sum()) for each in log_shares))
            prior += _PSEUDOCOUNT / 2 * float((np.log(missing) + np.log1p(-missing)).sum())
            prior -= _PSEUDOCOUNT * float((np.log(std) + 0.5 * (1 + mean**2) / std**2).sum())
            log_likelihoods.append(float(each.sum() + prior) / size)
            if len(log_likelihoods) > 1 and log_likelihoods[-1] - log_likelihoods[-2] < _ENOUGH:
                break
            if len(log_likelihoods) == _MOST_ROUNDS:
                break
        return log_likelihoods, weights / weights.sum(), log_shares, mean, std, missing


def _log_shares(codes: np.ndarray, belongs: np.ndarray, num_codes: int) -> np.ndarray:
    """(classes, codes) the logarithm of the share of each code in each class; -inf for one that no row has."""
    counts = np.stack([np.bincount(codes, weight, num_codes) for weight in belongs.T])
    counts += _PSEUDOCOUNT * (np.bincount(codes, minlength=num_codes) > 0)
    with np.errstate(divide="ignore"):
        return np.log(counts / counts.sum(axis=1, keepdims=True))


__all__ = ["NUM_CLASSES", "LatentClasses", "independent_columns"]
