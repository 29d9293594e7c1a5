"""The pictures of a sweep: log p(x) against each key that is swept, and the bound while training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from ..evaluation.estimates import mean_and_error
from ..report.style import CATEGORIES, put_title, save_png, sheet
from ..runs.folder import RUN_FILE, RunFolder
from .grid import Axis, Member
from .record import Home
from .table import Row, Table

_WIDTH = 1120
# More lines than these nobody tells apart.
MOST_LINES = 6
_LOG_FROM = 20.0


def save_values(table: Table, axes: Sequence[Axis], path: Path) -> bool:
    """A panel for each key: log p(x) against its values, a line for each choice of the others; False where nothing is there."""
    rows = [row for row in table.rows if row.log_evidence_nats is not None]
    swept = [axis for axis in axes if len({dict(row.setting.values)[axis.key] for row in rows}) > 1]
    if table.refusal or not swept:
        return False
    has_seeds = any(math.isfinite(row.seed_spread) for row in rows)
    bars = "one standard error over seeds" if has_seeds else "one standard error over examples"
    with sheet(_WIDTH, 400 * len(swept) + 60) as figure:
        panels = figure.subplots(len(swept), 1, squeeze=False)[:, 0]
        for panel, axis in zip(panels, swept, strict=True):
            _draw_axis(panel, axis, rows)
            panel.set_ylabel(f"{table.density} of validation\n[nats per example]")
        title = f"Validation {table.density} by what was swept (bars: {bars})"
        put_title(figure, title, _WIDTH)
        save_png(figure, path)
    return True


def save_scatter(table: Table, axes: Sequence[Axis], path: Path) -> bool:
    """A panel for each key: log p(x) of each trial against its value, the best one marked; False where nothing is there."""
    rows = [row for row in table.rows if row.log_evidence_nats is not None]
    if table.refusal or not rows:
        return False
    heights = np.array([row.log_evidence_nats for row in rows], float)
    with sheet(_WIDTH, 60 + 330 * math.ceil(len(axes) / 2)) as figure:
        panels = figure.subplots(math.ceil(len(axes) / 2), 2, squeeze=False, sharey=True).reshape(-1)
        for panel in panels[len(axes) :]:
            panel.set_visible(False)
        for panel, axis in zip(panels, axes, strict=False):
            values = [dict(row.setting.values)[axis.key] for row in rows]
            numbers, names = _numbers(values), list(dict.fromkeys(sorted(values)))
            places = np.array([names.index(value) for value in values] if numbers is None else numbers, float)
            panel.scatter(places[1:], heights[1:], s=22, color=CATEGORIES[0], label="a trial")
            panel.scatter(places[:1], heights[:1], s=60, marker="D", color=CATEGORIES[1], label="the best")
            if numbers is None:
                panel.set_xticks(range(len(names)), names)
            elif min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_FROM:
                panel.set_xscale("log")
                panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
                panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_xlabel(axis.key)
        # The worst trials would squash all that matters.
        low = float(np.quantile(heights, 0.1))
        panels[0].set_ylim(low - 0.1 * (heights.max() - low), heights.max() + 0.1 * (heights.max() - low))
        panels[0].set_ylabel(f"{table.density} of validation\n[nats per example]")
        panels[0].legend(loc="lower center")
        title = f"Validation {table.density} of the trials by what was chosen (the worst tenth may lie below)"
        put_title(figure, title, _WIDTH)
        save_png(figure, path)
    return True


def _draw_axis(panel: Axes, axis: Axis, rows: Sequence[Row]) -> None:
    lines: dict[tuple[tuple[str, str], ...], list[Row]] = {}
    for row in rows:
        others = tuple((key, value) for key, value in row.setting.values if key != axis.key)
        lines.setdefault(others, []).append(row)
    # The best of them: rows come the best first.
    shown = list(lines.items())[:MOST_LINES]
    numbers = _numbers(axis.values)
    for (others, own), colour in zip(shown, CATEGORIES, strict=False):
        own = sorted(own, key=lambda row: axis.values.index(dict(row.setting.values)[axis.key]))
        values = [dict(row.setting.values)[axis.key] for row in own]
        places = [axis.values.index(value) if numbers is None else float(value) for value in values]
        order = np.argsort(places)
        heights = np.array([row.log_evidence_nats for row in own], float)[order]
        errors = np.array([row.error for row in own], float)[order]
        label = ", ".join(f"{key}={value}" for key, value in others)
        style: dict[str, Any] = {"color": colour, "marker": "o", "markersize": 4.5, "capsize": 2, "label": label}
        panel.errorbar(np.array(places)[order], heights, np.nan_to_num(errors), **style)
    if numbers is None:
        panel.set_xticks(range(len(axis.values)), axis.values)
    else:
        if min(numbers) > 0 and max(numbers) / min(numbers) >= _LOG_FROM:
            panel.set_xscale("log")
        panel.set_xticks(numbers, axis.values)
        panel.minorticks_off()
    hidden = len(lines) - len(shown)
    panel.set_title(f"{axis.key}" + (f": the best {len(shown)} of {len(lines)} choices of the other keys" if hidden else ""))
    panel.set_xlabel(axis.key)
    if any(others for others, _ in shown):
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _numbers(values: Sequence[str]) -> list[float] | None:
    """The values as numbers; None where one is not a finite number."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def save_courses(table: Table, home: Home, members: Sequence[Member], path: Path) -> bool:
    """The validation bound against training samples, a line for each setting (mean over seeds); False where nothing is there."""
    settings = [row.setting for row in table.rows if row.models][:MOST_LINES]
    courses = {setting: _course(home, [member for member in members if member.setting == setting]) for setting in settings}
    courses = {setting: course for setting, course in courses.items() if course is not None}
    if not courses or table.refusal:
        return False
    with sheet(_WIDTH, 460) as figure:
        panel: Any = figure.subplots()
        for (setting, (samples, mean, error)), colour in zip(courses.items(), CATEGORIES, strict=False):
            panel.plot(samples, mean, color=colour, label=setting.words)
            panel.fill_between(samples, mean - error, mean + error, color=colour, alpha=0.18, linewidth=0)
        every = [mean[np.isfinite(mean)] for _, mean, _ in courses.values()]
        # The first looks of an untrained model would squash all that matters.
        low = min(float(np.quantile(values, 0.15)) for values in every if len(values))
        high = max(float(values.max()) for values in every if len(values))
        panel.set_ylim(low - 0.1 * (high - low), high + 0.05 * (high - low))
        first, last = (pick(samples[0 if pick is min else -1] for samples, _, _ in courses.values()) for pick in (min, max))
        is_long = last >= _LOG_FROM * first
        panel.set_xscale("log" if is_long else "linear")
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("training samples (log scale)" if is_long else "training samples")
        panel.set_ylabel("validation bound\n[nats per example]")
        number = sum(bool(row.models) for row in table.rows)
        which = "" if number == len(courses) else f", the best {len(courses)} settings of {number}"
        title = f"The objective's bound on validation while training{which} (band: one standard error over seeds)"
        put_title(figure, title, _WIDTH)
        panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        save_png(figure, path)
    return True


def _course(home: Home, members: Sequence[Member]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Training samples, mean bound over the seeds that got so far, and its standard error."""
    seen: dict[int, list[float]] = {}
    for member in members:
        if not (home.run(member) / RUN_FILE).exists():
            continue
        folder = RunFolder(home.run(member))
        columns, config = folder.metrics.read(), folder.config()
        size = min(config.training.batch_size, folder.info()["data"]["sizes"]["train"])
        for step, bound in zip(columns["step"], columns["validation_bound_nats"], strict=True):
            if math.isfinite(bound):
                seen.setdefault(int(step) * size, []).append(float(bound))
    if not seen:
        return None
    samples = np.array(sorted(seen), float)
    means = np.array([np.mean(seen[int(place)]) for place in samples])
    errors = np.array([mean_and_error(np.array(seen[int(place)]))[1] for place in samples])
    return samples, means, np.nan_to_num(errors)
