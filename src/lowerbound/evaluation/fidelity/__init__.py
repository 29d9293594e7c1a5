"""Synthetic rows of a table beside real ones: columns, pairs, a classifier that tells them apart, and what can be learnt."""

from .boosting import BoostedTwoSample, Downstream, boosted_two_sample, downstream
from .compare import fidelity
from .floors import LatentClasses, independent_columns
from .neighbours import Neighbours, nearest_rows, num_copies
from .pairs import PairFigures, information_agreement
from .record import Candidate, Fidelity, Measured
from .shapes import column_shapes, missing_shares

__all__ = [
    "BoostedTwoSample",
    "Candidate",
    "Downstream",
    "Fidelity",
    "LatentClasses",
    "Measured",
    "Neighbours",
    "PairFigures",
    "boosted_two_sample",
    "column_shapes",
    "downstream",
    "fidelity",
    "independent_columns",
    "information_agreement",
    "missing_shares",
    "nearest_rows",
    "num_copies",
]
