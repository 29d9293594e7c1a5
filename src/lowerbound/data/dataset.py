"""A data set in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .columns import Column, RawTable
from .splits import Split

# (m, factors) and a generator of random numbers for the noise, to m examples.
Render = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Examples in the user's own units and type, and whatever else came with them.

    - `name`: the set's name, or the path it was loaded from.
    - `examples`: (n, *event_shape), an array; or rows that are read by their numbers (`streams.AbstractRows`), and `sample`, what
      one look through those to train on gave (`streams.sample.Sample`), where they were looked through.
    - `split`: the split that comes with the data, or None where the run makes its own.
    - `validation`: the numbers of the rows that a person chose for validation; None where the run chooses.
    - `labels`: (n,) integers, or None; `label_names`: what 0, 1, ... are called, where they have names.
    - `factors`: (n, k) float32, what the examples were generated from, named by `factor_names`; or None.
    - `render`: makes examples of any factors, (m, k) and a generator of random numbers for their noise; or None.
    - `condition`: (n,) or (n, k), what a conditional model is given with each example; None where none was asked for.
    - `weight`: (n,), how many examples each row stands for; None where each is one.
    - `feature_names`: a name for each column of a table; empty where there are none.
    - `probability`: values of the examples' shape and the highest that they can have, whose ratio is the probability of a one,
      where training is to draw zeros and ones anew at each step; the examples are one draw of them.
    - `spread`: of the examples' shape, the standard deviation with which training draws each anew at each step; None for none.
    - `num_levels`: the number of levels of integer data where the source states it, for `describe`.
    - `table`: of a table with texts, times or cells without a value, what was read; else None. `columns`: all of its columns, of
      which `examples` holds those that are not left out, encoded, with NaN for no value.
    """

    name: str
    examples: Any
    split: Split | None = None
    validation: np.ndarray | None = None
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()
    factors: np.ndarray | None = None
    factor_names: tuple[str, ...] = ()
    render: Render | None = None
    condition: np.ndarray | None = None
    condition_name: str = ""
    weight: np.ndarray | None = None
    feature_names: tuple[str, ...] = ()
    num_levels: int | None = None
    table: RawTable | None = None
    columns: tuple[Column, ...] = ()
    probability: tuple[np.ndarray, float] | None = None
    spread: np.ndarray | None = None
    sample: Any = None
