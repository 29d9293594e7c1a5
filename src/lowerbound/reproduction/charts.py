"""Figures 2 and 3: nats against training samples, ours in full lines, the paper's dashed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..report.charts import tick_text
from ..report.style import BLUE, GREEN, INK, ORANGE, PAPER, PURPLE, put_title, save_png, sheet
from .lines import Line, lines_of, samples_text
from .plan import AEVB, MNIST_ANEW, MONTE_CARLO_EM, WAKE_SLEEP, Plan
from .record import Reproduction

_WIDTH, _ROW = 1120, 285
_COLOURS = {AEVB.title: BLUE, WAKE_SLEEP.title: ORANGE, MONTE_CARLO_EM.title: GREEN}
# The paper's axes, with some room: nats, and training samples.
_NATS = {"mnist": (-170.0, -90.0), "frey": (0.0, 1600.0)}
_BOUND_SAMPLES, _EVIDENCE_SAMPLES = (7e4, 1.4e8), (7e5, 8e7)
_EVIDENCE_NATS = (-175.0, -100.0)
# How the paper's own are drawn.
_PAPER: dict[str, Any] = {"linestyle": (0, (4, 2.5)), "linewidth": 1.2, "marker": "D", "markersize": 4.5}
_ANEW = PURPLE


def save_bounds(plan: Plan, found: Reproduction, path: Path) -> None:
    """Figure 2, a panel for each number of latents, a row for each set of data; raises `SavingError`."""
    rows: dict[str, dict[int, list[Line]]] = {}
    for line in lines_of(plan, found, 2):
        data = line.curve.source.name.removesuffix("-anew")
        rows.setdefault(data, {}).setdefault(line.curve.latents, []).append(line)
    across = max(map(len, rows.values()))
    panels = [
        [(f"{own[0].curve.source.title}, {latents} latents", own, _NATS.get(data)) for latents, own in panels.items()]
        for data, panels in rows.items()
    ]
    lines = [line for own in rows.values() for panel in own.values() for line in panel]
    with sheet(_WIDTH, _ROW * len(rows) + 120) as figure:
        _draw(figure, panels, across, _BOUND_SAMPLES, "lower bound [nats per example]")
        _finish(figure, "The lower bound against the number of training samples, by number of latents", lines, path)


def save_evidences(plan: Plan, found: Reproduction, path: Path) -> None:
    """Figure 3, a panel for each number of training examples; raises `SavingError`."""
    panels: dict[int, list[Line]] = {}
    for line in lines_of(plan, found, 3):
        panels.setdefault(line.curve.num_train or 0, []).append(line)
    row = [(f"{number:,} training examples", own, _EVIDENCE_NATS) for number, own in panels.items()]
    with sheet(_WIDTH, 460) as figure:
        _draw(figure, [row], len(row), _EVIDENCE_SAMPLES, "log p(x), estimated [nats per example]")
        lines = [line for own in panels.values() for line in own]
        _finish(figure, "The estimated log p(x) of models with 3 latents against the number of training samples", lines, path)


def _draw(
    figure: Any,
    rows: Sequence[Sequence[tuple[str, list[Line], tuple[float, float] | None]]],
    across: int,
    samples: tuple[float, float],
    label: str,
) -> None:
    grid = figure.subplots(len(rows), across, squeeze=False, sharex=True)
    for row, panels in enumerate(rows):
        for axes in grid[row, len(panels) :]:
            axes.set_visible(False)
        for axes, (title, lines, limits) in zip(grid[row], panels, strict=False):
            for line in lines:
                _draw_line(axes, line)
            axes.set_title(title)
            axes.set_xscale("log")
            axes.set_xlim(*samples)
            if limits is not None:
                axes.set_ylim(*limits)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: samples_text(value)))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_formatter(FuncFormatter(tick_text))
            # The panel that stands lowest in its column.
            is_lowest = row + 1 == len(rows) or grid[row].tolist().index(axes) >= len(rows[row + 1])
            axes.tick_params(labelbottom=is_lowest)
            if is_lowest:
                axes.set_xlabel("training samples (log scale)")
        grid[row, 0].set_ylabel(label)


def _draw_line(axes: Axes, line: Line) -> None:
    colour = _ANEW if line.curve.source == MNIST_ANEW else _COLOURS[line.curve.method.title]
    samples = [point.samples for point in line.points]
    for part in ("train", "test"):
        means = [getattr(point, part) for point in line.points]
        axes.errorbar(
            samples, [mean.nats for mean in means], [mean.error for mean in means], color=colour, **_style(part), capsize=2
        )
    published = line.curve.published
    if published is None or line.curve.source == MNIST_ANEW:
        return
    for part in ("train", "test"):
        values = getattr(published, part)
        face = colour if part == "test" else PAPER
        axes.plot(list(values), list(values.values()), color=colour, markerfacecolor=face, zorder=3, **_PAPER)


def _style(part: str) -> dict[str, Any]:
    """The test's line is full and strong, the training's thin with open marks."""
    if part == "test":
        return {"marker": "o", "markersize": 4.5, "linewidth": 1.8}
    return {"marker": "o", "markersize": 4.5, "linewidth": 0.9, "markerfacecolor": PAPER}


def _finish(figure: Any, title: str, lines: list[Line], path: Path) -> None:
    put_title(figure, title, _WIDTH)
    methods = dict.fromkeys(line.curve.method.title for line in lines)
    keys = [_key(f"{name}, {part}", _COLOURS[name], **_style(part)) for name in methods for part in ("test", "train")]
    if any(line.curve.source == MNIST_ANEW for line in lines):
        keys += [_key(f"AEVB, {part}, drawn anew at each step", _ANEW, **_style(part)) for part in ("test", "train")]
    keys.append(_key("the paper's, test", INK, **_PAPER))
    keys.append(_key("the paper's, train", INK, **{**_PAPER, "markerfacecolor": PAPER}))
    figure.legend(handles=keys, loc="outside lower center", ncols=5)
    save_png(figure, path)


def _key(label: str, colour: str, **style: Any) -> Line2D:
    return Line2D([], [], label=label, color=colour, **style)
