"""A plan of two short curves on digits that are there in every installation; as a program, `lowerbound reproduce` with that plan.

`python small_plan.py OUT` is `lowerbound reproduce kingma-2014 --out OUT` for whom the paper is so small.
"""

from __future__ import annotations

import sys

from lowerbound.cli.main import main
from lowerbound.reproduction import calls
from lowerbound.reproduction.plan import AEVB, Curve, Plan, Source

DIGITS = Source(
    "mnist",
    "Digits",
    "digits",
    "kingma-2014-mnist",
    20.0,
    (
        "data.name=digits",
        "data.binarize=fixed",
        "data.validation=200",
        "data.test=200",
        "network.hidden_widths=[8]",
        "training.checkpoint_every_seconds=0",
    ),
    has_split=False,
)


# A trial of it is looked at on its way, and not at its end alone.
LEVEL = 1_200_000


def small_plan(level: int) -> Plan:
    """Two curves, each looked at after `level` training samples and after three times as many; trials are as long as a level."""
    levels = (level, 3 * level)
    curves = Curve(DIGITS, AEVB, 2, (2, 4, 5), levels), Curve(DIGITS, AEVB, 2, (2,), levels, num_train=200)
    return Plan(curves, (0.02, 0.1), level)


if __name__ == "__main__":
    calls.kingma_2014 = lambda: small_plan(LEVEL)
    sys.argv = ["lowerbound", "reproduce", "kingma-2014", "--out", sys.argv[1]]
    main()
