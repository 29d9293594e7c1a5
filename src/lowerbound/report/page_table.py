"""The page's section about a table: its columns and why they are so, missing cells, and what pairs tell of each other."""

from __future__ import annotations

import html
import math
import shlex

import numpy as np
from matplotlib.axes import Axes

from ..data.columns import Column
from ..evaluation import ColumnCoverage
from ..evaluation.holes import ASSUMED
from ..summaries import RunSummary
from ..summaries.summary import COVERAGE
from .page_pictures import chart
from .shell import heads, table
from .style import BLUE, INK, MUTED

# Pairs whose dots are named: the strongest of the data.
_NAMED_PAIRS = 3


def table_section(summary: RunSummary) -> str:
    """Each column with its kind, its law, the reason and its holes; what was left out; and the dependence of pairs."""
    spec = summary.spec
    rows = "".join(_row(column) for column in spec.columns)
    left_out = "".join(
        f'<tr><th scope="row">{html.escape(column.name)}</th><td>{column.kind}</td><td>left out</td>'
        f"<td>{html.escape(column.reason)}</td><td>{_share(column.missing)}</td></tr>"
        for column in spec.left_out
    )
    patterns = len(spec.hole_patterns)
    holes = (
        f" {np.mean(spec.holes):.1%} of all cells have no value, in {patterns:,} different patterns; a row's score is then about "
        "the cells that have one."
        if spec.holes
        else ""
    )
    pair_chart = ""
    if len(spec.columns) > 1 and len(summary.samples) > 1 and len(summary.real) > 1:
        description = "What pairs of columns tell of each other, in the data and in the samples."
        pair_chart = f'<div class="card">{chart("pairs", description, lambda axes: draw_pairs(axes, summary), height=370)}</div>'
    return (
        '<p class="intro">What each column was taken for, and the values that decided it. Another kind or law is stated in a '
        f"schema: <code>lowerbound schema DATA --out schema.toml</code>.{holes}</p>"
        f"{table(heads('Column', 'Kind', 'Law', 'Because', 'Missing'), rows + left_out, 'choices')}{pair_chart}{_filled(summary)}"
    )


def _row(column: Column) -> str:
    return (
        f'<tr><th scope="row">{html.escape(column.name)}</th><td>{column.kind}</td><td>{html.escape(column.likelihood)}</td>'
        f"<td>{html.escape(column.reason)}</td><td>{_share(column.missing)}</td></tr>"
    )


def _share(missing: float) -> str:
    return f"{missing:.1%}" if missing else "\N{EN DASH}"


def _filled(summary: RunSummary) -> str:
    """How right what fills a hole would be, column by column."""
    if not summary.hole_coverage:
        return ""
    rows = "".join(_filled_row(column) for column in summary.hole_coverage)
    numbers = heads("Hidden cells", "Error", "Own intervals hold", "Corrected ones hold", "Width", values=True)
    folder = html.escape(shlex.quote(summary.folder or summary.name))
    return (
        f'<h3>How holes are filled</h3><p class="intro">Known cells of {html.escape(summary.split_shown)} rows were hidden, and '
        "filled by the model. The error of numbers is their root mean square error over the column's standard deviation (1: no "
        "better than the mean); of categories it is the share that is wrong. Intervals are meant to hold "
        f"{COVERAGE:.0%} of the cells: the model's own quantiles, and those that are corrected by other held-out rows. "
        f"{html.escape(ASSUMED)} <code>lowerbound impute {folder} TABLE --out FILE --interval {COVERAGE:g}</code> fills a table."
        f'</p>{table(heads("Column", "Kind") + numbers, rows, "scores")}<p class="small">± is one standard error '
        "over the cells. Width: of corrected intervals over that of the column's own quantiles. A column of which few "
        "cells were hidden has no corrected interval.</p>"
    )


def _filled_row(column: ColumnCoverage) -> str:
    cells = ["\N{EN DASH}"] * 3
    if column.kind not in ("binary", "categorical"):
        cells[0] = f"{column.own_coverage:.1%}"
        if math.isfinite(column.width):
            cells[1:] = [f"{column.coverage:.1%} ± {column.coverage_error:.1%}", f"{column.width:.2f}"]
    error = f"{column.error:.3f}" if math.isfinite(column.error) else "\N{EN DASH}"
    values = "".join(f'<td class="value">{cell}</td>' for cell in (f"{column.num_cells:,}", error, *cells))
    return f'<tr><th scope="row">{html.escape(column.name)}</th><td>{column.kind}</td>{values}</tr>'


def draw_pairs(axes: Axes, summary: RunSummary) -> None:
    """A dot for each pair of columns: their normalised mutual information in the data, and in the samples."""
    from ..evaluation.fidelity.pairs import PairFigures

    columns = summary.spec.columns
    figures = PairFigures(summary.real, columns)
    samples = np.where(np.isfinite(summary.samples), summary.samples, np.nan)
    real, made = (figures.counts(rows).information for rows in (summary.real, samples))
    first, second = np.triu_indices(len(columns), 1)
    x, y = real[first, second], made[first, second]
    top = 1.05 * max(float(x.max()), float(y.max()), 0.05)
    axes.plot((0, top), (0, top), color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.scatter(x, y, s=16, color=BLUE, alpha=0.7, linewidths=0, zorder=2)
    for index in np.argsort(-x, kind="stable")[:_NAMED_PAIRS]:
        name = f"{columns[first[index]].name}, {columns[second[index]].name}"
        side = "right" if x[index] > 0.55 * top else "left"
        offset = (-6, -3) if side == "right" else (6, -3)
        style = {"fontsize": 7.5, "color": INK, "ha": side, "va": "center"}
        axes.annotate(name, (x[index], y[index]), xytext=offset, textcoords="offset points", **style)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)
    axes.set_xlabel("in the data (0: nothing, 1: all)")
    axes.set_ylabel("in samples")
    axes.set_title("What pairs of columns tell of each other")
