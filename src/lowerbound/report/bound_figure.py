"""The picture of the bound against the number of importance samples."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from ..evaluation import Evaluation
from ..evaluation.estimates import name_of_density
from .charts import whole_ticks
from .score_text import number
from .style import BLUE, INK, MUTED, ORANGE, PAPER, put_title, save_png, sheet

_WIDTH, _HEIGHT, _CAPTION_COLUMNS = 680, 450, 100
_MOST_TICKS = 8


def save_bound_figure(evaluation: Evaluation, path: str | Path, name: str) -> None:
    """Write the picture, with the verdict below it, as a PNG file; raises `SavingError`."""
    error = number(evaluation.standard_error, evaluation.standard_error)
    examples = f"Mean over {evaluation.num_examples:,} examples, the same at each K; its standard error is {error} nats."
    caption = textwrap.wrap(f"{evaluation.evidence.verdict} {examples}", _CAPTION_COLUMNS)
    with sheet(_WIDTH, _HEIGHT) as figure:
        draw_bound_against_samples(figure.subplots(), evaluation)
        put_title(figure, f"{name}: how the bound rises with the number of samples", _WIDTH)
        figure.supxlabel("\n".join(caption), x=0.01, ha="left", fontsize=8.5, color=MUTED)
        save_png(figure, path)


def draw_bound_against_samples(axes: Axes, evaluation: Evaluation) -> None:
    """The mean bound over the examples at K = 1, 2, 4, ..., and the ELBO of the encoder's own posterior."""
    curve = evaluation.bounds
    sizes, nats = np.asarray(curve.num_samples, float), np.asarray(curve.nats)
    axes.axhline(evaluation.elbo_nats, color=ORANGE, linestyle="dashed", linewidth=1.4, label="ELBO of the encoder's posterior")
    axes.plot(sizes, nats, "o-", color=BLUE, markersize=5.5, markeredgecolor=PAPER, label="bound from K importance samples")
    axes.set_xscale("log", base=2)
    # From 1 on, and K itself in place of what would be too near to it.
    ticks = sizes[:-1][:: -(-len(sizes) // _MOST_TICKS)]
    axes.set_xticks([*ticks[ticks <= sizes[-1] / 2], sizes[-1]])
    axes.xaxis.set_minor_locator(NullLocator())
    whole_ticks(axes)
    density = name_of_density(evaluation.given) if evaluation.weights_kl_nats is None else "the log predictive density"
    axes.set_title(f"Bound on {density}, {evaluation.split} split (higher is tighter)")
    axes.set_xlabel("K, importance samples for each example (log scale)")
    axes.set_ylabel("E[log mean of K weights] [nats per example]")
    if np.isfinite(nats[-1]):
        value, place = number(float(nats[-1]), evaluation.standard_error), (float(sizes[-1]), float(nats[-1]))
        axes.annotate(value, place, xytext=(2, 7), textcoords="offset points", ha="right", color=INK)
        # Room for the number above the last point.
        axes.margins(y=0.12)
    axes.legend(loc="center right")
