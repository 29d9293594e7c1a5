"""Pictures of the columns of a table: categories, numbers and days in data and samples, and what decoding gives back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..data.columns import Column
from ..data.columns.column import in_words
from .charts import draw_marginal, draw_reconstructed_column, folded
from .style import BLUE, MUTED, ORANGE

# Of a column's categories, the most frequent ones; the others are one bar.
MOST_BARS = 8
# Numbers with more levels than this are drawn as numbers are.
MOST_LEVELS_AS_BARS = 6
_LONGEST_LABEL = 14
# From here on two ticks have room for their numbers.
_LONG_NUMBER = 10_000


def column_drawing(
    column: Column, name: str, of_data: np.ndarray, made: np.ndarray, *, are_samples: bool
) -> Callable[[Axes], None]:
    """What draws one column: its law in data and samples, or the reconstructions of its values."""
    if not column.is_coded or _is_quantity(column):
        left, right = (_values(column, each) for each in (of_data, made))
        if are_samples:
            return lambda axes: _with_ticks(axes, column, lambda: draw_marginal(axes, left, right, name))
        both = np.isfinite(left) & np.isfinite(right)
        if not both.any():
            return lambda axes: _empty(axes, name)
        draw = draw_reconstructed_column
        return lambda axes: _with_ticks(axes, column, lambda: draw(axes, left[both], right[both], name))
    if are_samples:
        return lambda axes: draw_shares(axes, of_data, made, column, name)
    return lambda axes: draw_right(axes, of_data, made, column, name)


def draw_shares(axes: Axes, real: np.ndarray, samples: np.ndarray, column: Column, name: str) -> None:
    """The share of each category in the data, as bars, and in the samples, as marks."""
    codes, labels = _shown(column, real)
    shares = [[np.mean(_one_of(values, code)) for code in codes] for values in (real, samples)]
    places = np.arange(len(codes))
    axes.barh(places, shares[0], height=0.72, color=BLUE, alpha=0.35, label="data")
    axes.plot(shares[1], places, "|", color=ORANGE, markersize=11, markeredgewidth=2.2, label="samples")
    _bars(axes, labels, name)


def draw_right(axes: Axes, originals: np.ndarray, reconstructions: np.ndarray, column: Column, name: str) -> None:
    """Of the examples of each category, the share that decoding gives back right."""
    codes, labels = _shown(column, originals)
    found = []
    for code in codes:
        chosen = _one_of(originals, code)
        known = originals[~np.isnan(originals)]
        right = np.mean(originals[chosen] == reconstructions[chosen]) if len(known) and chosen.any() else 0.0
        found.append(right)
    axes.barh(np.arange(len(codes)), found, height=0.72, color=BLUE, alpha=0.6)
    _bars(axes, labels, name)
    axes.set_xlabel("share right", fontsize=8)


def _bars(axes: Axes, labels: list[str], title: str) -> None:
    axes.set_yticks(np.arange(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_title(folded(title), fontsize=9)
    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:.0%}"))
    axes.set_xlim(left=0)
    axes.grid(False)


def _shown(column: Column, values: np.ndarray) -> tuple[list[list[int]], list[str]]:
    """The codes of each bar, and its label: the most frequent categories in the data, and all others together."""
    counts = np.asarray([np.sum(values == code) for code in range(len(column.categories))])
    order = np.argsort(-counts, kind="stable").tolist()
    if len(order) <= MOST_BARS:
        order = sorted(order) if not column.has_texts else order
        return [[code] for code in order], [_label(column.categories[code]) for code in order]
    first = order[: MOST_BARS - 1]
    others = [*order[MOST_BARS - 1 :], len(column.categories)]
    labels = [*(_label(column.categories[code]) for code in first), f"{len(others) - 1} others"]
    return [*([code] for code in first), others], labels


def _label(category: float | str) -> str:
    text = in_words(category)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _one_of(values: np.ndarray, codes: list[int]) -> np.ndarray:
    return np.isin(values, codes)


def _is_quantity(column: Column) -> bool:
    return not column.has_texts and len(column.categories) > MOST_LEVELS_AS_BARS


def _values(column: Column, values: np.ndarray) -> np.ndarray:
    """The numbers of a column; those that codes stand for."""
    if not column.is_coded:
        return values
    numbers = np.asarray([*column.categories, np.nan], np.float64)
    codes = np.clip(np.nan_to_num(values, nan=len(column.categories)), 0, len(column.categories))
    return numbers[np.rint(codes).astype(int)]


def _with_ticks(axes: Axes, column: Column, draw: Callable[[], None]) -> None:
    draw()
    if max(map(abs, axes.get_xlim())) >= _LONG_NUMBER:
        axes.xaxis.set_major_locator(MaxNLocator(2))
    if column.kind == "date-time":

        def day(x: float, _: int | None = None) -> str:
            # An axis may reach beyond the years of Python's own days.
            return str(np.datetime64(round(x), "D"))

        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(2))
            axis.set_major_formatter(FuncFormatter(day))
        axes.tick_params(labelsize=7)


def _empty(axes: Axes, name: str) -> None:
    axes.set_title(folded(name), fontsize=9)
    axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.set_xticks([])
    axes.set_yticks([])
